//! What an adapter is given, and what it gives back.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use url::{Position, Url};

use crate::template::Templates;
use model::attempt::{Failure, Outcome};
use model::broker::BrokerMessage;
use model::event::Event;
use model::exchange::{BODY_CAP_BYTES, Exchange};
use model::id::DeliveryId;
use model::incident::{Headline, IncidentAction};
use model::secret::SecretText;
use model::ticket::{TicketLink, TicketNews, WrittenNote};
use model::time::Timestamp;
use model::transport::{Envelope, Transport};
use model::user::UserRef;
use model::webhook::{Endpoint, Rate, Webhook};

pub use model::attempt::MAX_ADAPTER_STATE_BYTES;
use model::patch::Patch;

/// Where a webhook sends, with what is secret about it. Made ready once per change.
#[derive(Debug, Clone)]
pub struct Target {
    /// The URL, whole.
    pub url: Url,
    /// What the kind asks for, without what is secret.
    pub options: BTreeMap<String, String>,
    /// What the kind asks for and is secret.
    pub secrets: BTreeMap<String, SecretText>,
    /// Headers of the user's own.
    pub headers: Vec<(String, SecretText)>,
    /// What the receiver taught, such as a chat's new address; see [`Classification::discovered_settings`].
    pub discovered_settings: Option<String>,
}

impl Target {
    /// The target of a webhook as it was loaded. A secret URL was checked when it was saved; one that cannot be read
    /// leaves the part that may be seen.
    pub fn new(endpoint: &Endpoint) -> Self {
        let settings = &endpoint.webhook.settings;
        let secret_url = endpoint.secrets.options.get("url");
        let url = secret_url.and_then(|url| Url::parse(url.reveal()).ok());
        Self {
            url: url.unwrap_or_else(|| settings.url.clone()),
            options: settings.options.clone(),
            secrets: endpoint.secrets.options.clone(),
            headers: endpoint.secrets.headers.clone(),
            discovered_settings: endpoint.learned.clone(),
        }
    }

    /// An option; empty if it is not set.
    pub fn option(&self, name: &str) -> &str {
        self.options.get(name).map_or("", String::as_str)
    }

    /// A secret option; empty if it is not set.
    pub fn secret(&self, name: &str) -> &str {
        self.secrets.get(name).map_or("", SecretText::reveal)
    }
}

/// A part of a secret URL that is at least so long can be told from what stands in every URL of the platform, in bytes.
const MIN_SECRET_PART_BYTES: usize = 8;
/// The same for a part of its path: words such as `workflows` stand there too.
const MIN_SECRET_SEGMENT_BYTES: usize = 16;

impl Target {
    /// What is secret in the URL, if all of it is: path and query, and their longer parts, whatever becomes of the rest on
    /// the way.
    pub fn secret_parts_of_url(&self) -> Vec<String> {
        secret_parts_of(&self.url)
    }

    /// A text of the platform without what is secret in the URL.
    pub fn without_secrets(&self, text: &str) -> String {
        let mut parts = self.secret_parts_of_url();
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts
            .iter()
            .fold(text.to_owned(), |text, part| text.replace(part.as_str(), "***"))
    }
}

/// What is secret in a URL, if all of it is; see [`Target::secret_parts_of_url`].
pub fn secret_parts_of(url: &Url) -> Vec<String> {
    let whole = [
        url[Position::BeforePath..Position::AfterQuery].to_owned(),
        url.path().to_owned(),
    ];
    let segments = url.path_segments().into_iter().flatten().map(str::to_owned);
    let segments = segments.filter(|segment| segment.len() >= MIN_SECRET_SEGMENT_BYTES);
    let raw = url.query().unwrap_or_default().split('&');
    let raw = raw.filter_map(|pair| Some(pair.split_once('=')?.1.to_owned()));
    let values = raw.chain(url.query_pairs().map(|(_, value)| value.into_owned()));
    let parts = whole.into_iter().chain(segments).chain(values);
    parts.filter(|part| part.len() >= MIN_SECRET_PART_BYTES).collect()
}

/// Where the links of a message lead, and what may be done from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// The incident's page, if the server knows its own address.
    pub incident: Option<String>,
    /// What may be done to the incident from the message; nothing if the webhook does not offer it.
    pub acts: Vec<ActLink>,
}

/// One thing that may be done from a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActLink {
    /// What.
    pub action: IncidentAction,
    /// What proves it: goes into a button. At most 64 bytes of `[A-Za-z0-9_-]`.
    pub token: String,
    /// The page that asks for confirmation, if the server knows its own address. Opening it does nothing yet.
    pub page: Option<String>,
}

/// One delivery to be made: all that a request is made from.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// To whom.
    pub webhook: &'a Webhook,
    /// Where to.
    pub target: &'a Target,
    /// About what.
    pub event: &'a Event,
    pub delivery_id: DeliveryId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// What was remembered of this incident's message, in the adapter's own words.
    pub message_ref: Option<&'a str>,
    /// What earlier attempts of this delivery left for the next, in the adapter's own words.
    pub continuation: Option<&'a str>,
    /// The incident's ticket at this webhook, as far as it has come.
    pub ticket: Option<&'a TicketLink>,
    /// What the workflow of tickets knows beyond it, in its own words.
    pub workflow: Option<&'a str>,
    /// What the incident says beyond the event's body.
    pub incident_context: Option<&'a IncidentContext>,
    /// The access token, if the kind needs one.
    pub token: Option<&'a Token>,
    /// Links for the message.
    pub links: &'a Links,
    /// Where texts of the user's templates are had.
    pub templates: &'a Templates,
    pub now: Timestamp,
}

/// What an incident says beyond the body of an event: as it is now, not as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncidentContext {
    pub description: Option<String>,
    /// Its title and severity, if they are known.
    pub headline: Option<Headline>,
    /// Who has it.
    pub assignee: Option<UserRef>,
    /// What people wrote on it, oldest first: the latest of it.
    pub notes: Vec<WrittenNote>,
}

/// An access token that a platform handed out for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What goes behind `Bearer`.
    pub text: SecretText,
    /// When it was handed out.
    pub fetched_at: Timestamp,
    /// Until when it is used: somewhat before it ends.
    pub until: Timestamp,
}

/// What the answer to a step's request means: made beside the request, by the same decision. Given the task that the step was
/// made from.
pub type Classify = Box<dyn FnOnce(&Task<'_>, &Exchange, Timestamp) -> Classification + Send>;

/// What follows from what is known of a delivery: the first half of a step. The second is the answer's [`Classification`], after
/// which more is known. What must outlive a crash is in the classification's message reference, continuation and workflow.
pub enum Step {
    /// A request, and who reads its answer.
    Send(Box<Rendered>, Classify),
    /// No request: this is so already, or can never be.
    Done(Box<Classification>),
}

impl Step {
    /// A request whose answer `classify` reads; an end, if it could not be made.
    pub fn send(
        rendered: Result<Rendered, Failure>,
        classify: impl FnOnce(&Task<'_>, &Exchange, Timestamp) -> Classification + Send + 'static,
    ) -> Self {
        match rendered {
            Ok(rendered) => Self::Send(Box::new(rendered), Box::new(classify)),
            Err(failure) => Self::done(failure),
        }
    }

    /// An end without a request.
    pub fn done(classification: impl Into<Classification>) -> Self {
        Self::Done(Box::new(classification.into()))
    }

    /// The request, or what takes its place.
    pub fn into_request(self) -> Result<Rendered, Box<Classification>> {
        match self {
            Self::Send(rendered, _) => Ok(*rendered),
            Self::Done(classification) => Err(classification),
        }
    }

    /// What an answer to its request means; if it is an end, that.
    pub fn classify(self, task: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
        match self {
            Self::Send(_, classify) => classify(task, exchange, now),
            Self::Done(classification) => *classification,
        }
    }
}

/// What an adapter makes of a task: a request before it is signed.
#[derive(Debug, Clone)]
pub struct Rendered {
    pub transport: Transport,
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// The URL as it may be seen in the log; without one, it is shown whole.
    pub shown_url: Option<String>,
    /// Headers of the kind's own, such as `Content-Type`. Those that are marked sensitive are masked in the log.
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The body as people can read it, if it is packed.
    pub shown_body: Option<Bytes>,
    /// What is written down before the request leaves, so that it is known after a crash that it may have.
    pub intent: Option<Intention>,
    /// How much of the answer is read, in bytes; see [`model::exchange::BODY_CAP_BYTES`].
    pub body_cap: usize,
    /// What may be seen of it in the log.
    pub recording: Recording,
}

impl Rendered {
    /// A request like most: nothing is written down before it, its answer is short, and all of it may be seen.
    pub fn new(method: Method, url: Url, headers: HeaderMap, body: Bytes) -> Self {
        Self {
            transport: Transport::Http,
            method,
            url,
            shown_url: None,
            headers,
            body,
            shown_body: None,
            intent: None,
            body_cap: BODY_CAP_BYTES,
            recording: Recording::Whole,
        }
    }

    /// A mail to a server; see [`Transport::Smtp`].
    pub fn mail(url: Url, envelope: Envelope, message: Bytes) -> Self {
        Self {
            transport: Transport::Smtp(Box::new(envelope)),
            ..Self::new(word("MAIL"), url, HeaderMap::new(), message)
        }
    }

    /// A message to a broker; see [`Transport::Broker`].
    pub fn message(url: Url, message: BrokerMessage, body: Bytes) -> Self {
        Self {
            transport: Transport::Broker(Box::new(message)),
            ..Self::new(word("PUBLISH"), url, HeaderMap::new(), body)
        }
    }

    /// The same with the URL as the log shows it.
    pub fn shown_as(self, shown_url: String) -> Self {
        Self {
            shown_url: Some(shown_url),
            ..self
        }
    }
}

/// What the first line of a request that is not HTTP says in the place of a method.
fn word(word: &str) -> Method {
    Method::from_bytes(word.as_bytes()).unwrap_or_default()
}

/// What is written down before a request leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intention {
    /// It makes the incident's ticket.
    MakeTicket,
    /// It does something to a ticket that must not be done twice: this is what the workflow knows then.
    Workflow(String),
}

/// What of a request and its answer may be kept for people to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// All but what is masked.
    Whole,
    /// No bodies: they are secrets through and through.
    HeadsOnly,
}

/// What came back, judged, and what is to be kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classification {
    /// What it means for the delivery.
    pub outcome: Outcome,
    /// What is remembered of the incident's message, for later deliveries of the same webhook and incident.
    pub message_ref: Patch<String>,
    /// What is left for the next attempt of this delivery.
    pub continuation: Patch<String>,
    /// What is learned about the webhook itself, for all later deliveries.
    pub discovered_settings: Option<String>,
    /// Who has to wait, beside this delivery.
    pub pause: Option<Pause>,
    /// What was found out about the incident's ticket.
    pub ticket: Option<TicketNews>,
    /// What the workflow of tickets knows now.
    pub workflow: Patch<String>,
    /// What the request was for or found out, in a sentence for people: `moved OPS-12 to In Progress`.
    pub note: Option<String>,
}

impl Classification {
    /// The same with a note.
    pub fn noted(self, note: impl Into<String>) -> Self {
        Self {
            note: Some(note.into()),
            ..self
        }
    }
}

impl From<Outcome> for Classification {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            message_ref: Patch::Keep,
            continuation: Patch::Keep,
            discovered_settings: None,
            pause: None,
            ticket: None,
            workflow: Patch::Keep,
            note: None,
        }
    }
}

impl From<Failure> for Classification {
    fn from(failure: Failure) -> Self {
        Outcome::Failed(failure).into()
    }
}

/// A bucket of a platform's rate limit: all webhooks that name it share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// Its name; begins with the kind. Must hold no secret.
    pub key: String,
    /// How fast it may be used, if that is known beforehand.
    pub rate: Option<Rate>,
}

/// A bucket that must not be used for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Which: one of those that the adapter names.
    pub bucket: String,
    /// For how long.
    pub wait: Duration,
}
