//! Exports from the pages: the list as a file, with the filters that are set.

use model::access::Role;

use super::sample::Sample;
use crate::support::page_client::{Page, PageClient};

/// Where a page's button leads.
fn export_link(page: &Page) -> String {
    let (before, _) = page
        .html
        .split_once("\">Export CSV</a>")
        .expect("there is a button");
    let (_, link) = before.rsplit_once("href=\"").unwrap();
    link.replace("&#38;", "&").replace("&amp;", "&")
}

/// What the button of a page gives.
async fn exported(person: &PageClient, path: &str) -> Page {
    let link = export_link(&person.get(path).await.expect(200));
    let file = person.get(&link).await.expect(200);
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8", "{link}");
    file
}

#[tokio::test]
async fn lists_lead_to_files_with_the_same_filters() {
    let sample = Sample::start().await;
    let viewer = sample.person(Role::Viewer).await;
    for (path, rows) in [
        ("/incidents", 1),
        ("/incidents?status=open&severity=critical&q=CONNECTION", 1),
        ("/incidents?status=resolved", 0),
        ("/incidents?assignee=me", 0),
        ("/incidents?since=1h&assignee=nonsense", 1),
        ("/incidents?status=nonsense&severity=nonsense&service=nonsense", 1),
        ("/deliveries?since=24h&status=delivered", 1),
        ("/deliveries?status=dead&since=7d", 0),
    ] {
        let file = exported(&viewer, path).await;
        assert_eq!(file.html.lines().count(), rows + 1, "{path}: {}", file.html);
    }
    let page = viewer.get("/incidents?status=resolved").await.expect(200);
    let parquet = export_link(&page).replace("format=csv", "format=parquet");
    let parquet = parquet.replace('&', "&#38;");
    assert!(
        page.html.contains(&format!("href=\"{parquet}\">Parquet</a>")),
        "{parquet}"
    );
    let name = exported(&viewer, "/deliveries").await;
    assert_eq!(
        name.header("content-disposition"),
        "attachment; filename=\"deliveries.csv\""
    );
}

#[tokio::test]
async fn nobody_exports_who_is_not_signed_in() {
    let sample = Sample::start().await;
    let nobody = PageClient::new(&sample.app.base());
    for path in ["/incidents/export", "/deliveries/export?format=csv"] {
        let page = nobody.get(path).await.expect(303);
        assert!(page.location().starts_with("/sign-in"), "{path}");
    }
}
