//! The receiver's page: what a link opens, and above all what it does not.

use std::time::Duration;

use model::access::Role;
use serde_json::{Value, json};
use web::{PageVerb, RoutePolicy, routes};

use super::people::person;
use super::sample::{RECEIVER_COOKIE, SampleLink, create, make_link};
use crate::support::api_client::ApiAnswer;
use crate::support::page_client::{PageClient, SAME_ORIGIN};
use crate::support::receiver::{OK, Receiver};
use crate::support::test_app::{TestApp, text};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A server with two webhooks that each got an event, and a link to the first.
struct Scene {
    app: TestApp,
    receiver: Receiver,
    webhook: String,
    link: SampleLink,
    own: String,
    foreign: String,
    _other: Receiver,
    _directory: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let app = TestApp::start(directory.path()).await;
        app.create_service().await;
        let (mut receiver, other) = (Receiver::start(&[OK]).await, Receiver::start(&[OK]).await);
        let webhook = |name: &str, receiver: &Receiver| {
            json!({"name": name, "url": format!("http://{}/hook", receiver.address),
                "events": ["incident.triggered"], "secret": "the-first-secret"})
        };
        let first = create(&app, "webhooks", webhook("Payments bridge", &receiver)).await;
        let second = create(&app, "webhooks", webhook("Somebody else's", &other)).await;
        app.trigger("Disk full on db-1").await;
        receiver.next_request().await;
        app.wait_for("status=delivered", 2).await;
        let delivery = async |webhook: &str| {
            let found = app.deliveries(&format!("webhook={webhook}")).await;
            text(&found[0]["id"])
        };
        let (own, foreign) = (delivery(&first).await, delivery(&second).await);
        let link = make_link(&app, &first).await;
        Self {
            app,
            receiver,
            webhook: first,
            link,
            own,
            foreign,
            _other: other,
            _directory: directory,
        }
    }

    /// Somebody without an account who has opened the link.
    async fn holder(&self) -> PageClient {
        let visitor = PageClient::new(&self.app.base());
        let opened = visitor.get(&format!("/receiver/open/{}", self.link.token)).await;
        assert_eq!(opened.expect(303).location(), self.path());
        visitor.get(&self.path()).await.expect(200);
        visitor
    }

    async fn delete(&self, path: &str) -> ApiAnswer {
        self.app.api.send("DELETE", path, None, &[]).await.unwrap()
    }

    fn path(&self) -> String {
        format!("/receiver/{}", self.link.id)
    }

    /// The addresses of pages or forms that a link opens.
    fn addresses(&self, verb: PageVerb) -> Vec<String> {
        let routes = routes::all().into_iter();
        let ours = routes.filter(|route| route.verb == verb && route.policy == RoutePolicy::ReceiverLink);
        ours.map(|route| {
            route
                .path
                .replace("{link}", &self.link.id)
                .replace("{id}", &self.own)
        })
        .collect()
    }

    async fn everything(&self) -> String {
        let audit = self.app.api.get("/api/v1/audit?limit=200").await.expect(200);
        let deliveries = self.app.api.get("/api/v1/deliveries").await.expect(200);
        audit.text + &deliveries.text
    }

    /// That the link opens nothing: no page, no form, not anew.
    async fn expect_nothing(&self, visitor: &PageClient) {
        let before = self.everything().await;
        for path in self.addresses(PageVerb::Get) {
            let page = visitor.get(&path).await.expect(404);
            assert_eq!(page.error_code(), "link_ended", "{path}");
        }
        for path in self.addresses(PageVerb::Post) {
            let page = visitor.submit(&path, &[]).await.expect(404);
            assert_eq!(page.error_code(), "link_ended", "{path}");
        }
        let opening = format!("/receiver/open/{}", self.link.token);
        assert_eq!(visitor.get(&opening).await.expect(404).error_code(), "link_ended");
        assert_eq!(self.everything().await, before);
    }
}

#[tokio::test]
async fn a_holder_sees_deliveries_replays_tests_and_rotates_without_an_account() {
    let mut scene = Scene::new().await;
    let holder = scene.holder().await;
    let path = scene.path();
    let page = holder.get(&path).await.expect(200);
    assert!(page.html.contains("Payments bridge") && page.html.contains(&scene.own));
    let delivery = format!("{path}/deliveries/{}", scene.own);
    let page = holder.get(&delivery).await.expect(200);
    assert!(page.html.contains("x-opsknight-signature") && page.html.contains("Disk full on db-1"));
    let replayed = holder
        .submit(&format!("{delivery}/replay"), &[])
        .await
        .expect(303);
    assert_eq!(replayed.location(), format!("{delivery}?did=replayed"));
    assert!(scene.receiver.next_request().await.contains(&scene.own));
    let tested = holder
        .submit(&format!("{path}/test"), &[("event", "incident.resolved")])
        .await;
    let tested = holder.get(tested.expect(303).location()).await.expect(200);
    assert!(tested.html.contains("incident.resolved") && tested.html.contains("Send Test"));
    assert!(
        scene
            .receiver
            .next_request()
            .await
            .contains("x-opsknight-test: true")
    );
    let rotated = holder
        .submit(&format!("{path}/rotate-secret"), &[("overlap", "1h")])
        .await
        .expect(200);
    assert!(rotated.html.contains("whsec_") && !rotated.html.contains("the-first-secret"));
    let audit = scene
        .app
        .api
        .get("/api/v1/audit?limit=3")
        .await
        .expect(200)
        .json();
    let by = |entry: &Value| {
        (
            text(&entry["action"]),
            text(&entry["actor"]["kind"]),
            text(&entry["actor"]["name"]),
        )
    };
    assert_eq!(
        by(&audit["items"][0]),
        (
            "webhook.rotate_secret".into(),
            "receiver".into(),
            "Payments team".into()
        )
    );
}

#[tokio::test]
async fn a_delivery_of_another_webhook_is_not_found_and_cannot_be_replayed() {
    let scene = Scene::new().await;
    let holder = scene.holder().await;
    let before = scene.everything().await;
    let foreign = format!("{}/deliveries/{}", scene.path(), scene.foreign);
    let page = holder.get(&foreign).await.expect(404);
    assert!(!page.html.contains("Disk full") && !page.html.contains("Somebody else"));
    holder.submit(&format!("{foreign}/replay"), &[]).await.expect(404);
    let list = holder.get(&scene.path()).await.expect(200);
    assert!(!list.html.contains(&scene.foreign) && !list.html.contains("Somebody else"));
    assert_eq!(scene.everything().await, before);
}

#[tokio::test]
async fn a_link_opens_no_page_of_the_console_and_not_that_of_another_link() {
    let scene = Scene::new().await;
    let holder = scene.holder().await;
    for path in ["/", "/deliveries", "/settings/integrations", "/incidents"] {
        assert!(
            holder
                .get(path)
                .await
                .expect(303)
                .location()
                .starts_with("/sign-in"),
            "{path}"
        );
    }
    let other = make_link(&scene.app, &scene.webhook).await;
    let page = holder.get(&format!("/receiver/{}", other.id)).await.expect(404);
    assert_eq!(page.error_code(), "link_ended");
    let key = scene.app.api.get("/api/v1/webhooks").await.expect(200);
    assert!(!key.text.contains(&scene.link.token));
}

#[tokio::test]
async fn a_revoked_link_opens_nothing() {
    let scene = Scene::new().await;
    let holder = scene.holder().await;
    let path = format!(
        "/api/v1/webhooks/{}/receiver-links/{}",
        scene.webhook, scene.link.id
    );
    scene.delete(&path).await.expect(204);
    scene.expect_nothing(&holder).await;
}

#[tokio::test]
async fn a_link_opens_nothing_after_its_time() {
    let scene = Scene::new().await;
    let holder = scene.holder().await;
    scene.app.advance(DAY * 29);
    holder.get(&scene.path()).await.expect(200);
    scene.app.advance(DAY * 2);
    scene.expect_nothing(&holder).await;
}

#[tokio::test]
async fn a_link_opens_nothing_once_its_webhook_is_deleted() {
    let scene = Scene::new().await;
    let holder = scene.holder().await;
    let path = format!("/api/v1/webhooks/{}", scene.webhook);
    scene.delete(&path).await.expect(204);
    scene.expect_nothing(&holder).await;
}

#[tokio::test]
async fn forms_without_the_links_own_token_are_refused() {
    let scene = Scene::new().await;
    let holder = scene.holder().await;
    let admin = person(&scene.app, Role::Admin).await;
    let before = scene.everything().await;
    for path in scene.addresses(PageVerb::Post) {
        let bare = holder.post(&path, &[], &[SAME_ORIGIN]).await.expect(403);
        assert_eq!(bare.error_code(), "stale_form", "{path}");
        let csrf = admin.csrf();
        let foreign = holder
            .post(&path, &[("csrf", &csrf)], &[SAME_ORIGIN])
            .await
            .expect(403);
        assert_eq!(foreign.error_code(), "stale_form", "{path}");
        let csrf = holder.csrf();
        for header in [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ] {
            let page = holder
                .post(&path, &[("csrf", &csrf)], &[header])
                .await
                .expect(403);
            assert_eq!(page.error_code(), "foreign_form", "{path}");
        }
        // Over plain HTTP a browser hides the origin of a page that sends no referrer: the token alone must do.
        let hidden = holder.post(&path, &[], &[("origin", "null")]).await.expect(403);
        assert_eq!(hidden.error_code(), "stale_form", "{path}");
    }
    assert_eq!(scene.everything().await, before);
}

#[tokio::test]
async fn pages_of_a_link_tell_neither_search_engines_nor_other_sites_nor_show_the_token() {
    let scene = Scene::new().await;
    let holder = scene.holder().await;
    let opening = holder.get(&format!("/receiver/open/{}", scene.link.token)).await;
    let cookie = opening.set_cookies()[0].to_owned();
    assert!(
        cookie.contains(&format!("Path=/receiver/{};", scene.link.id)),
        "{cookie}"
    );
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let mut pages = vec![opening];
    for path in scene.addresses(PageVerb::Get) {
        pages.push(holder.get(&path).await.expect(200));
    }
    for page in pages {
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("x-robots-tag"), "noindex, nofollow");
        assert!(!page.html.contains(&scene.link.token) && !page.html.contains("the-first-secret"));
    }
}

#[tokio::test]
async fn a_new_secret_is_made_once_however_often_the_form_is_sent() {
    let scene = Scene::new().await;
    let holder = scene.holder().await;
    let page = holder.get(&scene.path()).await.expect(200);
    let (_, once) = page.html.split_once("name=\"once\" value=\"").unwrap();
    let once = once.split('"').next().unwrap();
    let path = format!("{}/rotate-secret", scene.path());
    holder.submit(&path, &[("once", once)]).await.expect(200);
    assert_eq!(
        holder
            .submit(&path, &[("once", once)])
            .await
            .expect(409)
            .error_code(),
        "used_form"
    );
}

#[tokio::test]
async fn what_one_link_does_and_what_strangers_guess_is_bounded() {
    let scene = Scene::new().await;
    let holder = scene.holder().await;
    let path = format!("{}/deliveries/{}/replay", scene.path(), scene.own);
    let mut statuses = Vec::new();
    for _ in 0..32 {
        statuses.push(holder.submit(&path, &[]).await.status);
    }
    assert_eq!((statuses[0], statuses.pop()), (303, Some(429)));
    let stranger = PageClient::new(&scene.app.base());
    stranger.keep_cookie(RECEIVER_COOKIE, "rl_guessed");
    let mut statuses = Vec::new();
    for _ in 0..32 {
        statuses.push(stranger.get(&scene.path()).await.status);
    }
    assert_eq!((statuses[0], statuses.pop()), (404, Some(429)));
}

#[tokio::test]
async fn an_administrator_makes_a_link_on_the_webhooks_page_sees_its_use_and_revokes_it() {
    let scene = Scene::new().await;
    let admin = person(&scene.app, Role::Admin).await;
    let webhook = format!("/settings/integrations/{}", scene.webhook);
    admin.get(&webhook).await.expect(200);
    let path = format!("{webhook}/receiver-links");
    let refused = admin
        .submit(&path, &[("name", ""), ("days", "9999")])
        .await
        .expect(422);
    assert!(refused.html.contains("1 to 365 days"));
    let made = admin
        .submit(&path, &[("name", "Team B"), ("days", "7")])
        .await
        .expect(200);
    let (_, token) = made.html.split_once("/receiver/open/").unwrap();
    let token = token.split('"').next().unwrap().to_owned();
    let visitor = PageClient::new(&scene.app.base());
    let opened = visitor.get(&format!("/receiver/open/{token}")).await.expect(303);
    let page = admin.get(&webhook).await.expect(200);
    assert!(page.html.contains("Team B") && !page.html.contains(&token));
    let id = opened.location().rsplit('/').next().unwrap().to_owned();
    let revoked = admin
        .submit(&format!("{path}/{id}/revoke"), &[])
        .await
        .expect(303);
    assert_eq!(revoked.location(), format!("{webhook}?did=link-revoked"));
    visitor.get(opened.location()).await.expect(404);
    let viewer = person(&scene.app, Role::Responder).await;
    viewer
        .submit(&path, &[("name", "Me"), ("days", "7")])
        .await
        .expect(403);
    assert!(!viewer.get(&webhook).await.expect(200).html.contains("Team B"));
}

#[tokio::test]
async fn links_are_listed_by_the_api_and_shown_once() {
    let scene = Scene::new().await;
    scene.holder().await;
    let path = format!("/api/v1/webhooks/{}/receiver-links", scene.webhook);
    let listed = scene.app.api.get(&path).await.expect(200).json();
    let link = &listed["items"][0];
    assert_eq!(
        (text(&link["id"]), text(&link["name"])),
        (scene.link.id.clone(), "Payments team".into())
    );
    assert!(link["link"].is_null() && !link["lastUsedAt"].is_null() && link["revokedAt"].is_null());
    let refused = scene
        .app
        .api
        .post(&path, json!({"name": " ", "days": 0}))
        .await
        .expect(422)
        .json();
    assert_eq!(refused["code"], "invalid_fields");
    let one = format!("{path}/{}", scene.link.id);
    scene.delete(&one).await.expect(204);
    let listed = scene.app.api.get(&path).await.expect(200).json();
    assert!(!listed["items"][0]["revokedAt"].is_null());
    let elsewhere = one.replace(&scene.webhook, "whk_0190b6c88f3e7d2a8e4c5f6a7b8c9d04");
    scene.delete(&elsewhere).await.expect(404);
}
