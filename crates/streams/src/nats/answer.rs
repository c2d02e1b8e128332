//! What a stream's word means: `{"stream", "seq", "duplicate"?}`, or `{"error": {"code", "err_code", "description"}}`, or what the
//! server says itself.

use serde_json::Value;

use crate::broker;
use destination::task::Classification;
use model::attempt::{Failure, Outcome};
use model::exchange::{Exchange, FailureCode};
use model::time::Timestamp;

const NAME: &str = "NATS";
/// JetStream's code of a stream that is not the one that must take the message.
const OTHER_STREAM: u64 = 10_060;
/// Its codes of a message that no stream takes as it is: too large, or a subject that it does not want any more.
const REFUSED: [u64; 2] = [10_054, 10_050];

/// Judges what became of a message.
pub(super) fn classify(exchange: &Exchange, now: Timestamp) -> Classification {
    let Ok(response) = &exchange.result else {
        return broker::unanswered(exchange, now);
    };
    let json = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
    let code = json
        .get("error")
        .and_then(|error| error.get("err_code")?.as_u64());
    match (response.status, code) {
        (200, None) => taken(&json),
        (401, None) => broker::settings(NAME, "check how this webhook signs in", response),
        (403, None) => {
            let remedy = "let its user publish on the subject and subscribe to _INBOX.opsknight.>";
            broker::settings(NAME, remedy, response)
        }
        (413, None) => broker::message(NAME, response),
        (_, Some(OTHER_STREAM)) => broker::settings(NAME, "another stream takes this subject", response),
        (_, Some(code)) if REFUSED.contains(&code) => broker::message(NAME, response),
        (503, None) if broker::is_about_message(response) => {
            let what =
                "has no stream that takes this subject now: check the subject, and whether JetStream is up";
            broker::later(NAME, what, response)
        }
        _ => broker::later(NAME, "does not take the message now", response),
    }
}

fn taken(json: &Value) -> Classification {
    let stream = json.get("stream").and_then(Value::as_str);
    let sequence = json.get("seq").and_then(Value::as_u64);
    let Some((stream, sequence)) = stream.zip(sequence) else {
        let detail = "somebody answered on the subject, and not as a stream does";
        return Failure::new(FailureCode::ResponseInvalid, detail).into();
    };
    let repeat = match json.get("duplicate").and_then(Value::as_bool) {
        Some(true) => ", which had it already",
        _ => "",
    };
    Classification::from(Outcome::Delivered).noted(format!("message {sequence} of stream {stream}{repeat}"))
}
