//! What an observation means: the state after it, and what follows for the delivery.

use std::time::Duration;

use crate::workflow::action::{
    Action, Facts, Mark, Move, Observation, Reference, Trouble, TroubleKind, View,
};
use crate::workflow::headline;
use crate::workflow::next::{Inputs, Next, is_theirs, next};
use crate::workflow::state::{Chore, Known, Link, LookedUp, Name, Phase, Route, Sending, Sight, TicketState};
use destination::task::Classification;
use destination::text::one_line;
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::FailureCode;
use model::ticket::{Ticket, TicketNews};
use model::time::Timestamp;

mod access;
pub(super) mod comment;
mod create;

/// The longest wait between two looks for a ticket.
const FIND_AGAIN: Duration = Duration::from_secs(30);

/// The state after an observation, and what follows. What is kept of the state is put in by [`super::stored`].
pub(crate) fn apply(
    state: TicketState,
    inputs: &Inputs<'_>,
    action: Action,
    observation: Observation,
    now: Timestamp,
) -> (TicketState, Classification) {
    let after = After { state, inputs, now };
    match action {
        Action::Identify => after.identified(observation),
        Action::LookUp(reference) => after.looked_up(reference, observation),
        Action::Create => after.created(observation),
        Action::FindByKey { .. } => after.found(observation),
        Action::CheckAccess(_) => after.access_checked(observation),
        Action::Read { view: View::Hint, .. } => after.hinted(observation),
        Action::Read { .. } => after.read(observation),
        Action::Mark(_) => after.marked(observation),
        Action::Move(moving) => after.moved(&moving, observation),
        Action::Retitle { part, .. } => after.retitled(part, observation),
        Action::Assign { account, .. } => after.assigned(&account, observation),
        Action::LinkBack(_) => after.linked_back(observation),
        Action::Comment { comment, .. } => after.commented(comment.key, observation),
        Action::FindComment { key, .. } => after.comment_found(key, observation),
        Action::ReadNamed { .. } | Action::ReadComments { .. } | Action::MarkDuplicate { .. } => {
            after.give_up(strange())
        }
    }
}

/// An end without a request.
pub(crate) fn end(
    state: TicketState,
    inputs: &Inputs<'_>,
    next: &Next,
    now: Timestamp,
) -> (TicketState, Classification) {
    match next {
        Next::Rest(why) => (state, Classification::from(Outcome::Delivered).noted(*why)),
        Next::TestedAlready => {
            let detail = format!(
                "the test's ticket may have been made: look for it in {}, then test again",
                inputs.capabilities.name
            );
            let failure = Failure::new(FailureCode::TicketUnknown, detail).with(Disposition::Permanent);
            (state, failure.into())
        }
        Next::Act(_) | Next::Blocked(_) | Next::Done => {
            After { state, inputs, now }.go_on("there was nothing more to do")
        }
    }
}

/// A good answer with something else than what was asked for.
fn strange() -> Trouble {
    let failure = Failure::new(
        FailureCode::ResponseInvalid,
        "an answer came that nothing had asked for",
    );
    Trouble::new(TroubleKind::Unknown, failure)
}

/// What is known once an answer is there.
struct After<'a> {
    state: TicketState,
    inputs: &'a Inputs<'a>,
    now: Timestamp,
}

type Verdict = (TicketState, Classification);

impl After<'_> {
    fn system(&self) -> &'static str {
        self.inputs.capabilities.name
    }

    fn ticket(&self, known: &Known) -> Ticket {
        let page = self.inputs.capabilities.page;
        known.ticket(page(self.inputs.task.target, &known.name.id, &known.name.key))
    }

    /// How it goes on after something that was done: another request follows, or this was the last.
    fn go_on(mut self, note: impl Into<String>) -> Verdict {
        let news = self.state.delivery.sight.as_ref();
        let news = news.map(|sight| TicketNews::Seen(self.ticket(&sight.known)));
        let classification = match next(&self.state, self.inputs) {
            Next::Done => {
                if !self.inputs.task.event.is_test {
                    self.state.told.assignee = Some(self.inputs.assignee_id());
                    self.state.told.event = Some(self.inputs.task.event.id.to_string());
                    // What was refused, or not wanted, is not told later either.
                    self.state.told.headline = headline::digest(&self.inputs.task);
                }
                self.state.delivery = Default::default();
                Classification::from(Outcome::Delivered)
            }
            Next::Blocked(blocked) => {
                self.state.delivery = std::mem::take(&mut self.state.delivery).only_notes();
                let failure = Failure::new(blocked.code(), blocked.sentence);
                failure.with(Disposition::Permanent).into()
            }
            Next::Act(_) | Next::Rest(_) | Next::TestedAlready => Outcome::Step.into(),
        };
        let classification = Classification {
            ticket: news,
            ..classification.noted(note)
        };
        (self.state, classification)
    }

    /// How it goes on after something that came to nothing. Whatever was read is read again: time may pass, and others work on
    /// the ticket too.
    fn give_up(mut self, trouble: Trouble) -> Verdict {
        self.state.delivery.sight = None;
        self.state.delivery.is_believed = false;
        if trouble.failure.disposition == Disposition::Permanent {
            self.state.delivery = std::mem::take(&mut self.state.delivery).only_notes();
        }
        (self.state, trouble.into())
    }

    fn fail(self, failure: Failure) -> Verdict {
        self.give_up(Trouble::new(TroubleKind::Refused, failure))
    }

    /// How it goes on without something that a ticket can do without.
    fn do_without(mut self, chore: Chore, note: impl Into<String>) -> Verdict {
        self.state.delivery.give_up(chore);
        self.go_on(note)
    }

    /// The ticket is gone.
    fn gone(self) -> Verdict {
        let detail = format!(
            "{} was deleted, or this account may not see it any more: let it see the ticket, or unlink it on the \
             incident's page",
            self.state.key()
        );
        self.fail(Failure::new(FailureCode::TicketLost, detail).with(Disposition::Permanent))
    }

    fn identified(mut self, observation: Observation) -> Verdict {
        match observation {
            Ok(Facts::Account(Some(identity))) => {
                // What was learned holds for this delivery only once it is on record.
                self.state.delivery.give_up(Chore::Account);
                let note = format!("this account is {} in {}", identity.name, self.system());
                let (state, classification) = self.go_on(note);
                let learned = identity.learned;
                (
                    state,
                    Classification {
                        discovered_settings: learned,
                        ..classification
                    },
                )
            }
            Ok(_) => {
                let note = format!("{} does not say who this account is", self.system());
                self.do_without(Chore::Account, note)
            }
            Err(trouble) => self.give_up(trouble),
        }
    }

    fn looked_up(mut self, reference: Reference, observation: Observation) -> Verdict {
        let id = match observation {
            Ok(Facts::Id(id)) => id,
            Ok(_) => None,
            Err(trouble) => return self.give_up(trouble),
        };
        let system = self.system();
        let is_known = id.is_some();
        match reference {
            Reference::Group(name) => {
                let note = match is_known {
                    true => format!("{name} is a group of {system}"),
                    false => {
                        format!("{system} does not tell which group {name} is: the name is sent as it is")
                    }
                };
                self.state.delivery.group = Some(LookedUp { name, id });
                self.go_on(note)
            }
            Reference::Habit(name) => {
                let note = match is_known {
                    true => "it is looked at where other tickets ended".to_owned(),
                    false => format!("{system} does not tell where other tickets ended"),
                };
                self.state.delivery.habit = Some(LookedUp { name, id });
                self.state.delivery.sight = None;
                self.go_on(note)
            }
            Reference::User(name) if is_known => {
                let note = format!("{name} is a user of {system}");
                self.state.delivery.user = Some(LookedUp { name, id });
                self.go_on(note)
            }
            Reference::User(name) => {
                // An unknown name would be taken and stand for nobody.
                let note = format!(
                    "{} is not assigned: {system} does not tell who {name} is, so put the user's id into the settings",
                    self.state.key()
                );
                self.do_without(Chore::Assignee, note)
            }
        }
    }

    /// What is known of the ticket from now on.
    fn see(&mut self, sighting: &crate::workflow::action::Sighting) {
        let name = Name {
            id: sighting.ticket.id.clone(),
            key: sighting.ticket.key.clone(),
        };
        let seen = Phase(self.state.seen());
        let is_by_hand = matches!(self.state.link, Link::There { is_by_hand: true, .. });
        self.state.link = Link::There {
            ticket: Known::from(&sighting.ticket),
            seen,
            is_by_hand,
        };
        self.state.told = std::mem::take(&mut self.state.told).about(&name.id);
        if self.state.delivery.is_fresh && self.state.told.assignee.is_none() {
            // Its description says so already.
            self.state.told.assignee = Some(self.inputs.assignee_id());
        }
        self.state.delivery.made = None;
        self.state.delivery.seen = Some(seen);
        self.state.delivery.sight = (!sighting.is_partial).then(|| Sight {
            known: Known::from(&sighting.ticket),
            read_at: self.now.as_millis(),
            status_id: sighting.status_id.clone(),
            assignee: sighting.assignee.clone(),
            is_unmarked: sighting.mark == Mark::Nobodys,
            route: sighting.route.clone(),
        });
    }

    fn read(mut self, observation: Observation) -> Verdict {
        let sighting = match observation {
            Ok(Facts::Ticket(sighting)) => sighting,
            Ok(_) => return self.give_up(strange()),
            Err(trouble) if trouble.kind == TroubleKind::TooLarge => {
                if self.state.delivery.has_given_up(Chore::Screens) {
                    return self.give_up(trouble);
                }
                let note = "all that moving the ticket asks for is too large to be read: it is read without";
                return self.do_without(Chore::Screens, note);
            }
            Err(trouble) => return self.give_up_or_lost(trouble),
        };
        // What is known is only read again because it is too old.
        self.state.delivery.late_reads += u32::from(self.state.delivery.sight.is_some());
        self.see(&sighting);
        self.go_on(format!("{} is {}", sighting.ticket.key, sighting.ticket.status))
    }

    /// What people are told of a mark that is taken and not kept.
    fn unmarked(&self) -> String {
        format!(
            "{} does not keep the mark by which the ticket is found again: let this account write it, for until then a \
             ticket whose making gets no answer has to be looked for by hand",
            self.system()
        )
    }

    fn marked(mut self, observation: Observation) -> Verdict {
        let key = self.state.key();
        match observation {
            Ok(Facts::Ticket(sighting)) if sighting.mark != Mark::Ours => {
                let note = self.unmarked();
                self.do_without(Chore::Mark, note)
            }
            Ok(_) => {
                if let Some(sight) = &mut self.state.delivery.sight {
                    sight.is_unmarked = false;
                }
                self.go_on(format!("marked {key} as the incident's"))
            }
            Err(trouble) if trouble.kind == TroubleKind::Missing => self.lost(),
            Err(trouble) if trouble.is_about_this() => {
                let note = format!(
                    "{key} cannot be marked as the incident's: its changes are seen every few minutes only: {}",
                    trouble.failure.detail
                );
                self.do_without(Chore::Mark, note)
            }
            Err(trouble) => self.give_up(trouble),
        }
    }

    fn moved(mut self, moving: &Move, observation: Observation) -> Verdict {
        let key = &moving.name.key;
        let left = self.state.delivery.sight.take();
        match observation {
            Ok(Facts::Blocked(blocked)) => {
                self.state.delivery.sight = left.map(|sight| Sight {
                    route: Some(Route::Blocked(blocked)),
                    ..sight
                });
                self.go_on(format!("moving {key} was refused"))
            }
            Ok(facts) => {
                self.state.delivery.is_believed = false;
                self.state
                    .delivery
                    .visited
                    .extend(left.map(|sight| sight.status_id));
                match facts {
                    Facts::Ticket(sighting) => {
                        self.see(&sighting);
                        if sighting.route.is_none() {
                            self.state.delivery.visited.clear();
                        }
                        let status = &sighting.ticket.status;
                        let note = match sighting.route {
                            None => format!("moved {key} to {status}"),
                            Some(_) => format!("{key} is {status}"),
                        };
                        self.go_on(note)
                    }
                    _ if moving.to.is_empty() => self.go_on(format!(
                        "moved {key}, as far as the answer tells: it is read again"
                    )),
                    _ => self.go_on(format!("moved {key} to {}", moving.to)),
                }
            }
            Err(trouble) => {
                if trouble.kind == TroubleKind::Stale {
                    self.state.delivery.stale_moves += 1;
                }
                self.give_up_or_lost(trouble)
            }
        }
    }

    fn retitled(mut self, part: usize, observation: Observation) -> Verdict {
        let key = self.state.key();
        match observation {
            Ok(_) => {
                self.state.delivery.headline = headline::digest(&self.inputs.task);
                self.state.delivery.headline_parts = part + 1;
                let parts = (self.inputs.capabilities.headline_parts)(self.inputs.task.target);
                if self.state.delivery.headline_parts >= parts {
                    self.state.told.headline = headline::digest(&self.inputs.task);
                }
                self.go_on(format!("gave {key} the incident's title and severity"))
            }
            Err(trouble) if trouble.kind == TroubleKind::Missing => self.lost(),
            Err(trouble) if trouble.is_about_this() => {
                let note = format!("left title and severity as they are: {}", trouble.failure.detail);
                self.do_without(Chore::Headline, note)
            }
            Err(trouble) => self.give_up(trouble),
        }
    }

    fn assigned(mut self, account: &str, observation: Observation) -> Verdict {
        let key = self.state.key();
        let user = self.inputs.assignee().map(|user| one_line(&user.name));
        let note = match observation {
            Ok(Facts::Ticket(sighting)) => {
                self.see(&sighting);
                match is_theirs(&sighting.assignee, account) {
                    true => format!("assigned {key} to {}", sighting.assignee_name),
                    false => format!(
                        "{key} was not assigned to {account}: check that this is a user who may have it"
                    ),
                }
            }
            Ok(_) => format!("assigned {key} to {}", user.as_deref().unwrap_or("somebody")),
            Err(trouble) if trouble.kind == TroubleKind::Missing => return self.lost(),
            Err(trouble) if trouble.is_about_this() => {
                format!("left the assignee as it is: {}", trouble.failure.detail)
            }
            Err(trouble) => return self.give_up(trouble),
        };
        self.do_without(Chore::Assignee, note)
    }

    fn linked_back(mut self, observation: Observation) -> Verdict {
        match observation {
            Ok(_) => {
                self.state.told.link_is_resolved = Some(self.inputs.is_resolved());
                let note = format!("linked {} back to the incident", self.state.key());
                self.go_on(note)
            }
            Err(trouble) if trouble.kind == TroubleKind::Missing => self.lost(),
            Err(trouble) if trouble.is_about_this() => {
                let note = format!("left the link back out: {}", trouble.failure.detail);
                self.do_without(Chore::LinkBack, note)
            }
            Err(trouble) => self.give_up(trouble),
        }
    }

    /// When a comment that may be there was sent.
    fn sent_at(sending: Option<&Sending>) -> Timestamp {
        Timestamp::from_millis(sending.map(|sending| sending.since).unwrap_or_default())
    }
}
