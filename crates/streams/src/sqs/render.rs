//! An event made into the request that sends it to a queue, by SQS's JSON protocol.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use crate::aws::{self, Service};
use crate::format::{Binding, format};
use crate::sqs::queue;
use destination::task::{Rendered, Task};
use model::attempt::Failure;

/// What the request asks for.
const OPERATION: HeaderName = HeaderName::from_static("x-amz-target");

/// How a CloudEvent stands in attributes: SQS has no binding of its own, so as in headers of Kafka.
const BINDING: Binding = Binding {
    prefix: "ce_",
    has_content_type: false,
};

/// The request for a task, signed.
pub(super) fn render(task: &Task<'_>) -> Result<Rendered, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.0"),
    );
    headers.insert(OPERATION, HeaderValue::from_static("AmazonSQS.SendMessage"));
    let url = aws::at_path(&task.target.url, "/");
    let body = Bytes::from(message(task)?.to_string());
    let rendered = Rendered::new(Method::POST, url, headers, body);
    aws::signed(rendered, task.target, Service::Sqs, task.now)
}

fn message(task: &Task<'_>) -> Result<Value, Failure> {
    let text = |value: &str| json!({"DataType": "String", "StringValue": value});
    let delivery_id = task.delivery_id.to_string();
    let formatted = format(task, BINDING)?;
    let mut message = json!({
        "QueueUrl": task.target.url.as_str(),
        "MessageBody": carried(&String::from_utf8_lossy(&formatted.body)),
        "MessageAttributes": {
            "event": text(task.event.event_type().as_str()),
            "delivery": text(&delivery_id),
        },
    });
    for (name, value) in &formatted.attributes {
        message["MessageAttributes"][name.as_str()] = text(value);
    }
    if queue(&task.target.url).is_some_and(|name| name.ends_with(".fifo")) {
        message["MessageGroupId"] = task.event.incident_id.to_string().into();
        message["MessageDeduplicationId"] = delivery_id.into();
    }
    Ok(message)
}

/// JSON whose characters are all among those that a message may have: two of Unicode's last ones may not, and are escaped.
fn carried(json: &str) -> String {
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}
