//! What forms must never do: act twice, undo what others did, drop what was typed, widen what was chosen.

use model::access::Role;
use serde_json::{Value, json};

use super::people::{PASSWORD, create_user, person, set_up, sign_in, sign_in_link};
use crate::support::page_client::{Page, PageClient};
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::test_app::{TestApp, text};

const FAILING: Reply = Reply::Raw("HTTP/1.1 500 Oh no\r\ncontent-length: 0\r\n\r\n");
const SETTINGS: [(&str, &str); 5] = [
    ("events", "incident.triggered"),
    ("retrySchedule", "1m"),
    ("timeout", "10s"),
    ("ordering", "incident"),
    ("whenDisabled", "hold"),
];

/// The value of a hidden field of a page.
fn hidden(page: &Page, name: &str) -> String {
    let marker = format!("name=\"{name}\" value=\"");
    let (_, after) = page.html.split_once(&marker).expect("the field is there");
    after.split('"').next().unwrap().to_owned()
}

async fn webhook(app: &TestApp, id: &str) -> Value {
    app.api
        .get(&format!("/api/v1/webhooks/{id}"))
        .await
        .expect(200)
        .json()
}

/// Saves the edit form of a webhook with some fields changed.
async fn save(visitor: &PageClient, id: &str, form: &Page, changed: &[(&str, &str)]) -> Page {
    let seen = hidden(form, "seen");
    let mut fields = SETTINGS.to_vec();
    fields.extend([("url", "http://127.0.0.1:9300/"), ("seen", &seen)]);
    fields.extend(changed);
    visitor
        .submit(&format!("/settings/integrations/{id}/edit"), &fields)
        .await
}

#[tokio::test]
async fn a_form_that_shows_a_secret_once_acts_once() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let admin = person(&app, Role::Admin).await;
    let page = admin.get("/settings/api-keys").await.expect(200);
    let once = hidden(&page, "once");
    let fields = [
        ("name", "reader"),
        ("scopes", "events:read"),
        ("lifetime", "never"),
        ("once", &once),
    ];
    let made = admin.submit("/settings/api-keys", &fields).await.expect(200);
    assert!(made.html.contains("ok_"));
    let again = admin.submit("/settings/api-keys", &fields).await.expect(409);
    assert_eq!(again.error_code(), "used_form");
    let keys = app.api.get("/api/v1/api-keys").await.expect(200).json();
    let named = keys["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["name"] == "reader");
    assert_eq!(named.count(), 1);
}

#[tokio::test]
async fn nothing_is_remembered_of_what_a_stranger_sends_with_a_form() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let stranger = PageClient::new(&app.base());
    let invented = "x".repeat(4 * 1024);
    let fields = [("theme", "dark"), ("once", invented.as_str())];
    stranger.submit("/appearance", &fields).await.expect(303);
    stranger.submit("/appearance", &fields).await.expect(303);
}

#[tokio::test]
async fn a_form_with_a_token_that_no_page_issued_does_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (admin, other) = (person(&app, Role::Admin).await, person(&app, Role::Admin).await);
    let page = other.get("/settings/api-keys").await.expect(200);
    let theirs = hidden(&page, "once");
    for once in ["invented", &theirs] {
        let fields = [
            ("name", "reader"),
            ("scopes", "events:read"),
            ("lifetime", "never"),
            ("once", once),
        ];
        let refused = admin.submit("/settings/api-keys", &fields).await.expect(409);
        assert_eq!(refused.error_code(), "old_form");
    }
    let keys = app.api.get("/api/v1/api-keys").await.expect(200).text;
    assert!(!keys.contains("reader"));
}

#[tokio::test]
async fn a_webhook_that_was_changed_meanwhile_is_not_overwritten_unseen() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let id = app.create_webhook("http://127.0.0.1:9300/", json!({})).await;
    let admin = person(&app, Role::Admin).await;
    let form = admin
        .get(&format!("/settings/integrations/{id}/edit"))
        .await
        .expect(200);
    app.advance(std::time::Duration::from_secs(1));
    let path = format!("/api/v1/webhooks/{id}");
    app.api
        .send("PATCH", &path, Some(json!({"timeout": "3s"})), &[])
        .await
        .unwrap()
        .expect(200);
    let refused = save(&admin, &id, &form, &[("name", "mine")]).await.expect(422);
    assert!(refused.html.contains("Somebody changed this webhook meanwhile"));
    assert_eq!(webhook(&app, &id).await["timeout"], "3s");
    save(&admin, &id, &refused, &[("name", "mine")]).await.expect(303);
    assert_eq!(webhook(&app, &id).await["name"], "mine");
}

#[tokio::test]
async fn headers_that_were_typed_are_refused_rather_than_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let id = app
        .create_webhook("http://127.0.0.1:9300/", json!({"headers": {"X-Team": "a"}}))
        .await;
    let admin = person(&app, Role::Admin).await;
    let form = admin
        .get(&format!("/settings/integrations/{id}/edit"))
        .await
        .expect(200);
    let typed = [("name", "n"), ("headerName", "X-New"), ("headerValue", "1")];
    let refused = save(&admin, &id, &form, &typed).await.expect(422);
    assert!(refused.html.contains("Tick the box to replace"));
    let ticked = [&typed[..], &[("replaceHeaders", "yes")]].concat();
    save(&admin, &id, &form, &ticked).await.expect(303);
    assert_eq!(webhook(&app, &id).await["headers"], json!(["X-New"]));
}

/// The form of a new webhook with a mistake in its timeout, as it comes back.
async fn refused_once(admin: &PageClient, more: &[(&str, &str)]) -> Page {
    admin.get(NEW).await.expect(200);
    let mut fields = vec![
        ("name", "Pager"),
        ("url", "http://127.0.0.1:9300/"),
        ("events", "incident.triggered"),
    ];
    fields.extend([
        ("retrySchedule", "1m"),
        ("timeout", "soon"),
        ("ordering", "incident"),
        ("whenDisabled", "hold"),
    ]);
    fields.extend(more);
    admin.submit(NEW, &fields).await.expect(422)
}

const NEW: &str = "/settings/integrations/new/generic";

#[tokio::test]
async fn secrets_typed_once_survive_a_mistake_elsewhere_and_no_page_shows_them() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let admin = person(&app, Role::Admin).await;
    let secrets = [
        ("secret", "typed-secret-1"),
        ("headerName", "X-Token"),
        ("headerValue", "typed-secret-2"),
    ];
    let refused = refused_once(&admin, &secrets).await;
    assert!(!refused.html.contains("typed-secret") && refused.html.contains("Typed already"));
    let typed = hidden(&refused, "typed");
    let again = [
        ("name", "Pager"),
        ("url", "http://127.0.0.1:9300/"),
        ("timeout", "5s"),
        ("secret", ""),
        ("headerName", "X-Token"),
        ("headerValue", ""),
        ("typed", &typed),
    ];
    let again = [&SETTINGS[..2], &SETTINGS[3..], &again].concat();
    let saved = admin.submit(NEW, &again).await.expect(200);
    assert!(saved.html.contains("typed-secret-1"));
    let made = app.api.get("/api/v1/webhooks").await.expect(200).json();
    assert_eq!(made["items"][0]["headers"], json!(["X-Token"]));
}

#[tokio::test]
async fn secrets_on_their_way_open_for_nobody_else_and_only_for_half_an_hour() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let (admin, other) = (person(&app, Role::Admin).await, person(&app, Role::Admin).await);
    let typed = hidden(
        &refused_once(&admin, &[("secret", "typed-secret-1")]).await,
        "typed",
    );
    let with_it = async |visitor: &PageClient| {
        let page = refused_once(visitor, &[("typed", &typed)]).await;
        page.html.contains("name=\"typed\"")
    };
    assert!(with_it(&admin).await && !with_it(&other).await);
    app.advance(std::time::Duration::from_secs(31 * 60));
    assert!(!with_it(&admin).await);
}

#[tokio::test]
async fn of_many_services_those_are_offered_that_are_searched_for_with_and_without_a_script() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    for number in 0..60 {
        let service = json!({"name": format!("service {number:02}")});
        app.api.post("/api/v1/services", service).await.expect(201);
    }
    let admin = person(&app, Role::Admin).await;
    let form = admin.get(NEW).await.expect(200);
    assert!(form.html.contains("service 49") && !form.html.contains("service 50"));
    assert!(form.html.contains("and 10 more: search for them"));
    let fields = [("serviceSearch", "Service 5"), ("findServices", "yes")];
    let found = admin.submit(NEW, &fields).await.expect(200);
    let part = admin
        .submit("/settings/integrations/find-services", &fields[..1])
        .await
        .expect(200);
    for page in [&found, &part] {
        assert!(
            page.html.contains("service 59") && !page.html.contains("service 49"),
            "{}",
            page.html
        );
    }
    assert!(!part.html.contains("<html"));
}

#[tokio::test]
async fn a_service_that_a_webhook_chose_stays_chosen_however_many_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let oldest = app
        .api
        .post("/api/v1/services", json!({"name": "oldest"}))
        .await
        .expect(201)
        .json();
    let oldest = text(&oldest["id"]);
    for number in 0..205 {
        app.api
            .post("/api/v1/services", json!({"name": format!("service {number}")}))
            .await
            .expect(201);
    }
    let id = app
        .create_webhook("http://127.0.0.1:9300/", json!({"services": [oldest]}))
        .await;
    let admin = person(&app, Role::Admin).await;
    let form = admin
        .get(&format!("/settings/integrations/{id}/edit"))
        .await
        .expect(200);
    assert!(form.html.contains(&format!("value=\"{oldest}\" checked")));
}

#[tokio::test]
async fn an_incidents_form_changes_only_what_was_changed_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let id = app.trigger("Disk full").await;
    let responder = person(&app, Role::Responder).await;
    let path = format!("/api/v1/incidents/{id}");
    app.api
        .send("PATCH", &path, Some(json!({"title": "Disk full on db-1"})), &[])
        .await
        .unwrap()
        .expect(200);
    let old_form = [
        ("title", "Disk full"),
        ("was-title", "Disk full"),
        ("severity", "critical"),
        ("was-severity", "critical"),
        ("description", "The log fills it."),
        ("was-description", ""),
    ];
    responder
        .submit(&format!("/incidents/{id}/edit"), &old_form)
        .await
        .expect(303);
    let incident = app.api.get(&path).await.expect(200).json();
    assert_eq!(incident["title"], "Disk full on db-1");
    assert_eq!(incident["description"], "The log fills it.");
}

#[tokio::test]
async fn replaying_the_dead_of_one_cause_keeps_the_order_of_an_incident_and_leaves_tests_alone() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let mut receiver = Receiver::start(&[FAILING, FAILING, FAILING, FAILING, OK]).await;
    let url = format!("http://{}/", receiver.address);
    let id = app.create_webhook(&url, json!({"retrySchedule": []})).await;
    app.api
        .post(&format!("/api/v1/webhooks/{id}/test"), json!({}))
        .await
        .expect(200);
    let incident = app.trigger("Disk full").await;
    app.act(&incident, "acknowledge").await;
    app.act(&incident, "resolve").await;
    app.wait_for("status=dead&event=incident.resolved", 1).await;
    for _ in 0..4 {
        receiver.next_request().await;
    }
    let responder = person(&app, Role::Responder).await;
    let group = [
        ("webhook", id.as_str()),
        ("cause", "server_error"),
        ("all", "yes"),
    ];
    responder.submit("/dead/replay", &group).await.expect(303);
    for event in ["triggered", "acknowledged", "resolved"] {
        let request = receiver.next_request().await;
        assert!(
            request.contains(&format!("x-opsknight-event: incident.{event}")),
            "{request}"
        );
    }
    app.wait_for("status=delivered", 3).await;
    app.quiesce().await;
    assert!(!receiver.has_further_requests());
}

#[tokio::test]
async fn a_delivery_that_waits_for_its_next_attempt_can_be_hurried() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let mut receiver = Receiver::start(&[FAILING, OK]).await;
    let url = format!("http://{}/", receiver.address);
    app.create_webhook(&url, json!({"retrySchedule": ["15m"]})).await;
    app.trigger("Disk full").await;
    receiver.next_request().await;
    let delivery = text(&app.wait_for("status=scheduled", 1).await[0]["id"]);
    app.wait_for_attempts(&delivery, 1).await;
    let responder = person(&app, Role::Responder).await;
    let page = responder
        .get(&format!("/deliveries/{delivery}"))
        .await
        .expect(200);
    assert!(page.html.contains("Retry now"));
    let path = format!("/deliveries/{delivery}/retry-now");
    let hurried = responder.submit(&path, &[]).await.expect(303);
    assert!(hurried.location().ends_with("did=retried"));
    receiver.next_request().await;
    let delivered = app.wait_for("status=delivered", 1).await;
    assert_eq!(delivered[0]["attemptsMade"], 2);
    let late = responder.submit(&path, &[]).await.expect(303);
    assert!(late.location().ends_with("did=not-waiting"));
}

#[tokio::test]
async fn a_selection_passes_over_what_cannot_be_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let receiver = Receiver::start(&[FAILING, FAILING, OK]).await;
    let url = format!("http://{}/", receiver.address);
    let gone = app.create_webhook(&url, json!({"retrySchedule": []})).await;
    app.create_webhook(&url, json!({"retrySchedule": []})).await;
    app.trigger("Disk full").await;
    let dead = app.wait_for("status=dead", 2).await;
    app.api
        .send("DELETE", &format!("/api/v1/webhooks/{gone}"), None, &[])
        .await
        .unwrap()
        .expect(204);
    let responder = person(&app, Role::Responder).await;
    let ids: Vec<_> = dead.iter().map(|delivery| text(&delivery["id"])).collect();
    let chosen: Vec<_> = ids.iter().map(|id| ("delivery", id.as_str())).collect();
    let replayed = responder.submit("/dead/replay", &chosen).await.expect(303);
    assert!(replayed.location().ends_with("did=some-replayed"));
    app.wait_for("status=delivered", 1).await;
}

#[tokio::test]
async fn the_address_of_a_form_leads_to_its_page() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let id = app.create_webhook("http://127.0.0.1:9300/", json!({})).await;
    let admin = person(&app, Role::Admin).await;
    let page = format!("/settings/integrations/{id}");
    let led = admin.get(&format!("{page}/recover")).await.expect(303);
    assert_eq!(led.location(), page);
}

#[tokio::test]
async fn only_administrators_make_or_touch_administrators() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let admin = create_user(&app, "Ada", "ada@example.com", Role::Admin).await;
    let viewer = create_user(&app, "Vera", "vera@example.com", Role::Viewer).await;
    let key = json!({"name": "catalog", "scopes": ["catalog:write", "incidents:read"]});
    let key = app.api.post("/api/v1/api-keys", key).await.expect(201).json();
    let catalog = crate::support::api_client::ApiClient::new(&app.base(), key["key"].as_str().unwrap());
    let promote = Some(json!({"role": "admin"}));
    let refused = [
        catalog
            .send("PATCH", &format!("/api/v1/users/{viewer}"), promote, &[])
            .await
            .unwrap()
            .status,
        catalog
            .post("/api/v1/users", json!({"name": "Eve", "role": "admin"}))
            .await
            .status,
        catalog
            .send("DELETE", &format!("/api/v1/users/{admin}"), None, &[])
            .await
            .unwrap()
            .status,
        catalog
            .send(
                "PATCH",
                &format!("/api/v1/users/{admin}"),
                Some(json!({"email": null})),
                &[],
            )
            .await
            .unwrap()
            .status,
    ];
    assert_eq!(refused, [403; 4]);
    let renamed = Some(json!({"name": "Vera Rubin"}));
    catalog
        .send("PATCH", &format!("/api/v1/users/{viewer}"), renamed, &[])
        .await
        .unwrap()
        .expect(200);
}

#[tokio::test]
async fn a_link_ends_with_the_address_that_it_was_for() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let token = sign_in_link(&app, "grace@example.com").await;
    let users = app.api.get("/api/v1/users").await.expect(200).json();
    let id = text(&users["items"][0]["id"]);
    app.api
        .send(
            "PATCH",
            &format!("/api/v1/users/{id}"),
            Some(json!({"email": null})),
            &[],
        )
        .await
        .unwrap()
        .expect(200);
    let nobody = PageClient::new(&app.base());
    let page = nobody.get(&format!("/welcome?token={token}")).await.expect(200);
    assert!(page.html.contains("This link does not work"));
    let fields = [
        ("token", token.as_str()),
        ("password", PASSWORD),
        ("passwordAgain", PASSWORD),
    ];
    nobody.submit("/welcome", &fields).await.expect(422);
}

#[tokio::test]
async fn many_wrong_passwords_at_once_are_no_more_than_one_after_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    set_up(&app).await;
    let guesses = (0..30).map(|_| async {
        let visitor = PageClient::new(&app.base());
        sign_in(&visitor, "wrong password").await.status
    });
    let answers = futures_util::future::join_all(guesses).await;
    let looked_at = answers.iter().filter(|status| **status == 401).count();
    assert_eq!(looked_at, 10, "{answers:?}");
    let huge = "a".repeat(9000);
    let visitor = PageClient::new(&app.base());
    let fields = [("email", huge.as_str()), ("password", "x")];
    visitor.submit("/sign-in", &fields).await.expect(400);
}
