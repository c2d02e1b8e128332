//! The simulator by itself; foreign clients judge it too, in `tests/judges`.

mod faults;
mod hostile;
mod issues;
mod search;
mod webhooks;
mod workflow;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use crate::jira::Jira;
use crate::simulator::{Request, Response, Simulator};
use model::time::Timestamp;

/// `judge:good-token` as Basic credentials.
const BASIC: &str = "Basic anVkZ2U6Z29vZC10b2tlbg==";
const NOON: i64 = 1_705_314_600_000;

/// Asks at half past ten, as an account called judge.
fn ask(jira: &mut Jira, method: &Method, target: &str, body: &Value) -> Response {
    ask_as(jira, BASIC, method, target, body)
}

fn ask_as(jira: &mut Jira, authorization: &str, method: &Method, target: &str, body: &Value) -> Response {
    let headers = [
        ("authorization", authorization),
        ("content-type", "application/json"),
        ("host", "jira.example"),
    ];
    let headers = headers.map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    });
    jira.answer(&Request {
        method,
        target,
        headers: &HeaderMap::from_iter(headers),
        body: body.to_string().as_bytes(),
        now: Timestamp::from_millis(NOON),
    })
}

fn get(jira: &mut Jira, target: &str) -> Response {
    ask(jira, &Method::GET, target, &Value::Null)
}

fn post(jira: &mut Jira, target: &str, body: &Value) -> Response {
    ask(jira, &Method::POST, target, body)
}

fn body(answer: &Response) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

/// The fields of a new issue in OPS.
fn fields(summary: &str) -> Value {
    json!({
        "project": { "key": "OPS" },
        "issuetype": { "name": "Incident" },
        "summary": summary,
        "labels": ["ours"],
    })
}

/// Makes an issue in OPS and gives its id.
fn make(jira: &mut Jira, summary: &str) -> String {
    let answer = post(jira, "/rest/api/2/issue", &json!({ "fields": fields(summary) }));
    assert_eq!(answer.status, 201, "{}", answer.body);
    body(&answer)["id"].as_str().unwrap().to_owned()
}
