//! Making the ticket.

use http::Method;
use serde_json::{Map, Value, json};

use crate::jira::answer::{self, Errors, Purpose, Trouble};
use crate::jira::issue::{Named, TEST_LABEL, label, page, short};
use crate::jira::plan::Facts;
use crate::jira::settings::is_number;
use crate::jira::texts::Texts;
use destination::task::{Classification, Intention, Rendered};
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Reach, Response};
use model::ticket::{Ticket, TicketNews, TicketPhase};
use model::time::Timestamp;

/// Fields that every ticket needs: those that other fields of the settings may not name either.
pub(super) const NEEDED: [&str; 3] = ["project", "issuetype", "summary"];
/// Fields that have a place of their own in the settings.
pub(super) const OWN: [&str; 5] = ["description", "labels", "components", "priority", "assignee"];
/// The most fields that are left out at once.
const MAX_DROPPED: usize = 20;
/// The longest id of a field, in characters.
const MAX_FIELD_ID: usize = 64;

/// The request. What is written down before it leaves lets a lost answer be looked for.
pub(super) fn request(facts: &Facts<'_>) -> Result<Rendered, Failure> {
    let request = facts.api().send(Method::POST, &["issue"], &body(facts)?)?;
    Ok(Rendered {
        intent: Some(Intention::MakeTicket),
        ..request
    })
}

fn body(facts: &Facts<'_>) -> Result<Value, Failure> {
    let settings = facts.settings();
    let texts = Texts::of(&facts.task)?;
    let is_dropped = |field: &str| facts.progress.dropped.iter().any(|dropped| dropped == field);
    let mut fields = Map::new();
    for (id, value) in texts.fields {
        if !NEEDED.contains(&id.as_str()) && !OWN.contains(&id.as_str()) && !is_dropped(&id) {
            fields.insert(id, value);
        }
    }
    let severity = facts.task.event.incident().map(|incident| incident.severity);
    let priority = severity.and_then(|severity| settings.priority(severity));
    if let Some(priority) = priority.filter(|_| !is_dropped("priority")) {
        fields.insert("priority".to_owned(), id_or_name(priority, "name"));
    }
    if !texts.components.is_empty() && !is_dropped("components") {
        let components = texts
            .components
            .iter()
            .map(|name| json!({ "name": name }))
            .collect();
        fields.insert("components".to_owned(), components);
    }
    if !is_dropped("description") {
        fields.insert("description".to_owned(), texts.description.into());
    }
    let ours = match facts.task.event.is_test {
        true => TEST_LABEL.to_owned(),
        false => label(&facts.marker()),
    };
    let others = texts.labels.into_iter().filter(|_| !is_dropped("labels"));
    let labels: Vec<String> = [ours].into_iter().chain(others).collect();
    fields.insert("labels".to_owned(), json!(labels));
    fields.insert("project".to_owned(), id_or_name(settings.project(), "key"));
    fields.insert("issuetype".to_owned(), id_or_name(settings.issue_type(), "name"));
    fields.insert("summary".to_owned(), texts.summary.into());
    let property = json!({ "incident": facts.task.event.incident_id, "marker": facts.marker() });
    Ok(json!({ "fields": fields, "properties": [{ "key": "opsknight", "value": property }] }))
}

fn id_or_name(text: &str, name: &str) -> Value {
    let name = if is_number(text) { "id" } else { name };
    json!({ name: text })
}

/// What the answer means.
pub(super) fn judge(facts: Facts<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
    match &exchange.result {
        Err(failure) => match exchange.reach {
            Reach::NotSent => not_made(facts, answer::unanswered(failure).into()),
            Reach::MaybeSent => unknown(facts, &answer::unanswered(failure)),
        },
        Ok(response) => answered(facts, response, now),
    }
}

fn answered(facts: Facts<'_>, response: &Response, now: Timestamp) -> Classification {
    let act = format!(
        "create tickets in {}",
        short(facts.settings().project(), MAX_FIELD_ID)
    );
    let purpose = Purpose {
        act: &act,
        missing: "there is no Jira at this address, or not this project: put that right",
    };
    match response.status {
        200..=299 => made(facts, response),
        400 => refused(facts, response, purpose, now),
        408 | 409 | 425 | 500..=599 => {
            let trouble = answer::trouble(facts.task.target, response, purpose, now);
            unknown(facts, &trouble.failure)
        }
        _ => {
            let trouble = answer::trouble(facts.task.target, response, purpose, now);
            not_made(facts, trouble)
        }
    }
}

fn made(mut facts: Facts<'_>, response: &Response) -> Classification {
    let body: Option<Value> = serde_json::from_slice(&response.body).ok();
    let Some(named) = body.as_ref().and_then(Named::read) else {
        return unknown(facts, &answer::strange(response));
    };
    let left_out = match facts.progress.dropped.is_empty() {
        true => String::new(),
        false => format!(", without {}", facts.progress.dropped.join(", ")),
    };
    let note = format!("made {}{left_out}", named.key);
    if facts.task.event.is_test {
        return tested(&facts, named).noted(note);
    }
    facts.progress.made = Some(named);
    facts.progress.dropped.clear();
    facts.remember();
    facts.go_on(note)
}

/// A test ends here: where its ticket stands is nobody's concern.
fn tested(facts: &Facts<'_>, named: Named) -> Classification {
    let ticket = Ticket {
        url: page(facts.settings(), &named.key),
        id: named.id,
        key: named.key,
        phase: TicketPhase::New,
        status: String::new(),
    };
    Classification {
        ticket: Some(TicketNews::Seen(ticket)),
        ..Outcome::Delivered.into()
    }
}

/// It may have been made: the next attempt looks first.
fn unknown(facts: Facts<'_>, failure: &Failure) -> Classification {
    let detail = format!("{}; whether the ticket was made is not known", failure.detail);
    let failure = Failure {
        retry_after: failure.retry_after,
        ..Failure::new(failure.code, detail).with(Disposition::VerifyFirst)
    };
    facts.give_up(failure.into())
}

/// It was certainly not made.
fn not_made(facts: Facts<'_>, trouble: Trouble) -> Classification {
    Classification {
        ticket: Some(TicketNews::NotMade),
        ..facts.give_up(trouble)
    }
}

/// Jira refuses some fields, or the whole.
fn refused(
    mut facts: Facts<'_>,
    response: &Response,
    purpose: Purpose<'_>,
    now: Timestamp,
) -> Classification {
    let errors = Errors::read(&response.body).unwrap_or_default();
    let named: Vec<&str> = errors.fields.iter().map(|(field, _)| field.as_str()).collect();
    let person = |detail: String| {
        Failure::new(FailureCode::SettingsRefused, detail)
            .with(Disposition::NeedsOperator)
            .into()
    };
    if named
        .iter()
        .any(|field| matches!(*field, "project" | "pid" | "issuetype"))
    {
        let detail = format!(
            "Jira does not take this project or issue type: put them right: {}",
            errors.line()
        );
        return not_made(facts, person(detail));
    }
    let sent = body(&facts).unwrap_or_default();
    let has_other_labels = sent["fields"]["labels"]
        .as_array()
        .is_some_and(|labels| labels.len() > 1);
    if named.contains(&"labels") && !has_other_labels {
        let detail = "Jira does not take the label by which the ticket is found again: put the field Labels on the \
                      project's create screen";
        return not_made(facts, person(format!("{detail}: {}", errors.line())));
    }
    let is_optional = |field: &&str| !NEEDED.contains(field) && sent["fields"].get(field).is_some();
    let can_do_without = !named.is_empty() && named.iter().all(is_optional) && errors.messages.is_empty();
    if !can_do_without || !facts.progress.dropped.is_empty() {
        let trouble = answer::trouble(facts.task.target, response, purpose, now);
        return not_made(facts, trouble);
    }
    let dropped = named
        .iter()
        .take(MAX_DROPPED)
        .map(|field| short(field, MAX_FIELD_ID));
    facts.progress.dropped = dropped.collect();
    let detail = format!(
        "Jira refuses fields that the ticket can do without; it is made without them: {}",
        errors.line()
    );
    let failure = Failure::new(FailureCode::MessageRefused, detail).with(Disposition::Immediate);
    not_made(facts, failure.into())
}
