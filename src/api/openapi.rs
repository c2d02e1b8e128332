//! The OpenAPI 3.1 document, made from the very list that the router is made from: they cannot differ.

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::api::guard::{Access, Repetition};
use crate::api::problem::{Code, PROBLEM_JSON, ProblemView};
use crate::api::route::{Route, Verb};

/// The document for these routes.
pub fn document(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    let mut schemas = problem_schemas();
    for route in routes {
        let operations = paths.entry(route.path).or_insert_with(|| json!({}));
        operations[route.verb.as_str()] = operation(route);
        schemas.extend(route.schemas.clone());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "OpsKnight",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Incidents in, webhooks out. Errors are application/problem+json with a stable code.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "apiKey": { "type": "http", "scheme": "bearer", "description": "An API key: ok_…" },
            },
        },
    })
}

fn problem_schemas() -> Map<String, Value> {
    let mut found = vec![(ProblemView::name().into_owned(), ProblemView::schema())];
    ProblemView::schemas(&mut found);
    let entry = |(name, schema)| Some((name, serde_json::to_value(schema).ok()?));
    found.into_iter().filter_map(entry).collect()
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [tag(route.path)],
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if let Some((schema, is_required)) = &route.takes {
        operation["requestBody"] = json!({
            "required": is_required,
            "content": { "application/json": { "schema": schema } },
        });
    }
    match route.rule.access {
        Access::Open | Access::OwnToken => operation["security"] = json!([]),
        Access::Scope(scope) | Access::Metrics(scope) => {
            operation["security"] = json!([{ "apiKey": [scope.as_str()] }]);
        }
    }
    operation
}

/// Method and path in camel case: `postWebhooksIdTest`.
fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api/v1");
    let words = path.split(|character: char| !character.is_ascii_alphanumeric());
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    };
    let words: String = words.filter(|word| !word.is_empty()).map(capital).collect();
    format!("{}{words}", route.verb.as_str())
}

fn tag(path: &str) -> &str {
    let resource = path.strip_prefix("/api/v1/").unwrap_or("health");
    resource.split('/').next().unwrap_or(resource)
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in ["id", "webhook"] {
        if !route.path.contains(&format!("{{{name}}}")) {
            continue;
        }
        parameters
            .push(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    }
    parameters.extend(route.parameters.clone());
    if route.rule.repetition != Repetition::NotKept {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "Makes it safe to send the request again: for 24 hours the first answer is given again",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
        }));
    }
    parameters
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for answer in &route.answers {
        let status = answer.status.to_string();
        let response = responses
            .entry(status)
            .or_insert_with(|| json!({ "description": description(answer.status) }));
        if let Some(media_type) = answer.media_type {
            response["content"][media_type] = json!({ "schema": answer.schema });
        }
    }
    for status in problem_statuses(route) {
        let codes: Vec<_> = Code::ALL
            .iter()
            .filter(|code| code.status().as_u16() == status)
            .map(|code| code.as_str())
            .collect();
        let problem = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
        let response = responses
            .entry(status.to_string())
            .or_insert_with(|| json!({ "description": format!("One of: {}", codes.join(", ")) }));
        response["content"][PROBLEM_JSON] = problem;
    }
    Value::Object(responses)
}

fn description(status: u16) -> &'static str {
    match status {
        201 => "Created",
        204 => "Done",
        503 => "Not now",
        _ => "OK",
    }
}

fn problem_statuses(route: &Route) -> Vec<u16> {
    let mut statuses = match route.rule.access {
        Access::Open => vec![500],
        Access::OwnToken => vec![403, 429, 500, 503],
        Access::Scope(_) | Access::Metrics(_) => vec![401, 403, 429, 500, 503],
    };
    if route.path.contains("{id}") {
        statuses.push(404);
    }
    if route.asks_elsewhere {
        statuses.push(502);
    }
    if route.verb != Verb::Get {
        statuses.extend([400, 408, 409, 413, 415, 422]);
    } else if !route.parameters.is_empty() {
        statuses.extend([400, 422]);
    }
    statuses
}
