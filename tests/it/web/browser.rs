//! A headless Chromium with short words for what people do. It waits for what must come, never for a time, and a test in
//! which the browser complained about anything fails at its end. Tests that end well leave their browser to the next one,
//! with nothing of theirs in it.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::actions::{InputSource, KeyAction, KeyActions, MouseActions, PointerAction};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::{NewWindowType, WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, Locator};
use model::access::Role;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::chromedriver::{self, Running, Scripts};
use super::people::{SESSION_COOKIE, new_session};
use crate::support::test_app::{PATIENCE, TestApp};

/// Browsers at a time: each takes a core.
const MAX_BROWSERS: usize = 2;
/// How often it is looked whether something has come.
const LOOK_EVERY: Duration = Duration::from_millis(20);
static ROOM: Semaphore = Semaphore::const_new(MAX_BROWSERS);
/// The size of the window's inside, in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

/// A laptop's window.
pub const DESKTOP: Size = Size {
    width: 1280,
    height: 800,
};
/// A phone, upright.
pub const PHONE: Size = Size {
    width: 390,
    height: 844,
};

/// The tabulator key.
pub const TAB: char = '\u{e004}';
/// The enter key.
pub const ENTER: char = '\u{e007}';

/// A browser that remembers nothing. Every test ends with [`Browser::finish`].
pub struct Browser {
    client: Client,
    base: String,
    size: Size,
    /// What the browser may complain about, since the test provokes it: parts of the complaint.
    expected: Vec<String>,
    /// What is to be ended, until it is left to the next test.
    running: Option<Running>,
    _permit: SemaphorePermit<'static>,
}

impl Browser {
    /// A browser of a desktop's size.
    pub async fn open(app: &TestApp) -> Self {
        Self::open_with(app, Scripts::On).await
    }

    /// A browser that finds the server at another of its addresses.
    pub async fn open_at(app: &TestApp, base: &str) -> Self {
        let mut browser = Self::open(app).await;
        base.clone_into(&mut browser.base);
        browser
    }

    /// A browser with scripts on or off.
    pub async fn open_with(app: &TestApp, scripts: Scripts) -> Self {
        let permit = ROOM.acquire().await.unwrap();
        let (client, running) = chromedriver::browser(scripts).await;
        let mut browser = Self {
            client,
            base: app.base(),
            size: DESKTOP,
            expected: Vec::new(),
            running: Some(running),
            _permit: permit,
        };
        browser.resize(DESKTOP).await;
        browser
    }

    /// A browser of somebody new with a role, who is signed in and sees the dashboard.
    pub async fn open_as(app: &TestApp, role: Role) -> Self {
        let browser = Self::open(app).await;
        let session = new_session(app, role).await;
        browser.keep_cookie(SESSION_COOKIE, &session).await;
        browser.goto("/").await;
        browser
    }

    /// Opens a page of the server.
    pub async fn goto(&self, path: &str) {
        let url = format!("{}{path}", self.base);
        self.client.goto(&url).await.unwrap();
    }

    /// Opens a page that no server sent.
    pub async fn show(&self, html: &str) {
        let bytes: String = url::form_urlencoded::byte_serialize(html.as_bytes()).collect();
        let url = format!("data:text/html;charset=utf-8,{}", bytes.replace('+', "%20"));
        self.client.goto(&url).await.unwrap();
    }

    /// Path and query of the page.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        url.as_str().trim_start_matches(&self.base).to_owned()
    }

    /// Presses the button, link or summary of this name (its text or label).
    pub async fn press(&self, name: &str) {
        let path = format!(
            "//*[self::button or self::a or self::summary][normalize-space()='{name}' or @aria-label='{name}']"
        );
        self.found(Locator::XPath(&path)).await.click().await.unwrap();
    }

    /// Clicks what a CSS selector names.
    pub async fn click(&self, css: &str) {
        self.found(Locator::Css(css)).await.click().await.unwrap();
    }

    /// Moves the pointer to what a CSS selector names.
    pub async fn point_at(&self, css: &str) {
        let element = self.found(Locator::Css(css)).await;
        let moving = PointerAction::MoveToElement {
            element,
            duration: None,
            x: 0.0,
            y: 0.0,
        };
        let pointer = MouseActions::new("mouse".into()).then(moving);
        self.client.perform_actions(pointer).await.unwrap();
    }

    /// Types into the field with this label, instead of what is there.
    pub async fn fill(&self, label: &str, text: &str) {
        let field = self.field(label).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Chooses from the list with this label.
    pub async fn choose(&self, label: &str, option: &str) {
        self.field(label).await.select_by_label(option).await.unwrap();
    }

    /// Presses keys one after the other, wherever the focus is.
    pub async fn keys(&self, keys: &str) {
        let strokes = keys
            .chars()
            .fold(KeyActions::new("keyboard".into()), |actions, key| {
                actions
                    .then(KeyAction::Down { value: key })
                    .then(KeyAction::Up { value: key })
            });
        self.client.perform_actions(strokes).await.unwrap();
    }

    /// The visible text of what a CSS selector names.
    pub async fn text(&self, css: &str) -> String {
        self.found(Locator::Css(css)).await.text().await.unwrap()
    }

    /// Waits until the page shows a text.
    pub async fn wait_for_text(&self, text: &str) {
        self.until(&format!("the page shows “{text}”"), async || {
            Ok(self.page_text().await?.contains(text))
        })
        .await;
    }

    /// Waits until something that a CSS selector names is visible.
    pub async fn wait_for(&self, css: &str) {
        self.found(Locator::Css(css)).await;
    }

    /// Waits until a script's value is true.
    pub async fn wait_until(&self, condition: &str) {
        let script = format!("return Boolean({condition})");
        self.until(condition, async || {
            Ok(self.client.execute(&script, vec![]).await? == json!(true))
        })
        .await;
    }

    /// The value of a script (`return …`).
    pub async fn eval(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// Takes a cookie as if the server had set it.
    pub async fn keep_cookie(&self, name: &str, value: &str) {
        let cookie = json!({"name": name, "value": value, "url": self.base, "httpOnly": true});
        self.devtools("Network.setCookie", cookie).await;
    }

    /// Gives the window's inside another size.
    pub async fn resize(&mut self, size: Size) {
        self.size = size;
        // As on phones, scroll bars lie over the page there.
        let is_phone = size.width == PHONE.width;
        let metrics =
            json!({"width": size.width, "height": size.height, "deviceScaleFactor": 1, "mobile": is_phone});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Shows pages without scroll bars from now on.
    pub async fn hide_scroll_bars(&self) {
        self.devtools("Emulation.setScrollbarsHidden", json!({"hidden": true}))
            .await;
    }

    /// Opens another window and goes on in it; answers with the one left behind.
    pub async fn open_window(&mut self) -> WindowHandle {
        self.open_another(NewWindowType::Window).await
    }

    /// Opens another tab, which hides the present one, and goes on in it; answers with the one left behind.
    pub async fn open_tab(&mut self) -> WindowHandle {
        self.open_another(NewWindowType::Tab).await
    }

    async fn open_another(&mut self, kind: NewWindowType) -> WindowHandle {
        let left = self.client.window().await.unwrap();
        let opened = self.client.new_window(kind == NewWindowType::Tab).await.unwrap();
        self.client.switch_to_window(opened.handle).await.unwrap();
        self.resize(self.size).await;
        left
    }

    /// Goes on in another window; answers with the one left behind.
    pub async fn switch_to(&self, window: WindowHandle) -> WindowHandle {
        let left = self.client.window().await.unwrap();
        self.client.switch_to_window(window).await.unwrap();
        left
    }

    /// Closes the window and goes on in another one.
    pub async fn close_window(&self, next: WindowHandle) {
        self.client.close_window().await.unwrap();
        self.client.switch_to_window(next).await.unwrap();
    }

    /// Runs a script before those of each page that this window opens from now on.
    pub async fn before_scripts(&self, script: &str) {
        let source = json!({"source": script});
        self.devtools("Page.addScriptToEvaluateOnNewDocument", source)
            .await;
    }

    /// What sticks out of the page to the right.
    pub async fn too_wide(&self) -> Vec<String> {
        let width = self.size.width;
        let script = format!(
            "if (document.documentElement.scrollWidth <= {width}) return []; \
             const all = [...document.querySelectorAll('main, main :not(svg *)')]; \
             const wide = all.filter((each) => each.getBoundingClientRect().right > {width}); \
             return wide.map((each) => `${{location.pathname}} at {width}: ${{each.outerHTML.slice(0, 60)}}`)"
        );
        let wide = self.eval(&script).await;
        serde_json::from_value(wide).unwrap()
    }

    /// What is visible, as a WebP.
    pub async fn screenshot(&self) -> Vec<u8> {
        let taken = self
            .devtools("Page.captureScreenshot", json!({"format": "webp", "quality": 88}))
            .await;
        STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()
    }

    /// The one element of a selector, whole, as a WebP.
    pub async fn screenshot_of(&self, selector: &str) -> Vec<u8> {
        let script = format!(
            "const box = document.querySelector('{selector}').getBoundingClientRect(); \
             return [box.left + scrollX, box.top + scrollY, box.width, box.height]"
        );
        let bounds = self.eval(&script).await;
        let options = json!({
            "format": "webp", "quality": 88, "captureBeyondViewport": true,
            "clip": {"x": bounds[0], "y": bounds[1], "width": bounds[2], "height": bounds[3], "scale": 1},
        });
        let taken = self.devtools("Page.captureScreenshot", options).await;
        STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()
    }

    /// Answers a question of the page with yes.
    pub async fn accept_question(&self) {
        self.client.accept_alert().await.unwrap();
    }

    /// The test asks on purpose for something that the browser complains about: this is in the complaint.
    pub fn expect_complaint(&mut self, part: &str) {
        self.expected.push(part.to_owned());
    }

    /// Ends the use of the browser. Fails if it complained: about errors, refused loads, or anything that our own policy
    /// forbids.
    pub async fn finish(mut self) {
        let log = self.command("se/log", json!({"type": "browser"})).await;
        let problems = problems(&log, &self.expected);
        assert_eq!(problems, BTreeSet::new(), "the browser complained");
        match self.running.take_if(|running| running.runs_scripts()) {
            Some(running) => {
                self.forget_everything().await;
                self.client.persist().await.unwrap();
                chromedriver::leave(running);
            }
            None => self.client.clone().close().await.unwrap(),
        }
    }

    /// Goes on in one tab that no test has seen, without cookies, caches, and what pages have stored: scripts, media and
    /// authenticators that a test gave to one are gone with it.
    async fn forget_everything(&self) {
        let used = self.client.windows().await.unwrap();
        let fresh = self.client.new_window(true).await.unwrap().handle;
        for window in used {
            self.client.switch_to_window(window).await.unwrap();
            self.client.close_window().await.unwrap();
        }
        self.client.switch_to_window(fresh).await.unwrap();
        let all = json!({"origin": self.base, "storageTypes": "all"});
        for (method, parameters) in [
            ("Page.bringToFront", json!({})),
            ("Network.clearBrowserCookies", json!({})),
            ("Network.clearBrowserCache", json!({})),
            ("Storage.clearDataForOrigin", all),
        ] {
            self.devtools(method, parameters).await;
        }
        // What pages said as they were left belongs to nobody.
        self.command("se/log", json!({"type": "browser"})).await;
    }

    async fn page_text(&self) -> Result<String, CmdError> {
        self.client.find(Locator::Css("body")).await?.text().await
    }

    /// The first visible element of a locator, as soon as there is one.
    async fn found(&self, locator: Locator<'_>) -> Element {
        let found = std::cell::RefCell::new(None);
        self.until(&format!("there is {locator:?}"), async || {
            for element in self.client.find_all(locator).await? {
                if element.is_displayed().await? {
                    found.replace(Some(element));
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await;
        found.into_inner().unwrap()
    }

    async fn field(&self, label: &str) -> Element {
        let path = format!("//*[@id=//label[starts-with(normalize-space(), '{label}')]/@for]");
        self.found(Locator::XPath(&path)).await
    }

    /// Waits until something is so. While a page changes, questions about it fail: they count as no.
    async fn until(&self, what: &str, is_so: impl AsyncFn() -> Result<bool, CmdError>) {
        let waiting = async {
            while !is_so().await.unwrap_or(false) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let (path, text) = (self.path().await, self.page_text().await);
            panic!(
                "waited in vain until {what}, at {path}: {}",
                text.unwrap_or_default()
            );
        }
    }

    /// Tells the browser's developer tools to do something; what they answer.
    pub async fn devtools(&self, method: &'static str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({"cmd": method, "params": parameters}))
            .await
    }

    async fn command(&self, path: &'static str, body: Value) -> Value {
        self.client.issue_cmd(Command { path, body }).await.unwrap()
    }
}

/// A test that fails before its end still ends its browser, so that the next one finds room and memory.
impl Drop for Browser {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let session = &running.session;
        let end = || -> std::io::Result<usize> {
            let mut stream = TcpStream::connect(chromedriver::address())?;
            stream.set_read_timeout(Some(PATIENCE))?;
            write!(
                stream,
                "DELETE /session/{session} HTTP/1.1\r\nhost: localhost\r\n\r\n"
            )?;
            stream.read(&mut [0; 1024])
        };
        end().unwrap_or_default();
    }
}

/// What the browser said that no test wants to hear.
fn problems(log: &Value, expected: &[String]) -> BTreeSet<String> {
    let entries = log.as_array().unwrap().iter();
    let said = entries.map(|entry| {
        (
            entry["level"].as_str().unwrap(),
            entry["message"].as_str().unwrap(),
        )
    });
    said.filter(|(level, message)| *level == "SEVERE" || message.contains("Content Security Policy"))
        .filter(|(_, message)| !expected.iter().any(|part| message.contains(part)))
        .map(|(_, message)| message.to_owned())
        .collect()
}

/// A command of the driver that the client library has no word for.
#[derive(Debug)]
struct Command {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
