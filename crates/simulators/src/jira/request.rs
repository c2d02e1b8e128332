//! A request as Jira understands it: at which door it knocks, in which version of the API, and what it carries.

use http::Method;
use http::header::{CONTENT_TYPE, HOST};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::jira::answer::Refusal;
use crate::jira::people::{self, Person};
use crate::simulator::Request;
use model::time::Timestamp;

/// A version of the API. The third exists in Cloud alone, and takes and gives documents where the second has wiki text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `/rest/api/2`, Cloud and Data Center; also `/rest/api/latest`.
    Two,
    /// `/rest/api/3`.
    Three,
}

/// What a request is for, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// The API itself.
    Rest,
    /// The registration of webhooks.
    Hooks,
    /// Access tokens.
    Token,
    /// Which site this is.
    Tenant,
    /// Nothing that Jira has.
    Nowhere,
}

/// From where something is seen: what the links in an answer begin with, and the version that shapes it.
#[derive(Debug, Clone)]
pub struct View {
    /// The site's address, or the gateway's with the site's id.
    pub base: String,
    /// The version.
    pub api: Api,
}

/// A request.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a Method,
    /// What for.
    pub door: Entrance,
    /// Whether it came through Atlassian's gateway, `/ex/jira/{cloudId}`.
    pub is_below_gateway: bool,
    /// From where it looks.
    pub view: View,
    /// The path after the door, decoded.
    pub path: Vec<String>,
    query: Vec<(String, String)>,
    /// The body.
    pub body: &'a [u8],
    has_content_type: bool,
    has_json: bool,
    /// Who asks.
    pub caller: Person,
    /// Now.
    pub now: Timestamp,
}

impl View {
    /// The URL of something below the API.
    pub fn link(&self, path: &str) -> String {
        let version = match self.api {
            Api::Two => 2,
            Api::Three => 3,
        };
        format!("{}/rest/api/{version}/{path}", self.base)
    }

    /// The same, seen in the second version: what webhooks carry.
    pub fn in_second_version(&self) -> Self {
        Self {
            base: self.base.clone(),
            api: Api::Two,
        }
    }
}

impl<'a> Asked<'a> {
    /// Reads a request; nobody has logged in yet.
    pub fn read(request: &Request<'a>) -> Self {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
        let mut base = format!("http://{}", host.unwrap_or("localhost"));
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let mut path: Vec<String> = path.trim_matches('/').split('/').map(decoded).collect();
        let gateway = match path.as_slice() {
            [ex, jira, cloud_id, ..] if ex == "ex" && jira == "jira" => Some(format!("/ex/jira/{cloud_id}")),
            _ => None,
        };
        if let Some(gateway) = &gateway {
            base.push_str(gateway);
            path.drain(..3);
        }
        let (door, api, door_length) = door(&path);
        path.drain(..door_length);
        let content_type = request
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        Self {
            method: request.method,
            door,
            is_below_gateway: gateway.is_some(),
            view: View { base, api },
            path,
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            body: request.body,
            has_content_type: content_type.is_some(),
            has_json: content_type.is_some_and(|value| value.starts_with("application/json")),
            caller: people::nobody(),
            now: request.now,
        }
    }

    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter that lists words, separated by commas or given again and again; nothing if it is not there.
    pub fn words(&self, name: &str) -> Option<Vec<String>> {
        let given = self.query.iter().filter(|(key, _)| key == name);
        let words: Vec<String> = given.flat_map(|(_, value)| split_words(value)).collect();
        (!words.is_empty()).then_some(words)
    }

    /// A parameter that counts.
    pub fn number(&self, name: &str, otherwise: usize) -> Result<usize, Refusal> {
        let Some(text) = self.query(name) else {
            return Ok(otherwise);
        };
        text.parse()
            .map_err(|_| Refusal::said(400, format!("'{text}' is not a valid value for '{name}'.")))
    }

    /// Whether `expand` names something.
    pub fn expands(&self, name: &str) -> bool {
        self.words("expand")
            .is_some_and(|words| words.iter().any(|word| word == name))
    }

    /// The body, which must be JSON.
    pub fn value(&self) -> Result<Value, Refusal> {
        if !self.has_json {
            return Err(Refusal::unsupported_media());
        }
        serde_json::from_slice(self.body).map_err(|_| {
            let message = "There was an error parsing JSON. Check that your request body is valid.";
            Refusal::bare(400, message)
        })
    }

    /// The body, which must be a JSON object.
    pub fn members(&self) -> Result<Map<String, Value>, Refusal> {
        match self.value()? {
            Value::Object(members) => Ok(members),
            _ => Err(Refusal::invalid_payload()),
        }
    }

    /// Refuses a request without a `Content-Type`, which some deletions need although they have no body.
    pub fn check_content_type(&self) -> Result<(), Refusal> {
        if self.has_content_type {
            Ok(())
        } else {
            Err(Refusal::unsupported_media())
        }
    }

    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        let is_search = self.path.first().is_some_and(|first| first == "search");
        self.door == Entrance::Rest && self.method != Method::GET && !is_search
    }
}

/// The words of a list with commas.
pub fn split_words(text: &str) -> impl Iterator<Item = String> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
}

/// The door at the beginning of a path, and how many segments it takes.
fn door(path: &[String]) -> (Entrance, Api, usize) {
    let words: Vec<&str> = path.iter().take(4).map(String::as_str).collect();
    match words.as_slice() {
        ["rest", "api", "3", ..] => (Entrance::Rest, Api::Three, 3),
        ["rest", "api", "2" | "latest", ..] => (Entrance::Rest, Api::Two, 3),
        ["rest", "webhooks", "1.0", "webhook"] => (Entrance::Hooks, Api::Two, 4),
        ["oauth", "token", ..] => (Entrance::Token, Api::Three, 2),
        ["_edge", "tenant_info"] => (Entrance::Tenant, Api::Three, 2),
        _ => (Entrance::Nowhere, Api::Two, 0),
    }
}
