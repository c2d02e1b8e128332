//! `docs/errors.md` as a page: where the `type` of every problem of the API leads. Open to everybody, since a program may meet
//! a problem before anybody has signed in.

use askama::Template;
use serde_json::Value;

use crate::web::error::PageResult;
use crate::web::frame::{Frame, Nav, render};
use crate::web::openapi_schema::{Sentence, sentence_of};
use crate::web::visitor::{Anybody, Look};

/// The document, part of the binary.
const DOCUMENT: &str = include_str!("../../docs/errors.md");
const TITLE: &str = "Errors of the API";

#[derive(Template)]
#[template(path = "error_codes.html")]
struct ErrorCodesPage {
    frame: Frame,
    about: Sentence,
    codes: Vec<ErrorCode>,
}

/// A line of the document's table.
struct ErrorCode {
    code: &'static str,
    status: &'static str,
    what: Sentence,
    advice: Sentence,
}

/// `GET /docs/errors`
pub async fn page(Anybody(visitor): Anybody, look: Look) -> PageResult {
    let frame = match &visitor {
        Some(visitor) => Frame::of(visitor, TITLE, Nav::System),
        None => Frame::open(TITLE, &look),
    };
    render(&ErrorCodesPage {
        frame,
        about: about(),
        codes: DOCUMENT.lines().filter_map(row).collect(),
    })
}

/// The words above the table.
fn about() -> Sentence {
    let is_prose = |line: &&str| !line.starts_with(['#', '|']);
    let words: Vec<_> = DOCUMENT.lines().filter(is_prose).collect();
    sentence(words.join(" ").trim())
}

fn sentence(text: &str) -> Sentence {
    sentence_of(&Value::String(text.to_owned()))
}

fn row(line: &'static str) -> Option<ErrorCode> {
    let cells = line.strip_prefix("| `")?.strip_suffix(" |")?;
    let mut cells = cells.split(" | ");
    Some(ErrorCode {
        code: cells.next()?.trim_end_matches('`'),
        status: cells.next()?,
        what: sentence(cells.next()?),
        advice: sentence(cells.next()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_shown_whole() {
        let words =
            |sentence: &Sentence| -> String { sentence.0.iter().map(|part| part.text.as_str()).collect() };
        let plain = DOCUMENT.replace('`', "");
        let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
        let lines: Vec<_> = rows
            .filter_map(row)
            .map(|row| {
                let (what, advice) = (words(&row.what), words(&row.advice));
                format!("| {} | {} | {what} | {advice} |\n", row.code, row.status)
            })
            .collect();
        assert!(
            lines.len() > 30 && lines.iter().all(|line| plain.contains(line)),
            "{lines:?}"
        );
        assert_eq!(lines.len(), DOCUMENT.matches("\n| `").count());
    }
}
