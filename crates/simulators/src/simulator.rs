//! What every simulator is asked and answers.

use http::{HeaderMap, Method};

use crate::message::Message;
use model::time::Timestamp;

/// A request to a simulator.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query.
    pub target: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
    /// Now.
    pub now: Timestamp,
}

/// What a simulator answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Headers, `Content-Type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// One sentence for the terminal: what happened, such as `posted message 3` or why it was refused.
    pub sentence: String,
    /// The message or ticket as it stands now, if the request made or changed one.
    pub message: Option<Message>,
    /// Whether the answer never arrives: the request was worked on, and then the connection breaks.
    pub is_lost: bool,
    /// Calls that the platform makes because of the request, in order.
    pub callbacks: Vec<Callback>,
}

impl Response {
    /// An answer with JSON, and nothing more.
    pub fn json(status: u16, body: &serde_json::Value, sentence: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json;charset=UTF-8".to_owned())],
            body: body.to_string(),
            sentence: sentence.into(),
            ..Self::default()
        }
    }

    /// A web page, as what stands before a platform sends it.
    pub(crate) fn page(status: u16, title: &str, sentence: String) -> Self {
        Self {
            status,
            headers: vec![("content-type", "text/html; charset=UTF-8".to_owned())],
            body: format!("<!DOCTYPE html><html><title>{title}</title></html>"),
            sentence,
            ..Self::default()
        }
    }
}

/// A call that a platform makes to somebody who wants to know of changes: always a POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Where to.
    pub url: String,
    /// Its headers, `Content-Type` among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// A fault that a simulator can inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Its name, for `--fail`.
    pub name: &'static str,
    /// What it does, in a few words.
    pub meaning: &'static str,
}

/// One platform. It keeps its messages in memory, at most `MAX_MESSAGES`.
pub trait Simulator: Send {
    /// Answers a request.
    fn answer(&mut self, request: &Request<'_>) -> Response;

    /// The faults that it knows beside plain statuses.
    fn faults(&self) -> &'static [Fault];

    /// Makes the next request meet a fault; says whether the fault is known.
    fn fail_next(&mut self, fault: &str) -> bool;

    /// The messages or tickets as they stand, oldest first.
    fn messages(&self) -> Vec<Message>;

    /// The URL to give a webhook, below its address (without a slash at its end); for a root, the address itself.
    fn url(&self, address: &str) -> String;

    /// Whether the platform speaks lines and no HTTP.
    fn speaks_lines(&self) -> bool {
        false
    }

    /// A connection that was just opened, if the platform speaks lines and no HTTP. A fault that is due meets it.
    fn dialogue(&self) -> Option<Box<dyn Dialogue>> {
        None
    }
}

/// The most messages that a simulator keeps; the oldest go first.
pub const MAX_MESSAGES: usize = 1000;

/// One connection to a platform that speaks no HTTP, but lines. It shares the platform's memory.
pub trait Dialogue: Send {
    /// What it says first.
    fn greeting(&mut self) -> Turn;

    /// What it says to a line, given with its end.
    fn hear(&mut self, line: &[u8]) -> Turn;
}

/// What a platform says to a line.
#[derive(Debug, Default)]
pub struct Turn {
    /// With the line's end; empty if it waits for more.
    pub said: String,
    /// Whether it hangs up then.
    pub is_end: bool,
    /// What was asked for with all the lines up to here, in the words of HTTP, and what came of it; nothing before that is
    /// complete.
    pub request: Option<(http::Request<Vec<u8>>, Response)>,
}

impl Turn {
    /// A line.
    pub(crate) fn say(line: impl Into<String>) -> Self {
        Self {
            said: format!("{}\r\n", line.into()),
            ..Self::default()
        }
    }

    /// The last line.
    pub(crate) fn end(line: &str) -> Self {
        Self {
            is_end: true,
            ..Self::say(line)
        }
    }

    /// Nothing yet.
    pub(crate) fn silent() -> Self {
        Self::default()
    }
}
