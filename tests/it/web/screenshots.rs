//! The pictures in `docs/screenshots/`: every page, light and dark, on a desk and on a phone. `./check --screenshots`
//! takes them anew; otherwise it is only seen to that every page has its pictures.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use web::{PageVerb, routes};

use super::browser::{Browser, DESKTOP, PHONE, Size};
use super::showroom::showroom;

/// Pictures are no higher than this.
const MAX_HEIGHT: u64 = 1600;
/// Every way in which a page is pictured.
const WAYS: [(Size, &str); 4] = [
    (DESKTOP, "light"),
    (DESKTOP, "dark"),
    (PHONE, "light"),
    (PHONE, "dark"),
];

/// Forms of kinds that ask for more than a URL.
const CHAT_FORMS: [&str; 5] = [
    "/settings/integrations/new/discord",
    "/settings/integrations/new/slack",
    "/settings/integrations/new/custom",
    "/settings/integrations/new/jira",
    "/settings/integrations/new/gitlab",
];

#[tokio::test]
async fn every_page_has_its_pictures_in_the_documentation() {
    take_pictures_if_asked_to().await;
    let expected: BTreeSet<_> = pictured()
        .into_iter()
        .flat_map(|pattern| WAYS.map(|(size, theme)| file_name(pattern, size, theme)))
        .collect();
    let there: BTreeSet<_> = std::fs::read_dir(album())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, expected, "take them anew: ./check --screenshots");
    let without = kinds_with_messages()
        .into_iter()
        .filter(|kind| !destination_picture(kind).exists());
    assert_eq!(without.collect::<Vec<_>>(), [""; 0], "kinds without a picture");
}

async fn take_pictures_if_asked_to() {
    if std::env::var_os("CHECK_SCREENSHOTS").is_none() {
        return;
    }
    let _ = std::fs::remove_dir_all(album());
    std::fs::create_dir_all(album()).unwrap();
    let showroom = showroom().await;
    let mut browser = showroom.browser().await;
    browser.hide_scroll_bars().await;
    for pattern in pictured() {
        browser.goto(&showroom.address(pattern)).await;
        for (size, theme) in WAYS {
            let picture = picture(&mut browser, size, theme).await;
            std::fs::write(album().join(file_name(pattern, size, theme)), picture).unwrap();
        }
    }
    for kind in kinds_with_messages() {
        picture_messages(&mut browser, kind).await;
    }
    browser.finish().await;
}

/// Where pictures are.
fn album() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("docs/screenshots")
}

fn file_name(pattern: &str, size: Size, theme: &str) -> String {
    format!("{}-{theme}-{}.webp", name_of(pattern), size.width)
}

/// Pages with something to see for somebody who is signed in.
fn pictured() -> Vec<&'static str> {
    let pages = routes::all()
        .into_iter()
        .filter(|route| route.verb == PageVerb::Get);
    let unseen = [
        "/setup",
        "/sign-in",
        "/sign-in/oidc",
        "/sign-in/oidc/callback",
        "/forgot",
        "/welcome",
        "/live",
        "/wall/live",
        "/insights/{file}",
        "/receiver/open/{token}",
    ];
    let paths = pages.map(|route| route.path);
    let is_file =
        |path: &str| path.starts_with("/assets") || path.ends_with("/export") || path.ends_with("{file}");
    paths
        .filter(|path| !unseen.contains(path) && !is_file(path))
        .chain(CHAT_FORMS)
        .collect()
}

/// Kinds whose messages have a form of their own.
fn kinds_with_messages() -> Vec<&'static str> {
    let kinds = kinds::all().iter().filter(|adapter| adapter.previews().is_some());
    kinds.map(|adapter| adapter.description().kind).collect()
}

/// A kind's messages about one incident: triggered, acknowledged, resolved.
async fn picture_messages(browser: &mut Browser, kind: &str) {
    browser.goto(&format!("/settings/integrations/new/{kind}")).await;
    browser.resize(DESKTOP).await;
    browser
        .eval("document.documentElement.dataset.theme = 'light'")
        .await;
    let script = format!(
        "return (async () => {{
            const place = document.getElementById('preview');
            const form = place.closest('form');
            const messages = [];
            for (const event of ['triggered', 'acknowledged', 'resolved']) {{
                const body = new URLSearchParams(new FormData(form));
                body.delete('once');
                body.set('previewEvent', 'incident.' + event);
                const answer = await fetch('/settings/integrations/preview/{kind}', {{ method: 'POST', body }});
                const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
                messages.push(...page.querySelectorAll('.message'));
            }}
            place.replaceChildren(...messages);
            return messages.length;
        }})()"
    );
    assert_eq!(browser.eval(&script).await.as_u64(), Some(3), "{kind}");
    let picture = browser.screenshot_of("#preview").await;
    std::fs::write(destination_picture(kind), picture).unwrap();
}

fn destination_picture(kind: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(format!("docs/destinations/{kind}.webp"))
}

fn name_of(pattern: &str) -> String {
    let name = pattern
        .trim_matches('/')
        .replace("/{webhook}/{token}", "")
        .replace("{id}", "one")
        .replace("{link}", "link")
        .replace("{*path}", "operations")
        .replace("{kind}", "generic");
    match name.as_str() {
        "" => "dashboard".to_owned(),
        name => name.replace('/', "-"),
    }
}

async fn picture(browser: &mut Browser, size: Size, theme: &str) -> Vec<u8> {
    browser.resize(size).await;
    let look = format!(
        "document.documentElement.dataset.theme = '{theme}'; \
                        return document.documentElement.scrollHeight"
    );
    let height = browser.eval(&look).await.as_u64().unwrap();
    let height = u32::try_from(height.min(MAX_HEIGHT)).unwrap().max(size.height);
    browser.resize(Size { height, ..size }).await;
    browser.screenshot().await
}
