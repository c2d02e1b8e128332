//! A server that has only a part of its host: `public_url` with a path.

use config::Config;
use serde_json::json;

use crate::support::page_client::{Page, PageClient};
use crate::support::test_app::{Names, TestApp};
use crate::web::people::{EMAIL, PASSWORD, use_set_up_link};

const BASE: &str = "/tools/ops";

async fn start(directory: &std::path::Path, public_url: &str) -> TestApp {
    let url = public_url.parse().unwrap();
    let public = move |config: &mut Config| config.public_url = Some(Clone::clone(&url));
    TestApp::start_with(directory, &public, Names::default()).await
}

/// Everything on a page that leads somewhere on its own host.
fn links(page: &Page) -> Vec<String> {
    let mut links = Vec::new();
    for attribute in [" href=\"", " src=\"", " action=\"", " formaction=\""] {
        let parts = page.html.split(attribute).skip(1);
        let values = parts.filter_map(|part| part.split('"').next());
        links.extend(values.filter(|value| value.starts_with('/')).map(str::to_owned));
    }
    links
}

#[tokio::test]
async fn every_page_form_file_and_redirect_stays_under_the_path_of_the_public_address() {
    let directory = tempfile::tempdir().unwrap();
    let app = start(directory.path(), &format!("http://ops.example{BASE}")).await;
    app.create_service().await;
    let incident = app.trigger("disk full").await;
    let visitor = PageClient::new(&format!("{}{BASE}", app.base()));
    let page = use_set_up_link(&visitor, &app.set_up_token()).await.expect(303);
    assert_eq!(page.location(), format!("{BASE}/"));
    assert!(
        page.set_cookies()[0].contains(&format!("Path={BASE}/;")),
        "{:?}",
        page.set_cookies()
    );
    let paths = [
        "/".to_owned(),
        "/incidents".to_owned(),
        "/incidents/new".to_owned(),
        format!("/incidents/{incident}"),
        "/services".to_owned(),
        "/settings/integrations".to_owned(),
        "/settings/integrations/new/generic".to_owned(),
        "/settings/system".to_owned(),
        "/docs/api".to_owned(),
        "/account".to_owned(),
        "/nowhere".to_owned(),
    ];
    for path in paths {
        let page = visitor.get(&path).await;
        let links = links(&page);
        assert!(links.len() > 3, "{path}: {links:?}");
        let astray: Vec<_> = links
            .iter()
            .filter(|link| !link.starts_with(&format!("{BASE}/")))
            .collect();
        assert!(astray.is_empty(), "{path}: {astray:?}");
    }
    let page = visitor.get("/").await.expect(200);
    let script = links(&page)
        .into_iter()
        .find(|link| link.ends_with("/script.js"))
        .unwrap();
    visitor.get(script.strip_prefix(BASE).unwrap()).await.expect(200);
    let page = visitor.submit("/sign-out", &[]).await.expect(303);
    assert_eq!(page.location(), format!("{BASE}/sign-in?did=signed-out"));
    let page = visitor.get("/incidents").await.expect(303);
    assert_eq!(page.location(), format!("{BASE}/sign-in?next=%2Fincidents"));
}

#[tokio::test]
async fn a_proxy_may_take_the_path_away_and_the_api_is_there_either_way() {
    let directory = tempfile::tempdir().unwrap();
    let app = start(directory.path(), &format!("https://ops.example{BASE}")).await;
    for base in ["", BASE] {
        let path = format!("{base}/api/v1/services");
        let made = app
            .api
            .post(&path, json!({"name": format!("service {base}")}))
            .await
            .expect(201);
        let location = made.header("location");
        assert!(
            location.starts_with(&format!("{BASE}/api/v1/services/svc_")),
            "{location}"
        );
        app.api.get(location).await.expect(200);
        let document = app
            .api
            .get(&format!("{base}/api/v1/openapi.json"))
            .await
            .expect(200);
        assert_eq!(document.json()["servers"][0]["url"], BASE);
    }
    let visitor = PageClient::new(&app.base());
    let page = visitor.get("/sign-in").await.expect(200);
    assert!(page.html.contains(&format!("action=\"{BASE}/sign-in\"")));
}

#[tokio::test]
async fn signing_in_over_plain_http_where_people_use_https_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let app = start(directory.path(), "https://ops.example").await;
    let visitor = PageClient::new(&app.base());
    let fields = [("email", EMAIL), ("password", PASSWORD)];
    let host = [("host", "10.0.0.5:8080"), ("origin", "http://10.0.0.5:8080")];
    let page = visitor.post("/sign-in", &fields, &host).await.expect(400);
    assert_eq!(page.error_code(), "plain_http");
    assert!(page.html.contains("https://ops.example/"), "{}", page.html);
    let secure = [("origin", "https://ops.example")];
    visitor.post("/sign-in", &fields, &secure).await.expect(401);
}
