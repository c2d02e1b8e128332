//! What was read of the instance, in sentences.

use crate::servicenow::check::NEEDED;
use crate::servicenow::record::Record;
use crate::servicenow::settings::{Auth, account, close_code, state_for, table};
use destination::task::Target;
use destination::text::{Unit, cut, one_line};
use destination::ticketing::Finding;
use model::ticket::TicketPhase;

/// The fields that hold something in every record.
const FILLED: [&str; 5] = ["sys_id", "number", "state", "sys_updated_on", "sys_updated_by"];
/// The fields that we fill, or that the instance fills by itself.
const ANSWERED: [&str; 9] = [
    "short_description",
    "description",
    "impact",
    "urgency",
    "number",
    "state",
    "priority",
    "correlation_id",
    "correlation_display",
];
/// The most names that one sentence lists.
const MAX_LISTED: usize = 12;
/// The longest of them, in characters.
const MAX_NAME: usize = 60;

/// What a record of the table tells of the fields that may be read.
pub(super) fn of_record(target: &Target, record: Option<&Record>) -> Vec<Finding> {
    let table = table(target);
    let seen = Finding::good(format!(
        "the credentials are accepted, and the table {table} may be read"
    ));
    let Some(record) = record else {
        let sentence = format!(
            "the table {table} shows no record to this account: either it is empty, or a role to read it is missing"
        );
        return vec![
            Finding::good("the credentials are accepted"),
            Finding::unsure(sentence),
        ];
    };
    let is_missing = |field: &&str| {
        let is_filled = FILLED.contains(field);
        if is_filled {
            record.value(field).is_empty()
        } else {
            !record.has(field)
        }
    };
    let missing: Vec<_> = NEEDED.into_iter().filter(is_missing).collect();
    if missing.is_empty() {
        return vec![seen, Finding::good("every field that is needed may be read")];
    }
    let sentence = format!(
        "these fields of {table} may not be read or do not exist: {}; give this account a role that may read them",
        missing.join(", ")
    );
    vec![seen, Finding::bad(sentence)]
}

/// What the latest record that we made tells of our mark: that a field may be read says nothing of whether it may be written.
pub(super) fn of_mark(target: &Target, record: Option<&Record>) -> Finding {
    let account = account(target);
    let is_ours = |record: &&Record| account.is_empty() || record.value("sys_created_by") == account;
    match record.filter(is_ours) {
        Some(record) if record.value("correlation_id").is_empty() => Finding::bad(format!(
            "{} was made without the mark by which tickets are found again: this account may not write correlation_id; \
             give it a role that may, or a ticket whose making gets no answer has to be looked for by hand",
            short(record.value("number"))
        )),
        Some(record) => Finding::good(format!(
            "the mark by which tickets are found again may be written: {} carries it",
            short(record.value("number"))
        )),
        None => Finding::unsure(
            "whether the mark by which tickets are found again may be written is seen once there is a ticket: press Send \
             Test, then check again",
        ),
    }
}

/// What the user table tells of our account.
pub(super) fn of_account(target: &Target, records: &[Record]) -> Finding {
    let account = account(target);
    let is_it = |record: &&Record| record.value("user_name") == account;
    match records.iter().find(is_it) {
        Some(record) if record.value("active") == "false" => Finding::bad(format!(
            "the user {account} is not active: activate it, or name another account"
        )),
        Some(record) => Finding::good(format!(
            "tickets are made by {} ({account})",
            short(record.shown("name"))
        )),
        None => Finding::unsure(format!(
            "whether there is a user {account} cannot be read: the name has to be right, as our own changes are known by it"
        )),
    }
}

/// What the choices tell of the states and the close code.
pub(super) fn of_choices(target: &Target, records: &[Record]) -> Vec<Finding> {
    let values = |element: &str| {
        let of = |name: &str| {
            let chosen = records
                .iter()
                .filter(|record| record.value("name") == name && record.value("element") == element);
            chosen.map(|record| record.value("value")).collect::<Vec<_>>()
        };
        let own = of(table(target));
        if own.is_empty() { of("task") } else { own }
    };
    let code = close_code(target).map(|(field, code)| of_close_code(code, &values(field)));
    code.into_iter()
        .chain([of_states(target, &values("state"))])
        .collect()
}

fn of_close_code(code: &str, known: &[&str]) -> Finding {
    if known.is_empty() {
        return Finding::unsure(format!(
            "whether {code:?} is a close code cannot be read: close a test ticket to see it"
        ));
    }
    match known.contains(&code) {
        true => Finding::good(format!("{code:?} is a close code of this table")),
        false => Finding::bad(format!(
            "{code:?} is no close code of this table; set Close code to one of: {}",
            list(known)
        )),
    }
}

fn of_states(target: &Target, known: &[&str]) -> Finding {
    if known.is_empty() {
        return Finding::unsure("whether the states in the settings exist cannot be read");
    }
    let mut wrong: Vec<_> = TicketPhase::ALL
        .iter()
        .map(|phase| state_for(target, *phase))
        .filter(|state| !known.contains(state))
        .collect();
    wrong.dedup();
    match wrong.is_empty() {
        true => Finding::good("the states that tickets are moved to exist"),
        false => Finding::bad(format!(
            "these states do not exist in this table: {}; it has {}",
            list(&wrong),
            list(known)
        )),
    }
}

/// What the dictionary tells of the fields that the settings set, and of those that must be set.
pub(super) fn of_fields(target: &Target, own: &[&str], records: &[Record]) -> Vec<Finding> {
    if records.is_empty() {
        return vec![Finding::unsure(
            "which fields are mandatory or exist cannot be read: a test ticket shows whether one is missing",
        )];
    }
    let exists = |field: &&&str| records.iter().any(|record| record.value("element") == **field);
    let wrong: Vec<_> = own.iter().filter(|field| !exists(field)).copied().collect();
    let is_mandatory = |record: &&Record| record.value("mandatory") == "true";
    let has_group = !target.option("assignmentGroup").trim().is_empty();
    let is_answered = |field: &str| {
        let is_group = has_group && field == "assignment_group";
        field.starts_with("sys_") || ANSWERED.contains(&field) || own.contains(&field) || is_group
    };
    let mandatory = records
        .iter()
        .filter(is_mandatory)
        .map(|record| record.value("element"));
    let mut open: Vec<_> = mandatory
        .filter(|field| !field.is_empty() && !is_answered(field))
        .collect();
    open.sort_unstable();
    open.dedup();
    let wrong = (!wrong.is_empty()).then(|| no_such_fields(target, &wrong));
    let open = (!open.is_empty()).then(|| {
        Finding::unsure(format!(
            "these fields are mandatory and not set under Fields: {}",
            list(&open)
        ))
    });
    let findings: Vec<_> = wrong.into_iter().chain(open).collect();
    match findings.is_empty() {
        true => vec![Finding::good(
            "every field that is set exists, and none that is mandatory is left out",
        )],
        false => findings,
    }
}

fn no_such_fields(target: &Target, wrong: &[&str]) -> Finding {
    let sentence = format!("the table {} has no such fields: {}", table(target), list(wrong));
    // Other tables may have them from a table that they extend and that was not looked at.
    match table(target) {
        "incident" => Finding::bad(sentence),
        _ => Finding::unsure(sentence),
    }
}

/// What the user table tells of those whom tickets are assigned to.
pub(super) fn of_users(named: &[&str], records: &[Record]) -> Finding {
    if records.is_empty() {
        return Finding::unsure(format!(
            "none of these users under Assignees was found: {}; they do not exist, or this account may not see users",
            list(named)
        ));
    }
    let is_known = |user: &&&str| {
        let is_it = |record: &Record| {
            record.value("sys_id") == **user || record.value("user_name").eq_ignore_ascii_case(user)
        };
        records
            .iter()
            .any(|record| is_it(record) && record.value("active") != "false")
    };
    let wrong: Vec<_> = named.iter().filter(|user| !is_known(user)).copied().collect();
    match wrong.is_empty() {
        true => Finding::good("the users under Assignees exist"),
        false => Finding::bad(format!(
            "these users under Assignees do not exist or are not active: {}",
            list(&wrong)
        )),
    }
}

/// What the group table tells of the assignment group.
pub(super) fn of_group(target: &Target, records: &[Record]) -> Finding {
    let group = target.option("assignmentGroup").trim();
    let is_it = |record: &&Record| [record.value("sys_id"), record.value("name")].contains(&group);
    match records.iter().find(is_it) {
        Some(record) => Finding::good(format!("the assignment group is {}", short(record.value("name")))),
        None => Finding::unsure(format!(
            "the assignment group {group:?} does not exist, or this account may not see it"
        )),
    }
}

/// Whether the journal may be read.
pub(super) fn of_journal(records: &[Record]) -> Finding {
    match records.iter().any(|record| !record.value("value").is_empty()) {
        true => Finding::good("work notes may be read"),
        false => Finding::unsure(
            "the journal (sys_journal_field) shows nothing to this account yet: if it may not read it, comments of people \
             do not come here, and a note whose answer was lost may be written twice",
        ),
    }
}

/// What nobody can know before it is tried.
pub(super) fn of_settings(target: &Target) -> Vec<Finding> {
    let is_unknown = account(target).is_empty() && Auth::of(target) != Auth::Basic;
    let account = is_unknown.then(|| {
        Finding::unsure(
            "without an account, our own changes cannot be told from those of people: name the user that the key or \
             client stands for",
        )
    });
    let create =
        Finding::unsure("whether tickets may be made and changed is known once it is tried: use Send Test");
    account.into_iter().chain([create]).collect()
}

fn short(text: &str) -> String {
    cut(&one_line(text), MAX_NAME, Unit::Characters)
}

fn list(names: &[&str]) -> String {
    let shown: Vec<_> = names.iter().take(MAX_LISTED).map(|name| short(name)).collect();
    let rest = if names.len() > MAX_LISTED {
        " and others"
    } else {
        ""
    };
    format!("{}{rest}", shown.join(", "))
}
