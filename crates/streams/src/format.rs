//! How an event is written in a message: as every receiver of the default format gets it, or as a CloudEvent (1.0) in either of
//! its modes.

use crate::cloud_event::{CONTENT_TYPE, attributes, envelope};
use destination::about::{Field, Input};
use destination::task::Task;
use model::attempt::Failure;

/// The field that chooses.
pub(crate) const FORMAT: Field = Field {
    name: "format",
    label: "Format",
    hint: "The event's JSON is the same in each.",
    input: Input::Choice(&[
        ("opsknight", "OpsKnight's own JSON"),
        (
            "cloudevents",
            "CloudEvents 1.0, structured: the JSON in an envelope",
        ),
        (
            "cloudevents_binary",
            "CloudEvents 1.0, binary: the attributes in headers",
        ),
    ]),
    default: "opsknight",
    collapsed_group: "More",
    ..Field::LINE
};

/// A message's body, and what is said of it.
pub(crate) struct Formatted {
    pub(crate) content_type: &'static str,
    /// For its headers.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// How a protocol's binding has the attributes of a CloudEvent stand in headers.
#[derive(Clone, Copy)]
pub(crate) struct Binding {
    /// Begins their names.
    pub(crate) prefix: &'static str,
    /// Whether messages of the protocol have a content type of their own, so that no attribute says it.
    pub(crate) has_content_type: bool,
}

/// The event of a task as the webhook wants it.
pub(crate) fn format(task: &Task<'_>, binding: Binding) -> Result<Formatted, Failure> {
    let body = task.event.body.to_vec();
    Ok(match task.target.option(FORMAT.name) {
        "cloudevents" => Formatted {
            content_type: "application/cloudevents+json; charset=UTF-8",
            attributes: Vec::new(),
            body: envelope(task)?.into_bytes(),
        },
        "cloudevents_binary" => Formatted {
            content_type: "application/json",
            attributes: attributes(task)
                .into_iter()
                .filter(|(name, _)| !(binding.has_content_type && *name == CONTENT_TYPE))
                .map(|(name, value)| (format!("{}{name}", binding.prefix), value))
                .collect(),
            body,
        },
        _ => Formatted {
            content_type: "application/json",
            attributes: Vec::new(),
            body,
        },
    })
}
