//! The OpenAPI 3.1 document, made from the very list that the router is made from: they cannot differ.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::guard::{Access, Repetition};
use crate::outgoing::{self, EventBody, OperationalEventBody};
use crate::problem::{Code, PROBLEM_JSON, ProblemView};
use crate::route::Route;
use crate::{examples, failures, words};

/// What stands before the name of a response.
const RESPONSES: &str = "#/components/responses/";

/// The document for these routes.
pub fn document(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    let (mut schemas, mut responses) = (common_schemas(), Map::new());
    for route in routes {
        let operations = paths.entry(route.path).or_insert_with(|| json!({}));
        operations[route.verb.as_str()] = operation(route);
        schemas.extend(route.schemas.clone());
        let problems = problems(route).into_iter();
        responses.extend(problems.map(|codes| (response_name(&codes), problem_response(&codes))));
    }
    let examples = examples::all();
    examples::show(&examples, &mut schemas);
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
        "webhooks": outgoing::webhooks(&examples["EventBody"], &examples["OperationalEventBody"]),
        "components": {
            "schemas": schemas,
            "parameters": outgoing::parameters(),
            "responses": responses,
            "securitySchemes": {
                "apiKey": { "type": "http", "scheme": "bearer", "description": "An API key: ok_…" },
            },
        },
    })
}

/// What no single route brings: problems, words, and what is sent to receivers.
fn common_schemas() -> Map<String, Value> {
    let mut found = words::all();
    add::<ProblemView<'_>>(&mut found);
    add::<EventBody>(&mut found);
    add::<OperationalEventBody>(&mut found);
    let entry = |(name, schema)| Some((name, serde_json::to_value(schema).ok()?));
    found.into_iter().filter_map(entry).collect()
}

fn add<T: ToSchema>(found: &mut Vec<(String, RefOr<Schema>)>) {
    found.push((T::name().into_owned(), T::schema()));
    T::schemas(found);
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
        Access::Scope(scope) | Access::Stream(scope) | Access::Metrics(scope) => {
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
    for name in ["id", "webhook", "link"] {
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
    for codes in problems(route) {
        if let Some(code) = codes.first() {
            let reference = json!({ "$ref": format!("{RESPONSES}{}", response_name(&codes)) });
            responses.entry(code.status().as_str()).or_insert(reference);
        }
    }
    Value::Object(responses)
}

/// The problems of a route by status.
fn problems(route: &Route) -> Vec<Vec<Code>> {
    let mut groups: Vec<Vec<Code>> = Vec::new();
    for code in failures::of(route) {
        let of_status =
            |group: &&mut Vec<Code>| group.first().is_some_and(|first| first.status() == code.status());
        match groups.iter_mut().find(of_status) {
            Some(group) => group.push(code),
            None => groups.push(vec![code]),
        }
    }
    groups
}

/// Responses with the same codes are one, which many routes refer to.
fn response_name(codes: &[Code]) -> String {
    let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    names.join(".")
}

fn problem_response(codes: &[Code]) -> Value {
    let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    json!({
        "description": format!("One of: {}", names.join(", ")),
        "content": { PROBLEM_JSON: { "schema": problem_of(&names) } },
    })
}

/// A problem with one of these codes.
fn problem_of(codes: &[&str]) -> Value {
    json!({
        "allOf": [
            { "$ref": "#/components/schemas/Problem" },
            { "type": "object", "required": ["code"], "properties": { "code": { "type": "string", "enum": codes } } },
        ],
    })
}

fn description(status: u16) -> &'static str {
    match status {
        201 => "Created",
        204 => "Done",
        503 => "Not now",
        _ => "OK",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn a_schema_means_the_same_wherever_it_is_named() {
        let mut schemas = common_schemas();
        let mut different = Vec::new();
        for (name, schema) in routes::all().into_iter().flat_map(|route| route.schemas) {
            let known = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
            if *known != schema {
                different.push(name);
            }
        }
        assert_eq!(different, [""; 0]);
    }

    #[test]
    fn every_code_belongs_to_a_route_or_to_none() {
        let of_routes: Vec<_> = routes::all().iter().flat_map(failures::of).collect();
        let kept_for_others = [
            Code::InvalidHost,
            Code::UnknownRoute,
            Code::MethodNotAllowed,
            Code::UnknownReference,
            Code::Unavailable,
        ];
        let mut of_none = Code::ALL.to_vec();
        of_none.retain(|code| !of_routes.contains(code) && !kept_for_others.contains(code));
        assert_eq!(of_none, []);
    }

    #[test]
    fn every_example_has_a_schema() {
        let document = document(&routes::all());
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let examples = examples::all();
        assert!(examples.len() > 30);
        let strays: Vec<_> = examples
            .keys()
            .filter(|name| !schemas.contains_key(*name))
            .collect();
        assert_eq!(strays, [""; 0]);
    }
}
