//! Users over HTTP.

use axum::extract::State;
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{ApiResult, created, list as list_answer, no_content, ok};
use crate::auth::Caller;
use crate::body::{JsonBody, Nothing, OptionalBody};
use crate::query::{PathId, QueryOf, page};
use crate::services::PageQuery;
use crate::state::ApiState;
use actions::catalog::UserDraft;
use config::base_url;
use model::access::Role;
use model::id::UserId;
use model::time::Timestamp;
use model::user::User;

/// A user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub struct UserView<'a> {
    #[schema(value_type = String)]
    id: UserId,
    name: &'a str,
    /// The address to sign in with.
    #[schema(required)]
    email: Option<&'a str>,
    #[schema(value_type = Role)]
    role: &'a str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A one-time link with which a person chooses a password and signs in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignInLink)]
pub struct SignInLinkView {
    /// The link. Only in this answer.
    link: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl<'a> From<&'a User> for UserView<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id,
            name: &user.name,
            email: user.email.as_deref(),
            role: user.role.as_str(),
            created_at: user.created_at,
        }
    }
}

/// `POST /users`
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    JsonBody(draft): JsonBody<UserDraft>,
) -> ApiResult {
    let user = state
        .actions
        .create_user(caller.actor(), caller.0.scopes, draft)
        .await?;
    created(&UserView::from(&user))
}

/// `GET /users`
pub async fn list(State(state): State<ApiState>, QueryOf(query): QueryOf<PageQuery>) -> ApiResult {
    let page = page(query.limit.as_deref(), query.cursor.as_deref())?;
    let rows = state.store.users.list(page).await?;
    list_answer(&rows, page, |row| row.id.as_bytes(), UserView::from)
}

/// `GET /users/{id}`
pub async fn get(State(state): State<ApiState>, PathId(id): PathId<UserId>) -> ApiResult {
    ok(&UserView::from(&state.store.users.get(id).await?))
}

/// `PATCH /users/{id}`
pub async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<UserId>,
    JsonBody(draft): JsonBody<UserDraft>,
) -> ApiResult {
    let user = state
        .actions
        .change_user(caller.actor(), caller.0.scopes, id, draft)
        .await?;
    ok(&UserView::from(&user))
}

/// `DELETE /users/{id}`
pub async fn delete(State(state): State<ApiState>, caller: Caller, PathId(id): PathId<UserId>) -> ApiResult {
    state
        .actions
        .delete_user(caller.actor(), caller.0.scopes, id)
        .await?;
    no_content()
}

/// `POST /users/{id}/sign-in-link`
pub async fn create_sign_in_link(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<UserId>,
    headers: HeaderMap,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    let (token, expires_at) = state.actions.create_sign_in_link(caller.actor(), id).await?;
    let base = base_url(state.settings.public_url.as_ref(), &headers);
    created(&SignInLinkView {
        link: format!("{base}/welcome?token={}", token.reveal()),
        expires_at,
    })
}

/// `DELETE /users/{id}/passkeys`
pub async fn delete_passkeys(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<UserId>,
) -> ApiResult {
    state.actions.reset_passkeys(caller.actor(), id).await?;
    no_content()
}

/// `DELETE /users/{id}/second-factor`
pub async fn delete_second_factor(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<UserId>,
) -> ApiResult {
    state.actions.reset_second_factor(caller.actor(), id).await?;
    no_content()
}
