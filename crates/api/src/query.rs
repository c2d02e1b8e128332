//! Reads what stands in the URL: ids, query parameters, limits and cursors.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::cursor::parse_list_cursor;
use crate::problem::{Code, Problem};
use crate::state::ApiState;
use actions::FieldError;
use model::id::{
    DeliveryId, IncidentId, KeyId, PolicyId, ReceiverLinkId, ServiceId, SourceId, UserId, WebhookId,
};
use model::incident_number::IncidentKey;
use store::Page;

/// The id in a path. A text that is no id names nothing: 404.
pub struct PathId<T>(pub T);

/// The incident in a path, by its id or its number.
pub struct PathIncident(pub IncidentId);

/// The same, with the webhook behind it.
pub struct PathIncidentWebhook(pub IncidentId, pub WebhookId);

/// The webhook in a path, with the link to its receiver's page behind it.
pub struct PathReceiverLink(pub WebhookId, pub ReceiverLinkId);

/// The query parameters. Unknown ones are refused, so that a slip does not widen a list.
pub struct QueryOf<T>(pub T);

/// An id that may stand in a path.
pub trait IdInPath: std::str::FromStr + Send {
    /// What it names.
    const WHAT: &'static str;
}

macro_rules! ids_in_paths {
    ($($id:ident = $what:literal),+ $(,)?) => {
        $(impl IdInPath for $id { const WHAT: &'static str = $what; })+
    };
}

ids_in_paths! {
    IncidentId = "incident",
    ServiceId = "service",
    UserId = "user",
    PolicyId = "escalation policy",
    WebhookId = "webhook",
    DeliveryId = "delivery",
    KeyId = "API key",
    SourceId = "alert source",
}

impl<T: IdInPath, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(|| not_found(T::WHAT))
    }
}

impl FromRequestParts<ApiState> for PathIncident {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|_| not_found(IncidentId::WHAT))?;
        find_incident(state, &text).await.map(Self)
    }
}

impl FromRequestParts<ApiState> for PathIncidentWebhook {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((incident, webhook)) = path.map_err(|_| not_found(IncidentId::WHAT))?;
        let webhook = webhook.parse().map_err(|_| not_found(WebhookId::WHAT))?;
        Ok(Self(find_incident(state, &incident).await?, webhook))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathReceiverLink {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((webhook, link)) = path.map_err(|_| not_found(WebhookId::WHAT))?;
        let webhook = webhook.parse().map_err(|_| not_found(WebhookId::WHAT))?;
        Ok(Self(webhook, link.parse().map_err(|_| not_found("link"))?))
    }
}

async fn find_incident(state: &ApiState, text: &str) -> Result<IncidentId, Problem> {
    match text.parse().map_err(|_| not_found(IncidentId::WHAT))? {
        IncidentKey::Id(id) => Ok(id),
        IncidentKey::Number(number) => Ok(state.store.incidents.find(number).await?),
    }
}

fn not_found(what: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no such {what}"))
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|rejection| {
            let sentence = match rejection {
                QueryRejection::FailedToDeserializeQueryString(error) => error.body_text(),
                other => other.body_text(),
            };
            Problem::new(Code::InvalidQuery, sentence)
        })
    }
}

/// The page that `limit` and `cursor` ask for.
pub fn page(limit: Option<&str>, cursor: Option<&str>) -> Result<Page, Problem> {
    Ok(Page {
        limit: parse_limit(limit)?,
        before: cursor.map(parse_list_cursor).transpose()?,
    })
}

/// A limit within its bounds.
pub fn parse_limit(limit: Option<&str>) -> Result<u32, Problem> {
    let Some(text) = limit else {
        return Ok(Page::DEFAULT_LIMIT);
    };
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=Page::MAX_LIMIT).contains(limit))
        .ok_or_else(|| Problem::plain(Code::InvalidLimit))
}

/// A query parameter, parsed; refused with its name if it cannot be.
pub fn parse_parameter<T>(
    name: &str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    parse(text).map(Some).ok_or_else(|| invalid_parameter(name))
}

/// The same of a parameter that takes only some words, which the refusal names.
pub fn parse_named<T>(
    name: &str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Option<T>,
    known: &[&str],
) -> Result<Option<T>, Problem> {
    let parsed = text.map(parse);
    match parsed {
        None => Ok(None),
        Some(Some(value)) => Ok(Some(value)),
        Some(None) => Err(refused(name, format!("{name} takes {}", known.join(", ")))),
    }
}

/// The problem of a query parameter that cannot be accepted.
pub fn invalid_parameter(name: &str) -> Problem {
    refused(
        name,
        format!("the query parameter {name} has a value that it cannot have"),
    )
}

fn refused(name: &str, detail: String) -> Problem {
    Problem::new(Code::InvalidQuery, detail.clone()).with_errors(vec![FieldError {
        field: name.to_owned(),
        code: "invalid_value",
        detail,
    }])
}
