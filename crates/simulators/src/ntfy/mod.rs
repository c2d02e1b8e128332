//! An ntfy server, simulated: publishing as JSON, with the rules and error codes of its open source. A topic that begins with
//! `private` needs the account `ada` or its token. Notifications of one sequence take each other's place, as in apps since 2.16.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::message::Message;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};

const TOKEN: &str = "Bearer tk_good";
const ACCOUNT: &str = "ada:good-password";
const MAX_MESSAGE_BYTES: usize = 4096;
const MAX_BODY_BYTES: usize = 2 * MAX_MESSAGE_BYTES;
const MAX_ACTIONS: usize = 3;
/// Topics that are pages of the server.
const DISALLOWED: [&str; 6] = ["docs", "static", "file", "app", "account", "settings"];

const FAULTS: [Fault; 10] = [
    fault("rate_limit", "429 42901: too many requests"),
    fault("daily_limit", "429 42908: too many messages today"),
    fault("unauthorized", "401 40101"),
    fault("forbidden", "403 40301: the account may not write there"),
    fault("topic_disallowed", "400 40010"),
    fault("invalid_message", "400 40018: the actions are invalid"),
    fault("too_large", "413 41303: the JSON is too large"),
    fault("internal", "500 50001"),
    fault("html", "502 with a web page"),
    fault("sign_in", "200 with a web page"),
];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// The server in memory.
#[derive(Default)]
pub struct Ntfy {
    notifications: Vec<Notification>,
    published: u64,
    next_fault: Option<&'static str>,
}

struct Notification {
    topic: String,
    sequence: String,
    message: Message,
}

/// A status, ntfy's own code, and its words.
type Refusal = (u16, u64, &'static str);

impl Simulator for Ntfy {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        match self.next_fault.take() {
            Some(fault) => fail(fault),
            None => self.publish(request).unwrap_or_else(refuse),
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
        self.notifications
            .iter()
            .map(|notification| notification.message.clone())
            .collect()
    }

    fn url(&self, address: &str) -> String {
        address.to_owned()
    }
}

impl Ntfy {
    fn publish(&mut self, request: &Request<'_>) -> Result<Response, Refusal> {
        if ![Method::POST, Method::PUT].contains(request.method) || request.target != "/" {
            return Err((404, 40_401, "page not found"));
        }
        if request.body.len() > MAX_BODY_BYTES {
            return Err((413, 41_303, "JSON body too large"));
        }
        let body: Value = serde_json::from_slice(request.body)
            .map_err(|_| (400, 40_017, "invalid request: request body must be message JSON"))?;
        let topic = check(&body)?.to_owned();
        admit(request, &topic)?;
        self.published += 1;
        let id = format!("fake{:08}", self.published);
        let sequence = body["sequence_id"].as_str().unwrap_or(&id).to_owned();
        let message = shown(&body);
        let is_same = |known: &&mut Notification| known.topic == topic && known.sequence == sequence;
        let sentence = match self.notifications.iter_mut().find(is_same) {
            Some(known) => {
                known.message = message.clone();
                format!("a notification in {topic} changed")
            }
            None => {
                self.notifications.push(Notification {
                    topic: topic.clone(),
                    sequence: sequence.clone(),
                    message: message.clone(),
                });
                format!("a notification in {topic}")
            }
        };
        let surplus = self.notifications.len().saturating_sub(MAX_MESSAGES);
        self.notifications.drain(..surplus);
        let mut echo =
            json!({ "id": id, "time": request.now.as_seconds(), "event": "message", "topic": topic });
        if sequence != id {
            echo["sequence_id"] = sequence.into();
        }
        for name in ["title", "message", "priority", "tags", "click", "actions"] {
            if let Some(value) = body.get(name) {
                echo[name] = value.clone();
            }
        }
        Ok(Response {
            message: Some(message),
            ..Response::json(200, &echo, sentence)
        })
    }
}

/// The topic of a message that may be one.
fn check(body: &Value) -> Result<&str, Refusal> {
    const NO_JSON: Refusal = (400, 40_017, "invalid request: request body must be message JSON");
    let text = |name: &str| match body.get(name) {
        None => Ok(""),
        Some(value) => value.as_str().ok_or(NO_JSON),
    };
    let topic = text("topic")?;
    if !is_name(topic) {
        return Err((400, 40_009, "invalid request: topic invalid"));
    }
    if DISALLOWED.contains(&topic) {
        return Err((400, 40_010, "invalid request: topic name is disallowed"));
    }
    let (_, message, _) = (text("title")?, text("message")?, text("click")?);
    if message.len() > MAX_MESSAGE_BYTES {
        return Err((413, 41_301, "attachment too large, or bandwidth limit reached"));
    }
    let priority = body
        .get("priority")
        .map_or(Some(3), Value::as_u64)
        .ok_or(NO_JSON)?;
    if priority > 5 {
        return Err((400, 40_007, "invalid priority parameter"));
    }
    if body.get("sequence_id").is_some() && !is_name(text("sequence_id")?) {
        return Err((400, 40_049, "invalid request: sequence ID invalid"));
    }
    let are_texts = |tags: &Value| {
        tags.as_array()
            .is_some_and(|tags| tags.iter().all(Value::is_string))
    };
    if !body.get("tags").is_none_or(are_texts) {
        return Err(NO_JSON);
    }
    let is_action = |action: &Value| {
        let has = |name: &str| action[name].as_str().is_some_and(|text| !text.is_empty());
        ["view", "http"].contains(&action["action"].as_str().unwrap_or_default())
            && has("label")
            && has("url")
    };
    let are_actions = |actions: &Value| {
        let actions = actions.as_array();
        actions.is_some_and(|actions| actions.len() <= MAX_ACTIONS && actions.iter().all(is_action))
    };
    if !body.get("actions").is_none_or(are_actions) {
        return Err((400, 40_018, "invalid request: actions invalid"));
    }
    Ok(topic)
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(is_part)
}

fn admit(request: &Request<'_>, topic: &str) -> Result<(), Refusal> {
    let given = request
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let account = format!("Basic {}", STANDARD.encode(ACCOUNT));
    match given {
        Some(given) if given == TOKEN || given == account => Ok(()),
        Some(_) => Err((401, 40_101, "unauthorized")),
        None if topic.starts_with("private") => Err((403, 40_301, "forbidden")),
        None => Ok(()),
    }
}

/// A notification as its reader sees it. Nothing in it calls anybody.
fn shown(body: &Value) -> Message {
    let mut message = Message::default();
    message.add(body["title"].as_str().unwrap_or_default());
    // An empty text is shown as this.
    let text = body["message"].as_str().filter(|text| !text.is_empty());
    message.add(text.unwrap_or("triggered"));
    let labels = body["actions"].as_array().into_iter().flatten();
    message.add_buttons(labels.filter_map(|action| action["label"].as_str()));
    message
}

fn refuse((status, code, error): Refusal) -> Response {
    let body =
        json!({ "code": code, "http": status, "error": error, "link": "https://ntfy.sh/docs/publish/" });
    Response::json(status, &body, format!("refused with {code}: {error}"))
}

fn fail(fault: &'static str) -> Response {
    let sentence = format!("failed on request: {fault}");
    match fault {
        "rate_limit" => refuse((429, 42_901, "limit reached: too many requests")),
        "daily_limit" => refuse((429, 42_908, "limit reached: daily message quota reached")),
        "unauthorized" => refuse((401, 40_101, "unauthorized")),
        "forbidden" => refuse((403, 40_301, "forbidden")),
        "topic_disallowed" => refuse((400, 40_010, "invalid request: topic name is disallowed")),
        "invalid_message" => refuse((400, 40_018, "invalid request: actions invalid")),
        "too_large" => refuse((413, 41_303, "JSON body too large")),
        "internal" => refuse((500, 50_001, "internal server error")),
        "sign_in" => Response::page(200, "Sign in", sentence),
        _ => Response::page(502, "Bad gateway", sentence),
    }
}
