//! Putting settings together: defaults, file, environment, flags, each over the one before.
//!
//! What settings there are, and of which type, is read from the defaults, so that a new field needs nothing here.
//! Each setting is tried alone before it counts, so that a refusal can name it and where it came from.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, ENVIRONMENT_PREFIX};

/// Names with the prefix that are no settings of the server.
const OTHER_NAMES: [&str; 12] = [
    "CONFIG",
    "URL",
    "API_KEY",
    "API_KEY_FILE",
    "MASTER_KEY",
    "MASTER_KEY_FILE",
    "PREVIOUS_MASTER_KEY",
    "PREVIOUS_MASTER_KEY_FILE",
    "OUTBOUND_PROXY_FILE",
    "DATABASE_FILE",
    "OIDC_CLIENT_SECRET_FILE",
    "MAIL_SERVER_FILE",
];
/// Kubernetes sets names that begin so for a service that is called opsknight.
const KUBERNETES_PREFIXES: [&str; 2] = ["SERVICE_", "PORT"];

/// A setting as it was given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// How it was written, such as `--listen`.
    pub flag: String,
    /// Which setting it sets, such as `listen` or `outbound.allow`.
    pub setting: String,
    /// To what.
    pub text: String,
}

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    File(PathBuf),
    Environment(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Environment(name) => write!(f, "from the environment, {name}"),
            Self::Flag(flag) => write!(f, "from the command line, {flag}"),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {reason}; check the path given with --config", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not valid TOML; correct this line:\n{reason}", .path.display())]
    NotToml {
        /// Which.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// One setting is wrong.
    #[error("the setting {setting} ({origin}) cannot be used: {reason}")]
    Setting {
        /// Which.
        setting: String,
        /// Where it came from.
        origin: String,
        /// Why, and what to do.
        reason: String,
    },
}

/// One setting of one layer.
struct Entry {
    path: String,
    value: Value,
    origin: Origin,
}

/// A variable of the environment, for whatever purpose. An empty one counts as none: so container files say "not set".
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Reads the settings. `environment` tells the value of a name.
pub fn load(
    file: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
    flags: &[Flag],
) -> Result<Config, ConfigError> {
    let defaults = leaves(&default_table(), "");
    let mut entries = file.map_or(Ok(Vec::new()), file_entries)?;
    for (path, default) in &defaults {
        let name = environment_name(path);
        if let Some(text) = environment(&name) {
            entries.push(text_entry(path, default, &text, Origin::Environment(name))?);
        }
    }
    for flag in flags {
        let origin = Origin::Flag(flag.flag.clone());
        let default = defaults.iter().find(|(path, _)| *path == flag.setting);
        let (path, default) = default.ok_or_else(|| unknown(&flag.setting, &origin))?;
        entries.push(text_entry(path, default, &flag.text, origin)?);
    }
    let mut merged = Table::new();
    for entry in entries {
        if !defaults.iter().any(|(path, _)| *path == entry.path) {
            return Err(unknown(&entry.path, &entry.origin));
        }
        let mut alone = Table::new();
        insert(&mut alone, &entry.path, entry.value.clone());
        read(alone).map_err(|reason| refused(&entry.path, &entry.origin, reason))?;
        insert(&mut merged, &entry.path, entry.value);
    }
    // Every entry was good alone, and no rule spans two of them.
    read(merged).map_err(|reason| ConfigError::Setting {
        setting: "(all)".into(),
        origin: "together".into(),
        reason,
    })
}

/// The name in the environment of a setting: `outbound.allow` is `OPSKNIGHT_OUTBOUND_ALLOW`.
pub fn environment_name(setting: &str) -> String {
    format!(
        "{ENVIRONMENT_PREFIX}{}",
        setting.replace('.', "_").to_ascii_uppercase()
    )
}

/// Every setting, such as `listen` and `outbound.allow`.
pub fn names() -> Vec<String> {
    leaves(&default_table(), "")
        .into_iter()
        .map(|(path, _)| path)
        .collect()
}

/// Of these names in the environment, those that look like settings and are none: most likely mistyped.
pub fn unknown_names(environment: impl IntoIterator<Item = String>) -> Vec<String> {
    let known: Vec<String> = names().iter().map(|name| environment_name(name)).collect();
    let is_unknown = |name: &String| {
        let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
            return false;
        };
        let is_foreign = KUBERNETES_PREFIXES.iter().any(|prefix| rest.starts_with(prefix));
        !is_foreign && !OTHER_NAMES.contains(&rest) && !known.contains(name)
    };
    environment.into_iter().filter(is_unknown).collect()
}

fn default_table() -> Table {
    // The defaults are plain values, which TOML can always write; a test reads them back.
    Table::try_from(Config::default()).unwrap_or_default()
}

/// Every value in a table that is no table itself, with its path.
fn leaves(table: &Table, prefix: &str) -> Vec<(String, Value)> {
    let leaf = |(name, value): (&String, &Value)| {
        let path = format!("{prefix}{name}");
        match value {
            Value::Table(section) => leaves(section, &format!("{path}.")),
            other => vec![(path, other.clone())],
        }
    };
    table.iter().flat_map(leaf).collect()
}

fn insert(table: &mut Table, path: &str, value: Value) {
    let Some((section, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return;
    };
    let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        insert(inner, rest, value);
    }
}

fn file_entries(path: &Path) -> Result<Vec<Entry>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| ConfigError::NotToml {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    let entry = |(setting, value)| Entry {
        path: setting,
        value,
        origin: Origin::File(path.to_owned()),
    };
    Ok(leaves(&table, "").into_iter().map(entry).collect())
}

/// A setting given as text, in the type that its default has.
fn text_entry(path: &str, default: &Value, text: &str, origin: Origin) -> Result<Entry, ConfigError> {
    let value = match default {
        Value::Boolean(_) => switch(text).map(Value::Boolean),
        Value::Integer(_) => text
            .trim()
            .parse()
            .map(Value::Integer)
            .map_err(|_| "must be a whole number".to_owned()),
        Value::Array(_) => Ok(Value::Array(list(text))),
        _ => Ok(Value::String(text.to_owned())),
    };
    match value {
        Ok(value) => Ok(Entry {
            path: path.to_owned(),
            value,
            origin,
        }),
        Err(reason) => Err(refused(path, &origin, reason)),
    }
}

fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" | "" => Ok(false),
        _ => Err("must be true or false".into()),
    }
}

fn list(text: &str) -> Vec<Value> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| Value::String(item.to_owned())).collect()
}

fn read(table: Table) -> Result<Config, String> {
    let config = Config::deserialize(table).map_err(|error: toml::de::Error| error.message().to_owned())?;
    config.check().map(|()| config)
}

fn refused(path: &str, origin: &Origin, reason: String) -> ConfigError {
    ConfigError::Setting {
        setting: path.to_owned(),
        origin: origin.to_string(),
        reason,
    }
}

fn unknown(path: &str, origin: &Origin) -> ConfigError {
    let reason = format!("there is no such setting; there are {}", names().join(", "));
    refused(path, origin, reason)
}
