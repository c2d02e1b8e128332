//! A workflow of Microsoft Teams, played. The address, the codes of errors and the habit of answering 202 before the
//! card is looked at are Power Automate's ("When a Teams webhook request is received"); the envelope and the limit of
//! 28 KB are those of Microsoft's page on incoming webhooks and workflows; [`card`] holds the schema of Adaptive Cards.
//! A card that Teams could not show is queued like any other, as in reality: only the sentence tells that it was lost.

mod card;

use std::collections::VecDeque;

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use url::Url;

use crate::teams::show::show;
use destination::fake::{Fake, FakeAnswer, FakeFault, FakeRequest, MAX_FAKE_MESSAGES};
use destination::shown::Shown;

/// Where the workflow listens.
const PATH: &str = "/powerautomate/automations/direct/workflows/0f1e2d3c4b5a69788796a5b4c3d2e1f0/triggers/manual/paths/invoke";
/// What proves that a caller knows the URL.
const SIGNATURE: &str = "made-up-signature-of-the-fake";
/// The largest message that Teams takes, in bytes.
const MAX_MESSAGE_BYTES: usize = 28 * 1024;

const FAULTS: &[FakeFault] = &[
    FakeFault {
        name: "rate_limit",
        meaning: "429 with Retry-After: 7",
    },
    FakeFault {
        name: "rate_limit_in_body",
        meaning: "200 with a connector's error text about 429",
    },
    FakeFault {
        name: "turned_off",
        meaning: "400 WorkflowTriggerIsNotEnabled",
    },
    FakeFault {
        name: "bad_signature",
        meaning: "401 DirectApiAuthorizationRequired",
    },
    FakeFault {
        name: "deleted",
        meaning: "404 WorkflowNotFound",
    },
    FakeFault {
        name: "gone",
        meaning: "410 as connectors answered",
    },
    FakeFault {
        name: "refused_card",
        meaning: "400 TriggerInputSchemaMismatch",
    },
    FakeFault {
        name: "too_large",
        meaning: "413",
    },
    FakeFault {
        name: "bad_gateway",
        meaning: "502 NoResponse",
    },
    FakeFault {
        name: "html",
        meaning: "503 with a web page",
    },
    FakeFault {
        name: "sign_in",
        meaning: "200 with a web page",
    },
];

/// The workflow and its channel.
#[derive(Debug, Default)]
pub(super) struct FakeTeams {
    messages: VecDeque<Shown>,
    posted: u64,
    fault: Option<&'static str>,
}

impl Fake for FakeTeams {
    fn answer(&mut self, request: &FakeRequest<'_>) -> FakeAnswer {
        if let Some(fault) = self.fault.take() {
            return fail(fault);
        }
        if let Some(refusal) = refusal(request) {
            return refusal;
        }
        match look_at(request).and_then(|()| show(request.body).ok_or("the card cannot be shown".into())) {
            Ok(shown) => {
                self.posted += 1;
                self.messages.push_back(shown.clone());
                let surplus = self.messages.len().saturating_sub(MAX_FAKE_MESSAGES);
                self.messages.drain(..surplus);
                let sentence = format!("posted card {}", self.posted);
                FakeAnswer {
                    shown: Some(shown),
                    ..answer(202, "", sentence)
                }
            }
            Err(why) => answer(
                202,
                "",
                format!("queued, but the workflow failed and posted nothing: {why}"),
            ),
        }
    }

    fn faults(&self) -> &'static [FakeFault] {
        FAULTS
    }

    fn fail_next(&mut self, fault: &str) -> bool {
        let known = FAULTS.iter().find(|known| known.name == fault);
        self.fault = known.map(|known| known.name).or(self.fault);
        known.is_some()
    }

    fn messages(&self) -> Vec<Shown> {
        self.messages.iter().cloned().collect()
    }

    fn url(&self, address: &str) -> String {
        format!("{address}{PATH}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SIGNATURE}")
    }
}

fn fail(fault: &'static str) -> FakeAnswer {
    let sentence = format!("failed on request: {fault}");
    match fault {
        "rate_limit" => {
            let mut answer = error(
                429,
                "TooManyRequests",
                "Rate limit is exceeded. Try again in 7 seconds.",
                sentence,
            );
            answer.headers.push(("retry-after", "7".into()));
            answer
        }
        "rate_limit_in_body" => {
            let text = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 \
                        with ContextId tcid=0,server=fake.";
            answer(200, text, sentence)
        }
        "turned_off" => {
            let text =
                "Could not execute workflow trigger 'manual' with state 'Disabled': trigger is not enabled.";
            error(400, "WorkflowTriggerIsNotEnabled", text, sentence)
        }
        "bad_signature" => unauthorized(sentence),
        "deleted" => not_found(sentence),
        "gone" => answer(410, "Connector configuration not found", sentence),
        "refused_card" => {
            let text =
                "The input body for trigger 'manual' of type 'Request' did not match its schema definition.";
            error(400, "TriggerInputSchemaMismatch", text, sentence)
        }
        "too_large" => answer(413, "Request Entity Too Large", sentence),
        "bad_gateway" => {
            let text = "The server did not receive a response from an upstream server.";
            error(502, "NoResponse", text, sentence)
        }
        "sign_in" => page(200, "Sign in to your account", sentence),
        _ => page(503, "Service unavailable", sentence),
    }
}

/// What Power Automate refuses before the workflow runs.
fn refusal(request: &FakeRequest<'_>) -> Option<FakeAnswer> {
    let url = Url::parse("http://fake").ok()?.join(request.target).ok();
    let is_path = url.as_ref().is_some_and(|url| url.path() == PATH);
    if !is_path {
        return Some(not_found("refused: no workflow has this address".into()));
    }
    let mut pairs = url.iter().flat_map(Url::query_pairs);
    if !pairs.any(|(name, value)| name == "sig" && value == SIGNATURE) {
        return Some(unauthorized("refused: the signature in the URL is wrong".into()));
    }
    (request.method != Method::POST).then(|| {
        let text = "The workflow trigger does not permit this HTTP method.";
        error(405, "MethodNotAllowed", text, "refused: not a POST".into())
    })
}

/// What the workflow finds wrong once it runs.
fn look_at(request: &FakeRequest<'_>) -> Result<(), String> {
    let content_type = request.headers.get(CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !content_type.starts_with("application/json") {
        return Err("the Content-Type is not application/json".into());
    }
    if request.body.len() > MAX_MESSAGE_BYTES {
        return Err(format!("the message has more than {MAX_MESSAGE_BYTES} bytes"));
    }
    let message: Value =
        serde_json::from_slice(request.body).map_err(|error| format!("the body is not JSON: {error}"))?;
    if message.get("type").and_then(Value::as_str) != Some("message") {
        return Err("`type` is not `message`".into());
    }
    let attachments = message.get("attachments").and_then(Value::as_array);
    let attachments = attachments.filter(|attachments| !attachments.is_empty());
    for attachment in attachments.ok_or("`attachments` is missing: the workflow has nothing to loop over")? {
        let kind = attachment.get("contentType").and_then(Value::as_str);
        if kind != Some("application/vnd.microsoft.card.adaptive") {
            return Err("an attachment is no Adaptive Card".into());
        }
        card::check(attachment.get("content").unwrap_or(&Value::Null))?;
    }
    Ok(())
}

fn unauthorized(sentence: String) -> FakeAnswer {
    let text = "The request to the HTTP trigger requires a valid SAS or direct API authorization.";
    error(401, "DirectApiAuthorizationRequired", text, sentence)
}

fn not_found(sentence: String) -> FakeAnswer {
    error(
        404,
        "WorkflowNotFound",
        "The requested workflow could not be found.",
        sentence,
    )
}

fn error(status: u16, code: &str, message: &str, sentence: String) -> FakeAnswer {
    let body = json!({ "error": { "code": code, "message": message } });
    FakeAnswer {
        headers: vec![("content-type", "application/json; charset=utf-8".into())],
        ..answer(status, &body.to_string(), sentence)
    }
}

fn page(status: u16, title: &str, sentence: String) -> FakeAnswer {
    FakeAnswer {
        headers: vec![("content-type", "text/html".into())],
        ..answer(
            status,
            &format!("<!DOCTYPE html><html><title>{title}</title></html>"),
            sentence,
        )
    }
}

fn answer(status: u16, body: &str, sentence: String) -> FakeAnswer {
    FakeAnswer {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
        sentence,
        shown: None,
        is_lost: false,
        calls: Vec::new(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::teams::{PLAIN, Teams};
    use bytes::Bytes;
    use destination::Adapter;
    use destination::sample::Sample;
    use destination::task::Classification;
    use http::{HeaderMap, HeaderValue};
    use model::attempt::{Disposition, Outcome};
    use model::event::EventName;
    use model::exchange::{Exchange, PhaseTimings, Response};
    use model::patch::Patch;
    use model::time::Timestamp;
    use model::webhook::WebhookKind;

    /// A task for the fake.
    pub(crate) fn sample(event: EventName) -> Sample {
        let url = FakeTeams::default().url("http://127.0.0.1:9").parse().unwrap();
        Sample::new(
            WebhookKind::of("teams"),
            url,
            event,
            Timestamp::from_millis(1_705_314_600_000),
        )
    }

    /// An answer as an exchange.
    pub(crate) fn exchange(status: u16, headers: &[(&'static str, String)], body: &str) -> Exchange {
        let pairs = headers.iter().map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        let response = Response {
            status,
            headers: pairs.collect(),
            body: Bytes::from(body.to_owned()),
            body_is_truncated: false,
        };
        Exchange {
            notice: None,
            timings: PhaseTimings::default(),
            remote_address: None,
            result: Ok(response),
        }
    }

    /// What a fresh fake answers to a task.
    pub(crate) fn post(sample: &Sample) -> FakeAnswer {
        send(&mut FakeTeams::default(), sample)
    }

    fn send(fake: &mut FakeTeams, sample: &Sample) -> FakeAnswer {
        let rendered = Teams.step(&sample.task()).request().unwrap();
        let target = &rendered.url[url::Position::BeforePath..];
        fake.answer(&FakeRequest {
            method: &rendered.method,
            target,
            headers: &rendered.headers,
            body: &rendered.body,
            now: sample.now,
        })
    }

    fn judge(sample: &Sample, answer: &FakeAnswer) -> Classification {
        let exchange = exchange(answer.status, &answer.headers, &answer.body);
        Teams.classify(&sample.task(), &exchange, sample.now)
    }

    fn raw(target: &str, body: &str) -> FakeAnswer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        FakeTeams::default().answer(&FakeRequest {
            method: &Method::POST,
            target,
            headers: &headers,
            body: body.as_bytes(),
            now: Timestamp::EPOCH,
        })
    }

    fn target() -> String {
        FakeTeams::default().url("")
    }

    #[test]
    fn every_event_of_an_incident_is_a_card_of_its_own() {
        let mut fake = FakeTeams::default();
        let outcomes = EventName::ALL.map(|event| {
            let sample = sample(event);
            let answer = send(&mut fake, &sample);
            judge(&sample, &answer).outcome
        });
        assert_eq!(outcomes, [const { Outcome::Accepted }; 5]);
        assert_eq!(fake.messages().len(), 5);
    }

    #[test]
    fn every_fault_is_understood() {
        let sample = sample(EventName::Triggered);
        let remedies: Vec<_> = FAULTS
            .iter()
            .map(|fault| {
                let mut fake = FakeTeams::default();
                assert!(fake.fail_next(fault.name));
                let judgement = judge(&sample, &send(&mut fake, &sample));
                (fault.name, judgement.outcome.failure().unwrap().disposition)
            })
            .collect();
        let expected = [
            ("rate_limit", Disposition::RateLimited),
            ("rate_limit_in_body", Disposition::RateLimited),
            ("turned_off", Disposition::NeedsOperator),
            ("bad_signature", Disposition::NeedsOperator),
            ("deleted", Disposition::NeedsOperator),
            ("gone", Disposition::NeedsOperator),
            ("refused_card", Disposition::Immediate),
            ("too_large", Disposition::Immediate),
            ("bad_gateway", Disposition::Backoff),
            ("html", Disposition::Backoff),
            ("sign_in", Disposition::Backoff),
        ];
        assert_eq!(remedies, expected);
    }

    #[test]
    fn a_fault_meets_one_request_and_an_unknown_one_is_refused() {
        let mut fake = FakeTeams::default();
        assert!(!fake.fail_next("no_such_fault"));
        assert!(fake.fail_next("html"));
        let sample = sample(EventName::Triggered);
        assert_eq!(send(&mut fake, &sample).status, 503);
        assert_eq!(send(&mut fake, &sample).status, 202);
    }

    #[test]
    fn after_a_refused_card_a_plain_one_is_posted() {
        let mut fake = FakeTeams::default();
        let mut sample = sample(EventName::Triggered);
        fake.fail_next("refused_card");
        let answer = send(&mut fake, &sample);
        assert_eq!(judge(&sample, &answer).continuation, Patch::Set(PLAIN.into()));
        sample.progress = Some(PLAIN.into());
        let answer = send(&mut fake, &sample);
        assert_eq!(judge(&sample, &answer).outcome, Outcome::Accepted);
        assert_eq!(answer.sentence, "posted card 1");
    }

    #[test]
    fn a_body_without_attachments_is_queued_and_lost() {
        let answer = raw(&target(), r#"{"type":"message","text":"hello"}"#);
        assert_eq!((answer.status, answer.shown), (202, None));
        assert!(
            answer.sentence.contains("nothing to loop over"),
            "{}",
            answer.sentence
        );
    }

    #[test]
    fn a_message_beyond_the_limit_is_queued_and_lost() {
        let filler = "x".repeat(MAX_MESSAGE_BYTES);
        let answer = raw(&target(), &format!(r#"{{"type":"message","text":"{filler}"}}"#));
        assert!(answer.sentence.contains("more than"), "{}", answer.sentence);
    }

    #[test]
    fn who_does_not_know_the_url_is_refused() {
        assert_eq!(raw("/elsewhere", "{}").status, 404);
        assert_eq!(raw(&format!("{PATH}?sig=guess"), "{}").status, 401);
    }

    #[test]
    fn only_the_newest_messages_are_kept() {
        let mut fake = FakeTeams::default();
        let sample = sample(EventName::Triggered);
        (0..=MAX_FAKE_MESSAGES).for_each(|_| {
            send(&mut fake, &sample);
        });
        assert_eq!(fake.messages().len(), MAX_FAKE_MESSAGES);
    }
}
