//! Who did something, and the log of what was done.

use std::fmt;

use crate::id::{AuditId, KeyId, SourceId, UserId, WebhookId};
use crate::time::Timestamp;

/// Who or what caused a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The server itself: a timer, a limit, a receiver's 410.
    System,
    /// An API key, with the name it had.
    Key {
        /// The key.
        id: KeyId,
        name: String,
    },
    /// A signed-in person, with the name they had.
    User {
        /// The person.
        id: UserId,
        name: String,
    },
    /// Somebody in a chat, by a button or link in a webhook's message.
    Chat {
        webhook_id: WebhookId,
        /// Who, as far as the platform tells, and where.
        name: String,
    },
    /// Somebody in a ticket system, by changing an incident's ticket.
    Ticket {
        webhook_id: WebhookId,
        /// Who, as far as the system tells, and which ticket.
        name: String,
    },
    /// An alert source, with the name it had.
    Source { id: SourceId, name: String },
    /// Whoever holds a link to the receiver's page of a webhook, with the name that the link had.
    Receiver { webhook_id: WebhookId, name: String },
}

impl Actor {
    /// Every kind of actor.
    pub const KINDS: [&'static str; 7] = ["system", "key", "user", "chat", "ticket", "source", "receiver"];

    /// Which of [`Actor::KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Key { .. } => "key",
            Self::User { .. } => "user",
            Self::Chat { .. } => "chat",
            Self::Ticket { .. } => "ticket",
            Self::Source { .. } => "source",
            Self::Receiver { .. } => "receiver",
        }
    }

    /// The name to show.
    pub fn name(&self) -> &str {
        match self {
            Self::System => "OpsKnight",
            Self::Key { name, .. }
            | Self::User { name, .. }
            | Self::Chat { name, .. }
            | Self::Ticket { name, .. }
            | Self::Source { name, .. }
            | Self::Receiver { name, .. } => name,
        }
    }

    /// The actor as one text for the store: kind, id and name, each after a colon.
    pub fn encode(&self) -> String {
        match self {
            Self::System => "system".into(),
            Self::Key { id, name } => format!("key:{id}:{name}"),
            Self::User { id, name } => format!("user:{id}:{name}"),
            Self::Chat { webhook_id, name } => format!("chat:{webhook_id}:{name}"),
            Self::Ticket { webhook_id, name } => format!("ticket:{webhook_id}:{name}"),
            Self::Source { id, name } => format!("source:{id}:{name}"),
            Self::Receiver { webhook_id, name } => format!("receiver:{webhook_id}:{name}"),
        }
    }

    /// The actor read back from [`Actor::encode`]; what cannot be read counts as the system.
    pub fn decode(text: &str) -> Self {
        let mut parts = text.splitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("key"), Some(id), Some(name)) => id.parse().map_or(Self::System, |id| Self::Key {
                id,
                name: name.into(),
            }),
            (Some("user"), Some(id), Some(name)) => id.parse().map_or(Self::System, |id| Self::User {
                id,
                name: name.into(),
            }),
            (Some("chat"), Some(id), Some(name)) => {
                id.parse().map_or(Self::System, |webhook_id| Self::Chat {
                    webhook_id,
                    name: name.into(),
                })
            }
            (Some("ticket"), Some(id), Some(name)) => {
                id.parse().map_or(Self::System, |webhook_id| Self::Ticket {
                    webhook_id,
                    name: name.into(),
                })
            }
            (Some("source"), Some(id), Some(name)) => id.parse().map_or(Self::System, |id| Self::Source {
                id,
                name: name.into(),
            }),
            (Some("receiver"), Some(id), Some(name)) => {
                id.parse().map_or(Self::System, |webhook_id| Self::Receiver {
                    webhook_id,
                    name: name.into(),
                })
            }
            _ => Self::System,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A change that somebody makes at some time: what every writing store method is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who makes it.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// The id of its entry in the audit log.
    pub audit_id: AuditId,
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What was done, such as `webhook.create`.
    pub action: String,
    /// To what: an id.
    pub subject: String,
    /// A sentence with the details, without secrets.
    pub detail: String,
    /// How often it happened within the hour: more than once only of what is told once an hour.
    pub times: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_back_from_the_store_even_with_colons_in_its_name() {
        let id = KeyId::new(Timestamp::EPOCH, [1; 10]);
        let actor = Actor::Key {
            id,
            name: "ci: deploy".into(),
        };
        assert_eq!(Actor::decode(&actor.encode()), actor);
        let chat = Actor::Chat {
            webhook_id: WebhookId::new(Timestamp::EPOCH, [1; 10]),
            name: "Ada (Ops: Discord)".into(),
        };
        assert_eq!(Actor::decode(&chat.encode()), chat);
        let receiver = Actor::Receiver {
            webhook_id: WebhookId::new(Timestamp::EPOCH, [1; 10]),
            name: "Team B: payments".into(),
        };
        assert_eq!(Actor::decode(&receiver.encode()), receiver);
        assert_eq!(Actor::decode("key:broken"), Actor::System);
    }
}
