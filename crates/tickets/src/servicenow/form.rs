//! How ServiceNow presents itself: its fields and how to get what they ask for.

use crate::workflow::comments::WRITTEN_NOTES;
use crate::workflow::headline;
use destination::about::{Confirmation, Field, Input, KindDescription, Signature, UrlField};

/// The form.
pub static ABOUT: KindDescription = KindDescription {
    kind: "servicenow",
    name: "ServiceNow",
    summary: "One ticket per incident in a ServiceNow table, kept in step with the incident both ways.",
    url: UrlField::Open {
        placeholder: "https://your-instance.service-now.com",
        hint: "The instance's own address, without anything behind it.",
    },
    fields: &[
        AUTH,
        ACCOUNT,
        PASSWORD,
        API_KEY,
        CLIENT_ID,
        CLIENT_SECRET,
        TABLE,
        SYNC,
        COMMENTS,
        headline::FIELD,
        NOTES,
        WRITTEN_NOTES,
        SUMMARY,
        DESCRIPTION,
        IMPACT,
        URGENCY,
        ASSIGNMENT_GROUP,
        ASSIGNEES,
        FIELDS,
        STATE_ACKNOWLEDGED,
        STATE_RESOLVED,
        STATE_REOPENED,
        STATES_NEW,
        STATES_DONE,
        CLOSE_CODE,
        CLOSE_NOTES,
        CLOSE_FIELDS,
    ],
    steps: &[
        "In the instance, make a user for OpsKnight alone, so that its changes are told from those of people, and let it \
         use web services only.",
        "Give that user the role itil, or another that may read, make and change records of your table.",
        "To have states, users and notes checked beforehand, let the user also read sys_choice, sys_dictionary, sys_user \
         and sys_journal_field.",
        "For a password, put the user's name into Account and its password into Password.",
        "For an API key, make an inbound authentication profile and a REST API key for that user, and put the key into \
         API key.",
        "For OAuth, make an endpoint for external clients under System OAuth, Application Registry, or since the release Zurich an \
         integration under Machine Identity Console, Inbound integrations, and put its client id and secret here.",
        "Save the webhook, let it check the settings, and send a test, which makes one ticket that is closed by hand.",
        "For changes in ServiceNow to reach OpsKnight at once, save the webhook. Its page then shows a business rule to \
         paste.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

/// Fields for other ways to sign in than by password.
const OTHER_SIGN_IN: &str = "API key and OAuth";

/// Fields of a new ticket.
const TEXTS: &str = "Text, impact, assignment and other fields";

/// Fields for tables whose states are not those of incident.
const STATES: &str = "States and closing";

const AUTH: Field = Field {
    name: "auth",
    label: "Sign in with",
    hint: "How OpsKnight proves who it is.",
    input: Input::Choice(&[
        ("basic", "Account and password"),
        ("api_key", "API key"),
        ("oauth_client", "OAuth, client credentials"),
        ("oauth_password", "OAuth, account and password"),
    ]),
    default: "basic",
    ..Field::LINE
};

const ACCOUNT: Field = Field {
    name: "account",
    label: "Account",
    hint: "The user name that OpsKnight works as. With a key or client, the user that it stands for: changes by that user \
           are then known as our own.",
    placeholder: "opsknight.integration",
    ..Field::LINE
};

const PASSWORD: Field = Field {
    name: "password",
    label: "Password",
    hint: "The account's password, for the ways to sign in that need one.",
    input: Input::Secret,
    ..Field::LINE
};

const API_KEY: Field = Field {
    name: "apiKey",
    label: "API key",
    hint: "The key of a REST API key record.",
    input: Input::Secret,
    collapsed_group: OTHER_SIGN_IN,
    ..Field::LINE
};

const CLIENT_ID: Field = Field {
    name: "clientId",
    label: "Client id",
    hint: "The client id of an OAuth endpoint in the Application Registry, which recent releases call Inbound integrations.",
    collapsed_group: OTHER_SIGN_IN,
    ..Field::LINE
};

const CLIENT_SECRET: Field = Field {
    name: "clientSecret",
    label: "Client secret",
    hint: "The client secret of that endpoint.",
    input: Input::Secret,
    collapsed_group: OTHER_SIGN_IN,
    ..Field::LINE
};

const TABLE: Field = Field {
    name: "table",
    label: "Table",
    hint: "The table that tickets are made in, by its name and not its label.",
    placeholder: "incident",
    default: "incident",
    ..Field::LINE
};

const SYNC: Field = Field {
    name: "sync",
    label: "Direction",
    hint: "With both, a ticket that is taken, closed or opened again in ServiceNow does the same to its incident.",
    input: Input::Choice(&[
        ("both", "Both ways"),
        ("out", "From OpsKnight to ServiceNow only"),
    ]),
    default: "both",
    ..Field::LINE
};

const COMMENTS: Field = Field {
    name: "comments",
    label: "Comments",
    hint: "Whether comments and work notes of people come into the incident's timeline.",
    input: Input::Choice(&[("off", "Stay in ServiceNow"), ("on", "Come into the timeline")]),
    default: "off",
    ..Field::LINE
};

const NOTES: Field = Field {
    name: "notes",
    label: "Work notes",
    hint: "What is written to the ticket beside its state.",
    input: Input::Choice(&[
        ("escalations", "Escalations and changed assignees"),
        ("all", "Every event"),
        ("off", "Nothing"),
    ]),
    default: "escalations",
    ..Field::LINE
};

const SUMMARY: Field = Field {
    name: "summary",
    label: "Short description",
    hint: "A template for the ticket's short description; what is longer than 160 characters is cut.",
    placeholder: "{{ incident.title }}",
    collapsed_group: TEXTS,
    ..Field::LINE
};

const DESCRIPTION: Field = Field {
    name: "description",
    label: "Description",
    hint: "A template for the ticket's description; {{ description }} stands for the incident's own.",
    placeholder: "{{ description }}",
    input: Input::Lines,
    collapsed_group: TEXTS,
    ..Field::LINE
};

const IMPACT: Field = Field {
    name: "impact",
    label: "Impact",
    hint: "A line for each severity that differs from 1, 2, 2 and 3 for critical, error, warning and info.",
    placeholder: "critical = 1",
    input: Input::Lines,
    collapsed_group: TEXTS,
    ..Field::LINE
};

const URGENCY: Field = Field {
    name: "urgency",
    label: "Urgency",
    hint: "A line for each severity that differs from 1, 2, 3 and 3 for critical, error, warning and info.",
    placeholder: "critical = 1",
    input: Input::Lines,
    collapsed_group: TEXTS,
    ..Field::LINE
};

const ASSIGNMENT_GROUP: Field = Field {
    name: "assignmentGroup",
    label: "Assignment group",
    hint: "The sys_id of a group, or its name; may be a template.",
    placeholder: "Service Desk",
    collapsed_group: TEXTS,
    ..Field::LINE
};

const ASSIGNEES: Field = Field {
    name: "assignees",
    label: "Assignees",
    hint: "A line for each person: the user's id or name here, and the user name or sys_id over there.",
    placeholder: "Ada Lovelace = ada.lovelace",
    input: Input::Lines,
    collapsed_group: TEXTS,
    ..Field::LINE
};

const FIELDS: Field = Field {
    name: "fields",
    label: "Fields",
    hint: "A line for each further field of a new ticket: its name in the table, and a template for its value.",
    placeholder: "category = network",
    input: Input::Lines,
    collapsed_group: TEXTS,
    ..Field::LINE
};

const STATE_ACKNOWLEDGED: Field = Field {
    name: "stateAcknowledged",
    label: "State when acknowledged",
    hint: "The value of the state that an acknowledged incident's ticket takes. Like the next five, if it is empty, what the \
           table comes with: for incident, problem, change_request, requests and their tasks.",
    placeholder: "2",
    collapsed_group: STATES,
    ..Field::LINE
};

const STATE_RESOLVED: Field = Field {
    name: "stateResolved",
    label: "State when resolved",
    hint: "The value of the state that a resolved incident's ticket takes.",
    placeholder: "6",
    collapsed_group: STATES,
    ..Field::LINE
};

const STATE_REOPENED: Field = Field {
    name: "stateReopened",
    label: "State when reopened",
    hint: "The value of the state that a reopened incident's ticket takes.",
    placeholder: "2",
    collapsed_group: STATES,
    ..Field::LINE
};

const STATES_NEW: Field = Field {
    name: "statesNew",
    label: "New states",
    hint: "The values of the states in which nobody has taken a ticket, with commas between them.",
    placeholder: "1",
    collapsed_group: STATES,
    ..Field::LINE
};

const STATES_DONE: Field = Field {
    name: "statesDone",
    label: "Done states",
    hint: "The values of the states in which a ticket is over; every other state is work in progress.",
    placeholder: "6,7,8",
    collapsed_group: STATES,
    ..Field::LINE
};

const CLOSE_CODE: Field = Field {
    name: "closeCode",
    label: "Close code",
    hint: "What a resolved ticket is closed with, in close_code or, in the table problem, in resolution_code; the codes differ \
           between instances. A - sets none.",
    placeholder: "Solution provided",
    collapsed_group: STATES,
    ..Field::LINE
};

const CLOSE_NOTES: Field = Field {
    name: "closeNotes",
    label: "Close notes",
    hint: "A template for what a resolved ticket is closed with.",
    placeholder: "Resolved in OpsKnight by {{ actor }}.",
    input: Input::Lines,
    collapsed_group: STATES,
    ..Field::LINE
};

const CLOSE_FIELDS: Field = Field {
    name: "closeFields",
    label: "Closing fields",
    hint: "A line for each further field that a resolved ticket is closed with: its name in the table, and a template for its \
           value.",
    placeholder: "u_root_cause = unknown",
    input: Input::Lines,
    collapsed_group: STATES,
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
