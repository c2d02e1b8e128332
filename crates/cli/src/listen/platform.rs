//! `listen --as`: plays a chat platform, by the fake that its adapter brings along, and shows its messages.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use destination::fake::{Fake, FakeAnswer, FakeFault, FakeRequest};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use model::time::Timestamp;

use super::super::failure::Failure;
use super::fault::Fault;

/// A platform that is played. Clones share it.
#[derive(Clone)]
pub struct Platform {
    kind: &'static str,
    fake: Arc<Mutex<Box<dyn Fake>>>,
}

impl Platform {
    /// The platform of a kind.
    pub fn new(kind: &str) -> Result<Self, Failure> {
        let found = kinds::all()
            .iter()
            .find(|adapter| adapter.description().kind == kind);
        let played = found.and_then(|adapter| Some((adapter.description().kind, adapter.fake()?)));
        let (kind, fake) = played.ok_or_else(|| {
            let known = kinds::all().iter().filter(|adapter| adapter.fake().is_some());
            let known: Vec<_> = known.map(|adapter| adapter.description().kind).collect();
            Failure::Usage(format!(
                "{kind:?} cannot be played; there are {}",
                known.join(", ")
            ))
        })?;
        Ok(Self {
            kind,
            fake: Arc::new(Mutex::new(fake)),
        })
    }

    /// Refuses faults that this platform does not know.
    pub fn check(&self, faults: &[Fault]) -> Result<(), Failure> {
        let known = self.faults();
        let is_unknown = |fault: &&Fault| match fault {
            Fault::Platform(name) => !known.iter().any(|fault| fault.name == *name),
            _ => false,
        };
        let Some(fault) = faults.iter().find(is_unknown) else {
            return Ok(());
        };
        Err(Failure::Usage(format!(
            "{} has no fault {fault}\n{}",
            self.kind,
            self.faults_in_words()
        )))
    }

    /// Its faults, a line each.
    pub fn faults_in_words(&self) -> String {
        let faults = self.faults().iter();
        let lines: Vec<_> = faults
            .map(|fault| format!("  {}: {}", fault.name, fault.meaning))
            .collect();
        format!(
            "beside statuses and those of --help, {} has\n{}",
            self.kind,
            lines.join("\n")
        )
    }

    /// The faults that it knows.
    pub fn faults(&self) -> &'static [FakeFault] {
        self.fake().faults()
    }

    /// The URL to give a webhook.
    pub fn url(&self, address: &str) -> String {
        self.fake().url(address)
    }

    /// Answers a request, with a fault if one is due.
    pub fn answer(&self, head: &Parts, body: &[u8], fault: Fault, now: Timestamp) -> FakeAnswer {
        let mut fake = self.fake();
        if let Fault::Platform(name) = fault {
            fake.fail_next(name);
        }
        fake.answer(&FakeRequest {
            method: &head.method,
            target: head.uri.path_and_query().map_or("/", |target| target.as_str()),
            headers: &head.headers,
            body,
            now,
        })
    }

    fn fake(&self) -> std::sync::MutexGuard<'_, Box<dyn Fake>> {
        self.fake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer of a fake as HTTP.
pub fn to_http(answer: &FakeAnswer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body.clone())));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    for (name, value) in &answer.headers {
        let name = HeaderName::try_from(*name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value.as_str())) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
