//! What a project's create screen says about the settings: which fields it has, and which values they take.

use serde_json::Value;

use crate::jira::create::{NEEDED, OWN};
use crate::jira::issue::short;
use crate::jira::screen::{self, ScreenField};
use crate::jira::settings::Settings;
use destination::mapping;
use destination::template::is_template;
use destination::ticketing::Finding;

/// Required fields that Jira fills in itself.
const FILLED_IN: [&str; 1] = ["reporter"];
/// The longest name that a finding repeats, in characters.
const MAX_NAME: usize = 80;

/// A page of something.
pub(super) struct Page {
    /// What is on it.
    pub(super) items: Vec<Value>,
    /// Whether it holds all there is.
    pub(super) is_whole: bool,
}

/// What is found out.
pub(super) fn findings(settings: Settings<'_>, page: &Page) -> Vec<Finding> {
    let id = |field: &Value| {
        ["fieldId", "key"]
            .into_iter()
            .find_map(|name| field[name].as_str().map(str::to_owned))
    };
    let fields: Vec<ScreenField> = page
        .items
        .iter()
        .filter_map(|field| screen::read_one(&id(field)?, field))
        .collect();
    if fields.is_empty() {
        return vec![Finding::unsure(
            "Jira does not tell which fields its create screen has.",
        )];
    }
    let mut findings = Vec::new();
    if page.is_whole {
        findings.extend(labels(&fields));
        findings.extend(other_fields(settings, &fields));
    } else {
        findings.push(Finding::unsure(
            "The create screen has more fields than were looked at.",
        ));
    }
    findings.extend(required(settings, &fields));
    findings.extend(priorities(settings, &fields));
    findings.extend(components(settings, &fields));
    if findings.is_empty() {
        findings.push(Finding::good(
            "The create screen takes everything that the settings fill in.",
        ));
    }
    findings
}

fn find<'a>(fields: &'a [ScreenField], id: &str) -> Option<&'a ScreenField> {
    fields.iter().find(|field| field.id == id)
}

fn labels(fields: &[ScreenField]) -> Option<Finding> {
    let sentence =
        "The field Labels is not on the create screen: put it there, tickets are found again by a label.";
    find(fields, "labels").is_none().then(|| Finding::bad(sentence))
}

fn required(settings: Settings<'_>, fields: &[ScreenField]) -> Vec<Finding> {
    let is_set = |name: &str| !settings.0.option(name).trim().is_empty();
    let is_filled_in = |field: &&ScreenField| match field.id.as_str() {
        "components" | "priority" => is_set(&field.id),
        "description" | "labels" => true,
        id => {
            NEEDED.contains(&id)
                || FILLED_IN.contains(&id)
                || mapping::value(settings.0.option("fields"), id).is_some()
        }
    };
    let missing = fields
        .iter()
        .filter(|field| field.is_required && !is_filled_in(field));
    let finding = |field: &ScreenField| {
        let (name, id) = (&field.name, &field.id);
        Finding::bad(format!(
            "The field {name} must be filled in: give it a value under Other fields, as {id} = …."
        ))
    };
    missing.map(finding).collect()
}

fn other_fields(settings: Settings<'_>, fields: &[ScreenField]) -> Vec<Finding> {
    let named = mapping::entries(settings.0.option("fields")).map(|(id, _)| id);
    let missing = named.filter(|id| find(fields, id).is_none() && !OWN.contains(id));
    let finding = |id: &str| {
        Finding::bad(format!(
            "The field {} is not on the create screen: tickets are made without it.",
            short(id, MAX_NAME)
        ))
    };
    missing.map(finding).collect()
}

fn priorities(settings: Settings<'_>, fields: &[ScreenField]) -> Vec<Finding> {
    let named = mapping::entries(settings.0.option("priority")).map(|(_, name)| name);
    match find(fields, "priority") {
        Some(field) => unknown_names("priority", field, named),
        None if named.count() == 0 => Vec::new(),
        None => vec![Finding::bad(
            "The field Priority is not on the create screen: tickets are made without it.",
        )],
    }
}

fn components(settings: Settings<'_>, fields: &[ScreenField]) -> Vec<Finding> {
    let text = settings.0.option("components");
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    match find(fields, "components") {
        _ if is_template(text) => Vec::new(),
        Some(field) => unknown_names("component", field, names),
        None if names.count() == 0 => Vec::new(),
        None => vec![Finding::bad(
            "The field Components is not on the create screen: tickets are made without it.",
        )],
    }
}

/// Names that a field does not take; nothing is said of a field that does not tell what it takes, nor of ids.
fn unknown_names<'a>(what: &str, field: &ScreenField, names: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let is_known = |name: &str| field.allowed.iter().any(|known| known == name);
    let is_unknown = |name: &&str| !field.allowed.is_empty() && !is_known(name);
    let named = names.filter(|name| !crate::jira::settings::is_number(name));
    let finding = |name: &str| {
        Finding::bad(format!(
            "There is no {what} {}; tickets are made without it.",
            short(name, MAX_NAME)
        ))
    };
    named.filter(is_unknown).map(finding).collect()
}
