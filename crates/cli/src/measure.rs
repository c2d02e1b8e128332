//! `opsknight bench`: the crate `bench` measures, and a table or JSON is printed here.

use bench::Arguments;

use super::failure::Failure;
use super::output;

/// Measures, and prints what came of it; fails if a delivery was missing or wrongly signed.
pub fn run(arguments: Arguments, is_json: bool) -> Result<(), Failure> {
    let is_json = is_json || arguments.json;
    let report = bench::measure(arguments).map_err(|error| Failure::other(format!("{error:#}")))?;
    if is_json {
        let text =
            serde_json::to_string_pretty(&report).map_err(|error| Failure::other(error.to_string()))?;
        output::print(&text)?;
    } else {
        output::print(&report.in_words(output::table))?;
    }
    match report.wrong() {
        None => Ok(()),
        Some(sentence) => Err(Failure::other(sentence)),
    }
}
