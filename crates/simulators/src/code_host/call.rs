//! A request as both APIs understand it, its pages, and refusals of it.

use std::str::FromStr;

use http::Method;
use http::header::HOST;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::code_host::people::Person;
use crate::form;
use crate::simulator::{Request, Response};
use model::time::Timestamp;

/// The most entries of a page.
const MAX_PAGE: usize = 100;

/// A refusal.
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// Headers beside the usual ones.
    pub headers: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal with a body.
    pub fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            headers: Vec::new(),
        }
    }

    /// The same with another header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As an answer.
    pub fn answer(self) -> Response {
        let said = ["message", "error"].iter().find_map(|name| self.body.get(name));
        let sentence = format!("refused with {}: {}", self.status, said.unwrap_or(&self.body));
        let mut answer = Response::json(self.status, &self.body, sentence);
        answer.headers.extend(self.headers);
        answer
    }
}

/// A request to an API.
#[derive(Debug)]
pub struct Call<'a> {
    /// The method.
    pub method: &'a Method,
    /// What comes before the API: scheme, host, and a base path if there is one.
    pub base: String,
    /// The path and query as they came.
    target: &'a str,
    /// The decoded segments behind the API's prefix.
    pub path: Vec<String>,
    query: Vec<(String, String)>,
    /// The members of the body; empty if it has none.
    pub body: Map<String, Value>,
    /// Who calls.
    pub caller: Person,
    /// Now.
    pub now: Timestamp,
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is no JSON.
    NotJson,
    /// It is JSON, and no object.
    NotObject,
}

impl<'a> Call<'a> {
    /// Reads a request that goes to an API below a prefix such as `/api/v3`; nothing if it does not.
    pub fn read(request: &Request<'a>, prefix: &str, caller: Person) -> Option<Result<Self, Unreadable>> {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let (before, rest) = path.split_once(prefix)?;
        let rest = rest.strip_prefix('/')?;
        let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        let read = body(request).map(|body| Self {
            method: request.method,
            base: format!("http://{}{before}", host.unwrap_or("localhost")),
            target: request.target,
            path: rest.split('/').map(decoded).collect(),
            query: query
                .map(|(name, value)| (bare(&name).to_owned(), value))
                .collect(),
            body,
            caller,
            now: request.now,
        });
        Some(read)
    }

    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        let given = self.query.iter().find(|(key, _)| key == name);
        given.map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter, split at commas.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let given = self.query.iter().filter(|(key, _)| key == name);
        let words = given.flat_map(|(_, value)| value.split(','));
        words.map(str::trim).filter(|word| !word.is_empty()).collect()
    }

    /// A moment that the query names.
    pub fn moment(&self, name: &str) -> Result<Option<Timestamp>, ()> {
        let given = self.query(name).filter(|text| !text.is_empty());
        let read = |text: &str| jiff::Timestamp::from_str(&text.replace(' ', "+"));
        let moment = given.map(read).transpose().map_err(drop)?;
        Ok(moment.map(|at| Timestamp::from_millis(at.as_millisecond())))
    }

    /// A text of the body, if it is one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }

    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    /// The URL of another page of the same list.
    pub fn page_url(&self, number: usize) -> String {
        let (path, _) = self.target.split_once('?').unwrap_or((self.target, ""));
        let others = self.query.iter().filter(|(name, _)| name != "page");
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .extend_pairs(others)
            .append_pair("page", &number.to_string());
        let (origin, _) = self.base.split_at(
            self.base
                .match_indices('/')
                .nth(2)
                .map_or(self.base.len(), |(at, _)| at),
        );
        format!("{origin}{path}?{}", query.finish())
    }
}

/// A page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Its number, from 1.
    pub number: usize,
    /// How many entries it may have.
    pub size: usize,
    /// How many entries there are in all.
    pub total: usize,
}

impl Page {
    /// The page that is asked for; what is no number counts as none.
    pub fn read(call: &Call<'_>, size: usize, total: usize) -> Self {
        let number = |name: &str| {
            call.query(name)
                .and_then(|text| text.parse::<usize>().ok())
                .filter(|it| *it > 0)
        };
        Self {
            number: number("page").unwrap_or(1),
            size: number("per_page").unwrap_or(size).min(MAX_PAGE),
            total,
        }
    }

    /// How many pages there are.
    pub fn count(&self) -> usize {
        self.total.div_ceil(self.size).max(1)
    }

    /// Its entries.
    pub fn cut<T>(&self, all: Vec<T>) -> Vec<T> {
        let before = self.number.saturating_sub(1).saturating_mul(self.size);
        all.into_iter().skip(before).take(self.size).collect()
    }

    /// The `Link` header (RFC 8288) to these pages.
    pub fn links(&self, call: &Call<'_>, pages: &[(&str, Option<usize>)]) -> String {
        let links = pages.iter().filter_map(|(rel, number)| {
            let number = (*number)?;
            Some(format!("<{}>; rel=\"{rel}\"", call.page_url(number)))
        });
        links.collect::<Vec<_>>().join(", ")
    }

    /// The page before it, if there is one.
    pub fn previous(&self) -> Option<usize> {
        self.number.checked_sub(1).filter(|number| *number > 0)
    }

    /// The page behind it, if there is one.
    pub fn next(&self) -> Option<usize> {
        (self.number < self.count()).then_some(self.number.saturating_add(1))
    }
}

/// A list's name without the brackets that say that it is one.
fn bare(name: &str) -> &str {
    name.strip_suffix("[]").unwrap_or(name)
}

/// The members of a body: JSON, or a form. Labels may stand alone.
fn body(request: &Request<'_>) -> Result<Map<String, Value>, Unreadable> {
    if let Some(fields) = form::fields(request) {
        let member = |(name, value): (String, String)| match name.strip_suffix("[]") {
            Some(bare) => (bare.to_owned(), Value::Array(vec![value.into()])),
            None => (name, value.into()),
        };
        return Ok(fields.into_iter().map(member).collect());
    }
    if request.body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(request.body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(list @ Value::Array(_)) if request.target.ends_with("/labels") => {
            Ok(Map::from_iter([("labels".to_owned(), list)]))
        }
        Ok(_) => Err(Unreadable::NotObject),
        Err(_) => Err(Unreadable::NotJson),
    }
}
