//! Insights: what happened is what the page, its files and the API show, in the zone that was asked for.

use std::time::Duration;

use model::access::Role;
use serde_json::{Value, json};

use super::people::person;
use crate::support::page_client::PageClient;
use crate::support::receiver::{OK, Receiver};
use crate::support::test_app::TestApp;

/// A service's name that is a formula, and hostile.
const FORMULA: &str = "=HYPERLINK(\"http://evil.example\")</title><script>alert(1)</script>";

async fn trigger(app: &TestApp, title: &str, service: &str) -> String {
    let incident = json!({"title": title, "severity": "error", "service": {"name": service}});
    let made = app.api.post("/api/v1/incidents", incident).await.expect(201);
    made.json()["id"].as_str().unwrap().to_owned()
}

async fn insights(app: &TestApp, query: &str) -> Value {
    let path = format!("/api/v1/insights?{query}");
    app.api.get(&path).await.expect(200).json()
}

/// The rows of a file, without its heading.
async fn rows(viewer: &PageClient, path: &str) -> Vec<String> {
    let file = viewer.get(path).await.expect(200);
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    assert!(file.header("content-disposition").starts_with("attachment; "));
    file.html.lines().skip(1).map(str::to_owned).collect()
}

#[tokio::test]
async fn page_files_and_api_tell_the_same_of_what_happened() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let receiver = Receiver::start(&[OK]).await;
    app.create_service().await;
    let url = format!("http://{}/hook", receiver.address);
    app.create_webhook(&url, json!({"name": "-Pager"})).await;
    app.api
        .post("/api/v1/services", json!({"name": FORMULA}))
        .await
        .expect(201);
    let first = trigger(&app, "one", FORMULA).await;
    trigger(&app, "two", FORMULA).await;
    trigger(&app, "three", "API Gateway").await;
    app.quiesce().await;
    app.advance(Duration::from_secs(600));
    app.act(&first, "acknowledge").await;
    app.act(&first, "escalate").await;
    app.advance(Duration::from_secs(600));
    app.act(&first, "resolve").await;
    app.quiesce().await;

    let told = insights(&app, "days=7").await;
    let total = &told["total"];
    assert_eq!(
        (&total["opened"], &total["error"], &total["escalations"]),
        (&json!(3), &json!(3), &json!(1))
    );
    for (name, seconds) in [("acknowledged", 600.0), ("resolved", 1200.0)] {
        let median = total[name]["medianSeconds"].as_f64().unwrap();
        assert!((median - seconds).abs() < seconds / 20.0, "{name}: {median}");
        assert_eq!(total[name]["count"], 1);
    }
    let by_service: Vec<_> = told["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| &of["sums"]["opened"])
        .collect();
    assert_eq!(by_service, [2, 1]);

    let viewer = person(&app, Role::Viewer).await;
    let noisiest = rows(&viewer, "/insights/noisiest.csv?days=7").await;
    let formula = FORMULA.replace('"', "\"\"");
    assert!(
        noisiest[0].starts_with(&format!("\"'{formula}\",2,0,2,0,0,1,")),
        "{noisiest:?}"
    );
    assert!(
        noisiest[1].starts_with("\"API Gateway\",1,0,1,0,0,0,,"),
        "{noisiest:?}"
    );
    let deliveries = rows(&viewer, "/insights/deliveries.csv?days=7").await;
    assert!(
        deliveries[0].starts_with("\"'-Pager\",6,0,0,1.000,"),
        "{deliveries:?}"
    );
    let page = viewer.get("/insights?days=7").await.expect(200).html;
    assert!(
        !page.contains("<script>alert") && page.contains("&#60;script&#62;alert"),
        "{page}"
    );
    assert!(page.contains("Noisiest services") && page.contains("severities.csv?days=7"));

    // Late changes count where the incident was opened.
    app.act(&first, "reopen").await;
    let told = insights(&app, "days=7").await;
    assert_eq!(
        (
            &told["total"]["resolved"]["count"],
            &told["total"]["acknowledged"]["count"]
        ),
        (&json!(0), &json!(0))
    );
    assert_eq!(told["total"]["opened"], 3);
}

#[tokio::test]
async fn days_and_hours_are_those_of_the_zone() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    trigger(&app, "one", "API Gateway").await;
    for zone in ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham"] {
        let told = insights(&app, &format!("days=3&zone={zone}")).await;
        let incident = app.api.get("/api/v1/incidents").await.expect(200).json();
        let created_at: jiff::Timestamp = incident["items"][0]["createdAt"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let local = created_at.in_tz(zone).unwrap();
        let day = &told["steps"][2];
        assert_eq!(day["from"], local.date().to_string(), "{zone}");
        assert_eq!(day["sums"]["opened"], 1, "{zone}");
        let weekday = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap();
        let hour = usize::try_from(local.hour()).unwrap();
        assert_eq!(told["hours"][weekday][hour], 1, "{zone}");
    }
}

#[tokio::test]
async fn a_new_server_says_that_nothing_was_counted_and_a_wrong_period_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let viewer = person(&app, Role::Viewer).await;
    let page = viewer.get("/insights").await.expect(200).html;
    assert!(page.contains("Nothing was counted in this time"));
    let refused = "from=2020-01-01&to=2021-06-01&step=day";
    let page = viewer.get(&format!("/insights?{refused}")).await.expect(422).html;
    assert!(page.contains("more than 366 steps"), "{page}");
    let problem = app.api.get(&format!("/api/v1/insights?{refused}")).await.json();
    assert_eq!(
        (&problem["code"], &problem["errors"][0]["field"]),
        (&json!("invalid_query"), &json!("step"))
    );
    for name in ["nothing.csv", "severities", "severities.txt"] {
        viewer.get(&format!("/insights/{name}")).await.expect(404);
    }
    viewer
        .get("/insights/severities.csv?zone=Nowhere")
        .await
        .expect(400);
    let by_week = insights(&app, "from=2020-01-01&to=2021-06-01").await;
    assert_eq!(
        (&by_week["step"], &by_week["steps"][0]["from"]),
        (&json!("week"), &json!("2019-12-30"))
    );
}
