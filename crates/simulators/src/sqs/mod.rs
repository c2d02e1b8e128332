//! Amazon SQS, simulated: SendMessage by the JSON protocol. Any path of two parts is a queue; one that ends with `.fifo` wants a
//! group, and takes a message once in five minutes.

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::aws::{Refusal, check_signature};
use crate::message::Message;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};
use model::time::Timestamp;
use url::Url;

/// How long a message with the same deduplication id is the same one, in milliseconds.
const DEDUPLICATION_MILLIS: i64 = 5 * 60 * 1000;
const MAX_BODY_BYTES: usize = 1024 * 1024;
const MAX_ATTRIBUTES: usize = 10;
const MAX_ID_BYTES: usize = 128;

const FAULTS: [Fault; 11] = [
    fault("throttled", "400 RequestThrottled"),
    fault("access_denied", "403 AccessDeniedException"),
    fault("unknown_key", "403 InvalidClientTokenId"),
    fault("bad_signature", "403 SignatureDoesNotMatch"),
    fault("no_queue", "400 QueueDoesNotExist"),
    fault("key_disabled", "400 KmsDisabled"),
    fault("invalid_contents", "400 InvalidMessageContents"),
    fault("lost", "the message is taken, and the answer never arrives"),
    fault("internal", "500 InternalFailure"),
    fault("html", "502 with a web page"),
    fault("sign_in", "200 with a web page"),
];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// All queues in memory.
#[derive(Default)]
pub struct Sqs {
    messages: Vec<Queued>,
    sent: u64,
    next_fault: Option<&'static str>,
}

struct Queued {
    queue: String,
    deduplication_id: Option<String>,
    at: Timestamp,
    id: String,
    message: Message,
}

impl Simulator for Sqs {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        match self.next_fault.take() {
            Some("lost") => Response {
                is_lost: true,
                ..self.send(request).unwrap_or_else(refuse)
            },
            Some(fault) => fail(fault),
            None => self.send(request).unwrap_or_else(refuse),
        }
    }

    fn faults(&self) -> &'static [Fault] {
        &FAULTS
    }

    fn fail_next(&mut self, fault: &str) -> bool {
        let known = FAULTS.iter().find(|known| known.name == fault);
        self.next_fault = known.map(|known| known.name);
        known.is_some()
    }

    fn messages(&self) -> Vec<Message> {
        self.messages
            .iter()
            .map(|queued| queued.message.clone())
            .collect()
    }

    fn url(&self, address: &str) -> String {
        format!("{address}/123456789012/incidents.fifo")
    }
}

impl Sqs {
    fn send(&mut self, request: &Request<'_>) -> Result<Response, Refusal> {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        if request.method != Method::POST || request.target != "/" {
            return Err((404, "UnknownOperationException", ""));
        }
        if header(CONTENT_TYPE.as_str()) != Some("application/x-amz-json-1.0") {
            return Err((400, "SerializationException", ""));
        }
        if header("x-amz-target") != Some("AmazonSQS.SendMessage") {
            return Err((400, "UnknownOperationException", ""));
        }
        check_signature(request, "sqs")?;
        let asked = serde_json::from_slice(request.body).map_err(|_| (400, "SerializationException", ""))?;
        let checked = check(&asked)?;
        let is_same = |known: &&Queued| {
            checked.deduplication_id.is_some()
                && known.queue == checked.queue
                && known.deduplication_id.as_deref() == checked.deduplication_id
                && request.now.as_millis() - known.at.as_millis() < DEDUPLICATION_MILLIS
        };
        if let Some(known) = self.messages.iter().find(is_same) {
            return Ok(taken(&known.id, "took a message that it had"));
        }
        self.sent += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.sent);
        let mut message = Message::default();
        message.add(checked.body);
        checked
            .group
            .into_iter()
            .for_each(|group| message.add_fact("Group", group));
        self.messages.push(Queued {
            queue: checked.queue,
            deduplication_id: checked.deduplication_id.map(str::to_owned),
            at: request.now,
            id: id.clone(),
            message: message.clone(),
        });
        let surplus = self.messages.len().saturating_sub(MAX_MESSAGES);
        self.messages.drain(..surplus);
        Ok(Response {
            message: Some(message),
            ..taken(&id, "took a message")
        })
    }
}

fn taken(id: &str, sentence: &str) -> Response {
    let answer = json!({"MessageId": id, "MD5OfMessageBody": "not made here"});
    Response::json(200, &answer, sentence)
}

/// A message that may be sent.
struct Checked<'a> {
    queue: String,
    body: &'a str,
    group: Option<&'a str>,
    deduplication_id: Option<&'a str>,
}

fn check(asked: &Value) -> Result<Checked<'_>, Refusal> {
    const NO_QUEUE: Refusal = (400, "QueueDoesNotExist", "The specified queue does not exist.");
    let text = |name: &str| asked.get(name).and_then(Value::as_str);
    let url = text("QueueUrl")
        .and_then(|url| Url::parse(url).ok())
        .ok_or(NO_QUEUE)?;
    let parts: Vec<_> = url.path_segments().into_iter().flatten().collect();
    let [_account, queue] = parts[..] else {
        return Err(NO_QUEUE);
    };
    let body = text("MessageBody").unwrap_or_default();
    if body.is_empty() || body.len() > MAX_BODY_BYTES {
        return Err((
            400,
            "InvalidParameterValue",
            "Message must be 1 to 1048576 bytes long.",
        ));
    }
    if body.chars().any(|character| !may_be_sent(character)) {
        return Err((400, "InvalidMessageContents", "Invalid characters found."));
    }
    let attributes = asked.get("MessageAttributes").and_then(Value::as_object);
    let is_attribute = |value: &Value| {
        value["DataType"] == "String" && value["StringValue"].as_str().is_some_and(|text| !text.is_empty())
    };
    if attributes.is_some_and(|all| all.len() > MAX_ATTRIBUTES || !all.values().all(is_attribute)) {
        return Err((400, "InvalidParameterValue", "The attributes are invalid."));
    }
    let (group, deduplication_id) = (text("MessageGroupId"), text("MessageDeduplicationId"));
    let is_fifo = queue.ends_with(".fifo");
    let are_ids = [group, deduplication_id].map(|id| id.is_some_and(is_id));
    if are_ids != [is_fifo; 2] || group.is_some() != is_fifo {
        let words = "MessageGroupId and MessageDeduplicationId go with FIFO queues.";
        return Err((400, "InvalidParameterValue", words));
    }
    Ok(Checked {
        queue: queue.to_owned(),
        body,
        group,
        deduplication_id,
    })
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The characters of XML 1.0, which SQS still goes by.
fn may_be_sent(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn refuse((status, error, words): Refusal) -> Response {
    let body = json!({"__type": format!("com.amazonaws.sqs#{error}"), "message": words});
    Response::json(status, &body, format!("refused with {status} {error}"))
}

fn fail(fault: &str) -> Response {
    match fault {
        "throttled" => refuse((400, "RequestThrottled", "Rate exceeded")),
        "access_denied" => refuse((
            403,
            "AccessDeniedException",
            "not authorized to perform: sqs:sendmessage",
        )),
        "unknown_key" => refuse((403, "InvalidClientTokenId", "The security token is invalid.")),
        "bad_signature" => refuse((403, "SignatureDoesNotMatch", "The signature does not match.")),
        "no_queue" => refuse((400, "QueueDoesNotExist", "The specified queue does not exist.")),
        "key_disabled" => refuse((400, "KmsDisabled", "The key is disabled.")),
        "invalid_contents" => refuse((400, "InvalidMessageContents", "Invalid characters found.")),
        "html" => Response::page(502, "Bad gateway", "answered with a web page".to_owned()),
        "sign_in" => Response::page(200, "Sign in", "answered with a page to sign in".to_owned()),
        _ => refuse((500, "InternalFailure", "The request processing has failed.")),
    }
}
