//! API keys over HTTP, and the set-up that makes the first one.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{ApiResult, created, list as list_answer, ok};
use crate::auth::Caller;
use crate::body::{JsonBody, Nothing, OptionalBody};
use crate::query::{PathId, QueryOf, page};
use crate::services::PageQuery;
use crate::state::ApiState;
use actions::access::KeyDraft;
use model::access::{ApiKey, Scope};
use model::event::EventName;
use model::id::{KeyId, ServiceId};
use model::time::Timestamp;

/// An API key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey)]
pub struct KeyView<'a> {
    #[schema(value_type = String)]
    id: KeyId,
    name: &'a str,
    /// Its first characters, to recognise it by.
    hint: &'a str,
    #[schema(value_type = Vec<Scope>)]
    scopes: Vec<&'a str>,
    /// Only what is about these services is shown to it; of all if null.
    #[schema(required, value_type = Option<Vec<String>>)]
    services: Option<Vec<ServiceId>>,
    /// Only these events are shown to it; all if null.
    #[schema(required, value_type = Option<Vec<EventName>>)]
    events: Option<Vec<&'static str>>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// When it was last used, to ten minutes.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// The key itself. Only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

/// Makes the first key.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Setup)]
pub struct SetupBody {
    /// The token that the server printed at its start.
    token: String,
    /// What the key is for.
    #[schema(max_length = 200)]
    name: Option<String>,
}

impl<'a> From<&'a ApiKey> for KeyView<'a> {
    fn from(key: &'a ApiKey) -> Self {
        let restriction = &key.restriction;
        let services = restriction.services();
        Self {
            id: key.id,
            name: &key.name,
            hint: &key.hint,
            scopes: key.scopes.iter().map(|scope| scope.as_str()).collect(),
            services: (!services.is_empty()).then(|| services.to_vec()),
            events: restriction.events().map(|_| restriction.event_names()),
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            key: None,
        }
    }
}

impl<'a> KeyView<'a> {
    fn with_key(mut self, key: &'a str) -> Self {
        self.key = Some(key);
        self
    }
}

/// `POST /api-keys`
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    JsonBody(draft): JsonBody<KeyDraft>,
) -> ApiResult {
    let held = caller.0.scopes;
    let (key, secret) = state.actions.create_key(caller.actor(), held, draft).await?;
    created(&KeyView::from(&key).with_key(secret.reveal()))
}

/// `GET /api-keys`
pub async fn list(State(state): State<ApiState>, QueryOf(query): QueryOf<PageQuery>) -> ApiResult {
    let page = page(query.limit.as_deref(), query.cursor.as_deref())?;
    let rows = state.store.access.list_keys(page).await?;
    list_answer(&rows, page, |row| row.id.as_bytes(), KeyView::from)
}

/// `POST /api-keys/{id}/revoke`
pub async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<KeyId>,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    let key = state.actions.revoke_key(caller.actor(), id).await?;
    state.keys.forget(id);
    ok(&KeyView::from(&key))
}

/// `POST /setup`
pub async fn set_up(State(state): State<ApiState>, JsonBody(body): JsonBody<SetupBody>) -> ApiResult {
    let made = state
        .actions
        .create_first_key(&state.setup, &body.token, body.name)
        .await;
    let (key, secret) = made?;
    created(&KeyView::from(&key).with_key(secret.reveal()))
}
