//! The address of a database: what `tokio_postgres` understands of it, and words that it does not: `sslrootcert`,
//! `password_file`, `prepared_statements`, and `sslmode`s that say whom TLS believes.
//!
//! Over a network TLS is asked for and the server's name checked unless the address says `sslmode=disable`: a password that
//! goes to whoever answers is none.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use store::StoreError;
use store::StoreResult;

use super::terms::Prepares;

/// Words of an address that are not handed on.
const OWN_WORDS: [&str; 4] = ["sslmode", "sslrootcert", "password_file", "prepared_statements"];

/// Whom to talk to, and how.
pub struct Address {
    pub config: Config,
    /// A file of authorities instead of the public ones.
    pub root_certificates: Option<PathBuf>,
    /// Where the password is read at each new connection.
    pub password_file: Option<PathBuf>,
    /// What a session may keep.
    pub prepares: Prepares,
}

impl Address {
    /// Reads an address. Nothing of it is repeated in an error: it may hold a password.
    pub fn parse(text: &str) -> StoreResult<Self> {
        let (rest, words) = match text.starts_with("postgres://") || text.starts_with("postgresql://") {
            true => split_url(text),
            false => split_words(text),
        };
        let unusable = |_| refusal("the address of the database cannot be read");
        let mut config = Config::from_str(&rest).map_err(unusable)?;
        let find = |name: &str| words.iter().rev().find(|(word, _)| word == name);
        let mode = match find("sslmode").map(|(_, mode)| mode.as_str()) {
            None | Some("prefer" | "allow") if is_local(&config) => SslMode::Disable,
            Some("disable") => SslMode::Disable,
            None | Some("allow" | "prefer" | "require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some(_) => return Err(refusal("the database's sslmode is none that is known")),
        };
        config.ssl_mode(mode);
        let prepares = match find("prepared_statements").map(|(_, word)| word.as_str()) {
            None | Some("on" | "true") => Prepares::Everything,
            Some("off" | "false") => Prepares::Nothing,
            Some(_) => {
                return Err(refusal(
                    "the database's prepared_statements is neither on nor off",
                ));
            }
        };
        Ok(Self {
            config,
            root_certificates: find("sslrootcert").map(|(_, path)| path.into()),
            password_file: find("password_file").map(|(_, path)| path.into()),
            prepares,
        })
    }
}

/// Where a database is, without how it is got into.
pub fn place_of(url: &str) -> StoreResult<String> {
    let config = Address::parse(url)?.config;
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(folder) => folder.display().to_string(),
    });
    let hosts: Vec<String> = hosts.collect();
    let name = config.get_dbname().or(config.get_user()).unwrap_or("postgres");
    Ok(format!("the PostgreSQL database {name} at {}", hosts.join(",")))
}

fn refusal(sentence: &str) -> StoreError {
    StoreError::Unavailable(sentence.into())
}

/// Whether what is said goes through this machine alone.
fn is_local(config: &Config) -> bool {
    let is_loopback = |name: &str| {
        let address = name.parse::<IpAddr>();
        name == "localhost" || address.is_ok_and(|address| address.is_loopback())
    };
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => is_loopback(name),
        Host::Unix(_) => true,
    });
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// An address of the form of a URL, without our words, and those.
fn split_url(text: &str) -> (String, Vec<(String, String)>) {
    let Some((head, query)) = text.split_once('?') else {
        return (text.to_owned(), Vec::new());
    };
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut words = Vec::new();
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some((name, value)) if OWN_WORDS.contains(&name) => words.push((name.to_owned(), decode(value))),
            Some(_) | None => rest.push(pair),
        }
    }
    match rest.is_empty() {
        true => (head.to_owned(), words),
        false => (format!("{head}?{}", rest.join("&")), words),
    }
}

/// An address of the form `name=value name='value'`, without our words, and those.
fn split_words(text: &str) -> (String, Vec<(String, String)>) {
    let (mut rest, mut words) = (String::new(), Vec::new());
    let mut left = text.trim_start();
    while !left.is_empty() {
        let (word, after) = left.split_at(word_length(left));
        left = after.trim_start();
        match word.split_once('=') {
            Some((name, value)) if OWN_WORDS.contains(&name.trim_end()) => {
                let value = value.trim_start().trim_matches('\'');
                words.push((name.trim_end().to_owned(), value.to_owned()));
            }
            Some(_) | None => {
                rest.push_str(word);
                rest.push(' ');
            }
        }
    }
    (rest, words)
}

/// Where the first word ends: at a space outside of quotes.
fn word_length(text: &str) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (place, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\'' => is_quoted = !is_quoted,
            _ if character.is_whitespace() && !is_quoted => return place,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(text: &str) -> SslMode {
        Address::parse(text).unwrap().config.get_ssl_mode()
    }

    #[test]
    fn over_a_network_the_server_is_checked_unless_the_address_says_otherwise() {
        for address in [
            "postgres://me@db.example/opsknight",
            "postgres://me@one.example,two.example/opsknight?sslmode=prefer",
            "postgres://me@localhost,two.example/opsknight",
            "postgres://me@localhost/opsknight?sslmode=verify-full",
            "host=db.example user=me sslmode=require",
        ] {
            assert_eq!(mode(address), SslMode::Require, "{address}");
        }
        for address in [
            "postgres://me@db.example/opsknight?sslmode=disable",
            "postgres://me@localhost/opsknight",
            "host=/run/postgresql user=me",
            "host=127.0.0.1 user=me sslmode=prefer",
        ] {
            assert_eq!(mode(address), SslMode::Disable, "{address}");
        }
        assert!(Address::parse("postgres://me@db/opsknight?sslmode=maybe").is_err());
    }

    #[test]
    fn both_forms_of_an_address_say_the_same() {
        let url = "postgresql://me@db/store?sslrootcert=/etc/my%20ca.pem&target_session_attrs=read-write&password_file=/run/key";
        let words = "host=db user=me password='a \\' sslmode=disable' dbname=store target_session_attrs=read-write \
                     sslrootcert='/etc/my ca.pem' password_file=/run/key";
        for text in [url, words] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.config.get_dbname(), Some("store"), "{text}");
            assert_eq!(address.config.get_ssl_mode(), SslMode::Require);
            assert_eq!(address.root_certificates, Some("/etc/my ca.pem".into()));
            assert_eq!(address.password_file, Some("/run/key".into()));
        }
        let config = Address::parse(words).unwrap().config;
        assert_eq!(config.get_password(), Some(&b"a ' sslmode=disable"[..]));
    }
}
