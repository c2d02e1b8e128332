//! Making the ticket.

use http::Method;
use serde_json::{Map, Value, json};

use crate::jira::answer::{self, Errors, Purpose, refused_settings};
use crate::jira::api::Api;
use crate::jira::issue::{Named, TEST_LABEL, label, page, short};
use crate::jira::settings::{Settings, is_number};
use crate::jira::texts::Texts;
use crate::workflow::action::{Facts, Mark, Observation, Sighting, Trouble, TroubleKind};
use crate::workflow::system::Ask;
use destination::task::Rendered;
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode, Response};
use model::ticket::{Ticket, TicketPhase};

/// Fields that every ticket needs: those that other fields of the settings may not name either.
pub(super) const NEEDED: [&str; 3] = ["project", "issuetype", "summary"];
/// Fields that have a place of their own in the settings.
pub(super) const OWN: [&str; 5] = ["description", "labels", "components", "priority", "assignee"];
/// The most fields that are left out at once.
const MAX_DROPPED: usize = 20;
/// The longest id of a field, in characters.
const MAX_FIELD_ID: usize = 64;

/// The request.
pub(super) fn request(api: Api<'_>, ask: &Ask<'_>) -> Result<Rendered, Failure> {
    api.send(Method::POST, &["issue"], &body(ask)?)
}

fn body(ask: &Ask<'_>) -> Result<Value, Failure> {
    let (task, settings) = (ask.task()?, Settings(ask.target));
    let texts = Texts::of(task)?;
    let is_dropped = |field: &str| ask.dropped().iter().any(|dropped| dropped == field);
    let mut fields = Map::new();
    for (id, value) in texts.fields {
        if !NEEDED.contains(&id.as_str()) && !OWN.contains(&id.as_str()) && !is_dropped(&id) {
            fields.insert(id, value);
        }
    }
    let severity = task.event.incident().map(|incident| incident.severity);
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
    let ours = match task.event.is_test {
        true => TEST_LABEL.to_owned(),
        false => label(ask.marker),
    };
    let others = texts.labels.into_iter().filter(|_| !is_dropped("labels"));
    let labels: Vec<String> = [ours].into_iter().chain(others).collect();
    fields.insert("labels".to_owned(), json!(labels));
    fields.insert("project".to_owned(), id_or_name(settings.project(), "key"));
    fields.insert("issuetype".to_owned(), id_or_name(settings.issue_type(), "name"));
    fields.insert("summary".to_owned(), texts.summary.into());
    let property = json!({ "incident": task.event.incident_id, "marker": ask.marker });
    Ok(json!({ "fields": fields, "properties": [{ "key": "opsknight", "value": property }] }))
}

/// The request that gives a ticket the incident's present title and severity.
pub(super) fn retitle(api: Api<'_>, ask: &Ask<'_>, id: &str) -> Result<Rendered, Failure> {
    let made = body(ask)?;
    let renewed = ["summary", "priority"].into_iter();
    let fields: Map<String, Value> = renewed
        .filter_map(|name| Some((name.to_owned(), made["fields"].get(name)?.clone())))
        .collect();
    api.send(Method::PUT, &["issue", id], &json!({ "fields": fields }))
}

/// What became of that.
pub(super) fn retitled(ask: &Ask<'_>, exchange: &Exchange) -> Observation {
    let purpose = Purpose {
        act: "change the ticket's title",
        missing: "there is no such ticket",
    };
    answer::done(ask, exchange, purpose)
}

fn id_or_name(text: &str, name: &str) -> Value {
    let name = if is_number(text) { "id" } else { name };
    json!({ name: text })
}

/// What the answer means.
pub(super) fn observe(ask: &Ask<'_>, exchange: &Exchange) -> Observation {
    let act = format!(
        "create tickets in {}",
        short(Settings(ask.target).project(), MAX_FIELD_ID)
    );
    let purpose = Purpose {
        act: &act,
        missing: "there is no Jira at this address, or not this project: put that right",
    };
    let trouble = match answer::of_change(ask, exchange, purpose) {
        Ok(response) => return made(ask, response),
        Err(trouble) => trouble,
    };
    match (&exchange.result, trouble.kind) {
        (_, TroubleKind::Credentials) => Err(trouble),
        (Ok(response), _) if response.status == 400 => Err(refused(ask, response, trouble)),
        // Another node may still be at it.
        (Ok(response), _) if response.status == 409 => Err(Trouble {
            kind: TroubleKind::Unknown,
            ..trouble
        }),
        _ => Err(trouble),
    }
}

/// The answer says nothing of its status.
fn made(ask: &Ask<'_>, response: &Response) -> Observation {
    let body: Option<Value> = serde_json::from_slice(&response.body).ok();
    let Some(named) = body.as_ref().and_then(Named::read) else {
        let strange = answer::strange(response);
        return Err(Trouble {
            kind: TroubleKind::Unknown,
            ..strange
        });
    };
    Ok(Facts::Ticket(Box::new(Sighting {
        ticket: Ticket {
            url: page(Settings(ask.target), &named.key),
            id: named.id,
            key: named.key,
            phase: TicketPhase::New,
            status: String::new(),
        },
        is_partial: true,
        ..Sighting::blank(Mark::Ours)
    })))
}

/// Jira refuses some fields, or the whole.
fn refused(ask: &Ask<'_>, response: &Response, trouble: Trouble) -> Trouble {
    let errors = Errors::read(&response.body).unwrap_or_default();
    let named: Vec<&str> = errors.fields.iter().map(|(field, _)| field.as_str()).collect();
    let person = |detail: String| Trouble::new(TroubleKind::Forbidden, refused_settings(detail));
    if named
        .iter()
        .any(|field| matches!(*field, "project" | "pid" | "issuetype"))
    {
        return person(format!(
            "Jira does not take this project or issue type: put them right: {}",
            errors.line()
        ));
    }
    let sent = body(ask).unwrap_or_default();
    let has_other_labels = sent["fields"]["labels"]
        .as_array()
        .is_some_and(|labels| labels.len() > 1);
    if named.contains(&"labels") && !has_other_labels {
        let detail = "Jira does not take the label by which the ticket is found again: put the field Labels on the \
                      project's create screen";
        return person(format!("{detail}: {}", errors.line()));
    }
    let is_optional = |field: &&str| !NEEDED.contains(field) && sent["fields"].get(field).is_some();
    let can_do_without = !named.is_empty() && named.iter().all(is_optional) && errors.messages.is_empty();
    if !can_do_without || !ask.dropped().is_empty() {
        return trouble;
    }
    let dropped = named
        .iter()
        .take(MAX_DROPPED)
        .map(|field| short(field, MAX_FIELD_ID));
    let detail = format!(
        "Jira refuses fields that the ticket can do without; it is made without them: {}",
        errors.line()
    );
    let failure = Failure::new(FailureCode::MessageRefused, detail).with(Disposition::Immediate);
    Trouble {
        without: dropped.collect(),
        ..Trouble::new(TroubleKind::Refused, failure)
    }
}
