//! Slack's adapter against Slack as the fake plays it.

mod answers;
mod message;
mod settings;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use crate::slack::Slack;
use crate::slack::fake::FakeSlack;
use destination::Adapter;
use destination::fake::{Fake, FakeAnswer, FakeRequest};
use destination::sample::Sample;
use destination::shown::Shown;
use destination::task::{ActLink, Classification, Links, Rendered};
use model::event::EventName;
use model::exchange::{Exchange, PhaseTimings, Response};
use model::incident::IncidentAction;
use model::time::Timestamp;
use model::webhook::WebhookKind;

const TS: &str = "1705314600.000001";

fn at() -> Timestamp {
    Timestamp::from_millis(1_705_314_600_000)
}

/// An event for an incoming webhook.
fn incoming(name: EventName) -> Sample {
    let url = FakeSlack::default().url("https://slack.example");
    Sample::new(WebhookKind::of("slack"), Url::parse(&url).unwrap(), name, at())
}

/// An event for a bot.
fn bot(name: EventName) -> Sample {
    let url = Url::parse("https://slack.example/api/").unwrap();
    Sample::new(WebhookKind::of("slack"), url, name, at())
        .with_secret("token", "xoxb-1-made-up")
        .with_option("channel", "C0123456789")
}

/// The same about an incident whose message is remembered.
fn remembering(mut sample: Sample) -> Sample {
    sample.memory = Some(memory(TS));
    sample
}

fn memory(ts: &str) -> String {
    json!({ "channel": "C0123456789", "ts": ts, "to": "C0123456789" }).to_string()
}

fn linked(mut sample: Sample) -> Sample {
    let act = |action: IncidentAction| ActLink {
        action,
        token: "t".repeat(55),
        page: Some(format!("https://ops.example/act/{}", action.as_str())),
    };
    sample.links = Links {
        incident: Some("https://ops.example/incidents/1".into()),
        acts: vec![act(IncidentAction::Acknowledge), act(IncidentAction::Resolve)],
    };
    sample
}

fn rendered(sample: &Sample) -> Rendered {
    Slack.step(&sample.task()).request().unwrap()
}

fn body(sample: &Sample) -> Value {
    serde_json::from_slice(&rendered(sample).body).unwrap()
}

fn shown(sample: &Sample) -> Shown {
    Slack.show(&rendered(sample).body).unwrap()
}

fn response(status: u16, headers: &[(&'static str, String)], body: &str) -> Exchange {
    let headers = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    });
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        result: Ok(Response {
            status,
            headers: headers.collect::<HeaderMap>(),
            body: Bytes::from(body.to_owned()),
            body_is_truncated: false,
        }),
    }
}

fn ask(fake: &mut FakeSlack, rendered: &Rendered) -> FakeAnswer {
    fake.answer(&FakeRequest {
        method: &rendered.method,
        target: rendered.url.path(),
        headers: &rendered.headers,
        body: &rendered.body,
        now: at(),
    })
}

/// Sends a sample to the fake and judges the answer.
fn send(fake: &mut FakeSlack, sample: &Sample) -> Classification {
    let answer = ask(fake, &rendered(sample));
    let exchange = response(answer.status, &answer.headers, &answer.body);
    Slack.classify(&sample.task(), &exchange, at())
}
