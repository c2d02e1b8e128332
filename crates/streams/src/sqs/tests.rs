//! Requests and answers, without a service.

use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;
use url::Url;

use super::*;
use destination::sample::Sample;
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::exchange::{Exchange, FailureCode, PhaseTimings, Reach, Response};
use model::time::Timestamp;
use model::webhook::WebhookKind;

fn sample(url: &str) -> Sample {
    let url = Url::parse(url).unwrap();
    let at = Timestamp::from_millis(1_705_314_600_000);
    Sample::new(WebhookKind::new("sqs"), url, EventName::Triggered, at)
        .with_option("accessKeyId", "AKIDEXAMPLE")
        .with_secret("secretAccessKey", "hush")
}

fn message(url: &str) -> Value {
    let sample = sample(url);
    let rendered = Sqs.step(&sample.task()).into_request().unwrap();
    assert_eq!(rendered.url.path(), "/");
    serde_json::from_slice(&rendered.body).unwrap()
}

fn judge(status: u16, body: &str) -> Outcome {
    let sample = sample(Sqs.sample_url());
    let response = Response {
        status,
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        body_is_truncated: false,
    };
    let exchange = Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach: Reach::MaybeSent,
        result: Ok(response),
    };
    let task = sample.task();
    Sqs.step(&task).classify(&task, &exchange, sample.now).outcome
}

fn failure(status: u16, body: &str) -> (FailureCode, Disposition) {
    let outcome = judge(status, body);
    let failure = outcome.failure().unwrap();
    (failure.code, failure.disposition)
}

#[test]
fn only_a_fifo_queue_is_told_of_groups() {
    let fifo = message("https://sqs.eu-central-1.amazonaws.com/1/q.fifo");
    assert!(fifo["MessageGroupId"].as_str().unwrap().starts_with("inc_"));
    assert!(
        fifo["MessageDeduplicationId"]
            .as_str()
            .unwrap()
            .starts_with("dlv_")
    );
    let plain = message("https://sqs.eu-central-1.amazonaws.com/1/q");
    assert!(plain.get("MessageGroupId").is_none() && plain.get("MessageDeduplicationId").is_none());
    assert_eq!(
        plain["MessageAttributes"]["event"]["StringValue"],
        "incident.triggered"
    );
}

#[test]
fn a_cloud_event_is_an_envelope_or_stands_in_attributes() {
    let message = |format: &str| -> Value {
        let sample = sample(Sqs.sample_url()).with_option("format", format);
        let rendered = Sqs.step(&sample.task()).into_request().unwrap();
        serde_json::from_slice(&rendered.body).unwrap()
    };
    let structured = message("cloudevents");
    let envelope: Value = serde_json::from_str(structured["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!(envelope["type"], "com.opsknight.incident.triggered");
    assert_eq!(envelope["data"]["event"], "incident.triggered");
    let binary = message("cloudevents_binary");
    assert_eq!(
        binary["MessageAttributes"]["ce_specversion"]["StringValue"],
        "1.0"
    );
    let body: Value = serde_json::from_str(binary["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!(body["event"], "incident.triggered");
}

#[test]
fn the_signature_names_date_region_and_service_and_never_the_secret() {
    let sample = sample(Sqs.sample_url());
    let rendered = Sqs.step(&sample.task()).into_request().unwrap();
    let header = rendered.headers[AUTHORIZATION].to_str().unwrap();
    let scope = "Credential=AKIDEXAMPLE/20240115/eu-central-1/sqs/aws4_request";
    assert!(header.contains(scope), "{header}");
    assert!(
        header.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-target"),
        "{header}"
    );
    assert!(!format!("{:?}", rendered.headers).contains("hush"));
}

#[test]
fn an_answer_means_what_sqs_says() {
    assert_eq!(judge(200, r#"{"MessageId":"1"}"#), Outcome::Delivered);
    let settings = (FailureCode::SettingsRefused, Disposition::NeedsOperator);
    let of = |error: &str| format!(r#"{{"__type":"com.amazonaws.sqs#{error}","message":"Words."}}"#);
    assert_eq!(failure(400, &of("QueueDoesNotExist")), settings);
    assert_eq!(failure(403, &of("SignatureDoesNotMatch")), settings);
    let slow = (FailureCode::RateLimited, Disposition::RateLimited);
    assert_eq!(failure(400, &of("RequestThrottled")), slow);
    let refused = (FailureCode::MessageRefused, Disposition::Permanent);
    assert_eq!(failure(400, &of("InvalidMessageContents")), refused);
    let trouble = (FailureCode::ServerError, Disposition::Backoff);
    assert_eq!(failure(500, &of("InternalFailure")), trouble);
    let foreign = (FailureCode::ClientError, Disposition::Backoff);
    assert_eq!(failure(403, "<html>"), foreign);
    let invalid = (FailureCode::ResponseInvalid, Disposition::Backoff);
    assert_eq!(failure(200, "<html>"), invalid);
}

#[test]
fn what_is_no_queues_url_is_refused() {
    let fields = |url: &str| {
        let problems = Sqs.check(&sample(url).target);
        problems.iter().map(|problem| problem.field).collect::<Vec<_>>()
    };
    assert_eq!(fields(Sqs.sample_url()), [""; 0]);
    assert_eq!(fields("https://sqs.eu-central-1.amazonaws.com/q"), ["url"]);
    assert_eq!(fields("https://sqs.eu-central-1.amazonaws.com/1/"), ["url"]);
    assert_eq!(fields("https://queue.example/1/q"), ["region"]);
}
