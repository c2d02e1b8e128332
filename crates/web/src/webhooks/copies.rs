//! A webhook taken elsewhere: cloned on this server, or exported as the file that `opsknight webhooks apply` takes.

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use crate::layout::error::PageResult;
use crate::layout::go;
use crate::layout::query::PathId;
use crate::session::UserSession;
use crate::state::WebState;
use crate::webhooks::new::show_secret;
use actions::webhooks::has_use_for_secret;
use model::id::WebhookId;

/// `GET /settings/integrations/export`
pub async fn export_all(State(state): State<WebState>) -> PageResult {
    let file = state.actions.export_webhooks(None).await?;
    Ok(as_file(file, "opsknight-webhooks.toml"))
}

/// `GET /settings/integrations/{id}/export`
pub async fn export_one(State(state): State<WebState>, PathId(id): PathId<WebhookId>) -> PageResult {
    let file = state.actions.export_webhooks(Some(id)).await?;
    Ok(as_file(file, &format!("opsknight-{id}.toml")))
}

fn as_file(text: String, name: &str) -> axum::response::Response {
    let headers = [
        (CONTENT_TYPE, "application/toml".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, text).into_response()
}

/// `POST /settings/integrations/{id}/clone`
pub async fn clone(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<WebhookId>,
) -> PageResult {
    let (webhook, secret) = state.actions.clone_webhook(session.actor(), id).await?;
    match has_use_for_secret(&webhook) {
        true => show_secret(
            &session,
            webhook.id,
            &webhook.settings.name,
            secret.reveal(),
            true,
        ),
        false => go(&format!("/settings/integrations/{}", webhook.id), "cloned"),
    }
}
