//! What every client command has: the server it speaks to, and how its output shall look.

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::Value;

use clock::SystemClock;
use config::environment;
use config::secret_file;
use model::secret::SecretText;

use super::RootArguments;
use super::client::{Answer, Client, Query};
use super::failure::Failure;
use super::output::{self, Column};
use super::time_zone;

/// Holds the API key; with `_FILE` behind it, names a file that does.
const API_KEY_NAME: &str = "OPSKNIGHT_API_KEY";
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// The most a list answers in one page.
const PAGE_LIMIT: usize = 200;
/// The most pages that are read to find something.
const MAX_PAGES: usize = 500;

/// Where the server is and how to speak to it.
#[derive(Debug, Clone, Args)]
pub struct ServerArguments {
    /// Where the server is [env: OPSKNIGHT_URL] [default: http://127.0.0.1:8080].
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The API key (ok_…) [env: OPSKNIGHT_API_KEY, or OPSKNIGHT_API_KEY_FILE for a file that holds it].
    #[arg(long, global = true, value_name = "KEY")]
    pub key: Option<String>,
    /// Print JSON exactly as the API answers it.
    #[arg(long, global = true)]
    pub json: bool,
    /// The time zone of times, such as Europe/Berlin, UTC or local [default: local on a terminal, as the API writes them in a pipe].
    #[arg(long, global = true, value_name = "ZONE")]
    pub tz: Option<String>,
}

/// A server and a way to print.
pub struct Session {
    /// Speaks to the server.
    pub api: Client,
    /// Whether the output is for machines.
    pub is_json: bool,
    /// Tells the time.
    pub clock: SystemClock,
    /// In which times are printed for people; as they come if there is none.
    zone: Option<TimeZone>,
}

impl ServerArguments {
    /// These, and what they leave open from before the command.
    pub fn or(self, root: &RootArguments) -> Self {
        Self {
            url: self.url.or_else(|| root.url.clone()),
            key: self.key.or_else(|| root.key.clone()),
            json: self.json || root.json,
            tz: self.tz.or_else(|| root.tz.clone()),
        }
    }
}

impl Session {
    /// Prepares to speak to a server; connects to nothing yet.
    pub fn open(server: ServerArguments) -> Result<Self, Failure> {
        let url = server.url.filter(|url| !url.is_empty());
        let key = match server.key.filter(|key| !key.is_empty()) {
            Some(key) => Some(key),
            None => secret_in_environment(API_KEY_NAME)?,
        };
        Ok(Self {
            api: Client::new(url.as_deref().unwrap_or(DEFAULT_URL), key.map(SecretText::new))?,
            is_json: server.json,
            clock: SystemClock,
            zone: time_zone::zone(server.tz.as_deref())?,
        })
    }

    /// Prints the answer as it came, or for people what `words` makes of it.
    pub fn print(&self, answer: &Answer, words: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        match &self.zone {
            _ if self.is_json => output::print_json(&answer.text),
            Some(zone) => output::print(&words(&time_zone::in_zone(&answer.value, zone))),
            None => output::print(&words(&answer.value)),
        }
    }

    /// Prints a page of a list.
    pub fn print_page(&self, answer: &Answer, columns: &[Column]) -> Result<(), Failure> {
        self.print(answer, |page| output::page(page, columns))
    }

    /// Prints one thing with everything that is known about it.
    pub fn print_details(&self, answer: &Answer) -> Result<(), Failure> {
        self.print(answer, output::details)
    }

    /// Every item of a list, page after page.
    pub fn list_all(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut query: Query = vec![("limit", PAGE_LIMIT.to_string())];
        for _ in 0..MAX_PAGES {
            let page = self.api.get(path, &query)?.value;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            let Some(cursor) = page["nextCursor"].as_str() else {
                return Ok(items);
            };
            query = vec![("limit", PAGE_LIMIT.to_string()), ("cursor", cursor.to_owned())];
        }
        Err(Failure::other(format!(
            "there are more than {} to look through; use ids instead of names",
            PAGE_LIMIT * MAX_PAGES
        )))
    }
}

/// A secret that was given, or is in the environment under a name.
pub fn secret_from(given: Option<String>, name: Option<String>) -> Result<Option<String>, Failure> {
    match (given, name) {
        (Some(secret), _) => Ok(Some(secret)),
        (None, Some(name)) => secret_named(&name).map(Some).map_err(Failure::Usage),
        (None, None) => Ok(None),
    }
}

/// A secret that is to be in the environment; otherwise why it is not.
pub fn secret_named(name: &str) -> Result<String, String> {
    let found = secret_file::find(name, environment).map_err(|error| error.to_string())?;
    let secret = found.map(|secret| secret.to_string());
    secret.ok_or_else(|| format!("the environment has no {name}"))
}

/// A secret in the environment under a name, or in the file that the name with `_FILE` behind it names.
pub fn secret_in_environment(name: &str) -> Result<Option<String>, Failure> {
    let found = secret_file::find(name, environment);
    let found = found.map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(found.map(|secret| secret.to_string()))
}
