//! A sample request of each type of event: the very bytes that a receiver of the default format gets, signed with a secret that
//! is no secret.

use http::header::{CONTENT_TYPE, USER_AGENT};

use crate::deliveries::attempt::{event_meaning, operational_meaning};
use destination::sample;
use model::event::{Event, EventType};
use model::id::{DeliveryId, SourceId, WebhookId};
use model::operational::{OperationalName, OperationalNotice, Subject};
use model::secret::SecretText;
use model::time::Timestamp;
use outbound::signature::{SigningSecrets, sign};

/// What samples are signed with: `OpsKnight sample secret`, in base64.
pub const SAMPLE_SECRET: &str = "whsec_T3BzS25pZ2h0IHNhbXBsZSBzZWNyZXQ=";

/// A request as a receiver would get it.
pub struct SampleRequest {
    pub event: EventType,
    /// Lines of `name: value`.
    pub head: String,
    pub body: String,
}

impl SampleRequest {
    /// The request about an event that happens at a time.
    pub fn new(event: EventType, at: Timestamp) -> Self {
        let body = match event {
            EventType::Incident(name) => sample::event(name, at).body,
            EventType::Operational(name) => operational(name, at).body,
        };
        let delivery_id = DeliveryId::new(at, [5; 10]).to_string();
        let own = [
            (CONTENT_TYPE.as_str(), "application/json"),
            (
                USER_AGENT.as_str(),
                concat!("OpsKnight/", env!("CARGO_PKG_VERSION")),
            ),
            ("x-opsknight-event", event.as_str()),
            ("x-opsknight-delivery", delivery_id.as_str()),
            ("x-opsknight-attempt", "1"),
        ];
        let mut head: String = own.iter().map(|(name, value)| line(name, value)).collect();
        let secrets = SigningSecrets {
            current: SecretText::new(SAMPLE_SECRET),
            previous: None,
        };
        for (name, value) in sign(&secrets, &delivery_id, at.as_seconds(), &body) {
            head.push_str(&line(name.as_str(), value.to_str().unwrap_or_default()));
        }
        Self {
            event,
            head,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// What the event means, in a few words.
    pub fn meaning(&self) -> &'static str {
        match self.event {
            EventType::Incident(name) => event_meaning(name),
            EventType::Operational(name) => operational_meaning(name),
        }
    }
}

/// Every type of event, in the order of the contract.
pub fn every_type() -> impl Iterator<Item = EventType> {
    EventType::NAMES.iter().filter_map(|name| EventType::parse(name))
}

fn line(name: &str, value: &str) -> String {
    format!("{name}: {value}\n")
}

fn operational(name: OperationalName, at: Timestamp) -> Event {
    let webhook = || Subject::webhook(WebhookId::new(at, [6; 10]), "Jira");
    let (subject, reason) = match name {
        OperationalName::WebhookDegraded | OperationalName::DeliveryDead => (webhook(), Some("timeout")),
        OperationalName::WebhookDisabled => (webhook(), Some("gone")),
        OperationalName::WebhookRecovered => (webhook(), None),
        OperationalName::SourceSilent => (Subject::source(SourceId::new(at, [7; 10]), "Prometheus"), None),
    };
    let notice = OperationalNotice {
        reason: reason.map(str::to_owned),
        ..OperationalNotice::new(name, subject, at)
    };
    notice.into_event(0, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::signature_check::{Check, Signed, check};

    #[test]
    fn every_sample_is_of_its_event_and_its_signatures_fit() {
        let at = Timestamp::from_millis(1_705_314_600_000);
        let secret = SecretText::new(SAMPLE_SECRET);
        for event in every_type() {
            let sample = SampleRequest::new(event, at);
            let body: serde_json::Value = serde_json::from_str(&sample.body).unwrap();
            assert_eq!(body["event"], event.as_str());
            let signed = Signed {
                head: &sample.head,
                body: sample.body.as_bytes(),
                body_is_truncated: false,
                at,
            };
            let checks = check(signed, Some(&secret));
            assert_eq!((checks.opsknight, checks.standard), (Check::Valid, Check::Valid));
        }
    }
}
