//! The breaker of one webhook: after many failures in a row only one probe at a time goes out, until one succeeds.

use std::time::Duration;

use model::attempt::{Disposition, Outcome};
use model::exchange::FailureCode;
use model::time::Timestamp;
use model::webhook::Degraded;

/// So many failures in a row open the breaker.
pub const FAILURES_TO_OPEN: u32 = 10;
/// The wait before the first probe of a receiver that cannot be reached; it doubles with each failed probe.
pub const FIRST_PROBE_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two probes.
pub const MAX_PROBE_WAIT: Duration = Duration::from_secs(30);

/// The breaker of one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breaker {
    /// Deliveries flow.
    Closed {
        /// Failures since the last success.
        failures: u32,
    },
    /// One probe at a time.
    Open {
        /// Since when and why.
        degraded: Degraded,
        /// When the next probe may start.
        probe_at: Timestamp,
        /// The wait after the next failed probe, if the receiver cannot be reached.
        next_wait: Duration,
    },
}

/// How an attempt bears on the breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthSignal {
    /// The receiver took it.
    Succeeded,
    /// It failed with this code.
    Failed(FailureCode),
    /// The platform refuses the webhook as it is set: the breaker opens at once.
    Refused {
        code: FailureCode,
        /// What to do, in words.
        detail: String,
    },
    /// It says nothing about the receiver: a rate limit, a message that is to be sent otherwise.
    Neutral,
}

impl From<&Outcome> for HealthSignal {
    /// What an outcome says about the receiver.
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Delivered | Outcome::Accepted | Outcome::Step => Self::Succeeded,
            // It disables its webhook: once somebody enables that again, what is taken first is told as a recovery.
            Outcome::Gone(failure) => Self::Refused {
                code: failure.code,
                detail: failure.detail.clone(),
            },
            Outcome::Failed(failure) => match failure.disposition {
                Disposition::Backoff | Disposition::VerifyFirst => Self::Failed(failure.code),
                Disposition::NeedsOperator => Self::Refused {
                    code: failure.code,
                    detail: failure.detail.clone(),
                },
                Disposition::Immediate
                | Disposition::RateLimited
                | Disposition::Permanent
                | Disposition::Harmful => Self::Neutral,
            },
        }
    }
}

impl HealthSignal {
    /// What the attempts of one request say together: whoever took one of them is well.
    pub fn together(signals: Vec<Self>) -> Self {
        let rank = |signal: &Self| match signal {
            Self::Succeeded => 0,
            Self::Refused { .. } => 1,
            Self::Failed(_) => 2,
            Self::Neutral => 3,
        };
        signals.into_iter().min_by_key(rank).unwrap_or(Self::Neutral)
    }

    /// What is left of it if failures open no breaker: those of an operational event would make another one.
    pub fn without_failure(self) -> Self {
        match self {
            Self::Succeeded => Self::Succeeded,
            Self::Failed(_) | Self::Refused { .. } | Self::Neutral => Self::Neutral,
        }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// The breaker of a webhook that an earlier run left degraded (or not): open ones are probed at once.
    pub fn resume(degraded: Option<Degraded>, now: Timestamp) -> Self {
        degraded.map_or_else(Self::default, |degraded| Self::Open {
            degraded,
            probe_at: now,
            next_wait: FIRST_PROBE_WAIT,
        })
    }

    /// Somebody mended something: the next probe may start at once.
    pub fn probe_now(&mut self, now: Timestamp) {
        match self {
            Self::Closed { .. } => {}
            Self::Open { probe_at, .. } => *probe_at = now.min(*probe_at),
        }
    }

    /// The clock was set back: a probe waits no longer than one ever does.
    pub fn follow_clock_back(&mut self, now: Timestamp) {
        match self {
            Self::Closed { .. } => {}
            Self::Open { probe_at, .. } => *probe_at = now.plus(MAX_PROBE_WAIT).min(*probe_at),
        }
    }

    /// The breaker after an attempt.
    pub fn after(&self, signal: HealthSignal, now: Timestamp) -> Self {
        match (self, signal) {
            (_, HealthSignal::Succeeded) => Self::default(),
            (_, HealthSignal::Neutral) => self.clone(),
            (_, HealthSignal::Refused { code, detail }) => {
                let since = self.degraded().map_or(now, |degraded| degraded.since);
                let detail = Some(detail);
                Self::Open {
                    degraded: Degraded { since, code, detail },
                    probe_at: now.plus(MAX_PROBE_WAIT),
                    next_wait: MAX_PROBE_WAIT,
                }
            }
            (Self::Closed { failures }, HealthSignal::Failed(code)) if failures + 1 >= FAILURES_TO_OPEN => {
                let degraded = Degraded {
                    since: now,
                    code,
                    detail: None,
                };
                Self::Open {
                    degraded,
                    probe_at: now,
                    next_wait: FIRST_PROBE_WAIT,
                }
                .after_failed_probe(code, now)
            }
            (Self::Closed { failures }, HealthSignal::Failed(_)) => Self::Closed {
                failures: failures + 1,
            },
            // No probe: it was under way before the breaker opened.
            (Self::Open { probe_at, .. }, HealthSignal::Failed(_)) if now < *probe_at => self.clone(),
            (Self::Open { .. }, HealthSignal::Failed(code)) => self.clone().after_failed_probe(code, now),
        }
    }

    /// When the next attempt may start while the breaker is open; nothing while it is closed.
    pub fn probe_at(&self) -> Option<Timestamp> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { probe_at, .. } => Some(*probe_at),
        }
    }

    /// Since when and why it is open.
    pub fn degraded(&self) -> Option<&Degraded> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { degraded, .. } => Some(degraded),
        }
    }

    /// A receiver that answers wrongly is probed again at once (one at a time); one that cannot be reached after a wait.
    fn after_failed_probe(self, code: FailureCode, now: Timestamp) -> Self {
        match self {
            Self::Closed { .. } => self,
            Self::Open {
                degraded, next_wait, ..
            } if code.means_unreachable() => Self::Open {
                degraded,
                probe_at: now.plus(next_wait),
                next_wait: (next_wait * 2).min(MAX_PROBE_WAIT),
            },
            Self::Open { degraded, .. } => Self::Open {
                degraded,
                probe_at: now,
                next_wait: FIRST_PROBE_WAIT,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(count))
    }

    fn after_failures(count: u32, code: FailureCode) -> Breaker {
        (0..count).fold(Breaker::default(), |breaker, _| {
            breaker.after(HealthSignal::Failed(code), seconds(0))
        })
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_with_one_success() {
        assert_eq!(
            after_failures(FAILURES_TO_OPEN - 1, FailureCode::ServerError).probe_at(),
            None
        );
        let open = after_failures(FAILURES_TO_OPEN, FailureCode::ServerError);
        assert_eq!(
            open.degraded().map(|degraded| degraded.code),
            Some(FailureCode::ServerError)
        );
        assert_eq!(
            open.after(HealthSignal::Succeeded, seconds(1)),
            Breaker::default()
        );
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let nearly = after_failures(FAILURES_TO_OPEN - 1, FailureCode::ServerError);
        let again = nearly.after(HealthSignal::Succeeded, seconds(1));
        let once_more = again.after(HealthSignal::Failed(FailureCode::ServerError), seconds(2));
        assert_eq!(once_more, Breaker::Closed { failures: 1 });
    }

    #[test]
    fn an_unreachable_receiver_is_probed_ever_more_slowly_up_to_a_bound() {
        let mut breaker = after_failures(FAILURES_TO_OPEN, FailureCode::ConnectRefused);
        let mut waits = Vec::new();
        let mut now = seconds(0);
        for _ in 0..7 {
            let probe_at = breaker.probe_at().unwrap();
            waits.push(probe_at.since(now).as_secs());
            now = probe_at;
            breaker = breaker.after(HealthSignal::Failed(FailureCode::ConnectRefused), now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn attempts_that_were_under_way_when_it_opened_are_no_probes() {
        let open = after_failures(FAILURES_TO_OPEN, FailureCode::ConnectRefused);
        let still_open = open.after(HealthSignal::Failed(FailureCode::ConnectRefused), seconds(0));
        assert_eq!(still_open, open);
    }

    #[test]
    fn a_breaker_that_an_earlier_run_left_open_is_probed_at_once() {
        let degraded = Degraded {
            since: seconds(1),
            code: FailureCode::ServerError,
            detail: None,
        };
        let resumed = Breaker::resume(Some(degraded.clone()), seconds(90));
        assert_eq!(
            (resumed.probe_at(), resumed.degraded()),
            (Some(seconds(90)), Some(&degraded))
        );
        assert_eq!(Breaker::resume(None, seconds(90)), Breaker::default());
    }

    #[test]
    fn after_the_clock_was_set_back_a_probe_comes_within_its_longest_wait() {
        let mut breaker = after_failures(FAILURES_TO_OPEN, FailureCode::ConnectRefused);
        let long_before = Timestamp::EPOCH;
        breaker = breaker.after(HealthSignal::Failed(FailureCode::ConnectRefused), seconds(3600));
        breaker.follow_clock_back(long_before);
        assert_eq!(breaker.probe_at(), Some(long_before.plus(MAX_PROBE_WAIT)));
    }

    #[test]
    fn settings_that_are_refused_open_it_at_once_and_are_probed_slowly_until_somebody_mends_them() {
        let refused = |detail: &str| HealthSignal::Refused {
            code: FailureCode::SettingsRefused,
            detail: detail.into(),
        };
        let mut open = Breaker::default().after(refused("no such channel"), seconds(5));
        assert_eq!(open.probe_at(), Some(seconds(5).plus(MAX_PROBE_WAIT)));
        assert_eq!(
            open.degraded().and_then(|degraded| degraded.detail.as_deref()),
            Some("no such channel")
        );
        let again = open.after(refused("no such token"), seconds(60));
        assert_eq!(again.degraded().map(|degraded| degraded.since), Some(seconds(5)));
        open.probe_now(seconds(6));
        assert_eq!(open.probe_at(), Some(seconds(6)));
    }

    #[test]
    fn a_rate_limit_says_nothing_about_the_receiver() {
        let nearly = after_failures(FAILURES_TO_OPEN - 1, FailureCode::ServerError);
        assert_eq!(nearly.after(HealthSignal::Neutral, seconds(1)), nearly);
        let open = after_failures(FAILURES_TO_OPEN, FailureCode::ServerError);
        assert_eq!(open.after(HealthSignal::Neutral, seconds(1)), open);
    }

    #[test]
    fn a_receiver_that_answers_wrongly_is_probed_without_a_wait() {
        let breaker = after_failures(FAILURES_TO_OPEN, FailureCode::ServerError);
        let again = breaker.after(HealthSignal::Failed(FailureCode::ServerError), seconds(7));
        assert_eq!(again.probe_at(), Some(seconds(7)));
    }
}
