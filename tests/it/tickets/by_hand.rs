//! Tickets by hand: create, link, unlink, sync now, check the connection.

use serde_json::{Value, json};

use super::{Desk, KINDS, move_ticket};

/// A desk whose webhook wants no event of ordinary incidents.
async fn quiet_desk(kind: &'static str) -> Desk {
    let desk = Desk::start(kind, json!({})).await;
    let path = format!("/api/v1/webhooks/{}", desk.webhook);
    let only = json!({"severities": ["info"]});
    desk.app
        .api
        .send("PATCH", &path, Some(only), &[])
        .await
        .unwrap()
        .expect(200);
    desk
}

async fn make_ticket_there(desk: &Desk) -> Value {
    if desk.kind == "jira" {
        let fields =
            json!({"project": {"key": "OPS"}, "issuetype": {"name": "Task"}, "summary": "made by Ada"});
        let made = desk
            .ada("POST", "/rest/api/2/issue", json!({"fields": fields}))
            .await
            .expect(201)
            .json();
        return made["key"].clone();
    }
    if desk.kind != "servicenow" {
        let number = desk.code_host().make("made by Ada").await;
        return json!(format!("acme/operations#{number}"));
    }
    let body = json!({"short_description": "made by Ada"});
    let made = desk
        .ada("POST", "/api/now/table/incident", body)
        .await
        .expect(201)
        .json();
    made["result"]["number"].clone()
}

#[tokio::test]
async fn a_ticket_is_made_when_somebody_asks_for_it() {
    for kind in KINDS {
        let desk = quiet_desk(kind).await;
        let incident = desk.app.trigger("by hand").await;
        desk.app.act(&incident, "acknowledge").await;
        assert!(desk.app.deliveries("").await.is_empty());
        let body = json!({"webhook": {"id": desk.webhook}});
        let asked = desk
            .app
            .api
            .post(&desk.path(&incident, ""), body)
            .await
            .expect(201)
            .json();
        assert_ne!(asked["state"], "unlinked");
        desk.settle(1).await;
        let link = desk.link(&incident).await;
        assert_eq!(
            (&link["state"], &link["ticket"]["phase"]),
            (&json!("linked"), &json!("in_progress")),
            "{link:#}"
        );
    }
}

#[tokio::test]
async fn a_ticket_that_exists_is_linked_by_its_key_or_its_pages_url_and_told() {
    for kind in KINDS {
        let desk = quiet_desk(kind).await;
        let incident = desk.app.trigger("linked by hand").await;
        let key = make_ticket_there(&desk).await;
        let body = json!({"webhook": {"id": desk.webhook}, "ticket": key});
        let linked = desk
            .app
            .api
            .post(&desk.path(&incident, ""), body)
            .await
            .expect(201)
            .json();
        assert_eq!(linked["ticket"]["key"], key);
        desk.settle(1).await;
        assert_eq!(desk.tickets().len(), 1);
        desk.app
            .api
            .send(
                "DELETE",
                &desk.path(&incident, &format!("/{}", desk.webhook)),
                None,
                &[],
            )
            .await
            .unwrap()
            .expect(204);
        let url = linked["ticket"]["url"].clone();
        let body = json!({"webhook": {"id": desk.webhook}, "ticket": url});
        let again = desk
            .app
            .api
            .post(&desk.path(&incident, ""), body)
            .await
            .expect(201)
            .json();
        assert_eq!(again["ticket"]["key"], key, "{again:#}");
        desk.settle(1).await;
    }
}

#[tokio::test]
async fn what_names_no_ticket_or_that_of_another_incident_is_refused_with_a_reason() {
    for kind in KINDS {
        let desk = quiet_desk(kind).await;
        let (first, second) = (desk.app.trigger("one").await, desk.app.trigger("two").await);
        let key = make_ticket_there(&desk).await;
        let body = |ticket: Value| json!({"webhook": {"id": desk.webhook}, "ticket": ticket});
        desk.app
            .api
            .post(&desk.path(&first, ""), body(key.clone()))
            .await
            .expect(201);
        let taken = desk
            .app
            .api
            .post(&desk.path(&second, ""), body(key))
            .await
            .expect(409)
            .json();
        assert!(taken["detail"].as_str().unwrap().contains(&first), "{taken:#}");
        for nonsense in [
            "",
            "   ",
            "../../etc",
            "https://evil.example/browse/OPS-1",
            "OPS-99999",
            "INC9999999",
        ] {
            let refused = desk
                .app
                .api
                .post(&desk.path(&second, ""), body(json!(nonsense)))
                .await;
            assert_eq!(refused.status, 422, "{kind} {nonsense:?}: {}", refused.text);
        }
    }
}

#[tokio::test]
async fn an_unlinked_ticket_hears_nothing_more_and_a_new_one_is_another() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let incident = desk.app.trigger("parted").await;
        desk.settle(1).await;
        let path = desk.path(&incident, &format!("/{}", desk.webhook));
        desk.app
            .api
            .send("DELETE", &path, None, &[])
            .await
            .unwrap()
            .expect(204);
        desk.app.act(&incident, "acknowledge").await;
        desk.settle(2).await;
        assert_eq!(desk.tickets().len(), 1, "{}", desk.story().await);
        assert_eq!(desk.link(&incident).await["state"], "unlinked");
        let body = json!({"webhook": {"id": desk.webhook}});
        desk.app
            .api
            .post(&desk.path(&incident, ""), body)
            .await
            .expect(201);
        desk.settle(2).await;
        let is_linked = async || desk.link(&incident).await["state"] == "linked";
        desk.until("it is linked again", is_linked).await;
        assert_eq!(desk.tickets().len(), 2, "{:#?}", desk.tickets());
    }
}

#[tokio::test]
async fn sync_now_takes_over_what_the_ticket_says() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let incident = desk.app.trigger("sync now").await;
        desk.settle(1).await;
        let path = desk.path(&incident, &format!("/{}/sync", desk.webhook));
        let in_line = desk.app.api.post(&path, json!({})).await.expect(200).json();
        assert_eq!(in_line["result"], "in_line", "{in_line:#}");
        let key = in_line["link"]["ticket"]["key"].as_str().unwrap().to_owned();
        move_ticket(&desk.system, kind, &key, "done").await;
        let followed = desk.app.api.post(&path, json!({})).await.expect(200).json();
        assert_eq!(followed["result"], "followed", "{followed:#}");
        let after = desk.incident(&incident).await;
        assert_eq!(after["status"], "resolved");
        let is_named = |entry: &serde_json::Value| {
            let says = entry["note"]
                .as_str()
                .unwrap_or_default()
                .contains("follow the ticket");
            says && !entry["actor"].as_str().unwrap_or_default().contains("in desk")
        };
        assert!(
            after["timeline"].as_array().unwrap().iter().any(is_named),
            "{after:#}"
        );
    }
}

#[tokio::test]
async fn sync_now_takes_nobody_for_who_has_a_reopened_incident() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let incident = desk.app.trigger("came back").await;
        desk.settle(1).await;
        for (action, told) in [("acknowledge", 2), ("resolve", 3), ("reopen", 4)] {
            desk.app.act(&incident, action).await;
            desk.settle(told).await;
        }
        let path = desk.path(&incident, &format!("/{}/sync", desk.webhook));
        let synced = desk.app.api.post(&path, json!({})).await.expect(200).json();
        assert_eq!(synced["result"], "in_line", "{synced:#}");
        assert_eq!(desk.incident(&incident).await["status"], "triggered");
    }
}

#[tokio::test]
async fn a_check_says_what_is_well_and_what_is_missing() {
    for kind in KINDS {
        let desk = Desk::start(kind, json!({})).await;
        let path = format!("/api/v1/webhooks/{}/check", desk.webhook);
        let good = desk.app.api.post(&path, json!({})).await.expect(200).json();
        assert_eq!(good["ok"], true, "{good:#}");
        assert!(good["findings"].as_array().unwrap().len() >= 3, "{good:#}");
        desk.system.fail_next("expired");
        let bad = desk.app.api.post(&path, json!({})).await.expect(200).json();
        assert_eq!(bad["ok"], false, "{bad:#}");
    }
    let desk = Desk::start("jira", json!({"project": "NOPE"})).await;
    let path = format!("/api/v1/webhooks/{}/check", desk.webhook);
    let bad = desk.app.api.post(&path, json!({})).await.expect(200).json();
    assert!(bad["findings"].to_string().contains("NOPE"), "{bad:#}");
}

#[tokio::test]
async fn a_webhook_with_linked_tickets_keeps_its_place() {
    let desk = Desk::start("jira", json!({})).await;
    desk.app.trigger("stays").await;
    desk.settle(1).await;
    let path = format!("/api/v1/webhooks/{}", desk.webhook);
    let elsewhere = format!("{}/jira", desk.system.url);
    let elsewhere = json!({"url": elsewhere, "options": {"token": "good-other"}});
    let refused = desk
        .app
        .api
        .send("PATCH", &path, Some(elsewhere), &[])
        .await
        .unwrap()
        .expect(422);
    assert!(refused.text.contains("linked"), "{}", refused.text);
}

#[tokio::test]
async fn after_parting_a_delivery_that_was_under_way_does_not_bring_the_ticket_back() {
    let desk = Desk::start("jira", json!({})).await;
    let incident = desk.app.trigger("parted in between").await;
    desk.settle(1).await;
    // The acknowledgement has read the ticket and waits for its second try.
    desk.system.fail_next("conflict");
    desk.app.act(&incident, "acknowledge").await;
    // Between two requests that go well it is scheduled too.
    let has_failed = async || {
        let scheduled = desk.app.deliveries("status=scheduled").await;
        scheduled
            .iter()
            .any(|delivery| !delivery["lastFailure"].is_null())
    };
    desk.until("the acknowledgement failed once", has_failed).await;
    let path = desk.path(&incident, &format!("/{}", desk.webhook));
    desk.app
        .api
        .send("DELETE", &path, None, &[])
        .await
        .unwrap()
        .expect(204);
    let body = json!({"webhook": {"id": desk.webhook}});
    desk.app
        .api
        .post(&desk.path(&incident, ""), body)
        .await
        .expect(201);
    desk.wait_until_quiet().await;
    let link = desk.link(&incident).await;
    assert_eq!(link["ticket"]["key"], "OPS-2", "{link:#} {}", desk.story().await);
}

#[tokio::test]
async fn an_address_that_hands_out_tokens_is_one_that_may_be_reached() {
    let desk = Desk::start("jira", json!({})).await;
    let path = format!("/api/v1/webhooks/{}", desk.webhook);
    let inward = json!({"options": {"tokenUrl": "http://169.254.169.254/token"}});
    let refused = desk
        .app
        .api
        .send("PATCH", &path, Some(inward), &[])
        .await
        .unwrap()
        .expect(422);
    assert!(refused.text.contains("options.tokenUrl"), "{}", refused.text);
}

#[tokio::test]
async fn a_secret_does_not_go_to_another_address_that_hands_out_tokens() {
    let oauth = json!({"auth": "oauth", "clientId": "id", "clientSecret": "kept"});
    let desk = Desk::start("jira", oauth).await;
    let path = format!("/api/v1/webhooks/{}", desk.webhook);
    let change = async |options: Value| {
        let body = json!({ "options": options });
        desk.app.api.send("PATCH", &path, Some(body), &[]).await.unwrap()
    };
    let elsewhere = "http://127.0.0.1:20009/token";
    let refused = change(json!({"tokenUrl": elsewhere})).await.expect(422);
    assert!(
        refused.text.contains("secrets_missing") && refused.text.contains("client secret"),
        "{}",
        refused.text
    );
    change(json!({"tokenUrl": elsewhere, "clientSecret": "given anew"}))
        .await
        .expect(200);
}
