//! Whether the server lives and is ready, and the document that describes the API.

use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::answer::{ApiResult, json, json_bytes, ok};
use crate::api::openapi_document;
use crate::api::state::ApiState;

/// How long the store may take to say that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the server lives or is ready.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Health)]
pub struct HealthView {
    /// `ok`, `stopping` or `store_unavailable`.
    #[schema(value_type = String)]
    status: &'static str,
}

/// `GET /healthz`
pub async fn healthz() -> ApiResult {
    ok(&HealthView { status: "ok" })
}

/// `GET /readyz`
pub async fn readyz(State(state): State<ApiState>) -> ApiResult {
    if *state.stopping.borrow() {
        return json(
            StatusCode::SERVICE_UNAVAILABLE,
            &HealthView { status: "stopping" },
        );
    }
    let ping = tokio::time::timeout(PING_TIMEOUT, state.store.upkeep.ping()).await;
    match ping {
        Ok(Ok(())) => ok(&HealthView { status: "ok" }),
        Ok(Err(_)) | Err(_) => {
            let view = HealthView {
                status: "store_unavailable",
            };
            json(StatusCode::SERVICE_UNAVAILABLE, &view)
        }
    }
}

/// `GET /api/v1/openapi.json`
pub async fn openapi() -> ApiResult {
    static DOCUMENT: OnceLock<Vec<u8>> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| serde_json::to_vec(&openapi_document()).unwrap_or_default());
    Ok(json_bytes(StatusCode::OK, document.clone()))
}
