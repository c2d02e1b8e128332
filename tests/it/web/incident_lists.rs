//! The list of incidents: many of them chosen and changed at once.

use model::access::Role;
use serde_json::{Value, json};

use super::browser::Browser;
use super::people::person;
use crate::support::test_app::TestApp;

/// An incident as the API shows it.
async fn incident(app: &TestApp, id: &str) -> Value {
    app.api
        .get(&format!("/api/v1/incidents/{id}"))
        .await
        .expect(200)
        .json()
}

#[tokio::test]
async fn incidents_that_are_ticked_are_acknowledged_together_without_a_script() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let ids = [
        app.trigger("one").await,
        app.trigger("two").await,
        app.trigger("three").await,
    ];
    app.act(&ids[1], "acknowledge").await;
    let responder = person(&app, Role::Responder).await;
    let page = responder.get("/incidents?severity=critical").await.expect(200);
    assert!(page.html.contains(r#"action="/incidents/bulk""#));
    let back = ("back", "/incidents?severity=critical");
    let chosen = [
        ("do", "acknowledge"),
        ("incident", ids[0].as_str()),
        ("incident", ids[1].as_str()),
        back,
    ];
    let done = responder.submit("/incidents/bulk", &chosen).await.expect(303);
    assert_eq!(
        done.location(),
        "/incidents?severity=critical&did=bulk-acknowledge-1-1-0"
    );
    let told = responder.get(done.location()).await.expect(200).html;
    assert!(told.contains("1 acknowledged. 1 was so already."));
    assert_eq!(incident(&app, &ids[0]).await["status"], "acknowledged");
    assert_eq!(incident(&app, &ids[2]).await["status"], "triggered");
    let none = responder
        .submit("/incidents/bulk", &[("do", "resolve"), back])
        .await;
    assert!(none.expect(303).location().ends_with("did=none-chosen"));
    let strange = [("do", "burn"), ("incident", ids[0].as_str())];
    responder.submit("/incidents/bulk", &strange).await.expect(400);
    let elsewhere = [
        ("do", "resolve"),
        ("incident", ids[0].as_str()),
        ("back", "//evil.example"),
    ];
    let kept = responder.submit("/incidents/bulk", &elsewhere).await.expect(303);
    assert!(kept.location().starts_with("/incidents?did="));
}

#[tokio::test]
async fn a_viewer_is_offered_nothing_to_tick() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    app.trigger("one").await;
    let viewer = person(&app, Role::Viewer).await;
    let page = viewer.get("/incidents").await.expect(200).html;
    assert!(!page.contains("/incidents/bulk") && !page.contains(r#"name="incident""#));
}

#[tokio::test]
async fn what_is_ticked_stays_ticked_when_rows_arrive_and_only_that_is_changed() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let first = app.trigger("Disk full on db-1").await;
    let second = app.trigger("Disk full on db-2").await;
    let browser = Browser::open_as(&app, Role::Responder).await;
    browser.goto("/incidents").await;
    browser.wait_for("body.is-live").await;
    browser.click(&format!(".pick input[value={first}]")).await;
    // Away from the rows: what arrives is taken in at once.
    browser.point_at("h1").await;
    browser.eval("document.activeElement.blur()").await;
    let third = app.trigger("Disk full on db-3").await;
    browser.wait_for_text("Disk full on db-3").await;
    let ticked = "return [...document.querySelectorAll('.pick :checked')].map((box) => box.value)";
    assert_eq!(browser.eval(ticked).await, json!([first]));
    browser.press("Resolve").await;
    browser.wait_for_text("1 resolved.").await;
    assert_eq!(incident(&app, &first).await["status"], "resolved");
    browser.click("[data-all=incident]").await;
    browser.choose("Assign to", "Me").await;
    browser.press("Assign").await;
    browser.wait_for_text("2 assigned.").await;
    for id in [&second, &third] {
        assert!(incident(&app, id).await["assignee"].is_object());
    }
    browser.finish().await;
}

/// The titles on the page, and where a link of its pager leads.
fn titles(page: &str) -> Vec<String> {
    let rows = page.split("class=\"main clip\"").skip(1);
    let title = |row: &str| {
        let text = row.split("</a>").next().unwrap();
        text.rsplit(['>', ' ']).next().unwrap().to_owned()
    };
    rows.map(title).collect()
}

fn link(page: &str, name: &str) -> Option<String> {
    let (before, _) = page.split_once(&format!(">{name}</a>"))?;
    let (_, address) = before.rsplit_once("href=\"")?;
    Some(address.split('"').next().unwrap().replace("&#38;", "&"))
}

#[tokio::test]
async fn pages_lead_to_newer_and_older_ones_in_every_order() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    for number in 0..120 {
        let severity = ["critical", "info"][number % 2];
        let body = json!({ "title": format!("n{number}"), "severity": severity, "service": { "name": "API Gateway" } });
        app.api.post("/api/v1/incidents", body).await.expect(201);
    }
    let viewer = person(&app, Role::Viewer).await;
    for order in ["newest", "oldest", "severity"] {
        let get = async |path: String| viewer.get(&path).await.expect(200).html;
        let [older, newer] = match order {
            "newest" => ["Older", "Newer"],
            _ => ["Next", "Previous"],
        };
        let first = get(format!("/incidents?sort={order}")).await;
        assert_eq!((titles(&first).len(), link(&first, newer)), (50, None), "{order}");
        let second = get(link(&first, older).unwrap()).await;
        let third = get(link(&second, older).unwrap()).await;
        assert_eq!((titles(&second).len(), titles(&third).len()), (50, 20), "{order}");
        let back = get(link(&third, newer).unwrap()).await;
        assert_eq!(titles(&back), titles(&second), "{order}");
        let further = get(link(&back, newer).unwrap()).await;
        assert_eq!(titles(&further), titles(&first), "{order}");
        let again = get(link(&back, older).unwrap()).await;
        assert_eq!(titles(&again), titles(&third), "{order}");
    }
}

#[tokio::test]
async fn statuses_say_how_many_there_are_and_what_is_named_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    let ids = [
        app.trigger("one").await,
        app.trigger("two").await,
        app.trigger("three").await,
    ];
    app.act(&ids[0], "resolve").await;
    app.act(&ids[1], "acknowledge").await;
    let viewer = person(&app, Role::Viewer).await;
    let page = viewer.get("/incidents").await.expect(200).html;
    let tab = |name: &str, count: u8| format!("{name} <span class=\"number quiet\">{count}</span>");
    for (name, count) in [
        ("Open", 2),
        ("Triggered", 1),
        ("Acknowledged", 1),
        ("Resolved", 1),
    ] {
        assert!(page.contains(&tab(name, count)), "{name}");
    }
    let of_nothing = viewer.get("/incidents?severity=info").await.expect(200).html;
    assert!(of_nothing.contains(&tab("Open", 0)) && of_nothing.contains("No incident fits"));
    for named in ["%231", ids[0].as_str()] {
        let opened = viewer.get(&format!("/incidents?q={named}")).await.expect(303);
        assert_eq!(opened.location(), format!("/incidents/{}", ids[0]));
    }
    let unknown = viewer.get("/incidents?q=%239").await.expect(200).html;
    assert!(unknown.contains("No incident fits"));
}

#[tokio::test]
async fn a_page_of_all_that_is_empty_does_not_lead_to_itself() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let viewer = person(&app, Role::Viewer).await;
    let all = viewer.get("/incidents?status=any").await.expect(200).html;
    assert!(all.contains("There is no incident yet") && !all.contains("Show all"));
    let open = viewer.get("/incidents").await.expect(200).html;
    assert!(open.contains("No incident is open") && open.contains("Show all"));
}

#[tokio::test]
async fn all_that_fit_are_changed_in_steps_that_say_how_far_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    for number in 0..230 {
        app.trigger(&format!("Disk full on db-{number}")).await;
    }
    let other = json!({ "title": "another", "severity": "info", "service": { "name": "API Gateway" } });
    app.api.post("/api/v1/incidents", other).await.expect(201);
    let responder = person(&app, Role::Responder).await;
    let asked = [
        ("do", "acknowledge"),
        ("all", "yes"),
        ("back", "/incidents?severity=critical"),
    ];
    let page = responder.submit("/incidents/bulk", &asked).await.expect(200);
    assert!(
        page.html.contains("<b class=\"number\">230</b> incidents"),
        "{}",
        page.html
    );
    let triggered = app.api.get("/api/v1/incidents?status=acknowledged").await.json();
    assert_eq!(triggered["items"], json!([]));
    let begun = [&asked[..], &[("begin", "yes"), ("total", "230")]].concat();
    let page = responder.submit("/incidents/bulk", &begun).await.expect(200);
    assert!(
        page.html.contains("200 of 230") && page.html.contains("data-go-on"),
        "{}",
        page.html
    );
    let hidden = |name: &str| {
        let (_, after) = page
            .html
            .split_once(&format!("name=\"{name}\" value=\""))
            .unwrap();
        after.split('"').next().unwrap().to_owned()
    };
    let (place, tally) = (hidden("place"), hidden("tally"));
    let next = [
        &begun[..],
        &[("place", place.as_str()), ("tally", tally.as_str())],
    ]
    .concat();
    let done = responder.submit("/incidents/bulk", &next).await.expect(303);
    assert_eq!(
        done.location(),
        "/incidents?severity=critical&did=bulk-acknowledge-230-0-0"
    );
    let left = app.api.get("/api/v1/incidents?status=triggered").await.json();
    assert_eq!(left["items"][0]["title"], "another");
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_browser_goes_through_the_steps_by_itself_once_somebody_has_agreed() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    app.create_service().await;
    for number in 0..210 {
        app.trigger(&format!("Disk full on db-{number}")).await;
    }
    let browser = Browser::open_as(&app, Role::Responder).await;
    browser.goto("/incidents").await;
    browser.click("#bulk [name=all]").await;
    browser.press("Resolve").await;
    browser.wait_for_text("210 incidents that fit").await;
    browser.press("Change them all").await;
    browser.wait_for_text("210 resolved.").await;
    browser.wait_for_text("No incident is open").await;
    browser.finish().await;
}
