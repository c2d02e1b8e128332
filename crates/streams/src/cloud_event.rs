//! An event as a CloudEvent (1.0): its attributes, and the envelope of its JSON format.

use serde_json::Value;
use serde_json::value::RawValue;

use destination::task::Task;
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// The attribute that says what the data is.
pub(crate) const CONTENT_TYPE: &str = "datacontenttype";

/// What CloudEvents say of an event, all of it ASCII.
pub(crate) fn attributes(task: &Task<'_>) -> Vec<(&'static str, String)> {
    let event = task.event;
    let service = event.incident().map(|incident| incident.service.id);
    let source = service.map_or_else(
        || "/opsknight".to_owned(),
        |service| format!("/opsknight/services/{service}"),
    );
    vec![
        ("specversion", "1.0".to_owned()),
        ("id", event.id.to_string()),
        ("source", source),
        ("type", format!("com.opsknight.{}", event.event_type().as_str())),
        ("subject", event.incident_id.to_string()),
        ("time", event.at.to_rfc3339_seconds()),
        (CONTENT_TYPE, "application/json".to_owned()),
    ]
}

/// The envelope, with the event's own bytes in it.
pub(crate) fn envelope(task: &Task<'_>) -> Result<String, Failure> {
    let unreadable = || {
        let failure = Failure::new(FailureCode::RequestInvalid, "the event's body is no JSON");
        failure.with(Disposition::Permanent)
    };
    let data: &RawValue = serde_json::from_slice(&task.event.body).map_err(|_| unreadable())?;
    let envelope: serde_json::Map<String, Value> = attributes(task)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let envelope = Value::Object(envelope).to_string();
    let head = envelope.strip_suffix('}').ok_or_else(unreadable)?;
    Ok(format!("{head},\"data\":{data}}}"))
}
