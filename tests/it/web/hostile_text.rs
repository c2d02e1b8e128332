//! Texts that want to be code: wherever people or machines may write, pages show them as texts.

use serde_json::json;

use super::browser::{DESKTOP, PHONE};
use super::sample::{Sample, reported};
use crate::support::receiver::Reply;

/// Breaks out of attributes, titles and text areas, and of no page of ours. At its end, what follows would run backwards.
const HOSTILE: &str = "javascript:__xss=1//\"'><img src=x onerror=__xss=1></title></textarea>\
                       <script>__xss=1</script>\u{202e}";
/// A receiver that answers with the like.
const HOSTILE_ANSWER: Reply = Reply::Raw(
    "HTTP/1.1 500 <script>__xss=1</script>\r\ncontent-type: text/html\r\nx-note: <img src=x onerror=__xss=1>\r\n\
     content-length: 55\r\n\r\n</pre></title><img src=x onerror=__xss=1>\"'><script>__xs",
);
/// Everything in the page that is not ours.
const FOREIGN: &str = include_str!("foreign_elements.js");
const NOTHING: [String; 0] = [];

async fn hostile_sample() -> Sample {
    Sample::filled(&|_| HOSTILE.to_owned(), &[HOSTILE_ANSWER]).await
}

#[tokio::test]
async fn no_text_becomes_an_element_or_a_script_of_any_page() {
    let sample = hostile_sample().await;
    let browser = sample.browser().await;
    let look = async |path: &str| {
        browser.goto(path).await;
        let foreign = browser.eval(FOREIGN).await;
        reported(foreign != json!([]), format!("{path}: {foreign}"))
    };
    assert_eq!(sample.on_every_page(look).await, NOTHING);
    browser.finish().await;
}

#[tokio::test]
async fn texts_are_shown_as_they_were_written() {
    let sample = hostile_sample().await;
    let browser = sample.browser().await;
    browser.goto(&sample.address("/incidents/{id}")).await;
    assert_eq!(
        browser
            .eval("return document.querySelector('h1').textContent")
            .await,
        HOSTILE
    );
    let name = "return document.querySelector('.person b').textContent";
    assert_eq!(browser.eval(name).await, HOSTILE);
    let key = "return document.querySelector('.facts code').textContent";
    assert_eq!(browser.eval(key).await, HOSTILE);
    let field = "return document.getElementById('title').value";
    assert_eq!(browser.eval(field).await, HOSTILE);
    browser.finish().await;
}

#[tokio::test]
async fn texts_that_arrive_live_are_texts_too() {
    let sample = hostile_sample().await;
    let browser = sample.browser().await;
    browser.goto("/incidents").await;
    browser.wait_for("body.is-live").await;
    let incident =
        json!({"title": format!("late {HOSTILE}"), "severity": "info", "service": {"name": HOSTILE}});
    sample
        .app
        .api
        .post("/api/v1/incidents", incident)
        .await
        .expect(201);
    browser.wait_for_text("late javascript:__xss=1").await;
    assert_eq!(browser.eval(FOREIGN).await, json!([]));
    browser.finish().await;
}

#[tokio::test]
async fn texts_without_a_space_make_no_page_wider_than_its_window() {
    let word = "W".repeat(95);
    let sample = Sample::filled(&|_| word.clone(), &[HOSTILE_ANSWER]).await;
    let mut browser = sample.browser().await;
    let look = async |path: &str| {
        browser.goto(path).await;
        browser.resize(PHONE).await;
        let on_a_phone = browser.too_wide().await;
        browser.resize(DESKTOP).await;
        [on_a_phone, browser.too_wide().await].concat()
    };
    assert_eq!(sample.on_every_page(look).await, NOTHING);
    browser.finish().await;
}
