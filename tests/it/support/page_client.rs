//! A browser's manners without a browser: asks for pages over real HTTP, keeps cookies, and sends forms with the token
//! that the last page carried. For the many tests that need no script and no layout.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use http::header::{COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// What browsers say of a request that a page of the same site makes.
pub const SAME_ORIGIN: (&str, &str) = ("sec-fetch-site", "same-origin");

/// One visitor of one server.
pub struct PageClient {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
    kept: Mutex<Kept>,
}

#[derive(Default, Clone)]
struct Kept {
    cookies: BTreeMap<String, String>,
    csrf: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
}

impl Page {
    /// The page, if its status is as expected.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.location(), self.html);
        self
    }

    /// Where it leads; empty if nowhere.
    pub fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// A header; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// Every cookie that it sets, with its attributes.
    pub fn set_cookies(&self) -> Vec<&str> {
        let values = self.headers.get_all(SET_COOKIE).iter();
        values.filter_map(|value| value.to_str().ok()).collect()
    }

    /// The stable code of a page that says why there is none.
    pub fn error_code(&self) -> &str {
        let after = self.html.split_once(" · <code>").map_or("", |(_, after)| after);
        after.split('<').next().unwrap_or_default()
    }

    /// The token that the page's forms carry.
    fn csrf(&self) -> Option<&str> {
        let (_, after) = self.html.split_once("name=\"csrf\" value=\"")?;
        after.split('"').next().filter(|token| !token.is_empty())
    }
}

impl PageClient {
    /// A visitor who has never been here.
    pub fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            kept: Mutex::default(),
        }
    }

    /// Another visitor with the same cookies: what a thief of them could do.
    pub fn copy(&self) -> Self {
        let copy = Self::new(&self.base);
        *copy.kept.lock().unwrap_or_else(PoisonError::into_inner) = self.kept();
        copy
    }

    /// A cookie that the server has set.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.kept().cookies.get(name).cloned()
    }

    /// Takes a cookie as if the server had set it.
    pub fn keep_cookie(&self, name: &str, value: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// The token of its forms, from the last page that carried one.
    pub fn csrf(&self) -> String {
        self.kept().csrf
    }

    /// A page. Where it leads is not followed.
    pub async fn get(&self, path: &str) -> Page {
        self.send("GET", path, &[], &[]).await
    }

    /// A page with these headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Page {
        self.send("GET", path, &[], headers).await
    }

    /// A form of the last page, sent as a browser sends it.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let csrf = self.csrf();
        let mut fields = fields.to_vec();
        fields.push(("csrf", &csrf));
        let origin = self.origin();
        self.post(path, &fields, &[SAME_ORIGIN, (ORIGIN.as_str(), &origin)])
            .await
    }

    /// A form with these fields and headers, and no others.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Page {
        self.send("POST", path, fields, headers).await
    }

    /// The base without a path.
    fn origin(&self) -> String {
        let name = self.base.trim_start_matches("http://");
        format!("http://{}", name.split('/').next().unwrap_or_default())
    }

    fn kept(&self) -> Kept {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Page {
        let cookies = self.kept().cookies;
        let pairs: Vec<_> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(COOKIE, pairs.join("; "))
            .header("content-type", "application/x-www-form-urlencoded");
        if !headers.iter().any(|(name, _)| *name == HOST.as_str()) {
            request = request.header(HOST, self.origin().trim_start_matches("http://"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = request.body(Full::from(body.finish())).unwrap();
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let page = Page {
            status: parts.status.as_u16(),
            headers: parts.headers,
            html: String::from_utf8_lossy(&bytes).into_owned(),
        };
        self.keep(&page);
        page
    }

    fn keep(&self, page: &Page) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for cookie in page.set_cookies() {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap_or_default();
            let is_ended = cookie.contains("Max-Age=0");
            match is_ended {
                true => drop(kept.cookies.remove(name)),
                false => drop(kept.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        if let Some(csrf) = page.csrf() {
            csrf.clone_into(&mut kept.csrf);
        }
    }
}
