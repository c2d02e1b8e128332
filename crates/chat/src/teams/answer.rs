//! What a workflow's answer means. A good one means that the request was queued. Endpoints with the habits of the old
//! connectors answer 200 and put the failure into the body, so that the body of a good answer is read too.

use std::time::Duration;

use serde_json::Value;

use crate::teams::{PLAIN, bucket_key};
use destination::status;
use destination::task::{Classification, Pause, Task};
use destination::text::{one_line, quote};
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::patch::Patch;
use model::time::Timestamp;

/// How long a workflow is left alone if it asks for fewer requests without saying for how long.
const PAUSE: Duration = Duration::from_secs(5);
/// What stands before the inner status in the body of a connector's answer.
const INNER_STATUS: &str = "Microsoft Teams endpoint returned HTTP error ";
/// What a connector answers once it was removed.
const CONNECTOR_GONE: &str = "Connector configuration not found";

/// Judges an exchange.
pub(super) fn classify(task: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
    let Ok(response) = &exchange.result else {
        return status::classify(exchange, now).into();
    };
    let said = Said::read(response, task);
    let plain_verdict = status::classify(exchange, now);
    let told = plain_verdict.failure().and_then(|failure| failure.retry_after);
    match response.status {
        200..=299 => match complaint(&said, response.status) {
            None => Outcome::Accepted.into(),
            Some(failure) => match said.inner_status() {
                Some(status) => refused(task, status, &said, told).unwrap_or_else(|| failure.into()),
                None => failure.into(),
            },
        },
        status => {
            let refused = refused(task, status, &said, told);
            refused.unwrap_or_else(|| status::foreign(exchange, "Teams", now).into())
        }
    }
}

/// What is wrong with an answer that looks good.
fn complaint(said: &Said, status: u16) -> Option<Failure> {
    if said.is_page {
        let detail = format!("Teams answered {status} with a web page: check that the URL is the workflow's");
        return Some(Failure::new(FailureCode::ResponseInvalid, detail));
    }
    said.is_complaint.then(|| {
        let detail = format!(
            "Teams answered {status}, but did not post the card{}",
            said.quote()
        );
        Failure::new(FailureCode::ServerError, detail)
    })
}

/// What a bad status means; nothing if Teams gives it no meaning of its own.
fn refused(task: &Task<'_>, status: u16, said: &Said, told: Option<Duration>) -> Option<Classification> {
    match status {
        429 => Some(slow_down(task, said, told)),
        401 | 403 | 404 | 410 if said.is_own(task) => Some(person(task, status, said)),
        400 if said.blames_settings() => Some(person(task, status, said)),
        400 if said.is_page => None,
        400 | 413 => Some(too_much(task, status, said)),
        500..=599 => {
            let detail = format!("Teams failed with status {status}{}", said.quote());
            let failure = Failure {
                retry_after: told,
                ..Failure::new(FailureCode::ServerError, detail)
            };
            Some(failure.into())
        }
        _ => None,
    }
}

fn slow_down(task: &Task<'_>, said: &Said, told: Option<Duration>) -> Classification {
    let detail = format!("Teams asks for fewer requests{}", said.quote());
    let failure = Failure {
        retry_after: told,
        ..Failure::new(FailureCode::RateLimited, detail).with(Disposition::RateLimited)
    };
    Classification {
        pause: Some(Pause {
            bucket: bucket_key(&task.target.url),
            wait: told.unwrap_or(PAUSE),
        }),
        ..failure.into()
    }
}

fn person(task: &Task<'_>, status: u16, said: &Said) -> Classification {
    let what_to_do = match status {
        _ if is_retired(task) => {
            "Microsoft has retired the connectors: make a workflow in the channel and put its URL here"
        }
        400 => {
            "the workflow is turned off or deleted: turn it on in Power Automate, or make a new one and put its URL here"
        }
        401 | 403 => {
            "copy the workflow's URL again, whole, and let anyone trigger it in the settings of its trigger"
        }
        _ => "the workflow is gone: make a new one and put its URL here",
    };
    let detail = format!(
        "Teams refuses this URL (status {status}): {what_to_do}{}",
        said.quote()
    );
    Failure::new(FailureCode::SettingsRefused, detail)
        .with(Disposition::NeedsOperator)
        .into()
}

fn is_retired(task: &Task<'_>) -> bool {
    let host = task.target.url.host_str().unwrap_or_default();
    host.ends_with(".webhook.office.com") || host == "outlook.office.com"
}

/// The card was refused: a plain one may pass; if that was it, nothing will.
fn too_much(task: &Task<'_>, status: u16, said: &Said) -> Classification {
    let detail = format!("Teams refuses this card with status {status}{}", said.quote());
    let failure = Failure::new(FailureCode::MessageRefused, detail);
    match task.continuation {
        Some(PLAIN) => failure.with(Disposition::Permanent).into(),
        _ => Classification {
            continuation: Patch::Set(PLAIN.into()),
            ..failure.with(Disposition::Immediate).into()
        },
    }
}

/// What an answer says in its body.
struct Said {
    /// The stable code of Power Automate's errors; empty if there is none.
    code: String,
    /// The words, without the URL's secrets.
    text: String,
    /// Whether it is a web page rather than an answer.
    is_page: bool,
    /// Whether it tells of a failure, whatever the status.
    is_complaint: bool,
}

impl Said {
    fn read(response: &Response, task: &Task<'_>) -> Self {
        let body = String::from_utf8_lossy(&response.body);
        let parsed: Option<Value> = serde_json::from_str(&body).ok();
        let error = parsed.as_ref().and_then(|answer| answer.get("error"));
        let member = |name| error.and_then(|error| error.get(name)).and_then(Value::as_str);
        let text = match (&parsed, error) {
            (_, Some(Value::String(text))) => text.as_str(),
            (_, Some(_)) => member("message").unwrap_or_default(),
            (Some(Value::String(text)), None) => text.as_str(),
            (Some(answer), None) => answer.get("message").and_then(Value::as_str).unwrap_or_default(),
            (None, None) => &body,
        };
        let lower = text.to_ascii_lowercase();
        let tells_failure = lower.contains("error") || lower.contains("failed");
        let is_structured = matches!(parsed, Some(ref answer) if !answer.is_string());
        Self {
            code: member("code").unwrap_or_default().to_owned(),
            text: task.target.without_secrets(&one_line(text)),
            is_page: parsed.is_none() && body.trim_start().starts_with('<'),
            is_complaint: error.is_some_and(|error| !error.is_null()) || (!is_structured && tells_failure),
        }
    }

    /// Whether these are the words of Power Automate or of a connector, and not of something on the way there.
    fn is_own(&self, task: &Task<'_>) -> bool {
        let is_connectors = self.text.starts_with(CONNECTOR_GONE) || self.text.contains(INNER_STATUS);
        !self.code.is_empty() || is_connectors || (is_retired(task) && !self.is_page)
    }

    /// The status that a connector met inside, if it tells of one.
    fn inner_status(&self) -> Option<u16> {
        let (_, after) = self.text.split_once(INNER_STATUS)?;
        after.get(..3)?.parse().ok()
    }

    /// Whether the code of a 400 speaks of the workflow and not of the card.
    fn blames_settings(&self) -> bool {
        [
            "WorkflowTrigger",
            "WorkflowDisabled",
            "WorkflowNotFound",
            "Authorization",
            "Signature",
        ]
        .iter()
        .any(|part| self.code.contains(part))
    }

    /// The words in brackets, for the end of a sentence; nothing if there are none worth reading.
    fn quote(&self) -> String {
        match (quote(&self.code).as_str(), quote(&self.text).as_str()) {
            _ if self.is_page => " (it sent a web page)".to_owned(),
            ("", "") => String::new(),
            ("", words) | (words, "") => format!(" ({words})"),
            (code, words) => format!(" ({code}: {words})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::exchange;
    use crate::teams::tests::sample;
    use destination::sample::Sample;
    use model::event::EventName;
    use model::exchange::SendFailure;

    fn judge(status: u16, body: &str) -> Classification {
        judge_for(&sample(EventName::Triggered), status, &[], body)
    }

    fn judge_for(
        sample: &Sample,
        status: u16,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> Classification {
        classify(&sample.task(), &exchange(status, headers, body), sample.now)
    }

    fn failure(classification: &Classification) -> (FailureCode, Disposition) {
        let failure = classification.outcome.failure().unwrap();
        (failure.code, failure.disposition)
    }

    fn detail(classification: &Classification) -> &str {
        &classification.outcome.failure().unwrap().detail
    }

    const CONFIG: (FailureCode, Disposition) = (FailureCode::SettingsRefused, Disposition::NeedsOperator);
    const LIMITED: (FailureCode, Disposition) = (FailureCode::RateLimited, Disposition::RateLimited);
    const FAILED: (FailureCode, Disposition) = (FailureCode::ServerError, Disposition::Backoff);

    #[test]
    fn a_good_answer_means_queued() {
        let bodies = [
            "",
            "1",
            "ok",
            r#"{"status":"posted"}"#,
            r#"{"error":null}"#,
            "\"1\"",
        ];
        let outcomes = bodies.map(|body| judge(200, body).outcome);
        assert_eq!(outcomes, [const { Outcome::Accepted }; 6]);
        assert_eq!(judge(202, "").outcome, Outcome::Accepted);
    }

    #[test]
    fn a_rate_limit_waits_as_long_as_is_told_and_pauses_the_workflow() {
        let sample = sample(EventName::Triggered);
        let classification = judge_for(&sample, 429, &[("retry-after", "7".into())], "");
        assert_eq!(failure(&classification), LIMITED);
        let told = Some(Duration::from_secs(7));
        assert_eq!(classification.outcome.failure().unwrap().retry_after, told);
        let pause = classification.pause.unwrap();
        assert_eq!(
            (pause.bucket, Some(pause.wait)),
            (bucket_key(&sample.target.url), told)
        );
    }

    #[test]
    fn a_rate_limit_without_an_end_leaves_it_to_the_engine() {
        let classification = judge(
            429,
            r#"{"error":{"code":"TooManyRequests","message":"Slow down."}}"#,
        );
        assert_eq!(failure(&classification), LIMITED);
        assert_eq!(classification.outcome.failure().unwrap().retry_after, None);
        assert_eq!(classification.pause.unwrap().wait, PAUSE);
        assert_eq!(detail(&judge(429, "")), "Teams asks for fewer requests");
    }

    #[test]
    fn a_failure_inside_a_good_answer_is_found() {
        let inner = |status: u16| {
            let body = format!(
                "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {status} with ContextId tcid=0"
            );
            failure(&judge(200, &body))
        };
        assert_eq!(inner(429), LIMITED);
        assert_eq!(inner(403), CONFIG);
        assert_eq!(inner(413), (FailureCode::MessageRefused, Disposition::Immediate));
        assert_eq!(inner(503), FAILED);
        assert_eq!(inner(418), FAILED);
        assert_eq!(failure(&judge(200, "Delivery failed")), FAILED);
        assert_eq!(
            failure(&judge(200, r#"{"error":{"code":"X","message":"y"}}"#)),
            FAILED
        );
    }

    #[test]
    fn a_web_page_is_no_good_answer() {
        let classification = judge(200, "<!DOCTYPE html><html>Sign in</html>");
        assert_eq!(
            failure(&classification),
            (FailureCode::ResponseInvalid, Disposition::Backoff)
        );
    }

    #[test]
    fn a_url_that_is_refused_needs_a_person() {
        let body = r#"{"error":{"code":"DirectApiAuthorizationRequired","message":"No."}}"#;
        let remedies = [401, 403, 404, 410].map(|status| failure(&judge(status, body)));
        assert_eq!(remedies, [CONFIG; 4]);
        assert_eq!(failure(&judge(410, "Connector configuration not found")), CONFIG);
        assert_eq!(
            detail(&judge(
                410,
                r#"{"error":{"code":"WorkflowNotFound","message":"Gone."}}"#
            )),
            "Teams refuses this URL (status 410): the workflow is gone: make a new one and put its URL here \
             (WorkflowNotFound: Gone)"
        );
    }

    #[test]
    fn a_refusal_that_is_not_of_teams_concerns_its_delivery_alone() {
        let alone = (FailureCode::ClientError, Disposition::Backoff);
        let bodies = [
            "",
            "<html>Blocked by policy</html>",
            r#"{"error":"blocked"}"#,
            r#"{"status":403}"#,
        ];
        let judged = bodies.map(|body| [401, 403, 404, 410].map(|status| failure(&judge(status, body))));
        assert_eq!(judged, [[alone; 4]; 4]);
        assert_eq!(failure(&judge(400, "<html>Blocked by policy</html>")), alone);
        let page = judge(200, "<html>Teams said: HTTP error 403</html>");
        assert_eq!(
            failure(&page),
            (FailureCode::ResponseInvalid, Disposition::Backoff)
        );
    }

    #[test]
    fn a_workflow_that_is_off_needs_a_person_although_it_answers_400() {
        let body = r#"{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"state 'Disabled'"}}"#;
        let classification = judge(400, body);
        assert_eq!(failure(&classification), CONFIG);
        assert!(detail(&classification).contains("turned off"));
    }

    #[test]
    fn a_retired_connector_is_called_by_its_name() {
        let mut sample = sample(EventName::Triggered);
        sample.target.url = "https://acme.webhook.office.com/webhookb2/hush".parse().unwrap();
        let classification = judge_for(&sample, 404, &[], "");
        assert!(detail(&classification).contains("retired"));
    }

    #[test]
    fn a_refused_card_is_sent_plain_and_then_no_more() {
        let first = judge(
            400,
            r#"{"error":{"code":"TriggerInputSchemaMismatch","message":"bad"}}"#,
        );
        assert_eq!(
            failure(&first),
            (FailureCode::MessageRefused, Disposition::Immediate)
        );
        assert_eq!(first.continuation, Patch::Set(PLAIN.into()));
        assert_eq!(
            failure(&judge(413, "")),
            (FailureCode::MessageRefused, Disposition::Immediate)
        );
        let mut plain = sample(EventName::Triggered);
        plain.progress = Some(PLAIN.into());
        let second = judge_for(&plain, 400, &[], "");
        assert_eq!(
            failure(&second),
            (FailureCode::MessageRefused, Disposition::Permanent)
        );
        assert_eq!(second.continuation, Patch::Keep);
    }

    #[test]
    fn a_failing_server_is_tried_again_on_schedule() {
        let judgements =
            [500, 502, 503, 504].map(|status| failure(&judge(status, "<html>Bad gateway</html>")));
        assert_eq!(judgements, [FAILED; 4]);
        assert_eq!(
            detail(&judge(502, "<html>Bad gateway</html>")),
            "Teams failed with status 502 (it sent a web page)"
        );
    }

    #[test]
    fn other_statuses_and_lost_answers_are_judged_as_everywhere() {
        assert_eq!(
            failure(&judge(302, "")),
            (FailureCode::Redirect, Disposition::Backoff)
        );
        assert_eq!(
            failure(&judge(405, "")),
            (FailureCode::ClientError, Disposition::Backoff)
        );
        let mut lost = exchange(200, &[], "");
        lost.result = Err(SendFailure {
            code: FailureCode::ResponseTimeout,
            detail: "late".into(),
        });
        let sample = sample(EventName::Triggered);
        let classification = classify(&sample.task(), &lost, sample.now);
        assert_eq!(
            failure(&classification),
            (FailureCode::ResponseTimeout, Disposition::Backoff)
        );
    }

    #[test]
    fn no_failure_tells_a_secret_and_none_is_endless() {
        let mut sample = sample(EventName::Triggered);
        sample.target.url = "https://a.example/workflows/f1/run?sig=hush%2Bhush"
            .parse()
            .unwrap();
        let body = format!(
            "cannot run https://a.example/workflows/f1/run?sig=hush%2Bhush hush+hush {}",
            "x".repeat(9000)
        );
        let classification = judge_for(&sample, 401, &[], &body);
        assert!(
            !detail(&classification).contains("hush"),
            "{}",
            detail(&classification)
        );
        assert!(detail(&classification).chars().count() <= 300);
    }
}
