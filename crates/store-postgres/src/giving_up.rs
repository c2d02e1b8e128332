//! Giving up: a delivery that waits dies because a person says so; its lane goes on.

use model::audit::Change;
use model::exchange::FailureCode;
use model::id::DeliveryId;
use store::StoreResult;
use store::deliveries::GivenUp;

use super::audit;
use super::claims::Wakes;
use super::delivery_rows;
use super::lanes;
use super::replays;
use super::writer::WriteContext;

/// Gives up a delivery that is scheduled or queued, held or not.
pub async fn give_up(context: &mut WriteContext, id: DeliveryId, change: &Change) -> StoreResult<GivenUp> {
    let connection = &context.connection;
    let before = replays::lock(connection, id).await?;
    let sql = "UPDATE deliveries SET state = 'dead', finished_at = $2, last_failure = $3, given_up_by = $4
               WHERE id = $1 AND state IN ('scheduled', 'queued')";
    let given_up = connection
        .execute(
            sql,
            &[
                &&id.as_bytes()[..],
                &change.at.as_millis(),
                &FailureCode::GivenUp.as_str(),
                &change.actor.encode(),
            ],
        )
        .await?;
    if given_up == 0 {
        // Read again: it may have been claimed or have ended meanwhile.
        let now = delivery_rows::load(connection, id).await?;
        return Ok(match now.given_up_by {
            Some(_) => GivenUp::Done(now),
            None => GivenUp::NotWaiting(now),
        });
    }
    let mut wakes = Wakes::default();
    if !before.is_test {
        let next = lanes::lock_next(connection, &[(before.incident_id, before.webhook_id)]).await?;
        let promoted = lanes::promote(connection, &next, change.at).await?;
        let due = promoted.into_iter().map(|webhook_id| (webhook_id, change.at));
        wakes.add_enabled(connection, due.collect()).await?;
    }
    let detail = format!("gave up a delivery that was {}", before.state.as_str());
    audit::write(connection, change, "delivery.give_up", id, &detail).await?;
    let after = delivery_rows::load(connection, id).await?;
    wakes.send_after_commit(context);
    Ok(GivenUp::Done(after))
}
