//! GitLab's adapter against hand-written answers: what differs from GitHub, and what GitLab alone has.

mod calls;
mod checks;
mod creating;
mod hostile;
mod moving;
mod noting;

use serde_json::{Value, json};

use crate::forge::test_desk::{Desk, answer, marker};
use crate::gitlab::ADAPTER;
use destination::sample::Sample;
use model::event::EventName;
use model::exchange::Exchange;

const DESK: Desk = Desk {
    adapter: ADAPTER,
    url: "https://gitlab.example/acme/sre/operations",
    api: "https://gitlab.example/api/v4",
    key: "acme/sre/operations#12",
    me: r#"{"username": "project_3_bot", "id": 7, "name": "OpsKnight"}"#,
};
const PROJECT: &str = "/projects/acme%2Fsre%2Foperations";

fn sample(name: EventName) -> Sample {
    DESK.sample(name).with_option("acknowledgedLabel", "acknowledged")
}

/// The incident's issue, as it is read.
fn issue(sample: &Sample, state: &str, labels: &[&str]) -> Value {
    json!({
        "id": 9012,
        "iid": 12,
        "project_id": 3,
        "state": state,
        "description": format!("text\n\n<!-- opsknight:{} -->", marker(sample)),
        "labels": labels,
        "assignees": [],
        "author": { "id": 7, "username": "project_3_bot" },
        "moved_to_id": null,
        "created_at": "2024-01-15T10:30:00.000Z",
        "updated_at": "2024-01-15T10:30:00.000Z",
    })
}

fn shown(sample: &Sample, state: &str, labels: &[&str]) -> Exchange {
    answer(200, &issue(sample, state, labels))
}

fn refused(status: u16, message: &str) -> Exchange {
    answer(status, &json!({ "message": message }))
}
