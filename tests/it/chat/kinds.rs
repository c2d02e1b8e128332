//! Every kind, whichever there are: a new one is tested here without a line of its own, and must bring along what
//! CONTRIBUTING.md asks for.

use std::path::Path;

use serde_json::json;

use super::{Chat, needed};

/// What a hostile title tries.
const HOSTILE: &str = "@everyone <!channel> <@123> [x](https://evil.example) **b** <b>h</b> \u{202e}rtl \"q\" \\ {{ 7*7 }} \
                       <users/all> <at>all</at> 👩‍🚒";

/// Faults that are no passing ones: the receiver or the ticket is gone, or a field without an answer is required.
const ENDS: [&str; 3] = ["gone", "deleted", "needs_field"];

/// Kinds with a form of their own.
fn kinds() -> Vec<&'static str> {
    let kinds = kinds::all().iter().map(|adapter| adapter.description());
    kinds
        .filter(|about| !about.fields.is_empty())
        .map(|about| about.kind)
        .collect()
}

#[tokio::test]
async fn every_platform_takes_a_hostile_title_without_calling_anybody() {
    for kind in kinds() {
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
    for kind in kinds() {
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
    for kind in kinds() {
        let faults = simulators::simulator(kind).map_or(&[][..], |simulator| simulator.faults());
        assert!(!faults.is_empty(), "{kind} has no faults to inject");
        for fault in faults {
            let chat = Chat::start(kind, needed(kind)).await;
            chat.platform.fail_next(fault.name);
            chat.app.trigger("what comes of it").await;
            chat.attempted(1).await;
            // Longer than any wait, so that whatever was planned happens; then for the pace of a follow-up.
            chat.app.advance(std::time::Duration::from_secs(3700));
            chat.app.advance(std::time::Duration::from_secs(60));
            let delivery = chat.delivery(1).await;
            let is_lost = delivery["status"] == "dead" && !ENDS.contains(&fault.name);
            assert!(!is_lost, "{kind}: {} ended as {delivery:#}", fault.name);
        }
    }
}

#[test]
fn every_kind_is_one_folder_or_file_one_page_and_one_line() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let list = std::fs::read_to_string(root.join("crates/kinds/src/lib.rs")).unwrap();
    for kind in kinds() {
        let homes = ["crates/chat/src", "crates/tickets/src"].map(|home| root.join(home).join(kind));
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
                .filter(|kind| code.contains(&format!("\"{kind}\"")));
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
