//! Our own words in the API's description: which texts a status, an event or a code may be. Every list comes from where the
//! word is defined; a client that is generated knows them as types.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::actions::tickets::{FindingState, Synced};
use crate::actions::webhook_fields::kinds;
use crate::api::health;
use crate::api::problem::Code;
use crate::api::webhook_view;
use crate::model::access::{Role, Scope};
use crate::model::attempt::Outcome;
use crate::model::audit::Actor;
use crate::model::delivery::DeliveryState;
use crate::model::event::EventName;
use crate::model::exchange::FailureCode;
use crate::model::incident::{IncidentStatus, Severity};
use crate::model::ticket::{LinkState, TicketPhase};
use crate::model::webhook::{Ordering, WebhookKind, WhenDisabled};

/// A schema of a name, as the document keeps it.
pub type Named = (String, RefOr<Schema>);

/// Makes types the schemas of their words, each under a name and with a sentence about it.
macro_rules! words {
    ($($word:ty, $name:literal, $about:literal, $words:expr;)+) => {
        $(
            impl PartialSchema for $word {
                fn schema() -> RefOr<Schema> {
                    one_of($about, $words)
                }
            }

            impl ToSchema for $word {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed($name)
                }
            }
        )+

        /// Every list of words.
        pub fn all() -> Vec<Named> {
            vec![$(($name.to_owned(), <$word>::schema())),+]
        }
    };
}

words! {
    EventName, "EventName", "What happened.", EventName::ALL.map(EventName::as_str);
    IncidentStatus, "IncidentStatus", "Where an incident stands.", IncidentStatus::ALL.map(IncidentStatus::as_str);
    Severity, "Severity", "How bad it is.", Severity::ALL.map(Severity::as_str);
    WebhookKind, "WebhookKind", "Which adapter speaks to a webhook.", kinds();
    WebhookStatus, "WebhookStatus", "Degraded: enabled, but the last attempts failed.", webhook_view::STATUSES;
    Ordering, "WebhookOrdering", "The events of one incident in order, or in none.", Ordering::ALL.map(Ordering::as_str);
    WhenDisabled, "WhenDisabled", "What becomes of events while a webhook is disabled.",
        WhenDisabled::ALL.map(WhenDisabled::as_str);
    DeliveryState, "DeliveryStatus", "Where a delivery stands.", DeliveryState::ALL.map(DeliveryState::as_str);
    AttemptOutcome, "AttemptOutcome", "What an attempt came to.", Outcome::NAMES;
    FailureCode, "FailureCode", "Why an attempt failed.", FailureCode::ALL.map(FailureCode::as_str);
    Scope, "Scope", "What an API key may do.", Scope::ALL.iter().map(|scope| scope.as_str());
    Role, "Role", "What a person may do.", Role::ALL.map(Role::as_str);
    ActorKind, "ActorKind", "Who or what acts.", Actor::KINDS;
    TicketLinkState, "TicketLinkState", "Intended: whether there is a ticket is being found out.", LinkState::NAMES;
    TicketPhase, "TicketPhase", "Where a ticket stands, whatever its system calls that.",
        TicketPhase::ALL.map(TicketPhase::as_str);
    Synced, "TicketSyncResult", "The ticket is being told, the incident followed it, both were in line, or an event is on its way.",
        Synced::ALL.map(|synced| synced.as_str());
    FindingState, "ConnectionFindingState", "Good, bad, or unsure until it is needed.",
        FindingState::ALL.map(FindingState::as_str);
    HealthStatus, "HealthStatus", "Whether the server serves.", health::STATUSES;
    Code, "ProblemCode", "What went wrong; codes never change their meaning.", Code::ALL.iter().map(|code| code.as_str());
}

/// See [`webhook_view::STATUSES`].
pub enum WebhookStatus {}
/// See [`Outcome::NAMES`].
pub enum AttemptOutcome {}
/// See [`Actor::KINDS`].
pub enum ActorKind {}
/// See [`LinkState::NAMES`].
pub enum TicketLinkState {}
/// See [`health::STATUSES`].
pub enum HealthStatus {}

fn one_of(about: &str, words: impl IntoIterator<Item = &'static str>) -> RefOr<Schema> {
    let object = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about))
        .enum_values(Some(words));
    RefOr::T(Schema::Object(object.build()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attempt::Failure;
    use crate::model::id::{KeyId, UserId, WebhookId};
    use crate::model::time::Timestamp;

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
        ];
        assert_eq!(actors.map(|actor| actor.kind()), Actor::KINDS);
    }
}
