//! The fields that both forms have.

use destination::about::{Field, Input};

/// Fields of a new ticket.
pub(crate) const TEXTS: &str = "Text, labels and assignees";

pub(crate) const SYNC: Field = Field {
    name: "sync",
    label: "Direction",
    hint: "With both, an issue that is closed, opened again or labelled as taken does the same to its incident.",
    input: Input::Choice(&[("both", "Both ways"), ("out", "From OpsKnight to the issue only")]),
    default: "both",
    ..Field::LINE
};

pub(crate) const COMMENTS: Field = Field {
    name: "comments",
    label: "Comments",
    hint: "Whether comments of people come into the incident's timeline.",
    input: Input::Choice(&[("off", "Stay at the issue"), ("on", "Come into the timeline")]),
    default: "off",
    ..Field::LINE
};

pub(crate) const NOTES: Field = Field {
    name: "notes",
    label: "Notes",
    hint: "What is written to the issue as comments.",
    input: Input::Choice(&[
        ("escalations", "Escalations and changed assignees"),
        ("all", "Every event"),
        ("off", "Nothing"),
    ]),
    default: "escalations",
    ..Field::LINE
};

pub(crate) const ACKNOWLEDGED_LABEL: Field = Field {
    name: "acknowledgedLabel",
    label: "Label when acknowledged",
    hint: "A label that an acknowledged incident's issue gets, and that acknowledges the incident if a person puts it there. \
           Without one the issue stays as it is.",
    placeholder: "acknowledged",
    ..Field::LINE
};

pub(crate) const TITLE: Field = Field {
    name: "title",
    label: "Title",
    hint: "A template for the issue's title; what is too long is cut.",
    placeholder: "{{ incident.title }}",
    collapsed_group: TEXTS,
    ..Field::LINE
};

pub(crate) const DESCRIPTION: Field = Field {
    name: "description",
    label: "Description",
    hint: "A template for the issue's text in Markdown; {{ description }} stands for the incident's own.",
    placeholder: "{{ description }}",
    input: Input::Lines,
    collapsed_group: TEXTS,
    ..Field::LINE
};

pub(crate) const LABELS: Field = Field {
    name: "labels",
    label: "Labels",
    hint: "Labels beside opsknight, by which OpsKnight finds its issues, with commas between them; may be a template.",
    placeholder: "incident, {{ incident.service.name }}",
    collapsed_group: TEXTS,
    ..Field::LINE
};

pub(crate) const SEVERITY_LABELS: Field = Field {
    name: "severityLabels",
    label: "Labels of severities",
    hint: "A line for each severity whose issues get a label.",
    placeholder: "critical = severity: critical",
    input: Input::Lines,
    collapsed_group: TEXTS,
    ..Field::LINE
};

pub(crate) const ASSIGNEES: Field = Field {
    name: "assignees",
    label: "Assignees",
    hint: "A line for each person: the user's id or name here, and the user name over there.",
    placeholder: "Ada Lovelace = ada",
    input: Input::Lines,
    collapsed_group: TEXTS,
    ..Field::LINE
};
