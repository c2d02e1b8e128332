//! Try it: the API's reads with a session in the place of a key.

use model::access::Role;

use super::people::person;
use crate::support::page_client::PageClient;
use crate::support::test_app::TestApp;

async fn ask(visitor: &PageClient, route: &str, more: &str) -> String {
    let mut address = url::form_urlencoded::Serializer::new("/docs/api/try?".to_owned());
    let address = address
        .append_pair("route", route)
        .append_pair("send", "yes")
        .finish();
    visitor.get(&format!("{address}{more}")).await.expect(200).html
}

#[tokio::test]
async fn a_route_is_read_with_the_rights_of_the_session_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let incident = app.trigger("Disk full on db-1").await;
    let (admin, viewer) = (person(&app, Role::Admin).await, person(&app, Role::Viewer).await);
    let one = ask(&viewer, "/api/v1/incidents/{id}", &format!("&in-id={incident}")).await;
    assert!(
        one.contains("Disk full on db-1") && one.contains("200 <span"),
        "{one}"
    );
    let filtered = ask(&viewer, "/api/v1/incidents", "&in-status=resolved").await;
    assert!(!filtered.contains("Disk full on db-1") && filtered.contains("nextCursor"));
    assert!(ask(&admin, "/api/v1/api-keys", "").await.contains("200 <span"));
    let refused = ask(&viewer, "/api/v1/api-keys", "").await;
    assert!(refused.contains("403 <span") && refused.contains("forbidden"));
}

#[tokio::test]
async fn nothing_but_reads_can_be_tried_and_nothing_leads_out_of_a_route() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let admin = person(&app, Role::Admin).await;
    let offered = admin.get("/docs/api/try").await.expect(200).html;
    for left_out in [
        "/metrics",
        "/api/v1/events/stream",
        "/api/v1/system/check",
        "/export",
    ] {
        assert!(!offered.contains(&format!("{left_out}\"")), "{left_out}");
    }
    for route in ["/api/v1/webhooks/{id}/test", "/api/v1/nothing", "/healthz"] {
        assert!(
            ask(&admin, route, "&in-id=whk_1")
                .await
                .contains("There is no such route")
        );
    }
    let out = ask(&admin, "/api/v1/incidents/{id}", "&in-id=..%2Fapi-keys").await;
    assert!(out.contains("letters, digits"));
    let nobody = PageClient::new(&app.base());
    nobody
        .get("/docs/api/try?route=%2Fapi%2Fv1%2Fincidents&send=yes")
        .await
        .expect(303);
}
