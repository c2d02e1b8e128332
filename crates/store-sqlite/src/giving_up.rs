//! Giving up: a delivery that waits dies because a person says so; its lane goes on.

use model::audit::Change;
use model::exchange::FailureCode;
use model::id::DeliveryId;
use store::StoreResult;
use store::deliveries::GivenUp;

use super::audit;
use super::claims::{Wakes, is_enabled};
use super::delivery_rows;
use super::lanes;
use super::statements::execute;
use super::writer::WriteContext;

/// Gives up a delivery that is scheduled or queued, held or not.
pub fn give_up(context: &mut WriteContext<'_>, id: DeliveryId, change: &Change) -> StoreResult<GivenUp> {
    let before = delivery_rows::load(context.connection, id)?;
    let given_up = execute(
        context.connection,
        "UPDATE deliveries SET state = 'dead', finished_at = ?2, last_failure = ?3, given_up_by = ?4
         WHERE id = ?1 AND state IN ('scheduled', 'queued')",
        (
            id.as_bytes(),
            change.at.as_millis(),
            FailureCode::GivenUp.as_str(),
            change.actor.encode(),
        ),
    )?;
    if given_up == 0 {
        return Ok(match before.given_up_by {
            Some(_) => GivenUp::Done(before),
            None => GivenUp::NotWaiting(before),
        });
    }
    let (incident_id, webhook_id) = (before.incident_id, before.webhook_id);
    if !before.is_test
        && lanes::promote(context.connection, incident_id, webhook_id, change.at)?
        && is_enabled(context, webhook_id)?
    {
        let mut wakes = Wakes::default();
        wakes.add(webhook_id, change.at);
        wakes.send_after_commit(context);
    }
    let detail = format!("gave up a delivery that was {}", before.state.as_str());
    audit::write(context.connection, change, "delivery.give_up", id, &detail)?;
    Ok(GivenUp::Done(delivery_rows::load(context.connection, id)?))
}
