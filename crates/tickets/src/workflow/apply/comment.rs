//! Writing a comment once.

use std::time::Duration;

use crate::workflow::action::{Facts, Observation, Presence, Trouble, TroubleKind};
use crate::workflow::apply::{After, Verdict, strange};
use crate::workflow::comments::told_notes;
use crate::workflow::state::{Sending, TicketState};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;
use model::ticket::TicketPhase;
use model::time::Timestamp;

/// How long a comment that was sent may take until it is there: its system may still work on a request that we gave up.
const LAG: Duration = Duration::from_secs(30);

/// The same delivery if the comment may be there and nobody knows: what is on disk before it leaves.
pub(crate) fn may_be_written(mut state: TicketState, key: &str, now: Timestamp) -> TicketState {
    state.delivery.sending = Some(Sending {
        key: key.to_owned(),
        since: now.as_millis(),
        searched: 0,
    });
    state.delivery.may_repeat = false;
    state.delivery.sight = None;
    state
}

impl After<'_> {
    pub(super) fn commented(mut self, key: String, observation: Observation) -> Verdict {
        let Err(trouble) = observation else {
            return self.written(key, "noted it on");
        };
        let sight = self.state.delivery.sight.as_ref();
        let is_over = sight.is_some_and(|sight| sight.known.phase.0 == TicketPhase::Done);
        match trouble.kind {
            TroubleKind::Unknown => {
                // From when we gave up: until then it was being worked on for certain.
                self.state = may_be_written(self.state, &key, self.now);
                self.give_up(unknown(trouble))
            }
            TroubleKind::Forbidden | TroubleKind::Refused | TroubleKind::Doubtful if is_over => {
                self.state.told.notes = told_notes(&self.state, self.inputs, &key);
                self.state.delivery.noted.push(key);
                let note = format!(
                    "{} is over and takes no more notes: none is written",
                    self.state.key()
                );
                self.go_on(note)
            }
            _ => self.give_up_or_lost(trouble),
        }
    }

    fn written(mut self, key: String, what: &str) -> Verdict {
        self.state.delivery.sending = None;
        self.state.delivery.may_repeat = false;
        self.state.delivery.is_believed = false;
        self.state.told.notes = told_notes(&self.state, self.inputs, &key);
        self.state.delivery.noted.push(key);
        self.state.told.assignee = Some(self.inputs.assignee_id());
        let note = format!("{what} {}", self.state.key());
        self.go_on(note)
    }

    pub(super) fn comment_found(mut self, key: String, observation: Observation) -> Verdict {
        let presence = match observation {
            Ok(Facts::Comment(presence)) => presence,
            Ok(_) => return self.give_up(strange()),
            Err(trouble) => return self.give_up_or_lost(trouble),
        };
        if presence == Presence::There {
            return self.written(key, "the note is there already on");
        }
        let waited = self
            .now
            .since(Self::sent_at(self.state.delivery.sending.as_ref()));
        if waited < LAG {
            let detail = format!(
                "whether the note was written is not known: {} may still be at it",
                self.system()
            );
            let failure = Failure {
                retry_after: Some(LAG - waited),
                ..Failure::new(FailureCode::TicketUnknown, detail).with(Disposition::RateLimited)
            };
            return self.fail(failure);
        }
        let places = self.inputs.capabilities.comment_places;
        let searched = match &mut self.state.delivery.sending {
            Some(sending) => {
                sending.searched += 1;
                sending.searched
            }
            None => places,
        };
        if searched >= places {
            self.state.delivery.sending = None;
            self.state.delivery.may_repeat = presence == Presence::Unseen;
        }
        let note = format!("the note is not there yet on {}", self.state.key());
        self.go_on(note)
    }
}

/// A failure after which the comment may be there.
fn unknown(mut trouble: Trouble) -> Trouble {
    if trouble.failure.disposition != Disposition::NeedsOperator {
        let detail = format!(
            "{}; whether the note was written is not known",
            trouble.failure.detail
        );
        trouble.failure = Failure {
            detail,
            ..trouble.failure.with(Disposition::VerifyFirst)
        };
    }
    trouble
}
