//! SQS's words: `{"MessageId", "MD5OfMessageBody"}`, or `{"__type": "…#QueueDoesNotExist", "message"}`.

use serde_json::Value;

use destination::status;
use destination::task::Classification;
use destination::text::quote;
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::time::Timestamp;

/// Errors of too many requests.
const SLOW_DOWN: [&str; 4] = [
    "RequestThrottled",
    "ThrottlingException",
    "Throttling",
    "KmsThrottled",
];

/// Errors that no other message could avoid, and what to do about them.
const SETTINGS: [(&str, &str); 16] = [
    ("QueueDoesNotExist", "check the queue's URL and the region"),
    (
        "AWS.SimpleQueueService.NonExistentQueue",
        "check the queue's URL and the region",
    ),
    ("InvalidAddress", "check the queue's URL"),
    (
        "AccessDenied",
        "give the key's user sqs:SendMessage on this queue",
    ),
    (
        "AccessDeniedException",
        "give the key's user sqs:SendMessage on this queue",
    ),
    ("InvalidClientTokenId", "check the access key's ID"),
    ("UnrecognizedClientException", "check the access key's ID"),
    ("InvalidAccessKeyId", "check the access key's ID"),
    (
        "SignatureDoesNotMatch",
        "check the secret access key and the region",
    ),
    ("IncompleteSignature", "check the access key and the region"),
    (
        "InvalidSignatureException",
        "check the secret access key, the region and this server's clock",
    ),
    ("MissingAuthenticationToken", "check the access key"),
    (
        "KmsAccessDenied",
        "allow the key's user to use the queue's KMS key",
    ),
    ("KmsDisabled", "enable the queue's KMS key"),
    ("KmsNotFound", "give the queue a KMS key that exists"),
    (
        "UnsupportedOperation",
        "give the URL of a queue that takes messages",
    ),
];

/// Errors of this very message.
const MESSAGE: [&str; 3] = [
    "InvalidMessageContents",
    "InvalidParameterValue",
    "InvalidAttributeValue",
];

/// What an answer means.
pub(super) fn classify(exchange: &Exchange, now: Timestamp) -> Classification {
    let Ok(response) = &exchange.result else {
        return status::classify(exchange, now).into();
    };
    let json = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
    if response.status == 200 {
        return taken(&json);
    }
    let Some(error) = error_name(&json) else {
        return status::foreign(exchange, "SQS", now).into();
    };
    failure(error, response, &json)
        .map(Classification::from)
        .unwrap_or_else(|| status::foreign(exchange, "SQS", now).into())
}

fn taken(json: &Value) -> Classification {
    if json.get("MessageId").is_some_and(Value::is_string) {
        return Outcome::Delivered.into();
    }
    let detail = "the address answered 200, and not as SQS does";
    Failure::new(FailureCode::ResponseInvalid, detail).into()
}

/// The last part of `com.amazonaws.sqs#QueueDoesNotExist`.
fn error_name(json: &Value) -> Option<&str> {
    let name = json.get("__type")?.as_str()?;
    name.rsplit('#').next()
}

/// What an error of SQS's own means; nothing if it is trouble of theirs, such as `InternalFailure`.
fn failure(error: &str, response: &Response, json: &Value) -> Option<Failure> {
    let words = ["message", "Message"]
        .iter()
        .find_map(|name| json.get(*name)?.as_str());
    let words = quote(words.unwrap_or_default());
    let quoted = match &*words {
        "" => error.to_owned(),
        words => format!("{error}: {words}"),
    };
    if SLOW_DOWN.contains(&error) {
        let detail = format!("SQS asks for fewer requests ({quoted})");
        return Some(Failure::new(FailureCode::RateLimited, detail).with(Disposition::RateLimited));
    }
    if let Some((_, remedy)) = SETTINGS.iter().find(|(name, _)| *name == error) {
        let detail = format!(
            "SQS refuses this webhook's settings (status {}): {remedy} ({quoted})",
            response.status
        );
        return Some(Failure::new(FailureCode::SettingsRefused, detail).with(Disposition::NeedsOperator));
    }
    MESSAGE.contains(&error).then(|| {
        let detail = format!("SQS refuses this message ({quoted})");
        Failure::new(FailureCode::MessageRefused, detail).with(Disposition::Permanent)
    })
}
