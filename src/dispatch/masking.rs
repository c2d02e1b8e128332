//! What is kept of requests and answers, without what is secret in them.

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderMap;

use crate::adapters::task::{Links, Target, Token};
use crate::model::exchange::OutboundRequest;

/// What stands for a secret.
const MASK: &str = "***";
/// Shorter secrets are left in texts: masking "a" would leave nothing to read.
const MIN_SECRET_BYTES: usize = 6;
/// The longest body of a request that is kept.
pub const MAX_KEPT_BODY_BYTES: usize = 64 * 1024;

/// Secrets that may stand in texts, the longest first.
pub struct Masks(Vec<String>);

impl Masks {
    /// The secrets of a target, of the links of one message, and an access token.
    pub fn of(target: &Target, links: &Links, token: Option<&Token>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for (name, secret) in &target.secrets {
            all.push(secret.reveal().to_owned());
            if name == "url" {
                all.extend(target.secret_parts_of_url());
            }
        }
        all.extend(target.headers.iter().map(|(_, value)| value.reveal().to_owned()));
        all.extend(links.acts.iter().map(|act| act.token.clone()));
        all.extend(token.map(|token| token.text.reveal().to_owned()));
        all.retain(|text| text.len() >= MIN_SECRET_BYTES);
        // As JSON of some platforms writes them.
        let escaped = all.iter().filter(|text| text.contains('/'));
        let escaped: Vec<_> = escaped.map(|text| text.replace('/', "\\/")).collect();
        all.extend(escaped);
        all.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(all)
    }

    /// These and others.
    pub fn and(mut self, others: &[String]) -> Self {
        let others = others.iter().filter(|text| text.len() >= MIN_SECRET_BYTES);
        self.0.extend(others.cloned());
        self.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
        self
    }

    /// A text without them.
    pub fn text(&self, text: String) -> String {
        let found = self.0.iter().filter(|secret| text.contains(secret.as_str()));
        let found: Vec<_> = found.collect();
        found
            .into_iter()
            .fold(text, |text, secret| text.replace(secret.as_str(), MASK))
    }

    /// A body without them, cut to what is kept. One that holds a secret and is no text is kept as the text that can be read
    /// in it.
    pub fn body(&self, body: &Bytes) -> Bytes {
        let kept = body.slice(..body.len().min(MAX_KEPT_BODY_BYTES));
        let text = String::from_utf8_lossy(&kept);
        match self.0.iter().any(|secret| text.contains(secret.as_str())) {
            true => Bytes::from(self.text(text.into_owned())),
            false => kept,
        }
    }
}

/// The request line and headers: the URL as it may be seen, the user's own headers and other secrets without their values.
pub fn request_head(request: &OutboundRequest, shown_url: &str, own_headers: &HeaderMap) -> String {
    let mut head = String::with_capacity(640);
    let _ = writeln!(head, "{} {shown_url}", request.method);
    for (name, value) in &request.headers {
        let is_secret = value.is_sensitive() || own_headers.contains_key(name);
        let text = String::from_utf8_lossy(value.as_bytes());
        let _ = writeln!(head, "{name}: {}", if is_secret { MASK } else { &text });
    }
    head
}

/// What is secret in headers: sensitive values, without the word that stands before credentials.
pub fn secrets_in(headers: &HeaderMap) -> Vec<String> {
    let values = headers.values().filter(|value| value.is_sensitive());
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .map(|text| text.split_once(' ').map_or(text, |(_, rest)| rest).to_owned())
        .collect()
}

/// Headers as lines.
pub fn response_head(headers: &HeaderMap) -> String {
    let mut head = String::with_capacity(160);
    for (name, value) in headers {
        let _ = writeln!(head, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::SecretText;

    #[test]
    fn secrets_and_tokens_of_links_are_not_kept() {
        let target = Target {
            url: "https://a.example/".parse().unwrap(),
            options: Default::default(),
            secrets: [("token".to_owned(), SecretText::new("xoxb-secret"))].into(),
            headers: vec![("x-key".into(), SecretText::new("header-secret"))],
            learned: None,
        };
        let links = Links {
            incident: None,
            acts: vec![crate::adapters::task::ActLink {
                action: crate::model::incident::IncidentAction::Resolve,
                token: "act-token".into(),
                page: None,
            }],
        };
        let masks = Masks::of(&target, &links, None);
        let body = Bytes::from_static(b"{\"a\":\"xoxb-secret act-token header-secret\"}");
        assert_eq!(masks.body(&body), "{\"a\":\"*** *** ***\"}");
        let broken = Bytes::from_static(b"act-token \xff");
        assert_eq!(masks.body(&broken), "*** \u{fffd}");
        let long = Bytes::from(vec![b'a'; MAX_KEPT_BODY_BYTES + 1]);
        assert_eq!(masks.body(&long).len(), MAX_KEPT_BODY_BYTES);
    }

    #[test]
    fn a_secret_url_is_known_again_whatever_has_become_of_it() {
        let typed = "http://hooks.example/services/T0/SECRETSECRETSECRET?sig=SIGSIGSIGSIGSIGSIG";
        let target = Target {
            url: typed.parse().unwrap(),
            options: Default::default(),
            secrets: [("url".to_owned(), SecretText::new(typed))].into(),
            headers: Vec::new(),
            learned: None,
        };
        let masks = Masks::of(&target, &Links::default(), None);
        let texts = [
            "location: https://hooks.example/services/T0/SECRETSECRETSECRET?sig=SIGSIGSIGSIGSIGSIG",
            "no such thing: \\/services\\/T0\\/SECRETSECRETSECRET",
            "sig SIGSIGSIGSIGSIGSIG is wrong",
        ];
        let masked = texts.map(|text| masks.text(text.to_owned()));
        assert!(
            masked
                .iter()
                .all(|text| !text.contains("SIGSIG") && !text.contains("SECRETSECRET")),
            "{masked:?}"
        );
    }
}
