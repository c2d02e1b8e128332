//! What is checked of a batch's settings when they are saved.

use crate::batch::form::{INDEX, SIZE};
use crate::batch::format::Format;
use destination::about::Problem;
use destination::task::Target;

/// The longest name of an index or table, in bytes.
const MAX_INDEX_BYTES: usize = 200;

/// What is wrong with a target.
pub(super) fn problems(target: &Target) -> Vec<Problem> {
    let numbers = SIZE.problems(target).into_iter();
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
