//! The JSON Schema of one event's body, to download: cut out of the API's own description, with all that it refers to.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use crate::layout::error::{PageError, PageResult};
use crate::state::WebState;
use model::event::EventType;

/// The dialect that OpenAPI 3.1 writes its schemas in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Where the description's schemas stand, and where those of a file stand.
const SHARED: &str = "#/components/schemas/";
const DEFINED: &str = "#/$defs/";

/// `GET /docs/events/{file}`: `incident.triggered.json`
pub async fn page(State(state): State<WebState>, path: Option<Path<String>>) -> PageResult {
    let event = path.and_then(|Path(file)| EventType::parse(file.strip_suffix(".json")?));
    let event = event.ok_or_else(|| PageError::not_found("page"))?;
    let schema = schema_of(&(state.openapi)(), event);
    let text =
        serde_json::to_string_pretty(&schema).map_err(|error| PageError::internal(&error.to_string()))?;
    let name = format!("attachment; filename=\"{}.json\"", event.as_str());
    let headers = [
        (CONTENT_TYPE, "application/schema+json".to_owned()),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, text).into_response())
}

/// The schema of an event's body, which stands by itself.
fn schema_of(description: &Value, event: EventType) -> Value {
    let request = &description["webhooks"][event.as_str()]["post"]["requestBody"];
    let mut schema = request["content"]["application/json"]["schema"].clone();
    let mut wanted = references(&mut schema);
    let mut definitions = Map::new();
    let mut known = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if known.insert(name.clone()) {
            let mut definition = description["components"]["schemas"][&name].clone();
            wanted.extend(references(&mut definition));
            definitions.insert(name, definition);
        }
    }
    definitions.sort_keys();
    let mut whole = Map::new();
    whole.insert("$schema".to_owned(), json!(DIALECT));
    whole.insert("title".to_owned(), json!(event.as_str()));
    whole.extend(schema.as_object().cloned().unwrap_or_default());
    whole.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(whole)
}

/// Leads each reference into the file itself; the names that they refer to.
fn references(schema: &mut Value) -> Vec<String> {
    match schema {
        Value::Array(parts) => parts.iter_mut().flat_map(references).collect(),
        Value::Object(members) => {
            let mut names = Vec::new();
            for (key, value) in members.iter_mut() {
                let name = value.as_str().and_then(|text| text.strip_prefix(SHARED));
                match name.map(str::to_owned).filter(|_| key == "$ref") {
                    Some(name) => {
                        *value = Value::String(format!("{DEFINED}{name}"));
                        names.push(name);
                    }
                    None => names.extend(references(value)),
                }
            }
            names
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::samples::every_type;

    #[test]
    fn every_schema_stands_by_itself_and_names_its_event() {
        let description = api::openapi_document();
        for event in every_type() {
            let schema = schema_of(&description, event);
            let text = schema.to_string();
            assert!(!text.contains(SHARED), "{text}");
            let constant = &schema["allOf"][1]["properties"]["event"]["const"];
            assert_eq!(constant, event.as_str());
            let mut names = references(&mut schema.clone());
            names.extend(
                text.split(DEFINED)
                    .skip(1)
                    .map(|rest| rest.split('"').next().unwrap().to_owned()),
            );
            assert!(!names.is_empty());
            assert!(
                names.iter().all(|name| schema["$defs"][name].is_object()),
                "{names:?}"
            );
        }
    }
}
