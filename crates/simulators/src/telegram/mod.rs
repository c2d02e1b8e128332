//! The Bot API, simulated: `sendMessage`, `editMessageText`, `answerCallbackQuery`, `setWebhook`, `getChat` and `getMe` with what
//! Telegram's reference says of them and the refusals that its open source server words. What a message may be is in
//! [`self::rules`]. Every chat that can exist does exist, and the bot is in it.

mod message;
mod rules;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::form;
use crate::message::Message;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};
use crate::telegram::rules::Refusal;

/// The number that a moved chat gets.
const MOVED_TO: i64 = -1_009_999_999_999;

const FAULTS: [Fault; 12] = [
    fault("flood", "429: wait 3 seconds"),
    fault("flood_html", "429 without JSON, with Retry-After: 3"),
    fault(
        "deleted",
        "the next edit finds the last message of the chat deleted",
    ),
    fault("cannot_edit", "the next edit comes too late"),
    fault("moved", "the group became a supergroup with another number"),
    fault("unauthorized", "401: the token was revoked"),
    fault("blocked", "403: the bot was removed from the chat"),
    fault("chat_not_found", "400: there is no such chat"),
    fault("topic_closed", "400: the topic is closed"),
    fault("entities", "400: the entities cannot be parsed"),
    fault("internal", "500 with JSON"),
    fault("gateway", "502 with HTML"),
];

/// Faults that wait for the next edit.
const EDIT_FAULTS: [&str; 2] = ["deleted", "cannot_edit"];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// Telegram in memory.
#[derive(Default)]
pub struct Telegram {
    messages: Vec<Posted>,
    moved: BTreeMap<String, i64>,
    last_message_id: i64,
    next_fault: Option<&'static str>,
}

struct Posted {
    chat: String,
    id: i64,
    body: Value,
}

impl Simulator for Telegram {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        let path = request.target.split('?').next().unwrap_or_default();
        let method = path.strip_prefix("/bot").and_then(|rest| rest.split_once('/'));
        let Some((_, method)) = method.filter(|(token, _)| is_token(token)) else {
            return refuse(404, "Not Found");
        };
        let body = match read_body(request) {
            Ok(body) => body,
            Err(refusal) => return refuse(400, &format!("Bad Request: {refusal}")),
        };
        let is_edit = path.ends_with("/editMessageText");
        let waits = |fault: &&str| !is_edit && EDIT_FAULTS.contains(fault);
        let fault = self.next_fault.take_if(|fault| !waits(&&**fault));
        if let Some(answer) = fault.and_then(|fault| self.fail(fault, &body)) {
            return answer;
        }
        let done = match method.to_ascii_lowercase().as_str() {
            "sendmessage" => self.send(&body, request),
            "editmessagetext" => self.edit(&body, request),
            "answercallbackquery" => rules::check_notice(&body).map(|()| done("answered a pressed button")),
            "setwebhook" => rules::check_webhook(&body).map(|()| done("set the webhook")),
            "getchat" => self.open_chat(&body).map(|chat| {
                let id = chat.parse().unwrap_or(-1_005_555_555_555_i64);
                accept(
                    &json!({ "id": id, "type": "supergroup", "title": "Fake" }),
                    "told about the chat",
                )
            }),
            "getme" => Ok(accept(
                &json!({ "id": 123_456_789, "is_bot": true, "first_name": "Fake", "username": "fake_bot" }),
                "said who it is",
            )),
            _ => return refuse(404, "Not Found: method not found"),
        };
        done.unwrap_or_else(|refusal| self.refuse_message(&body, &refusal))
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
        self.messages
            .iter()
            .filter_map(|message| message::read(&message.body))
            .collect()
    }

    fn url(&self, address: &str) -> String {
        address.to_owned()
    }
}

impl Telegram {
    fn send(&mut self, body: &Value, request: &Request<'_>) -> Result<Response, Refusal> {
        let chat = self.open_chat(body)?;
        rules::check_message(body)?;
        check_optional(body, "message_thread_id", Value::is_i64)?;
        check_optional(body, "disable_notification", Value::is_boolean)?;
        if let Some(reply) = body.get("reply_parameters") {
            let message = reply.get("message_id").and_then(Value::as_i64);
            let message = message.ok_or("can't parse reply parameters: message_id is missing")?;
            let goes_without = reply.get("allow_sending_without_reply") == Some(&Value::Bool(true));
            if self.find(&chat, message).is_none() && !goes_without {
                return Err("message to be replied not found".into());
            }
        }
        self.last_message_id += 1;
        let id = self.last_message_id;
        self.messages.push(Posted {
            chat,
            id,
            body: body.clone(),
        });
        if self.messages.len() > MAX_MESSAGES {
            self.messages.remove(0);
        }
        Ok(posted(id, body, request, &format!("posted message {id}")))
    }

    fn edit(&mut self, body: &Value, request: &Request<'_>) -> Result<Response, Refusal> {
        let chat = self.open_chat(body)?;
        let id = body
            .get("message_id")
            .and_then(Value::as_i64)
            .ok_or("message identifier is not specified")?;
        let message = self.find(&chat, id).ok_or("message to edit not found")?;
        rules::check_message(body)?;
        let same = |name: &str| message.body.get(name) == body.get(name);
        if same("text") && same("entities") && same("reply_markup") {
            return Err(
                "message is not modified: specified new message content and reply markup are exactly the \
                        same as a current content and reply markup of the message"
                    .into(),
            );
        }
        message.body = body.clone();
        Ok(posted(id, body, request, &format!("changed message {id}")))
    }

    /// The chat that a request names, unless it moved away.
    fn open_chat(&self, body: &Value) -> Result<String, Refusal> {
        let chat = rules::chat_of(body)?;
        if self.moved.contains_key(&chat) {
            return Err("group chat was upgraded to a supergroup chat".into());
        }
        Ok(chat)
    }

    fn find(&mut self, chat: &str, id: i64) -> Option<&mut Posted> {
        self.messages
            .iter_mut()
            .find(|message| message.chat == chat && message.id == id)
    }

    fn refuse_message(&self, body: &Value, refusal: &str) -> Response {
        let chat = rules::chat_of(body).ok();
        match chat.and_then(|chat| self.moved.get(&chat)) {
            Some(to) => refuse_with(
                400,
                &format!("Bad Request: {refusal}"),
                &json!({ "migrate_to_chat_id": to }),
            ),
            None => refuse(400, &format!("Bad Request: {refusal}")),
        }
    }

    /// What a fault answers; nothing if the request goes on, and meets what the fault changed.
    fn fail(&mut self, fault: &str, body: &Value) -> Option<Response> {
        let chat = rules::chat_of(body).unwrap_or_default();
        match fault {
            "flood" => Some(refuse_with(
                429,
                "Too Many Requests: retry after 3",
                &json!({ "retry_after": 3 }),
            )),
            "flood_html" => Some(html(429, "Too Many Requests")),
            "deleted" => {
                let last = self.messages.iter().rposition(|message| message.chat == chat);
                last.map(|last| self.messages.remove(last));
                None
            }
            "moved" => {
                self.moved.insert(chat, MOVED_TO);
                None
            }
            "cannot_edit" => Some(refuse(400, "Bad Request: message can't be edited")),
            "unauthorized" => Some(refuse(401, "Unauthorized")),
            "blocked" => Some(refuse(403, "Forbidden: bot was kicked from the supergroup chat")),
            "chat_not_found" => Some(refuse(400, "Bad Request: chat not found")),
            "topic_closed" => Some(refuse(400, "Bad Request: TOPIC_CLOSED")),
            "entities" => Some(refuse(400, "Bad Request: can't parse entities")),
            "internal" => Some(refuse(500, "Internal Server Error: sorry")),
            _ => Some(html(502, "Bad Gateway")),
        }
    }
}

fn check_optional(body: &Value, name: &str, is_right: fn(&Value) -> bool) -> Result<(), Refusal> {
    match body.get(name) {
        Some(value) if !is_right(value) => Err(format!("parameter \"{name}\" has a wrong type")),
        Some(_) | None => Ok(()),
    }
}

fn is_token(text: &str) -> bool {
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    text.split_once(':')
        .is_some_and(|(bot, key)| bot.parse::<u64>().is_ok() && key.len() >= 30 && key.bytes().all(is_key))
}

/// The parameters, in any of the four ways: the query, a form of either kind, a JSON object.
fn read_body(request: &Request<'_>) -> Result<Value, Refusal> {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned();
    let fields = query.chain(form::fields(request).into_iter().flatten());
    let mut parameters: Map<String, Value> = fields.map(|(name, text)| parameter(name, text)).collect();
    let content_type = request
        .headers
        .get("content-type")
        .and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|value| value.starts_with("application/json")) && !request.body.is_empty() {
        let body: Option<Map<String, Value>> = serde_json::from_slice(request.body).ok();
        parameters.extend(body.ok_or("can't parse JSON object")?);
    }
    Ok(Value::Object(parameters))
}

/// A parameter from a form's field: what is no text is written as JSON.
fn parameter(name: String, text: String) -> (String, Value) {
    let is_text = matches!(
        name.as_str(),
        "text" | "chat_id" | "parse_mode" | "callback_query_id" | "url" | "secret_token"
    );
    let parsed = (!is_text).then(|| serde_json::from_str(&text).ok()).flatten();
    (name, parsed.unwrap_or(Value::String(text)))
}

/// The answer to a message that was posted or changed: it is told back.
fn posted(id: i64, body: &Value, request: &Request<'_>, sentence: &str) -> Response {
    let chat = body
        .get("chat_id")
        .and_then(Value::as_i64)
        .unwrap_or(-1_005_555_555_555);
    let result = json!({
        "message_id": id,
        "from": { "id": 123_456_789, "is_bot": true, "first_name": "Fake", "username": "fake_bot" },
        "chat": { "id": chat, "type": "supergroup", "title": "Fake" },
        "date": request.now.as_seconds(),
        "text": body.get("text"),
    });
    Response {
        message: message::read(body),
        ..accept(&result, sentence)
    }
}

fn done(sentence: &str) -> Response {
    accept(&Value::Bool(true), sentence)
}

fn accept(result: &Value, sentence: &str) -> Response {
    answer(200, json!({ "ok": true, "result": result }).to_string(), sentence)
}

fn refuse(status: u16, description: &str) -> Response {
    let body = json!({ "ok": false, "error_code": status, "description": description });
    answer(status, body.to_string(), description)
}

fn refuse_with(status: u16, description: &str, parameters: &Value) -> Response {
    let body =
        json!({ "ok": false, "error_code": status, "description": description, "parameters": parameters });
    answer(status, body.to_string(), description)
}

fn answer(status: u16, body: String, sentence: &str) -> Response {
    Response {
        status,
        headers: vec![("content-type", "application/json".into())],
        body,
        sentence: sentence.to_owned(),
        ..Response::default()
    }
}

fn html(status: u16, words: &str) -> Response {
    Response {
        headers: vec![("content-type", "text/html".into()), ("retry-after", "3".into())],
        ..answer(status, format!("<html><h1>{status} {words}</h1></html>"), words)
    }
}

#[cfg(test)]
mod tests;
