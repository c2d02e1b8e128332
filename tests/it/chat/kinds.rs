//! Every kind, whichever there are: a new one is tested here without a line of its own, and must bring along what
//! CONTRIBUTING.md asks for.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::{Chat, needed};
use crate::support::test_app::text;

/// What a hostile title tries.
const HOSTILE: &str = "@everyone <!channel> <@123> [x](https://evil.example) **b** <b>h</b> \u{202e}rtl \"q\" \\ {{ 7*7 }} \
                       <users/all> <at>all</at> 👩‍🚒";

/// Faults that end a delivery: the receiver or the ticket is gone, or somebody must change something over there first.
const ENDS: [(&str, &str); 16] = [
    // Of one event there is no smaller part.
    ("batch", "too_large"),
    ("custom", "gone"),
    ("github", "deleted"),
    ("github", "moved"),
    ("github", "no_labels"),
    ("gitlab", "deleted"),
    ("gitlab", "moved"),
    ("gitlab", "no_labels"),
    ("jira", "deleted"),
    ("jira", "needs_field"),
    ("servicenow", "deleted"),
    ("servicenow", "keeps_state"),
    // In an empty table nobody can tell what is hidden from what is not there.
    ("servicenow", "lost_role"),
    ("servicenow", "needs_close_code"),
    ("servicenow", "policy"),
    // No other way of putting it would be taken.
    ("sqs", "invalid_contents"),
];
/// Faults that fail no request of an ordinary life with the fewest options, or whose delivery still waits for its next attempt then:
/// tests of their own lead to them.
const UNFELT: [(&str, &str); 32] = [
    ("discord", "no_content"),
    ("github", "forbidden"),
    ("github", "hidden"),
    ("github", "ignores_query"),
    ("github", "lag"),
    ("github", "long_lag"),
    ("gitlab", "forbidden"),
    ("gitlab", "hidden"),
    ("gitlab", "ignores_query"),
    ("gitlab", "lag"),
    ("gitlab", "long_lag"),
    ("jira", "closed_issue"),
    ("jira", "cloud"),
    ("jira", "lag"),
    ("jira", "long_lag"),
    ("jira", "long_way"),
    ("jira", "many_ends"),
    ("jira", "needs_resolution"),
    ("jira", "no_priority"),
    ("jira", "search_everything"),
    ("jira", "service_project"),
    ("servicenow", "drops_correlation"),
    ("servicenow", "empty_is_404"),
    ("servicenow", "german"),
    ("servicenow", "hidden"),
    ("servicenow", "ignores_query"),
    ("servicenow", "no_correlation"),
    ("servicenow", "no_journal"),
    ("servicenow", "token_refused"),
    ("slack", "cant_update_message"),
    ("slack", "edit_window_closed"),
    ("slack", "message_not_found"),
];

/// Kinds whose name is that of something else, too: of what users have, or of a URL's scheme.
const ALSO_ELSEWHERE: [&str; 4] = ["amqp", "email", "kafka", "nats"];
/// Kinds that nobody plays: the real server stands in the tests of `tests/it/streams/`.
const WITHOUT_SIMULATOR: [&str; 3] = ["amqp", "kafka", "nats"];

/// What came of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    FurtherAttempt,
    HeldWebhook,
    Dead,
    /// No request failed, or what failed still waits.
    Nothing,
}

/// Kinds with a form of their own.
fn kinds() -> Vec<&'static str> {
    let kinds = kinds::all().iter().map(|adapter| adapter.description());
    kinds
        .filter(|about| !about.fields.is_empty())
        .map(|about| about.kind)
        .collect()
}

/// Those of them that can be played.
fn platforms() -> Vec<&'static str> {
    let kinds = kinds().into_iter();
    kinds.filter(|kind| !WITHOUT_SIMULATOR.contains(kind)).collect()
}

#[tokio::test]
async fn every_platform_takes_a_hostile_title_without_calling_anybody() {
    for kind in platforms() {
        let chat = Chat::start(kind, needed(kind)).await;
        chat.app.trigger(HOSTILE).await;
        chat.settle(1).await;
        let messages = chat.platform.messages();
        assert_eq!(messages.len(), 1, "{kind}");
        assert_eq!(messages[0].mentions, [""; 0], "{kind}: {messages:#?}");
        assert!(
            messages[0].text().contains("evil.example"),
            "{kind}: {}",
            messages[0].text()
        );
    }
}

#[tokio::test]
async fn every_platform_shows_a_send_test() {
    for kind in platforms() {
        let chat = Chat::start(kind, needed(kind)).await;
        let path = format!("/api/v1/webhooks/{}/test", chat.webhook);
        let answer = chat.app.api.post(&path, json!({})).await.expect(200).json();
        assert_eq!(answer["status"], "delivered", "{kind}: {answer:#}");
        assert_eq!(chat.platform.messages().len(), 1, "{kind}");
        // A bot of one's own gets the event's own body, unless it is told otherwise.
        let is_kept = !answer["attempts"][0]["request"]["body"].is_null();
        assert!(is_kept || kind == "custom", "{kind}: {answer:#}");
    }
}

#[tokio::test]
async fn every_fault_of_every_platform_is_answered_by_a_further_attempt_or_a_held_webhook() {
    for kind in platforms() {
        let faults = simulators::simulator(kind).map_or(&[][..], |simulator| simulator.faults());
        assert!(!faults.is_empty(), "{kind} has no faults to inject");
        for fault in faults {
            let name = (kind, fault.name);
            let outcome = outcome_of(kind, fault.name).await;
            let is_expected = match outcome {
                Outcome::FurtherAttempt | Outcome::HeldWebhook => {
                    !ENDS.contains(&name) && !UNFELT.contains(&name)
                }
                Outcome::Dead => ENDS.contains(&name),
                Outcome::Nothing => UNFELT.contains(&name),
            };
            assert!(is_expected, "{name:?} came to {outcome:?}");
        }
    }
}

/// Lets an incident live until a request of it has met a fault.
async fn outcome_of(kind: &str, fault: &str) -> Outcome {
    let chat = Chat::start(kind, needed(kind)).await;
    chat.platform.fail_next(fault);
    let incident = chat.app.trigger("what comes of it").await;
    for action in ["acknowledge", "resolve"] {
        let outcome = outcome_so_far(&chat).await;
        if outcome != Outcome::Nothing {
            return outcome;
        }
        chat.app.act(&incident, action).await;
    }
    outcome_so_far(&chat).await
}

async fn outcome_so_far(chat: &Chat) -> Outcome {
    // Longer than any wait, so that whatever was planned happens; then for the pace of follow-ups.
    for seconds in [0, 3700, 60, 60] {
        chat.app.advance(Duration::from_secs(seconds));
        chat.app.quiesce().await;
    }
    let deliveries = chat.app.deliveries("").await;
    let has = |status: &str| deliveries.iter().any(|delivery| delivery["status"] == status);
    let mut has_gone_on = false;
    for delivery in deliveries
        .iter()
        .filter(|delivery| delivery["status"] == "delivered")
    {
        let path = format!("/api/v1/deliveries/{}", text(&delivery["id"]));
        let attempts = chat.app.api.get(&path).await.expect(200).json()["attempts"].clone();
        has_gone_on |= attempts
            .as_array()
            .unwrap()
            .iter()
            .any(|attempt| attempt["outcome"] == "failed");
    }
    match chat.shown().await["enabled"] == true {
        _ if has("dead") => Outcome::Dead,
        false if has("held") => Outcome::HeldWebhook,
        true if has_gone_on => Outcome::FurtherAttempt,
        _ => Outcome::Nothing,
    }
}

#[test]
fn every_kind_is_one_folder_or_file_one_page_and_one_line() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let list = std::fs::read_to_string(root.join("crates/kinds/src/lib.rs")).unwrap();
    for kind in kinds() {
        let homes = [
            "crates/alerting/src",
            "crates/chat/src",
            "crates/streams/src",
            "crates/tickets/src",
        ]
        .map(|home| root.join(home).join(kind));
        let adapter = homes.iter().find(|home| home.exists()).unwrap();
        assert!(
            adapter.join("mod.rs").exists() && adapter.join("form.rs").exists(),
            "{kind} has no folder"
        );
        let lines = list.lines().filter(|line| line.contains(&format!("::{kind}::")));
        assert_eq!(
            lines.count(),
            1,
            "{kind} is not in the list of crates/kinds/src/lib.rs"
        );
        let page = root.join(format!("docs/destinations/{kind}.md"));
        let page = std::fs::read_to_string(page).unwrap();
        assert!(
            page.contains("## Set up") && page.contains("## Limits"),
            "{kind}'s page lacks a part"
        );
    }
}

#[test]
fn nothing_outside_the_adapters_knows_one_kind_from_another() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut knowing = Vec::new();
    for folder in [
        "actions",
        "api",
        "config",
        "destination",
        "engine",
        "inbound",
        "limit",
        "model",
        "outbound",
        "renderer",
        "server",
        "store",
        "store-sqlite",
        "telemetry",
        "web",
    ] {
        let files = files_below(&root.join("crates").join(folder).join("src"));
        let is_code =
            |file: &&std::path::PathBuf| file.extension().is_some_and(|extension| extension == "rs");
        for file in files.iter().filter(is_code) {
            let text = std::fs::read_to_string(file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let named = kinds()
                .into_iter()
                .filter(|kind| !ALSO_ELSEWHERE.contains(kind) && code.contains(&format!("\"{kind}\"")));
            knowing.extend(named.map(|kind| format!("{}: {kind}", file.display())));
        }
    }
    assert_eq!(knowing, [""; 0]);
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let entries = entries.filter(|path| !path.ends_with("tests.rs"));
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_below(folder)));
    files
}
