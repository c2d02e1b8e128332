//! Discord's adapter against Discord as the fake plays it.

mod answers;
mod message;
mod settings;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use crate::discord::Discord;
use crate::discord::fake::FakeDiscord;
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

const MESSAGE: &str = "1200000000000000001";

fn at() -> Timestamp {
    Timestamp::from_millis(1_705_314_600_000)
}

fn sample(name: EventName) -> Sample {
    let url = FakeDiscord::default().url("https://discord.example");
    Sample::new(WebhookKind::of("discord"), Url::parse(&url).unwrap(), name, at())
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
    Discord.step(&sample.task()).request().unwrap()
}

fn body(sample: &Sample) -> Value {
    serde_json::from_slice(&rendered(sample).body).unwrap()
}

fn shown(sample: &Sample) -> Shown {
    Discord.show(&rendered(sample).body).unwrap()
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

fn ask(fake: &mut FakeDiscord, rendered: &Rendered) -> FakeAnswer {
    let query = rendered
        .url
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    fake.answer(&FakeRequest {
        method: &rendered.method,
        target: &format!("{}{query}", rendered.url.path()),
        headers: &rendered.headers,
        body: &rendered.body,
        now: at(),
    })
}

/// Sends a sample to the fake and judges the answer.
fn send(fake: &mut FakeDiscord, sample: &Sample) -> Classification {
    let answer = ask(fake, &rendered(sample));
    let exchange = response(answer.status, &answer.headers, &answer.body);
    Discord.classify(&sample.task(), &exchange, at())
}
