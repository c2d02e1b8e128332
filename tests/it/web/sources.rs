//! Alert sources in a browser: set up, tried, mapped, switched off.

use model::access::Role;
use serde_json::json;

use super::browser::Browser;
use super::people::person;
use crate::support::test_app::TestApp;

#[tokio::test]
async fn a_source_is_set_up_tried_and_shows_what_became_of_its_alerts() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let browser = Browser::open_as(&app, Role::Admin).await;
    browser.goto("/settings/integrations").await;
    browser.click("a[href='/settings/sources']").await;
    browser.press("+ Add alert source").await;
    browser.click("a.kind[href$='/alertmanager']").await;
    browser.fill("Name", "Prometheus of the shop").await;
    browser
        .eval("document.getElementById('service').selectedIndex = 1")
        .await;
    browser.click("main form > .row button.primary").await;
    browser.wait_for_text("webhook_configs").await;
    browser.press("Send a test alert").await;
    browser.wait_for_text("A sample went through").await;
    browser.wait_for_text("1 opened").await;
    browser.press("Resolve it").await;
    browser.wait_for_text("1 resolved").await;
    browser.click("#request a.main").await;
    browser
        .wait_for_text("Test alert: the disk of db-1 is almost full")
        .await;
    browser.wait_for(".status-resolved").await;
    browser.finish().await;
}

#[tokio::test]
async fn a_mapping_is_previewed_on_the_last_request_while_it_is_typed() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let source = crate::sources::create_source(&app, "generic", json!({})).await;
    let refused = json!({"event": {"id": 7, "text": "Backup failed"}});
    let path = format!("/sources/{}", source.key);
    crate::sources::send(&app, &path, refused.clone())
        .await
        .expect(400);
    let browser = Browser::open_as(&app, Role::Admin).await;
    browser
        .goto(&format!("/settings/sources/{}/edit", source.id))
        .await;
    browser.wait_for_text("Made of the last request").await;
    browser.fill("Alert key", "string(body.event.id)").await;
    browser.fill("Title", "body.event.text + '!'").await;
    browser.wait_for_text("Backup failed!").await;
    browser.click("main form > .row button.primary").await;
    browser.wait_for_text("Saved.").await;
    crate::sources::send(&app, &path, refused).await.expect(202);
    browser.wait_for_text("1 opened").await;
    browser.finish().await;
}

#[tokio::test]
async fn only_administrators_see_keys_and_a_new_key_ends_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let source = crate::sources::create_source(&app, "generic", json!({})).await;
    let page = format!("/settings/sources/{}", source.id);
    let responder = person(&app, Role::Responder).await;
    responder.get(&page).await.expect(403);
    responder.get("/settings/sources").await.expect(403);
    let admin = person(&app, Role::Admin).await;
    assert!(admin.get(&page).await.expect(200).html.contains(&source.key));
    admin.submit(&format!("{page}/rotate-key"), &[]).await.expect(303);
    let after = admin.get(&page).await.expect(200).html;
    assert!(!after.contains(&source.key));
    admin.submit(&format!("{page}/disable"), &[]).await.expect(303);
    assert!(
        admin
            .get(&page)
            .await
            .expect(200)
            .html
            .contains("This source is disabled")
    );
    admin.submit(&format!("{page}/enable"), &[]).await.expect(303);
    let fields = [("name", "n"), ("stormAlerts", "0"), ("stormWindow", "60")];
    let refused = admin.submit(&format!("{page}/edit"), &fields).await.expect(422);
    assert!(
        refused.html.contains("StormAlerts is between") || refused.html.contains("stormAlerts is between")
    );
    admin.submit(&format!("{page}/delete"), &[]).await.expect(303);
    admin.get(&page).await.expect(404);
}
