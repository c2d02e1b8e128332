//! Reads what stands in a page's address: ids and filters. A filter that cannot be read counts as none.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use crate::layout::error::PageError;

/// The longest text that is searched for, in bytes.
const MAX_SEARCH_BYTES: usize = 200;

/// The id in a path. A text that is no id names nothing: 404.
pub struct PathId<T>(pub T);

impl<T: std::str::FromStr + Send, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(|| PageError::not_found("page"))
    }
}

/// The two ids in a path.
pub struct PathIds<A, B>(pub A, pub B);

impl<A, B, S> FromRequestParts<S> for PathIds<A, B>
where
    A: std::str::FromStr + Send,
    B: std::str::FromStr + Send,
    S: Send + Sync,
{
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let ids = path
            .ok()
            .and_then(|Path((first, second))| Some((first.parse().ok()?, second.parse().ok()?)));
        ids.map(|(first, second)| Self(first, second))
            .ok_or_else(|| PageError::not_found("page"))
    }
}

/// The query of a page's address.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The query of an address on this server.
    pub fn of_address(address: &str) -> Self {
        let (_, query) = address.split_once('?').unwrap_or_default();
        Self::read(query)
    }

    fn read(query: &str) -> Self {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// A parameter; empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        let parameter = self.0.iter().find(|(parameter, _)| parameter == name);
        parameter.map_or("", |(_, value)| value.trim())
    }

    /// A parameter, parsed.
    pub fn parsed<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        Some(self.text(name))
            .filter(|text| !text.is_empty())
            .and_then(parse)
    }

    /// A text to search for.
    pub fn search(&self, name: &str) -> Option<String> {
        self.parsed(name, |text| {
            (text.len() <= MAX_SEARCH_BYTES).then(|| text.to_owned())
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::read(parts.uri.query().unwrap_or_default()))
    }
}
