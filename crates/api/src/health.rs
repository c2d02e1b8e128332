//! Whether the server lives and is ready, and the document that describes the API.

use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::answer::{ApiResult, json, json_bytes, ok};
use crate::openapi_document;
use crate::state::ApiState;
use crate::words::HealthStatus;
use config::base_path;

/// How long a failure holds: `/readyz` is open to everybody, and asking again tries to write. A success is asked of the
/// store each time, which knows it from its last commit.
const FAILURE_HOLDS_MS: i64 = 1000;
/// How long the store may take to say that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

const OK: &str = "ok";
const STOPPING: &str = "stopping";
const STORE_UNAVAILABLE: &str = "store_unavailable";
/// Everything that the status of a server may be.
pub const STATUSES: [&str; 3] = [OK, STOPPING, STORE_UNAVAILABLE];

/// When the store last failed to answer, in monotonic milliseconds.
#[derive(Default)]
pub struct Pinged(Mutex<Option<i64>>);

/// Whether the server lives or is ready.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Health)]
pub struct HealthView {
    #[schema(value_type = HealthStatus)]
    status: &'static str,
}

/// `GET /healthz`
pub async fn healthz() -> ApiResult {
    ok(&HealthView { status: OK })
}

/// `GET /readyz`
pub async fn readyz(State(state): State<ApiState>) -> ApiResult {
    if *state.draining.borrow() {
        return json(StatusCode::SERVICE_UNAVAILABLE, &HealthView { status: STOPPING });
    }
    if store_answers(&state).await {
        return ok(&HealthView { status: OK });
    }
    let view = HealthView {
        status: STORE_UNAVAILABLE,
    };
    json(StatusCode::SERVICE_UNAVAILABLE, &view)
}

/// Whether the store can be written. Those who ask at the same time wait for one answer.
async fn store_answers(state: &ApiState) -> bool {
    let mut failed_ms = state.pinged.0.lock().await;
    if has_just_failed(*failed_ms, state.source.monotonic_millis()) {
        return false;
    }
    let ping = tokio::time::timeout(PING_TIMEOUT, state.store.upkeep.ping()).await;
    let answers = matches!(ping, Ok(Ok(())));
    *failed_ms = (!answers).then(|| state.source.monotonic_millis());
    answers
}

fn has_just_failed(failed_ms: Option<i64>, now_ms: i64) -> bool {
    failed_ms.is_some_and(|failed_ms| now_ms - failed_ms < FAILURE_HOLDS_MS)
}

/// `GET /api/v1/openapi.json`
pub async fn openapi(State(state): State<ApiState>) -> ApiResult {
    let document = state.openapi.get_or_init(|| {
        let mut document = openapi_document();
        let base = base_path(state.settings.public_url.as_ref());
        if !base.is_empty() {
            document["servers"][0]["url"] = base.into();
        }
        serde_json::to_vec(&document).unwrap_or_default()
    });
    Ok(json_bytes(StatusCode::OK, document.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_holds_for_a_second_and_a_success_not_at_all() {
        let asked = [0, 999, 1000].map(|now_ms| has_just_failed(Some(0), now_ms));
        assert_eq!(asked, [true, true, false]);
        assert!(!has_just_failed(None, 0));
    }
}
