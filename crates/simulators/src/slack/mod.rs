//! Slack, simulated after its documents: "Incoming webhooks" for answers in plain text, the reference of chat.postMessage
//! and chat.update for the Web API (status 200 with `ok`), "Rate limits" for 429. What a message must be stands in
//! `schema`. Every bot token and every channel id of the right form exists. That a reply to an unknown message is
//! refused with `thread_not_found` is a guess: the documents do not say.

mod message;
mod schema;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use crate::form;
use crate::message::Message;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};

/// The path of the incoming webhook below its address.
const HOOK: &str = "/services/T0OPSKNIGHT/B0OPSKNIGHT/made-up";
/// The channel of the incoming webhook.
const HOOK_CHANNEL: &str = "C0OPSKNIGHT";

const FAULTS: &[Fault] = &[
    fault("rate_limit", "429 with Retry-After: 3"),
    fault("server_error", "500"),
    fault("bad_gateway", "502 with a page of HTML"),
    fault("login_page", "200 with a page of HTML"),
    fault("ratelimited", "Web API: ok false, ratelimited"),
    fault(
        "message_limit_exceeded",
        "Web API: the workspace has used up its messages",
    ),
    fault("team_added_to_org", "Web API: the workspace is being moved"),
    fault("fatal_error", "Web API: something broke, maybe after posting"),
    fault("service_unavailable", "Web API: not now"),
    fault("invalid_auth", "Web API: the token is wrong"),
    fault("token_revoked", "Web API: the token was revoked"),
    fault("missing_scope", "Web API: the app lacks chat:write"),
    fault("not_in_channel", "Web API: the app is not in the channel"),
    fault("is_archived", "Web API: the channel is archived"),
    fault(
        "restricted_action",
        "Web API: a setting of the workspace forbids it",
    ),
    fault("invalid_blocks", "Web API: the blocks are refused"),
    fault(
        "message_not_found",
        "Web API: the next change or reply finds its message deleted",
    ),
    fault("edit_window_closed", "Web API: the next change comes too late"),
    fault("cant_update_message", "Web API: the next change is not permitted"),
    fault("invalid_payload", "incoming webhook: 400"),
    fault("invalid_token", "incoming webhook: 403"),
    fault("action_prohibited", "incoming webhook: 403"),
    fault("no_service", "incoming webhook: 404, it was removed"),
    fault("channel_not_found", "404 of an incoming webhook, or ok false"),
    fault("channel_is_archived", "incoming webhook: 410"),
];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// Slack with one workspace.
#[derive(Debug, Default)]
pub struct Slack {
    messages: Vec<Posted>,
    posted: u64,
    fault: Option<&'static str>,
}

#[derive(Debug)]
struct Posted {
    channel: String,
    ts: String,
    members: Map<String, Value>,
}

/// Which of Slack's two doors a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entrance {
    Hook,
    Api,
}

impl Simulator for Slack {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        let path = request.target.split('?').next().unwrap_or_default();
        let door = if path.starts_with("/api/") {
            Entrance::Api
        } else {
            Entrance::Hook
        };
        let body = String::from_utf8_lossy(request.body);
        let refers = path.ends_with("chat.update") || body.contains("\"thread_ts\"");
        let meets = |fault: &&str| match *fault {
            "message_not_found" | "edit_window_closed" | "cant_update_message" => refers,
            _ => true,
        };
        match self.fault.filter(meets) {
            Some(fault) => {
                self.fault = None;
                if fault == "message_not_found" {
                    self.messages.pop();
                }
                faulty(fault, door)
            }
            None => self.serve(request, path, door),
        }
    }

    fn faults(&self) -> &'static [Fault] {
        FAULTS
    }

    fn fail_next(&mut self, fault: &str) -> bool {
        let known = FAULTS.iter().find(|known| known.name == fault);
        self.fault = known.map(|known| known.name).or(self.fault);
        known.is_some()
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.iter().map(Posted::seen).collect()
    }

    fn url(&self, address: &str) -> String {
        format!("{address}{HOOK}")
    }
}

impl Slack {
    fn serve(&mut self, request: &Request<'_>, path: &str, door: Entrance) -> Response {
        if request.method != http::Method::POST {
            return words(405, "method_not_allowed");
        }
        let method = path.strip_prefix("/api/").unwrap_or_default();
        let members = match (members(request, door), door) {
            (Some(members), _) => members,
            (None, Entrance::Api) => {
                return not_ok(
                    "invalid_post_type",
                    "the body is neither a JSON object nor a form",
                );
            }
            (None, Entrance::Hook) => return words(400, "invalid_payload"),
        };
        if door == Entrance::Hook {
            return self.hook(request, path, members);
        }
        let header = request
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let header = header.and_then(|header| header.strip_prefix("Bearer "));
        match header.or_else(|| members.get("token")?.as_str()) {
            None => return not_ok("not_authed", "there is no bearer token"),
            Some(token) if !token.starts_with("xoxb-") => {
                return not_ok("invalid_auth", "it is no bot token");
            }
            Some(_) => {}
        }
        match method {
            "chat.postMessage" => self.post(request, members),
            "chat.update" => self.update(members),
            "auth.test" => json_answer(
                &json!({ "ok": true, "team": "OpsKnight" }),
                "named the workspace".into(),
                None,
            ),
            _ => not_ok("unknown_method", method),
        }
    }

    fn hook(&mut self, request: &Request<'_>, path: &str, members: Map<String, Value>) -> Response {
        if path != HOOK {
            return words(
                404,
                if path.starts_with("/services/") {
                    "no_service"
                } else {
                    "no_team"
                },
            );
        }
        if let Err(refusal) = schema::check(&members, schema::MAX_TEXT) {
            let answer = words(400, refusal.error);
            let sentence = format!("{}: {}", answer.sentence, refusal.detail);
            return Response { sentence, ..answer };
        }
        let message = self.keep(request, HOOK_CHANNEL.to_owned(), members);
        let (sentence, message) = (format!("posted message {}", message.ts), Some(message.seen()));
        Response {
            sentence,
            message,
            ..words(200, "ok")
        }
    }

    fn post(&mut self, request: &Request<'_>, members: Map<String, Value>) -> Response {
        let channel = match channel(&members) {
            // A message to a person goes into the conversation with them, which has an id of its own.
            Some(person) if person.starts_with(['U', 'W']) => person.replacen(['U', 'W'], "D", 1),
            Some(channel) => channel,
            None => return not_ok("channel_not_found", "channel is no id"),
        };
        if let Err(refusal) = schema::check(&members, schema::MAX_TEXT) {
            return not_ok(refusal.error, &refusal.detail);
        }
        let thread = members.get("thread_ts");
        let has_parent = thread.is_none_or(|thread| {
            thread
                .as_str()
                .is_some_and(|ts| self.find(&channel, ts).is_some())
        });
        if !has_parent {
            return not_ok("thread_not_found", "no message has that ts");
        }
        let verb = if thread.is_some() {
            "replied with"
        } else {
            "posted"
        };
        self.keep(request, channel, members).answer(verb)
    }

    /// A change replaces the members that it names and leaves the others.
    fn update(&mut self, changes: Map<String, Value>) -> Response {
        let Some(channel) = channel(&changes).filter(|channel| !channel.starts_with(['U', 'W'])) else {
            return not_ok("channel_not_found", "channel is no id of a conversation");
        };
        let ts = changes
            .get("ts")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let Some(message) = self.find(&channel, &ts) else {
            return not_ok("message_not_found", "no message has that ts");
        };
        let mut members = message.members.clone();
        members.extend(changes);
        if let Err(refusal) = schema::check(&members, schema::MAX_UPDATE_TEXT) {
            return not_ok(refusal.error, &refusal.detail);
        }
        message.members = members;
        message.answer("changed")
    }

    fn keep(&mut self, request: &Request<'_>, channel: String, members: Map<String, Value>) -> &Posted {
        self.posted += 1;
        if self.messages.len() >= MAX_MESSAGES {
            self.messages.remove(0);
        }
        let ts = format!("{}.{:06}", request.now.as_seconds(), self.posted);
        self.messages.push_mut(Posted { channel, ts, members })
    }

    fn find(&mut self, channel: &str, ts: &str) -> Option<&mut Posted> {
        let is_it = |message: &&mut Posted| message.channel == channel && message.ts == ts;
        self.messages.iter_mut().find(is_it)
    }
}

impl Posted {
    fn seen(&self) -> Message {
        message::read(&self.members)
    }

    fn answer(&self, verb: &str) -> Response {
        let body = json!({
            "ok": true,
            "channel": self.channel,
            "ts": self.ts,
            "message": { "type": "message", "text": self.members.get("text"), "ts": self.ts },
        });
        json_answer(&body, format!("{verb} message {}", self.ts), Some(self.seen()))
    }
}

/// The members of a body: JSON, or a form. An incoming webhook takes a form that holds the JSON as `payload`; in forms of
/// the Web API every argument is a field, those with a structure as JSON.
fn members(request: &Request<'_>, door: Entrance) -> Option<Map<String, Value>> {
    let object = |json: &[u8]| serde_json::from_slice(json).ok();
    let content_type = request
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let is_json = content_type.is_some_and(|value| value.starts_with("application/json"));
    match (form::fields(request), door) {
        (Some(fields), Entrance::Hook) => object(fields.get("payload")?.as_bytes()),
        (Some(fields), Entrance::Api) => Some(
            fields
                .into_iter()
                .map(|(name, value)| argument(name, value))
                .collect(),
        ),
        (None, _) => is_json.then(|| object(request.body))?,
    }
}

/// An argument of the Web API from a form's field.
fn argument(name: String, value: String) -> (String, Value) {
    let parsed = match (name.as_str(), value.as_str()) {
        ("blocks" | "attachments" | "metadata", json) => serde_json::from_str(json).ok(),
        ("unfurl_links" | "unfurl_media" | "link_names" | "mrkdwn" | "reply_broadcast", "true" | "1") => {
            Some(true.into())
        }
        ("unfurl_links" | "unfurl_media" | "link_names" | "mrkdwn" | "reply_broadcast", "false" | "0") => {
            Some(false.into())
        }
        _ => None,
    };
    (name, parsed.unwrap_or(Value::String(value)))
}

/// The channel that a message names, if it has the form of an id.
fn channel(members: &Map<String, Value>) -> Option<String> {
    let channel = members.get("channel")?.as_str()?;
    let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let is_id = channel.starts_with(['C', 'G', 'D', 'U', 'W']) && channel.bytes().all(is_plain);
    is_id.then(|| channel.to_owned())
}

fn json_answer(body: &Value, sentence: String, message: Option<Message>) -> Response {
    Response {
        status: 200,
        headers: vec![("Content-Type", "application/json; charset=utf-8".to_owned())],
        body: body.to_string(),
        sentence,
        message,
        ..Response::default()
    }
}

fn not_ok(error: &str, detail: &str) -> Response {
    let body = json!({
        "ok": false,
        "error": error,
        "response_metadata": { "messages": [format!("[ERROR] {detail}")] },
    });
    json_answer(&body, format!("refused: {error}: {detail}"), None)
}

/// An answer of an incoming webhook.
fn words(status: u16, text: &str) -> Response {
    Response {
        status,
        headers: vec![("Content-Type", "text/html".to_owned())],
        body: text.to_owned(),
        sentence: format!("refused: {text} ({status})"),
        ..Response::default()
    }
}

/// The answer of a fault.
fn faulty(fault: &str, door: Entrance) -> Response {
    match (fault, door) {
        ("rate_limit", Entrance::Api) => limited(not_ok("ratelimited", "too many requests")),
        ("rate_limit", Entrance::Hook) => limited(words(429, "rate_limited")),
        ("server_error", _) => words(500, "server_error"),
        ("bad_gateway", _) => words(502, "<!DOCTYPE html><html><body>Bad Gateway</body></html>"),
        ("login_page", _) => words(200, "<!DOCTYPE html><html><body>Sign in</body></html>"),
        (error, Entrance::Api) => not_ok(error, "injected"),
        (error @ "channel_is_archived", Entrance::Hook) => words(410, error),
        (error @ ("no_service" | "channel_not_found"), Entrance::Hook) => words(404, error),
        (error @ ("invalid_token" | "action_prohibited"), Entrance::Hook) => words(403, error),
        (error, Entrance::Hook) => words(400, error),
    }
}

fn limited(answer: Response) -> Response {
    let mut answer = Response {
        status: 429,
        ..answer
    };
    answer.headers.push(("Retry-After", "3".to_owned()));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method};
    use model::time::Timestamp;

    #[test]
    fn forms_are_taken_in_the_place_of_json() {
        let mut slack = Slack::default();
        let hook = slack.url("");
        let mut post = |target: &str, body: &str| {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            slack.answer(&Request {
                method: &Method::POST,
                target,
                headers: &HeaderMap::from_iter([(CONTENT_TYPE, form)]),
                body: body.as_bytes(),
                now: Timestamp::EPOCH,
            })
        };
        assert_eq!(post(&hook, "payload=%7B%22text%22%3A%22one%22%7D").body, "ok");
        assert_eq!(post(&hook, "text=one").body, "invalid_payload");
        let blocks = "blocks=%5B%7B%22type%22%3A%22divider%22%7D%5D&unfurl_links=false";
        let sent = post(
            "/api/chat.postMessage",
            &format!("token=xoxb-1&channel=C1&text=two&{blocks}"),
        );
        assert!(sent.body.contains("\"ok\":true"), "{}", sent.body);
        let refused = post(
            "/api/chat.postMessage",
            "token=xoxb-1&channel=C1&text=two&blocks=red",
        );
        assert!(refused.body.contains("invalid_arguments"), "{}", refused.body);
    }
}
