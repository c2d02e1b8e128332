//! Discord's adapter against the simulated Discord.

mod answers;
mod message;
mod settings;

use serde_json::Value;
use url::Url;

use crate::discord::Discord;
use crate::simulated::{ask, exchange, platform};
use destination::preview::Preview;
use destination::sample::Sample;
use destination::task::{ActLink, Classification, Links, Rendered};
use destination::{Adapter, Previews};
use model::event::EventName;
use model::incident::IncidentAction;
use model::time::Timestamp;
use model::webhook::WebhookKind;
use simulators::Simulator;

const MESSAGE: &str = "1200000000000000001";

fn at() -> Timestamp {
    Timestamp::from_millis(1_705_314_600_000)
}

fn sample(name: EventName) -> Sample {
    let url = platform("discord").url("https://discord.example");
    Sample::new(WebhookKind::new("discord"), Url::parse(&url).unwrap(), name, at())
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
    Discord.step(&sample.task()).into_request().unwrap()
}

fn body(sample: &Sample) -> Value {
    serde_json::from_slice(&rendered(sample).body).unwrap()
}

fn shown(sample: &Sample) -> Preview {
    Discord.preview(&rendered(sample).body).unwrap()
}

/// Sends a sample to Discord and judges the answer.
fn send(discord: &mut dyn Simulator, sample: &Sample) -> Classification {
    let answer = ask(discord, &rendered(sample), at());
    let exchange = exchange(answer.status, &answer.headers, &answer.body);
    Discord
        .step(&sample.task())
        .classify(&sample.task(), &exchange, at())
}
