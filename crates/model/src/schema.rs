//! Our own words in the API's description: which texts a status, an event or a code may be. Every list comes from where the
//! word is defined; a client that is generated knows them as types.

#[doc(hidden)]
pub use utoipa;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use crate::access::{Role, Scope};
use crate::delivery::DeliveryState;
use crate::event::{EventName, EventType};
use crate::exchange::FailureCode;
use crate::incident::{IncidentStatus, Severity};
use crate::operational::OperationalName;
use crate::outage::AfterOutageName;
use crate::source_kind::{AlertUnit, SourceKind};
use crate::ticket::TicketPhase;
use crate::webhook::{Ordering, WebhookKind, WhenDisabled};

/// Makes types the schemas of their words, each under a name and with a sentence about it.
#[macro_export]
macro_rules! word_schemas {
    ($($word:ty, $name:literal, $about:literal, $words:expr;)+) => {
        $(
            impl $crate::schema::utoipa::PartialSchema for $word {
                fn schema() -> $crate::schema::utoipa::openapi::RefOr<$crate::schema::utoipa::openapi::schema::Schema> {
                    $crate::schema::one_of($about, $words)
                }
            }

            impl $crate::schema::utoipa::ToSchema for $word {
                fn name() -> std::borrow::Cow<'static, str> {
                    std::borrow::Cow::Borrowed($name)
                }
            }
        )+
    };
}

word_schemas! {
    EventName, "EventName", "What happened.", EventName::NAMES;
    OperationalName, "OperationalEventName", "What happened to a webhook, its deliveries or an alert source.",
        OperationalName::NAMES;
    EventType, "EventType", "The type of an event: of incidents, or operational.", EventType::NAMES;
    IncidentStatus, "IncidentStatus", "Where an incident stands.", IncidentStatus::NAMES;
    Severity, "Severity", "How bad it is.", Severity::NAMES;
    Ordering, "WebhookOrdering", "The events of one incident in order, or in none.", Ordering::NAMES;
    WhenDisabled, "WhenDisabled", "What becomes of events while a webhook is disabled.",
        WhenDisabled::NAMES;
    AfterOutageName, "AfterOutage", "Which of the events that waited through an outage a webhook still gets.",
        AfterOutageName::NAMES;
    DeliveryState, "DeliveryStatus", "Where a delivery stands.", DeliveryState::NAMES;
    FailureCode, "FailureCode", "Why an attempt failed.", FailureCode::NAMES;
    Scope, "Scope", "What an API key may do.", Scope::NAMES;
    Role, "Role", "What a person may do.", Role::NAMES;
    SourceKind, "SourceKind", "What the sender of a source speaks.", SourceKind::NAMES;
    AlertUnit, "AlertUnit", "What one alert of a sender is that groups its alerts.", AlertUnit::NAMES;
    TicketPhase, "TicketPhase", "Where a ticket stands, whatever its system calls that.",
        TicketPhase::NAMES;
}

/// Which kinds there are is known further up: see `api`'s list.
impl utoipa::PartialSchema for WebhookKind {
    fn schema() -> RefOr<Schema> {
        RefOr::T(Schema::Object(
            ObjectBuilder::new().schema_type(Type::String).build(),
        ))
    }
}

impl utoipa::ToSchema for WebhookKind {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("WebhookKind")
    }
}

/// The schema of a text that is one of these words.
pub fn one_of(about: &str, words: impl IntoIterator<Item: AsRef<str>>) -> RefOr<Schema> {
    let words = words.into_iter().map(|word| word.as_ref().to_owned());
    let object = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about))
        .enum_values(Some(words));
    RefOr::T(Schema::Object(object.build()))
}
