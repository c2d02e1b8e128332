//! Tokens that let whoever holds them do one thing to one incident: behind the buttons and links in chat messages.
//!
//! A token says action, incident, until when it holds and for which event it was made, followed by half an HMAC-SHA256
//! under a key of the webhook that nobody is ever told, so that nothing needs to be stored when a message is sent. The
//! signing secret would not do: receivers know it. That a token is used once only is for the store to see to. It has 55
//! characters: Telegram's buttons hold 64 bytes.

use crate::digest::hmac_sha256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::id::{IncidentId, WebhookId};
use crate::incident::{IncidentAction, IncidentStatus};
use crate::secret::SecretText;
use crate::time::Timestamp;

/// The name of the key among the secret options of webhooks whose kind offers actions.
pub const LINK_KEY: &str = "linkKey";
/// How long a token holds after it was sent.
pub const LINK_LIFETIME: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
/// What the signature begins with, so that it can be mistaken for no other that the same secret makes.
const PURPOSE: &[u8] = b"opsknight action link 1";
const PAYLOAD_BYTES: usize = 1 + 16 + 4 + 4;
const MAC_BYTES: usize = 16;

/// What is offered in a message about an incident with this status.
pub fn offered(status: Option<IncidentStatus>) -> &'static [IncidentAction] {
    match status {
        Some(IncidentStatus::Triggered) => &[IncidentAction::Acknowledge, IncidentAction::Resolve],
        Some(IncidentStatus::Acknowledged) => &[IncidentAction::Resolve],
        Some(IncidentStatus::Resolved) | None => &[],
    }
}

/// What a token permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionLink {
    /// What may be done.
    pub action: IncidentAction,
    /// To what.
    pub incident_id: IncidentId,
    /// Until when, in whole seconds since the epoch.
    pub expires_at_seconds: u32,
    /// The place of the event whose message carries it, so that the links of two messages differ.
    pub event_sequence: u32,
}

impl ActionLink {
    /// The token, under the key of the webhook whose message carries it.
    pub fn sign(&self, webhook_id: WebhookId, secret: &SecretText) -> String {
        let payload = self.payload();
        let mut bytes = Vec::with_capacity(PAYLOAD_BYTES + MAC_BYTES);
        bytes.extend_from_slice(&payload);
        bytes.extend_from_slice(&mac(&payload, webhook_id, secret));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token; nothing if it was not made under this key for this webhook. Whether it has expired is the
    /// caller's question.
    pub fn read(token: &str, webhook_id: WebhookId, secret: &SecretText) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (payload, signature) = bytes.split_at_checked(PAYLOAD_BYTES)?;
        let is_ours: bool = mac(payload, webhook_id, secret)
            .as_slice()
            .ct_eq(signature)
            .into();
        if !is_ours {
            return None;
        }
        let number = |from: usize| Some(u32::from_be_bytes(payload.get(from..from + 4)?.try_into().ok()?));
        Some(Self {
            action: action_of(*payload.first()?)?,
            incident_id: IncidentId::from_bytes(payload.get(1..17)?.try_into().ok()?),
            expires_at_seconds: number(17)?,
            event_sequence: number(21)?,
        })
    }

    /// Whether it no longer holds.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now.as_seconds() >= i64::from(self.expires_at_seconds)
    }

    fn payload(&self) -> [u8; PAYLOAD_BYTES] {
        let mut payload = [0; PAYLOAD_BYTES];
        payload[0] = byte_of(self.action);
        payload[1..17].copy_from_slice(self.incident_id.as_bytes());
        payload[17..21].copy_from_slice(&self.expires_at_seconds.to_be_bytes());
        payload[21..25].copy_from_slice(&self.event_sequence.to_be_bytes());
        payload
    }
}

fn mac(payload: &[u8], webhook_id: WebhookId, secret: &SecretText) -> [u8; MAC_BYTES] {
    let mut half = [0; MAC_BYTES];
    let whole = hmac_sha256(
        secret.reveal().as_bytes(),
        [PURPOSE, webhook_id.as_bytes(), payload],
    );
    half.copy_from_slice(&whole[..MAC_BYTES]);
    half
}

fn byte_of(action: IncidentAction) -> u8 {
    match action {
        IncidentAction::Acknowledge => b'a',
        IncidentAction::Resolve => b'r',
        IncidentAction::Escalate => b'e',
        IncidentAction::Reopen => b'o',
    }
}

fn action_of(byte: u8) -> Option<IncidentAction> {
    [
        IncidentAction::Acknowledge,
        IncidentAction::Resolve,
        IncidentAction::Escalate,
        IncidentAction::Reopen,
    ]
    .into_iter()
    .find(|action| byte_of(*action) == byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn webhook(number: u8) -> WebhookId {
        WebhookId::new(Timestamp::EPOCH, [number; 10])
    }

    fn link() -> ActionLink {
        ActionLink {
            action: IncidentAction::Resolve,
            incident_id: IncidentId::new(Timestamp::EPOCH, [7; 10]),
            expires_at_seconds: 100,
            event_sequence: 9,
        }
    }

    #[test]
    fn a_token_reads_back_and_fits_into_a_button_of_telegram() {
        let secret = SecretText::new("whsec_a");
        let token = link().sign(webhook(1), &secret);
        assert_eq!(ActionLink::read(&token, webhook(1), &secret), Some(link()));
        assert!(token.len() <= 64, "{} bytes", token.len());
    }

    #[test]
    fn a_token_holds_for_its_webhook_and_secret_only_and_until_its_time() {
        let secret = SecretText::new("whsec_a");
        let token = link().sign(webhook(1), &secret);
        assert_eq!(ActionLink::read(&token, webhook(2), &secret), None);
        assert_eq!(ActionLink::read(&token, webhook(1), &SecretText::new("b")), None);
        assert!(!link().is_expired(Timestamp::from_millis(99_999)));
        assert!(link().is_expired(Timestamp::from_millis(100_000)));
    }

    proptest! {
        #[test]
        fn nothing_else_is_a_token(text in ".{0,80}", place in 0usize..55, other in "[A-Za-z0-9_-]") {
            let secret = SecretText::new("whsec_a");
            prop_assert_eq!(ActionLink::read(&text, webhook(1), &secret), None);
            let mut token = link().sign(webhook(1), &secret);
            let changed = token.get(place..=place) != Some(other.as_str());
            token.replace_range(place..=place, &other);
            prop_assert!(!changed || ActionLink::read(&token, webhook(1), &secret).is_none());
        }
    }
}
