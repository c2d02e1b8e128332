//! Why a command failed: the sentence a person reads and the exit code a script reads.

use std::io;

use serde_json::Value;

use supervisor::VitalEnd;
use telemetry::log;

/// Failed, not found, or refused by the server.
const FAILED: u8 = 1;
/// The arguments or the configuration are wrong.
pub const USAGE: u8 = 2;
/// The server cannot be reached.
const UNREACHABLE: u8 = 3;
/// No key, a wrong key, or a key without the right.
const NOT_AUTHORISED: u8 = 4;

/// A vital task of the server ended.
const VITAL_TASK: u8 = 5;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The arguments or the configuration are wrong.
    Usage(String),
    /// The server cannot be reached.
    Unreachable {
        /// Where it should be.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The server answered with a problem.
    Refused(Problem),
    /// The server ended, because one of its tasks did.
    VitalTask(VitalEnd),
    /// Anything else.
    Other(String),
    /// It was said already, on standard output.
    Said,
    /// Whoever read our output went away: nothing is wrong.
    ReaderGone,
}

/// An answer of the server that is an error.
#[derive(Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The problem+json, or nothing if the answer was something else.
    pub body: Option<Value>,
    /// The answer as it came.
    pub text: String,
}

impl Failure {
    /// A failure of this sentence.
    pub fn other(sentence: impl Into<String>) -> Self {
        Self::Other(sentence.into())
    }

    /// What the process answers.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::Usage(_) => USAGE,
            Self::Unreachable { .. } => UNREACHABLE,
            Self::Refused(Problem {
                status: 401 | 403, ..
            }) => NOT_AUTHORISED,
            Self::VitalTask(_) => VITAL_TASK,
            Self::Refused(_) | Self::Other(_) | Self::Said => FAILED,
        }
    }

    /// Says it on standard error; as the server's own JSON if that is wanted and there is one.
    pub fn report(&self, is_json: bool) {
        use io::Write;
        let text = match self {
            Self::Said | Self::ReaderGone => return,
            Self::Refused(problem) if is_json && problem.body.is_some() => problem.text.trim_end().to_owned(),
            Self::Usage(sentence) | Self::Other(sentence) => format!("error: {sentence}"),
            Self::Unreachable { url, reason } => {
                format!("error: cannot reach {url}: {reason}; is `opsknight serve` running?")
            }
            Self::VitalTask(end) => {
                // A reader that hangs must not keep the server from being started anew.
                return log::write_line(&format!("error: {end}, a bug; the server has stopped"));
            }
            Self::Refused(problem) => problem.in_words(),
        };
        // There is nowhere left to say that standard error is closed.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl Problem {
    fn member(&self, name: &str) -> Option<&str> {
        self.body.as_ref()?.get(name)?.as_str()
    }

    /// The sentence, the code, each wrong field, and what to do.
    fn in_words(&self) -> String {
        let sentence = self.member("detail").or_else(|| self.member("title"));
        let sentence = sentence.map_or_else(|| format!("the server answered {}", self.status), str::to_owned);
        let mut words = match self.member("code") {
            Some(code) => format!("error: {sentence} ({code})"),
            None => format!("error: {sentence}"),
        };
        let fields = self.body.as_ref().and_then(|body| body.get("errors"));
        for field in fields.and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| field.get(name).and_then(Value::as_str).unwrap_or("?");
            words.push_str(&format!("\n  {}: {}", text("field"), text("detail")));
        }
        if let Some(advice) = self.advice() {
            words.push_str(&format!("\n{advice}"));
        }
        words
    }

    /// What to do: where the command line knows a better way than the API, its own.
    fn advice(&self) -> Option<&str> {
        match self.status {
            300..=399 => Some("redirects are not followed: give the server's final address with --url"),
            401 => Some(
                "give an API key with --key or OPSKNIGHT_API_KEY; `opsknight keys setup` makes the first one",
            ),
            _ if self.body.is_none() => Some("is this the address of an OpsKnight server? check --url"),
            _ => self.member("advice"),
        }
    }
}
