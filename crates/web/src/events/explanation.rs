//! Why a signature does not fit, as exactly as a signature tells: mistakes that people make with secrets and bodies are tried, one
//! after the other, until it fits. Pure. Nothing of the secret is in what is said.

use std::time::Duration;

use crate::events::signature_check::{Check, Checks, Signed, check, header};
use crate::layout::show::long;
use model::event::EventBody;
use model::operational::OperationalBody;
use model::secret::SecretText;
use model::time::Timestamp;
use outbound::signature::{
    ID_HEADER, SIGNATURE_HEADER, STANDARD_SIGNATURE_HEADER, TIMESTAMP_HEADER, verify_opsknight,
    verify_standard,
};

/// What `X-OpsKnight-Signature` begins with.
const HEX_SCHEME: &str = "sha256=";
/// How many digits follow.
const HEX_DIGITS: usize = 64;
/// What each signature of Standard Webhooks begins with.
const STANDARD_SCHEME: &str = "v1,";
/// How a secret begins whose base64 is decoded for Standard Webhooks.
const STANDARD_SECRET: &str = "whsec_";

/// A request as somebody pasted it.
pub struct Pasted {
    /// Lines of `name: value`.
    head: String,
    body: String,
}

/// What one signature came to, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub check: Check,
    pub sentence: String,
}

/// Both signatures of one request, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanations {
    /// `X-OpsKnight-Signature`.
    pub opsknight: Explanation,
    /// Standard Webhooks.
    pub standard: Explanation,
}

impl Pasted {
    /// Reads what a form holds: headers as `name: value`, with or without the marks that tools put before them.
    pub fn new(headers: &str, body: &str) -> Self {
        let line = |line: &str| {
            let (name, value) = line.trim_start_matches(['>', '<', ' ', '\t']).split_once(':')?;
            Some(format!("{}: {}\n", name.trim(), value.trim()))
        };
        Self {
            head: headers.lines().filter_map(line).collect(),
            // Browsers send every line break of a form as two characters.
            body: body.replace("\r\n", "\n"),
        }
    }

    fn signed<'a>(&'a self, body: &'a str, at: Timestamp) -> Signed<'a> {
        Signed {
            head: &self.head,
            body: body.as_bytes(),
            body_is_truncated: false,
            at,
        }
    }
}

/// Checks both signatures and says why.
pub fn explain(pasted: &Pasted, secret: &str, at: Timestamp) -> Explanations {
    let typed = Some(SecretText::new(secret)).filter(|_| !secret.is_empty());
    let with_breaks = pasted.body.replace('\n', "\r\n");
    let checks = check(pasted.signed(&pasted.body, at), typed.as_ref());
    let with_breaks = check(pasted.signed(&with_breaks, at), typed.as_ref());
    let checks = Checks {
        opsknight: better(checks.opsknight, with_breaks.opsknight),
        standard: better(checks.standard, with_breaks.standard),
    };
    Explanations {
        opsknight: Explanation {
            check: checks.opsknight,
            sentence: opsknight_sentence(pasted, secret, checks),
        },
        standard: Explanation {
            check: checks.standard,
            sentence: standard_sentence(pasted, secret, checks, at),
        },
    }
}

/// A form does not tell which line breaks a body had: it fits if it does with either.
fn better(one: Check, other: Check) -> Check {
    if one == Check::Wrong { other } else { one }
}

fn opsknight_sentence(pasted: &Pasted, secret: &str, checks: Checks) -> String {
    let name = "X-OpsKnight-Signature";
    let given = header(&pasted.head, SIGNATURE_HEADER.as_str()).unwrap_or_default();
    match checks.opsknight {
        Check::Absent => return missing(name),
        Check::Wrong => {}
        other => return other.words().to_owned(),
    }
    if let Some(sentence) = malformed_hex(given) {
        return sentence;
    }
    let fits = |secret: &SecretText, body: &[u8]| verify_opsknight(secret, body, given);
    let cause = cause(pasted, secret, fits);
    cause.unwrap_or_else(|| match checks.standard {
        Check::Valid | Check::ValidButOld => {
            format!("wrong, though webhook-signature fits: the value of {name} is not that of this request")
        }
        _ => unexplained(pasted),
    })
}

fn standard_sentence(pasted: &Pasted, secret: &str, checks: Checks, at: Timestamp) -> String {
    let text = |name: &http::HeaderName| header(&pasted.head, name.as_str()).unwrap_or_default();
    let (id, timestamp) = (text(&ID_HEADER), text(&TIMESTAMP_HEADER));
    let given = text(&STANDARD_SIGNATURE_HEADER);
    match checks.standard {
        Check::Absent => return missing("webhook-signature"),
        Check::Incomplete if id.is_empty() => return missing("webhook-id"),
        Check::Incomplete => return missing("webhook-timestamp"),
        Check::ValidButOld => return too_far(timestamp, at),
        Check::Wrong => {}
        other => return other.words().to_owned(),
    }
    if !given.split(' ').any(|one| one.starts_with(STANDARD_SCHEME)) {
        return format!("wrong: webhook-signature has no part that begins with {STANDARD_SCHEME}");
    }
    let fits = |secret: &SecretText, body: &[u8]| verify_standard(secret, id, timestamp, body, given);
    let cause = cause(pasted, secret, fits);
    cause.unwrap_or_else(|| match checks.opsknight {
        Check::Valid => {
            "wrong, though X-OpsKnight-Signature fits, so that secret and body are right: webhook-id, \
                         webhook-timestamp or webhook-signature is not that of this request"
                .to_owned()
        }
        _ => unexplained(pasted),
    })
}

fn missing(name: &str) -> String {
    format!("the header {name} is missing: a proxy may have dropped it, or the request is not from OpsKnight")
}

/// Why a value is no signature at all, if it is none.
fn malformed_hex(given: &str) -> Option<String> {
    let digits = given.strip_prefix(HEX_SCHEME);
    let is_hex = digits.is_some_and(|digits| digits.len() == HEX_DIGITS && hex::decode(digits).is_ok());
    let is_lower = !given.bytes().any(|byte| byte.is_ascii_uppercase());
    (!is_hex || !is_lower).then(|| {
        format!(
            "wrong: the value of X-OpsKnight-Signature is {HEX_SCHEME} and {HEX_DIGITS} lower-case hexadecimal \
             digits, and this is something else"
        )
    })
}

/// The first mistakes without which it fits: of the secret, of the body, or of both.
fn cause(pasted: &Pasted, secret: &str, fits: impl Fn(&SecretText, &[u8]) -> bool) -> Option<String> {
    let bodies = bodies(&pasted.body);
    for (of_secret, secret) in secrets(secret) {
        let secret = SecretText::new(secret);
        for (of_body, body) in &bodies {
            if fits(&secret, body.as_bytes()) {
                let causes = [of_secret, *of_body]
                    .into_iter()
                    .filter(|cause| !cause.is_empty());
                let causes: Vec<_> = causes.collect();
                return Some(format!("wrong: {}", causes.join("; and ")));
            }
        }
    }
    None
}

/// The secret as it was typed, and as it may have been meant, with what would then be wrong.
fn secrets(typed: &str) -> Vec<(&'static str, String)> {
    let trimmed = typed.trim();
    let mut secrets = vec![("", typed.to_owned())];
    if trimmed != typed {
        secrets.push((
            "the secret has white space around it, and fits without",
            trimmed.to_owned(),
        ));
    }
    match trimmed.strip_prefix(STANDARD_SECRET) {
        None => secrets.push((
            "the secret begins with whsec_, which is part of it and is missing here",
            format!("{STANDARD_SECRET}{trimmed}"),
        )),
        Some(rest) => secrets.push((
            "whsec_ is not part of the secret that signed, and was put before it here",
            rest.to_owned(),
        )),
    }
    secrets
}

/// The body as it was pasted, and as it may have been sent, with what would then be wrong.
fn bodies(pasted: &str) -> Vec<(&'static str, String)> {
    let trimmed = pasted.trim();
    let mut bodies = vec![("", pasted.to_owned())];
    if trimmed != pasted {
        let cause = "the body has white space around it that was not sent, such as a line break at its end";
        bodies.push((cause, trimmed.to_owned()));
    }
    let again = "the body was read and written again, so that its bytes are not those that were signed: check the raw \
                 body, before anything parses it";
    bodies.extend(as_sent(trimmed).into_iter().map(|body| (again, body)));
    bodies
}

/// The ways in which this server may have written what a text says: in its own order of members, or in the given one.
fn as_sent(text: &str) -> Vec<String> {
    let event = serde_json::from_str::<EventBody<'_>>(text).map(|body| serde_json::to_string(&body));
    let operational =
        serde_json::from_str::<OperationalBody<'_>>(text).map(|body| serde_json::to_string(&body));
    let any = serde_json::from_str::<serde_json::Value>(text).map(|body| serde_json::to_string(&body));
    let ways = [event, operational, any].into_iter().flatten().flatten();
    ways.filter(|way| way != text).collect()
}

fn unexplained(pasted: &Pasted) -> String {
    let is_changed = serde_json::from_str::<serde_json::Value>(&pasted.body)
        .is_ok_and(|value| serde_json::to_string(&value).is_ok_and(|compact| compact != pasted.body));
    let body = match is_changed {
        true => "this body has white space between its members, which OpsKnight does not send",
        false => "a signature does not tell which",
    };
    format!(
        "wrong: it was made with another secret or over another body ({body}). Was the secret rotated, or is this the \
         secret of another webhook?"
    )
}

/// A time that is too far from now, in words.
fn too_far(timestamp: &str, at: Timestamp) -> String {
    let Ok(seconds) = timestamp.parse::<i64>() else {
        return "it fits, but webhook-timestamp is no number of seconds: a careful receiver refuses it"
            .to_owned();
    };
    let distance = Duration::from_secs(at.as_seconds().abs_diff(seconds));
    let distance = long(distance);
    match seconds < at.as_seconds() {
        true => format!(
            "it fits, but is too old: it was signed {distance} before now, and a careful receiver allows 5 minutes"
        ),
        false => format!(
            "it fits, but its time is {distance} after now, and a careful receiver allows 5 minutes: the clock of one \
             side is wrong"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::samples::{SAMPLE_SECRET, SampleRequest};
    use model::event::{EventName, EventType};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_705_314_600_000 + millis)
    }

    fn sample() -> SampleRequest {
        SampleRequest::new(EventType::Incident(EventName::Acknowledged), at(0))
    }

    fn told(head: &str, body: &str, secret: &str, at: Timestamp) -> (String, String) {
        let explained = explain(&Pasted::new(head, body), secret, at);
        (explained.opsknight.sentence, explained.standard.sentence)
    }

    #[track_caller]
    fn both_say(told: (String, String), words: &str) {
        let (opsknight, standard) = told;
        assert!(
            opsknight.contains(words) && standard.contains(words),
            "{opsknight} {standard}"
        );
    }

    #[test]
    fn what_was_sent_is_valid_as_tools_show_it() {
        let sample = sample();
        let shown: String = sample.head.lines().map(|line| format!("> {line}\r\n")).collect();
        both_say(told(&shown, &sample.body, SAMPLE_SECRET, at(0)), "valid");
        both_say(
            told(&shown, &sample.body, "", at(0)),
            "no secret to check against",
        );
    }

    #[test]
    fn a_body_that_was_written_again_is_told_from_another_one() {
        let sample = sample();
        let value: serde_json::Value = serde_json::from_str(&sample.body).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let sorted: std::collections::BTreeMap<String, serde_json::Value> =
            serde_json::from_value(value).unwrap();
        let sorted = serde_json::to_string(&sorted).unwrap();
        for body in [pretty.as_str(), &sorted] {
            both_say(
                told(&sample.head, body, SAMPLE_SECRET, at(0)),
                "before anything parses it",
            );
        }
        let with_break = format!("{}\n", sample.body);
        both_say(
            told(&sample.head, &with_break, SAMPLE_SECRET, at(0)),
            "white space around it",
        );
        let other = sample.body.replace("Database", "Some other");
        both_say(
            told(&sample.head, &other, SAMPLE_SECRET, at(0)),
            "another secret or over another body",
        );
    }

    #[test]
    fn a_wrong_secret_is_told_and_never_shown() {
        let sample = sample();
        let say = |secret: &str| told(&sample.head, &sample.body, secret, at(0));
        both_say(say(&format!("{SAMPLE_SECRET}\n")), "white space around it");
        both_say(say(&SAMPLE_SECRET["whsec_".len()..]), "whsec_");
        let (opsknight, standard) = say("my-other-secret");
        assert!(!format!("{opsknight}{standard}").contains("my-other-secret"));
        both_say((opsknight, standard), "another secret");
    }

    #[test]
    fn missing_and_broken_headers_are_named() {
        let sample = sample();
        let without = |name: &str| {
            let lines = sample.head.lines().filter(|line| !line.starts_with(name));
            told(
                &lines.collect::<Vec<_>>().join("\n"),
                &sample.body,
                SAMPLE_SECRET,
                at(0),
            )
        };
        assert!(
            without("x-opsknight-signature")
                .0
                .contains("X-OpsKnight-Signature is missing")
        );
        assert!(without("webhook-id").1.contains("webhook-id is missing"));
        assert!(
            without("webhook-timestamp")
                .1
                .contains("webhook-timestamp is missing")
        );
        assert!(
            without("webhook-signature")
                .1
                .contains("webhook-signature is missing")
        );
        let cut = sample.head.replace("sha256=", "");
        assert!(
            told(&cut, &sample.body, SAMPLE_SECRET, at(0))
                .0
                .contains("64 lower-case")
        );
        let other_id = sample.head.replace("webhook-id: dlv_", "webhook-id: dlv_f");
        let told = told(&other_id, &sample.body, SAMPLE_SECRET, at(0));
        assert!(
            told.0 == "valid" && told.1.contains("secret and body are right"),
            "{told:?}"
        );
    }

    #[test]
    fn a_time_too_far_away_is_told_in_both_directions() {
        let sample = sample();
        let later = |seconds: i64| told(&sample.head, &sample.body, SAMPLE_SECRET, at(seconds * 1000)).1;
        assert_eq!(later(299), "valid");
        assert!(
            later(7200).contains("too old: it was signed 2 h before now"),
            "{}",
            later(7200)
        );
        assert!(
            later(-600).contains("its time is 10 min after now"),
            "{}",
            later(-600)
        );
    }
}
