//! How settings are written that are more than a text, a number or a switch. Each refusal says what to write instead.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use model::secret::SecretText;

/// Where the data is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// An SQLite file in the data directory.
    Sqlite,
    /// A PostgreSQL that any number of servers may share; its URL may hold a password.
    Postgres(SecretText),
}

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match (scheme, rest.trim_start_matches('/')) {
            ("sqlite", "") => Ok(Self::Sqlite),
            ("sqlite", _) => Err("the SQLite file lives in the data directory: set `data` to its folder and `database` to \"sqlite\"".into()),
            ("postgres" | "postgresql", _) if rest.starts_with("//") => {
                Ok(Self::Postgres(SecretText::new(text.trim())))
            }
            _ => Err("no database of this kind is known: use \"sqlite\", or \"postgres://user:password@host/database\"".into()),
        }
    }
}

impl Serialize for Database {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sqlite => serializer.serialize_str("sqlite"),
            Self::Postgres(url) => serializer.serialize_str(url.reveal()),
        }
    }
}

impl<'de> Deserialize<'de> for Database {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer)?.parse().map_err(D::Error::custom)
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer)
}

pub(super) mod address {
    use std::net::SocketAddr;

    use super::{Deserializer, Error as _, Serializer, text};

    pub fn serialize<S: Serializer>(address: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(address)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
        let refusal =
            "not an IP address with a port: write \"127.0.0.1:8080\", or \"0.0.0.0:8080\" for every network";
        text(deserializer)?.parse().map_err(|_| D::Error::custom(refusal))
    }
}

pub(super) mod secret {
    use super::{Deserializer, Serializer, text};
    use model::secret::SecretText;

    pub fn serialize<S: Serializer>(secret: &SecretText, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.reveal())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretText, D::Error> {
        text(deserializer).map(|text| SecretText::new(text.trim()))
    }
}

pub(super) mod duration {
    use std::time::Duration;

    use super::{Deserializer, Error as _, Serializer, text};
    use model::time::{format_duration, parse_duration};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*duration))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        parse_duration(&text(deserializer)?)
            .map_err(|_| D::Error::custom("not a duration: write \"20s\", \"5m\", \"1h\" or \"30d\""))
    }
}

pub(super) mod log_filter {
    use super::{Deserializer, Error as _, Serializer, text};

    pub fn serialize<S: Serializer>(filter: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(filter)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        let filter = text(deserializer)?;
        match tracing_subscriber::EnvFilter::try_new(&filter) {
            Ok(_) => Ok(filter),
            Err(_) => Err(D::Error::custom(
                "not a log filter: write \"info\", \"debug\" or \"info,opsknight::engine=debug\"",
            )),
        }
    }
}

/// Networks, or single addresses.
pub(super) mod networks {
    use serde::Deserialize;

    use super::{Deserializer, Error as _, Serializer};
    use model::network::Network;

    pub fn serialize<S: Serializer>(networks: &[Network], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(networks.iter().map(ToString::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?.into_iter();
        texts.map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

/// Origins as browsers write them: scheme, host, and a port that is not the scheme's own.
pub(super) mod origins {
    use serde::{Deserialize, Serialize};
    use url::Url;

    use super::{Deserializer, Error as _, Serializer};

    pub fn serialize<S: Serializer>(origins: &[String], serializer: S) -> Result<S::Ok, S::Error> {
        origins.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let refusal = "not an origin: write \"https://status.example\", without a path; * for every site is not offered";
        match texts.iter().all(|text| is_origin(text)) {
            true => Ok(texts),
            false => Err(D::Error::custom(refusal)),
        }
    }

    fn is_origin(text: &str) -> bool {
        Url::parse(text).is_ok_and(|url| {
            let is_web = ["http", "https"].contains(&url.scheme());
            is_web && url.origin().ascii_serialization() == text
        })
    }
}

/// The address of an OpenID provider, as it writes it, or nothing.
pub(super) mod issuer {
    use model::identity::MAX_IDENTITY_BYTES;
    use url::Url;

    use super::{Deserializer, Error as _, Serializer, text};

    pub fn serialize<S: Serializer>(issuer: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(issuer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        let text = text(deserializer)?;
        let is_web = |url: Url| {
            let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
            is_plain && ["http", "https"].contains(&url.scheme())
        };
        match text.is_empty() || (text.len() <= MAX_IDENTITY_BYTES && Url::parse(&text).is_ok_and(is_web)) {
            true => Ok(text),
            false => Err(D::Error::custom(
                "not an issuer: write the address under which the provider describes itself, such as \"https://id.example/realms/staff\"",
            )),
        }
    }
}

/// Groups and the roles that they bring.
pub(super) mod role_rules {
    use serde::Deserialize;

    use super::{Deserializer, Error as _, Serializer};
    use model::identity::RoleRule;

    pub fn serialize<S: Serializer>(rules: &[RoleRule], serializer: S) -> Result<S::Ok, S::Error> {
        let texts = rules
            .iter()
            .map(|rule| format!("{}={}", rule.group, rule.role.as_str()));
        serializer.collect_seq(texts)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RoleRule>, D::Error> {
        let refusal =
            "not a group with its role: write \"group=admin\", \"group=responder\" or \"group=viewer\"";
        let texts = Vec::<String>::deserialize(deserializer)?.into_iter();
        texts
            .map(|text| RoleRule::parse(&text).ok_or_else(|| D::Error::custom(refusal)))
            .collect()
    }
}

/// A role, or nothing.
pub(super) mod optional_role {
    use super::{Deserializer, Error as _, Serializer, text};
    use model::access::Role;

    pub fn serialize<S: Serializer>(role: &Option<Role>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(role.map_or("", Role::as_str))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Role>, D::Error> {
        let text = text(deserializer)?;
        let role = Role::parse(&text);
        match role.is_some() || text.is_empty() {
            true => Ok(role),
            false => Err(D::Error::custom(
                "not a role: write \"viewer\", \"responder\" or \"admin\", or nothing",
            )),
        }
    }
}

/// A setting that is absent when its text is empty.
pub(super) mod optional_url {
    use url::Url;

    use super::{Deserializer, Error as _, Serializer, text};

    pub fn serialize<S: Serializer>(url: &Option<Url>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(url.as_ref().map_or("", Url::as_str))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
        let text = text(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        let is_plain = |url: &Url| {
            let is_web = ["http", "https"].contains(&url.scheme());
            let has_extras = url.query().is_some() || url.fragment().is_some();
            is_web && !has_extras && url.username().is_empty() && url.password().is_none()
        };
        let url = Url::parse(&text).ok().filter(is_plain);
        url.map(Some)
            .ok_or_else(|| D::Error::custom("not a web address: write \"https://opsknight.example\""))
    }
}

/// A number of bytes that is absent when its text is empty.
pub(super) mod optional_size {
    use super::{Deserializer, Error as _, Serializer, text};

    const UNITS: [(&str, u64); 4] = [
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ];

    pub fn serialize<S: Serializer>(bytes: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(bytes) = bytes else {
            return serializer.serialize_str("");
        };
        let unit = UNITS.into_iter().find(|(_, size)| bytes.is_multiple_of(*size));
        let (name, size) = unit.unwrap_or(("B", 1));
        serializer.collect_str(&format_args!("{}{name}", bytes / size))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        let text = text(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        parse(&text).map(Some).ok_or_else(|| {
            D::Error::custom("not a size: write \"500MiB\" or \"10GiB\", or nothing for no bound")
        })
    }

    fn parse(text: &str) -> Option<u64> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let size = match unit.trim() {
            "B" => 1,
            unit => UNITS.into_iter().find(|(name, _)| *name == unit)?.1,
        };
        number.parse::<u64>().ok()?.checked_mul(size)
    }
}
