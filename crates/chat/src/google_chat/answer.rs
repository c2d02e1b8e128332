//! What Google Chat's answer means. Good ones are the message as JSON; bad ones are `{error: {code, message, status}}`,
//! or a web page if something stands in between.

use std::time::Duration;

use serde_json::Value;

use crate::google_chat::{PLAIN, UNNAMED, bucket_key, has_left};
use destination::status;
use destination::task::{Classification, Pause, Task};
use destination::text::{one_line, quote};
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::patch::Patch;
use model::time::Timestamp;

/// How long a space is left alone if Google asks for fewer requests; for how long, it does not promise to tell.
const PAUSE: Duration = Duration::from_secs(2);

/// Judges an exchange.
pub(super) fn classify(task: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
    let Ok(response) = &exchange.result else {
        return status::classify(exchange, now).into();
    };
    let said = Said::read(response, task);
    let plain_verdict = status::classify(exchange, now);
    let told = plain_verdict.failure().and_then(|failure| failure.retry_after);
    match response.status {
        200..=299 if said.is_message => Outcome::Delivered.into(),
        200..=299 => {
            let detail = format!(
                "Google Chat answered {} without a message{}",
                response.status,
                said.quote()
            );
            Failure::new(FailureCode::ResponseInvalid, detail).into()
        }
        _ if said.status == "RESOURCE_EXHAUSTED" => slow_down(task, &said, told),
        429 => slow_down(task, &said, told),
        401 | 403 | 404 | 410 if said.is_own() => person(response.status, &said),
        400 if said.blames_key() => person(response.status, &said),
        400 if !said.is_own() => status::foreign(exchange, "Google Chat", now).into(),
        400 if said.blames_id() && !has_left(task, UNNAMED) => again(task, UNNAMED, refusal(400, &said)),
        400 | 413 if has_left(task, PLAIN) => refusal(response.status, &said)
            .with(Disposition::Permanent)
            .into(),
        400 | 413 => again(task, PLAIN, refusal(response.status, &said)),
        500..=599 => {
            let detail = format!(
                "Google Chat failed with status {}{}",
                response.status,
                said.quote()
            );
            let failure = Failure {
                retry_after: told,
                ..Failure::new(FailureCode::ServerError, detail)
            };
            failure.into()
        }
        _ => status::foreign(exchange, "Google Chat", now).into(),
    }
}

fn slow_down(task: &Task<'_>, said: &Said, told: Option<Duration>) -> Classification {
    let detail = format!(
        "Google Chat asks for fewer messages to this space{}",
        said.quote()
    );
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

fn person(status: u16, said: &Said) -> Classification {
    let what_to_do = match status {
        404 | 410 => "the space or its webhook is gone: make a new webhook and put its URL here",
        400 => "the key in the URL is wrong: copy the webhook's URL again, whole",
        _ => "the webhook was deleted, or the URL is not whole: copy its URL again, or make a new webhook",
    };
    let detail = format!(
        "Google Chat refuses this URL (status {status}): {what_to_do}{}",
        said.quote()
    );
    Failure::new(FailureCode::SettingsRefused, detail)
        .with(Disposition::NeedsOperator)
        .into()
}

fn refusal(status: u16, said: &Said) -> Failure {
    let detail = format!(
        "Google Chat refuses this message with status {status}{}",
        said.quote()
    );
    Failure::new(FailureCode::MessageRefused, detail)
}

/// Another request at once, with one more word about what to leave out.
fn again(task: &Task<'_>, word: &str, failure: Failure) -> Classification {
    let words = match task.continuation {
        None | Some("") => word.to_owned(),
        Some(words) => format!("{words} {word}"),
    };
    Classification {
        continuation: Patch::Set(words),
        ..failure.with(Disposition::Immediate).into()
    }
}

/// What an answer says in its body.
struct Said {
    /// Google's canonical name of the error; empty if there is none.
    status: String,
    /// The words, without the URL's secrets.
    text: String,
    /// The reasons in its details.
    reasons: Vec<String>,
    /// Whether it is a web page rather than an answer.
    is_page: bool,
    /// Whether it can be a message that was posted.
    is_message: bool,
}

impl Said {
    fn read(response: &Response, task: &Task<'_>) -> Self {
        let body = String::from_utf8_lossy(&response.body);
        let body = body.trim_start();
        let parsed: Option<Value> = serde_json::from_str(body).ok();
        let error = parsed.as_ref().and_then(|answer| answer.get("error"));
        let member = |name| error.and_then(|error| error.get(name)).and_then(Value::as_str);
        let details = error
            .and_then(|error| error.get("details"))
            .and_then(Value::as_array);
        let reasons = details.into_iter().flatten();
        let reasons = reasons.filter_map(|detail| detail.get("reason")?.as_str().map(str::to_owned));
        let text = match parsed {
            Some(_) => member("message").unwrap_or_default(),
            None => body,
        };
        Self {
            status: member("status").unwrap_or_default().to_owned(),
            text: task.target.without_secrets(&one_line(text)),
            reasons: reasons.collect(),
            is_page: parsed.is_none() && body.starts_with('<'),
            // Google echoes the message: a long one may come back cut.
            is_message: match &parsed {
                Some(answer) => answer.is_object() && error.is_none(),
                None => response.body_is_truncated && body.starts_with('{'),
            },
        }
    }

    /// Whether these are Google's words, and not of something on the way there.
    fn is_own(&self) -> bool {
        !self.status.is_empty()
    }

    /// Whether a 400 speaks of the URL's key and not of the message.
    fn blames_key(&self) -> bool {
        let is_about_key = |reason: &String| reason.starts_with("API_KEY_");
        self.reasons.iter().any(is_about_key) || self.text.starts_with("API key")
    }

    /// Whether a 400 speaks of the request's id.
    fn blames_id(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        ["requestid", "request_id", "request id"]
            .iter()
            .any(|name| text.contains(name))
    }

    /// The words in brackets, for the end of a sentence; nothing if there are none worth reading.
    fn quote(&self) -> String {
        match (quote(&self.status).as_str(), quote(&self.text).as_str()) {
            _ if self.is_page => " (it sent a web page)".to_owned(),
            ("", "") => String::new(),
            ("", words) | (words, "") => format!(" ({words})"),
            (status, words) => format!(" ({status}: {words})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::google_chat::tests::sample;
    use crate::simulated::exchange;
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

    fn left(progress: &str) -> Sample {
        let mut sample = sample(EventName::Triggered);
        sample.progress = Some(progress.into());
        sample
    }

    fn failure(classification: &Classification) -> (FailureCode, Disposition) {
        let failure = classification.outcome.failure().unwrap();
        (failure.code, failure.disposition)
    }

    fn detail(classification: &Classification) -> &str {
        &classification.outcome.failure().unwrap().detail
    }

    fn error(code: u16, status: &str, message: &str) -> String {
        format!(r#"{{"error":{{"code":{code},"message":"{message}","status":"{status}"}}}}"#)
    }

    const CONFIG: (FailureCode, Disposition) = (FailureCode::SettingsRefused, Disposition::NeedsOperator);
    const LIMITED: (FailureCode, Disposition) = (FailureCode::RateLimited, Disposition::RateLimited);
    const FAILED: (FailureCode, Disposition) = (FailureCode::ServerError, Disposition::Backoff);
    const REFUSED: (FailureCode, Disposition) = (FailureCode::MessageRefused, Disposition::Immediate);
    const NO_ANSWER: (FailureCode, Disposition) = (FailureCode::ResponseInvalid, Disposition::Backoff);

    #[test]
    fn the_message_that_comes_back_proves_the_delivery() {
        let classification = judge(200, r#"{"name":"spaces/A/messages/B","text":"…"}"#);
        assert_eq!(classification, Outcome::Delivered.into());
    }

    #[test]
    fn a_long_message_may_come_back_cut() {
        let mut exchange = exchange(200, &[], r#"{"name":"spaces/A/messages/B","cardsV2":[{"#);
        exchange.result.as_mut().unwrap().body_is_truncated = true;
        let sample = sample(EventName::Triggered);
        let classification = classify(&sample.task(), &exchange, sample.now);
        assert_eq!(classification.outcome, Outcome::Delivered);
    }

    #[test]
    fn a_good_status_without_a_message_is_no_delivery() {
        let bodies = [
            "",
            "<html>Sign in</html>",
            "ok",
            "[]",
            &error(500, "INTERNAL", "x"),
        ];
        assert_eq!(bodies.map(|body| failure(&judge(200, body))), [NO_ANSWER; 5]);
    }

    #[test]
    fn a_rate_limit_leaves_the_wait_to_the_engine_and_pauses_the_space() {
        let sample = sample(EventName::Triggered);
        let classification = judge_for(
            &sample,
            429,
            &[],
            &error(429, "RESOURCE_EXHAUSTED", "Quota exceeded."),
        );
        assert_eq!(failure(&classification), LIMITED);
        assert_eq!(classification.outcome.failure().unwrap().retry_after, None);
        let pause = classification.pause.unwrap();
        assert_eq!(
            (pause.bucket, pause.wait),
            (bucket_key(&sample.target.url), PAUSE)
        );
    }

    #[test]
    fn a_wait_that_is_told_is_kept() {
        let classification = judge_for(
            &sample(EventName::Triggered),
            429,
            &[("retry-after", "9".into())],
            "",
        );
        let nine = Duration::from_secs(9);
        assert_eq!(classification.outcome.failure().unwrap().retry_after, Some(nine));
        assert_eq!(classification.pause.unwrap().wait, nine);
        assert_eq!(
            failure(&judge(403, &error(403, "RESOURCE_EXHAUSTED", "Quota"))),
            LIMITED
        );
    }

    #[test]
    fn a_url_that_is_refused_needs_a_person() {
        let own = error(403, "PERMISSION_DENIED", "No.");
        let remedies = [401, 403, 404, 410].map(|status| failure(&judge(status, &own)));
        assert_eq!(remedies, [CONFIG; 4]);
        let alone = (FailureCode::ClientError, Disposition::Backoff);
        let others = [
            "",
            "<html>Blocked by policy</html>",
            r#"{"error":"blocked"}"#,
            r#"{"error":{"code":403}}"#,
        ];
        let judged = others.map(|body| [401, 403, 404, 410].map(|status| failure(&judge(status, body))));
        assert_eq!(judged, [[alone; 4]; 4]);
        assert_eq!(failure(&judge(400, "<html>Blocked by policy</html>")), alone);
        assert_eq!(
            detail(&judge(404, &error(404, "NOT_FOUND", "Space not found."))),
            "Google Chat refuses this URL (status 404): the space or its webhook is gone: make a new webhook and put its \
             URL here (NOT_FOUND: Space not found)"
        );
    }

    #[test]
    fn a_wrong_key_needs_a_person_although_it_answers_400() {
        let body = r#"{"error":{"code":400,"message":"Bad","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
        assert_eq!(failure(&judge(400, body)), CONFIG);
        let words = error(
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
        );
        assert_eq!(failure(&judge(400, &words)), CONFIG);
    }

    #[test]
    fn a_refused_message_is_sent_plain_and_then_no_more() {
        let body = error(400, "INVALID_ARGUMENT", "Cannot find field.");
        let first = judge(400, &body);
        assert_eq!(
            (failure(&first), first.continuation),
            (REFUSED, Patch::Set(PLAIN.into()))
        );
        assert_eq!(failure(&judge(413, "")), REFUSED);
        let second = judge_for(&left(PLAIN), 400, &[], &body);
        assert_eq!(
            failure(&second),
            (FailureCode::MessageRefused, Disposition::Permanent)
        );
    }

    #[test]
    fn a_refused_id_is_left_out_before_the_card_is() {
        let body = error(400, "INVALID_ARGUMENT", "Invalid value for request_id");
        let first = judge(400, &body);
        assert_eq!(
            (failure(&first), first.continuation),
            (REFUSED, Patch::Set(UNNAMED.into()))
        );
        let second = judge_for(&left(UNNAMED), 400, &[], &body);
        assert_eq!(second.continuation, Patch::Set("unnamed plain".into()));
        let plain = judge_for(&left(PLAIN), 400, &[], &body);
        assert_eq!(plain.continuation, Patch::Set("plain unnamed".into()));
        let last = judge_for(&left("plain unnamed"), 400, &[], &body);
        assert_eq!(
            failure(&last),
            (FailureCode::MessageRefused, Disposition::Permanent)
        );
    }

    #[test]
    fn a_failing_server_is_tried_again_on_schedule() {
        let judgements = [500, 502, 503, 504].map(|status| failure(&judge(status, "<html>Error</html>")));
        assert_eq!(judgements, [FAILED; 4]);
        assert_eq!(
            detail(&judge(
                503,
                &error(503, "UNAVAILABLE", "The service is unavailable.")
            )),
            "Google Chat failed with status 503 (UNAVAILABLE: The service is unavailable)"
        );
        let waits = judge_for(
            &sample(EventName::Triggered),
            503,
            &[("retry-after", "30".into())],
            "",
        );
        assert_eq!(
            waits.outcome.failure().unwrap().retry_after,
            Some(Duration::from_secs(30))
        );
    }

    #[test]
    fn other_statuses_and_lost_answers_are_judged_as_everywhere() {
        assert_eq!(
            failure(&judge(302, "")),
            (FailureCode::Redirect, Disposition::Backoff)
        );
        assert_eq!(
            failure(&judge(409, "")),
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
        let url = "https://chat.googleapis.com/v1/spaces/A/messages?key=hushhush&token=hush%3Dhush";
        sample.target.url = url.parse().unwrap();
        let body = format!("wrong: {url} hush=hush {}", "x".repeat(9000));
        let classification = judge_for(&sample, 403, &[], &body);
        assert!(
            !detail(&classification).contains("hush"),
            "{}",
            detail(&classification)
        );
        assert!(detail(&classification).chars().count() <= 300);
    }
}
