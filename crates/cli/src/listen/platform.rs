//! `listen --as`: simulates a platform and shows its messages or tickets.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::Full;
use model::time::Timestamp;
use simulators::{Dialogue, Request, Simulator};

use super::super::failure::Failure;
use super::fault::Fault;

/// A simulated platform. Clones share it.
#[derive(Clone)]
pub struct Platform {
    kind: &'static str,
    simulator: Arc<Mutex<Box<dyn Simulator>>>,
}

impl Platform {
    /// The platform of a kind.
    pub fn new(kind: &str) -> Result<Self, Failure> {
        let known = || simulators::kinds().iter().copied();
        let found = known().find(|known| *known == kind);
        let simulated = found.and_then(|kind| Some((kind, simulators::simulator(kind)?)));
        let (kind, simulator) = simulated.ok_or_else(|| {
            let known: Vec<_> = known().collect();
            Failure::Usage(format!(
                "{kind:?} cannot be simulated; there are {}",
                known.join(", ")
            ))
        })?;
        Ok(Self {
            kind,
            simulator: Arc::new(Mutex::new(simulator)),
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
    pub fn faults(&self) -> &'static [simulators::Fault] {
        self.simulator().faults()
    }

    /// The URL to give a webhook.
    pub fn url(&self, address: &str) -> String {
        self.simulator().url(address)
    }

    /// Answers a request, with a fault if one is due.
    pub fn answer(&self, head: &Parts, body: &[u8], fault: Fault, now: Timestamp) -> simulators::Response {
        let mut simulator = self.simulator();
        if let Fault::Platform(name) = fault {
            simulator.fail_next(name);
        }
        simulator.answer(&Request {
            method: &head.method,
            target: head.uri.path_and_query().map_or("/", |target| target.as_str()),
            headers: &head.headers,
            body,
            now,
        })
    }

    /// A connection that was just opened, if the platform speaks lines and no HTTP; with a fault of its own if one is due.
    pub fn dialogue(&self, fault: Fault) -> Option<Box<dyn Dialogue>> {
        let mut simulator = self.simulator();
        if let Fault::Platform(name) = fault {
            simulator.fail_next(name);
        }
        simulator.dialogue()
    }

    /// Whether it speaks lines and no HTTP.
    pub fn speaks_lines(&self) -> bool {
        self.simulator().speaks_lines()
    }

    fn simulator(&self) -> std::sync::MutexGuard<'_, Box<dyn Simulator>> {
        self.simulator.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer of a simulator as HTTP.
pub fn to_http(answer: &simulators::Response) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::new(Full::new(Bytes::from(answer.body.clone())));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    for (name, value) in &answer.headers {
        let name = HeaderName::try_from(*name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value.as_str())) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
