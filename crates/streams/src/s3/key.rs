//! Where an object goes: the bucket of a URL, and a key below it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

use super::form::PREFIX;
use destination::about::Problem;
use destination::joint::batch_id;
use destination::task::{Target, Task};
use model::time::Timestamp;

/// The longest folder, in bytes: a key may have 1024.
const MAX_PREFIX_BYTES: usize = 512;
/// What stands in a path as it is, when it is signed and when it is sent: what RFC 3986 calls unreserved, and the slash.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// The key of an object with these events: the same ones give the same key.
pub(super) fn key(target: &Target, tasks: &[Task<'_>], ending: &str) -> String {
    let first = tasks.iter().map(|task| task.event.at).min().unwrap_or_default();
    let time = first.to_rfc3339_seconds().replace(['-', ':'], "");
    format!("{}{time}-{}.{ending}", folder(target, first), batch_id(tasks))
}

/// The URL of an object.
pub(super) fn object_url(bucket: &Url, key: &str) -> Url {
    let mut url = bucket.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{path}/{}", utf8_percent_encode(key, ENCODED)));
    url
}

/// The folder for a time, with a slash at its end.
fn folder(target: &Target, at: Timestamp) -> String {
    let time = at.to_rfc3339_seconds();
    let mut parts = time.split(['-', 'T', ':']);
    let names = ["{year}", "{month}", "{day}", "{hour}"];
    let filled = names.iter().zip(&mut parts);
    let folder = filled.fold(prefix(target).to_owned(), |folder, (name, part)| {
        folder.replace(name, part)
    });
    match folder.trim_matches('/') {
        "" => String::new(),
        folder => format!("{folder}/"),
    }
}

fn prefix(target: &Target) -> &str {
    match target.option(PREFIX.name) {
        "" => PREFIX.default,
        prefix => prefix,
    }
}

/// What is wrong with URL and folder.
pub(super) fn problems(target: &Target) -> Vec<Problem> {
    let url = (!is_bucket(&target.url)).then_some((
        "url",
        "the bucket's address and no more, such as https://incidents.s3.eu-central-1.amazonaws.com or \
         https://minio.example.com:9000/incidents",
    ));
    let prefix = (!is_good(prefix(target))).then_some((
        PREFIX.name,
        "a folder has letters, digits, - _ . = and /, no empty or dotted parts, and of what stands in {} only year, month, day and hour",
    ));
    let problem = |(field, detail): (&'static str, &str)| Problem {
        field,
        code: "invalid_value",
        detail: detail.to_owned(),
    };
    url.into_iter().chain(prefix).map(problem).collect()
}

/// Whether an address is one of a bucket, as far as can be told: Amazon's names it in front or in its path.
fn is_bucket(url: &Url) -> bool {
    let path = url.path().trim_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let is_nameless = match url.host() {
        Some(Host::Domain(host)) => host.starts_with("s3.") && host.contains(".amazonaws.com"),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    };
    url.query().is_none()
        && path.bytes().all(is_plain)
        && !path.contains("//")
        && !(is_nameless && path.is_empty())
}

fn is_good(prefix: &str) -> bool {
    let names = ["{year}", "{month}", "{day}", "{hour}"];
    let plain = names
        .iter()
        .fold(prefix.to_owned(), |prefix, name| prefix.replace(name, "0"));
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.=".contains(&byte))
    };
    let plain = plain.trim_matches('/');
    prefix.len() <= MAX_PREFIX_BYTES && (plain.is_empty() || plain.split('/').all(is_part))
}
