//! What comes to alert sources: whose it is, what it says, what becomes of it, what it is answered. What was fetched on the
//! way (a certificate, a confirmation) the door fetches, which is the one that may connect.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::Actions;
use limit::{Limit, Limiter};
use model::audit::Actor;
use model::id::SourceId;
use model::signal::Signal;
use model::source::{
    MAX_KEPT_BODY_BYTES, MAX_SOURCES, RequestRefusal, RequestResult, SignalOutcome, Source, SourceRequest,
};
use sources::Format;
use sources::request::{self, Answer, Certificate, MAX_SIGNALS, Reading, Refusal, Refused};
use store::sources::{Arrival, NewSignal, Said};
use store::{StoreError, log_store_failure};

/// The longest path that is kept, in bytes.
const MAX_KEPT_PATH_BYTES: usize = 500;
/// How many refusals of a kind are kept of one source: a few at once, then one each minute. They push out requests that say more.
const TOLD_LIMIT: Limit = Limit {
    per_second: 1.0 / 60.0,
    burst: 3.0,
};
/// Of how many kinds of refusals it is known how often they were kept: some of every source.
const MAX_TOLD: usize = 4 * MAX_SOURCES as usize;

/// How often which refusal was kept of which source.
pub(crate) type ToldRefusals = Limiter<(SourceId, &'static str)>;

/// None was kept yet.
pub(crate) fn told_refusals() -> ToldRefusals {
    Limiter::new(TOLD_LIMIT, MAX_TOLD)
}

/// A request that came to a door of sources.
#[derive(Debug, Clone)]
pub struct SourceCall {
    /// The key in the path; nothing at a root door, where the sender puts it elsewhere.
    pub key: Option<String>,
    pub method: Method,
    /// What follows the source's own base, beginning with a slash, or nothing; at a root door the whole path.
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub remote_address: String,
}

/// What the door has fetched for a request so far.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    pub certificate: Option<(Url, Bytes)>,
    /// This address was asked for, and answered that all is well.
    pub confirmed: Option<Url>,
    /// Something could not be fetched, in a sentence.
    pub failure: Option<String>,
}

/// What a door does next.
#[derive(Debug)]
pub enum SourceReply {
    Answer {
        answer: Answer,
        /// It came without a valid key or signature.
        is_unproven: bool,
    },
    /// Fetch this certificate and ask again.
    FetchCertificate(Url),
    /// Ask for this address, which confirms a subscription, and ask again.
    Confirm(Url),
}

impl SourceReply {
    /// The answer; where something would have to be fetched first, one that says so.
    pub fn into_answer(self) -> Answer {
        match self {
            Self::Answer { answer, .. } => answer,
            Self::FetchCertificate(url) | Self::Confirm(url) => {
                Answer::text(StatusCode::ACCEPTED, &format!("{url} would be fetched first"))
            }
        }
    }
}

impl Actions {
    /// What the sender of a key speaks; how it is sent away if there is none.
    pub async fn format_of_key(&self, key: &str) -> Result<&'static dyn Format, SourceReply> {
        match self.store.sources.find(Source::key_hash(key)).await {
            Ok(source) => {
                sources::format(source.kind).ok_or_else(|| refuse(None, &Refusal::UnknownSource.into()))
            }
            Err(StoreError::NotFound { .. }) => Err(refuse(None, &Refusal::UnknownSource.into())),
            Err(error) => Err(refuse(None, &unavailable(&error))),
        }
    }

    /// Sends a request away that a door does not take in. If it names a source, people see so on the source's page.
    pub async fn refuse_at_door(
        &self,
        format: &dyn Format,
        call: &SourceCall,
        refused: Refused,
    ) -> SourceReply {
        let key_at_root = || format.key_at_root(&call.headers, &call.body);
        let Some(key) = call.key.clone().or_else(key_at_root) else {
            return refuse(Some(format), &refused);
        };
        match self.store.sources.find(Source::key_hash(&key)).await {
            Ok(source) if source.kind == format.description().kind => {
                self.keep_some_refused(&source, format, call, refused).await
            }
            Ok(_) | Err(_) => refuse(Some(format), &refused),
        }
    }

    /// Takes a request of a sender. All that it says is kept before it is answered; the same request twice opens nothing new.
    pub async fn receive_alerts(&self, call: &SourceCall, fetched: &Fetched) -> SourceReply {
        let at_root = match call.key {
            Some(_) => None,
            None => sources::format_at_root(&call.path),
        };
        let key_at_root = || at_root.and_then(|format| format.key_at_root(&call.headers, &call.body));
        let Some(key) = call.key.clone().or_else(key_at_root) else {
            return refuse(at_root, &Refusal::UnknownSource.into());
        };
        let source = match self.store.sources.find(Source::key_hash(&key)).await {
            Ok(source) => source,
            Err(StoreError::NotFound { .. }) => return refuse(at_root, &Refusal::UnknownSource.into()),
            Err(error) => return refuse(at_root, &unavailable(&error)),
        };
        let Some(format) = sources::format(source.kind) else {
            return refuse(at_root, &Refusal::UnknownSource.into());
        };
        if at_root.is_some_and(|root| root.description().kind != source.kind) {
            return refuse(at_root, &Refusal::UnknownPath.into());
        }
        if !source.settings.is_enabled {
            let refused = Refusal::SourceDisabled.into();
            return self.keep_some_refused(&source, format, call, refused).await;
        }
        match self.read(&source, format, call, fetched) {
            Ok(Reading::Question(answer)) => accept(answer),
            Ok(Reading::NeedsCertificate(url)) => match &fetched.failure {
                None => SourceReply::FetchCertificate(url),
                Some(failure) => self.keep_refused(&source, format, call, unfetched(failure)).await,
            },
            Ok(Reading::Confirm { url, answer }) => match (&fetched.failure, &fetched.confirmed) {
                (Some(failure), _) => self.keep_refused(&source, format, call, unfetched(failure)).await,
                (None, Some(_)) => self.keep_confirmation(&source, format, call, answer).await,
                (None, None) => SourceReply::Confirm(url),
            },
            Ok(Reading::Signals { signals, answer }) => {
                self.keep(&source, format, call, signals, answer).await
            }
            // Each says what is wrong with it: whoever sets a sender up looks at that.
            Err(refused) if refused.refusal == Refusal::RequestUnreadable => {
                self.keep_refused(&source, format, call, refused).await
            }
            Err(refused) => self.keep_some_refused(&source, format, call, refused).await,
        }
    }

    fn read(
        &self,
        source: &Source,
        format: &dyn Format,
        call: &SourceCall,
        fetched: &Fetched,
    ) -> Result<Reading, Refused> {
        if call.body.len() > format.description().max_body_bytes {
            return Err(Refusal::RequestTooLarge.into());
        }
        let certificate = fetched.certificate.as_ref();
        let reading = format.read(&request::SourceRequest {
            method: &call.method,
            path: &call.path,
            query: &call.query,
            headers: &call.headers,
            body: &call.body,
            now: self.source.now(),
            options: &source.settings.options,
            secret: source.secret.as_ref(),
            certificate: certificate.map(|(url, pem)| Certificate { url, pem }),
        })?;
        match &reading {
            Reading::Signals { signals, .. } if signals.len() > MAX_SIGNALS => {
                Err(Refusal::RequestTooLarge.into())
            }
            _ => Ok(reading),
        }
    }

    async fn keep(
        &self,
        source: &Source,
        format: &dyn Format,
        call: &SourceCall,
        signals: Vec<Signal>,
        answer: Answer,
    ) -> SourceReply {
        let actor = Actor::Source {
            id: source.id,
            name: source.settings.name.clone(),
        };
        let new_signal = |signal| NewSignal {
            what: Said::BySender(signal),
            incident_id: self.source.new_incident_id(),
            event_id: self.source.new_event_id(),
            change: self.source.change(actor.clone()),
        };
        let request = self.new_request(source, call, answer.status, RequestResult::default());
        let arrival = Arrival {
            source_id: source.id,
            at: request.at,
            signals: signals.into_iter().map(new_signal).collect(),
            request: Some(request),
        };
        match self.store.sources.receive(arrival).await {
            Ok(_) => accept(answer),
            Err(StoreError::NotFound { .. }) => refuse(Some(format), &Refusal::UnknownSource.into()),
            Err(error) => refuse(Some(format), &unavailable(&error)),
        }
    }

    async fn keep_confirmation(
        &self,
        source: &Source,
        format: &dyn Format,
        call: &SourceCall,
        answer: Answer,
    ) -> SourceReply {
        let mut result = RequestResult::default();
        let title = "The subscription is confirmed".to_owned();
        result.add(String::new(), title, SignalOutcome::Kept);
        self.keep_without_alerts(source, call, answer.status, result)
            .await
            .map_or_else(
                |error| refuse(Some(format), &unavailable(&error)),
                |()| accept(answer),
            )
    }

    /// Keeps a request that is not taken, unless enough of them say the same.
    async fn keep_some_refused(
        &self,
        source: &Source,
        format: &dyn Format,
        call: &SourceCall,
        refused: Refused,
    ) -> SourceReply {
        let kind = (source.id, refused.refusal.code());
        match self.told_refusals.take(kind, self.source.monotonic_millis()) {
            Ok(()) => self.keep_refused(source, format, call, refused).await,
            Err(_) => refuse(Some(format), &refused),
        }
    }

    /// Keeps a request that is not taken, so that people see it on the source's page.
    async fn keep_refused(
        &self,
        source: &Source,
        format: &dyn Format,
        call: &SourceCall,
        refused: Refused,
    ) -> SourceReply {
        let reply = refuse(Some(format), &refused);
        let SourceReply::Answer { answer, .. } = &reply else {
            return reply;
        };
        let result = RequestResult {
            refusal: Some(RequestRefusal::new(refused.refusal.code(), &refused.sentence)),
            ..RequestResult::default()
        };
        if let Err(error) = self
            .keep_without_alerts(source, call, answer.status, result)
            .await
        {
            log_store_failure!(error, source_id = %source.id, "a refused request could not be kept");
        }
        reply
    }

    async fn keep_without_alerts(
        &self,
        source: &Source,
        call: &SourceCall,
        status: StatusCode,
        result: RequestResult,
    ) -> Result<(), StoreError> {
        let request = self.new_request(source, call, status, result);
        let arrival = Arrival {
            source_id: source.id,
            at: request.at,
            signals: Vec::new(),
            request: Some(request),
        };
        self.store.sources.receive(arrival).await.map(|_| ())
    }

    fn new_request(
        &self,
        source: &Source,
        call: &SourceCall,
        status: StatusCode,
        result: RequestResult,
    ) -> SourceRequest {
        let mut path = call.path.clone();
        path.truncate(path.floor_char_boundary(MAX_KEPT_PATH_BYTES));
        SourceRequest {
            id: self.source.new_source_request_id(),
            source_id: source.id,
            at: self.source.now(),
            method: call.method.to_string(),
            path,
            remote_address: call.remote_address.clone(),
            body: without_key(&call.body, source.key.reveal()),
            body_is_truncated: call.body.len() > MAX_KEPT_BODY_BYTES,
            status: status.as_u16(),
            result,
        }
    }
}

/// The first bytes of a body, with stars where the source's key stands: PagerDuty's clients write it into each.
fn without_key(body: &Bytes, key: &str) -> Bytes {
    let kept = body.slice(..body.len().min(MAX_KEPT_BODY_BYTES));
    let seen = &body[..body.len().min(MAX_KEPT_BODY_BYTES + key.len())];
    let places = || (0..seen.len()).filter(|place| seen[*place..].starts_with(key.as_bytes()));
    if key.is_empty() || places().next().is_none() {
        return kept;
    }
    let mut masked = seen.to_vec();
    for place in places() {
        masked[place..place + key.len()].fill(b'*');
    }
    masked.truncate(kept.len());
    masked.into()
}

/// How a refusal looks at a door: as the sender's own interface shows one, if it is known.
pub fn refuse(format: Option<&dyn Format>, refused: &Refused) -> SourceReply {
    let answer = match format {
        Some(format) => format.refuse(refused),
        None => Answer::text(
            refused.refusal.status(),
            &format!("{}: {}", refused.refusal.code(), refused.sentence),
        ),
    };
    let is_unproven = matches!(
        refused.refusal,
        Refusal::UnknownSource | Refusal::SignatureInvalid
    );
    SourceReply::Answer { answer, is_unproven }
}

fn accept(answer: Answer) -> SourceReply {
    SourceReply::Answer {
        answer,
        is_unproven: false,
    }
}

fn unavailable(error: &StoreError) -> Refused {
    log_store_failure!(
        error,
        "alerts of a source could not be kept; its sender is told to try again"
    );
    Refusal::Unavailable.into()
}

fn unfetched(failure: &str) -> Refused {
    Refused {
        refusal: Refusal::Unavailable,
        sentence: failure.to_owned(),
    }
}
