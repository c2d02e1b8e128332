//! One template, one text: minijinja within bounds. A name that stands for nothing is an error, and so is too much work,
//! too large a result, too deep a nesting.
//!
//! Values are escaped for where they stand, so that no title breaks a body: in JSON a text becomes the inside of a JSON
//! string (quotes are the template's) and everything else becomes JSON; in addresses and forms values are
//! percent-encoded; in HTML and XML they are escaped; in plain text they stay as they are, and nothing at all becomes an
//! empty text.

pub mod context;
pub mod order;
pub mod room;

use std::io;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, HtmlEscape, Output, UndefinedBehavior, Value};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::about::MAX_FIELD_BYTES;
use crate::text::{Unit, cut, one_line};
use model::attempt::Disposition;

pub use order::{Made, Order, Templates};

/// The longest template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = MAX_FIELD_BYTES;
/// The largest result, in bytes.
pub const MAX_RESULT_BYTES: usize = 64 * 1024;
/// The work that one template may do: about one per instruction and per 64 bytes.
const FUEL: u64 = 50_000;
/// How deep macros and blocks may be within each other.
const MAX_DEPTH: usize = 64;
/// The widest indent of JSON, in spaces.
const MAX_INDENT: usize = 8;
/// The longest sentence about what is wrong, in characters.
const MAX_SENTENCE: usize = 160;
/// Breaks `@name` up without being seen.
const WORD_JOINER: &str = "\u{2060}";
/// What has a meaning in Markdown.
const MARKDOWN: [char; 17] = [
    '\\', '`', '*', '_', '{', '}', '[', ']', '(', ')', '#', '~', '|', '<', '>', '!', ':',
];

/// What links, images and calls of channels are made of.
const LINKING: [char; 5] = ['[', ']', '<', '#', '|'];

/// Everything but letters, digits, `-`, `.`, `_` and `~` (RFC 3986 § 2.3).
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// What the HTTP binding of CloudEvents 1.0.2 (§ 3.1.3.2) wants encoded.
const ATTRIBUTE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// How values are made harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Escape {
    /// For JSON.
    Json,
    /// For HTML and XML.
    Html,
    /// For addresses and forms.
    Percent,
    /// For the headers of CloudEvents.
    Attribute,
    /// Not at all: plain text.
    Nothing,
}

impl Escape {
    /// The way that a content type demands.
    pub fn new(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        if essence.ends_with("/json") || essence.ends_with("+json") {
            Self::Json
        } else if essence == "text/html" || essence.ends_with("/xml") || essence.ends_with("+xml") {
            Self::Html
        } else if essence == "application/x-www-form-urlencoded" {
            Self::Percent
        } else {
            Self::Nothing
        }
    }

    /// Whether JSON may stand in such a text as it is.
    pub fn keeps_json(self) -> bool {
        matches!(self, Self::Json | Self::Nothing)
    }
}

/// Why a template makes no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Line and column, if they are known, both from 1.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub sentence: String,
    /// What helps.
    pub disposition: Disposition,
}

impl Broken {
    /// A template that makes no text of these values.
    pub fn new(place: Option<(usize, usize)>, sentence: impl Into<String>) -> Self {
        Self {
            place,
            sentence: sentence.into(),
            disposition: Disposition::Permanent,
        }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "at line {line}, column {column}: {}", self.sentence),
            None => write!(f, "because {}", self.sentence),
        }
    }
}

/// Whether a text is a template at all.
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// The text that a template makes. Templates of users only where it may take any time and memory: see [`order`].
pub fn render(source: &str, values: Value, escape: Escape) -> Result<String, Broken> {
    let too_large = |what: &str| Broken::new(None, what);
    if source.len() > MAX_TEMPLATE_BYTES {
        return Err(too_large("it is longer than 16 KiB"));
    }
    let environment = environment(escape);
    let broken = |error: Error| broken(source, &error);
    let template = environment.template_from_str(source).map_err(broken)?;
    let mut result = Bounded::default();
    template.render_captured_to(values, &mut result).map_err(broken)?;
    String::from_utf8(result.bytes).map_err(|_| too_large("its result is no UTF-8"))
}

/// Takes a text until it is too large.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_RESULT_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn environment<'a>(escape: Escape) -> Environment<'a> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_DEPTH);
    environment.set_debug(true);
    // What blocks and macros made has been escaped once: any setting but "none" marks it so.
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("opsknight".into()));
    environment.set_formatter(move |out, _, value| write_escaped(out, escape, value));
    environment.add_filter(
        "tojson",
        move |value: &Value, indent: Option<Value>, args: Kwargs| {
            let json = tojson(defined(value)?, indent, &args)?;
            Ok::<_, Error>(if escape.keeps_json() {
                Value::from_safe_string(json)
            } else {
                Value::from(json)
            })
        },
    );
    environment.add_filter("line", |value: &Value| text_of(value).map(|text| one_line(&text)));
    environment.add_filter("quiet", |value: &Value| text_of(value).map(|text| quiet(&text)));
    environment.add_filter("markdown", |value: &Value| {
        text_of(value).map(|text| markdown(&text))
    });
    environment.add_filter("unlinked", |value: &Value| {
        text_of(value).map(|text| unlinked(&text))
    });
    environment.add_filter("entities", |value: &Value| {
        text_of(value).map(|text| entities(&text))
    });
    environment.add_filter("html", |value: &Value| text_of(value).map(|text| html(&text)));
    environment.add_filter("cut", |value: &Value, max: usize| {
        text_of(value).map(|text| cut(&text, max, Unit::Characters))
    });
    if escape != Escape::Html {
        environment.add_filter("escape", |value: &Value| text_of(value).map(|text| html(&text)));
        environment.add_filter("e", |value: &Value| text_of(value).map(|text| html(&text)));
    }
    environment
}

fn write_escaped(out: &mut Output<'_>, escape: Escape, value: &Value) -> Result<(), Error> {
    let plain = match escape {
        _ if value.is_undefined() => return Ok(()),
        Escape::Json if value.kind() != ValueKind::String => return write(out, &json(value)?),
        _ => text_of(value)?,
    };
    if value.is_safe() {
        return write(out, &plain);
    }
    match escape {
        Escape::Json => {
            let quoted = json(&Value::from(plain))?;
            write(out, quoted.get(1..quoted.len() - 1).unwrap_or_default())
        }
        Escape::Html => write(out, &html(&plain)),
        Escape::Percent => write(out, &utf8_percent_encode(&plain, COMPONENT).to_string()),
        Escape::Attribute => write(out, &utf8_percent_encode(&plain, ATTRIBUTE).to_string()),
        Escape::Nothing => write(out, &plain),
    }
}

fn write(out: &mut Output<'_>, text: &str) -> Result<(), Error> {
    out.write_str(text).map_err(Error::from)
}

/// A value as a text: nothing as an empty one, lists and maps as JSON.
fn text_of(value: &Value) -> Result<String, Error> {
    match defined(value)?.kind() {
        ValueKind::None => Ok(String::new()),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => json(value),
        _ => Ok(value.to_string()),
    }
}

/// A value as JSON. Values may share their parts, so that what is small here can be endless there: it is written into room
/// that ends.
fn json(value: &Value) -> Result<String, Error> {
    let mut result = Bounded::default();
    serde_json::to_writer(&mut result, value).map_err(|error| no_json(&error))?;
    Ok(String::from_utf8_lossy(&result.bytes).into_owned())
}

fn tojson(value: &Value, indent: Option<Value>, args: &Kwargs) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => args.get::<Option<Value>>("indent")?,
    };
    args.assert_all_used()?;
    let width = match indent {
        None => return json(value).map(|json| for_html(&json)),
        Some(value) if value.kind() == ValueKind::Bool => {
            if value.is_true() {
                2
            } else {
                0
            }
        }
        Some(value) => usize::try_from(value).unwrap_or(MAX_INDENT),
    };
    if width == 0 {
        return json(value).map(|json| for_html(&json));
    }
    let indent = " ".repeat(width.min(MAX_INDENT));
    let mut result = Bounded::default();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut result, formatter);
    serde::Serialize::serialize(value, &mut serializer).map_err(|error| no_json(&error))?;
    Ok(for_html(&String::from_utf8_lossy(&result.bytes)))
}

/// JSON that may stand in HTML too, as Jinja's own filter writes it.
fn for_html(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\'', "\\u0027")
}

fn no_json(error: &serde_json::Error) -> Error {
    let detail = match error.is_io() {
        true => "it is too large as JSON",
        false => "it cannot be written as JSON",
    };
    Error::new(ErrorKind::BadSerialization, detail)
}

fn defined(value: &Value) -> Result<&Value, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    Ok(value)
}

/// One line in which no `@name` calls anybody.
fn quiet(text: &str) -> String {
    one_line(text).replace('@', &format!("@{WORD_JOINER}"))
}

/// The same without any meaning in Markdown.
fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in quiet(text).chars() {
        if MARKDOWN.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// One line in which nothing links, embeds or calls, for parsers that know no escapes (Rocket.Chat's): what such markup
/// needs side by side is parted without being seen.
fn unlinked(text: &str) -> String {
    let mut parted = String::with_capacity(text.len() + 16);
    for character in quiet(text).chars() {
        parted.push(character);
        if LINKING.contains(&character) {
            parted.push_str(WORD_JOINER);
        }
    }
    parted
}

/// One line whose punctuation is written as entities, for Markdown that knows no other escape (Zulip's).
fn entities(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in one_line(text).chars() {
        match character.is_ascii_punctuation() {
            true => escaped.push_str(&format!("&#{};", u32::from(character))),
            false => escaped.push(character),
        }
    }
    escaped
}

/// For HTML and XML, of which neither may hold control characters, however they are written.
fn html(text: &str) -> String {
    let is_forbidden = |character: char| {
        (character < ' ' && !matches!(character, '\t' | '\n' | '\r'))
            || matches!(character, '\u{fffe}' | '\u{ffff}')
    };
    HtmlEscape(&text.replace(is_forbidden, "\u{fffd}")).to_string()
}

/// An error in words, with its place in the source.
fn broken(source: &str, error: &Error) -> Broken {
    let range = error.range().filter(|range| range.start < range.end);
    let expression = range.as_ref().and_then(|range| source.get(range.clone()));
    let place = range.as_ref().and_then(|range| place(source, range.start));
    let sentence = match (error.kind(), expression, error.detail()) {
        (ErrorKind::OutOfFuel, _, _) => "it does too much work".to_owned(),
        (ErrorKind::WriteFailure, _, _) => "its result is larger than 64 KiB".to_owned(),
        (ErrorKind::UndefinedError, _, Some(detail)) => detail.to_owned(),
        (ErrorKind::UndefinedError, Some(expression), None) => {
            format!("`{}` is undefined", one_line(expression))
        }
        (kind, _, Some(detail)) => format!("{kind}: {detail}"),
        (kind, _, None) => kind.to_string(),
    };
    let sentence = cut(&one_line(&sentence), MAX_SENTENCE, Unit::Characters);
    Broken::new(place.or(error.line().map(|line| (line, 1))), sentence)
}

/// Line and column of a byte.
fn place(source: &str, at: usize) -> Option<(usize, usize)> {
    let before = source.get(..at)?;
    let line = before.matches('\n').count() + 1;
    let column = before
        .chars()
        .rev()
        .take_while(|character| *character != '\n')
        .count()
        + 1;
    Some((line, column))
}

#[cfg(test)]
mod tests;
