//! Lists of incidents: their order, and what is found by a text.

use serde_json::{Value, json};

use super::server::Server;

/// The titles on a page, and the cursor of the next.
async fn page(server: &Server, query: &str) -> (Vec<String>, Option<String>) {
    let page = server.get(&format!("/api/v1/incidents?{query}")).await.json();
    let titles = page["items"].as_array().unwrap().iter();
    let titles = titles.map(|incident| incident["title"].as_str().unwrap().to_owned());
    (titles.collect(), page["nextCursor"].as_str().map(str::to_owned))
}

/// The titles of every page of so many, page by page.
async fn pages(server: &Server, query: &str) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let at = cursor.map_or(String::new(), |cursor: String| format!("&cursor={cursor}"));
        let (titles, next) = page(server, &format!("{query}{at}")).await;
        pages.push(titles);
        match next {
            Some(next) => cursor = Some(next),
            None => return pages,
        }
    }
}

async fn trigger(server: &Server, change: Value) -> String {
    let mut body = json!({ "title": "Down", "service": { "name": "API" } });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = server.post("/api/v1/incidents", body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_list_is_sorted_by_age_or_by_severity_and_paged_in_that_order() {
    let server = Server::start().await;
    server.service("API").await;
    let severities = ["warning", "critical", "info", "critical", "warning", "critical"];
    for (number, severity) in severities.into_iter().enumerate() {
        trigger(
            &server,
            json!({ "title": format!("{number} {severity}"), "severity": severity }),
        )
        .await;
    }
    assert_eq!(
        pages(&server, "sort=oldest&limit=4").await,
        [
            vec!["0 warning", "1 critical", "2 info", "3 critical"],
            vec!["4 warning", "5 critical"],
        ]
    );
    assert_eq!(
        pages(&server, "sort=severity&limit=2").await,
        [
            vec!["5 critical", "3 critical"],
            vec!["1 critical", "4 warning"],
            vec!["0 warning", "2 info"],
            vec![],
        ]
    );
    let warnings = pages(&server, "sort=severity&severity=warning&limit=1").await;
    assert_eq!(warnings[..2], [vec!["4 warning"], vec!["0 warning"]]);
    assert_eq!(page(&server, "sort=newest&limit=1").await.0, ["5 critical"]);
    let cursor = page(&server, "sort=severity&limit=1").await.1.unwrap();
    let other = server
        .get(&format!("/api/v1/incidents?sort=oldest&cursor={cursor}"))
        .await;
    assert_eq!(other.problem(), (400, "invalid_cursor".into()));
    let unknown = server.get("/api/v1/incidents?sort=title").await;
    assert_eq!(unknown.problem(), (422, "invalid_query".into()));
}

#[tokio::test]
async fn what_a_text_names_comes_first_and_once_and_only_if_the_filters_admit_it() {
    let server = Server::start().await;
    server.service("API").await;
    trigger(&server, json!({ "title": "first", "dedupKey": "disk" })).await;
    for number in 2..=4 {
        trigger(&server, json!({ "title": format!("disk 1 of {number}") })).await;
    }
    assert_eq!(
        pages(&server, "q=1&limit=2").await,
        [
            vec!["first", "disk 1 of 4"],
            vec!["disk 1 of 3", "disk 1 of 2"],
            vec![]
        ]
    );
    assert_eq!(
        pages(&server, "q=disk&limit=1").await[..2],
        [vec!["first"], vec!["disk 1 of 4"]]
    );
    assert_eq!(page(&server, "q=%231").await.0, ["first"]);
    assert_eq!(page(&server, "q=%239").await.0, [""; 0]);
    server.post("/api/v1/incidents/1/resolve", json!({})).await;
    assert_eq!(page(&server, "q=%231&status=triggered").await.0, [""; 0]);
    assert_eq!(page(&server, "q=%231").await.0, ["first"]);
    // Resolved ones are found by their dedup key too, in their place.
    assert_eq!(page(&server, "q=DISK").await.0.last().unwrap(), "first");
}

#[tokio::test]
async fn incidents_are_found_by_service_and_by_the_beginning_of_their_id() {
    let server = Server::start().await;
    server.service("API").await;
    server.service("Payments").await;
    let id = trigger(
        &server,
        json!({ "title": "one", "service": { "name": "Payments" } }),
    )
    .await;
    trigger(&server, json!({ "title": "two" })).await;
    assert_eq!(page(&server, "q=payment").await.0, ["one"]);
    assert_eq!(page(&server, &format!("q={id}")).await.0, ["one"]);
    assert_eq!(page(&server, &format!("q={}", &id[..9])).await.0, ["two", "one"]);
    assert_eq!(page(&server, "q=inc_ffff").await.0, [""; 0]);
}
