//! How GitLab presents itself: its fields and how to get what they ask for.

use crate::forge::form::{
    ACKNOWLEDGED_LABEL, ASSIGNEES, COMMENTS, DESCRIPTION, LABELS, NOTES, SEVERITY_LABELS, SYNC, TEXTS, TITLE,
};
use crate::workflow::comments::WRITTEN_NOTES;
use crate::workflow::headline;
use destination::about::{
    CLOCK, Confirmation, Field, Input, KindDescription, Signature, TIME_ZONE, UrlField,
};

/// The form.
pub static ABOUT: KindDescription = KindDescription {
    kind: "gitlab",
    name: "GitLab issues",
    summary: "One issue per incident in a GitLab project, kept in step with the incident both ways.",
    url: UrlField::Open {
        placeholder: "https://gitlab.com/group/project",
        hint: "The project's page, on gitlab.com or on a GitLab of your own.",
    },
    fields: &[
        TOKEN,
        SYNC,
        COMMENTS,
        headline::FIELD,
        NOTES,
        WRITTEN_NOTES,
        NOTE_VISIBILITY,
        ACKNOWLEDGED_LABEL,
        BASE_PATH,
        TITLE,
        DESCRIPTION,
        LABELS,
        SEVERITY_LABELS,
        ASSIGNEES,
        CONFIDENTIAL,
        TIME_ZONE,
        CLOCK,
    ],
    steps: &[
        "In the project, open Settings, Access tokens, and add a token with the role Planner or Reporter and the scope api: it \
         comes with a user of its own, so that its changes are told from those of people.",
        "Put the token into Token and the project's page into URL.",
        "Save the webhook, let it check the settings, and send a test, which makes one issue that is closed by hand.",
        "For changes in GitLab to reach OpsKnight at once, follow what the webhook's page then shows: a webhook of the \
         project that calls {callback}.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

const TOKEN: Field = Field {
    name: "token",
    label: "Token",
    hint: "A project, group or personal access token with the scope api.",
    placeholder: "glpat-…",
    input: Input::Secret,
    ..Field::LINE
};

const NOTE_VISIBILITY: Field = Field {
    name: "noteVisibility",
    label: "Who sees notes",
    hint: "Internal notes are seen by members of the project with the role Planner, Reporter or higher only.",
    input: Input::Choice(&[
        ("public", "Whoever sees the issue"),
        ("internal", "Members: internal notes"),
    ]),
    default: "public",
    ..Field::LINE
};

const BASE_PATH: Field = Field {
    name: "basePath",
    label: "Path of GitLab",
    hint: "For a GitLab that is not at the root of its host: the path before the project's groups.",
    placeholder: "/gitlab",
    ..Field::LINE
};

const CONFIDENTIAL: Field = Field {
    name: "confidential",
    label: "Confidential",
    hint: "Whether issues are confidential: seen by members of the project only.",
    input: Input::Choice(&[("off", "No"), ("on", "Yes")]),
    default: "off",
    collapsed_group: TEXTS,
    ..Field::LINE
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hint_and_step_is_a_sentence() {
        let hints = ABOUT.fields.iter().map(|field| field.hint);
        let mut sentences = hints.chain(ABOUT.steps.iter().copied());
        assert!(sentences.all(|text| text.starts_with(char::is_uppercase) && text.ends_with('.')));
    }
}
