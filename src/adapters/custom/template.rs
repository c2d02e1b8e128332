//! One template, one text: minijinja within bounds. A name that stands for nothing is an error, and so is too much work,
//! too large a result, too deep a nesting.
//!
//! Values are escaped for where they stand, so that no title breaks a body: in JSON a text becomes the inside of a JSON
//! string (quotes are the template's) and everything else becomes JSON; in addresses and forms values are
//! percent-encoded; in HTML and XML they are escaped; in plain text they stay as they are, and nothing at all becomes an
//! empty text.

use std::io;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, HtmlEscape, Output, UndefinedBehavior, Value};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::adapters::about::MAX_FIELD_BYTES;
use crate::adapters::text::{Unit, cut, one_line};

/// The longest template, in bytes.
pub(super) const MAX_TEMPLATE_BYTES: usize = MAX_FIELD_BYTES;
/// The largest result, in bytes.
pub(super) const MAX_RESULT_BYTES: usize = 64 * 1024;
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

/// Everything but letters, digits, `-`, `.`, `_` and `~` (RFC 3986 § 2.3).
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What the HTTP binding of CloudEvents 1.0.2 (§ 3.1.3.2) wants encoded.
const ATTRIBUTE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// How values are made harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
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
    pub(super) fn of(content_type: &str) -> Self {
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
    pub(super) fn keeps_json(self) -> bool {
        matches!(self, Self::Json | Self::Nothing)
    }
}

/// Why a template makes no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// Line and column, if they are known, both from 1.
    pub(super) place: Option<(usize, usize)>,
    /// What is wrong.
    pub(super) sentence: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "at line {line}, column {column}: {}", self.sentence),
            None => f.write_str(&self.sentence),
        }
    }
}

/// Whether a text is a template at all.
pub(super) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// The text that a template makes.
pub(super) fn render(source: &str, values: Value, escape: Escape) -> Result<String, Broken> {
    let too_large = |what: &str| Broken {
        place: None,
        sentence: what.to_owned(),
    };
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
    environment.add_filter("tojson", move |value: &Value, indent: Option<Value>, args: Kwargs| {
        let json = tojson(defined(value)?, indent, &args)?;
        Ok::<_, Error>(if escape.keeps_json() { Value::from_safe_string(json) } else { Value::from(json) })
    });
    environment.add_filter("line", |value: &Value| text_of(value).map(|text| one_line(&text)));
    environment.add_filter("quiet", |value: &Value| text_of(value).map(|text| quiet(&text)));
    environment.add_filter("markdown", |value: &Value| text_of(value).map(|text| markdown(&text)));
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
        Some(value) if value.kind() == ValueKind::Bool => if value.is_true() { 2 } else { 0 },
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

fn html(text: &str) -> String {
    HtmlEscape(text).to_string()
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
    Broken {
        place: place.or(error.line().map(|line| (line, 1))),
        sentence: cut(&one_line(&sentence), MAX_SENTENCE, Unit::Characters),
    }
}

/// Line and column of a byte.
fn place(source: &str, at: usize) -> Option<(usize, usize)> {
    let before = source.get(..at)?;
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    Some((line, column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::custom::room::with_room;
    use minijinja::context;

    fn made(source: &str, escape: Escape) -> String {
        render(source, values(), escape).unwrap()
    }

    fn values() -> Value {
        context! { title => "a \"b\" <c> & @all\nü/?", none => (), list => [1, 2], map => context! { x => "\"" } }
    }

    fn failure(source: &str) -> String {
        render(source, values(), Escape::Json).unwrap_err().to_string()
    }

    #[test]
    fn values_are_escaped_for_where_they_stand() {
        assert_eq!(made("\"{{ title }}\"", Escape::Json), r#""a \"b\" <c> & @all\nü/?""#);
        assert_eq!(made("{{ none }} {{ list }} {{ map }} {{ 1.5 }}", Escape::Json), r#"null [1,2] {"x":"\""} 1.5"#);
        assert_eq!(made("{{ title | tojson }}", Escape::Json), r#""a \"b\" \u003cc\u003e \u0026 @all\nü/?""#);
        let percent = "a%20%22b%22%20%3Cc%3E%20%26%20%40all%0A%C3%BC%2F%3F";
        assert_eq!(made("x={{ title }}&y={{ none }}", Escape::Percent), format!("x={percent}&y="));
        assert_eq!(made("{{ map | tojson }}", Escape::Percent), "%7B%22x%22%3A%22%5C%22%22%7D");
        assert_eq!(made("{{ title }}", Escape::Html), "a &quot;b&quot; &lt;c&gt; &amp; @all\nü&#x2f;?");
        assert_eq!(made("{{ title }}{{ none }}", Escape::Nothing), "a \"b\" <c> & @all\nü/?");
        assert_eq!(made("{{ 'Euro € 😀' }}", Escape::Attribute), "Euro%20%E2%82%AC%20%F0%9F%98%80");
    }

    #[test]
    fn blocks_and_macros_are_escaped_once() {
        let source = "{% macro m(x) %}<{{ x }}>{% endmacro %}{% set s %}{{ title }}{% endset %}{{ s }}{{ m('\"') }}";
        assert_eq!(made(source, Escape::Json), r#"a \"b\" <c> & @all\nü/?<\">"#);
        assert!(made(source, Escape::Percent).ends_with("%3F<%22>"));
    }

    #[test]
    fn filters_make_texts_harmless() {
        assert_eq!(made("{{ title | line }}", Escape::Nothing), "a \"b\" <c> & @all ü/?");
        assert_eq!(made("{{ title | quiet | cut(14) }}", Escape::Nothing), "a \"b\" <c> &…");
        assert_eq!(made("{{ '@a *b* [c](d)' | markdown }}", Escape::Nothing), "@\u{2060}a \\*b\\* \\[c\\]\\(d\\)");
        assert_eq!(made("\"{{ title | html }}\"", Escape::Json), r#""a &quot;b&quot; &lt;c&gt; &amp; @all\nü&#x2f;?""#);
        assert_eq!(made("{{ none | quiet }}.", Escape::Nothing), ".");
    }

    #[test]
    fn what_is_not_defined_is_an_error_with_its_place() {
        assert_eq!(failure("{\n  \"a\": {{ titel }}\n}"), "at line 2, column 11: `titel` is undefined");
        assert_eq!(failure("{{ map.y.z }}"), "at line 1, column 7: `map.y` is undefined");
        assert_eq!(failure("ü {{ map.y }}"), "at line 1, column 6: `map.y` is undefined");
        assert!(failure("{{ titel | tojson }}").ends_with("is undefined"));
        assert!(failure("{{ titel | quiet }}").ends_with("is undefined"));
        assert!(failure("{% if titel %}x{% endif %}").ends_with("is undefined"));
        assert!(failure("{% for x in titel %}x{% endfor %}").ends_with("is undefined"));
        assert!(failure("{{ none.x }}").ends_with("is undefined"));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_its_place() {
        let detail = "at line 2, column 4: syntax error: unexpected end of variable block";
        assert!(failure("a\n{{ }}").starts_with(detail), "{}", failure("a\n{{ }}"));
        assert!(failure("{{ title | nonsense }}").contains("unknown filter"));
        assert!(failure("{% include 'x' %}").contains("unknown statement include"));
    }

    #[test]
    fn too_much_of_anything_is_an_error() {
        assert!(failure("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}")
            .contains("too much work"));
        assert!(failure("{{ 'x' * 1000000000 }}").contains("too much work"));
        assert!(failure("{% for a in range(7000) %}0123456789{% endfor %}").contains("larger than 64 KiB"));
        assert!(failure("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").contains("recursion"));
        assert_eq!(failure(&"x".repeat(MAX_TEMPLATE_BYTES + 1)), "it is longer than 16 KiB");
        assert_eq!(made(&"x".repeat(MAX_TEMPLATE_BYTES), Escape::Json).len(), MAX_TEMPLATE_BYTES);
    }

    #[test]
    fn a_result_at_its_limit_is_taken_and_one_byte_more_is_not() {
        let of = |length: usize| render("{{ a }}{{ a }}{{ b }}", context! { a => "x".repeat(30_000), b => "x".repeat(length) }, Escape::Nothing);
        assert_eq!(of(5536).map(|text| text.len()), Ok(MAX_RESULT_BYTES));
        assert!(of(5537).unwrap_err().sentence.contains("64 KiB"));
    }

    #[test]
    fn deep_templates_end_in_an_answer_and_not_in_a_crash() {
        let fill = |head: &str, part: &str, tail: &str| {
            let count = (MAX_TEMPLATE_BYTES - head.len() - tail.len()) / part.len();
            let source = format!("{head}{}{tail}", part.repeat(count));
            assert!(with_room(|| render(&source, values(), Escape::Json)).is_some());
        };
        let nest = "{% set ns = namespace(x=1) %}{% for i in range(9000) %}{% set ns.x = [ns.x] %}{% endfor %}";
        fill(nest, " ", "{{ ns.x }}");
        fill(&nest.replace("9000", "4000"), " ", "{{ ns.x }}{{ ns.x | tojson }}");
        fill("{{ 1", "+1", " }}");
        fill("{{ map", ".x", " }}");
        fill("{{ list", "[0]", " }}");
        fill("{{ title", "|e", " }}");
        fill("{{ ", "not ", "1 }}");
        fill("{{ ", "-", "1 }}");
        fill("{{ ", "(", "1 }}");
        fill("{{ ", "[", "1 }}");
        fill("{{ 1", " if 1 else 1", " }}");
        fill("{{ 1", " and 1", " }}");
        fill("{{ 1", " is defined", " }}");
        fill("{{ title", "()", " }}");
        fill("", "{% if 1 %}", "");
        fill("{% if 1 %}", "{% elif 1 %}", "{% endif %}");
        fill("", "{% for a in list %}", "");
        fill("{% set (", "(", "a = 1 %}");
        fill("{{ {'a':", "{'a':", " }}");
    }

    #[test]
    fn json_that_would_never_end_is_an_error() {
        let shared = "{% set ns = namespace(x=1) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
        let plain = render(&format!("{shared}{{{{ ns.x }}}}"), Value::UNDEFINED, Escape::Json);
        let quiet = render(&format!("{shared}{{{{ ns.x | quiet }}}}"), Value::UNDEFINED, Escape::Json);
        let wide = render("{{ [1] | tojson(4000000000) }}", Value::UNDEFINED, Escape::Json);
        assert!(plain.is_err() && quiet.is_err());
        assert_eq!(wide.unwrap(), "[\n        1\n]");
    }
}
