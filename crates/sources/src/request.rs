//! A request of a sender, what was read from it, and what it is answered.

use http::{HeaderMap, Method, StatusCode};
use strum::{IntoStaticStr, VariantArray};
use url::Url;

use model::secret::SecretText;
use model::signal::Signal;
use model::source_kind::SourceOptions;
use model::time::Timestamp;

/// The most signals of one request.
pub const MAX_SIGNALS: usize = 10_000;

/// A request of a sender.
#[derive(Debug, Clone, Copy)]
pub struct SourceRequest<'a> {
    pub method: &'a Method,
    /// What follows the source's own base, beginning with a slash, or nothing. At a root door it is the whole path.
    pub path: &'a str,
    /// Without its question mark.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    pub now: Timestamp,
    pub options: &'a SourceOptions,
    /// What the source's requests are signed with, if that is set.
    pub secret: Option<&'a SecretText>,
    /// What was fetched because of [`Reading::NeedsCertificate`].
    pub certificate: Option<Certificate<'a>>,
}

/// A certificate that the door fetched.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    /// Where it was asked for.
    pub url: &'a Url,
    /// What came back.
    pub pem: &'a [u8],
}

/// What was read from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// What it says, in order, and what it is answered once all of that is kept.
    Signals { signals: Vec<Signal>, answer: Answer },
    /// Nothing about an alert: a client's question. It is answered, and not kept.
    Question(Answer),
    /// Fetch this certificate through the guard and read the request again with it.
    NeedsCertificate(Url),
    /// Ask for this address through the guard, which confirms a subscription; then answer.
    Confirm { url: Url, answer: Answer },
}

/// What a sender is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub body: String,
}

impl Answer {
    /// A line of text.
    pub fn text(status: StatusCode, text: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{text}\n"),
        }
    }

    /// JSON.
    pub fn json(status: StatusCode, value: &serde_json::Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            body: value.to_string(),
        }
    }
}

/// Why a request was not taken: by its format, or by the door before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Refusal {
    /// No source has this key.
    UnknownSource,
    /// The source is switched off.
    SourceDisabled,
    /// Its sender has nothing at this path.
    UnknownPath,
    /// Not with this method.
    MethodNotAllowed,
    /// The signature is missing or wrong.
    SignatureInvalid,
    /// More than the format's largest body, or more than [`MAX_SIGNALS`].
    RequestTooLarge,
    /// Not in the sender's format.
    RequestUnreadable,
    /// More than this server takes at the moment.
    Overloaded,
    /// It could not be kept.
    Unavailable,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The stable code.
    pub fn code(self) -> &'static str {
        self.into()
    }

    /// The status where the sender's own interface has no other.
    pub fn status(self) -> StatusCode {
        match self {
            Self::UnknownSource | Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::SourceDisabled => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SignatureInvalid => StatusCode::UNAUTHORIZED,
            Self::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestUnreadable => StatusCode::BAD_REQUEST,
            // Most senders drop what is answered with 429.
            Self::Overloaded | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What is wrong, in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::UnknownSource => "no alert source has this key: copy it anew from the source's page",
            Self::SourceDisabled => "this alert source is switched off: switch it on in OpsKnight",
            Self::UnknownPath => "there is nothing at this path: compare the address with the source's page",
            Self::MethodNotAllowed => "this path does not take this method: alerts are sent with POST",
            Self::SignatureInvalid => "the signature is missing or wrong: set the same secret on both sides",
            Self::RequestTooLarge => "the request is too large: send fewer alerts at once",
            Self::RequestUnreadable => "the request is not in this source's format",
            Self::Overloaded => "too many requests at the moment: send it again",
            Self::Unavailable => "the alert could not be kept: send it again",
        }
    }
}

/// A refusal with what is wrong with this request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub refusal: Refusal,
    pub sentence: String,
}

impl Refused {
    /// Not in the format, because of this.
    pub fn unreadable(sentence: impl Into<String>) -> Self {
        Self {
            refusal: Refusal::RequestUnreadable,
            sentence: sentence.into(),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            sentence: refusal.sentence().to_owned(),
        }
    }
}
