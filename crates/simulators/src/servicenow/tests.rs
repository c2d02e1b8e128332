//! The simulated ServiceNow by itself: what it takes, what it refuses, what its faults do.

mod access;
mod faults;
mod incidents;
mod queries;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use crate::servicenow::ServiceNow;
use crate::simulator::{Request, Response, Simulator};
use model::time::Timestamp;

/// Whoever asks a simulator, and when.
struct Caller {
    servicenow: ServiceNow,
    headers: Vec<(&'static str, String)>,
    now: Timestamp,
}

impl Caller {
    fn new() -> Self {
        let mut caller = Self {
            servicenow: ServiceNow::default(),
            headers: Vec::new(),
            now: Timestamp::from_millis(1_764_036_971_000),
        };
        caller.be("opsknight.integration", "secret");
        caller
    }

    fn be(&mut self, user: &str, password: &str) {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        self.headers = vec![("authorization", format!("Basic {credentials}"))];
    }

    fn send(&mut self, method: &str, target: &str, content_type: &str, body: &str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("sn.test"));
        headers.insert("content-type", content_type.parse().unwrap());
        for (name, value) in &self.headers {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        let method: Method = method.parse().unwrap();
        let request = Request {
            method: &method,
            target,
            headers: &headers,
            body: body.as_bytes(),
            now: self.now,
        };
        self.servicenow.answer(&request)
    }

    fn ask(&mut self, method: &str, target: &str, body: &Value) -> (u16, Value) {
        let answer = self.send(method, target, "application/json", &body.to_string());
        (
            answer.status,
            serde_json::from_str(&answer.body).unwrap_or_default(),
        )
    }

    fn get(&mut self, target: &str) -> Value {
        let (status, body) = self.ask("GET", target, &Value::Null);
        assert_eq!(status, 200, "{body}");
        body["result"].clone()
    }

    /// Makes an incident; tells where it is.
    fn make(&mut self, fields: &Value) -> String {
        let (status, body) = self.ask("POST", "/api/now/table/incident", fields);
        assert_eq!(status, 201, "{body}");
        format!(
            "/api/now/table/incident/{}",
            body["result"]["sys_id"].as_str().unwrap()
        )
    }

    fn patch(&mut self, path: &str, fields: &Value) -> (u16, Value) {
        self.ask("PATCH", path, fields)
    }
}

fn detail(body: &Value) -> &str {
    body["error"]["detail"].as_str().unwrap()
}
