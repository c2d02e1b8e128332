//! What users of ticket systems reported: credentials and roles that end without a refusal, marks that are dropped, refusals that
//! are one ticket's alone.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Desk, KINDS};

/// Lets time pass in steps, so that whatever is planned happens.
async fn pass(desk: &Desk, minutes: u32) {
    for _ in 0..minutes * 2 {
        desk.app.advance(Duration::from_secs(30));
        desk.app.quiesce().await;
    }
}

async fn webhook(desk: &Desk) -> Value {
    let path = format!("/api/v1/webhooks/{}", desk.webhook);
    desk.app.api.get(&path).await.expect(200).json()
}

async fn change(desk: &Desk, changes: Value) {
    let path = format!("/api/v1/webhooks/{}", desk.webhook);
    let changed = desk.app.api.send("PATCH", &path, Some(changes), &[]).await;
    changed.unwrap().expect(200);
}

async fn findings(desk: &Desk) -> Vec<Value> {
    let path = format!("/api/v1/webhooks/{}/check", desk.webhook);
    let checked = desk.app.api.post(&path, json!({})).await.expect(200).json();
    checked["findings"].as_array().unwrap().clone()
}

/// An incident with its ticket.
async fn with_ticket(desk: &Desk) -> String {
    let incident = desk.app.trigger("an ordinary one").await;
    desk.settle(1).await;
    incident
}

/// Whoever is shown nothing any more, and what puts that right.
fn losses(kind: &str) -> (&'static str, Value) {
    match kind {
        "jira" => (
            "token_ends",
            json!({"options": {"token": "good-new-token"}, "enabled": true}),
        ),
        _ => ("lost_role", json!({"enabled": true})),
    }
}

#[tokio::test]
async fn a_token_or_role_that_ends_is_no_news_of_tickets_and_holds_the_events() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let incident = with_ticket(&desk).await;
        let (loss, remedy) = losses(kind);
        desk.system.fail_next(loss);
        desk.app.act(&incident, "acknowledge").await;
        desk.app.trigger("while nobody is known").await;
        pass(&desk, 30).await;
        assert_eq!(
            webhook(&desk).await["enabled"],
            false,
            "{kind}: {}",
            desk.story().await
        );
        let story = desk.story().await;
        assert!(!story.contains("ticket_lost"), "{kind}: {story}");
        assert_eq!(desk.link(&incident).await["state"], "linked", "{kind}: {story}");
        let error = desk.link(&incident).await["lastError"].to_string();
        assert!(!error.contains("deleted"), "{kind}: {error}");
        let told = findings(&desk).await;
        assert!(
            told.iter().any(|finding| finding["state"] == "bad"),
            "{kind}: {told:#?}"
        );
        if loss == "lost_role" {
            desk.system.fail_next(loss);
        }
        change(&desk, remedy).await;
        desk.settle(3).await;
        assert_eq!(desk.tickets().len(), 2, "{kind}: {:#?}", desk.tickets());
        assert_eq!(
            desk.link(&incident).await["ticket"]["phase"],
            "in_progress",
            "{kind}"
        );
    }
}

#[tokio::test]
async fn nothing_found_by_somebody_who_is_shown_nothing_makes_no_second_ticket() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        with_ticket(&desk).await;
        desk.system.fail_next("lost");
        let incident = desk.app.trigger("answer lost").await;
        desk.app.quiesce().await;
        let (loss, remedy) = losses(kind);
        desk.system.fail_next(loss);
        pass(&desk, 40).await;
        assert_eq!(desk.creates(), 2, "{kind}: {}", desk.story().await);
        if loss == "lost_role" {
            desk.system.fail_next(loss);
        }
        change(&desk, remedy).await;
        pass(&desk, 10).await;
        desk.expect_linked(&incident, 2).await;
        assert_eq!(desk.creates(), 2, "{kind}: {}", desk.story().await);
    }
}

#[tokio::test]
async fn a_mark_that_is_dropped_is_told_and_never_leads_to_a_second_ticket() {
    let desk = Desk::start("servicenow", json!({})).await;
    desk.system.fail_next("drops_correlation");
    with_ticket(&desk).await;
    let story = desk.story().await;
    assert!(story.contains("does not keep the mark"), "{story}");
    let told = findings(&desk).await;
    let is_about_mark = |finding: &&Value| finding["sentence"].to_string().contains("correlation_id");
    let mark = told.iter().find(is_about_mark).unwrap();
    assert_eq!(mark["state"], "bad", "{told:#?}");
    desk.system.fail_next("lost");
    desk.app.trigger("answer lost").await;
    pass(&desk, 70).await;
    assert_eq!(desk.creates(), 2, "{}", desk.story().await);
    let dead = desk.app.deliveries("status=dead").await;
    assert_eq!(dead.len(), 1, "{}", desk.story().await);
    assert!(
        desk.story().await.contains("ticket_unknown"),
        "{}",
        desk.story().await
    );
    assert_eq!(webhook(&desk).await["enabled"], true);
}

#[tokio::test]
async fn tickets_that_are_refused_alone_do_not_stop_the_webhook() {
    let desk = Desk::start("jira", json!({})).await;
    let refused = with_ticket(&desk).await;
    let other = desk.app.trigger("another one").await;
    desk.settle(2).await;
    desk.system.fail_next("closed_issue");
    desk.app.act(&refused, "acknowledge").await;
    pass(&desk, 30).await;
    assert_eq!(webhook(&desk).await["enabled"], true, "{}", desk.story().await);
    assert_eq!(
        desk.app.deliveries("status=dead").await.len(),
        1,
        "{}",
        desk.story().await
    );
    assert!(
        desk.story().await.contains("this ticket alone"),
        "{}",
        desk.story().await
    );
    desk.app.act(&other, "acknowledge").await;
    desk.settle(3).await;
}

#[tokio::test]
async fn a_data_policy_in_german_is_that_of_its_delivery() {
    let desk = Desk::start("servicenow", json!({"closeCode": "Unknown here"})).await;
    desk.system.fail_next("german");
    for title in ["one", "two"] {
        let incident = desk.app.trigger(title).await;
        pass(&desk, 1).await;
        desk.app.act(&incident, "resolve").await;
        pass(&desk, 3).await;
    }
    assert_eq!(
        desk.app.deliveries("status=dead").await.len(),
        2,
        "{}",
        desk.story().await
    );
    assert_eq!(webhook(&desk).await["enabled"], true, "{}", desk.story().await);
    let story = desk.story().await;
    assert!(story.contains("set Close code and Close notes"), "{story}");
    assert!(story.contains("message_refused"), "{story}");
}

#[tokio::test]
async fn where_an_empty_list_is_a_404_a_ticket_is_made_and_found_all_the_same() {
    let desk = Desk::start("servicenow", json!({})).await;
    desk.system.fail_next("empty_is_404");
    with_ticket(&desk).await;
    desk.system.fail_next("lost_before");
    let incident = desk.app.trigger("never arrived").await;
    pass(&desk, 60).await;
    desk.settle(2).await;
    desk.expect_linked(&incident, 2).await;
}

#[tokio::test]
async fn a_resolved_incidents_ticket_does_not_end_as_canceled() {
    let desk = Desk::start("jira", json!({})).await;
    desk.system.fail_next("many_ends");
    let incident = with_ticket(&desk).await;
    let told = findings(&desk).await;
    let sentence = "goes to Erledigt, of Erledigt, Abgebrochen, by its name";
    assert!(json!(told).to_string().contains(sentence), "{told:#?}");
    desk.app.act(&incident, "resolve").await;
    desk.settle(2).await;
    assert_eq!(
        desk.link(&incident).await["ticket"]["status"],
        "Erledigt",
        "{}",
        desk.story().await
    );
    change(&desk, json!({"options": {"statusResolved": "abgebrochen"}})).await;
    let other = desk.app.trigger("meant so").await;
    desk.settle(3).await;
    desk.app.act(&other, "resolve").await;
    desk.settle(4).await;
    assert_eq!(
        desk.link(&other).await["ticket"]["status"],
        "Abgebrochen",
        "{}",
        desk.story().await
    );
}

#[tokio::test]
async fn tickets_of_other_tables_live_and_end_by_their_own_states() {
    for (table, taken, over) in [
        ("problem", "102", "106"),
        ("change_request", "-4", "3"),
        ("sc_task", "2", "3"),
    ] {
        let desk = Desk::start("servicenow", json!({"table": table})).await;
        let incident = with_ticket(&desk).await;
        let key = desk.link(&incident).await["ticket"]["key"]
            .as_str()
            .unwrap()
            .to_owned();
        let path = format!("/api/now/table/{table}?sysparm_query=number={key}");
        let state = async || {
            let found = desk.ada("GET", &path, Value::Null).await.expect(200).json();
            found["result"][0]["state"].clone()
        };
        assert_eq!(desk.link(&incident).await["ticket"]["phase"], "new", "{table}");
        desk.app.act(&incident, "acknowledge").await;
        desk.settle(2).await;
        assert_eq!(state().await, taken, "{table}: {}", desk.story().await);
        desk.app.act(&incident, "resolve").await;
        desk.settle(3).await;
        assert_eq!(state().await, over, "{table}: {}", desk.story().await);
        desk.app.act(&incident, "reopen").await;
        desk.settle(4).await;
        assert_eq!(
            desk.link(&incident).await["ticket"]["phase"],
            "in_progress",
            "{table}"
        );
    }
}

#[tokio::test]
async fn notes_in_a_service_project_are_internal_unless_somebody_wants_them_public() {
    for (options, is_public) in [(json!({}), false), (json!({"noteVisibility": "public"}), true)] {
        let desk = Desk::start("jira", options).await;
        desk.system.fail_next("service_project");
        let incident = with_ticket(&desk).await;
        desk.app.act(&incident, "escalate").await;
        desk.settle(2).await;
        let key = desk.link(&incident).await["ticket"]["key"]
            .as_str()
            .unwrap()
            .to_owned();
        let path = format!("/rest/api/2/issue/{key}/comment");
        let comments = desk.ada("GET", &path, Value::Null).await.expect(200).json();
        assert_eq!(comments["comments"][0]["jsdPublic"], is_public, "{comments:#}");
    }
}

#[tokio::test]
async fn what_only_reads_says_nothing_of_a_bodys_length() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let incident = with_ticket(&desk).await;
        desk.app.act(&incident, "resolve").await;
        desk.settle(2).await;
        findings(&desk).await;
        let reads: Vec<_> = desk
            .system
            .seen()
            .into_iter()
            .filter(|seen| seen.method == "GET")
            .collect();
        assert!(!reads.is_empty());
        let with_length = reads
            .iter()
            .find(|seen| seen.headers.contains_key("content-length"));
        assert!(with_length.is_none(), "{kind}: {}", with_length.unwrap().target);
    }
}
