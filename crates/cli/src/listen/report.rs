//! What `listen` says about one request: what came, whether its signatures fit, how it is answered.

use bytes::Bytes;
use http::request::Parts;
use serde_json::{Map, Value, json};

use clock::Clock;
use model::secret::SecretText;
use model::time::Timestamp;
use outbound::signature::{
    ID_HEADER, PREVIOUS_SIGNATURE_HEADER, SIGNATURE_HEADER, STANDARD_SIGNATURE_HEADER, TIMESTAMP_HEADER,
    verify_opsknight, verify_standard,
};

use super::fault::Fault;
use crate::colour::{self, Colour, paint};
use crate::exchange::body_lines;
use crate::output::printable;

/// How far the time of a Standard Webhooks signature may be off: what its libraries allow.
const TOLERANCE_SECONDS: u64 = 300;

/// One request as it came, and what becomes of it.
pub struct Report {
    at: Timestamp,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    signatures: Option<Signatures>,
    fault: Fault,
    /// What the simulated platform made of it.
    pub simulated: Option<simulators::Response>,
}

/// Whether the signatures of both schemes fit the secret.
struct Signatures {
    opsknight: Judged,
    standard: Judged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    Verified,
    /// By the secret before a rotation.
    VerifiedByPrevious,
    /// It fits, but its time is too far off.
    Stale,
    Wrong,
    Missing,
}

impl Judged {
    fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::VerifiedByPrevious => "verified by the previous secret",
            Self::Stale => "fits, but its time is more than 5 minutes off",
            Self::Wrong => "WRONG",
            Self::Missing => "missing",
        }
    }
}

impl Judged {
    fn in_words(self) -> String {
        let colour = match self {
            Self::Verified | Self::VerifiedByPrevious => Colour::Good,
            Self::Stale | Self::Wrong | Self::Missing => Colour::Bad,
        };
        paint(colour, self.as_str())
    }
}

impl Report {
    /// Looks at a request.
    pub fn new(
        head: &Parts,
        body: Bytes,
        fault: Fault,
        secret: Option<&SecretText>,
        clock: &impl Clock,
    ) -> Self {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter();
        let mut report = Self {
            at: clock.now(),
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers: headers
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body,
            signatures: None,
            fault,
            simulated: None,
        };
        report.signatures = secret.map(|secret| Signatures {
            opsknight: report.judge_opsknight(secret),
            standard: report.judge_standard(secret),
        });
        report
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    fn judge_opsknight(&self, secret: &SecretText) -> Judged {
        let fits = |name: &http::HeaderName| {
            self.header(name.as_str())
                .map(|signature| verify_opsknight(secret, &self.body, signature))
        };
        match (fits(&SIGNATURE_HEADER), fits(&PREVIOUS_SIGNATURE_HEADER)) {
            (Some(true), _) => Judged::Verified,
            (_, Some(true)) => Judged::VerifiedByPrevious,
            (None, None) => Judged::Missing,
            (Some(false), _) | (None, Some(false)) => Judged::Wrong,
        }
    }

    fn judge_standard(&self, secret: &SecretText) -> Judged {
        let headers = [&ID_HEADER, &TIMESTAMP_HEADER, &STANDARD_SIGNATURE_HEADER];
        let [Some(id), Some(timestamp), Some(signature)] = headers.map(|name| self.header(name.as_str()))
        else {
            return Judged::Missing;
        };
        if !verify_standard(secret, id, timestamp, &self.body, signature) {
            return Judged::Wrong;
        }
        let seconds = timestamp.parse::<i64>().unwrap_or(0);
        if seconds.abs_diff(self.at.as_seconds()) > TOLERANCE_SECONDS {
            return Judged::Stale;
        }
        Judged::Verified
    }

    /// For people.
    pub fn in_words(&self) -> String {
        if let Some(simulated) = &self.simulated {
            return self.simulated_in_words(simulated);
        }
        let body = String::from_utf8_lossy(&self.body);
        let mut lines = vec![String::new(), self.head_in_words()];
        lines.extend(title(&body).map(|title| format!("  title:     {}", printable(&title))));
        lines.extend(self.signatures.as_ref().map(|signatures| {
            format!(
                "  signature: X-OpsKnight-Signature {}, webhook-signature {}",
                signatures.opsknight.in_words(),
                signatures.standard.in_words()
            )
        }));
        let answer = match self.fault {
            Fault::Ok => Colour::Good,
            _ => Colour::Bad,
        };
        lines.push(format!("  answer:    {}", paint(answer, &self.fault.to_string())));
        lines.extend(body_lines(&body).iter().map(|line| format!("  {line}")));
        lines.join("\n")
    }

    fn head_in_words(&self) -> String {
        let or_dash = |name: &str| printable(self.header(name).unwrap_or("-"));
        let test = match self.header("x-opsknight-test") {
            Some(_) => " (test)",
            None => "",
        };
        let request = printable(&format!("{} {}", self.method, self.target));
        format!(
            "{}  {}  {}{test}  {}  attempt {}",
            self.at.to_rfc3339_seconds(),
            paint(Colour::Strong, &request),
            or_dash("x-opsknight-event"),
            or_dash("x-opsknight-delivery"),
            or_dash("x-opsknight-attempt"),
        )
    }

    /// A request to a platform: what it did, and the message as it stands now.
    fn simulated_in_words(&self, simulated: &simulators::Response) -> String {
        let mut lines = vec![format!(
            "\n{}  {} {}  {}: {}",
            self.at.to_rfc3339_seconds(),
            self.method,
            self.target,
            simulated.status,
            simulated.sentence,
        )];
        if let Some(message) = &simulated.message {
            let bar = message.accent.map_or("│".to_owned(), coloured_bar);
            let text = printable(&message.text());
            lines.extend(text.lines().map(|line| format!("  {bar} {line}")));
        }
        let first = lines.remove(0);
        [vec![printable(&first)], lines].concat().join("\n")
    }

    /// For machines: one object a request.
    pub fn to_json(&self) -> Value {
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        let body = serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&self.body)));
        json!({
            "at": self.at,
            "method": self.method,
            "target": self.target,
            "event": self.header("x-opsknight-event"),
            "delivery": self.header("x-opsknight-delivery"),
            "attempt": self.header("x-opsknight-attempt").and_then(|number| number.parse::<u64>().ok()),
            "signature": self.signatures.as_ref().map(|signatures| signatures.opsknight.as_str()),
            "standardSignature": self.signatures.as_ref().map(|signatures| signatures.standard.as_str()),
            "answer": self.simulated.as_ref().map_or_else(|| self.fault.to_string(), |simulated| simulated.status.to_string()),
            "happened": self.simulated.as_ref().map(|simulated| simulated.sentence.as_str()),
            "shown": self.simulated.as_ref().and_then(|simulated| Some(simulated.message.as_ref()?.text())),
            "headers": headers,
            "body": body,
        })
    }
}

/// What a body is about, if it says.
fn title(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let of_incident = body.pointer("/incident/title");
    let title = of_incident.or_else(|| body.pointer("/title"))?;
    title.as_str().map(str::to_owned)
}

/// A bar in a colour, for terminals that know colours.
fn coloured_bar(colour: u32) -> String {
    if !colour::is_shown() {
        return "┃".to_owned();
    }
    let [_, red, green, blue] = colour.to_be_bytes();
    format!("\u{1b}[38;2;{red};{green};{blue}m┃\u{1b}[0m")
}
