//! A workflow of Microsoft Teams, simulated. The address, the codes of errors and the habit of answering 202 before the
//! card is looked at are Power Automate's ("When a Teams webhook request is received"); the envelope and the limit of
//! 28 KB are those of Microsoft's page on incoming webhooks and workflows; [`card`] holds the schema of Adaptive Cards.
//! A card that Teams could not show is queued like any other, as in reality: only the sentence tells that it was lost.

mod card;
mod message;

use std::collections::VecDeque;

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use url::Url;

use crate::message::Message;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};

/// Where the workflow listens.
const PATH: &str = "/powerautomate/automations/direct/workflows/0f1e2d3c4b5a69788796a5b4c3d2e1f0/triggers/manual/paths/invoke";
/// What proves that a caller knows the URL.
const SIGNATURE: &str = "made-up-signature-of-the-fake";
/// The largest message that Teams takes, in bytes.
const MAX_MESSAGE_BYTES: usize = 28 * 1024;

const FAULTS: &[Fault] = &[
    Fault {
        name: "rate_limit",
        meaning: "429 with Retry-After: 7",
    },
    Fault {
        name: "rate_limit_in_body",
        meaning: "200 with a connector's error text about 429",
    },
    Fault {
        name: "turned_off",
        meaning: "400 WorkflowTriggerIsNotEnabled",
    },
    Fault {
        name: "bad_signature",
        meaning: "401 DirectApiAuthorizationRequired",
    },
    Fault {
        name: "deleted",
        meaning: "404 WorkflowNotFound",
    },
    Fault {
        name: "gone",
        meaning: "410 as connectors answered",
    },
    Fault {
        name: "refused_card",
        meaning: "400 TriggerInputSchemaMismatch",
    },
    Fault {
        name: "too_large",
        meaning: "413",
    },
    Fault {
        name: "bad_gateway",
        meaning: "502 NoResponse",
    },
    Fault {
        name: "html",
        meaning: "503 with a web page",
    },
    Fault {
        name: "sign_in",
        meaning: "200 with a web page",
    },
];

/// The workflow and its channel.
#[derive(Debug, Default)]
pub struct Teams {
    messages: VecDeque<Message>,
    posted: u64,
    fault: Option<&'static str>,
}

impl Simulator for Teams {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        if let Some(fault) = self.fault.take() {
            return fail(fault);
        }
        if let Some(refusal) = refusal(request) {
            return refusal;
        }
        match look_at(request) {
            Ok(message) => {
                self.posted += 1;
                self.messages.push_back(message.clone());
                let surplus = self.messages.len().saturating_sub(MAX_MESSAGES);
                self.messages.drain(..surplus);
                Response {
                    message: Some(message),
                    ..answer(202, "", format!("posted card {}", self.posted))
                }
            }
            Err(why) => answer(
                202,
                "",
                format!("queued, but the workflow failed and posted nothing: {why}"),
            ),
        }
    }

    fn faults(&self) -> &'static [Fault] {
        FAULTS
    }

    fn fail_next(&mut self, fault: &str) -> bool {
        let known = FAULTS.iter().find(|known| known.name == fault);
        self.fault = known.map(|known| known.name).or(self.fault);
        known.is_some()
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.iter().cloned().collect()
    }

    fn url(&self, address: &str) -> String {
        format!("{address}{PATH}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SIGNATURE}")
    }
}

fn fail(fault: &'static str) -> Response {
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
fn refusal(request: &Request<'_>) -> Option<Response> {
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

/// What the workflow posts once it runs, or finds wrong.
fn look_at(request: &Request<'_>) -> Result<Message, String> {
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
    let body: Value =
        serde_json::from_slice(request.body).map_err(|error| format!("the body is not JSON: {error}"))?;
    if body.get("type").and_then(Value::as_str) != Some("message") {
        return Err("`type` is not `message`".into());
    }
    let attachments = body.get("attachments").and_then(Value::as_array);
    let attachments = attachments.filter(|attachments| !attachments.is_empty());
    let attachments = attachments.ok_or("`attachments` is missing: the workflow has nothing to loop over")?;
    for attachment in attachments {
        let kind = attachment.get("contentType").and_then(Value::as_str);
        if kind != Some("application/vnd.microsoft.card.adaptive") {
            return Err("an attachment is no Adaptive Card".into());
        }
        card::check(attachment.get("content").unwrap_or(&Value::Null))?;
    }
    let first = attachments
        .first()
        .and_then(|attachment| attachment.get("content"));
    Ok(message::read(first.unwrap_or(&Value::Null)))
}

fn unauthorized(sentence: String) -> Response {
    let text = "The request to the HTTP trigger requires a valid SAS or direct API authorization.";
    error(401, "DirectApiAuthorizationRequired", text, sentence)
}

fn not_found(sentence: String) -> Response {
    error(
        404,
        "WorkflowNotFound",
        "The requested workflow could not be found.",
        sentence,
    )
}

fn error(status: u16, code: &str, message: &str, sentence: String) -> Response {
    let body = json!({ "error": { "code": code, "message": message } });
    Response {
        headers: vec![("content-type", "application/json; charset=utf-8".into())],
        ..answer(status, &body.to_string(), sentence)
    }
}

fn page(status: u16, title: &str, sentence: String) -> Response {
    Response {
        headers: vec![("content-type", "text/html".into())],
        ..answer(
            status,
            &format!("<!DOCTYPE html><html><title>{title}</title></html>"),
            sentence,
        )
    }
}

fn answer(status: u16, body: &str, sentence: String) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
        sentence,
        ..Response::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};
    use model::time::Timestamp;

    fn ask(teams: &mut Teams, target: &str, body: &str) -> Response {
        let json = HeaderValue::from_static("application/json");
        teams.answer(&Request {
            method: &Method::POST,
            target,
            headers: &HeaderMap::from_iter([(CONTENT_TYPE, json)]),
            body: body.as_bytes(),
            now: Timestamp::EPOCH,
        })
    }

    fn post(teams: &mut Teams, body: &str) -> Response {
        let target = teams.url("");
        ask(teams, &target, body)
    }

    fn card() -> String {
        let card = json!({ "type": "AdaptiveCard", "version": "1.4", "body": [{ "type": "TextBlock", "text": "hello" }] });
        let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "content": card });
        json!({ "type": "message", "attachments": [attachment] }).to_string()
    }

    #[test]
    fn a_fault_meets_one_request_and_an_unknown_one_is_refused() {
        let mut teams = Teams::default();
        assert!(!teams.fail_next("no_such_fault"));
        assert!(teams.fail_next("html"));
        assert_eq!(post(&mut teams, &card()).status, 503);
        assert_eq!(post(&mut teams, &card()).status, 202);
    }

    #[test]
    fn a_body_without_attachments_is_queued_and_lost() {
        let answer = post(&mut Teams::default(), r#"{"type":"message","text":"hello"}"#);
        assert_eq!((answer.status, answer.message), (202, None));
        assert!(
            answer.sentence.contains("nothing to loop over"),
            "{}",
            answer.sentence
        );
    }

    #[test]
    fn a_message_beyond_the_limit_is_queued_and_lost() {
        let filler = "x".repeat(MAX_MESSAGE_BYTES);
        let body = format!(r#"{{"type":"message","text":"{filler}"}}"#);
        let answer = post(&mut Teams::default(), &body);
        assert!(answer.sentence.contains("more than"), "{}", answer.sentence);
    }

    #[test]
    fn who_does_not_know_the_url_is_refused() {
        let mut teams = Teams::default();
        assert_eq!(ask(&mut teams, "/elsewhere", "{}").status, 404);
        assert_eq!(ask(&mut teams, &format!("{PATH}?sig=guess"), "{}").status, 401);
    }

    #[test]
    fn only_the_newest_messages_are_kept() {
        let mut teams = Teams::default();
        (0..=MAX_MESSAGES).for_each(|_| drop(post(&mut teams, &card())));
        assert_eq!(teams.messages().len(), MAX_MESSAGES);
    }
}
