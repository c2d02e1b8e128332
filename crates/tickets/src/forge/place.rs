//! Where issues are, and requests to there.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use url::Url;

use crate::forge::Forge;
use crate::forge::settings::token;
use destination::task::{Rendered, Target};
use model::attempt::{Disposition, Failure};
use model::exchange::{FailureCode, MAX_BODY_CAP_BYTES};
use model::ticket::{MAX_TICKET_ID_BYTES, MAX_TICKET_URL_BYTES};

/// A repository or project.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The root of the API.
    pub(crate) root: Url,
    /// The place's own path below it; a part may hold slashes of its own.
    pub(crate) path: Vec<String>,
    /// What people call it.
    pub(crate) name: String,
    /// Its page, without a slash at its end.
    pub(crate) home: String,
    /// Where its issues are below its page.
    pub(crate) issues: &'static str,
    /// What every request carries: put in by [`Place::signed`].
    pub(crate) headers: HeaderMap,
}

impl Place {
    /// The same with our token.
    pub(crate) fn signed(self, forge: &Forge, target: &Target) -> Result<Self, Failure> {
        let unusable = |_| {
            let detail = "the token has characters that no token has: fill it in again";
            Failure::new(FailureCode::SettingsRefused, detail).with(Disposition::NeedsOperator)
        };
        let proof = HeaderValue::from_str(&format!("Bearer {}", token(target)));
        let mut proof = proof.map_err(unusable)?;
        proof.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(forge.accept));
        headers.extend(forge.header.clone());
        headers.insert(AUTHORIZATION, proof);
        Ok(Self { headers, ..self })
    }

    /// A request without a body to something below the API's root.
    pub(crate) fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Rendered {
        let mut url = self.address(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        long(Rendered::new(
            Method::GET,
            url,
            self.headers.clone(),
            Bytes::new(),
        ))
    }

    /// The same to something of the place.
    pub(crate) fn get_own(&self, path: &[&str], query: &[(&str, &str)]) -> Rendered {
        self.get(&self.own(path), query)
    }

    /// A request with a body to something of the place; its answer holds an issue.
    pub(crate) fn send_own(&self, method: Method, path: &[&str], body: &Value) -> Rendered {
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Bytes::from(body.to_string());
        long(Rendered::new(
            method,
            self.address(&self.own(path)),
            headers,
            body,
        ))
    }

    /// A request to delete something of the place.
    pub(crate) fn delete_own(&self, path: &[&str]) -> Rendered {
        let url = self.address(&self.own(path));
        Rendered::new(Method::DELETE, url, self.headers.clone(), Bytes::new())
    }

    fn own<'p>(&'p self, path: &[&'p str]) -> Vec<&'p str> {
        let place = self.path.iter().map(String::as_str);
        place.chain(path.iter().copied()).collect()
    }

    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.root.clone();
        // Only a URL such as `mailto:` has no path; none of those is ever saved.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// What people call an issue.
    pub(crate) fn key(&self, number: &str) -> String {
        let key = format!("{}#{number}", self.name);
        match key.len() <= MAX_TICKET_ID_BYTES {
            true => key,
            false => format!("#{number}"),
        }
    }

    /// An issue's page; none if its address is too long to be kept.
    pub(crate) fn page(&self, number: &str) -> String {
        let page = format!("{}/{}/{number}", self.home, self.issues);
        Some(page)
            .filter(|page| page.len() <= MAX_TICKET_URL_BYTES)
            .unwrap_or_default()
    }

    /// Whether a name is the place's.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name.to_lowercase() == name.to_lowercase()
    }
}

/// Issues and lists of them are long.
fn long(rendered: Rendered) -> Rendered {
    Rendered {
        body_cap: MAX_BODY_CAP_BYTES,
        ..rendered
    }
}

/// A URL's page, without a slash at its end.
pub(crate) fn home(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// The API of a URL's host, at a path.
pub(crate) fn root(url: &Url, path: &str) -> Url {
    let mut root = url.clone();
    root.set_query(None);
    root.set_fragment(None);
    root.set_path(path);
    root
}

/// Whether a URL has nothing behind its path, and no name of a Git repository in it.
pub(crate) fn is_page(url: &Url) -> bool {
    let is_bare = url.query().is_none() && url.fragment().is_none();
    is_bare && !home(url).ends_with(".git")
}

/// The parts of a URL's path.
pub(crate) fn segments(url: &Url) -> Vec<String> {
    let decode = |part: &str| {
        percent_encoding::percent_decode_str(part)
            .decode_utf8_lossy()
            .into_owned()
    };
    let parts = url.path_segments().into_iter().flatten();
    parts.filter(|part| !part.is_empty()).map(decode).collect()
}
