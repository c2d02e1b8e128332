//! Serves the whole server under the path of `public_url`. Requests lose that path before they are routed, if a proxy has
//! not taken it away; whatever leads back to us gets it: redirects, and the links, forms and files of pages.
//!
//! Pages are written as if there were no such path, so that nobody can forget it in one of them.

use std::sync::Arc;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Response, Uri};
use url::Url;

use config::{base_path, without_base_path};

/// The attributes of a page that lead somewhere.
const LINKS: [&str; 4] = [" href=", " src=", " action=", " formaction="];
/// The largest page: they are all made in memory, and this is far beyond each.
const MAX_PAGE_BYTES: usize = 16 * 1024 * 1024;

/// See the module.
#[derive(Debug, Clone)]
pub struct BasePath(Arc<str>);

impl BasePath {
    /// The path of this address.
    pub fn new(public_url: Option<&Url>) -> Self {
        Self(base_path(public_url).into())
    }

    /// What is asked for, as our routes know it.
    pub fn strip(&self, uri: &mut Uri) {
        let Some(asked) = uri.path_and_query().filter(|_| !self.0.is_empty()) else {
            return;
        };
        let rest = without_base_path(asked.as_str(), &self.0);
        let rest = match rest.starts_with('?') {
            true => format!("/{rest}"),
            false => rest.to_owned(),
        };
        let mut parts = uri.clone().into_parts();
        // A part of a path is one, too.
        parts.path_and_query = rest.parse::<PathAndQuery>().ok();
        if let Ok(stripped) = Uri::from_parts(parts) {
            *uri = stripped;
        }
    }

    /// An answer that leads back to where this server is.
    pub async fn add_to(&self, response: Response<Body>) -> Response<Body> {
        if self.0.is_empty() {
            return response;
        }
        let (mut head, body) = response.into_parts();
        self.add_to_location(&mut head.headers);
        if !is_page(&head.headers) {
            return Response::from_parts(head, body);
        }
        let Ok(page) = axum::body::to_bytes(body, MAX_PAGE_BYTES).await else {
            tracing::error!("a page could not be read for its links");
            return Response::from_parts(head, Body::empty());
        };
        // That of the page as it was written.
        head.headers.remove(CONTENT_LENGTH);
        let page = add_to_links(&String::from_utf8_lossy(&page), &self.0);
        Response::from_parts(head, Body::from(page))
    }

    fn add_to_location(&self, headers: &mut HeaderMap) {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(location) = location.filter(|location| is_ours(location)) else {
            return;
        };
        if let Ok(location) = HeaderValue::try_from(format!("{}{location}", self.0)) {
            headers.insert(LOCATION, location);
        }
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.starts_with("text/html"))
}

/// Whether it is a path on this server: two slashes begin the name of another.
fn is_ours(link: &str) -> bool {
    link.starts_with('/') && !link.starts_with("//")
}

/// Quotation marks in what users wrote are escaped, so that only links of the templates themselves look like this.
fn add_to_links(page: &str, base: &str) -> String {
    const START: &str = "\"/";
    let mut written = String::with_capacity(page.len() + page.len() / 16);
    let mut rest = page;
    while let Some(at) = rest.find(START) {
        let (before, after) = rest.split_at(at + 1);
        written.push_str(before);
        let is_link = LINKS.iter().any(|name| before[..at].ends_with(name));
        if is_link && is_ours(after) {
            written.push_str(base);
        }
        written.push('/');
        rest = &after[1..];
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_forms_and_files_of_a_page_get_the_path_and_nothing_else_does() {
        let page = r#"<a href="/">x</a><form action="/a"><img src="/b"><input value="/c"><a href="//d"><a href="https://e/">
            &#34; href=&#34;/f&#34; <a href="g">"#;
        let expected = r#"<a href="/ops/">x</a><form action="/ops/a"><img src="/ops/b"><input value="/c"><a href="//d"><a href="https://e/">
            &#34; href=&#34;/f&#34; <a href="g">"#;
        assert_eq!(add_to_links(page, "/ops"), expected);
    }

    #[test]
    fn a_request_finds_its_route_with_and_without_the_path() {
        let base = BasePath(Arc::from("/ops"));
        let stripped = |text: &str| {
            let mut uri: Uri = text.parse().unwrap();
            base.strip(&mut uri);
            uri.to_string()
        };
        assert_eq!(stripped("/ops/incidents?a=/ops"), "/incidents?a=/ops");
        assert_eq!(stripped("/ops"), "/");
        assert_eq!(stripped("/ops?a=1"), "/?a=1");
        assert_eq!(stripped("/healthz"), "/healthz");
        assert_eq!(stripped("http://host/ops/x"), "http://host/x");
    }
}
