//! Colours, for a terminal that wants them: never in a pipe, nor with `NO_COLOR` set or `TERM=dumb`.

use std::io::{self, IsTerminal};

use config::environment;

/// What a text says by its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Good,
    Bad,
    Strong,
    Faint,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Strong => "1",
            Self::Faint => "2",
        }
    }
}

/// Whether standard output shows colours.
pub fn is_shown() -> bool {
    let is_unwanted =
        environment("NO_COLOR").is_some() || environment("TERM").is_some_and(|term| term == "dumb");
    !is_unwanted && io::stdout().is_terminal()
}

/// A text in a colour, where colours are shown.
pub fn paint(colour: Colour, text: &str) -> String {
    match is_shown() && !text.is_empty() {
        true => format!("\u{1b}[{}m{text}\u{1b}[0m", colour.code()),
        false => text.to_owned(),
    }
}
