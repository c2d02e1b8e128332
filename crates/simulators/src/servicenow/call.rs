//! A request to the REST API, read: which resource, with which parameters, by whom.

use http::header::{ACCEPT, HOST};
use http::{HeaderMap, Method};
use serde_json::{Map, Value};

use crate::servicenow::access::User;
use crate::servicenow::answer::Refusal;
use crate::simulator::Request;
use model::time::Timestamp;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// A table.
    Table(&'a str),
    /// One record: table and id.
    Record(&'a str, &'a str),
    /// Several requests in one.
    Batch,
    /// All attachments.
    Attachments,
    /// The content of one attachment; without an id, a new one.
    File(Option<&'a str>),
}

/// The version of the API that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The first: a list without records is an error.
    First,
    /// The second, which is the latest.
    Latest,
}

impl<'a> Route<'a> {
    /// The route of a path, with the version that it names.
    pub fn read(path: &'a str) -> Result<(Self, Version), Refusal> {
        let unknown = || {
            Refusal::plain(
                400,
                format!("Requested URI does not represent any resource: {path}"),
            )
        };
        let rest = path.strip_prefix("/api/now/").ok_or_else(unknown)?;
        let (version, rest) = match rest.split_once('/') {
            Some(("v1", rest)) => (Version::First, rest),
            Some(("v2", rest)) => (Version::Latest, rest),
            Some(_) | None => (Version::Latest, rest),
        };
        let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        let route = match parts.as_slice() {
            ["table", table] => Self::Table(table),
            ["table", table, sys_id] => Self::Record(table, sys_id),
            ["batch"] => Self::Batch,
            ["attachment"] => Self::Attachments,
            ["attachment", "file"] => Self::File(None),
            ["attachment", sys_id, "file"] => Self::File(Some(sys_id)),
            _ => return Err(unknown()),
        };
        Ok((route, version))
    }
}

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query string.
    pub fn read(query: &str) -> Self {
        Self(
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// A parameter; empty if it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }

    /// A number; nothing if it is none.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.get(name).parse().ok()
    }

    /// Whether a flag is set.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).eq_ignore_ascii_case("true")
    }

    /// Those that are no parameters of the API but name a field and its value.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_field = |(name, _): &(&str, &str)| !name.starts_with("sysparm_");
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(is_field)
    }

    /// All of them again, one with another value.
    pub fn with(&self, name: &str, value: &str) -> String {
        let others = self.0.iter().filter(|(known, _)| known != name);
        let pairs = others
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain([(name, value)]);
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
    }
}

/// Whether a query's condition counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditions {
    /// It does.
    Count,
    /// All rows match, whatever it says.
    AreIgnored,
}

/// A request to the REST API by somebody.
#[derive(Debug)]
pub struct Call<'a> {
    /// The method.
    pub method: &'a Method,
    /// The resource.
    pub route: Route<'a>,
    /// The version of the API.
    pub version: Version,
    /// Its path.
    pub path: &'a str,
    /// Its parameters.
    pub parameters: Parameters,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
    /// Fields of the body that are passed over.
    pub without: &'static [&'static str],
    /// Whether a query's condition counts.
    pub conditions: Conditions,
    /// By whom.
    pub user: User,
    /// The time, as ServiceNow writes it.
    pub now: String,
}

impl<'a> Call<'a> {
    /// Reads a request of a user.
    pub fn read(request: &Request<'a>, user: User) -> Result<Self, Refusal> {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let (route, version) = Route::read(path)?;
        if !is_json_welcome(request.headers) {
            return Err(Refusal::plain(
                406,
                "Requested media type is not simulated here: ask for application/json",
            ));
        }
        Ok(Self {
            method: request.method,
            route,
            version,
            path,
            parameters: Parameters::read(query),
            headers: request.headers,
            body: request.body,
            without: &[],
            conditions: Conditions::Count,
            user,
            now: written(request.now),
        })
    }

    /// The instance's address, as the caller knows it.
    pub fn base(&self) -> String {
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok());
        format!("http://{}", host.unwrap_or("opsknight-fake.service-now.com"))
    }

    /// The body as the fields that it sets.
    pub fn fields(&self) -> Result<Map<String, Value>, Refusal> {
        let refuse = |detail: &str| Refusal::new(400, "Exception while reading request", detail);
        let content_type = self
            .headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(|value| value.starts_with("application/json")) {
            return Err(Refusal::plain(415, "Unsupported media type"));
        }
        let body: Value =
            serde_json::from_slice(self.body).map_err(|_| refuse("The payload is not valid JSON."))?;
        match body {
            Value::Object(mut fields) => {
                fields.retain(|name, _| !self.without.contains(&name.as_str()));
                Ok(fields)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(refuse("The payload is not one record."))
            }
        }
    }
}

/// A method that a resource does not have.
pub fn no_method() -> Refusal {
    Refusal::plain(405, "Method not supported")
}

/// A time as ServiceNow writes it.
pub fn written(time: Timestamp) -> String {
    time.to_rfc3339_seconds().replace('T', " ").replace('Z', "")
}

fn is_json_welcome(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_none_or(|value| value.is_empty() || value.contains("json") || value.contains("*/*"))
}
