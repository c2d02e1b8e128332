//! What a ServiceNow webhook's settings mean, with what holds where they say nothing.

use crate::servicenow::tables::life;
use destination::mapping;
use destination::task::Target;
use model::incident::Severity;
use model::ticket::TicketPhase;

/// What stands for a code that is not set.
const NO_CODE: &str = "-";
/// The fields that we set ourselves so that our tickets are found again: no setting may name them.
pub(super) const OUR_FIELDS: [&str; 2] = ["correlation_id", "correlation_display"];
/// The longest name of a table or field.
const MAX_NAME_BYTES: usize = 80;
/// A sys_id is a UUID without its dashes.
const SYS_ID_BYTES: usize = 32;

/// How we prove who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auth {
    /// Account and password.
    Basic,
    /// A key in a header.
    ApiKey,
    /// OAuth for the client alone.
    OauthClient,
    /// OAuth for an account with its password.
    OauthPassword,
}

impl Auth {
    /// The way that a target chose.
    pub(super) fn of(target: &Target) -> Self {
        match target.option("auth") {
            "api_key" => Self::ApiKey,
            "oauth_client" => Self::OauthClient,
            "oauth_password" => Self::OauthPassword,
            _ => Self::Basic,
        }
    }

    /// Whether it takes a token that is handed out for a while.
    pub(super) fn takes_token(self) -> bool {
        match self {
            Self::OauthClient | Self::OauthPassword => true,
            Self::Basic | Self::ApiKey => false,
        }
    }
}

/// An option, or what holds if it is left empty.
pub(super) fn option_or<'a>(target: &'a Target, name: &str, default: &'a str) -> &'a str {
    match target.option(name).trim() {
        "" => default,
        value => value,
    }
}

/// The table that tickets are made in.
pub(super) fn table(target: &Target) -> &str {
    option_or(target, "table", "incident")
}

/// The account that changes are made with; empty if it is not known.
pub(super) fn account(target: &Target) -> &str {
    target.option("account").trim()
}

/// The rate limit that requests count against: ServiceNow counts per user.
pub(super) fn bucket(target: &Target) -> String {
    let host = target.url.host_str().unwrap_or_default();
    let who = match (account(target), target.option("clientId").trim()) {
        ("", "") => "key",
        ("", client) => client,
        (account, _) => account,
    };
    format!("servicenow:{host}:{who}")
}

/// The impact and urgency of a severity.
pub(super) fn impact_and_urgency(target: &Target, severity: Severity) -> (&str, &str) {
    let (impact, urgency) = match severity {
        Severity::Critical => ("1", "1"),
        Severity::Error => ("2", "2"),
        Severity::Warning => ("2", "3"),
        Severity::Info => ("3", "3"),
    };
    let chosen = |name, default| mapping::value(target.option(name), severity.as_str()).unwrap_or(default);
    (chosen("impact", impact), chosen("urgency", urgency))
}

/// The state that stands for a phase when we move a ticket there.
pub(super) fn state_for(target: &Target, goal: TicketPhase) -> &str {
    let life = life(table(target));
    match goal {
        TicketPhase::New => option_or(target, "stateReopened", life.reopened),
        TicketPhase::InProgress => option_or(target, "stateAcknowledged", life.acknowledged),
        TicketPhase::Done => option_or(target, "stateResolved", life.resolved),
    }
}

/// The phase that a state stands for.
pub(super) fn phase(target: &Target, state: &str) -> TicketPhase {
    let is_among = |list: &str| list.split(',').any(|known| known.trim() == state);
    if is_among(states_done(target)) {
        TicketPhase::Done
    } else if is_among(states_new(target)) {
        TicketPhase::New
    } else {
        TicketPhase::InProgress
    }
}

/// The states in which a ticket is over, with commas between them.
pub(super) fn states_done(target: &Target) -> &str {
    option_or(target, "statesDone", life(table(target)).done)
}

/// The states in which nobody has taken a ticket, with commas between them.
pub(super) fn states_new(target: &Target) -> &str {
    option_or(target, "statesNew", life(table(target)).new)
}

/// The field that says how a ticket ended, and what it says; nothing if there is none, or if it is left alone.
pub(super) fn close_code(target: &Target) -> Option<(&'static str, &str)> {
    let life = life(table(target));
    let code = option_or(target, "closeCode", life.code);
    (!life.code_field.is_empty() && !code.is_empty() && code != NO_CODE).then_some((life.code_field, code))
}

/// The further fields that a closing sets, with their templates.
pub(super) fn close_fields(target: &Target) -> impl Iterator<Item = (&str, &str)> {
    let own = mapping::entries(target.option("closeFields")).take(mapping::MAX_LINES);
    own.filter(|(name, _)| is_name(name) && !OUR_FIELDS.contains(name) && *name != "state")
}

/// What is told in work notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notes {
    /// Escalations and changed assignees.
    Escalations,
    /// Every event.
    All,
    /// Nothing.
    Off,
}

impl Notes {
    /// What a target chose.
    pub(super) fn of(target: &Target) -> Self {
        match target.option("notes") {
            "all" => Self::All,
            "off" => Self::Off,
            _ => Self::Escalations,
        }
    }
}

/// Whether a text can be the name of a table or field.
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_part)
}

/// Whether a text is the id of a record.
pub(super) fn is_sys_id(text: &str) -> bool {
    text.len() == SYS_ID_BYTES && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
