//! One incident: what was sent about it, and taking it.

use model::access::Role;
use serde_json::json;

use super::people::{SESSION_COOKIE, begin_session, create_user, person};
use crate::support::page_client::PageClient;
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::test_app::{TestApp, text};

const FAILING: Reply = Reply::Raw("HTTP/1.1 500 Oh no\r\ncontent-length: 0\r\n\r\n");

/// A webhook to a receiver that answers so.
async fn webhook(app: &TestApp, name: &str, reply: Reply) -> Receiver {
    let receiver = Receiver::start(&[reply]).await;
    let url = format!("http://{}/", receiver.address);
    app.create_webhook(&url, json!({ "name": name, "retrySchedule": [] }))
        .await;
    receiver
}

#[tokio::test]
async fn what_was_sent_is_a_line_for_each_webhook_and_what_failed_comes_first_and_is_replayed_there() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let _well = webhook(&app, "A well one", OK).await;
    let _broken = webhook(&app, "The broken one", FAILING).await;
    let incident = app.trigger("Disk full on db-1").await;
    app.act(&incident, "acknowledge").await;
    app.wait_for("status=delivered", 2).await;
    let dead = app.wait_for("status=dead", 2).await;
    let path = format!("/incidents/{incident}");
    let responder = person(&app, Role::Responder).await;
    let page = responder.get(&path).await.expect(200).html;
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
    assert!(place("<b>The broken one</b>") < place("<b>A well one</b>"));
    assert!(page.matches(">2 dead<").count() == 2 && page.matches(">2 delivered<").count() == 2);
    let [action, other] =
        [&dead[0], &dead[1]].map(|dead| format!("/deliveries/{}/replay", text(&dead["id"])));
    assert!(page.contains(&action) && page.contains(&other));
    let viewer = person(&app, Role::Viewer).await;
    assert!(!viewer.get(&path).await.expect(200).html.contains(&action));
    let done = responder.submit(&action, &[("back", &path)]).await.expect(303);
    assert_eq!(done.location(), format!("{path}?did=replayed"));
}

#[tokio::test]
async fn whoever_does_not_have_an_incident_takes_it_with_one_press() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let incident = app.trigger("Disk full on db-1").await;
    let path = format!("/incidents/{incident}");
    let user = create_user(&app, "Grace", "grace@example.com", Role::Responder).await;
    let responder = PageClient::new(&app.base());
    responder.keep_cookie(SESSION_COOKIE, &begin_session(&app, &user, "Firefox").await);
    let page = responder.get(&path).await.expect(200).html;
    assert!(page.contains("Assign to me"));
    responder
        .submit(&format!("{path}/assign"), &[("assignee", &user)])
        .await
        .expect(303);
    let page = responder.get(&path).await.expect(200).html;
    assert!(
        !page.contains("Assign to me") && page.contains("assigned it to Grace"),
        "{page}"
    );
}

#[tokio::test]
async fn a_long_description_is_folded_so_that_the_timeline_is_in_sight() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let viewer = person(&app, Role::Viewer).await;
    for (length, folded) in [(600, false), (601, true)] {
        let body = json!({ "title": "Down", "service": { "name": "API Gateway" }, "description": "x".repeat(length) });
        let made = app.api.post("/api/v1/incidents", body).await.expect(201).json();
        let page = viewer
            .get(&format!("/incidents/{}", text(&made["id"])))
            .await
            .expect(200)
            .html;
        assert_eq!(page.contains("<summary>Description</summary>"), folded);
    }
}
