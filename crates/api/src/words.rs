//! Our own words in the API's description: which texts a status, an event or a code may be. Every list comes from where the
//! word is defined; a client that is generated knows them as types.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::exports::Format;
use crate::health;
use crate::problem::Code;
use crate::webhook_view;
use actions::bulk::{BulkAction, BulkOutcome};
use actions::incident_lists::IncidentOrder;
use actions::tickets::{FindingState, Synced};
use actions::webhooks::fields::kinds;
use model::access::{Role, Scope};
use model::attempt::Outcome;
use model::audit::Actor;
use model::delivery::DeliveryState;
use model::event::{EventName, EventType};
use model::exchange::FailureCode;
use model::incident::{IncidentStatus, Severity};
use model::operational::OperationalName;
use model::outage::AfterOutageName;
use model::schema::one_of;
use model::source_kind::{AlertUnit, SourceKind};
use model::ticket::{LinkState, TicketPhase};
use model::webhook::{Ordering, WebhookKind, WhenDisabled};
use model::word_schemas;

/// A schema of a name, as the document keeps it.
pub type Named = (String, RefOr<Schema>);

word_schemas! {
    WebhookStatus, "WebhookStatus", "Degraded: enabled, but the last attempts failed.", webhook_view::STATUSES;
    AttemptOutcome, "AttemptOutcome", "What an attempt came to.", Outcome::NAMES;
    ActorKind, "ActorKind", "Who or what acts.", Actor::KINDS;
    TicketLinkState, "TicketLinkState", "Intended: whether there is a ticket is being found out.", LinkState::NAMES;
    ExportFormat, "ExportFormat", "How an export is written.", Format::NAMES;
    HealthStatus, "HealthStatus", "Whether the server serves.", health::STATUSES;
    Code, "ProblemCode", "What went wrong; codes never change their meaning.", Code::ALL.iter().map(|code| code.as_str());
}

/// The schema of a name whose words its own crate does not know: which kinds of webhook there are.
pub fn in_full(name: &str) -> Option<RefOr<Schema>> {
    let is_kind = name == WebhookKind::name();
    is_kind.then(|| one_of("Which adapter speaks to a webhook.", kinds()))
}

/// Every list of words.
pub fn all() -> Vec<Named> {
    macro_rules! named {
        ($($word:ty),+) => { vec![$((<$word>::name().into_owned(), <$word>::schema())),+] };
    }
    let mut all = named![
        EventName,
        EventType,
        OperationalName,
        IncidentStatus,
        Severity,
        WebhookStatus,
        Ordering,
        WhenDisabled,
        AfterOutageName,
        DeliveryState,
        AttemptOutcome,
        FailureCode,
        Scope,
        Role,
        ActorKind,
        TicketLinkState,
        TicketPhase,
        Synced,
        BulkAction,
        BulkOutcome,
        IncidentOrder,
        FindingState,
        SourceKind,
        AlertUnit,
        ExportFormat,
        HealthStatus,
        Code
    ];
    all.extend(in_full(&WebhookKind::name()).map(|schema| (WebhookKind::name().into_owned(), schema)));
    all
}

/// See [`webhook_view::STATUSES`].
pub enum WebhookStatus {}
/// See [`Outcome::NAMES`].
pub enum AttemptOutcome {}
/// See [`Actor::KINDS`].
pub enum ActorKind {}
/// See [`LinkState::NAMES`].
pub enum TicketLinkState {}
/// See [`Format::NAMES`].
pub enum ExportFormat {}
/// See [`health::STATUSES`].
pub enum HealthStatus {}

#[cfg(test)]
mod tests {
    use super::*;
    use model::attempt::Failure;
    use model::id::{KeyId, SourceId, UserId, WebhookId};
    use model::time::Timestamp;

    #[test]
    fn states_with_more_in_them_have_their_words_in_their_lists() {
        let failure = || Failure::new(FailureCode::Gone, "x");
        let outcomes = [
            Outcome::Delivered,
            Outcome::Accepted,
            Outcome::Step,
            Outcome::Failed(failure()),
            Outcome::Gone(failure()),
        ];
        assert_eq!(outcomes.map(|outcome| outcome.as_str()), Outcome::NAMES);
        let at = Timestamp::EPOCH;
        let (id, webhook_id, name) = (KeyId::new(at, [0; 10]), WebhookId::new(at, [0; 10]), String::new);
        let actors = [
            Actor::System,
            Actor::Key { id, name: name() },
            Actor::User {
                id: UserId::new(at, [0; 10]),
                name: name(),
            },
            Actor::Chat {
                webhook_id,
                name: name(),
            },
            Actor::Ticket {
                webhook_id,
                name: name(),
            },
            Actor::Source {
                id: SourceId::new(at, [0; 10]),
                name: name(),
            },
            Actor::Receiver {
                webhook_id,
                name: name(),
            },
        ];
        assert_eq!(actors.map(|actor| actor.kind()), Actor::KINDS);
    }
}
