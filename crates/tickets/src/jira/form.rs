//! What Jira's form asks for, and how to get it.

use crate::workflow::comments::WRITTEN_NOTES;
use crate::workflow::headline;
use destination::about::{
    CLOCK, Confirmation, Field, Input, KindDescription, Need, Signature, TIME_ZONE, UrlField,
};

/// Jira, as people see it.
pub static ABOUT: KindDescription = KindDescription {
    kind: "jira",
    name: "Jira",
    summary: "One ticket per incident in a Jira project, on Cloud or Data Center; it follows the incident, and the \
              incident follows it.",
    url: UrlField::Open {
        placeholder: "https://example.atlassian.net",
        hint: "The address of your Jira, without anything behind it. Credentials with scopes of their own on Cloud \
               need https://api.atlassian.com/ex/jira/ and the cloud id instead; service accounts have only such.",
    },
    fields: &[
        EDITION,
        AUTH,
        ACCOUNT,
        TOKEN,
        CLIENT_ID,
        CLIENT_SECRET,
        TOKEN_URL,
        SITE,
        PROJECT,
        ISSUE_TYPE,
        SYNC,
        COMMENTS,
        headline::FIELD,
        NOTES,
        WRITTEN_NOTES,
        NOTE_VISIBILITY,
        SUMMARY,
        DESCRIPTION,
        LABELS,
        COMPONENTS,
        PRIORITY,
        FIELDS,
        ASSIGNEES,
        STATUS_ACKNOWLEDGED,
        STATUS_RESOLVED,
        STATUS_REOPENED,
        RESOLUTION,
        TRANSITION_FIELDS,
        TIME_ZONE,
        CLOCK,
    ],
    steps: &[
        "Make an account in Jira for OpsKnight alone, so that its changes can be told from those of people.",
        "In the project, give that account the permissions Browse Projects, Create Issues, Edit Issues, Transition \
         Issues, Add Comments, Link Issues and Assign Issues.",
        "On Cloud, sign in as that account, open https://id.atlassian.com/manage-profile/security/api-tokens, create an \
         API token without scopes, and fill in the account's email address and the token. It ends after a year at the latest.",
        "A token with scopes, the only sort that service accounts have, needs https://api.atlassian.com/ex/jira/ and the cloud \
         id as the address, and the address that people open under Site.",
        "On Data Center, sign in as that account, create a personal access token in its profile, and choose Access \
         token under Sign-in.",
        "A service account of Cloud with OAuth 2.0 has a client id and a client secret instead; it needs the scopes \
         read:jira-work, write:jira-work and read:jira-user.",
        "Put the field Labels on the project's create screen: tickets are found again by a label.",
        "For changes in Jira to reach OpsKnight at once, save the webhook. Its page then shows what to fill in under \
         System, WebHooks in Jira's administration.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};

/// Fields that most people need not fill in: how Jira is reached.
const OAUTH: &str = "OAuth 2.0 and the address people use";

/// Fields of a new ticket.
const TEXTS: &str = "Text, labels, priority and other fields";

/// Fields for what happens to a ticket later.
const PEOPLE: &str = "Assignees and transitions";

const EDITION: Field = Field {
    name: "edition",
    label: "Edition",
    hint: "Cloud runs at Atlassian, Data Center on servers of your own.",
    input: Input::Choice(&[("cloud", "Cloud"), ("data_center", "Data Center")]),
    default: "cloud",
    ..Field::LINE
};

const AUTH: Field = Field {
    name: "auth",
    label: "Sign-in",
    hint: "How OpsKnight proves to Jira who it is.",
    input: Input::Choice(&[
        ("basic", "Account and token"),
        ("bearer", "Access token"),
        ("oauth", "OAuth 2.0 client credentials"),
    ]),
    default: "basic",
    ..Field::LINE
};

const ACCOUNT: Field = Field {
    name: "account",
    label: "Account",
    hint: "The account's email address on Cloud, its user name on Data Center. Needed with Account and token only.",
    placeholder: "opsknight@example.com",
    ..Field::LINE
};

const TOKEN: Field = Field {
    name: "token",
    label: "Token",
    hint: "An API token on Cloud; a personal access token or a password on Data Center.",
    input: Input::Secret,
    ..Field::LINE
};

const CLIENT_ID: Field = Field {
    name: "clientId",
    label: "Client id",
    hint: "For OAuth 2.0 only.",
    collapsed_group: OAUTH,
    ..Field::LINE
};

const CLIENT_SECRET: Field = Field {
    name: "clientSecret",
    label: "Client secret",
    hint: "For OAuth 2.0 only.",
    input: Input::Secret,
    collapsed_group: OAUTH,
    ..Field::LINE
};

const TOKEN_URL: Field = Field {
    name: "tokenUrl",
    label: "Token address",
    hint: "For OAuth 2.0 only: the address that hands out access tokens, if it is not Atlassian's own.",
    placeholder: super::token::DEFAULT_URL,
    default: super::token::DEFAULT_URL,
    input: Input::Url,
    collapsed_group: OAUTH,
    ..Field::LINE
};

const SITE: Field = Field {
    name: "site",
    label: "Site",
    hint: "The address under which people open Jira, if it is not the one above.",
    placeholder: "https://example.atlassian.net",
    collapsed_group: OAUTH,
    ..Field::LINE
};

const PROJECT: Field = Field {
    name: "project",
    label: "Project",
    hint: "The project's key: what stands before the number of its tickets.",
    placeholder: "OPS",
    need: Need::Required,
    ..Field::LINE
};

const ISSUE_TYPE: Field = Field {
    name: "issueType",
    label: "Issue type",
    hint: "Its name or id.",
    placeholder: "Task",
    default: "Task",
    ..Field::LINE
};

const SYNC: Field = Field {
    name: "sync",
    label: "Direction",
    hint: "With both, a ticket that is taken, closed or opened again in Jira does the same to its incident.",
    input: Input::Choice(&[("both", "Both ways"), ("out", "From OpsKnight to Jira only")]),
    default: "both",
    ..Field::LINE
};

const COMMENTS: Field = Field {
    name: "comments",
    label: "Comments",
    hint: "Whether what people write to a ticket comes into the incident's timeline.",
    input: Input::Choice(&[("off", "Stay in Jira"), ("on", "Come into the timeline")]),
    default: "off",
    ..Field::LINE
};

const NOTES: Field = Field {
    name: "notes",
    label: "Notes",
    hint: "What is written to a ticket as a comment.",
    input: Input::Choice(&[
        ("escalations", "Escalations and who has it"),
        ("all", "Every event"),
        ("off", "Nothing"),
    ]),
    default: "escalations",
    ..Field::LINE
};

const NOTE_VISIBILITY: Field = Field {
    name: "noteVisibility",
    label: "Notes in service projects",
    hint: "Who sees these comments in a project of Jira Service Management: its agents alone, or its customers too.",
    input: Input::Choice(&[("internal", "Agents only"), ("public", "Customers too")]),
    default: "internal",
    ..Field::LINE
};

const SUMMARY: Field = Field {
    name: "summary",
    label: "Summary",
    hint: "A template for the ticket's summary. The incident's title if it is empty.",
    placeholder: "{{ incident.service.name }}: {{ incident.title }}",
    collapsed_group: TEXTS,
    ..Field::LINE
};

const DESCRIPTION: Field = Field {
    name: "description",
    label: "Description",
    hint: "A template for the ticket's description, in Jira's wiki markup. Values in it have no markup of their own. \
           Beside the usual values it knows description and assignee, as they are now.",
    placeholder: "*{{ incident.severity }}* in {{ incident.service.name }}\n\n{{ description }}",
    input: Input::Lines,
    collapsed_group: TEXTS,
    ..Field::LINE
};

const LABELS: Field = Field {
    name: "labels",
    label: "Labels",
    hint: "A template for labels beside OpsKnight's own, with spaces between them.",
    placeholder: "incident {{ incident.severity }}",
    collapsed_group: TEXTS,
    ..Field::LINE
};

const COMPONENTS: Field = Field {
    name: "components",
    label: "Components",
    hint: "A template for the names of components, with commas between them.",
    placeholder: "Network",
    collapsed_group: TEXTS,
    ..Field::LINE
};

const PRIORITY: Field = Field {
    name: "priority",
    label: "Priorities",
    hint: "A line for each severity, with the priority's name or id. No priority is set for a severity without a line.",
    placeholder: "critical = Highest\nerror = High",
    input: Input::Lines,
    collapsed_group: TEXTS,
    ..Field::LINE
};

const FIELDS: Field = Field {
    name: "fields",
    label: "Other fields",
    hint: "A line for each field: its id and a template. What is written here as an object, a list, a number, true or false is \
           sent as such, anything else as text; quotes around it make it text in any case. What people wrote, such as a title, \
           is always text.",
    placeholder: "customfield_10050 = {\"value\": \"Production\"}",
    input: Input::Lines,
    collapsed_group: TEXTS,
    ..Field::LINE
};

const ASSIGNEES: Field = Field {
    name: "assignees",
    label: "Assignees",
    hint: "A line for each person: the id or name here, and the account id on Cloud or the user name on Data Center. \
           Nobody else is assigned.",
    placeholder: "Ada Lovelace = 5b10ac8d82e05b22cc7d4ef5",
    input: Input::Lines,
    collapsed_group: PEOPLE,
    ..Field::LINE
};

const STATUS_ACKNOWLEDGED: Field = Field {
    name: "statusAcknowledged",
    label: "Status when acknowledged",
    hint: "The status that an acknowledged incident's ticket takes, or the transition that leads there, by name or id. If it is \
           empty, any status of the category In Progress.",
    placeholder: "In Progress",
    collapsed_group: PEOPLE,
    ..Field::LINE
};

const STATUS_RESOLVED: Field = Field {
    name: "statusResolved",
    label: "Status when resolved",
    hint: "The same for a resolved incident. If it is empty, a status of the category Done: by its name, and by where other \
           tickets of the project ended; Check connection shows which.",
    placeholder: "Resolved",
    collapsed_group: PEOPLE,
    ..Field::LINE
};

const STATUS_REOPENED: Field = Field {
    name: "statusReopened",
    label: "Status when reopened",
    hint: "The same for a reopened incident. If it is empty, a status of the category To Do, or else of In Progress.",
    placeholder: "To Do",
    collapsed_group: PEOPLE,
    ..Field::LINE
};

const RESOLUTION: Field = Field {
    name: "resolution",
    label: "Resolution",
    hint: "What is filled in where a transition asks for a resolution.",
    placeholder: "Done",
    default: "Done",
    collapsed_group: PEOPLE,
    ..Field::LINE
};

const TRANSITION_FIELDS: Field = Field {
    name: "transitionFields",
    label: "Fields of transitions",
    hint: "A line for each other field that a transition asks for: its id or name, and what to fill in.",
    placeholder: "customfield_10061 = Closed by OpsKnight",
    input: Input::Lines,
    collapsed_group: PEOPLE,
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
