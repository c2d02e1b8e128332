//! What the log says of webhooks: the first time of each kind at once, then at most one line a minute, with a count. Never
//! what a receiver said: ids, names and codes only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use clock::Env;
use model::exchange::FailureCode;
use model::id::WebhookId;

/// How long after a line the next one of the same kind about the same webhook comes, in milliseconds.
const INTERVAL_MS: i64 = 60_000;
/// The most lines that are remembered. Beyond, nothing is held back.
const MAX_REMEMBERED: usize = 10_000;

/// Kinds of news about a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Its breaker opened.
    Degraded,
    /// Its receiver had it disabled.
    Disabled,
    /// A delivery died.
    Dead,
    /// Its breaker closed.
    Recovered,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Of which webhook.
    pub webhook_id: WebhookId,
    pub name: String,
    /// What happened.
    pub kind: Kind,
    /// Why, the last time.
    pub code: Option<FailureCode>,
    /// How often since the last line.
    pub count: u64,
}

#[derive(Debug)]
struct Said {
    at_ms: i64,
    /// What happened since then.
    held_back: Option<Notice>,
}

/// See the module. Times are monotonic milliseconds.
#[derive(Debug, Default)]
pub struct Notices(HashMap<(WebhookId, Kind), Said>);

impl Notices {
    /// The line to write now about something that happened, if one may be.
    pub fn note(&mut self, notice: Notice, now_ms: i64) -> Option<Notice> {
        let key = (notice.webhook_id, notice.kind);
        match self.0.get_mut(&key) {
            Some(said) if now_ms - said.at_ms < INTERVAL_MS => {
                let before = said.held_back.as_ref().map_or(0, |notice| notice.count);
                said.held_back = Some(Notice {
                    count: before + notice.count,
                    ..notice
                });
                None
            }
            Some(said) => {
                said.at_ms = now_ms;
                let before = said.held_back.take().map_or(0, |notice| notice.count);
                Some(Notice {
                    count: before + notice.count,
                    ..notice
                })
            }
            None => {
                if self.0.len() < MAX_REMEMBERED {
                    let said = Said {
                        at_ms: now_ms,
                        held_back: None,
                    };
                    self.0.insert(key, said);
                }
                Some(notice)
            }
        }
    }

    /// The lines whose time has come. What was said long ago is forgotten.
    pub fn due(&mut self, now_ms: i64) -> Vec<Notice> {
        let mut due = Vec::new();
        self.0.retain(|_, said| {
            if now_ms - said.at_ms < INTERVAL_MS {
                return true;
            }
            said.at_ms = now_ms;
            let held_back = said.held_back.take();
            let stays = held_back.is_some();
            due.extend(held_back);
            stays
        });
        due
    }
}

impl Notice {
    /// Writes the line.
    pub fn write(&self) {
        let (webhook_id, name, count) = (self.webhook_id, self.name.as_str(), self.count);
        let code = self.code.map_or("", FailureCode::as_str);
        match self.kind {
            Kind::Degraded => {
                tracing::warn!(%webhook_id, name, code, count, "a webhook is degraded: its attempts fail");
            }
            Kind::Disabled => {
                tracing::warn!(%webhook_id, name, code, count, "a webhook is disabled until somebody puts right what its page names");
            }
            Kind::Dead => {
                tracing::warn!(%webhook_id, name, code, count, "deliveries of a webhook are dead: look at why, then replay them");
            }
            Kind::Recovered => tracing::info!(%webhook_id, name, count, "a webhook has recovered"),
        }
    }
}

/// The log of webhooks.
pub struct WebhookLog {
    source: Env,
    notices: Mutex<Notices>,
}

impl WebhookLog {
    /// One in which nothing was said yet.
    pub fn new(source: Env) -> Self {
        Self {
            source,
            notices: Mutex::default(),
        }
    }

    /// Says something of a webhook, now or with what else is said of it.
    pub fn note(&self, webhook_id: WebhookId, name: &str, kind: Kind, code: Option<FailureCode>) {
        let notice = Notice {
            webhook_id,
            name: name.to_owned(),
            kind,
            code,
            count: 1,
        };
        let line = self.notices().note(notice, self.source.monotonic_millis());
        line.iter().for_each(Notice::write);
    }

    /// Says what was held back and whose time has come.
    pub fn write_due(&self) {
        let due = self.notices().due(self.source.monotonic_millis());
        due.iter().for_each(Notice::write);
    }

    fn notices(&self) -> MutexGuard<'_, Notices> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::Timestamp;

    fn dead(byte: u8) -> Notice {
        Notice {
            webhook_id: WebhookId::new(Timestamp::EPOCH, [byte; 10]),
            name: "receiver".into(),
            kind: Kind::Dead,
            code: Some(FailureCode::ServerError),
            count: 1,
        }
    }

    fn times(count: u64) -> Notice {
        Notice { count, ..dead(1) }
    }

    #[test]
    fn the_first_is_said_at_once_and_the_others_once_a_minute_with_their_count() {
        let mut notices = Notices::default();
        assert_eq!(notices.note(dead(1), 0), Some(dead(1)));
        assert_eq!(notices.note(dead(2), 1), Some(dead(2)));
        let held_back = [10, 20, 59_999].map(|at| notices.note(dead(1), at));
        assert_eq!(held_back, [None, None, None]);
        assert_eq!(notices.due(59_999), []);
        assert_eq!(notices.due(60_000), [times(3)]);
        assert_eq!(notices.note(dead(1), 60_001), None);
        assert_eq!(notices.note(dead(1), 120_001), Some(times(2)));
    }

    #[test]
    fn what_was_said_long_ago_is_forgotten() {
        let mut notices = Notices::default();
        notices.note(dead(1), 0);
        assert_eq!(notices.due(60_000), []);
        assert!(notices.0.is_empty());
        assert_eq!(notices.note(dead(1), 60_001), Some(dead(1)));
    }

    #[test]
    fn kinds_are_held_back_by_themselves() {
        let mut notices = Notices::default();
        let kinds = [Kind::Degraded, Kind::Disabled, Kind::Dead, Kind::Recovered];
        let said = kinds.map(|kind| notices.note(Notice { kind, ..dead(1) }, 0).is_some());
        assert_eq!(said, [true; 4]);
    }
}
