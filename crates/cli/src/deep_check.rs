//! The deep check of a server, with a bar that shows how far it has come.

use std::io::{BufRead, BufReader};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::failure::Failure;
use super::output::text;
use super::session::Session;

/// Runs it, and says what was found: a list.
pub fn run(session: &Session) -> Result<Value, Failure> {
    let answer = session.api.open("/api/v1/system/check", &Vec::new(), &[])?;
    let bar = bar();
    let found = read(BufReader::new(answer), &bar);
    bar.finish_and_clear();
    found
}

fn read(lines: impl BufRead, bar: &ProgressBar) -> Result<Value, Failure> {
    for line in lines.lines() {
        let Some(mut told) = line
            .ok()
            .and_then(|line| serde_json::from_str::<Value>(&line).ok())
        else {
            break;
        };
        if told["findings"].is_array() {
            return Ok(told["findings"].take());
        }
        bar.set_length(told["of"].as_u64().unwrap_or(0));
        bar.set_position(told["done"].as_u64().unwrap_or(0));
        bar.set_message(text(&told, "/step"));
    }
    Err(Failure::other(
        "the deep check broke off; look at the server's log, and run it again",
    ))
}

/// Nothing is drawn where nobody looks.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("checking {msg}: {wide_bar} {human_pos} of {human_len}");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
