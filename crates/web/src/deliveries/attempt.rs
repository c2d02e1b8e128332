//! One attempt as pages show it: what was sent, what came back, how long each phase took, and why it counts as it does.
use crate::deliveries::message::MessageView;
use crate::layout::show::{self, Markup, sentence_case};
use crate::overview::chart::{Phase, waterfall};
use destination::about::Signature;
use model::attempt::{Attempt, Outcome};
use model::event::EventName;
use model::exchange::FailureCode;
use model::operational::OperationalName;
use model::webhook::WebhookKind;

/// A header.
pub struct HeaderLine {
    pub name: String,
    /// Its value; secrets are masked.
    pub value: String,
}

/// One attempt.
pub struct AttemptView {
    /// 1 for the first.
    pub number: u32,
    /// Delivered or not.
    pub verdict: Markup,
    /// When it began.
    pub at: Markup,
    /// How long all of it took.
    pub took: String,
    /// The response's status; a dash if none came.
    pub status: String,
    /// Why it counts as it does, in a sentence.
    pub why: String,
    /// Whether the sentence tells what came of it: there is a note.
    pub is_noted: bool,
    /// The failure's code.
    pub code: Option<&'static str>,
    /// What to do about it.
    pub advice: Option<&'static str>,
    /// The address that was connected to.
    pub remote_address: Option<String>,
    pub request_line: String,
    /// The request's body, if it was not the event's own.
    pub request_body: Option<String>,
    /// The message as its platform shows it, if it has a form of its own.
    pub message: Option<MessageView>,
    pub request_headers: Vec<HeaderLine>,
    pub response_headers: Vec<HeaderLine>,
    pub response_body: String,
    /// Whether the response's body was longer.
    pub is_truncated: bool,
    /// Whether a response came.
    pub has_response: bool,
    pub phases: Vec<Phase>,
}

impl AttemptView {
    /// The view of an attempt at a webhook of a kind, if the webhook is still there.
    pub fn new(attempt: &Attempt, kind: Option<WebhookKind>) -> Self {
        let failure = attempt.outcome.failure();
        let (line, headers) = attempt
            .request_head
            .split_once('\n')
            .unwrap_or((&attempt.request_head, ""));
        Self {
            number: attempt.number,
            verdict: verdict(&attempt.outcome),
            at: show::when_exactly(attempt.started_at),
            took: show::micros(attempt.timings.total_us),
            status: attempt.status.map_or("–".to_owned(), |status| status.to_string()),
            why: why(attempt, kind.is_some_and(has_own_words)),
            is_noted: attempt.note.is_some() && failure.is_none(),
            code: failure.map(|failure| failure.code.as_str()),
            advice: failure.map(|failure| failure.code.advice()),
            remote_address: attempt.remote_address.map(|address| address.to_string()),
            request_line: line.to_owned(),
            request_body: attempt
                .request_body
                .as_ref()
                .map(|body| show::pretty_json(body).unwrap_or_else(|| show::body_text(body))),
            message: kind
                .zip(attempt.request_body.as_ref())
                .and_then(|(kind, body)| MessageView::of_body(kind, body)),
            request_headers: header_lines(headers),
            response_headers: header_lines(&attempt.response_head),
            response_body: show::pretty_json(&attempt.response_body)
                .unwrap_or_else(|| show::body_text(&attempt.response_body)),
            is_truncated: attempt.response_body_is_truncated,
            has_response: attempt.status.is_some(),
            phases: waterfall(&attempt.timings),
        }
    }

    /// Whether it delivered.
    pub fn is_delivered(&self) -> bool {
        self.code.is_none()
    }

    /// The same request as a curl command.
    pub fn curl(&self, body: &str) -> String {
        let (method, url) = self
            .request_line
            .split_once(' ')
            .unwrap_or(("POST", &self.request_line));
        let mut command = format!("curl -X {method} {}", quoted(url.trim()));
        for header in &self.request_headers {
            let line = format!("{}: {}", header.name, header.value);
            command.push_str(&format!(" \\\n  -H {}", quoted(&line)));
        }
        command.push_str(&format!(" \\\n  --data-raw {}", quoted(body)));
        command
    }
}

/// A text as one word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn verdict(outcome: &Outcome) -> Markup {
    match outcome {
        Outcome::Delivered => show::badge("success", "Delivered"),
        Outcome::Accepted => show::badge("success", "Accepted"),
        Outcome::Step => show::badge("info", "Step"),
        // It was asked and answered: what was looked for may still turn up.
        Outcome::Failed(failure) if failure.code == FailureCode::TicketUnknown => {
            show::badge("warning", "Waiting")
        }
        Outcome::Failed(_) => show::badge("error", "Failed"),
        Outcome::Gone(_) => show::badge("error", "Gone"),
    }
}

/// Whether a kind's answers mean more than their status.
fn has_own_words(kind: WebhookKind) -> bool {
    kinds::adapter_or_unknown(kind).description().signature == Signature::None
}

fn why(attempt: &Attempt, has_own_words: bool) -> String {
    if let (Some(note), Outcome::Delivered | Outcome::Accepted | Outcome::Step) =
        (&attempt.note, &attempt.outcome)
    {
        return format!("{}.", sentence_case(note));
    }
    let status = attempt.status.unwrap_or_default();
    match &attempt.outcome {
        Outcome::Delivered if has_own_words => {
            format!("The platform answered {status}, and that it took the message.")
        }
        Outcome::Delivered => format!("The receiver answered {status}: every 2xx counts as delivered."),
        Outcome::Step => format!("The platform answered {status}; the next request follows."),
        Outcome::Accepted => {
            format!("The platform answered {status}: it queued the message. Whether it is shown is not told.")
        }
        Outcome::Failed(failure) => {
            let mut sentence = format!("{}.", sentence_case(&failure.detail));
            if let Some(wait) = failure.retry_after {
                sentence.push_str(&format!(" It asked to wait {}.", show::long(wait)));
            }
            sentence
        }
        Outcome::Gone(failure) => {
            let detail = sentence_case(&failure.detail);
            format!("{detail}: the receiver wants nothing any more, so that nothing is tried again.")
        }
    }
}

/// Lines of `name: value`.
pub fn header_lines(text: &str) -> Vec<HeaderLine> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(name, value)| HeaderLine {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
        })
        .collect()
}

/// What an event means, in a few words.
pub fn event_meaning(event: EventName) -> &'static str {
    match event {
        EventName::Triggered => "a new incident",
        EventName::Acknowledged => "somebody has taken it",
        EventName::Resolved => "it is over",
        EventName::Escalated => "an escalation fired",
        EventName::Reopened => "it is open again",
    }
}

/// What an operational event means.
pub fn operational_meaning(event: OperationalName) -> &'static str {
    match event {
        OperationalName::WebhookDegraded => "a webhook’s attempts fail",
        OperationalName::WebhookRecovered => "it delivers again",
        OperationalName::WebhookDisabled => "the server has disabled one",
        OperationalName::DeliveryDead => "the first at once, then how many, every ten minutes",
        OperationalName::SourceSilent => "an alert source sends nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::attempt::Failure;
    use model::exchange::{FailureCode, PhaseTimings};
    use model::id::AttemptId;
    use model::time::Timestamp;

    fn attempt(outcome: Outcome, status: Option<u16>) -> Attempt {
        Attempt {
            id: AttemptId::new(Timestamp::EPOCH, [1; 10]),
            number: 1,
            started_at: Timestamp::EPOCH,
            timings: PhaseTimings::default(),
            remote_address: None,
            outcome,
            status,
            request_head: "POST https://a.example/x\nx-a: it's\nauthorization: ***\n".into(),
            request_body: None,
            response_head: String::new(),
            response_body: bytes::Bytes::new(),
            response_body_is_truncated: false,
            note: None,
        }
    }

    #[test]
    fn the_curl_line_is_one_command_whatever_the_body_holds() {
        let view = AttemptView::new(&attempt(Outcome::Delivered, Some(204)), None);
        let expected = r#"curl -X POST 'https://a.example/x' \
  -H 'x-a: it'\''s' \
  -H 'authorization: ***' \
  --data-raw '{"a":"'\''; rm -rf /"}'"#;
        assert_eq!(view.curl(r#"{"a":"'; rm -rf /"}"#), expected);
    }

    #[test]
    fn a_failure_says_why_and_what_to_do() {
        let failure = Failure {
            code: FailureCode::RateLimited,
            detail: "answered 429".into(),
            retry_after: Some(std::time::Duration::from_secs(90)),
            disposition: model::attempt::Disposition::Backoff,
        };
        let view = AttemptView::new(&attempt(Outcome::Failed(failure), Some(429)), None);
        assert_eq!(view.why, "Answered 429. It asked to wait 1 min 30 s.");
        assert_eq!((view.code, view.is_delivered()), (Some("rate_limited"), false));
        assert!(view.advice.is_some());
    }
}
