//! Slack's adapter against the simulated Slack.

mod answers;
mod message;
mod settings;

use serde_json::{Value, json};
use url::Url;

use crate::simulated::{ask, exchange, platform};
use crate::slack::Slack;
use destination::preview::Preview;
use destination::sample::Sample;
use destination::task::{ActLink, Classification, Links, Rendered};
use destination::{Adapter, Previews};
use model::event::EventName;
use model::incident::IncidentAction;
use model::time::Timestamp;
use model::webhook::WebhookKind;
use simulators::Simulator;

const TS: &str = "1705314600.000001";

fn at() -> Timestamp {
    Timestamp::from_millis(1_705_314_600_000)
}

/// An event for an incoming webhook.
fn incoming(name: EventName) -> Sample {
    let url = platform("slack").url("https://slack.example");
    Sample::new(WebhookKind::new("slack"), Url::parse(&url).unwrap(), name, at())
}

/// An event for a bot.
fn bot(name: EventName) -> Sample {
    let url = Url::parse("https://slack.example/api/").unwrap();
    Sample::new(WebhookKind::new("slack"), url, name, at())
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
    Slack.step(&sample.task()).into_request().unwrap()
}

fn body(sample: &Sample) -> Value {
    serde_json::from_slice(&rendered(sample).body).unwrap()
}

fn shown(sample: &Sample) -> Preview {
    Slack.preview(&rendered(sample).body).unwrap()
}

/// Sends a sample to Slack and judges the answer.
fn send(slack: &mut dyn Simulator, sample: &Sample) -> Classification {
    let answer = ask(slack, &rendered(sample), at());
    let exchange = exchange(answer.status, &answer.headers, &answer.body);
    Slack
        .step(&sample.task())
        .classify(&sample.task(), &exchange, at())
}
