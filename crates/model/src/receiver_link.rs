//! Links that let the owner of a receiver see one webhook's deliveries without an account, replay them, send a test and rotate the
//! secret. What a link holds is a token of 256 random bits, of which only the hash is kept.

use std::time::Duration;

use crate::access::KeyHash;
use crate::id::{ReceiverLinkId, WebhookId};
use crate::secret::SecretText;
use crate::time::Timestamp;

/// The most links of one webhook that have not ended.
pub const MAX_RECEIVER_LINKS: u32 = 20;
/// The longest time that a link holds.
pub const MAX_RECEIVER_LINK_DAYS: u32 = 365;
/// The longest name of a link, in characters.
pub const MAX_RECEIVER_LINK_NAME_LENGTH: usize = 100;
/// How old the time of the last use may be before it is written anew.
pub const RECEIVER_LINK_TOUCH_INTERVAL: Duration = Duration::from_secs(60);
/// What a token begins with.
const PREFIX: &str = "rl_";

/// A link to the receiver's page of one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverLink {
    pub id: ReceiverLinkId,
    /// The one webhook that it opens.
    pub webhook_id: WebhookId,
    /// Whom it was made for.
    pub name: String,
    /// SHA-256 of its token.
    pub hash: KeyHash,
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When somebody ended it.
    pub revoked_at: Option<Timestamp>,
    /// When it was used, to about a minute.
    pub last_used_at: Option<Timestamp>,
}

impl ReceiverLink {
    /// Whether it opens anything at this time.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// Makes a token (`rl_…`) out of 32 random bytes.
pub fn new_receiver_token(random: &[u8; 32]) -> SecretText {
    SecretText::new(format!("{PREFIX}{}", hex::encode(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_nothing_once_its_time_is_over_or_somebody_ended_it() {
        let at = Timestamp::from_millis;
        let link = ReceiverLink {
            id: ReceiverLinkId::new(at(1), [1; 10]),
            webhook_id: WebhookId::new(at(1), [2; 10]),
            name: "Team B".into(),
            hash: KeyHash::new(new_receiver_token(&[7; 32]).reveal()),
            created_at: at(1),
            expires_at: at(100),
            revoked_at: None,
            last_used_at: None,
        };
        assert!(link.is_usable(at(99)) && !link.is_usable(at(100)));
        let revoked = ReceiverLink {
            revoked_at: Some(at(50)),
            ..link
        };
        assert!(!revoked.is_usable(at(60)));
    }
}
