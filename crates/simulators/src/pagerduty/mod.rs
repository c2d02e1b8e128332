//! PagerDuty's Events API v2, simulated: `POST /v2/enqueue` and `/v2/change/enqueue`, with the members, lengths and words of its
//! published description, and the alerts that come of them. Any key of the right form is one of a service, but for one.

mod event;

use http::Method;
use serde_json::{Map, Value, json};

use crate::message::Message;
use crate::pagerduty::event::text;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};

/// A key of the right form that no service has.
const UNKNOWN_KEY: &str = "00000000000000000000000000000000";
const MAX_BODY_BYTES: usize = 512 * 1024;
const FAULTS: [Fault; 6] = [
    fault("rate_limit", "429: the key has sent 120 events in a minute"),
    fault("bad_key", "400: invalid routing key"),
    fault("invalid_event", "400: the event object is invalid"),
    fault("internal", "500 with JSON"),
    fault("html", "502 with a web page"),
    fault("sign_in", "200 with a web page"),
];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// One account in memory.
#[derive(Default)]
pub struct PagerDuty {
    alerts: Vec<Alert>,
    made: u64,
    next_fault: Option<&'static str>,
}

struct Alert {
    routing_key: String,
    dedup_key: String,
    status: &'static str,
    summary: String,
    source: String,
    severity: String,
}

impl Alert {
    fn message(&self) -> Message {
        let mut message = Message::default();
        message.add(&self.summary);
        message.add_fact("severity", &self.severity);
        message.add_fact("source", &self.source);
        message.add(self.status);
        message
    }
}

impl Simulator for PagerDuty {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        if let Some(fault) = self.next_fault.take() {
            return fail(fault);
        }
        let path = request.target.split('?').next().unwrap_or_default();
        if request.method != Method::POST || !["/v2/enqueue", "/v2/change/enqueue"].contains(&path) {
            return Response::json(
                404,
                &json!({ "message": "Not Found" }),
                "refused: no such address",
            );
        }
        if request.body.len() > MAX_BODY_BYTES {
            return Response::json(
                413,
                &json!({ "message": "Payload too large" }),
                "refused: over 512 KB",
            );
        }
        let Ok(Value::Object(event)) = serde_json::from_slice(request.body) else {
            return invalid(&["JSON could not be parsed".to_owned()]);
        };
        let is_change = path == "/v2/change/enqueue";
        let errors = event::errors(&event, is_change);
        if !errors.is_empty() {
            return invalid(&errors);
        }
        if text(&event, "routing_key") == UNKNOWN_KEY {
            return invalid(&["Invalid routing key".to_owned()]);
        }
        match is_change {
            true => {
                let body = json!({ "status": "success", "message": "Change event processed" });
                Response::json(202, &body, "took a change")
            }
            false => self.work_on(&event),
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
        self.alerts.iter().map(Alert::message).collect()
    }

    fn url(&self, address: &str) -> String {
        address.to_owned()
    }
}

impl PagerDuty {
    /// Applies an event to the open alert of its key, opens one, or drops it.
    fn work_on(&mut self, event: &Map<String, Value>) -> Response {
        self.made += 1;
        let given = text(event, "dedup_key");
        let key = match given {
            "" => format!("made-up-key-{}", self.made),
            given => given.to_owned(),
        };
        let routing_key = text(event, "routing_key");
        let open = self.alerts.iter().position(|alert| {
            alert.dedup_key == key && alert.routing_key == routing_key && alert.status != "resolved"
        });
        let at = match (text(event, "event_action"), open) {
            ("trigger", None) => Some(self.open(event, &key)),
            ("trigger", Some(at)) => Some(at),
            (action, Some(at)) => {
                let status = if action == "resolve" {
                    "resolved"
                } else {
                    "acknowledged"
                };
                self.alerts[at].status = status;
                Some(at)
            }
            (_, None) => None,
        };
        let body = json!({ "status": "success", "message": "Event processed", "dedup_key": key });
        let shown = at.map(|at| self.alerts[at].message());
        let sentence = match at {
            Some(at) => format!("alert {key} is {}", self.alerts[at].status),
            None => "dropped: no alert is open under this key".to_owned(),
        };
        Response {
            message: shown,
            ..Response::json(202, &body, sentence)
        }
    }

    fn open(&mut self, event: &Map<String, Value>, key: &str) -> usize {
        let of_payload = |name| {
            let value = event.get("payload").and_then(|payload| payload.get(name));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        if self.alerts.len() == MAX_MESSAGES {
            self.alerts.remove(0);
        }
        self.alerts.push(Alert {
            routing_key: text(event, "routing_key").to_owned(),
            dedup_key: key.to_owned(),
            status: "triggered",
            summary: of_payload("summary"),
            source: of_payload("source"),
            severity: of_payload("severity"),
        });
        self.alerts.len() - 1
    }
}

fn invalid(errors: &[String]) -> Response {
    let body = json!({ "status": "invalid event", "message": "Event object is invalid", "errors": errors });
    Response::json(400, &body, format!("refused: {}", errors.join("; ")))
}

fn fail(fault: &'static str) -> Response {
    let sentence = format!("failed on request: {fault}");
    match fault {
        "rate_limit" => Response::json(429, &json!({ "message": "Requests limit exceeded" }), sentence),
        "bad_key" => invalid(&["Invalid routing key".to_owned()]),
        "invalid_event" => invalid(&["'payload.summary' is invalid".to_owned()]),
        "internal" => Response::json(500, &json!({ "message": "Internal server error" }), sentence),
        "sign_in" => Response::page(200, "Sign in", sentence),
        _ => Response::page(502, "Bad gateway", sentence),
    }
}
