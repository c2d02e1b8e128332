//! What the Bot API's answers mean, by status and description.

use std::time::Duration;

use serde::Deserialize;

use crate::telegram::PLAIN;
use crate::telegram::settings::{self, Action, Memory, Moved};
use destination::status;
use destination::task::{Classification, Pause, Task};
use destination::text::{one_line, quote};
use destination::waits;
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::patch::Patch;
use model::retry::told_seconds;
use model::time::Timestamp;

/// How long others wait after a rate limit whose end was not told.
const UNTOLD_WAIT: Duration = Duration::from_secs(3);

/// An answer of the Bot API, as far as it concerns us.
#[derive(Deserialize)]
struct Answer {
    ok: bool,
    result: Option<serde_json::Value>,
    error_code: Option<u16>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Deserialize, Default)]
struct Parameters {
    retry_after: Option<f64>,
    migrate_to_chat_id: Option<i64>,
}

/// What a chat's settings or rights forbid, in the words of the Bot API, and what to do about each.
const CHAT_REFUSALS: [(&str, &str); 19] = [
    ("chat not found", "check the chat, and that the bot is in it"),
    ("chat_id is empty", "name a chat"),
    ("peer_id_invalid", "check the chat, and that the bot is in it"),
    ("channel_private", "add the bot to the chat again"),
    ("channel_invalid", "check the chat, and that the bot is in it"),
    ("not a member", "add the bot to the chat again"),
    ("group chat was deactivated", "name another chat"),
    ("user is deactivated", "name another chat"),
    ("not enough rights", "let the bot send messages in the chat"),
    ("have no rights", "let the bot send messages in the chat"),
    (
        "need administrator rights",
        "make the bot an administrator of the channel",
    ),
    (
        "chat_admin_required",
        "make the bot an administrator of the channel",
    ),
    ("chat_write_forbidden", "let the bot send messages in the chat"),
    ("chat_restricted", "let the bot send messages in the chat"),
    (
        "chat_send_plain_forbidden",
        "let the bot send messages in the chat",
    ),
    ("user_is_blocked", "unblock the bot"),
    ("topic_closed", "open the topic again, or name another"),
    ("topic_deleted", "name another topic"),
    ("message thread not found", "name another topic, or none"),
];

/// What says that the incident's earlier message is out of reach.
const LOST: [&str; 6] = [
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    "message to be replied not found",
    "message to reply not found",
    "replied message not found",
];

impl Answer {
    /// Reads an answer; nothing if it is not as the Bot API gives them.
    fn read(response: &Response) -> Option<Self> {
        let answer: Self = serde_json::from_slice(&response.body).ok()?;
        let is_refusal = answer.error_code.is_some() && !answer.description.is_empty();
        (answer.ok || is_refusal).then_some(answer)
    }
}

/// Whether the answer to a probe says that the bot or its chat is refused.
pub(super) fn refuses(response: &Response) -> bool {
    let Some(answer) = Answer::read(response).filter(|answer| !answer.ok) else {
        return false;
    };
    let description = answer.description.to_lowercase();
    let names_chat = CHAT_REFUSALS.iter().any(|(text, _)| description.contains(text));
    matches!(answer.error_code, Some(401 | 403 | 404)) || names_chat
}

/// What came back means, if `action` was asked for.
pub(super) fn classify(
    action: Action,
    task: &Task<'_>,
    exchange: &Exchange,
    now: Timestamp,
) -> Classification {
    let Ok(response) = &exchange.result else {
        return status::classify(exchange, now).into();
    };
    match (response.status, Answer::read(response)) {
        (200..=299, Some(answer)) if answer.ok => delivered(action, task, &answer),
        (200..=299, None) if response.body_is_truncated => unnamed(action),
        (200..=299, None) => not_telegram(),
        (429, answer) => rate_limited(task, response, answer.as_ref(), now),
        (413, _) => refused(task, "the request is too large"),
        (300..=399 | 500..=599, _) | (_, None) => status::foreign(exchange, "Telegram's Bot API", now).into(),
        (_, Some(answer)) => refusal(action, task, response, &answer, now),
    }
}

/// It was taken, but the number of the message stands in the part that was cut off.
fn unnamed(action: Action) -> Classification {
    let memory = match action {
        Action::Post => Patch::Clear,
        Action::Reply(_) | Action::Edit(_) => Patch::Keep,
    };
    Classification {
        message_ref: memory,
        ..Outcome::Delivered.into()
    }
}

/// It says why it did not take it.
fn refusal(
    action: Action,
    task: &Task<'_>,
    response: &Response,
    answer: &Answer,
    now: Timestamp,
) -> Classification {
    let code = answer.error_code.unwrap_or(response.status);
    let quote = quoted(task, &answer.description);
    if let Some(to) = answer.parameters.migrate_to_chat_id {
        return moved(task, to);
    }
    match code {
        429 => rate_limited(task, response, Some(answer), now),
        401 | 404 => settings_refused(format!(
            "telegram does not know this bot token ({quote}): ask @BotFather for the bot's present one and put it here"
        )),
        403 => settings_refused(format!(
            "telegram does not let the bot write to this chat ({quote}): add the bot to the chat again, or unblock it"
        )),
        500..=599 => Failure::new(FailureCode::ServerError, format!("telegram failed ({quote})")).into(),
        _ => bad_request(action, task, &answer.description, &quote),
    }
}

fn bad_request(action: Action, task: &Task<'_>, description: &str, quote: &str) -> Classification {
    let description = description.to_lowercase();
    let says = |text: &str| description.contains(text);
    if says("message is not modified") {
        return Outcome::Delivered.into();
    }
    if action != Action::Post && LOST.iter().any(|text| says(text)) {
        let detail = format!("the incident's message is out of reach ({quote}); a new one is posted");
        return Classification {
            message_ref: Patch::Clear,
            ..Failure::new(FailureCode::MessageLost, detail)
                .with(Disposition::Immediate)
                .into()
        };
    }
    let refusal = CHAT_REFUSALS.iter().find(|(text, _)| says(text));
    match refusal {
        Some((_, advice)) => settings_refused(format!("telegram refuses the chat ({quote}): {advice}")),
        None => refused(task, quote),
    }
}

fn delivered(action: Action, task: &Task<'_>, answer: &Answer) -> Classification {
    let message = answer
        .result
        .as_ref()
        .and_then(|result| result.get("message_id")?.as_i64());
    let is_first = action == Action::Post && settings::remembers(task.target);
    let memory = message.filter(|_| is_first).and_then(|message| {
        let chat = settings::chat(task.target);
        serde_json::to_string(&Memory { chat, message }).ok()
    });
    Classification {
        message_ref: memory.map_or(Patch::Keep, Patch::Set),
        ..Outcome::Delivered.into()
    }
}

/// The chat has another number; its earlier messages cannot be changed any more.
fn moved(task: &Task<'_>, to: i64) -> Classification {
    let from = task.target.option("chat").trim().to_owned();
    let detail = format!("the group became a supergroup with the number {to}");
    Classification {
        discovered_settings: serde_json::to_string(&Moved { from, to }).ok(),
        message_ref: Patch::Clear,
        ..Failure::new(FailureCode::ChatMoved, detail)
            .with(Disposition::Immediate)
            .into()
    }
}

fn rate_limited(
    task: &Task<'_>,
    response: &Response,
    answer: Option<&Answer>,
    now: Timestamp,
) -> Classification {
    let told = answer
        .and_then(|answer| answer.parameters.retry_after)
        .and_then(told_seconds);
    let wait = told.or_else(|| waits::told(&response.headers, now));
    let detail = match wait {
        Some(wait) => format!("telegram asks to wait {} s", wait.as_secs()),
        None => "telegram asks to slow down".to_owned(),
    };
    Classification {
        pause: Some(Pause {
            bucket: settings::chat_bucket(task.target),
            wait: wait.unwrap_or(UNTOLD_WAIT),
        }),
        ..Failure {
            retry_after: wait,
            ..Failure::new(FailureCode::RateLimited, detail).with(Disposition::RateLimited)
        }
        .into()
    }
}

/// The message itself is refused: it is sent plain once, and then no more.
fn refused(task: &Task<'_>, quote: &str) -> Classification {
    let failure = |sentence: &str| Failure::new(FailureCode::MessageRefused, sentence);
    if task.continuation == Some(PLAIN) {
        return failure(&format!("telegram refuses even the plain message ({quote})"))
            .with(Disposition::Permanent)
            .into();
    }
    let detail = format!("telegram refuses the message ({quote}); a plain one is sent");
    Classification {
        continuation: Patch::Set(PLAIN.into()),
        ..failure(&detail).with(Disposition::Immediate).into()
    }
}

fn settings_refused(detail: String) -> Classification {
    Failure::new(FailureCode::SettingsRefused, detail)
        .with(Disposition::NeedsOperator)
        .into()
}

fn not_telegram() -> Classification {
    let detail = "what answered is not Telegram's Bot API: check the URL, which is https://api.telegram.org/ for almost \
                  everybody";
    Failure::new(FailureCode::ResponseInvalid, detail).into()
}

/// Telegram's own words, short and without the token.
fn quoted(task: &Task<'_>, description: &str) -> String {
    let token = task.target.secret("token");
    let description = one_line(description);
    match token {
        "" => quote(&description),
        token => quote(&description.replace(token, "***")),
    }
}

#[cfg(test)]
mod tests;
