//! What is checked of a batch's settings when they are saved.

use std::ops::RangeInclusive;

use crate::batch::form::{INDEX, MAX_EVENTS, MAX_KILOBYTES, MAX_SECONDS};
use crate::batch::format::Format;
use destination::about::{Field, Problem};
use destination::task::Target;

/// The longest name of an index or table, in bytes.
const MAX_INDEX_BYTES: usize = 200;

/// What a field with a number may hold.
fn range(field: &Field) -> RangeInclusive<u64> {
    match field.name {
        "maxEvents" => 1..=1000,
        "maxKilobytes" => 1..=4096,
        _ => 0..=300,
    }
}

/// The number in a field; its default if there is none that may be.
pub(super) fn number(target: &Target, field: &Field) -> u64 {
    let read = |text: &str| text.parse().ok().filter(|number| range(field).contains(number));
    let given = read(target.option(field.name));
    given.or_else(|| read(field.default)).unwrap_or_default()
}

/// What is wrong with a target.
pub(super) fn problems(target: &Target) -> Vec<Problem> {
    let numbers = [MAX_EVENTS, MAX_KILOBYTES, MAX_SECONDS];
    let numbers = numbers.iter().filter_map(|field| number_problem(target, field));
    let (token, name, password) = (
        target.secret("token"),
        target.option("username"),
        target.secret("password"),
    );
    let both = !token.is_empty() && !name.is_empty();
    let both = both.then(|| invalid("token", "give a token or a user name, not both"));
    let half = token.is_empty() && name.is_empty() != password.is_empty();
    let half = half.then(|| invalid("password", "user name and password go together"));
    let unsendable = token.bytes().any(|byte| !(0x21..0x7f).contains(&byte));
    let unsendable =
        unsendable.then(|| invalid("token", "a token is of printable ASCII characters without spaces"));
    let colon = name.contains(':');
    let colon = colon.then(|| invalid("username", "a user name holds no colon"));
    let others = [index_problem(target), both, half, unsendable, colon];
    numbers.chain(others.into_iter().flatten()).collect()
}

fn number_problem(target: &Target, field: &Field) -> Option<Problem> {
    let (text, range) = (target.option(field.name), range(field));
    let is_good = text.is_empty() || text.parse().is_ok_and(|number| range.contains(&number));
    let detail = || format!("a number from {} to {}", range.start(), range.end());
    (!is_good).then(|| invalid(field.name, &detail()))
}

/// Names go into addresses and statements as they are.
fn index_problem(target: &Target) -> Option<Problem> {
    let index = target.option(INDEX.name);
    let is_part = |byte: u8| match Format::new(target) {
        Format::ClickHouse => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'),
        _ => byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-'),
    };
    let is_good = index.len() <= MAX_INDEX_BYTES && index.bytes().all(is_part);
    let detail = "letters, digits, underscores and dots; of an index lower case, and hyphens too";
    (!is_good).then(|| invalid(INDEX.name, detail))
}

fn invalid(field: &'static str, detail: &str) -> Problem {
    Problem {
        field,
        code: "invalid_value",
        detail: detail.to_owned(),
    }
}
