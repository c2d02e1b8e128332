//! What a mail server's reply means: by its code (RFC 5321, 4.2), its enhanced code (RFC 3463), and how far the mail had come.

use http::HeaderName;
use http::header::HeaderValue;

use crate::email::address::key_of;
use crate::email::render::Thread;
use crate::wording::{BARE, Wording};
use destination::joint::{ALONE, refused};
use destination::status;
use destination::task::{Classification, Task};
use destination::text::quote_in_brackets;
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::patch::Patch;
use model::time::Timestamp;
use model::transport::{MailStage, REFUSED_RECIPIENT, REPLY, STAGE};

/// Begins what is left for the next attempt: for whom.
const LEFT: &str = "to=";

/// What an earlier attempt of the same delivery left.
pub(super) struct Continuation<'a> {
    pub(super) wording: Wording,
    /// For whom, by digest; for all if there is none.
    pub(super) left: Vec<&'a str>,
}

impl<'a> Continuation<'a> {
    pub(super) fn read(task: &Task<'a>) -> Self {
        let words: Vec<_> = task.continuation.unwrap_or_default().split(' ').collect();
        let left = words.iter().find_map(|word| word.strip_prefix(LEFT));
        Self {
            wording: if words.contains(&BARE) {
                Wording::Bare
            } else {
                Wording::Full
            },
            left: left.map_or_else(Vec::new, |left| left.split(',').collect()),
        }
    }

    fn text(wording: Wording, left: &[String]) -> String {
        let bare = (wording == Wording::Bare).then(|| format!("{BARE} {ALONE}"));
        let left = (!left.is_empty()).then(|| format!("{LEFT}{}", left.join(",")));
        bare.into_iter().chain(left).collect::<Vec<_>>().join(" ")
    }
}

/// A mail as it was sent.
pub(super) struct Sent {
    pub(super) wording: Wording,
    pub(super) recipients: Vec<String>,
    /// The thread that it belongs to; a digest belongs to none.
    pub(super) thread: Option<Thread>,
    /// Of how many events it tells.
    pub(super) events: usize,
}

/// Judges what became of it.
pub(super) fn classify(sent: &Sent, exchange: &Exchange, now: Timestamp) -> Classification {
    let response = match &exchange.result {
        Ok(response) => response,
        Err(trouble) => {
            let disposition = match trouble.code {
                FailureCode::SettingsRefused | FailureCode::TlsNotOffered => Disposition::NeedsOperator,
                _ => return status::classify(exchange, now).into(),
            };
            return Failure::new(trouble.code, trouble.detail.clone())
                .with(disposition)
                .into();
        }
    };
    match response.status {
        200..=299 => taken(sent, response),
        400..=499 => {
            let detail = format!(
                "the mail server does not take the mail now{}",
                quote(sent, response)
            );
            Failure::new(FailureCode::Deferred, detail).into()
        }
        500..=599 if concerns_message(response) => refused_message(sent, response),
        500..=599 => {
            let detail = format!("the mail server {}{}", remedy(response), quote(sent, response));
            Failure::new(FailureCode::SettingsRefused, detail)
                .with(Disposition::NeedsOperator)
                .into()
        }
        status => {
            let detail = format!("the mail server replied {status} where that means nothing");
            Failure::new(FailureCode::ResponseInvalid, detail).into()
        }
    }
}

/// Whether a reply refuses the webhook as it is set: the account, the sender or every recipient.
pub(super) fn refuses(response: &Response) -> bool {
    (500..=599).contains(&response.status) && !concerns_message(response)
}

/// A mail that the server took, for all recipients or for some. Those that it takes later get it later, and nobody twice.
fn taken(sent: &Sent, response: &Response) -> Classification {
    let refused: Vec<_> = response
        .headers
        .get_all(REFUSED_RECIPIENT)
        .iter()
        .map(text_of)
        .collect();
    let is_later = |said: &&String| said.split(' ').nth(1).is_some_and(|code| code.starts_with('4'));
    let (later, never): (Vec<_>, Vec<_>) = refused.iter().partition(is_later);
    let left: Vec<_> = later
        .iter()
        .filter_map(|said| Some(key_of(said.split(' ').next()?)))
        .collect();
    let outcome = match later.len() {
        0 => Outcome::Accepted,
        count => {
            let all = sent.recipients.len();
            let detail =
                format!("the mail server does not take the mail for {count} of {all} recipients yet");
            Outcome::Failed(Failure::new(FailureCode::Deferred, detail))
        }
    };
    let note = |word: &str, said: &[&String]| {
        let said: Vec<_> = said.iter().map(|said| said.as_str()).collect();
        (!said.is_empty()).then(|| format!("{word}: {}", said.join("; ")))
    };
    let notes: Vec<_> = [note("refused", &never), note("later", &later)]
        .into_iter()
        .flatten()
        .collect();
    Classification {
        message_ref: sent
            .thread
            .as_ref()
            .map_or(Patch::Keep, |thread| Patch::Set(thread.text())),
        continuation: match left.is_empty() {
            true => Patch::Keep,
            false => Patch::Set(Continuation::text(sent.wording, &left)),
        },
        note: (!notes.is_empty()).then(|| notes.join("; ")),
        ..outcome.into()
    }
}

/// A refused mail is made anew at once as bare text: some filters dislike HTML, and a plain mail is better than none. A digest goes
/// again in parts.
fn refused_message(sent: &Sent, response: &Response) -> Classification {
    let detail = format!("the mail server refuses this mail{}", quote(sent, response));
    let failure = Failure::new(FailureCode::MessageRefused, detail);
    let left: Vec<_> = sent.recipients.iter().map(|address| key_of(address)).collect();
    match sent.wording {
        _ if sent.events > 1 => in_parts(refused(sent.events, failure), &left),
        Wording::Full => Classification {
            continuation: Patch::Set(Continuation::text(Wording::Bare, &left)),
            ..failure.with(Disposition::Immediate).into()
        },
        Wording::Bare => failure.with(Disposition::Permanent).into(),
    }
}

/// The parts go to whom the whole did not reach, and nobody twice.
fn in_parts(refused: Classification, left: &[String]) -> Classification {
    let continuation = match refused.continuation {
        Patch::Set(text) => Patch::Set(format!("{text} {LEFT}{}", left.join(","))),
        other => other,
    };
    Classification {
        continuation,
        ..refused
    }
}

/// Whether a refusal is about the message, and not about who sends it to whom. Too large is always the message; a policy
/// (x.7.x), a missing sign-in and a wrong one never are.
fn concerns_message(response: &Response) -> bool {
    let enhanced = enhanced_code(response);
    let is_too_large = response.status == 552 || enhanced.as_deref() == Some("5.3.4");
    let is_policy =
        matches!(response.status, 530 | 535) || enhanced.is_some_and(|code| code.starts_with("5.7."));
    is_too_large || (stage(response) == Some(MailStage::Message) && !is_policy)
}

fn remedy(response: &Response) -> &'static str {
    match stage(response) {
        _ if response.status == 530 => "wants an account: give it user name and password",
        Some(MailStage::SignIn) => "refuses the account: check user name and password",
        Some(MailStage::Sender) => "does not let this account send from this address: check From",
        Some(MailStage::Recipients) => "takes mail for none of the recipients: check To",
        Some(MailStage::Message) => "refuses what this account sends: ask whoever runs it",
        Some(MailStage::Greeting) | None => {
            "does not talk to this server: check the URL, or ask whoever runs it"
        }
    }
}

fn stage(response: &Response) -> Option<MailStage> {
    let text = header(response, &STAGE)?;
    let stages = [
        MailStage::Greeting,
        MailStage::SignIn,
        MailStage::Sender,
        MailStage::Recipients,
        MailStage::Message,
    ];
    stages.into_iter().find(|stage| stage.as_str() == text)
}

fn enhanced_code(response: &Response) -> Option<String> {
    let reply = header(response, &REPLY)?;
    let word = reply.split(' ').nth(1)?;
    let is_code =
        word.split('.').count() == 3 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_code.then(|| word.to_owned())
}

/// The reply in brackets, without the addresses of people.
fn quote(sent: &Sent, response: &Response) -> String {
    let reply = header(response, &REPLY).unwrap_or_default();
    let mut recipients = sent.recipients.iter();
    let reply = recipients
        .by_ref()
        .fold(reply, |text, address| text.replace(address.as_str(), "…"));
    quote_in_brackets(&reply)
}

fn header(response: &Response, name: &HeaderName) -> Option<String> {
    response.headers.get(name).map(text_of)
}

fn text_of(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}
