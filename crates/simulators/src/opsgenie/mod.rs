//! Opsgenie's Alert API, simulated, and the same below the path of Jira Service Management's Operations: create, acknowledge, close
//! and note by alias, what became of a request, and an alert to read. Any well-formed key is one of an integration, but for one.

mod body;

use http::Method;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::message::Message;
use crate::opsgenie::body::{OTHERS, read_body, text};
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};

/// A key of the right form that no integration has.
const UNKNOWN_KEY: &str = "00000000-0000-0000-0000-000000000000";
/// Where Jira Service Management has the same.
const JSM_PREFIX: &str = "/jsm/ops/integration";
const FAULTS: [Fault; 9] = [
    fault("rate_limit", "429 with X-RateLimit-Period-In-Sec: 3"),
    fault("bad_key", "401: the key is of no integration"),
    fault("key_format", "422: the key is no key"),
    fault("forbidden", "403: the integration may not do this"),
    fault("unprocessable", "422 with errors by field"),
    fault("internal", "500 with JSON"),
    fault("unavailable", "503 with JSON"),
    fault("html", "502 with a web page"),
    fault("sign_in", "200 with a web page"),
];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// One account in memory.
#[derive(Default)]
pub struct Opsgenie {
    alerts: Vec<Alert>,
    requests: u64,
    /// What became of each request.
    done: Vec<bool>,
    next_fault: Option<&'static str>,
}

struct Alert {
    id: String,
    alias: String,
    message: String,
    priority: String,
    status: &'static str,
    count: u64,
    notes: Vec<String>,
}

impl Alert {
    fn shown(&self) -> Message {
        let mut message = Message::default();
        message.add(&self.message);
        message.add_fact("priority", &self.priority);
        for note in &self.notes {
            message.add_fact("note", note);
        }
        message.add(self.status);
        message
    }
}

impl Simulator for Opsgenie {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        self.requests += 1;
        if let Some(fault) = self.next_fault.take() {
            return self.fail(fault);
        }
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let path = path.strip_prefix(JSM_PREFIX).unwrap_or(path);
        if let Err(refusal) = self.admit(request) {
            return *refusal;
        }
        let steps: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let by_alias = query.split('&').any(|pair| pair == "identifierType=alias");
        match (request.method, steps.as_slice()) {
            (&Method::POST, ["v2", "alerts"]) => self.create(request.body),
            (&Method::POST, ["v2", "alerts", alert, call @ ("acknowledge" | "close" | "notes")]) => {
                self.change(alert, call, by_alias, request.body)
            }
            (&Method::GET, ["v2", "alerts", "requests", id]) => self.status(id),
            (&Method::GET, ["v2", "alerts", alert]) => self.read(alert, by_alias),
            _ => self.refuse(404, "Url is invalid.", &Value::Null),
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
        self.alerts.iter().map(Alert::shown).collect()
    }

    fn url(&self, address: &str) -> String {
        address.to_owned()
    }
}

impl Opsgenie {
    fn admit(&self, request: &Request<'_>) -> Result<(), Box<Response>> {
        let header = request
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let key = header
            .and_then(|text| text.strip_prefix("GenieKey "))
            .unwrap_or_default();
        if uuid::Uuid::try_parse(key).is_err() {
            return Err(self.refuse(422, "Key format is not valid!", &Value::Null).into());
        }
        if key == UNKNOWN_KEY {
            return Err(self.refuse(401, "Could not authenticate", &Value::Null).into());
        }
        Ok(())
    }

    fn create(&mut self, body: &[u8]) -> Response {
        let body = match read_body(body, &OTHERS) {
            Ok(body) => body,
            Err((status, errors)) => return self.refuse(status, "Request body is not processable.", &errors),
        };
        let message = text(&body, "message");
        if message.is_empty() {
            return self.refuse(
                422,
                "Request body is not processable.",
                &json!({ "message": "may not be empty" }),
            );
        }
        let alias = match text(&body, "alias") {
            "" => message,
            alias => alias,
        };
        let open = self
            .find(alias, true)
            .filter(|at| self.alerts[*at].status != "closed");
        let at = open.unwrap_or(self.alerts.len());
        match open {
            Some(at) => self.alerts[at].count += 1,
            None => self.alerts.push(Alert {
                id: format!("made-up-{}", self.requests),
                alias: alias.to_owned(),
                message: message.to_owned(),
                priority: match text(&body, "priority") {
                    "" => "P3".to_owned(),
                    priority => priority.to_owned(),
                },
                status: "open",
                count: 1,
                notes: Vec::new(),
            }),
        }
        let surplus = self.alerts.len().saturating_sub(MAX_MESSAGES);
        self.alerts.drain(..surplus);
        self.accept(Some(at - surplus))
    }

    fn change(&mut self, alert: &str, call: &str, by_alias: bool, body: &[u8]) -> Response {
        let body = match read_body(body, &[]) {
            Ok(body) => body,
            Err((status, errors)) => return self.refuse(status, "Request body is not processable.", &errors),
        };
        let note = text(&body, "note");
        if call == "notes" && note.is_empty() {
            return self.refuse(
                422,
                "Request body is not processable.",
                &json!({ "note": "may not be empty" }),
            );
        }
        let alert = percent_encoding::percent_decode_str(alert).decode_utf8_lossy();
        let found = self.find(&alert, by_alias);
        let found = found.filter(|at| call == "notes" || self.alerts[*at].status != "closed");
        if let Some(at) = found {
            let alert = &mut self.alerts[at];
            match call {
                "acknowledge" => alert.status = "acknowledged",
                "close" => alert.status = "closed",
                _ => {}
            }
            alert.notes.extend((!note.is_empty()).then(|| note.to_owned()));
        }
        self.accept(found)
    }

    /// The newest alert of a name.
    fn find(&self, name: &str, by_alias: bool) -> Option<usize> {
        let is_it = |alert: &Alert| name == if by_alias { &alert.alias } else { &alert.id };
        self.alerts.iter().rposition(is_it)
    }

    /// A request is taken before it is worked on; what became of it can be asked for.
    fn accept(&mut self, alert: Option<usize>) -> Response {
        self.done.push(alert.is_some());
        let body = json!({
            "result": "Request will be processed",
            "took": 0.302,
            "requestId": format!("request-{}", self.done.len()),
        });
        let sentence = match alert.map(|at| &self.alerts[at]) {
            Some(alert) => format!("alert {} is {}", alert.alias, alert.status),
            None => "taken, but there is no such alert".to_owned(),
        };
        Response {
            message: alert.map(|at| self.alerts[at].shown()),
            ..Response::json(202, &body, sentence)
        }
    }

    fn status(&self, id: &str) -> Response {
        let number = id
            .strip_prefix("request-")
            .and_then(|number| number.parse::<usize>().ok());
        let done = number.and_then(|number| self.done.get(number.checked_sub(1)?));
        let Some(is_success) = done else {
            return self.refuse(
                404,
                "Request not found. It might not be processed, yet.",
                &Value::Null,
            );
        };
        let status = if *is_success {
            "Processed"
        } else {
            "Alert does not exist"
        };
        let data = json!({ "success": is_success, "isSuccess": is_success, "status": status });
        self.tell(&data)
    }

    fn read(&self, name: &str, by_alias: bool) -> Response {
        let Some(at) = self.find(name, by_alias) else {
            return self.refuse(404, "Alert does not exist", &Value::Null);
        };
        let alert = &self.alerts[at];
        let data = json!({
            "id": alert.id,
            "alias": alert.alias,
            "message": alert.message,
            "priority": alert.priority,
            "status": if alert.status == "closed" { "closed" } else { "open" },
            "acknowledged": alert.status == "acknowledged",
            "count": alert.count,
        });
        self.tell(&data)
    }

    fn tell(&self, data: &Value) -> Response {
        let id = format!("request-of-{}", self.requests);
        let body = json!({ "data": data, "took": 0.1, "requestId": id });
        Response::json(200, &body, "told")
    }

    fn refuse(&self, status: u16, message: &str, errors: &Value) -> Response {
        let id = format!("request-of-{}", self.requests);
        let mut body = json!({ "message": message, "took": 0.001, "requestId": id });
        if errors.is_object() {
            body["errors"] = errors.clone();
        }
        Response::json(
            status,
            &body,
            format!("refused with {status}: {message} {errors}"),
        )
    }

    fn fail(&self, fault: &'static str) -> Response {
        let sentence = format!("failed on request: {fault}");
        match fault {
            "rate_limit" => {
                let mut answer = self.refuse(429, "You are making too many requests!", &Value::Null);
                answer.headers.push(("x-ratelimit-state", "THROTTLED".into()));
                answer.headers.push(("x-ratelimit-period-in-sec", "3".into()));
                answer
            }
            "bad_key" => self.refuse(401, "Could not authenticate", &Value::Null),
            "key_format" => self.refuse(422, "Key format is not valid!", &Value::Null),
            "forbidden" => self.refuse(
                403,
                "You are not authorized to access this resource.",
                &Value::Null,
            ),
            "unprocessable" => {
                let errors = json!({ "tags": "are not well-formed" });
                self.refuse(
                    422,
                    "Request body is not processable. Please check the errors.",
                    &errors,
                )
            }
            "internal" => self.refuse(500, "Internal Server Error", &Value::Null),
            "unavailable" => self.refuse(503, "Service Unavailable", &Value::Null),
            "sign_in" => Response::page(200, "Sign in", sentence),
            _ => Response::page(502, "Bad gateway", sentence),
        }
    }
}
