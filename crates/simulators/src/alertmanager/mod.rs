//! Prometheus Alertmanager's API v2, simulated: `POST /api/v2/alerts`, reading them, and `GET /api/v2/status`. What an alert may be,
//! and how a later one of the same labels is merged with an earlier, is as in its published description and open source.

use std::collections::BTreeMap;

use http::Method;
use jiff::{SignedDuration, Timestamp as Instant};
use serde_json::{Value, json};

use crate::message::Message;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};

/// How long an alert fires that does not say until when.
const RESOLVE_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

const FAULTS: [Fault; 7] = [
    fault("bad_request", "400 with a sentence as JSON"),
    fault("unauthorized", "401: a name and a password are asked for"),
    fault("not_found", "404: the route prefix is another"),
    fault("rate_limit", "429 of a proxy, with Retry-After: 3"),
    fault("internal", "500 with a sentence as JSON"),
    fault("html", "502 with a web page"),
    fault("sign_in", "200 with a web page"),
];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// An Alertmanager in memory.
#[derive(Default)]
pub struct Alertmanager {
    alerts: Vec<Alert>,
    next_fault: Option<&'static str>,
    /// When it was last asked for anything.
    now: Instant,
}

#[derive(Clone)]
struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: Instant,
    ends_at: Instant,
}

impl Alert {
    fn is_resolved(&self, now: Instant) -> bool {
        self.ends_at <= now
    }

    /// What a later alert of the same labels makes of this one.
    fn merge(&self, later: Self, now: Instant) -> Self {
        let overlaps = later.ends_at > self.starts_at && later.ends_at < self.ends_at
            || later.starts_at > self.starts_at && later.starts_at < self.ends_at;
        if !overlaps {
            return later;
        }
        let ends_at = match later.is_resolved(now) {
            true => later.ends_at,
            false => later.ends_at.max(self.ends_at),
        };
        Self {
            starts_at: later.starts_at.min(self.starts_at),
            ends_at,
            ..later
        }
    }

    fn message(&self, now: Instant) -> Message {
        let mut message = Message::default();
        let summary = self.annotations.get("summary");
        message.add(summary.map_or("", String::as_str));
        for (name, value) in &self.labels {
            message.add_fact(name, value);
        }
        message.add(if self.is_resolved(now) {
            "resolved"
        } else {
            "firing"
        });
        message
    }

    fn json(&self, now: Instant) -> Value {
        let state = if self.is_resolved(now) {
            "unprocessed"
        } else {
            "active"
        };
        json!({
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": self.starts_at.to_string(),
            "endsAt": self.ends_at.to_string(),
            "status": { "state": state, "silencedBy": [], "inhibitedBy": [] },
        })
    }
}

impl Simulator for Alertmanager {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        if let Some(fault) = self.next_fault.take() {
            return fail(fault);
        }
        self.now = Instant::from_millisecond(request.now.as_millis()).unwrap_or_default();
        let path = request.target.split('?').next().unwrap_or_default();
        match (request.method, path) {
            (&Method::POST, "/api/v2/alerts") => self.post(request.body),
            (&Method::GET, "/api/v2/alerts") => {
                let firing = self.alerts.iter().filter(|alert| !alert.is_resolved(self.now));
                let all: Vec<_> = firing.map(|alert| alert.json(self.now)).collect();
                Response::json(200, &all.into(), "told what fires")
            }
            (&Method::GET, "/api/v2/status") => {
                let body =
                    json!({ "cluster": { "status": "disabled" }, "versionInfo": { "version": "fake" } });
                Response::json(200, &body, "told how it is")
            }
            _ => text(404, "404 page not found\n", "refused: no such page"),
        }
    }

    fn faults(&self) -> &'static [Fault] {
        &FAULTS
    }

    fn fail_next(&mut self, fault: &str) -> bool {
        let known = FAULTS.iter().find(|known| known.name == fault);
        self.next_fault = known.map(|known| known.name);
        known.is_some()
    }

    fn messages(&self) -> Vec<Message> {
        self.alerts.iter().map(|alert| alert.message(self.now)).collect()
    }

    fn url(&self, address: &str) -> String {
        address.to_owned()
    }
}

impl Alertmanager {
    fn post(&mut self, body: &[u8]) -> Response {
        let Ok(Value::Array(posted)) = serde_json::from_slice(body) else {
            return refuse("parsing alerts body from \"\" failed, because it is no array of alerts");
        };
        let read: Result<Vec<_>, _> = posted.iter().map(|alert| self.read(alert)).collect();
        let alerts = match read {
            Ok(alerts) => alerts,
            Err(why) => return refuse(&why),
        };
        let mut shown = None;
        for later in alerts {
            let known = self.alerts.iter().position(|alert| alert.labels == later.labels);
            let alert = match known.map(|at| self.alerts.remove(at)) {
                Some(earlier) => earlier.merge(later, self.now),
                None => later,
            };
            shown = Some(alert.message(self.now));
            self.alerts.push(alert);
        }
        let surplus = self.alerts.len().saturating_sub(MAX_MESSAGES);
        self.alerts.drain(..surplus);
        Response {
            message: shown,
            ..text(200, "", "took alerts")
        }
    }

    fn read(&self, alert: &Value) -> Result<Alert, String> {
        let mut labels = texts(alert, "labels")?;
        labels.retain(|_, value| !value.is_empty());
        if labels.is_empty() {
            return Err("at least one label pair required".into());
        }
        let is_name = |name: &String| {
            name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if let Some(name) = labels.keys().find(|name| !is_name(name)) {
            return Err(format!("invalid label set: invalid name \"{name}\""));
        }
        let annotations = texts(alert, "annotations")?;
        if let Some(name) = annotations.keys().find(|name| !is_name(name)) {
            return Err(format!("invalid annotations: invalid name \"{name}\""));
        }
        let is_address = |link: &Value| link.as_str().is_some_and(|link| url::Url::parse(link).is_ok());
        if !alert.get("generatorURL").is_none_or(is_address) {
            return Err("generatorURL in body must be of type uri".into());
        }
        let time = |name: &str| match alert.get(name) {
            None => Ok(None),
            Some(value) => {
                let parsed = value.as_str().and_then(|text| text.parse::<Instant>().ok());
                parsed
                    .map(Some)
                    .ok_or(format!("{name} in body must be of type date-time"))
            }
        };
        let starts_at = time("startsAt")?.unwrap_or(self.now);
        let ends_at = time("endsAt")?.unwrap_or(self.now + RESOLVE_TIMEOUT);
        if ends_at < starts_at {
            return Err("start time must be before end time".into());
        }
        Ok(Alert {
            labels,
            annotations,
            starts_at,
            ends_at,
        })
    }
}

/// A set of names with texts; empty if there is none.
fn texts(alert: &Value, member: &str) -> Result<BTreeMap<String, String>, String> {
    let Some(value) = alert.get(member) else {
        return Ok(BTreeMap::new());
    };
    serde_json::from_value(value.clone()).map_err(|_| format!("{member} in body must be texts by name"))
}

fn refuse(why: &str) -> Response {
    Response::json(400, &why.into(), format!("refused: {why}"))
}

fn text(status: u16, body: &str, sentence: &str) -> Response {
    Response {
        status,
        headers: vec![("content-type", "text/plain; charset=utf-8".into())],
        body: body.to_owned(),
        sentence: sentence.to_owned(),
        ..Response::default()
    }
}

fn fail(fault: &'static str) -> Response {
    let sentence = format!("failed on request: {fault}");
    match fault {
        "bad_request" => refuse("invalid label set"),
        "unauthorized" => {
            let mut answer = text(401, "Unauthorized\n", &sentence);
            answer.headers.push(("www-authenticate", "Basic".into()));
            answer
        }
        "not_found" => text(404, "404 page not found\n", &sentence),
        "rate_limit" => {
            let mut answer = text(429, "", &sentence);
            answer.headers.push(("retry-after", "3".into()));
            answer
        }
        "internal" => Response::json(500, &"the store is closed".into(), sentence),
        "sign_in" => Response::page(200, "Sign in", sentence),
        _ => Response::page(502, "Bad gateway", sentence),
    }
}
