//! Tokens for the stream of events over HTTP: made with a key, given in the stream's address, looked at anew as long as it is open.

use axum::extract::State;
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{ApiResult, created};
use crate::auth::{Caller, count_failure, remember};
use crate::body::OptionalBody;
use crate::problem::{Code, Problem};
use crate::state::ApiState;
use actions::FieldError;
use model::client_address::ClientAddress;
use model::event::{EventName, EventSet};
use model::stream_token::{GivenStreamToken, MAX_STREAM_TOKEN_SECONDS, StreamToken};
use model::time::Timestamp;

/// The parameter of the stream's address that holds a token.
pub const TOKEN_PARAMETER: &str = "token";

/// What the token shall permit.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewStreamToken)]
pub struct StreamTokenBody {
    /// An hour at most, and if absent.
    #[schema(minimum = 1, maximum = 3600)]
    seconds: Option<u32>,
    /// All if absent.
    #[schema(value_type = Option<Vec<EventName>>, min_items = 1)]
    events: Option<Vec<String>>,
}

/// A token, shown once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StreamToken)]
pub struct StreamTokenView<'a> {
    /// For `token` in the address of the stream.
    token: &'a str,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// `POST /stream-tokens`
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    OptionalBody(body): OptionalBody<StreamTokenBody>,
) -> ApiResult {
    let seconds = body.seconds.unwrap_or(MAX_STREAM_TOKEN_SECONDS);
    if !(1..=MAX_STREAM_TOKEN_SECONDS).contains(&seconds) {
        return Err(invalid("seconds", "write a number from 1 to 3600"));
    }
    let expires_at = state
        .source
        .now()
        .plus(std::time::Duration::from_secs(seconds.into()));
    let token = StreamToken {
        key_id: caller.0.id,
        expires_at,
        events: events(body.events.as_deref())?,
    };
    let text = token.sign(&caller.0.hash);
    created(&StreamTokenView {
        token: text.reveal(),
        expires_at,
    })
}

fn events(names: Option<&[String]>) -> Result<EventSet, Problem> {
    let Some(names) = names else {
        return Ok(EventSet::new(EventName::ALL));
    };
    let parsed: Option<Vec<_>> = names.iter().map(|name| EventName::parse(name)).collect();
    let parsed = parsed.filter(|parsed| !parsed.is_empty());
    let parsed =
        parsed.ok_or_else(|| invalid("events", "name at least one event of incidents, and no other"))?;
    Ok(EventSet::new(&parsed))
}

fn invalid(field: &str, detail: &str) -> Problem {
    let problem = Problem::new(Code::InvalidFields, format!("{field}: {detail}"));
    problem.with_errors(vec![FieldError {
        field: field.to_owned(),
        code: "invalid_value",
        detail: detail.to_owned(),
    }])
}

/// The token in an address, as it came.
pub fn given(uri: &Uri) -> Option<String> {
    let query = uri.query()?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(name, value)| (name == TOKEN_PARAMETER).then(|| value.into_owned()))
}

/// Whose token this is, if it holds; a failure counts as that of a key.
pub async fn authenticate(
    state: &ApiState,
    text: &str,
    client: ClientAddress,
) -> Result<(Caller, StreamToken), Problem> {
    let now = state.source.now();
    let given = GivenStreamToken::parse(text);
    let key = match &given {
        Some(given) => state.store.access.get_key(given.key_id()).await?,
        None => None,
    };
    let token = given
        .zip(key.as_ref())
        .and_then(|(given, key)| given.verify(&key.hash, now));
    match (token, key.filter(|key| key.is_usable(now))) {
        (Some(token), Some(key)) => Ok((remember(state, key), token)),
        (None, _) | (_, None) => {
            count_failure(state, client)?;
            Err(Problem::plain(Code::Unauthorized))
        }
    }
}
