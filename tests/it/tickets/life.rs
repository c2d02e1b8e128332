//! One incident, one ticket, from triggered to reopened.

use serde_json::json;

use super::{Desk, KINDS};
use crate::support::platform::Hold;

#[tokio::test]
async fn an_incident_has_one_ticket_that_goes_along_with_it() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let incident = desk.app.trigger("Database connection timeout").await;
        desk.settle(1).await;
        let link = desk.link(&incident).await;
        assert_eq!(
            (&link["state"], &link["ticket"]["phase"]),
            (&json!("linked"), &json!("new")),
            "{link:#}"
        );
        assert!(
            link["ticket"]["url"]
                .as_str()
                .unwrap()
                .starts_with(&desk.system.address),
            "{link:#}"
        );
        desk.app.act(&incident, "acknowledge").await;
        desk.settle(2).await;
        assert_eq!(
            desk.link(&incident).await["ticket"]["phase"],
            "in_progress",
            "{}",
            desk.story().await
        );
        desk.app.act(&incident, "resolve").await;
        desk.settle(3).await;
        assert_eq!(
            desk.link(&incident).await["ticket"]["phase"],
            "done",
            "{}",
            desk.story().await
        );
        desk.app.act(&incident, "reopen").await;
        desk.settle(4).await;
        assert_ne!(
            desk.link(&incident).await["ticket"]["phase"],
            "done",
            "{}",
            desk.story().await
        );
        assert_eq!(desk.link(&incident).await["lastError"], json!(null));
        let tickets = desk.tickets();
        assert_eq!(tickets.len(), 1, "{tickets:#?}");
        assert!(tickets[0].contains("Database connection timeout"), "{tickets:#?}");
    }
}

#[tokio::test]
async fn an_escalation_and_a_new_assignee_are_noted_on_the_ticket_once() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let ann = json!({"name": "Ann Onymous", "email": "ann@example.com"});
        let ann = desk.app.api.post("/api/v1/users", ann).await.expect(201).json()["id"].clone();
        let incident = desk.app.trigger("disk full").await;
        desk.settle(1).await;
        desk.app.act(&incident, "escalate").await;
        desk.settle(2).await;
        let noted = desk.tickets()[0].to_lowercase().matches("escalated").count();
        assert_eq!(noted, 1, "{:#?} {}", desk.tickets(), desk.story().await);
        let path = format!("/api/v1/incidents/{incident}");
        let body = json!({"assignee": {"id": ann}});
        desk.app
            .api
            .send("PATCH", &path, Some(body), &[])
            .await
            .unwrap()
            .expect(200);
        desk.settle(2).await;
        desk.wait_until_quiet().await;
        let ticket = &desk.tickets()[0];
        assert!(ticket.contains("Ann Onymous"), "{ticket} {}", desk.story().await);
        let noted = ticket.to_lowercase().matches("escalated").count();
        assert_eq!(noted, 1, "the escalation was noted again: {ticket}");
    }
}

#[tokio::test]
async fn a_user_who_is_mapped_gets_the_ticket() {
    for kind in KINDS {
        let desk = Desk::start(
            kind,
            json!({"assignees": format!("Ann Onymous = {}", account_of_ada(kind))}),
        )
        .await;
        let ann = json!({"name": "Ann Onymous", "email": "ann@example.com"});
        let ann = desk.app.api.post("/api/v1/users", ann).await.expect(201).json()["id"].clone();
        let draft =
            json!({"title": "disk full", "service": {"name": "API Gateway"}, "assignee": {"id": ann}});
        desk.app.api.post("/api/v1/incidents", draft).await.expect(201);
        desk.settle(1).await;
        let ticket = &desk.tickets()[0];
        assert!(
            ticket.to_lowercase().contains("ada"),
            "{ticket} {}",
            desk.story().await
        );
    }
}

/// What Ada is called in the settings of a kind.
fn account_of_ada(kind: &str) -> &'static str {
    match kind {
        "jira" => "5b10a2844c20165700ede21a",
        "servicenow" => "ada.lovelace",
        _ => "ada-lovelace",
    }
}

#[tokio::test]
async fn a_resolved_incident_without_a_ticket_gets_none() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let path = format!("/api/v1/webhooks/{}", desk.webhook);
        let only = json!({"events": ["incident.resolved"]});
        desk.app
            .api
            .send("PATCH", &path, Some(only), &[])
            .await
            .unwrap()
            .expect(200);
        let incident = desk.app.trigger("over already").await;
        desk.app.act(&incident, "resolve").await;
        desk.settle(1).await;
        assert_eq!(desk.tickets(), [""; 0]);
        assert!(desk.story().await.contains("no ticket"), "{}", desk.story().await);
    }
}

#[tokio::test]
async fn a_long_workflow_is_walked_step_by_step() {
    let desk = Desk::start("jira", json!({})).await;
    desk.system.fail_next("long_way");
    let incident = desk.app.trigger("a long way").await;
    desk.settle(1).await;
    desk.app.act(&incident, "resolve").await;
    desk.settle(2).await;
    assert_eq!(
        desk.link(&incident).await["ticket"]["phase"],
        "done",
        "{}",
        desk.story().await
    );
}

#[tokio::test]
async fn a_field_that_is_not_on_the_screen_is_left_out_and_said() {
    let desk = Desk::start("jira", json!({"priority": "critical = Highest"})).await;
    desk.system.fail_next("no_priority");
    desk.app.trigger("without a priority").await;
    desk.settle(1).await;
    assert_eq!(desk.tickets().len(), 1);
    assert!(desk.story().await.contains("priority"), "{}", desk.story().await);
}

#[tokio::test]
async fn a_changed_title_and_severity_reach_the_ticket_if_that_is_wanted() {
    for (kind, wanted) in KINDS.into_iter().flat_map(|kind| [(kind, "on"), (kind, "off")]) {
        let labels = "critical = burning\nerror = hot\nwarning = warm\ninfo = cold";
        let severities = match kind {
            "github" | "gitlab" => json!({"changes": wanted, "severityLabels": labels}),
            _ => json!({"changes": wanted}),
        };
        let desk = Desk::start(kind, severities).await;
        let incident = desk.app.trigger("a first title").await;
        desk.settle(1).await;
        let path = format!("/api/v1/incidents/{incident}");
        let edit = json!({"title": "Another title *2*", "severity": "warning"});
        let edited = desk.app.api.send("PATCH", &path, Some(edit), &[]).await;
        edited.unwrap().expect(200);
        desk.app.quiesce().await;
        desk.wait_until_quiet().await;
        let ticket = desk.tickets()[0].clone();
        let story = desk.story().await;
        assert_eq!(
            ticket.contains("Another title"),
            wanted == "on",
            "{kind}: {ticket} {story}"
        );
        assert_eq!(
            ticket.contains("a first title"),
            wanted == "off" || ticket.matches("title").count() > 1,
            "{kind}: {ticket}"
        );
        if matches!(kind, "github" | "gitlab") {
            assert_eq!(ticket.contains("warm"), wanted == "on", "{kind}: {ticket}");
            assert_eq!(ticket.contains("burning"), wanted == "off", "{kind}: {ticket}");
        }
        // An event after that is no news of it.
        desk.app.act(&incident, "acknowledge").await;
        desk.settle(2).await;
        let told = desk.story().await.matches("title and severity").count();
        let requests = if wanted == "off" {
            0
        } else if matches!(kind, "github" | "gitlab") {
            5
        } else {
            1
        };
        assert_eq!(told, requests, "{kind}: {}", desk.story().await);
    }
}

#[tokio::test]
async fn a_title_that_changes_while_its_ticket_is_being_made_reaches_it() {
    // Jira's answer to a create says little: the ticket is read before anything is done with it.
    let desk = Desk::start("jira", json!({"changes": "on"})).await;
    let webhook = format!("/api/v1/webhooks/{}", desk.webhook);
    let hasty = json!({"timeout": "1s"});
    let edited = desk.app.api.send("PATCH", &webhook, Some(hasty), &[]).await;
    edited.unwrap().expect(200);
    desk.app.trigger("an ordinary one").await;
    desk.settle(1).await;
    desk.system.hold(2, Hold::Before);
    let incident = desk.app.trigger("a first title").await;
    let is_made = async || desk.system.is_holding();
    desk.until("the ticket is made", is_made).await;
    let path = format!("/api/v1/incidents/{incident}");
    let title = json!({"title": "Another title"});
    let edited = desk.app.api.send("PATCH", &path, Some(title), &[]).await;
    edited.unwrap().expect(200);
    desk.system.let_go();
    desk.settle(2).await;
    let tickets = desk.tickets().concat();
    assert!(
        tickets.contains("Another title"),
        "{tickets} {}",
        desk.story().await
    );
}
