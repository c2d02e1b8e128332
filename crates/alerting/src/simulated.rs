//! For tests of adapters: their requests to the simulators of their services, and what comes of the answers.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use url::Position;

use destination::Adapter;
use destination::sample::Sample;
use destination::task::Classification;
use model::event::EventName;
use model::exchange::{Exchange, PhaseTimings, Reach, Response};
use model::patch::Patch;
use model::time::Timestamp;
use model::webhook::WebhookKind;
use simulators::{Request, Simulator};

/// A service and an incident that it is told of.
pub struct World {
    pub adapter: &'static dyn Adapter,
    pub service: Box<dyn Simulator>,
    pub sample: Sample,
}

impl World {
    /// An event of an incident with a page, for a fresh service.
    pub fn new(adapter: &'static dyn Adapter, event: EventName) -> Self {
        let kind = adapter.description().kind;
        let service = simulators::simulator(kind).unwrap();
        let url = service.url("http://127.0.0.1:9").parse().unwrap();
        let at = Timestamp::from_millis(1_705_314_600_000);
        let mut sample = Sample::new(WebhookKind::new(kind), url, event, at);
        sample.links.incident = Some("https://ops.example/incidents/inc_1".into());
        Self {
            adapter,
            service,
            sample,
        }
    }

    /// The same with the sample changed.
    pub fn with(mut self, change: impl FnOnce(Sample) -> Sample) -> Self {
        self.sample = change(self.sample);
        self
    }

    /// The body of the next request.
    pub fn body(&self) -> serde_json::Value {
        let rendered = self.adapter.step(&self.sample.task()).into_request().unwrap();
        serde_json::from_slice(&rendered.body).unwrap()
    }

    /// Path and query of the next request.
    pub fn path(&self) -> String {
        let rendered = self.adapter.step(&self.sample.task()).into_request().unwrap();
        rendered.url[Position::BeforePath..].to_owned()
    }

    /// Sends what follows, and keeps what is to be kept of the answer.
    pub fn send(&mut self) -> Classification {
        let task = self.sample.task();
        let rendered = self.adapter.step(&task).into_request().unwrap();
        let answer = self.service.answer(&Request {
            method: &rendered.method,
            target: &rendered.url[Position::BeforePath..],
            headers: &rendered.headers,
            body: &rendered.body,
            now: self.sample.now,
        });
        let classification = self.judge(answer.status, &answer.headers, &answer.body);
        if let Patch::Set(text) = &classification.message_ref {
            self.sample.memory = Some(text.clone());
        }
        if let Patch::Set(text) = &classification.continuation {
            self.sample.progress = Some(text.clone());
        }
        classification
    }

    /// What an answer means.
    pub fn judge(&self, status: u16, headers: &[(&'static str, String)], body: &str) -> Classification {
        let task = self.sample.task();
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        let response = Response {
            status,
            headers: headers.collect(),
            body: Bytes::from(body.to_owned()),
            body_is_truncated: false,
        };
        let exchange = Exchange {
            notice: None,
            timings: PhaseTimings::default(),
            remote_address: None,
            reach: Reach::MaybeSent,
            result: Ok(response),
        };
        self.adapter
            .step(&task)
            .classify(&task, &exchange, self.sample.now)
    }

    /// Another event of the same incident.
    pub fn next(&mut self, event: EventName) {
        let (memory, links) = (self.sample.memory.clone(), self.sample.links.clone());
        let (target, kind) = (self.sample.target.clone(), self.sample.webhook.settings.kind);
        let at = Timestamp::from_millis(self.sample.now.as_millis() + 60_000);
        let incident = self.sample.event.incident().unwrap();
        let fresh = Sample::new(kind, target.url.clone(), event, at).about(|changed| {
            let status = changed.status;
            *changed = incident;
            changed.status = status;
        });
        self.sample = Sample {
            memory,
            links,
            target,
            ..fresh
        };
    }

    /// What stands there.
    pub fn texts(&self) -> Vec<String> {
        self.service
            .messages()
            .iter()
            .map(simulators::Message::text)
            .collect()
    }
}
