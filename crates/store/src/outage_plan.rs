//! Which deliveries end without having been sent, because they waited through an outage (decision 0028): pure, from the rows of
//! a lane to what is written, and back to what is shown.
//!
//! In the rows such a delivery is dead by `given_up`, which nobody gave up: programs that know nothing of outages take it for
//! what it is to them, and count it nowhere as lost.

use model::delivery::DeliveryState;
use model::exchange::FailureCode;
use model::id::{DeliveryId, WebhookId};
use model::outage::{AfterOutage, EndedAs};
use model::time::Timestamp;
use model::webhook::Webhook;

/// The most deliveries of one lane that are looked at together, the oldest first.
pub const MAX_LANE_LOOK: u32 = 1000;

/// A delivery of a lane that waits, or was claimed just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub id: DeliveryId,
    pub event_sequence: i64,
    /// Since it was made, or replayed last: a replay is somebody's wish.
    pub since: Timestamp,
}

/// Which of the events that waited a webhook still gets, among webhooks in the order of their ids; all, if it is not there.
pub fn policy_of(webhooks: &[Webhook], id: WebhookId) -> AfterOutage {
    let found = webhooks.binary_search_by_key(&id, |webhook| webhook.id);
    found.map_or(AfterOutage::Everything, |index| {
        webhooks[index].settings.after_outage
    })
}

/// Those of a lane that end now, and how.
pub fn ending(policy: AfterOutage, lane: &[Waiting], now: Timestamp) -> Vec<(DeliveryId, EndedAs)> {
    let newest = lane.iter().map(|waiting| waiting.event_sequence).max();
    let end = |waiting: &Waiting| {
        let has_newer = newest.is_some_and(|newest| newest > waiting.event_sequence);
        let end = policy.end_of(now.since(waiting.since), has_newer)?;
        Some((waiting.id, end))
    };
    lane.iter().filter_map(end).collect()
}

/// The columns of a dead delivery that say what it died of.
pub struct DeathColumns<'a> {
    pub last_failure: Option<FailureCode>,
    pub is_given_up_by_somebody: bool,
    pub ended_as: Option<&'a str>,
}

impl DeathColumns<'_> {
    /// How a dead delivery ended, if its webhook wanted it no more. A program of before may have replayed it and let it die.
    pub fn ended_as(&self) -> Option<EndedAs> {
        let is_ours = self.last_failure == Some(FailureCode::GivenUp) && !self.is_given_up_by_somebody;
        self.ended_as.filter(|_| is_ours).and_then(EndedAs::parse)
    }
}

/// A delivery's state and last failure as they are shown. An open delivery of a disabled (or deleted) webhook reads as held,
/// unless it is in a node's hand.
pub fn shown(
    stored: DeliveryState,
    webhook_is_disabled: bool,
    death: &DeathColumns<'_>,
) -> (DeliveryState, Option<FailureCode>) {
    match (stored, death.ended_as()) {
        (DeliveryState::Dead, Some(ended_as)) => (ended_as.state(), None),
        (DeliveryState::Scheduled | DeliveryState::Queued, _) if webhook_is_disabled => {
            (DeliveryState::Held, death.last_failure)
        }
        (stored, _) => (stored, death.last_failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::outage::OUTAGE_GRACE;
    use proptest::prelude::*;
    use std::time::Duration;

    fn lane(waits: &[u64], now: Timestamp) -> Vec<Waiting> {
        let waiting = |(event_sequence, seconds): (i64, &u64)| {
            let since = now.minus(Duration::from_secs(*seconds));
            let mut random = [0; 10];
            random[2..].copy_from_slice(&event_sequence.to_be_bytes());
            Waiting {
                id: DeliveryId::new(since, random),
                event_sequence,
                since,
            }
        };
        (1..).zip(waits).map(waiting).collect()
    }

    #[test]
    fn what_ended_by_an_outage_shows_so_and_what_a_person_gave_up_stays_dead() {
        let death = |is_given_up_by_somebody, last_failure| DeathColumns {
            last_failure: Some(last_failure),
            is_given_up_by_somebody,
            ended_as: Some("superseded"),
        };
        let state = |death| shown(DeliveryState::Dead, false, &death).0;
        assert_eq!(
            state(death(false, FailureCode::GivenUp)),
            DeliveryState::Superseded
        );
        assert_eq!(state(death(true, FailureCode::GivenUp)), DeliveryState::Dead);
        assert_eq!(state(death(false, FailureCode::ServerError)), DeliveryState::Dead);
    }

    proptest! {
        #[test]
        fn the_newest_of_a_lane_is_never_superseded(waits in prop::collection::vec(0u64..2000, 0..20)) {
            let now = Timestamp::EPOCH.plus(Duration::from_secs(10_000));
            let lane = lane(&waits, now);
            let ended = ending(AfterOutage::Newest, &lane, now);
            prop_assert!(ended.iter().all(|(id, _)| Some(*id) != lane.last().map(|newest| newest.id)));
            let late = waits.iter().rev().skip(1).filter(|wait| **wait >= OUTAGE_GRACE.as_secs());
            prop_assert_eq!(ended.len(), late.count());
        }

        #[test]
        fn what_expires_is_all_that_is_too_old(waits in prop::collection::vec(0u64..2000, 0..20), after in 60u64..1000) {
            let now = Timestamp::EPOCH.plus(Duration::from_secs(10_000));
            let policy = AfterOutage::Expire { after: Duration::from_secs(after) };
            let old = waits.iter().filter(|wait| **wait >= after).count();
            prop_assert_eq!(ending(policy, &lane(&waits, now), now).len(), old);
        }
    }
}
