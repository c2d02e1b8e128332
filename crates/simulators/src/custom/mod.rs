//! A receiver that takes whatever fits its own content type: JSON that can be read, CloudEvents that keep their rules
//! ([`self::cloudevents`]), text that is UTF-8. It stands for no vendor.

pub(crate) mod cloudevents;

use http::Method;

use crate::custom::cloudevents::Mode;
use crate::message::Message;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};

const FAULTS: [Fault; 3] = [
    Fault {
        name: "slow_down",
        meaning: "429 with Retry-After: 5",
    },
    Fault {
        name: "unavailable",
        meaning: "503",
    },
    Fault {
        name: "gone",
        meaning: "410: it wants nothing any more",
    },
];

/// The receiver in memory.
#[derive(Default)]
pub struct Custom {
    messages: Vec<Message>,
    next_fault: Option<&'static str>,
}

impl Simulator for Custom {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        match self.next_fault.take() {
            Some("slow_down") => {
                return Response {
                    headers: vec![("retry-after", "5".into())],
                    ..answer(429, "asked to wait")
                };
            }
            Some("gone") => return answer(410, "said that it is gone"),
            Some(_) => return answer(503, "said that it is unavailable"),
            None => {}
        }
        match check(request) {
            Ok(sentence) => {
                let message = read(request.body);
                self.messages.extend(message.clone());
                if self.messages.len() > MAX_MESSAGES {
                    self.messages.remove(0);
                }
                Response {
                    message,
                    ..answer(200, sentence)
                }
            }
            Err(why) => answer(400, &why),
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
        self.messages.clone()
    }

    fn url(&self, address: &str) -> String {
        format!("{address}/hooks/made-up-key")
    }
}

/// The body as it may be read: JSON in lines, anything else as it is; nothing if it is empty.
fn read(body: &[u8]) -> Option<Message> {
    let text = std::str::from_utf8(body).ok().filter(|text| !text.is_empty())?;
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let pretty = json.and_then(|json| serde_json::to_string_pretty(&json).ok());
    let mut message = Message::default();
    message.add(pretty.as_deref().unwrap_or(text));
    Some(message)
}

/// What the request is, or why it is refused.
fn check(request: &Request<'_>) -> Result<&'static str, String> {
    if ![Method::POST, Method::PUT, Method::PATCH].contains(request.method) {
        return Err(format!("{} carries no event", request.method));
    }
    let content_type = request
        .headers
        .get("content-type")
        .and_then(|value| value.to_str().ok());
    let content_type = content_type.ok_or("the content type is missing")?;
    let mode = cloudevents::mode(request.headers, content_type);
    match mode {
        Some(Mode::Structured) => cloudevents::check_structured(content_type, request.body)?,
        Some(Mode::Binary) => cloudevents::check_binary(request.headers)?,
        None => {}
    }
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence.ends_with("/json") || essence.ends_with("+json") {
        let read: Result<serde_json::Value, _> = serde_json::from_slice(request.body);
        read.map_err(|error| format!("the body is no JSON: {error}"))?;
    }
    std::str::from_utf8(request.body).map_err(|_| "the body is no UTF-8")?;
    Ok(match mode {
        Some(Mode::Structured) => "took a CloudEvent (structured)",
        Some(Mode::Binary) => "took a CloudEvent (binary)",
        None => "took it",
    })
}

fn answer(status: u16, sentence: &str) -> Response {
    Response {
        status,
        headers: vec![("content-type", "text/plain; charset=utf-8".into())],
        body: sentence.to_owned(),
        sentence: sentence.to_owned(),
        ..Response::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};
    use model::time::Timestamp;

    fn ask(custom: &mut Custom, method: &Method, content_type: &'static str, body: &[u8]) -> u16 {
        let headers =
            HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let request = Request {
            method,
            target: "/hooks/made-up-key",
            headers: &headers,
            body,
            now: Timestamp::EPOCH,
        };
        custom.answer(&request).status
    }

    #[test]
    fn what_fits_its_content_type_is_taken() {
        let mut custom = Custom::default();
        assert_eq!(ask(&mut custom, &Method::PUT, "application/json", b"{}"), 200);
        assert_eq!(ask(&mut custom, &Method::POST, "text/plain", b"{"), 200);
        assert_eq!(ask(&mut custom, &Method::POST, "application/json", b"{"), 400);
        assert_eq!(ask(&mut custom, &Method::GET, "text/plain", b"x"), 400);
        assert_eq!(
            ask(&mut custom, &Method::POST, "application/cloudevents+json", b"{}"),
            400
        );
        assert_eq!(custom.messages().len(), 2);
    }

    #[test]
    fn faults_are_met_once() {
        let mut custom = Custom::default();
        assert!(custom.fail_next("gone") && !custom.fail_next("nonsense") && custom.fail_next("slow_down"));
        assert_eq!(ask(&mut custom, &Method::POST, "text/plain", b"x"), 429);
        assert_eq!(ask(&mut custom, &Method::POST, "text/plain", b"x"), 200);
    }
}
