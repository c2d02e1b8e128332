//! What this server sends to receivers, as the `webhooks` of the API's description (OpenAPI 3.1): a receiver can be generated
//! from it. Nothing is sent by it; a test holds it against what is sent.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::incidents::{ServiceName, UserName};
use model::event::{EventName, EventType};
use model::incident::{IncidentStatus, Severity};
use model::operational::OperationalName;

/// Where the headers of requests stand among the components.
const HEADERS: &str = "#/components/parameters/";

/// The body of the default format: an event with the incident as it was then.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the model writes the bytes")]
pub struct EventBody {
    event: EventName,
    /// When it happened, whole seconds.
    #[schema(format = DateTime)]
    timestamp: String,
    incident: EventIncident,
}

/// An incident as it was when an event happened.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used: the model writes the bytes")]
pub struct EventIncident {
    id: String,
    title: String,
    status: IncidentStatus,
    severity: Severity,
    service: ServiceName<'static>,
    #[schema(required)]
    assignee: Option<UserName<'static>>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// The body of an operational event in the default format.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the model writes the bytes")]
pub struct OperationalEventBody {
    event: OperationalName,
    /// When it happened, whole seconds.
    #[schema(format = DateTime)]
    timestamp: String,
    /// One sentence for people.
    title: String,
    severity: Severity,
    subject: OperationalSubject,
    /// Why: a failure code or another stable word.
    #[schema(required)]
    reason: Option<String>,
    /// Why, or what to do: a sentence.
    #[schema(required)]
    detail: Option<String>,
    /// How often it happened since the last such event about this subject.
    count: u64,
}

/// What an operational event is about.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: the model writes the bytes")]
pub struct OperationalSubject {
    /// `webhook` or `source`.
    r#type: String,
    id: String,
    name: String,
}

/// The requests, by the type of their event. The examples are the bodies of a new incident and of a degraded webhook.
pub fn webhooks(incident: &Value, operational: &Value) -> Value {
    let item = |event: EventType| {
        let described = match event {
            EventType::Incident(name) => request(event, "EventBody", &example_of(name, incident)),
            EventType::Operational(_) => {
                let mut example = operational.clone();
                example["event"] = event.as_str().into();
                request(event, "OperationalEventBody", &example)
            }
        };
        (event.as_str().to_owned(), json!({ "post": described }))
    };
    let types = EventType::NAMES.iter().filter_map(|name| EventType::parse(name));
    Value::Object(types.map(item).collect())
}

/// The headers of the requests, for the components.
pub fn parameters() -> Map<String, Value> {
    let named = |header: Header| (header.0.to_owned(), described(header));
    HEADERS_SENT.into_iter().map(named).collect()
}

fn request(event: EventType, body: &str, example: &Value) -> Value {
    let schema = json!({
        "allOf": [
            { "$ref": format!("#/components/schemas/{body}") },
            {
                "type": "object",
                "required": ["event"],
                "properties": { "event": { "type": "string", "const": event.as_str() } },
            },
        ],
    });
    let headers = HEADERS_SENT.map(|(name, ..)| json!({ "$ref": format!("{HEADERS}{name}") }));
    json!({
        "operationId": operation_id(event),
        "summary": summary(event),
        "tags": ["webhooks"],
        "security": [],
        "parameters": headers,
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": schema, "example": example } },
        },
        "responses": {
            "2XX": { "description": "Delivered; answer at once and work later" },
            "410": { "description": "Delivered no more: the webhook is disabled" },
            "default": { "description": "Not delivered: sent again on the schedule, under the same X-OpsKnight-Delivery" },
        },
    })
}

fn summary(event: EventType) -> &'static str {
    match event {
        EventType::Incident(EventName::Triggered) => "A new incident",
        EventType::Incident(EventName::Acknowledged) => "Somebody took an incident",
        EventType::Incident(EventName::Resolved) => "An incident is over",
        EventType::Incident(EventName::Escalated) => "An escalation fired",
        EventType::Incident(EventName::Reopened) => "An incident is open again",
        EventType::Operational(OperationalName::WebhookDegraded) => "A webhook's attempts fail",
        EventType::Operational(OperationalName::WebhookRecovered) => "A webhook delivers again",
        EventType::Operational(OperationalName::WebhookDisabled) => "A webhook was disabled by the server",
        EventType::Operational(OperationalName::DeliveryDead) => "Deliveries of a webhook are dead",
        EventType::Operational(OperationalName::SourceSilent) => "An alert source sends nothing",
    }
}

/// `onIncidentTriggered`
fn operation_id(event: EventType) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    };
    let words: String = event.as_str().split('.').map(capital).collect();
    format!("on{words}")
}

fn example_of(name: EventName, example: &Value) -> Value {
    let mut example = example.clone();
    let status = match name {
        EventName::Triggered | EventName::Escalated | EventName::Reopened => IncidentStatus::Triggered,
        EventName::Acknowledged => IncidentStatus::Acknowledged,
        EventName::Resolved => IncidentStatus::Resolved,
    };
    example["event"] = name.as_str().into();
    example["incident"]["status"] = status.as_str().into();
    example
}

/// A header: its name, whether each request has it, what it holds, and more about it.
type Header = (&'static str, Presence, Holds, &'static str);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Always,
    Sometimes,
}

#[derive(Clone, Copy)]
enum Holds {
    Event,
    Count,
    Text,
}

const HEADERS_SENT: [Header; 9] = {
    use Holds::{Count, Event, Text};
    use Presence::{Always, Sometimes};
    [
        ("X-OpsKnight-Event", Always, Event, "The event's name."),
        (
            "X-OpsKnight-Delivery",
            Always,
            Text,
            "The same on every attempt: the receiver's idempotency key.",
        ),
        ("X-OpsKnight-Attempt", Always, Count, "1 for the first attempt."),
        (
            "X-OpsKnight-Signature",
            Always,
            Text,
            "`sha256=` and the HMAC-SHA256 of the raw body in hex; the key is the secret as it was typed.",
        ),
        (
            "X-OpsKnight-Signature-Previous",
            Sometimes,
            Text,
            "The same with the secret before it, while a rotation lasts.",
        ),
        (
            "X-OpsKnight-Test",
            Sometimes,
            Text,
            "`true` if it is a Send Test.",
        ),
        (
            "webhook-id",
            Always,
            Text,
            "Standard Webhooks: the delivery's id.",
        ),
        (
            "webhook-timestamp",
            Always,
            Count,
            "Standard Webhooks: the seconds of this attempt.",
        ),
        (
            "webhook-signature",
            Always,
            Text,
            "Standard Webhooks: signatures, separated by spaces.",
        ),
    ]
};

fn described((name, presence, holds, about): Header) -> Value {
    let schema = match holds {
        Holds::Event => json!({ "$ref": "#/components/schemas/EventType" }),
        Holds::Count => json!({ "type": "integer", "minimum": 1 }),
        Holds::Text => json!({ "type": "string" }),
    };
    json!({
        "name": name,
        "in": "header",
        "required": presence == Presence::Always,
        "description": about,
        "schema": schema,
    })
}
