//! Whether a platform refuses a webhook as it is set, or only one delivery: asked by what depends on no event, before a
//! refusal that came twice disables the webhook (decision 0020).

use std::sync::{Mutex, PoisonError};

use crate::deliver::{Deliverer, unsigned_request};
use crate::finish_attempt::RawAttempt;
use crate::prepared::Prepared;
use crate::ticket_query;
use destination::ticketing::{FindingState, QueryResult, TicketQuery};
use model::attempt::{Disposition, Outcome};
use model::delivery::ClaimedDelivery;
use model::exchange::FailureCode;
use model::id::IncidentId;

/// What is noted of a refusal that concerns its delivery alone.
const ALONE: &str =
    "asked without an event, the platform accepts these settings: it refuses this delivery alone";

/// The incident whose delivery a webhook's platform refused last, with nothing taken since.
#[derive(Debug, Default)]
pub struct LastRefused(Mutex<Option<IncidentId>>);

impl LastRefused {
    /// Notes a refusal; says whether the one before it was another incident's.
    fn follows_another(&self, incident_id: IncidentId) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(incident_id)
            .is_some_and(|before| before != incident_id)
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Looks again at a refusal that would disable its webhook: unless it is the webhook that is refused, the delivery goes on
/// along its schedule.
pub async fn confirm(
    deliverer: &Deliverer,
    prepared: &Prepared,
    delivery: &ClaimedDelivery,
    made: &mut RawAttempt,
) {
    let failure = match &made.classification.outcome {
        Outcome::Delivered | Outcome::Accepted => return prepared.last_refused.forget(),
        Outcome::Step | Outcome::Gone(_) => return,
        Outcome::Failed(failure) if failure.disposition != Disposition::NeedsOperator => return,
        Outcome::Failed(failure) => failure.clone(),
    };
    let is_first =
        delivery.spent.refusals == 0 && !prepared.webhook.settings.retry_schedule.delays().is_empty();
    // What was found out without a request, or when asking for a token, depends on no event anyway.
    let depends_on_event = made.sent.exchange.is_some() && failure.code != FailureCode::TokenFailed;
    if is_first || delivery.event.is_test || !depends_on_event {
        return;
    }
    if prepared.last_refused.follows_another(delivery.event.incident_id)
        || Box::pin(is_refused(deliverer, prepared)).await
    {
        return;
    }
    made.classification.outcome = Outcome::Failed(failure.with(Disposition::Backoff));
    made.classification.note = Some(ALONE.to_owned());
}

/// Whether a request that depends on no event is refused, too. Where there is none, the platform's own words are enough.
async fn is_refused(deliverer: &Deliverer, prepared: &Prepared) -> bool {
    if prepared.adapter.ticketing().is_some() {
        return match ticket_query::run(deliverer, prepared, &TicketQuery::Check)
            .await
            .answer
        {
            Ok(QueryResult::Findings(findings)) => {
                findings.iter().any(|finding| finding.state == FindingState::Bad)
            }
            Ok(_) => false,
            Err(failure) => failure.disposition == Disposition::NeedsOperator,
        };
    }
    let Some(rendered) = prepared.adapter.probe(&prepared.target) else {
        return true;
    };
    let exchange = deliverer.client.send(unsigned_request(prepared, rendered)).await;
    match &exchange.result {
        Ok(response) => prepared.adapter.refuses(response),
        Err(failure) => matches!(
            failure.code,
            FailureCode::SettingsRefused | FailureCode::TlsNotOffered
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::Timestamp;

    #[test]
    fn two_incidents_in_a_row_are_needed_with_nothing_taken_between() {
        let [first, second] = [1, 2].map(|byte| IncidentId::new(Timestamp::EPOCH, [byte; 10]));
        let last = LastRefused::default();
        assert!(!last.follows_another(first));
        assert!(!last.follows_another(first));
        assert!(last.follows_another(second));
        last.forget();
        assert!(!last.follows_another(first));
    }
}
