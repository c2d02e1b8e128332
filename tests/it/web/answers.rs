//! What holds for every answer of the pages: headers that keep them safe, and their weight.

use super::sample::{Sample, reported};
use crate::support::page_client::{Page, PageClient};

const NOTHING: [String; 0] = [];
/// The most that a page weighs with its style and its script.
const MAX_PAGE_BYTES: usize = 100 * 1024;
const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("cache-control", "no-store"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// Headers that an answer lacks.
fn missing_headers(path: &str, page: &Page) -> Vec<String> {
    // A wallboard's address holds a key: it tells nobody where it is.
    let is_stricter = |name: &str| name == "referrer-policy" && page.header(name) == "no-referrer";
    let missing = HEADERS
        .iter()
        .filter(|(name, value)| page.header(name) != *value && !is_stricter(name));
    missing.map(|(name, _)| format!("{path}: {name}")).collect()
}

/// The addresses of our files of a kind in a page, such as `style.css`.
fn files<'a>(page: &'a Page, name: &str) -> Vec<&'a str> {
    let links = page.html.split('"').filter(|text| text.starts_with("/assets/"));
    links.filter(|link| link.ends_with(name)).collect()
}

/// What a page weighs with its style and scripts, in bytes.
async fn weight(visitor: &PageClient, path: &str) -> usize {
    let page = visitor.get(path).await;
    let mut bytes = page.html.len();
    for file in [files(&page, ".css"), files(&page, ".js")].concat() {
        bytes += visitor.get(file).await.expect(200).html.len();
    }
    bytes
}

#[tokio::test]
async fn every_page_carries_the_headers_that_keep_it_safe() {
    let sample = Sample::start().await;
    let admin = sample.admin().await;
    let look = async |path: &str| missing_headers(path, &admin.get(path).await);
    assert_eq!(sample.on_every_page(look).await, NOTHING);
}

#[tokio::test]
async fn refusals_and_redirections_carry_them_too() {
    let sample = Sample::start().await;
    let nobody = PageClient::new(&sample.app.base());
    let answers = [
        nobody.get("/no-such-page").await.expect(404),
        nobody.get("/incidents").await.expect(303),
        nobody.post("/sign-out", &[], &[]).await.expect(303),
        nobody.post("/incidents", &[], &[]).await.expect(405),
        nobody
            .post("/sign-in", &[], &[("origin", "https://evil.example")])
            .await
            .expect(403),
    ];
    let missing: Vec<_> = answers
        .iter()
        .flat_map(|page| missing_headers(page.location(), page))
        .collect();
    assert_eq!(missing, NOTHING);
}

#[tokio::test]
async fn no_page_answers_with_an_error_of_the_server() {
    let sample = Sample::start().await;
    let admin = sample.admin().await;
    let look = async |path: &str| {
        let status = admin.get(path).await.status;
        reported(status >= 500, format!("{path}: {status}"))
    };
    assert_eq!(sample.on_every_page(look).await, NOTHING);
}

#[tokio::test]
async fn every_page_weighs_less_than_a_hundred_kilobytes_with_style_and_script() {
    let sample = Sample::start().await;
    let admin = sample.admin().await;
    let look = async |path: &str| {
        let bytes = weight(&admin, path).await;
        reported(bytes > MAX_PAGE_BYTES, format!("{path}: {bytes} bytes"))
    };
    assert_eq!(sample.on_every_page(look).await, NOTHING);
}

#[tokio::test]
async fn files_are_kept_for_ever_under_the_address_of_their_content_only() {
    let sample = Sample::start().await;
    let nobody = PageClient::new(&sample.app.base());
    let page = nobody.get("/sign-in").await.expect(200);
    let style = nobody.get(files(&page, "style.css")[0]).await.expect(200);
    assert_eq!(
        style.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    let old = nobody.get("/assets/000000000000/style.css").await.expect(200);
    assert_eq!(old.header("cache-control"), "no-cache");
    nobody.get("/assets/000000000000/secrets.txt").await.expect(404);
}

#[tokio::test]
async fn who_is_signed_in_keeps_the_menu_where_there_is_no_page() {
    let sample = Sample::start().await;
    let menu = "aria-label=\"Main\"";
    let admin = sample.admin().await;
    assert!(admin.get("/no-such-page").await.expect(404).html.contains(menu));
    let stranger = PageClient::new(&sample.app.base());
    assert!(
        !stranger
            .get("/no-such-page")
            .await
            .expect(404)
            .html
            .contains(menu)
    );
}
