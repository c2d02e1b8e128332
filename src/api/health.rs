//! Whether the server lives and is ready, and the document that describes the API.

use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::api::answer::{ApiResult, json, json_bytes, ok};
use crate::api::openapi_document;
use crate::api::state::ApiState;

/// How long the store's answer holds: `/readyz` is open to everybody, and asking takes the write lock.
const READY_HOLDS_MS: i64 = 1000;
/// How long the store may take to say that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the store answered when it was last asked, and when, in monotonic milliseconds.
#[derive(Default)]
pub struct Pinged(Mutex<Option<(bool, i64)>>);

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
    if store_answers(&state).await {
        return ok(&HealthView { status: "ok" });
    }
    let view = HealthView {
        status: "store_unavailable",
    };
    json(StatusCode::SERVICE_UNAVAILABLE, &view)
}

/// Whether the store answers, or did a moment ago. Those who ask at the same time wait for one answer.
async fn store_answers(state: &ApiState) -> bool {
    let mut pinged = state.pinged.0.lock().await;
    if let Some(answers) = held(*pinged, state.source.monotonic_millis()) {
        return answers;
    }
    let ping = tokio::time::timeout(PING_TIMEOUT, state.store.upkeep.ping()).await;
    let answers = matches!(ping, Ok(Ok(())));
    *pinged = Some((answers, state.source.monotonic_millis()));
    answers
}

fn held(pinged: Option<(bool, i64)>, now_ms: i64) -> Option<bool> {
    let (answers, at_ms) = pinged?;
    (now_ms - at_ms < READY_HOLDS_MS).then_some(answers)
}

/// `GET /api/v1/openapi.json`
pub async fn openapi() -> ApiResult {
    static DOCUMENT: OnceLock<Vec<u8>> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| serde_json::to_vec(&openapi_document()).unwrap_or_default());
    Ok(json_bytes(StatusCode::OK, document.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_the_store_holds_for_a_second() {
        let asked = [0, 999, 1000].map(|now_ms| held(Some((false, 0)), now_ms));
        assert_eq!(asked, [Some(false), Some(false), None]);
        assert_eq!(held(None, 0), None);
    }
}
