//! What the tests of kinds that speak to brokers share.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use url::Url;

use destination::Adapter;
use destination::sample::Sample;
use destination::task::Classification;
use model::attempt::Disposition;
use model::broker::{BrokerMessage, BrokerStage};
use model::event::EventName;
use model::exchange::{Exchange, FailureCode, PhaseTimings, Reach, Response};
use model::time::Timestamp;
use model::transport::{REPLY, STAGE, Transport};
use model::webhook::WebhookKind;

/// An event for a webhook of a kind.
pub(crate) fn sample_of(adapter: &dyn Adapter) -> Sample {
    let url = Url::parse(adapter.sample_url()).unwrap();
    let at = Timestamp::from_millis(1_705_314_600_000);
    let kind = WebhookKind::new(adapter.description().kind);
    Sample::new(kind, url, EventName::Triggered, at)
}

/// What is sent of it: the message, and its body as text.
pub(crate) fn message_of(adapter: &dyn Adapter, sample: &Sample) -> (BrokerMessage, String) {
    let rendered = adapter.step(&sample.task()).into_request().unwrap();
    let body = String::from_utf8(rendered.body.to_vec()).unwrap();
    match rendered.transport {
        Transport::Broker(message) => (*message, body),
        other => panic!("{other:?}"),
    }
}

/// The fields that something is wrong with.
pub(crate) fn problem_fields(adapter: &dyn Adapter, sample: &Sample) -> Vec<&'static str> {
    let problems = adapter.check(&sample.target);
    problems.iter().map(|problem| problem.field).collect()
}

/// A kind that judges what a broker says.
pub(crate) struct Judge(pub(crate) &'static dyn Adapter);

impl Judge {
    /// What an answer means whose words are its body.
    pub(crate) fn of(&self, status: u16, stage: BrokerStage, words: &str) -> Classification {
        let mut headers = HeaderMap::new();
        headers.insert(STAGE, HeaderValue::from_static(stage.as_str()));
        headers.insert(REPLY, HeaderValue::from_str(words).unwrap());
        let response = Response {
            status,
            headers,
            body: Bytes::copy_from_slice(words.as_bytes()),
            body_is_truncated: false,
        };
        let exchange = Exchange {
            notice: None,
            timings: PhaseTimings::default(),
            remote_address: None,
            reach: Reach::MaybeSent,
            result: Ok(response),
        };
        let sample = sample_of(self.0);
        let task = sample.task();
        self.0.step(&task).classify(&task, &exchange, sample.now)
    }

    /// The failure that an answer is.
    pub(crate) fn failure(&self, status: u16, stage: BrokerStage, words: &str) -> (FailureCode, Disposition) {
        let judged = self.of(status, stage, words);
        let failure = judged.outcome.failure().unwrap();
        (failure.code, failure.disposition)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_cloud_event_is_in_an_envelope_or_in_headers_as_each_binding_names_them() {
        for (adapter, prefix) in [
            (&crate::nats::Nats as &dyn Adapter, "ce-"),
            (&crate::amqp::Amqp, "cloudEvents_"),
            (&crate::kafka::Kafka, "ce_"),
        ] {
            let sample = sample_of(adapter);
            let (own, body) = message_of(adapter, &sample);
            assert_eq!(body.as_bytes(), &sample.event.body[..]);
            assert_eq!((own.content_type, own.headers.len()), ("application/json", 2));
            let (message, body) = message_of(adapter, &sample.clone().with_option("format", "cloudevents"));
            assert_eq!(
                message.content_type,
                "application/cloudevents+json; charset=UTF-8"
            );
            let envelope: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(envelope["specversion"], "1.0");
            assert_eq!(envelope["type"], "com.opsknight.incident.triggered");
            let own: Value = serde_json::from_slice(&sample.event.body).unwrap();
            assert_eq!(envelope["data"], own);
            let binary = sample.clone().with_option("format", "cloudevents_binary");
            let (message, body) = message_of(adapter, &binary);
            assert_eq!(body.as_bytes(), &sample.event.body[..]);
            let header = |name: &str| {
                let name = format!("{prefix}{name}");
                let mut headers = message.headers.iter();
                headers
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| value.clone())
            };
            assert_eq!(header("id"), Some(sample.event.id.to_string()));
            assert_eq!(header("time").as_deref(), Some("2024-01-15T10:30:00Z"));
            assert_eq!(header("datacontenttype").is_some(), prefix == "ce-");
        }
    }

    #[test]
    fn further_servers_have_the_scheme_of_the_first() {
        let sample = sample_of(&crate::nats::Nats).with_option("servers", "b.example, c.example:4333 [::1]");
        let (message, _) = message_of(&crate::nats::Nats, &sample);
        let urls: Vec<_> = message.further.iter().map(Url::as_str).collect();
        assert_eq!(
            urls,
            ["nats://b.example", "nats://c.example:4333", "nats://[::1]"]
        );
        for wrong in [
            "b.example/x",
            "ada:pw@b.example",
            "https://b.example",
            "b.example:x",
        ] {
            let sample = sample_of(&crate::nats::Nats)
                .with_option("subject", "a")
                .with_option("servers", wrong);
            assert_eq!(
                problem_fields(&crate::nats::Nats, &sample),
                ["servers"],
                "{wrong}"
            );
        }
    }
}
