//! Holds every problem that any test meets against the API's description: a route names each code that it answers with.

use std::sync::LazyLock;

use serde_json::Value;

static DOCUMENT: LazyLock<Value> = LazyLock::new(api::openapi_document);
/// No route's problems: there was none, or none for the method.
const OF_NO_ROUTE: [&str; 2] = ["unknown_route", "method_not_allowed"];

/// Fails if a problem's code is not described at its route.
pub fn expect_described(method: &str, path: &str, status: u16, problem: &Value) {
    let code = problem["code"].as_str().unwrap();
    if OF_NO_ROUTE.contains(&code) {
        return;
    }
    let path = path.split('?').next().unwrap();
    let method = method.to_ascii_lowercase();
    let route = route(path, &method).unwrap_or_else(|| panic!("{method} {path} is not described"));
    let response = response(&DOCUMENT, &route["responses"][status.to_string()]);
    let schema = &response["content"]["application/problem+json"]["schema"];
    let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array();
    let is_described = codes.is_some_and(|codes| codes.iter().any(|known| known == code));
    assert!(
        is_described,
        "{method} {path}: the problem {code} ({status}) is not described"
    );
}

/// The response behind a reference; one that is none is itself.
pub fn response<'a>(document: &'a Value, response: &'a Value) -> &'a Value {
    let name = response["$ref"]
        .as_str()
        .map(|reference| reference.rsplit('/').next().unwrap());
    name.map_or(response, |name| &document["components"]["responses"][name])
}

/// The operation behind a path; one that is written out counts before one with an id.
fn route<'a>(path: &str, method: &str) -> Option<&'a Value> {
    let routes = DOCUMENT["paths"].as_object().unwrap().iter();
    let mut fitting: Vec<_> = routes
        .filter(|(template, item)| fits(template, path) && item[method].is_object())
        .collect();
    fitting.sort_by_key(|(template, _)| template.matches('{').count());
    fitting.first().map(|(_, item)| &item[method])
}

fn fits(template: &str, path: &str) -> bool {
    let (parts, steps): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let fits = |(part, step): (&&str, &&str)| part.starts_with('{') || part == step;
    parts.len() == steps.len() && parts.iter().zip(&steps).all(fits)
}

#[test]
#[should_panic(expected = "ticket_system_failed (502) is not described")]
fn a_problem_that_its_route_does_not_name_is_found() {
    let problem = serde_json::json!({ "code": "ticket_system_failed" });
    expect_described("GET", "/api/v1/incidents/inc_1?x=1", 502, &problem);
}
