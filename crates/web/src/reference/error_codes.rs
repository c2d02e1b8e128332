//! `docs/errors.md` as a page: where the `type` of every problem of the API leads. Open to everybody, since a program may meet
//! a problem before anybody has signed in.

use askama::Template;
use serde_json::Value;

use crate::layout::error::PageResult;
use crate::layout::{Layout, Nav, render};
use crate::reference::openapi_schema::{Sentence, sentence_of};
use crate::session::{Anybody, RequestContext};

/// The document, part of the binary.
const DOCUMENT: &str = include_str!("../../../../docs/errors.md");
const TITLE: &str = "Errors of the API";
/// What stands between its tables: that of the API's errors, and that of why attempts fail.
const SECOND_PART: &str = "\n## Why an attempt failed\n";

#[derive(Template)]
#[template(path = "reference/error_codes.html")]
struct ErrorCodesPage {
    layout: Layout,
    about: Sentence,
    codes: Vec<ErrorCode>,
    about_failures: Sentence,
    failures: Vec<FailedAttempt>,
}

/// A line of the document's table.
struct ErrorCode {
    code: &'static str,
    status: &'static str,
    what: Sentence,
    advice: Sentence,
}

/// A line of the document's second table.
struct FailedAttempt {
    code: &'static str,
    advice: Sentence,
}

/// `GET /docs/errors`
pub async fn page(Anybody(session): Anybody, context: RequestContext) -> PageResult {
    let layout = match &session {
        Some(session) => Layout::new(session, TITLE, Nav::Api),
        None => Layout::open(TITLE, &context),
    };
    let (errors, failures) = DOCUMENT.split_once(SECOND_PART).unwrap_or((DOCUMENT, ""));
    render(&ErrorCodesPage {
        layout,
        about: about(errors),
        codes: errors.lines().filter_map(row).collect(),
        about_failures: about(failures),
        failures: failures.lines().filter_map(failure).collect(),
    })
}

/// The words above a table.
fn about(part: &str) -> Sentence {
    let is_prose = |line: &&str| !line.starts_with(['#', '|']);
    let words: Vec<_> = part.lines().filter(is_prose).collect();
    sentence(words.join(" ").trim())
}

fn sentence(text: &str) -> Sentence {
    sentence_of(&Value::String(text.to_owned()))
}

/// The API says it in the middle of a sentence, a page at its beginning.
fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

fn row(line: &'static str) -> Option<ErrorCode> {
    let cells = line.strip_prefix("| `")?.strip_suffix(" |")?;
    let mut cells = cells.split(" | ");
    Some(ErrorCode {
        code: cells.next()?.trim_end_matches('`'),
        status: cells.next()?,
        what: sentence(&capitalised(cells.next()?)),
        advice: sentence(&capitalised(cells.next()?)),
    })
}

fn failure(line: &'static str) -> Option<FailedAttempt> {
    let (code, advice) = line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | ")?;
    Some(FailedAttempt {
        code,
        advice: sentence(&capitalised(advice)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_shown_whole() {
        let words =
            |sentence: &Sentence| -> String { sentence.0.iter().map(|part| part.text.as_str()).collect() };
        let plain = DOCUMENT.replace('`', "").to_lowercase();
        let (errors, failures) = DOCUMENT.split_once(SECOND_PART).unwrap();
        let errors = errors.lines().filter_map(row).map(|row| {
            let (what, advice) = (words(&row.what), words(&row.advice));
            format!("| {} | {} | {what} | {advice} |\n", row.code, row.status)
        });
        let failures = failures.lines().filter_map(failure);
        let failures = failures.map(|row| format!("| {} | {} |\n", row.code, words(&row.advice)));
        let lines: Vec<_> = errors.chain(failures).collect();
        assert!(
            lines.iter().all(|line| plain.contains(&line.to_lowercase())),
            "{lines:?}"
        );
        assert_eq!(lines.len(), DOCUMENT.matches("\n| `").count());
    }
}
