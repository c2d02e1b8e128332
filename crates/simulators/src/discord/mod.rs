//! Discord, simulated after its documents: resources/webhook for routes and answers, topics/rate-limits for the forms of a
//! 429, topics/opcodes-and-status-codes for the error codes. What a message must be stands in `schema`. One webhook, whose
//! id and token are made up here, until it is deleted; every thread exists. Any User-Agent is taken, as Discord does.

mod message;
mod schema;

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::form;
use crate::message::Message;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};

/// The webhook's id.
pub const WEBHOOK_ID: &str = "1100000000000000001";
/// The webhook's token.
pub const TOKEN: &str = "made-up_token-of-opsknight-listen";
/// Ids of messages begin after this.
const FIRST_MESSAGE_ID: u64 = 1_200_000_000_000_000_000;

const FAULTS: &[Fault] = &[
    fault("rate_limit", "429 for this webhook, 1.5 s"),
    fault(
        "rate_limit_shared",
        "429 that the channel's other senders caused, 2 s",
    ),
    fault("rate_limit_global", "429 for all requests of this address, 3 s"),
    fault(
        "ip_ban",
        "429 with JSON but without any delay: the address is banned",
    ),
    fault("cloudflare", "429 with a page of Cloudflare instead of JSON"),
    fault("server_error", "500 with JSON"),
    fault("bad_gateway", "502 with a page of HTML"),
    fault("unknown_webhook", "404, code 10015: the webhook was deleted"),
    fault("bad_token", "401, code 50027"),
    fault("no_permission", "403, code 50013"),
    fault("unknown_channel", "404, code 10003"),
    fault("forum", "400, code 220001: the channel is a forum"),
    fault("refused", "400, code 50035: something in the body is wrong"),
    fault("harmful_link", "400, code 240000: a link is blocked"),
    fault(
        "no_content",
        "204 although the message was asked for; it is posted",
    ),
    fault(
        "message_deleted",
        "the next edit finds its message deleted: 404, code 10008",
    ),
    fault(
        "too_many_edits",
        "the next edit is one too many of an old message: 429, code 30046",
    ),
    fault(
        "archived_thread",
        "the next edit finds its thread archived: 400, code 50083",
    ),
];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// Discord with one webhook.
#[derive(Debug, Default)]
pub struct Discord {
    messages: Vec<Posted>,
    posted: u64,
    is_deleted: bool,
    fault: Option<&'static str>,
}

#[derive(Debug)]
struct Posted {
    id: String,
    thread: Option<String>,
    members: Map<String, Value>,
}

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    Webhook,
    Posted(&'a str),
}

impl Simulator for Discord {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        let is_edit = request.method == Method::PATCH;
        let awaits_edit = |fault| matches!(fault, "message_deleted" | "too_many_edits" | "archived_thread");
        let fault = self.fault.filter(|fault| is_edit || !awaits_edit(fault));
        if fault.is_some() {
            self.fault = None;
        }
        match fault {
            Some("no_content") => {
                let answer = self.serve(request);
                plain_answer(204, String::new(), answer.sentence, answer.message)
            }
            Some("message_deleted") => {
                self.messages.pop();
                faulty("message_deleted")
            }
            Some(fault) => faulty(fault),
            None => self.serve(request),
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
        format!("{address}/api/webhooks/{WEBHOOK_ID}/{TOKEN}")
    }
}

impl Discord {
    fn serve(&mut self, request: &Request<'_>) -> Response {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (id, token, route) = match parts.as_slice() {
            ["api", "webhooks", id, token] => (*id, *token, Route::Webhook),
            ["api", version, "webhooks", id, token] if is_version(version) => (*id, *token, Route::Webhook),
            ["api", "webhooks", id, token, "messages", message] => (*id, *token, Route::Posted(message)),
            ["api", version, "webhooks", id, token, "messages", message] if is_version(version) => {
                (*id, *token, Route::Posted(message))
            }
            _ => return error(404, 0, "404: Not Found"),
        };
        if id != WEBHOOK_ID || self.is_deleted {
            return error(404, 10_015, "Unknown Webhook");
        }
        if token != TOKEN {
            return error(401, 50_027, "Invalid Webhook Token");
        }
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let parameter = |wanted: &str| {
            let pair = pairs.iter().find(|(name, _)| name == wanted);
            pair.map(|(_, value)| value.clone().into_owned())
        };
        let thread = parameter("thread_id");
        if thread.as_ref().is_some_and(|id| id.parse::<u64>().is_err()) {
            return error(400, 50_035, "Invalid Form Body");
        }
        match (request.method.as_str(), route) {
            ("GET", Route::Webhook) => read(),
            ("DELETE", Route::Webhook) => {
                self.is_deleted = true;
                plain_answer(204, String::new(), "deleted the webhook".to_owned(), None)
            }
            ("POST", Route::Webhook) => {
                let answer = self.post(request, thread);
                match parameter("wait").as_deref() {
                    Some("true" | "1") => answer,
                    _ if answer.status == 200 => {
                        plain_answer(204, String::new(), answer.sentence, answer.message)
                    }
                    _ => answer,
                }
            }
            ("PATCH", Route::Posted(message)) => self.edit(request, message, thread.as_deref()),
            ("GET", Route::Posted(message)) => match self.find(message, thread.as_deref()) {
                Some(found) => found.answer("read"),
                None => error(404, 10_008, "Unknown Posted"),
            },
            ("DELETE", Route::Posted(message)) => self.delete(message, thread.as_deref()),
            _ => error(405, 0, "405: Method Not Allowed"),
        }
    }

    fn post(&mut self, request: &Request<'_>, thread: Option<String>) -> Response {
        let members = match members(request).and_then(|members| {
            schema::check_content(&members)?;
            Ok(members)
        }) {
            Ok(members) => members,
            Err(refusal) => return refused(&refusal),
        };
        self.posted += 1;
        let message = Posted {
            id: (FIRST_MESSAGE_ID + self.posted).to_string(),
            thread,
            members,
        };
        let answer = message.answer("posted");
        if self.messages.len() >= MAX_MESSAGES {
            self.messages.remove(0);
        }
        self.messages.push(message);
        answer
    }

    /// An edit replaces the members that it names and leaves the others.
    fn edit(&mut self, request: &Request<'_>, id: &str, thread: Option<&str>) -> Response {
        let changes = match members(request) {
            Ok(changes) => changes,
            Err(refusal) => return refused(&refusal),
        };
        let Some(message) = self.find(id, thread) else {
            return error(404, 10_008, "Unknown Posted");
        };
        let mut members = message.members.clone();
        members.extend(changes);
        if let Err(refusal) = schema::check_content(&members) {
            return refused(&refusal);
        }
        message.members = members;
        message.answer("edited")
    }

    fn delete(&mut self, id: &str, thread: Option<&str>) -> Response {
        let is_it = |message: &Posted| message.id == id && message.thread.as_deref() == thread;
        match self.messages.iter().position(is_it) {
            Some(index) => {
                self.messages.remove(index);
                plain_answer(204, String::new(), format!("deleted message {id}"), None)
            }
            None => error(404, 10_008, "Unknown Posted"),
        }
    }

    fn find(&mut self, id: &str, thread: Option<&str>) -> Option<&mut Posted> {
        let is_it = |message: &&mut Posted| message.id == id && message.thread.as_deref() == thread;
        self.messages.iter_mut().find(is_it)
    }
}

impl Posted {
    fn seen(&self) -> Message {
        message::read(&self.members)
    }

    fn answer(&self, verb: &str) -> Response {
        let member = |name: &str| self.members.get(name).cloned();
        let body = json!({
            "type": 0,
            "content": member("content").unwrap_or_else(|| json!("")),
            "embeds": member("embeds").unwrap_or_else(|| json!([])),
            "id": self.id,
            "channel_id": self.thread.as_deref().unwrap_or("1000000000000000001"),
            "webhook_id": WEBHOOK_ID,
        });
        let sentence = format!("{verb} message {}", self.id);
        plain_answer(200, body.to_string(), sentence, Some(self.seen()))
    }
}

/// The members of a body: JSON, or a form whose fields are members or hold all of them as `payload_json`.
fn members(request: &Request<'_>) -> Result<Map<String, Value>, schema::Refusal> {
    let content_type = request
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let is_json = content_type.is_some_and(|value| value.starts_with("application/json"));
    let members = match form::fields(request) {
        Some(fields) => match fields.get("payload_json") {
            Some(json) => schema::read(json.as_bytes())?,
            None => fields
                .into_iter()
                .map(|(name, value)| (name, Value::String(value)))
                .collect(),
        },
        None => schema::read(if is_json { request.body } else { b"" })?,
    };
    schema::check(&members)?;
    Ok(members)
}

/// The webhook itself.
fn read() -> Response {
    let body = json!({
        "id": WEBHOOK_ID,
        "token": TOKEN,
        "type": 1,
        "name": "OpsKnight",
        "avatar": null,
        "channel_id": "1000000000000000001",
        "guild_id": "1000000000000000000",
        "application_id": null,
    });
    plain_answer(200, body.to_string(), "read the webhook".to_owned(), None)
}

fn is_version(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|number| number.parse::<u8>().is_ok())
}

fn refused(refusal: &schema::Refusal) -> Response {
    plain_answer(400, refusal.body().to_string(), refusal.sentence(), None)
}

fn error(status: u16, code: u64, message: &str) -> Response {
    let body = json!({ "message": message, "code": code });
    plain_answer(
        status,
        body.to_string(),
        format!("refused: {message} ({code})"),
        None,
    )
}

fn plain_answer(status: u16, body: String, sentence: String, message: Option<Message>) -> Response {
    Response {
        status,
        headers: vec![
            ("Content-Type", "application/json".to_owned()),
            ("X-RateLimit-Limit", "5".to_owned()),
            ("X-RateLimit-Remaining", "4".to_owned()),
            ("X-RateLimit-Reset-After", "2.000".to_owned()),
            ("X-RateLimit-Bucket", "made-up".to_owned()),
        ],
        body,
        sentence,
        message,
        ..Response::default()
    }
}

/// The answer of a fault.
fn faulty(fault: &str) -> Response {
    match fault {
        "rate_limit" => limited("user", 1.5),
        "rate_limit_shared" => limited("shared", 2.0),
        "rate_limit_global" => limited("global", 3.0),
        "ip_ban" => banned(),
        "cloudflare" => page(429, "error code: 1015", Some("10")),
        "bad_gateway" => page(502, "502 Bad Gateway", None),
        "unknown_webhook" => error(404, 10_015, "Unknown Webhook"),
        "bad_token" => error(401, 50_027, "Invalid Webhook Token"),
        "no_permission" => error(403, 50_013, "Missing Permissions"),
        "unknown_channel" => error(404, 10_003, "Unknown Channel"),
        "forum" => error(
            400,
            220_001,
            "Webhooks posted to forum channels must have a thread_name or thread_id",
        ),
        "refused" => error(400, 50_035, "Invalid Form Body"),
        "harmful_link" => error(400, 240_000, "Posted blocked by harmful links filter"),
        "message_deleted" => error(404, 10_008, "Unknown Posted"),
        "too_many_edits" => error(
            429,
            30_046,
            "Maximum number of edits to messages older than 1 hour reached. Try again later",
        ),
        "archived_thread" => error(400, 50_083, "Thread is archived"),
        _ => error(500, 0, "500: Internal Server Error"),
    }
}

fn limited(scope: &str, seconds: f64) -> Response {
    let is_global = scope == "global";
    let body =
        json!({ "message": "You are being rate limited.", "retry_after": seconds, "global": is_global });
    let mut answer = plain_answer(429, body.to_string(), format!("rate limited ({scope})"), None);
    let headers = [
        ("Retry-After", format!("{:.0}", seconds.ceil())),
        ("X-RateLimit-Scope", scope.to_owned()),
    ];
    answer.headers.extend(headers);
    let global = is_global.then(|| ("X-RateLimit-Global", "true".to_owned()));
    answer.headers.extend(global);
    answer
}

/// What an address gets that Discord has banned: JSON, and no word of when it ends.
fn banned() -> Response {
    let body = json!({
        "message": "You are being blocked from accessing our API temporarily due to exceeding our rate limits \
                    frequently.",
        "code": 0,
    });
    Response {
        headers: vec![("Content-Type", "application/json".to_owned())],
        ..plain_answer(429, body.to_string(), "the address is banned".to_owned(), None)
    }
}

fn page(status: u16, text: &str, retry_after: Option<&str>) -> Response {
    let retry_after = retry_after.map(|seconds| ("Retry-After", seconds.to_owned()));
    Response {
        status,
        headers: [("Content-Type", "text/html".to_owned())]
            .into_iter()
            .chain(retry_after)
            .collect(),
        body: format!("<!DOCTYPE html><html><body>{text}</body></html>"),
        sentence: format!("answered {status} with a page"),
        ..Response::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};
    use model::time::Timestamp;

    #[test]
    fn forms_are_taken_and_the_webhook_can_be_deleted() {
        let mut discord = Discord::default();
        let target = discord.url("");
        let mut ask = |method: Method, content_type: &'static str, body: &str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            let answer = discord.answer(&Request {
                method: &method,
                target: &target,
                headers: &headers,
                body: body.as_bytes(),
                now: Timestamp::EPOCH,
            });
            (answer.status, answer.message.map(|message| message.text()))
        };
        let form = "application/x-www-form-urlencoded";
        assert_eq!(
            ask(Method::POST, form, "content=one+%26+two"),
            (204, Some("one & two".into()))
        );
        let json = "payload_json=%7B%22content%22%3A%22three%22%7D";
        assert_eq!(ask(Method::POST, form, json), (204, Some("three".into())));
        assert_eq!(ask(Method::GET, form, "").0, 200);
        assert_eq!(ask(Method::DELETE, form, "").0, 204);
        let after =
            [Method::GET, Method::POST, Method::DELETE].map(|method| ask(method, form, "content=a").0);
        assert_eq!(after, [404; 3]);
    }
}
