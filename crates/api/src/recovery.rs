//! Replaying, recovering and giving up deliveries over HTTP.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{ApiResult, ok};
use crate::auth::Caller;
use crate::body::{JsonBody, Nothing, OptionalBody};
use crate::deliveries::DeliveryView;
use crate::problem::{Code, Problem};
use crate::query::PathId;
use crate::state::ApiState;
use actions::checks::Checks;
use actions::deliveries::Period;
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use store::deliveries::{GivenUp, Replayed};

/// A selection of deliveries.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ReplaySelection)]
pub struct SelectionBody {
    /// 1 to 200 ids.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 200)]
    ids: Vec<DeliveryId>,
}

/// What replaying a selection came to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReplayedSelection)]
pub struct SelectionView {
    /// These start a fresh schedule.
    #[schema(value_type = Vec<String>)]
    replayed: Vec<DeliveryId>,
    /// These are still open: nothing was done.
    #[schema(value_type = Vec<String>)]
    still_open: Vec<DeliveryId>,
    /// These do not exist.
    #[schema(value_type = Vec<String>)]
    not_found: Vec<DeliveryId>,
}

/// Whose dead deliveries are recovered.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RecoverWebhook)]
pub struct RecoverBody {
    /// Those made at or after this time.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Those made before this time; now if absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Only counts.
    #[serde(default)]
    dry_run: bool,
}

/// What a recovery came to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecoveredWebhook)]
pub struct RecoveredView {
    /// How many deliveries start a fresh schedule (or, in a dry run, would).
    count: u64,
    /// Whether none is left. If not, send the request again, with another idempotency key or none.
    is_done: bool,
    dry_run: bool,
}

/// `POST /deliveries/{id}/replay`
pub async fn replay(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<DeliveryId>,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    match state.actions.replay(caller.actor(), id).await? {
        Replayed::Scheduled(delivery) => ok(&DeliveryView::from(&delivery)),
        Replayed::StillOpen(delivery) => {
            let detail = format!("the delivery is {}", delivery.state.as_str());
            Err(Problem::new(Code::StillOpen, detail))
        }
    }
}

/// `POST /deliveries/{id}/give-up`
pub async fn give_up(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<DeliveryId>,
    _: OptionalBody<Nothing>,
) -> ApiResult {
    match state.actions.give_up(caller.actor(), id).await? {
        GivenUp::Done(delivery) => ok(&DeliveryView::from(&delivery)),
        GivenUp::NotWaiting(delivery) => {
            let detail = format!("the delivery is {}", delivery.state.as_str());
            Err(Problem::new(Code::NotWaiting, detail))
        }
    }
}

/// `POST /deliveries/replay`
pub async fn replay_selection(
    State(state): State<ApiState>,
    caller: Caller,
    JsonBody(body): JsonBody<SelectionBody>,
) -> ApiResult {
    let selection = state.actions.replay_selection(caller.actor(), body.ids).await?;
    ok(&SelectionView {
        replayed: selection.replayed,
        still_open: selection.still_open,
        not_found: selection.not_found,
    })
}

/// `POST /webhooks/{id}/recover`
pub async fn recover(
    State(state): State<ApiState>,
    caller: Caller,
    PathId(id): PathId<WebhookId>,
    JsonBody(body): JsonBody<RecoverBody>,
) -> ApiResult {
    let period = Period {
        since: body.since,
        until: body.until.unwrap_or_else(|| state.source.now()),
    };
    let mut checks = Checks::new();
    if body.until.is_none() && period.since >= period.until {
        checks.fail("since", "out_of_range", "since must lie in the past");
    }
    checks.finish(|| ())?;
    let recovered = if body.dry_run {
        state.actions.count_recoverable(id, period).await?
    } else {
        state.actions.recover(caller.actor(), id, period, None).await?
    };
    ok(&RecoveredView {
        count: recovered.count,
        is_done: recovered.is_done,
        dry_run: body.dry_run,
    })
}
