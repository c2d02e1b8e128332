//! Making the ticket, and finding one that may have been made.

use crate::workflow::action::{Facts, Mark, Observation, Sighting, Trouble, TroubleKind};
use crate::workflow::apply::{After, FIND_AGAIN, Verdict, strange};
use crate::workflow::headline;
use crate::workflow::state::{Chore, Doubt, Link, Name, Phase, Told};
use destination::task::Classification;
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::FailureCode;
use model::ticket::{TicketNews, TicketPhase};
use model::time::Timestamp;

impl After<'_> {
    pub(super) fn created(mut self, observation: Observation) -> Verdict {
        let sighting = match observation {
            Ok(Facts::Ticket(sighting)) => *sighting,
            Ok(_) => return self.may_be_made(strange()),
            Err(trouble) if trouble.kind == TroubleKind::Unknown => return self.may_be_made(trouble),
            Err(trouble) => return self.not_made(trouble),
        };
        let without = match self.state.delivery.dropped.as_slice() {
            [] => String::new(),
            dropped => format!(", without {}", dropped.join(", ")),
        };
        let made = format!("made {}", sighting.ticket.key);
        let unmarked = match sighting.mark {
            Mark::Ours => String::new(),
            Mark::Nobodys | Mark::Other(_) => format!("; {}", self.unmarked()),
        };
        if self.inputs.task.event.is_test {
            self.state.delivery = Default::default();
            let classification = Classification {
                ticket: Some(TicketNews::Seen(sighting.ticket)),
                ..Classification::from(Outcome::Delivered)
                    .noted(format!("{made} as a test: close it by hand{without}{unmarked}"))
            };
            return (self.state, classification);
        }
        let delivery = &mut self.state.delivery;
        delivery.is_fresh = true;
        delivery.dropped.clear();
        delivery.seen = Some(Phase(TicketPhase::New));
        // Whatever changes from now on, before its last request too, is news.
        self.state.told = std::mem::take(&mut self.state.told).about(&sighting.ticket.id);
        self.note_what_it_is_made_with();
        if !sighting.is_partial {
            self.see(&sighting);
            return self.go_on(format!("{made}{without}"));
        }
        self.state.delivery.made = Some(Name {
            id: sighting.ticket.id.clone(),
            key: sighting.ticket.key,
        });
        self.go_on(format!("{made}{without}"))
    }

    fn note_what_it_is_made_with(&mut self) {
        self.state.told.headline = headline::digest(&self.inputs.task);
        self.state.told.assignee = Some(self.inputs.assignee_id());
    }

    /// It may have been made: the next attempt looks first. Whoever answered in the system's place has to be put right by a
    /// person; it is looked for all the same.
    fn may_be_made(mut self, mut trouble: Trouble) -> Verdict {
        // Another event may find it, which does not know.
        self.state.told = Told::default();
        self.note_what_it_is_made_with();
        if trouble.failure.disposition != Disposition::NeedsOperator {
            let detail = format!(
                "{}; whether the ticket was made is not known",
                trouble.failure.detail
            );
            trouble.failure = Failure {
                retry_after: trouble.failure.retry_after,
                ..Failure::new(trouble.failure.code, detail).with(Disposition::VerifyFirst)
            };
        }
        self.give_up(trouble)
    }

    /// It was certainly not made.
    fn not_made(mut self, mut trouble: Trouble) -> Verdict {
        self.state.link = Link::None;
        let without = std::mem::take(&mut trouble.without);
        let note = (!without.is_empty()).then(|| {
            trouble.failure.disposition = Disposition::Immediate;
            format!("the ticket is made without {}", without.join(", "))
        });
        if note.is_some() {
            self.state.delivery.dropped = without;
        }
        let (state, classification) = self.give_up_or_ask(trouble);
        let note = note.or_else(|| classification.note.clone());
        let classification = Classification {
            ticket: Some(TicketNews::NotMade),
            note,
            ..classification
        };
        (state, classification)
    }

    pub(super) fn found(self, observation: Observation) -> Verdict {
        match observation {
            Ok(Facts::Tickets(sightings)) => match sightings.into_iter().next() {
                Some(sighting) => self.found_again(sighting),
                None => self.not_found(),
            },
            Ok(Facts::Page(sightings)) => match sightings.into_iter().next() {
                Some(sighting) => self.found_again(sighting),
                None => self.not_on_this_page(),
            },
            Ok(_) => self.give_up(strange()),
            Err(trouble) => self.give_up(trouble),
        }
    }

    pub(super) fn hinted(self, observation: Observation) -> Verdict {
        match observation {
            Ok(Facts::Ticket(sighting)) if sighting.mark == Mark::Ours => self.found_again(*sighting),
            Err(trouble) if trouble.kind != TroubleKind::Missing => self.give_up(trouble),
            Ok(_) | Err(_) => {
                let note = format!("the ticket that {} told of is not ours", self.system());
                self.do_without(Chore::Hint, note)
            }
        }
    }

    fn found_again(mut self, sighting: Sighting) -> Verdict {
        // Nobody has told anybody anything about it yet: both sides were last in line when it was new.
        self.state.delivery.seen = Some(Phase(TicketPhase::New));
        self.state.delivery.pages = 0;
        self.see(&sighting);
        // Where it is not on record what the ticket was made with, it is told.
        self.state.told.headline.get_or_insert_default();
        let (state, classification) = self.go_on(format!("{} was made after all", sighting.ticket.key));
        let classification = Classification {
            ticket: Some(TicketNews::Seen(sighting.ticket)),
            ..classification
        };
        (state, classification)
    }

    /// Nothing was made by the request whose answer is not known.
    pub(super) fn not_made_after_all(mut self) -> Verdict {
        self.state.link = Link::None;
        self.state.delivery.given_up.retain(|chore| *chore != Chore::Hint);
        let classification = Classification {
            ticket: Some(TicketNews::NotMade),
            ..Outcome::Step.into()
        };
        (
            self.state,
            classification.noted("no ticket was made: it is made now"),
        )
    }

    /// All pages are looked through once the request is certainly over; until then the latest will do.
    fn not_on_this_page(mut self) -> Verdict {
        let is_over = match self.state.link {
            Link::Unknown { at, .. } => {
                self.now.since(Timestamp::from_millis(at)) >= self.inputs.capabilities.find_lag
            }
            Link::None | Link::Wanted | Link::There { .. } | Link::Unlinked => true,
        };
        if !is_over {
            return self.not_found();
        }
        self.state.delivery.pages += 1;
        let note = format!(
            "no ticket among the latest in {} is the incident's",
            self.system()
        );
        self.go_on(note)
    }

    fn not_found(mut self) -> Verdict {
        self.state.delivery.pages = 0;
        let at = match self.state.link {
            Link::Unknown { at, .. } => Timestamp::from_millis(at),
            Link::None | Link::Wanted | Link::There { .. } | Link::Unlinked => self.now,
        };
        let (waited, lag) = (self.now.since(at), self.inputs.capabilities.find_lag);
        if waited >= lag {
            let doubt = Doubt::NotMade(at.as_millis());
            return self.doubt(doubt, Self::not_made_after_all);
        }
        let detail = format!(
            "whether the ticket was made is not known: {} does not show it yet",
            self.system()
        );
        let failure = Failure {
            retry_after: Some((lag - waited).min(FIND_AGAIN)),
            ..Failure::new(FailureCode::TicketUnknown, detail).with(Disposition::RateLimited)
        };
        self.fail(failure)
    }
}
