//! A signal: what a sender says of one alert, whatever format it speaks. Texts are cleaned and cut when one is made, so that
//! what a stranger writes only ever is text of a bounded length.

use url::Url;

use crate::digest::sha256;
use crate::incident::Severity;
use crate::time::Timestamp;

/// The longest key of an alert, in bytes; longer ones are hashed.
pub const MAX_ALERT_KEY_BYTES: usize = 255;
/// The longest title, in characters.
pub const MAX_TITLE_LENGTH: usize = 500;
/// The longest description, in characters.
pub const MAX_DESCRIPTION_LENGTH: usize = 10_000;
/// The most details of one signal.
pub const MAX_DETAILS: usize = 50;
/// The longest name of a detail, in characters.
pub const MAX_DETAIL_NAME_LENGTH: usize = 100;
/// The longest value of a detail, in characters.
pub const MAX_DETAIL_LENGTH: usize = 1_000;
/// The most links of one signal.
pub const MAX_LINKS: usize = 10;

/// Which alert of a source is meant: the sender's own name for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey(String);

impl AlertKey {
    /// The key of a text; nothing if it says nothing. One that is too long, or that is not plain text, is hashed: the same text is the same key.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let is_kept = text.len() <= MAX_ALERT_KEY_BYTES && !text.chars().any(char::is_control);
        Some(Self(match is_kept {
            true => text.to_owned(),
            false => format!("sha256:{}", hex::encode(sha256([text.as_bytes()]))),
        }))
    }

    /// The key of what is ignored because nothing says which alert it is.
    pub fn unnamed() -> Self {
        Self("unnamed".to_owned())
    }

    /// The key as the store writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What shall become of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalAction {
    /// It fires.
    Trigger,
    /// Somebody has taken it, over there.
    Acknowledge,
    /// It is over.
    Resolve,
    /// Worth keeping, but nothing is wrong: a deployment.
    Note,
    /// Nothing; the sentence says why.
    Ignore(String),
}

impl SignalAction {
    /// The action in the API's words.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Note => "note",
            Self::Ignore(_) => "ignore",
        }
    }
}

/// A place to look at, as the sender says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalLink {
    /// What is there.
    pub text: String,
    /// `http` or `https`.
    pub url: Url,
}

/// What a sender says of one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    pub action: SignalAction,
    /// Which alert.
    pub key: AlertKey,
    /// One line, never empty.
    pub title: String,
    pub description: Option<String>,
    /// If the sender says how bad it is.
    pub severity: Option<Severity>,
    pub links: Vec<SignalLink>,
    /// What else the sender says, in its own order.
    pub details: Vec<(String, String)>,
    /// When it began to fire, over there: the same each time that it is sent again until it is over.
    pub started_at: Option<Timestamp>,
    /// When it is over unless it is said again.
    pub resolve_at: Option<Timestamp>,
}

impl Signal {
    /// A signal that says nothing else yet. What is empty or nothing but control characters gets a title that says so.
    pub fn new(action: SignalAction, key: AlertKey, title: &str) -> Self {
        let title = one_line(title, MAX_TITLE_LENGTH);
        Self {
            action,
            key,
            title: match title.is_empty() {
                true => "Alert without a title".to_owned(),
                false => title,
            },
            description: None,
            severity: None,
            links: Vec::new(),
            details: Vec::new(),
            started_at: None,
            resolve_at: None,
        }
    }

    /// Says more; an empty text says nothing.
    pub fn describe(&mut self, text: &str) {
        let text = paragraphs(text, MAX_DESCRIPTION_LENGTH);
        self.description = (!text.is_empty()).then_some(text);
    }

    /// Adds a detail, up to [`MAX_DETAILS`]; an empty one says nothing.
    pub fn add_detail(&mut self, name: &str, value: &str) {
        let name = one_line(name, MAX_DETAIL_NAME_LENGTH);
        let value = paragraphs(value, MAX_DETAIL_LENGTH);
        if self.details.len() < MAX_DETAILS && !name.is_empty() && !value.is_empty() {
            self.details.push((name, value));
        }
    }

    /// Adds a link, up to [`MAX_LINKS`]; what is no address of the web is left out.
    pub fn add_link(&mut self, text: &str, url: &str) {
        let Ok(url) = Url::parse(url.trim()) else {
            return;
        };
        let is_web = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= MAX_DETAIL_LENGTH;
        if is_web && self.links.len() < MAX_LINKS && !self.links.iter().any(|link| link.url == url) {
            let text = one_line(text, MAX_DETAIL_NAME_LENGTH);
            self.links.push(SignalLink { text, url });
        }
    }
}

/// A text as one line of at most so many characters.
pub fn one_line(text: &str, most: usize) -> String {
    let words = text.split(|character: char| character.is_whitespace() || is_hidden(character));
    let mut line = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        // Four bytes are the longest character.
        if line.len() > most.saturating_mul(4) {
            break;
        }
    }
    cut(line, most)
}

/// A text without control characters but with its lines, of at most so many characters.
fn paragraphs(text: &str, most: usize) -> String {
    let text = text.trim();
    let kept = text
        .chars()
        .filter(|character| matches!(character, '\n' | '\t') || !is_hidden(*character));
    cut(kept.take(most.saturating_add(1)).collect(), most)
}

/// What is not seen: control characters, and those that turn the direction of what follows.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn cut(mut text: String, most: usize) -> String {
    if text.chars().nth(most).is_some() {
        text = text.chars().take(most.saturating_sub(1)).collect();
        text.truncate(text.trim_end().len());
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_as_it_is_or_hashed_and_the_same_text_is_the_same_key() {
        let key = |text: &str| AlertKey::new(text).map(|key| key.as_str().to_owned());
        assert_eq!(key(" disk/db-1 ").as_deref(), Some("disk/db-1"));
        assert_eq!(key(" \n "), None);
        let long = "k".repeat(MAX_ALERT_KEY_BYTES + 1);
        assert_eq!(key(&long), key(&long));
        assert!(key(&long).unwrap().starts_with("sha256:"));
        assert_ne!(key("a\nb"), key("a b"));
    }

    #[test]
    fn what_strangers_write_is_text_of_a_bounded_length() {
        let key = AlertKey::new("k").unwrap();
        let mut signal = Signal::new(
            SignalAction::Trigger,
            key.clone(),
            "disk\u{0}\r\n full\u{202e}now",
        );
        assert_eq!(signal.title, "disk full now");
        signal.describe("one\u{7}\n\ntwo\u{202e}");
        assert_eq!(signal.description.as_deref(), Some("one\n\ntwo"));
        signal.add_link("x", "javascript:alert(1)");
        signal.add_link("Dashboard", "https://grafana.example/d/1");
        signal.add_link("again", "https://grafana.example/d/1");
        assert_eq!(signal.links.len(), 1);
        for index in 0..100 {
            signal.add_detail(&format!("name {index}"), &"ü".repeat(5000));
        }
        assert_eq!(signal.details.len(), MAX_DETAILS);
        assert_eq!(signal.details[0].1.chars().count(), MAX_DETAIL_LENGTH);
        let long = Signal::new(SignalAction::Trigger, key.clone(), &"é ".repeat(5000));
        assert!(long.title.chars().count() <= MAX_TITLE_LENGTH && long.title.ends_with('…'));
        assert_eq!(
            Signal::new(SignalAction::Note, key, "\u{0}").title,
            "Alert without a title"
        );
    }
}
