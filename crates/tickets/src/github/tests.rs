//! GitHub's adapter against hand-written answers.

mod calls;
mod checks;
mod creating;
mod hostile;
mod moving;
mod noting;

use serde_json::{Value, json};

use crate::forge::test_desk::{Desk, at, marker};
use crate::github::ADAPTER;
use destination::sample::Sample;
use model::event::EventName;
use model::exchange::Exchange;

const DESK: Desk = Desk {
    adapter: ADAPTER,
    url: "https://github.com/acme/operations",
    api: "https://api.github.com",
    key: "acme/operations#12",
    me: r#"{"login": "opsknight-bot", "id": 7}"#,
};
const ISSUE: &str = "/repos/acme/operations/issues/12";

fn sample(name: EventName) -> Sample {
    DESK.sample(name).with_option("acknowledgedLabel", "acknowledged")
}

/// The incident's issue, as it is read.
fn issue(sample: &Sample, state: &str, labels: &[&str]) -> Value {
    let labels: Vec<Value> = labels.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "number": 12,
        "id": 900,
        "state": state,
        "state_reason": null,
        "body": format!("text\n\n<!-- opsknight:{} -->", marker(sample)),
        "labels": labels,
        "assignees": [],
        "user": { "login": "opsknight-bot", "id": 7 },
        "created_at": "2024-01-15T10:30:00Z",
        "updated_at": "2024-01-15T10:30:00Z",
    })
}

fn shown(sample: &Sample, state: &str, labels: &[&str]) -> Exchange {
    ok(&issue(sample, state, labels))
}

fn ok(body: &Value) -> Exchange {
    crate::forge::test_desk::answer(200, body)
}

fn refused(status: u16, message: &str) -> Exchange {
    crate::forge::test_desk::answer(status, &json!({ "message": message }))
}
