//! What an account is told that has lost its rights, or is not believed any more, is no news of tickets: a ticket counts as gone,
//! as never made, or as the one that is refused only once it is seen that the account works otherwise.

use crate::workflow::action::{Observation, Trouble, TroubleKind};
use crate::workflow::apply::{After, Verdict};
use crate::workflow::state::{Blocked, Doubt};
use crate::workflow::system::AccessCheck;
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// What is said of a refusal that concerns one ticket.
const ALONE: &str = "this account may do so elsewhere, so it concerns this ticket alone";

impl After<'_> {
    /// The ticket is not there, as it seems.
    pub(super) fn lost(self) -> Verdict {
        self.doubt(Doubt::Gone, Self::gone)
    }

    /// The trouble of a request about the ticket.
    pub(super) fn give_up_or_lost(self, trouble: Trouble) -> Verdict {
        match trouble.kind {
            TroubleKind::Missing => self.lost(),
            TroubleKind::Forbidden if self.inputs.access == AccessCheck::Rights => {
                let reason = Blocked::new(trouble.failure.code, &trouble.failure.detail);
                self.doubt(Doubt::Refused(reason), |after| after.give_up(trouble))
            }
            _ => self.give_up_or_ask(trouble),
        }
    }

    /// Trouble of which the answer may not tell whether it is the account's.
    pub(super) fn give_up_or_ask(self, trouble: Trouble) -> Verdict {
        match trouble.kind {
            TroubleKind::Doubtful => {
                let reason = Blocked::new(FailureCode::MessageRefused, &trouble.failure.detail);
                self.doubt(Doubt::Refused(reason), |after| after.give_up(trouble))
            }
            _ => self.give_up(trouble),
        }
    }

    /// Looks at the account first, if the system can tell of it, and then again at what was doubted: rights may come back in
    /// between.
    pub(super) fn doubt(mut self, doubt: Doubt, otherwise: impl FnOnce(Self) -> Verdict) -> Verdict {
        if self.inputs.access == AccessCheck::None {
            return otherwise(self);
        }
        self.state.delivery.sight = None;
        if std::mem::take(&mut self.state.delivery.is_believed) {
            return self.believe(doubt);
        }
        let what = match doubt {
            Doubt::Gone => "is not shown",
            Doubt::NotMade(_) => "is not found",
            Doubt::Refused(_) => "is refused",
        };
        let note = format!(
            "{} {what}: whether this account works otherwise is looked at",
            self.state.key()
        );
        self.state.delivery.doubt = Some(doubt);
        self.go_on(note)
    }

    pub(super) fn access_checked(mut self, observation: Observation) -> Verdict {
        self.state.delivery.doubt = None;
        if let Err(trouble) = observation {
            return self.give_up(trouble);
        }
        self.state.delivery.is_believed = true;
        self.go_on("this account works: what was told is asked once more")
    }

    fn believe(self, doubt: Doubt) -> Verdict {
        match doubt {
            Doubt::Gone => self.gone(),
            Doubt::NotMade(_) => self.not_made_after_all(),
            Doubt::Refused(reason) => {
                let failure = match reason.code() {
                    FailureCode::MessageRefused => {
                        Failure::new(reason.code(), reason.sentence).with(Disposition::Permanent)
                    }
                    code => {
                        let detail = format!("{}; {ALONE}", reason.sentence);
                        Failure::new(code, detail).with(Disposition::Backoff)
                    }
                };
                self.fail(failure)
            }
        }
    }
}
