//! Long texts: wiki text in the second version of the API, documents (ADF) in the third. What was written in one is read
//! in the other as far as its words go; markup is not converted.

use serde_json::{Value, json};

use crate::jira::request::Api;

/// The most characters of one text: what Data Center and Cloud both take.
pub const MAX_CHARACTERS: usize = 32_767;
/// How deep a document may be.
const MAX_DEPTH: usize = 40;

/// Nodes that end a line.
const BLOCKS: [&str; 3] = ["paragraph", "heading", "listItem"];
/// The others that are known.
const OTHERS: [&str; 4] = ["text", "hardBreak", "bulletList", "orderedList"];

/// A long text, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rich {
    /// Wiki text.
    Wiki(String),
    /// A document.
    Document(Value),
}

/// Why a text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It should be a string.
    NotAString,
    /// It should be a document.
    NotADocument,
    /// It is a document with a part that must not be.
    Invalid,
    /// It is too long.
    TooLong,
}

impl Unreadable {
    /// How Jira says it of a field; nothing if it says it of the whole request.
    pub fn message(self) -> Option<&'static str> {
        match self {
            Self::NotAString => Some("Operation value must be a string"),
            Self::NotADocument => {
                Some("Operation value must be an Atlassian Document (see the Atlassian Document Format)")
            }
            Self::Invalid => None,
            Self::TooLong => {
                Some("The entered text is too long. It exceeds the allowed limit of 32,767 characters.")
            }
        }
    }
}

impl Rich {
    /// Reads what a version of the API takes.
    pub fn read(value: &Value, api: Api) -> Result<Self, Unreadable> {
        let rich = match api {
            Api::Two => Self::Wiki(value.as_str().ok_or(Unreadable::NotAString)?.to_owned()),
            Api::Three => {
                let is_document = value.get("type").is_some_and(|kind| kind == "doc")
                    && value.get("version").is_some_and(|version| version == 1)
                    && value.get("content").is_some_and(Value::is_array);
                if !is_document {
                    return Err(Unreadable::NotADocument);
                }
                if !children(value).iter().all(|node| is_valid(node, 1)) {
                    return Err(Unreadable::Invalid);
                }
                Self::Document(value.clone())
            }
        };
        let is_too_long = rich.plain().chars().nth(MAX_CHARACTERS).is_some();
        if is_too_long {
            Err(Unreadable::TooLong)
        } else {
            Ok(rich)
        }
    }

    /// As a version of the API gives it.
    pub fn json(&self, api: Api) -> Value {
        match (self, api) {
            (Self::Wiki(text), Api::Three) => document(text),
            (Self::Document(document), Api::Three) => document.clone(),
            (Self::Wiki(_) | Self::Document(_), Api::Two) => Value::String(self.plain()),
        }
    }

    /// Its words.
    pub fn plain(&self) -> String {
        match self {
            Self::Wiki(text) => text.clone(),
            Self::Document(document) => {
                let mut text = String::new();
                write_plain(document, &mut text);
                text.trim_matches('\n').to_owned()
            }
        }
    }

    /// As a page shows it.
    pub fn html(&self) -> String {
        let text = self
            .plain()
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        format!("<p>{}</p>", text.replace('\n', "<br/>"))
    }
}

fn children(node: &Value) -> &[Value] {
    node.get("content")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Whether a node is one that the schema of documents knows. An empty text is none: the schema wants a character.
fn is_valid(node: &Value, depth: usize) -> bool {
    let Some(kind) = node.get("type").and_then(Value::as_str) else {
        return false;
    };
    let has_text = node
        .get("text")
        .and_then(Value::as_str)
        .is_some_and(|text| !text.is_empty());
    let marks = node
        .get("marks")
        .map_or(Some(&[][..]), |marks| marks.as_array().map(Vec::as_slice));
    (BLOCKS.contains(&kind) || OTHERS.contains(&kind))
        && (kind != "text" || has_text)
        && depth < MAX_DEPTH
        && marks.is_some_and(|marks| marks.iter().all(is_mark_valid))
        && node.get("content").is_none_or(Value::is_array)
        && children(node).iter().all(|child| is_valid(child, depth + 1))
}

fn is_mark_valid(mark: &Value) -> bool {
    match mark.get("type").and_then(Value::as_str) {
        Some("link") => mark.pointer("/attrs/href").is_some_and(Value::is_string),
        Some(_) => true,
        None => false,
    }
}

fn write_plain(node: &Value, text: &mut String) {
    match node.get("type").and_then(Value::as_str).unwrap_or_default() {
        "text" => text.push_str(node.get("text").and_then(Value::as_str).unwrap_or_default()),
        "hardBreak" => text.push('\n'),
        kind => {
            children(node).iter().for_each(|child| write_plain(child, text));
            if BLOCKS.contains(&kind) && !text.ends_with('\n') {
                text.push('\n');
            }
        }
    }
}

/// Plain text as a document: a paragraph for each line that is not empty.
fn document(text: &str) -> Value {
    let lines = text.lines().filter(|line| !line.is_empty());
    let paragraph = |line| json!({ "type": "paragraph", "content": [{ "type": "text", "text": line }] });
    json!({ "type": "doc", "version": 1, "content": lines.map(paragraph).collect::<Vec<_>>() })
}
