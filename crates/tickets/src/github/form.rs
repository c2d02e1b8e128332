//! How GitHub presents itself: its fields and how to get what they ask for.

use crate::forge::form::{
    ACKNOWLEDGED_LABEL, ASSIGNEES, COMMENTS, DESCRIPTION, LABELS, NOTES, SEVERITY_LABELS, SYNC, TITLE,
};
use crate::workflow::comments::WRITTEN_NOTES;
use crate::workflow::headline;
use destination::about::{
    CLOCK, Confirmation, Field, Input, KindDescription, Signature, TIME_ZONE, UrlField,
};

/// The form.
pub static ABOUT: KindDescription = KindDescription {
    kind: "github",
    name: "GitHub Issues",
    summary: "One issue per incident in a GitHub repository, kept in step with the incident both ways.",
    url: UrlField::Open {
        placeholder: "https://github.com/owner/repository",
        hint: "The repository's page, on github.com or on GitHub Enterprise.",
    },
    fields: &[
        TOKEN,
        SYNC,
        COMMENTS,
        headline::FIELD,
        NOTES,
        WRITTEN_NOTES,
        ACKNOWLEDGED_LABEL,
        TITLE,
        DESCRIPTION,
        LABELS,
        SEVERITY_LABELS,
        ASSIGNEES,
        TIME_ZONE,
        CLOCK,
    ],
    steps: &[
        "In GitHub, make a user for OpsKnight alone, so that its changes are told from those of people, and give it the role \
         Triage or Write in the repository.",
        "Signed in as that user, open Settings, Developer settings, Personal access tokens, and generate a fine-grained token \
         for the repository with the permission Issues: Read and write.",
        "Put the token into Token and the repository's page into URL.",
        "Save the webhook, let it check the settings, and send a test, which makes one issue that is closed by hand.",
        "For changes in GitHub to reach OpsKnight at once, follow what the webhook's page then shows: a webhook of the \
         repository that calls {callback}.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

const TOKEN: Field = Field {
    name: "token",
    label: "Token",
    hint: "A fine-grained token with Issues: Read and write, or a classic one with the scope repo.",
    placeholder: "github_pat_…",
    input: Input::Secret,
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
