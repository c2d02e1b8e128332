//! What is kept of requests and answers, without what is secret in them.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use destination::task::{Rendered, Target, secret_parts_of};
use model::broker::{BrokerAddress, BrokerMessage};
use model::exchange::OutboundRequest;
use model::transport::Transport;

/// What stands for a secret.
const MASK: &str = "***";
/// Where the words of a service were cut off.
const CUT: char = '…';
/// Shorter secrets are left in texts: masking "a" would leave nothing to read.
const MIN_SECRET_BYTES: usize = 6;
/// The longest body of a request that is kept.
pub const MAX_KEPT_BODY_BYTES: usize = 64 * 1024;

/// What is secret in the settings of a webhook, in every form in which it may come back. Made once per change.
#[derive(Debug, Clone, Default)]
pub struct Credentials(Vec<String>);

impl Credentials {
    /// The secrets of a target.
    pub fn of(target: &Target) -> Self {
        let mut all: Vec<String> = Vec::new();
        for (name, secret) in &target.secrets {
            all.push(secret.reveal().to_owned());
            if name == "url" {
                all.extend(target.secret_parts_of_url());
            }
        }
        all.extend(
            target
                .headers
                .iter()
                .flat_map(|(_, value)| credentials_in(value.reveal())),
        );
        Self::new(all)
    }

    fn new(mut all: Vec<String>) -> Self {
        let escaped: Vec<_> = all.iter().flat_map(|text| as_json(text)).collect();
        all.extend(escaped);
        all.retain(|text| text.len() >= MIN_SECRET_BYTES);
        all.sort_unstable();
        all.dedup();
        Self(all)
    }
}

/// Takes what is secret out of what is kept of one attempt.
pub struct Masks<'a> {
    own: &'a Credentials,
    made: Credentials,
}

impl<'a> Masks<'a> {
    /// The secrets of the settings, and those that were made for this attempt.
    pub fn new(own: &'a Credentials, made: Vec<String>) -> Self {
        let made = Credentials::new(made);
        Self { own, made }
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.own.0.iter().chain(&self.made.0).map(String::as_str)
    }

    /// A text without them.
    pub fn text(&self, text: String) -> String {
        let mut found: Vec<_> = self.all().filter(|secret| text.contains(secret)).collect();
        // A secret that holds another goes first, or its rest would be left.
        found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let text = found
            .into_iter()
            .fold(text, |text, secret| text.replace(secret, MASK));
        self.without_begun(text)
    }

    /// What a service says is cut before it comes here: the beginning of a secret goes too, where its rest was cut off.
    fn without_begun(&self, mut text: String) -> String {
        let cuts: Vec<usize> = text.rmatch_indices(CUT).map(|(at, _)| at).collect();
        for at in cuts {
            if let Some(length) = self.begun(&text.as_bytes()[..at])
                && text.is_char_boundary(at - length)
            {
                text.replace_range(at - length..at, MASK);
            }
        }
        text
    }

    /// How much of the end of this is the beginning of a secret.
    fn begun(&self, kept: &[u8]) -> Option<usize> {
        let longest = self.all().map(str::len).max().unwrap_or(0).min(kept.len());
        let is_begun = |length: usize| {
            let end = &kept[kept.len() - length..];
            self.all().any(|secret| secret.as_bytes().starts_with(end))
        };
        (MIN_SECRET_BYTES..=longest)
            .rev()
            .find(|length| is_begun(*length))
    }

    /// A body without them, cut to what is kept. One that holds a secret and is no text is kept as the text that can be read
    /// in it.
    pub fn body(&self, body: &Bytes, max_bytes: usize) -> Bytes {
        let text = String::from_utf8_lossy(body);
        match self.all().any(|secret| text.contains(secret)) {
            true => cut(&Bytes::from(self.text(text.into_owned())), max_bytes),
            false => cut(body, max_bytes),
        }
    }

    /// The same for a body whose end was not read: the beginning of a secret goes too, where its rest was cut off.
    pub fn cut_body(&self, body: &Bytes, max_bytes: usize) -> Bytes {
        let begun = self.begun(body).unwrap_or(0);
        self.body(&body.slice(..body.len() - begun), max_bytes)
    }
}

fn cut(body: &Bytes, max_bytes: usize) -> Bytes {
    body.slice(..body.len().min(max_bytes))
}

/// As JSON writes a text, and as some platforms do, who escape slashes too.
fn as_json(text: &str) -> Vec<String> {
    let json = serde_json::to_string(text).unwrap_or_default();
    let json = json.trim_matches('"');
    let forms = [json.to_owned(), json.replace('/', "\\/")];
    forms.into_iter().filter(|form| form != text).collect()
}

/// What is secret in the value of a header: all of it, the credentials without the word before them, `Basic` decoded, each
/// cookie and each parameter.
fn credentials_in(value: &str) -> Vec<String> {
    let value = value.trim();
    let (scheme, rest) = match value.split_once(' ') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme, rest.trim_start()),
        Some(_) | None => ("", value),
    };
    let mut all = vec![value.to_owned(), rest.to_owned()];
    if scheme.eq_ignore_ascii_case("basic") {
        all.extend(basic_credentials(rest));
    }
    let parameters = rest.split([';', ',']).filter_map(|part| part.split_once('='));
    for (_, value) in parameters {
        let value = value.trim().trim_matches('"');
        let decoded = percent_decode_str(value).decode_utf8_lossy();
        all.extend([value.to_owned(), decoded.into_owned()]);
    }
    all
}

/// A word such as `Bearer` before credentials.
fn is_scheme(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(is_plain)
}

/// Name and password as they are written together, and the password; of a key that stands as a name without one, the name.
fn basic_credentials(encoded: &str) -> Vec<String> {
    let decoded = STANDARD.decode(encoded).ok();
    let Some(pair) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Vec::new();
    };
    let (name, password) = pair.split_once(':').unwrap_or((&pair, ""));
    let secret = match password.len() < MIN_SECRET_BYTES {
        true => name,
        false => password,
    };
    vec![secret.to_owned(), pair]
}

/// What is secret in a request beyond the settings: headers that its adapter marked so, and the URL, if a template made it.
/// What the event itself says is no secret.
pub fn made_for(rendered: &Rendered, has_templated_url: bool, event_body: &[u8]) -> Vec<String> {
    let values = rendered.headers.values().filter(|value| value.is_sensitive());
    let mut all: Vec<_> = values.flat_map(|value| credentials_in(&text_of(value))).collect();
    if let Transport::Smtp(envelope) = &rendered.transport
        && let Some(account) = &envelope.account
    {
        let password = account.password.reveal();
        // As AUTH LOGIN and AUTH PLAIN write it.
        all.push(STANDARD.encode(password));
        all.push(STANDARD.encode(format!("\0{}\0{password}", account.name)));
    }
    if has_templated_url {
        all.extend(secret_parts_of(&rendered.url));
    }
    if !all.is_empty() {
        let told = String::from_utf8_lossy(event_body);
        all.retain(|text| !told.contains(&*percent_decode_str(text).decode_utf8_lossy()));
    }
    all
}

fn text_of(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The request line and headers: the URL as it may be seen, the user's own headers and other secrets without their values. Of a
/// mail, who sends it to whom.
pub fn request_head(request: &OutboundRequest, shown_url: &str, own_headers: &HeaderMap) -> String {
    let mut head = String::with_capacity(640);
    if let Transport::Smtp(envelope) = &request.transport {
        let _ = writeln!(head, "{} {shown_url}", request.method);
        let _ = writeln!(head, "mail-from: {}", envelope.sender);
        for recipient in &envelope.recipients {
            let _ = writeln!(head, "rcpt-to: {recipient}");
        }
        return head;
    }
    let _ = writeln!(head, "{} {shown_url}", request.method);
    if let Transport::Broker(message) = &request.transport {
        write_message_head(&mut head, message);
        return head;
    }
    for (name, value) in &request.headers {
        let is_secret = value.is_sensitive() || own_headers.contains_key(name);
        let shown = match is_secret {
            true => MASK.as_bytes(),
            false => value.as_bytes(),
        };
        push_header(&mut head, name, shown);
    }
    head
}

fn push_header(head: &mut String, name: &HeaderName, value: &[u8]) {
    let value = String::from_utf8_lossy(value);
    for text in [name.as_str(), ": ", &value, "\n"] {
        head.push_str(text);
    }
}

/// Where a message to a broker goes, and its headers.
fn write_message_head(head: &mut String, message: &BrokerMessage) {
    let _ = match &message.address {
        BrokerAddress::Subject { name, .. } => writeln!(head, "subject: {name}"),
        BrokerAddress::Exchange { name, routing_key } => {
            writeln!(head, "exchange: {name}\nrouting-key: {routing_key}")
        }
        BrokerAddress::Topic { name, key } => writeln!(head, "topic: {name}\nkey: {key}"),
    };
    let _ = writeln!(head, "content-type: {}", message.content_type);
    for (name, value) in &message.headers {
        let _ = writeln!(head, "{name}: {value}");
    }
}

/// Headers as lines.
pub fn response_head(headers: &HeaderMap) -> String {
    let mut head = String::with_capacity(160);
    for (name, value) in headers {
        push_header(&mut head, name, value.as_bytes());
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::secret::SecretText;

    fn target(url: &str, secrets: &[(&str, &str)], headers: &[(&str, &str)]) -> Target {
        let secret = |(name, value): &(&str, &str)| ((*name).to_owned(), SecretText::new(*value));
        Target {
            url: url.parse().unwrap(),
            options: Default::default(),
            secrets: secrets.iter().map(secret).collect(),
            headers: headers.iter().map(secret).collect(),
            discovered_settings: None,
        }
    }

    fn masked(target: &Target, text: &str) -> String {
        let own = Credentials::of(target);
        Masks::new(&own, Vec::new()).text(text.to_owned())
    }

    #[test]
    fn the_beginning_of_a_secret_goes_where_what_a_service_said_was_cut() {
        let token = format!("eyJ{}", "é0".repeat(200));
        let target = target("https://a.example/", &[("token", &token)], &[]);
        let own = Credentials::of(&target);
        let masks = Masks::new(&own, vec!["act-token".into()]);
        let masked = |text: &str| masks.text(text.to_owned());
        let begun: String = token.chars().take(180).collect();
        assert_eq!(
            masked(&format!("refused (invalid {begun}…)")),
            "refused (invalid ***…)"
        );
        assert_eq!(masked(&format!("act-to… and {begun}…")), "***… and ***…");
        for harmless in ["… act-to", "eyJé…", "wait…", "…", "act-to and so on…"] {
            assert_eq!(masked(harmless), harmless);
        }
    }

    #[test]
    fn secrets_of_the_settings_and_of_the_attempt_are_not_kept() {
        let target = target(
            "https://a.example/",
            &[("token", "xoxb-secret")],
            &[("x-key", "header-secret")],
        );
        let own = Credentials::of(&target);
        let masks = Masks::new(&own, vec!["act-token".into()]);
        let body = Bytes::from_static(b"{\"a\":\"xoxb-secret act-token header-secret\"}");
        assert_eq!(masks.body(&body, 100), "{\"a\":\"*** *** ***\"}");
        let broken = Bytes::from_static(b"act-token \xff");
        assert_eq!(masks.body(&broken, 100), "*** \u{fffd}");
        assert_eq!(masks.body(&Bytes::from_static(b"harmless"), 4), "harm");
    }

    #[test]
    fn credentials_are_known_again_without_their_scheme_decoded_and_each_for_itself() {
        let headers = [
            ("authorization", "Bearer  sk_live_123"),
            ("x-proof", "Basic b3BzOmh1bnRlcjIyMg=="),
            ("x-stripe", "basic c2tfdGVzdF80NTY6"),
            ("cookie", "theme=dark; session=\"abc%2Fdef-9\"; id=77777777"),
            (
                "x-digest",
                "Digest username=\"somebody\", response=\"6629fae49393\"",
            ),
            ("x-quoted", "a\"b/c-secret"),
        ];
        let target = target("https://a.example/", &[], &headers);
        let echoed = [
            "sk_live_123",
            "b3BzOmh1bnRlcjIyMg==",
            "ops:hunter222",
            "hunter222",
            "sk_test_456",
            "abc%2Fdef-9",
            "abc/def-9",
            "77777777",
            "6629fae49393",
            "a\\\"b/c-secret",
            "a\\\"b\\/c-secret",
        ];
        for text in echoed {
            assert_eq!(masked(&target, &format!("<{text}>")), "<***>", "{text}");
        }
        assert_eq!(masked(&target, "theme=dark, ops"), "theme=dark, ops");
    }

    #[test]
    fn what_a_template_made_is_secret_and_what_the_event_says_is_not() {
        let mut headers = HeaderMap::new();
        for (name, text) in [
            ("x-a", "Bearer key-of-inc_12345678"),
            ("x-b", "Disk is full"),
            ("x-c", "plain-value"),
        ] {
            let mut value = HeaderValue::from_static(text);
            value.set_sensitive(name != "x-c");
            headers.insert(name, value);
        }
        let url = "https://a.example/Disk%20is%20full/inc_12345678?key=0123456789"
            .parse()
            .unwrap();
        let rendered = Rendered::new(http::Method::POST, url, headers, Bytes::new());
        let made = made_for(
            &rendered,
            true,
            b"{\"id\":\"inc_12345678\",\"title\":\"Disk is full\"}",
        );
        let own = Credentials::default();
        let masks = Masks::new(&own, made);
        let texts = [
            "key-of-inc_12345678",
            "/Disk%20is%20full/inc_12345678",
            "0123456789",
        ];
        assert_eq!(texts.map(|text| masks.text(text.into())), ["***"; 3]);
        let texts = ["Disk is full", "Disk%20is%20full", "inc_12345678", "plain-value"];
        assert_eq!(texts.map(|text| masks.text(text.into())), texts);
    }

    #[test]
    fn a_secret_that_is_cut_in_two_is_not_kept_either() {
        let own = Credentials::of(&target("https://a.example/", &[("token", "xoxb-secret")], &[]));
        let masks = Masks::new(&own, Vec::new());
        assert_eq!(masks.body(&Bytes::from_static(b"say xoxb-secret"), 9), "say ***");
        let half = Bytes::from_static(b"say xoxb-se");
        assert_eq!(masks.cut_body(&half, 100), "say ");
        assert_eq!(masks.cut_body(&Bytes::from_static(b"say xoxb"), 100), "say xoxb");
    }

    #[test]
    fn a_secret_url_is_known_again_whatever_has_become_of_it() {
        let typed = "http://hooks.example/services/T0/SECRETSECRETSECRET?sig=SIGSIGSIGSIGSIGSIG";
        let target = target(typed, &[("url", typed)], &[]);
        let texts = [
            "location: https://hooks.example/services/T0/SECRETSECRETSECRET?sig=SIGSIGSIGSIGSIGSIG",
            "no such thing: \\/services\\/T0\\/SECRETSECRETSECRET",
            "sig SIGSIGSIGSIGSIGSIG is wrong",
        ];
        let masked = texts.map(|text| masked(&target, text));
        assert!(
            masked
                .iter()
                .all(|text| !text.contains("SIGSIG") && !text.contains("SECRETSECRET")),
            "{masked:?}"
        );
    }
}
