//! A space of Google Chat with one incoming webhook, simulated. Method, query, threads, request ids and errors are those of
//! `spaces.messages.create` in the Chat API's reference and discovery document; the texts about keys and tokens are what
//! Google answers to webhooks; [`schema`] holds the schema.

mod message;
mod schema;

use std::collections::VecDeque;

use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::message::Message;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};

const PATH: &str = "/v1/spaces/AAQAfakeSpace/messages";
const KEY: &str = "made-up-key-of-the-fake";
const TOKEN: &str = "made-up-token-of-the-fake";

const FAULTS: &[Fault] = &[
    Fault {
        name: "rate_limit",
        meaning: "429 RESOURCE_EXHAUSTED, no delay told",
    },
    Fault {
        name: "rate_limit_told",
        meaning: "429 RESOURCE_EXHAUSTED with Retry-After: 3",
    },
    Fault {
        name: "bad_key",
        meaning: "400 API_KEY_INVALID",
    },
    Fault {
        name: "unauthenticated",
        meaning: "401 UNAUTHENTICATED",
    },
    Fault {
        name: "bad_token",
        meaning: "403 PERMISSION_DENIED",
    },
    Fault {
        name: "no_space",
        meaning: "404 NOT_FOUND",
    },
    Fault {
        name: "refused_message",
        meaning: "400 INVALID_ARGUMENT",
    },
    Fault {
        name: "refused_request_id",
        meaning: "400 INVALID_ARGUMENT about requestId",
    },
    Fault {
        name: "internal",
        meaning: "500 INTERNAL",
    },
    Fault {
        name: "unavailable",
        meaning: "503 UNAVAILABLE",
    },
    Fault {
        name: "html",
        meaning: "502 with a web page",
    },
    Fault {
        name: "sign_in",
        meaning: "200 with a web page",
    },
];

/// The space and its messages.
#[derive(Debug, Default)]
pub struct GoogleChat {
    messages: VecDeque<Posted>,
    posted: u64,
    fault: Option<&'static str>,
}

/// One message that was posted.
#[derive(Debug)]
struct Posted {
    message: Message,
    /// The number of its thread.
    thread: u64,
    thread_key: Option<String>,
    request_id: Option<String>,
    /// What was answered.
    echo: String,
}

/// The query of a request.
#[derive(Debug, Default)]
struct Query {
    key: Option<String>,
    token: Option<String>,
    request_id: Option<String>,
    reply_option: Option<String>,
}

impl Simulator for GoogleChat {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        match self.fault.take() {
            Some(fault) => fail(fault),
            None => self.create(request).unwrap_or_else(|refusal| *refusal),
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
        self.messages
            .iter()
            .map(|posted| posted.message.clone())
            .collect()
    }

    fn url(&self, address: &str) -> String {
        format!("{address}{PATH}?key={KEY}&token={TOKEN}")
    }
}

impl GoogleChat {
    /// `spaces.messages.create`.
    fn create(&mut self, request: &Request<'_>) -> Result<Response, Box<Response>> {
        let query = admit(request)?;
        let message = schema::read(request.body).map_err(|why| invalid(&why))?;
        let again = |posted: &&Posted| query.request_id.is_some() && posted.request_id == query.request_id;
        if let Some(posted) = self.messages.iter().find(again) {
            return Ok(answer(
                200,
                posted.echo.clone(),
                "the same request again: nothing new was posted".into(),
            ));
        }
        let key = message
            .pointer("/thread/threadKey")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let thread = self.thread(key.as_deref(), query.reply_option.as_deref())?;
        let shown = message::read(&message);
        self.posted += 1;
        let is_reply = thread.is_some();
        let thread = thread.unwrap_or(self.posted);
        let echo = echo(message, self.posted, thread);
        let sentence = match is_reply {
            true => format!("posted message {} in thread {thread}", self.posted),
            false => format!("posted message {}, which opens a thread", self.posted),
        };
        self.messages.push_back(Posted {
            message: shown.clone(),
            thread,
            thread_key: key.filter(|_| query.reply_option.is_some()),
            request_id: query.request_id,
            echo: echo.clone(),
        });
        let surplus = self.messages.len().saturating_sub(MAX_MESSAGES);
        self.messages.drain(..surplus);
        Ok(Response {
            message: Some(shown),
            ..answer(200, echo, sentence)
        })
    }

    /// The thread that a message answers in; nothing if it opens one. Without an option Google ignores the key.
    fn thread(&self, key: Option<&str>, option: Option<&str>) -> Result<Option<u64>, Box<Response>> {
        let has_key = |posted: &&Posted| key.is_some() && posted.thread_key.as_deref() == key;
        let found = self.messages.iter().find(has_key).map(|posted| posted.thread);
        match option {
            None | Some("MESSAGE_REPLY_OPTION_UNSPECIFIED") => Ok(None),
            Some("REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD") => Ok(found),
            Some("REPLY_MESSAGE_OR_FAIL") => {
                let sentence = "refused: there is no such thread".into();
                let refusal = error(404, "NOT_FOUND", "Thread not found.", sentence);
                found.map(Some).ok_or_else(|| refusal.into())
            }
            Some(other) => Err(invalid(&format!(
                "Invalid value at 'message_reply_option': \"{other}\""
            ))),
        }
    }
}

/// Refuses what does not come from the webhook, and reads its query.
fn admit(request: &Request<'_>) -> Result<Query, Box<Response>> {
    let not_found = || {
        error(
            404,
            "NOT_FOUND",
            "Space not found.",
            "refused: no webhook has this address".into(),
        )
    };
    let base = Url::parse("http://fake").map_err(|_| not_found())?;
    let url = base.join(request.target).map_err(|_| not_found())?;
    if url.path() != PATH || request.method != Method::POST {
        return Err(not_found().into());
    }
    let mut query = Query::default();
    for (name, value) in url.query_pairs() {
        let field = match name.as_ref() {
            "key" => &mut query.key,
            "token" => &mut query.token,
            "requestId" => &mut query.request_id,
            "messageReplyOption" => &mut query.reply_option,
            // Parameters of every method of Google's.
            "alt" if value == "json" => continue,
            "prettyPrint" | "quotaUser" | "fields" => continue,
            other => {
                let why = format!(
                    "Invalid JSON payload received. Unknown name \"{other}\": Cannot bind query parameter."
                );
                return Err(invalid(&why));
            }
        };
        *field = Some(value.into_owned());
    }
    if query.key.as_deref() != Some(KEY) {
        return Err(bad_key("refused: the key in the URL is wrong".into()).into());
    }
    if query.token.as_deref() != Some(TOKEN) {
        return Err(bad_token("refused: the token in the URL is wrong".into()).into());
    }
    let is_id = |id: &String| uuid::Uuid::try_parse(id).is_ok();
    if !query.request_id.as_ref().is_none_or(is_id) {
        return Err(invalid("Invalid value for request_id: not a UUID."));
    }
    Ok(query)
}

fn fail(fault: &'static str) -> Response {
    let sentence = format!("failed on request: {fault}");
    let exhausted = "Resource has been exhausted (e.g. check quota).";
    match fault {
        "rate_limit" => error(429, "RESOURCE_EXHAUSTED", exhausted, sentence),
        "rate_limit_told" => {
            let mut answer = error(429, "RESOURCE_EXHAUSTED", exhausted, sentence);
            answer.headers.push(("retry-after", "3".into()));
            answer
        }
        "bad_key" => bad_key(sentence),
        "unauthenticated" => {
            let text = "Request is missing required authentication credential.";
            error(401, "UNAUTHENTICATED", text, sentence)
        }
        "bad_token" => bad_token(sentence),
        "no_space" => error(404, "NOT_FOUND", "Space not found.", sentence),
        "refused_message" => error(
            400,
            "INVALID_ARGUMENT",
            "Message contains an invalid card.",
            sentence,
        ),
        "refused_request_id" => error(400, "INVALID_ARGUMENT", "Invalid value for request_id.", sentence),
        "internal" => error(500, "INTERNAL", "Internal error encountered.", sentence),
        "unavailable" => error(
            503,
            "UNAVAILABLE",
            "The service is currently unavailable.",
            sentence,
        ),
        "sign_in" => page(200, "Sign in", sentence),
        _ => page(502, "Error 502 (Server Error)!!1", sentence),
    }
}

/// The message as the API gives it back.
fn echo(mut message: Value, number: u64, thread: u64) -> String {
    let space = "spaces/AAQAfakeSpace";
    message["name"] = format!("{space}/messages/{number}.{number}").into();
    message["thread"]["name"] = format!("{space}/threads/{thread}").into();
    message["space"] = json!({ "name": space });
    message.to_string()
}

fn bad_key(sentence: String) -> Response {
    let details =
        json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }]);
    let message = "API key not valid. Please pass a valid API key.";
    let body = json!({
        "error": { "code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details },
    });
    answer(400, body.to_string(), sentence)
}

fn bad_token(sentence: String) -> Response {
    error(
        403,
        "PERMISSION_DENIED",
        "The API is called without a valid token.",
        sentence,
    )
}

fn invalid(why: &str) -> Box<Response> {
    error(400, "INVALID_ARGUMENT", why, format!("refused: {why}")).into()
}

fn error(code: u16, status: &str, message: &str, sentence: String) -> Response {
    let body = json!({ "error": { "code": code, "message": message, "status": status } });
    answer(code, body.to_string(), sentence)
}

fn page(status: u16, title: &str, sentence: String) -> Response {
    Response {
        headers: vec![("content-type", "text/html; charset=UTF-8".into())],
        ..answer(status, format!("<!DOCTYPE html><title>{title}</title>"), sentence)
    }
}

fn answer(status: u16, body: String, sentence: String) -> Response {
    Response {
        status,
        headers: vec![("content-type", "application/json; charset=UTF-8".into())],
        body,
        sentence,
        ..Response::default()
    }
}

#[cfg(test)]
mod tests;
