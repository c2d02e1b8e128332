//! A space of Google Chat with one incoming webhook, played. Method, query, threads, request ids and errors are those of
//! `spaces.messages.create` in the Chat API's reference and discovery document; the texts about keys and tokens are what
//! Google answers to webhooks; [`message`] holds the schema.

mod message;

use std::collections::VecDeque;

use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::adapters::fake::{Fake, FakeAnswer, FakeFault, FakeRequest, MAX_FAKE_MESSAGES};
use crate::adapters::google_chat::show::show;
use crate::adapters::shown::Shown;

const PATH: &str = "/v1/spaces/AAQAfakeSpace/messages";
const KEY: &str = "made-up-key-of-the-fake";
const TOKEN: &str = "made-up-token-of-the-fake";

const FAULTS: &[FakeFault] = &[
    FakeFault {
        name: "rate_limit",
        meaning: "429 RESOURCE_EXHAUSTED, no delay told",
    },
    FakeFault {
        name: "rate_limit_told",
        meaning: "429 RESOURCE_EXHAUSTED with Retry-After: 3",
    },
    FakeFault {
        name: "bad_key",
        meaning: "400 API_KEY_INVALID",
    },
    FakeFault {
        name: "unauthenticated",
        meaning: "401 UNAUTHENTICATED",
    },
    FakeFault {
        name: "bad_token",
        meaning: "403 PERMISSION_DENIED",
    },
    FakeFault {
        name: "no_space",
        meaning: "404 NOT_FOUND",
    },
    FakeFault {
        name: "refused_message",
        meaning: "400 INVALID_ARGUMENT",
    },
    FakeFault {
        name: "refused_request_id",
        meaning: "400 INVALID_ARGUMENT about requestId",
    },
    FakeFault {
        name: "internal",
        meaning: "500 INTERNAL",
    },
    FakeFault {
        name: "unavailable",
        meaning: "503 UNAVAILABLE",
    },
    FakeFault {
        name: "html",
        meaning: "502 with a web page",
    },
    FakeFault {
        name: "sign_in",
        meaning: "200 with a web page",
    },
];

/// The space and its messages.
#[derive(Debug, Default)]
pub(super) struct FakeGoogleChat {
    messages: VecDeque<Posted>,
    posted: u64,
    fault: Option<&'static str>,
}

/// One message that was posted.
#[derive(Debug)]
struct Posted {
    shown: Shown,
    /// The number of its thread.
    thread: u64,
    thread_key: Option<String>,
    request_id: Option<String>,
    /// What was answered.
    echo: String,
}

/// The query of a request.
#[derive(Debug, Default)]
struct Query {
    key: Option<String>,
    token: Option<String>,
    request_id: Option<String>,
    reply_option: Option<String>,
}

impl Fake for FakeGoogleChat {
    fn answer(&mut self, request: &FakeRequest<'_>) -> FakeAnswer {
        match self.fault.take() {
            Some(fault) => fail(fault),
            None => self.create(request).unwrap_or_else(|refusal| *refusal),
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
        self.messages.iter().map(|posted| posted.shown.clone()).collect()
    }

    fn url(&self, address: &str) -> String {
        format!("{address}{PATH}?key={KEY}&token={TOKEN}")
    }
}

impl FakeGoogleChat {
    /// `spaces.messages.create`.
    fn create(&mut self, request: &FakeRequest<'_>) -> Result<FakeAnswer, Box<FakeAnswer>> {
        let query = admit(request)?;
        let message = message::read(request.body).map_err(|why| invalid(&why))?;
        let again = |posted: &&Posted| query.request_id.is_some() && posted.request_id == query.request_id;
        if let Some(posted) = self.messages.iter().find(again) {
            return Ok(answer(200, posted.echo.clone(), "the same request again: nothing new was posted".into()));
        }
        let key = message.pointer("/thread/threadKey").and_then(Value::as_str).map(str::to_owned);
        let thread = self.thread(key.as_deref(), query.reply_option.as_deref())?;
        let shown = show(request.body).ok_or_else(|| invalid("Message cannot be empty."))?;
        self.posted += 1;
        let is_reply = thread.is_some();
        let thread = thread.unwrap_or(self.posted);
        let echo = echo(message, self.posted, thread);
        let sentence = match is_reply {
            true => format!("posted message {} in thread {thread}", self.posted),
            false => format!("posted message {}, which opens a thread", self.posted),
        };
        self.messages.push_back(Posted {
            shown: shown.clone(),
            thread,
            thread_key: key.filter(|_| query.reply_option.is_some()),
            request_id: query.request_id,
            echo: echo.clone(),
        });
        let surplus = self.messages.len().saturating_sub(MAX_FAKE_MESSAGES);
        self.messages.drain(..surplus);
        Ok(FakeAnswer {
            shown: Some(shown),
            ..answer(200, echo, sentence)
        })
    }

    /// The thread that a message answers in; nothing if it opens one. Without an option Google ignores the key.
    fn thread(&self, key: Option<&str>, option: Option<&str>) -> Result<Option<u64>, Box<FakeAnswer>> {
        let has_key = |posted: &&Posted| key.is_some() && posted.thread_key.as_deref() == key;
        let found = self.messages.iter().find(has_key).map(|posted| posted.thread);
        match option {
            None | Some("MESSAGE_REPLY_OPTION_UNSPECIFIED") => Ok(None),
            Some("REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD") => Ok(found),
            Some("REPLY_MESSAGE_OR_FAIL") => {
                let sentence = "refused: there is no such thread".into();
                let refusal = error(404, "NOT_FOUND", "Thread not found.", sentence);
                found.map(Some).ok_or_else(|| refusal.into())
            }
            Some(other) => Err(invalid(&format!("Invalid value at 'message_reply_option': \"{other}\""))),
        }
    }
}

/// Refuses what does not come from the webhook, and reads its query.
fn admit(request: &FakeRequest<'_>) -> Result<Query, Box<FakeAnswer>> {
    let not_found = || error(404, "NOT_FOUND", "Space not found.", "refused: no webhook has this address".into());
    let base = Url::parse("http://fake").map_err(|_| not_found())?;
    let url = base.join(request.target).map_err(|_| not_found())?;
    if url.path() != PATH || request.method != Method::POST {
        return Err(not_found().into());
    }
    let mut query = Query::default();
    for (name, value) in url.query_pairs() {
        let field = match name.as_ref() {
            "key" => &mut query.key,
            "token" => &mut query.token,
            "requestId" => &mut query.request_id,
            "messageReplyOption" => &mut query.reply_option,
            // Parameters of every method of Google's.
            "alt" if value == "json" => continue,
            "prettyPrint" | "quotaUser" | "fields" => continue,
            other => {
                let why = format!("Invalid JSON payload received. Unknown name \"{other}\": Cannot bind query parameter.");
                return Err(invalid(&why));
            }
        };
        *field = Some(value.into_owned());
    }
    if query.key.as_deref() != Some(KEY) {
        return Err(bad_key("refused: the key in the URL is wrong".into()).into());
    }
    if query.token.as_deref() != Some(TOKEN) {
        return Err(bad_token("refused: the token in the URL is wrong".into()).into());
    }
    let is_id = |id: &String| uuid::Uuid::try_parse(id).is_ok();
    if !query.request_id.as_ref().is_none_or(is_id) {
        return Err(invalid("Invalid value for request_id: not a UUID."));
    }
    Ok(query)
}

fn fail(fault: &'static str) -> FakeAnswer {
    let sentence = format!("failed on request: {fault}");
    let exhausted = "Resource has been exhausted (e.g. check quota).";
    match fault {
        "rate_limit" => error(429, "RESOURCE_EXHAUSTED", exhausted, sentence),
        "rate_limit_told" => {
            let mut answer = error(429, "RESOURCE_EXHAUSTED", exhausted, sentence);
            answer.headers.push(("retry-after", "3".into()));
            answer
        }
        "bad_key" => bad_key(sentence),
        "unauthenticated" => {
            let text = "Request is missing required authentication credential.";
            error(401, "UNAUTHENTICATED", text, sentence)
        }
        "bad_token" => bad_token(sentence),
        "no_space" => error(404, "NOT_FOUND", "Space not found.", sentence),
        "refused_message" => error(400, "INVALID_ARGUMENT", "Message contains an invalid card.", sentence),
        "refused_request_id" => error(400, "INVALID_ARGUMENT", "Invalid value for request_id.", sentence),
        "internal" => error(500, "INTERNAL", "Internal error encountered.", sentence),
        "unavailable" => error(503, "UNAVAILABLE", "The service is currently unavailable.", sentence),
        "sign_in" => page(200, "Sign in", sentence),
        _ => page(502, "Error 502 (Server Error)!!1", sentence),
    }
}

/// The message as the API gives it back.
fn echo(mut message: Value, number: u64, thread: u64) -> String {
    let space = "spaces/AAQAfakeSpace";
    message["name"] = format!("{space}/messages/{number}.{number}").into();
    message["thread"]["name"] = format!("{space}/threads/{thread}").into();
    message["space"] = json!({ "name": space });
    message.to_string()
}

fn bad_key(sentence: String) -> FakeAnswer {
    let details = json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }]);
    let message = "API key not valid. Please pass a valid API key.";
    let body = json!({
        "error": { "code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details },
    });
    answer(400, body.to_string(), sentence)
}

fn bad_token(sentence: String) -> FakeAnswer {
    error(403, "PERMISSION_DENIED", "The API is called without a valid token.", sentence)
}

fn invalid(why: &str) -> Box<FakeAnswer> {
    error(400, "INVALID_ARGUMENT", why, format!("refused: {why}")).into()
}

fn error(code: u16, status: &str, message: &str, sentence: String) -> FakeAnswer {
    let body = json!({ "error": { "code": code, "message": message, "status": status } });
    answer(code, body.to_string(), sentence)
}

fn page(status: u16, title: &str, sentence: String) -> FakeAnswer {
    FakeAnswer {
        headers: vec![("content-type", "text/html; charset=UTF-8".into())],
        ..answer(status, format!("<!DOCTYPE html><title>{title}</title>"), sentence)
    }
}

fn answer(status: u16, body: String, sentence: String) -> FakeAnswer {
    FakeAnswer {
        status,
        headers: vec![("content-type", "application/json; charset=UTF-8".into())],
        body,
        sentence,
        shown: None,
        is_lost: false,
        calls: Vec::new(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::adapters::Adapter;
    use crate::adapters::google_chat::{GoogleChat, PLAIN, UNNAMED};
    use crate::adapters::sample::Sample;
    use crate::adapters::task::{Judgement, Keeping};
    use crate::model::attempt::{Outcome, Remedy};
    use crate::model::event::EventName;
    use crate::model::exchange::{Exchange, PhaseTimings, Response};
    use crate::model::time::Timestamp;
    use crate::model::webhook::WebhookKind;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue};

    /// A task for the fake.
    pub(crate) fn sample(event: EventName) -> Sample {
        let url = FakeGoogleChat::default().url("http://127.0.0.1:9").parse().unwrap();
        let at = Timestamp::from_millis(1_705_314_600_000);
        Sample::new(WebhookKind::of("google_chat"), url, event, at)
    }

    /// An answer as an exchange.
    pub(crate) fn exchange(status: u16, headers: &[(&'static str, String)], body: &str) -> Exchange {
        let pairs = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
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
        send(&mut FakeGoogleChat::default(), sample)
    }

    fn send(fake: &mut FakeGoogleChat, sample: &Sample) -> FakeAnswer {
        let rendered = GoogleChat.step(&sample.task()).request().unwrap();
        fake.answer(&FakeRequest {
            method: &rendered.method,
            target: &rendered.url[url::Position::BeforePath..],
            headers: &rendered.headers,
            body: &rendered.body,
            now: sample.now,
        })
    }

    fn judge(sample: &Sample, answer: &FakeAnswer) -> Judgement {
        let exchange = exchange(answer.status, &answer.headers, &answer.body);
        GoogleChat.classify(&sample.task(), &exchange, sample.now)
    }

    fn raw(fake: &mut FakeGoogleChat, query: &str, body: &str) -> FakeAnswer {
        fake.answer(&FakeRequest {
            method: &Method::POST,
            target: &format!("{PATH}?{query}"),
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
            now: Timestamp::EPOCH,
        })
    }

    fn credentials() -> String {
        format!("key={KEY}&token={TOKEN}")
    }

    /// Samples of all events whose deliveries differ, as they do in life: by the time in their ids.
    fn samples() -> [Sample; 5] {
        let mut millis = 0;
        EventName::ALL.map(|event| {
            let mut sample = sample(event);
            millis += 1;
            let incident = sample.event.incident().unwrap();
            sample.event.at = Timestamp::from_millis(sample.event.at.as_millis() + millis);
            sample.about(|changed| *changed = incident)
        })
    }

    #[test]
    fn all_events_of_an_incident_stand_in_one_thread() {
        let mut fake = FakeGoogleChat::default();
        let outcomes = samples().map(|sample| {
            let answer = send(&mut fake, &sample);
            judge(&sample, &answer).outcome
        });
        assert_eq!(outcomes, [const { Outcome::Delivered }; 5]);
        let threads: Vec<_> = fake.messages.iter().map(|posted| posted.thread).collect();
        assert_eq!(threads, [1; 5]);
    }

    #[test]
    fn separate_messages_stand_in_threads_of_their_own() {
        let mut fake = FakeGoogleChat::default();
        let answers = samples().map(|sample| send(&mut fake, &sample.with_option("messages", "separate")));
        assert_eq!(answers.map(|answer| answer.status), [200; 5]);
        let threads: Vec<_> = fake.messages.iter().map(|posted| posted.thread).collect();
        assert_eq!(threads, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_repeat_after_a_lost_answer_posts_nothing_new() {
        let mut fake = FakeGoogleChat::default();
        let sample = sample(EventName::Triggered);
        let (first, second) = (send(&mut fake, &sample), send(&mut fake, &sample));
        assert_eq!((first.body == second.body, fake.messages().len()), (true, 1));
        assert_eq!(judge(&sample, &second).outcome, Outcome::Delivered);
    }

    #[test]
    fn every_fault_is_understood() {
        let sample = sample(EventName::Triggered);
        let remedies: Vec<_> = FAULTS
            .iter()
            .map(|fault| {
                let mut fake = FakeGoogleChat::default();
                assert!(fake.fail_next(fault.name));
                let judgement = judge(&sample, &send(&mut fake, &sample));
                (fault.name, judgement.outcome.failure().unwrap().remedy)
            })
            .collect();
        let expected = [
            ("rate_limit", Remedy::Wait),
            ("rate_limit_told", Remedy::Wait),
            ("bad_key", Remedy::Person),
            ("unauthenticated", Remedy::Person),
            ("bad_token", Remedy::Person),
            ("no_space", Remedy::Person),
            ("refused_message", Remedy::AtOnce),
            ("refused_request_id", Remedy::AtOnce),
            ("internal", Remedy::Schedule),
            ("unavailable", Remedy::Schedule),
            ("html", Remedy::Schedule),
            ("sign_in", Remedy::Schedule),
        ];
        assert_eq!(remedies, expected);
    }

    #[test]
    fn a_refused_message_is_followed_by_text_in_the_same_thread() {
        let mut fake = FakeGoogleChat::default();
        let [mut first, second, ..] = samples();
        fake.fail_next("refused_message");
        let answer = send(&mut fake, &first);
        assert_eq!(judge(&first, &answer).progress, Keeping::Becomes(PLAIN.into()));
        first.progress = Some(PLAIN.into());
        assert_eq!(send(&mut fake, &first).status, 200);
        assert_eq!(send(&mut fake, &second).sentence, "posted message 2 in thread 1");
    }

    #[test]
    fn a_refused_request_id_is_left_out() {
        let mut fake = FakeGoogleChat::default();
        let mut sample = sample(EventName::Triggered);
        fake.fail_next("refused_request_id");
        let answer = send(&mut fake, &sample);
        assert_eq!(judge(&sample, &answer).progress, Keeping::Becomes(UNNAMED.into()));
        sample.progress = Some(UNNAMED.into());
        assert_eq!(send(&mut fake, &sample).status, 200);
        assert_eq!(fake.messages[0].request_id, None);
    }

    #[test]
    fn who_does_not_know_key_and_token_is_refused() {
        let mut fake = FakeGoogleChat::default();
        let body = r#"{"text":"hello"}"#;
        assert_eq!(raw(&mut fake, "key=guess", body).status, 400);
        assert_eq!(raw(&mut fake, &format!("key={KEY}&token=guess"), body).status, 403);
        assert_eq!(raw(&mut fake, &credentials(), body).status, 200);
    }

    #[test]
    fn a_query_that_google_does_not_know_is_refused() {
        let mut fake = FakeGoogleChat::default();
        let body = r#"{"text":"hello"}"#;
        let statuses = ["requestId=1", "messageReplyOption=REPLY", "colour=red", "alt=odd", "alt=json"].map(|extra| {
            raw(&mut fake, &format!("{}&{extra}", credentials()), body).status
        });
        assert_eq!(statuses, [400, 400, 400, 400, 200]);
    }

    #[test]
    fn without_an_option_the_key_of_a_thread_is_ignored_and_one_that_must_exist_may_be_missed() {
        let mut fake = FakeGoogleChat::default();
        let body = r#"{"text":"hello","thread":{"threadKey":"inc_1"}}"#;
        let sentence = raw(&mut fake, &credentials(), body).sentence;
        assert_eq!(sentence, "posted message 1, which opens a thread");
        let or_fail = format!("{}&messageReplyOption=REPLY_MESSAGE_OR_FAIL", credentials());
        assert_eq!(raw(&mut fake, &or_fail, body).status, 404);
    }
}
