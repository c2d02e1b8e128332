//! Links to receivers' pages over HTTP.

use axum::extract::State;
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{ApiResult, created, no_content, ok};
use crate::auth::Caller;
use crate::body::JsonBody;
use crate::problem::Code::{Conflict, InvalidFields};
use crate::query::{PathId, PathReceiverLink};
use crate::route::Route;
use crate::route::Verb::{Delete, Get, Post};
use crate::state::ApiState;
use actions::receiver_links::ReceiverLinkDraft;
use config::base_url;
use model::access::Scope;
use model::id::{ReceiverLinkId, WebhookId};
use model::receiver_link::ReceiverLink;
use model::time::Timestamp;

/// A link that lets whoever holds it see one webhook's deliveries, replay them, send a test and rotate the secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReceiverLink)]
pub struct ReceiverLinkView<'a> {
    #[schema(value_type = String)]
    id: ReceiverLinkId,
    /// Whom it is for.
    name: &'a str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// To about a minute.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// The link itself. Only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// The links of a webhook, newest first. Ended ones stay until the next is made.
#[derive(Serialize, ToSchema)]
#[schema(as = ReceiverLinks)]
pub struct ReceiverLinksView<'a> {
    items: Vec<ReceiverLinkView<'a>>,
}

impl<'a> From<&'a ReceiverLink> for ReceiverLinkView<'a> {
    fn from(link: &'a ReceiverLink) -> Self {
        Self {
            id: link.id,
            name: &link.name,
            created_at: link.created_at,
            expires_at: link.expires_at,
            revoked_at: link.revoked_at,
            last_used_at: link.last_used_at,
            link: None,
        }
    }
}

/// Every route of links.
pub fn all() -> Vec<Route> {
    const ALL: &str = "/api/v1/webhooks/{id}/receiver-links";
    const WRITE: Scope = Scope::WebhooksWrite;
    vec![
        Route::new(
            Get,
            ALL,
            WRITE,
            "List the links to a webhook's receiver's page",
            list,
        )
        .gives::<ReceiverLinksView<'_>>(200),
        Route::new(
            Post,
            ALL,
            WRITE,
            "Make a link to a webhook's receiver's page, shown once",
            create,
        )
        .takes::<ReceiverLinkDraft>()
        .fails(&[InvalidFields, Conflict])
        .gives::<ReceiverLinkView<'_>>(201),
        Route::new(
            Delete,
            "/api/v1/webhooks/{id}/receiver-links/{link}",
            WRITE,
            "Revoke a link; it opens nothing any more",
            revoke,
        )
        .gives_nothing(),
    ]
}

/// `GET /webhooks/{id}/receiver-links`
async fn list(State(state): State<ApiState>, PathId(id): PathId<WebhookId>) -> ApiResult {
    state.store.webhooks.get(id).await?;
    let links = state.store.receiver_links.list(id).await?;
    ok(&ReceiverLinksView {
        items: links.iter().map(ReceiverLinkView::from).collect(),
    })
}

/// `POST /webhooks/{id}/receiver-links`
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<WebhookId>,
    headers: HeaderMap,
    JsonBody(draft): JsonBody<ReceiverLinkDraft>,
) -> ApiResult {
    let made = state
        .actions
        .create_receiver_link(caller.actor(), id, draft)
        .await;
    let (link, token) = made?;
    let base = base_url(state.settings.public_url.as_ref(), &headers);
    created(&ReceiverLinkView {
        link: Some(format!("{base}/receiver/open/{}", token.reveal())),
        ..ReceiverLinkView::from(&link)
    })
}

/// `DELETE /webhooks/{id}/receiver-links/{link}`
async fn revoke(
    State(state): State<ApiState>,
    caller: Caller,
    PathReceiverLink(id, link): PathReceiverLink,
) -> ApiResult {
    state
        .actions
        .revoke_receiver_link(caller.actor(), id, link)
        .await?;
    no_content()
}
