//! Holds requests to simulated code hosts against what their vendors describe: a request that a simulator took and its
//! vendor's description does not know is a mistake of whoever sent it, or of the simulator.

use serde_json::{Map, Value, json};

/// Kinds with a description, the prefix of their API, and the description.
const DESCRIBED: [(&str, &str, &str); 2] = [
    (
        "github",
        "/api/v3",
        include_str!("../../../crates/simulators/src/github/described.json"),
    ),
    (
        "gitlab",
        "/api/v4",
        include_str!("../../../crates/simulators/src/gitlab/described.json"),
    ),
];

/// What a request has that the description of its kind has not; nothing if the kind has none, or it goes elsewhere.
pub fn mistakes(kind: &str, method: &str, target: &str, body: &[u8]) -> Vec<String> {
    let Some((_, prefix, text)) = DESCRIBED.iter().find(|(known, _, _)| *known == kind) else {
        return Vec::new();
    };
    let Some((_, rest)) = target.split_once(prefix) else {
        return Vec::new();
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    // Where GitHub sends those who ask for a former place; the description has no words for it.
    let path = match path.strip_prefix("/repositories/") {
        Some(rest) => format!("/repos/moved/{rest}"),
        None => path.to_owned(),
    };
    let description: Value = serde_json::from_str(text).unwrap();
    let operations = description["paths"].as_object().unwrap();
    let fitting = operations
        .iter()
        .filter(|(operation, _)| fits(operation, method, &path));
    // Of two that fit, the one with fewer placeholders is meant.
    let Some((_, operation)) = fitting.min_by_key(|(operation, _)| operation.matches('{').count()) else {
        return vec![format!("{method} {path} is not described")];
    };
    let mut mistakes = query_mistakes(operation, query);
    match operation.get("body") {
        Some(schema) if !is_form(body) => {
            let sent = if body.is_empty() {
                json!({})
            } else {
                serde_json::from_slice(body).unwrap_or_default()
            };
            mistakes.extend(unknown_members(schema, &sent));
            mistakes.extend(errors(schema, &sent));
        }
        None if !body.is_empty() && body != b"{}" => mistakes.push("a body is not described".to_owned()),
        _ => {}
    }
    mistakes
}

fn is_form(body: &[u8]) -> bool {
    !matches!(body.first(), None | Some(b'{' | b'[' | b'"'))
}

/// Whether an operation such as `GET /user` is for this request.
fn fits(operation: &str, method: &str, path: &str) -> bool {
    let (known, pattern) = operation.split_once(' ').unwrap();
    let (pattern, path) = (pattern.split('/'), path.split('/'));
    known == method
        && pattern.clone().count() == path.clone().count()
        && pattern
            .zip(path)
            .all(|(pattern, part)| pattern.starts_with('{') || pattern == part)
}

fn query_mistakes(operation: &Value, query: &str) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut given = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let name = name.trim_end_matches("[]");
        let schema = &operation["query"][name];
        if schema.is_null() {
            mistakes.push(format!("the parameter {name} is not described"));
            continue;
        }
        let value = match schema["type"].as_str() {
            Some("integer") => value
                .parse::<i64>()
                .map_or_else(|_| json!(value), |number| json!(number)),
            Some("boolean") => value
                .parse::<bool>()
                .map_or_else(|_| json!(value), |is_so| json!(is_so)),
            Some("array") => {
                let entries = value
                    .split(',')
                    .map(|entry| match schema["items"]["type"].as_str() {
                        Some("integer") => entry
                            .parse::<i64>()
                            .map_or_else(|_| json!(entry), |number| json!(number)),
                        _ => json!(entry),
                    });
                entries.collect()
            }
            _ => json!(value),
        };
        given.insert(name.to_owned(), value);
    }
    let schema = json!({ "properties": operation["query"].as_object().cloned().unwrap_or_default() });
    mistakes.extend(errors(&schema, &Value::Object(given)));
    mistakes
}

/// Members that no schema knows: vendors pass over them, and whoever sends one means something else.
fn unknown_members(schema: &Value, sent: &Value) -> Vec<String> {
    let (Some(known), Some(sent)) = (schema["properties"].as_object(), sent.as_object()) else {
        return Vec::new();
    };
    let unknown = sent.keys().filter(|name| !known.contains_key(*name));
    unknown
        .map(|name| format!("the member {name} is not described"))
        .collect()
}

fn errors(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    validator
        .iter_errors(value)
        .map(|error| error.to_string())
        .collect()
}

#[test]
fn what_is_not_described_is_a_mistake() {
    let issues = "/api/v3/repos/acme/operations/issues";
    let held = |method: &str, target: &str, body: &Value| {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        mistakes("github", method, target, body.as_bytes())
    };
    let none = [""; 0];
    assert_eq!(
        held("POST", issues, &json!({"title": "t", "labels": ["a"]})),
        none
    );
    assert_eq!(
        held(
            "GET",
            &format!("{issues}?labels=a&state=all&per_page=5"),
            &Value::Null
        ),
        none
    );
    assert_eq!(
        held("GET", "/api/v3/repositories/502/issues/1", &Value::Null),
        none
    );
    let comment = format!("{issues}/comments/7");
    assert_eq!(held("PATCH", &comment, &json!({"body": "b"})), none);
    assert_eq!(held("POST", issues, &json!({"labels": []})).len(), 1);
    assert_eq!(
        held("POST", issues, &json!({"title": "t", "labels": "a"})).len(),
        1
    );
    assert_eq!(
        held("POST", issues, &json!({"title": "t", "label": ["a"]})),
        ["the member label is not described"]
    );
    assert_eq!(
        held("GET", &format!("{issues}?state=opened"), &Value::Null).len(),
        1
    );
    assert_eq!(held("GET", &format!("{issues}?label=a"), &Value::Null).len(), 1);
    assert_eq!(held("PUT", issues, &Value::Null).len(), 1);
    let gitlab = |body: &Value| {
        mistakes(
            "gitlab",
            "PUT",
            "/git/api/v4/projects/a%2Fb/issues/1",
            body.to_string().as_bytes(),
        )
    };
    assert_eq!(
        gitlab(&json!({"state_event": "close", "add_labels": "a,b"})),
        none
    );
    assert_eq!(gitlab(&json!({"state_event": "closed"})).len(), 1);
}
