//! Objects and answers, without a service.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_ENCODING};
use serde_json::Value;
use url::Url;

use super::*;
use destination::sample::Sample;
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::exchange::{FailureCode, PhaseTimings, Reach, Response};
use model::id::DeliveryId;
use model::webhook::WebhookKind;

/// 2024-01-15T10:30:00Z.
const AT: i64 = 1_705_314_600_000;
const MINUTE: i64 = 60_000;

fn sample(url: &str, minutes: i64) -> Sample {
    let url = Url::parse(url).unwrap();
    let at = Timestamp::from_millis(AT + minutes * MINUTE);
    Sample::new(WebhookKind::new("s3"), url, EventName::Triggered, at)
        .with_option("accessKeyId", "AKIDEXAMPLE")
        .with_secret("secretAccessKey", "hush")
}

fn tasks(samples: &[Sample]) -> Vec<Task<'_>> {
    let task = |(number, sample)| {
        let sample: &Sample = sample;
        Task {
            delivery_id: DeliveryId::new(Timestamp::EPOCH, [number; 10]),
            target: &samples[0].target,
            ..sample.task()
        }
    };
    (0..).zip(samples).map(task).collect()
}

fn request(samples: &[Sample]) -> Rendered {
    S3.request(&tasks(samples)).unwrap()
}

fn judge(status: u16, headers: &[(&'static str, &str)], body: &str) -> Classification {
    let samples = [sample(S3.sample_url(), 0), sample(S3.sample_url(), 1)];
    let headers = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let response = Response {
        status,
        headers: headers.collect::<HeaderMap>(),
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
    let each = S3.classify(&tasks(&samples), &exchange, Timestamp::EPOCH);
    assert_eq!(each.len(), 2);
    assert_eq!(each[0], each[1], "all or nothing");
    each.into_iter().next().unwrap()
}

fn failure(status: u16, body: &str) -> (FailureCode, Disposition) {
    let judged = judge(status, &[], body);
    let failure = judged.outcome.failure().unwrap();
    (failure.code, failure.disposition)
}

fn error(code: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Words.</Message></Error>"
    )
}

#[test]
fn an_objects_key_is_made_of_its_first_event_and_its_deliveries() {
    let url = "https://minio.example.com:9000/incidents/";
    let samples = [40, 0].map(|minutes| sample(url, minutes).with_option("region", "us-east-1"));
    let rendered = request(&samples);
    let path = rendered.url.path();
    let begins = "/incidents/opsknight/2024/01/15/20240115T103000Z-bat_";
    assert!(path.starts_with(begins) && path.ends_with(".ndjson.gz"), "{path}");
    assert_eq!(request(&samples).url, rendered.url);
    assert_ne!(request(&samples[..1]).url, rendered.url);
    assert_eq!(request(&samples).body, rendered.body, "it is the same object");
}

#[test]
fn a_folder_of_hives_is_encoded_as_it_is_signed() {
    let folder = "/logs/dt={year}-{month}-{day}/hour={hour}";
    let sample = sample(S3.sample_url(), 0).with_option("prefix", folder);
    let rendered = request(&[sample]);
    let begins = "/logs/dt%3D2024-01-15/hour%3D10/20240115T103000Z-bat_";
    assert!(rendered.url.path().starts_with(begins), "{}", rendered.url);
}

#[test]
fn an_object_has_a_line_for_each_event_packed_or_not() {
    let unpacked = |rendered: &Rendered| {
        let mut text = String::new();
        let mut packed = GzDecoder::new(&rendered.body[..]);
        packed.read_to_string(&mut text).unwrap();
        text
    };
    let samples = [sample(S3.sample_url(), 0), sample(S3.sample_url(), 1)];
    let rendered = request(&samples);
    let text = unpacked(&rendered);
    assert_eq!(rendered.headers[CONTENT_ENCODING], "gzip");
    assert_eq!(rendered.shown_body.as_deref(), Some(text.as_bytes()));
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["id"], samples[0].event.id.to_string());

    let mut plain = samples;
    plain[0] = plain[0]
        .clone()
        .with_option("compression", "none")
        .with_option("format", "cloudevents");
    let rendered = request(&plain);
    assert!(rendered.url.path().ends_with(".ndjson"));
    assert!(!rendered.headers.contains_key(CONTENT_ENCODING));
    let text = String::from_utf8(rendered.body.to_vec()).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["type"], "com.opsknight.incident.triggered");
}

#[test]
fn a_table_is_packed_in_itself_and_shown_as_lines() {
    let samples = [sample(S3.sample_url(), 0).with_option("format", "parquet")];
    let rendered = request(&samples);
    assert!(rendered.url.path().ends_with(".parquet"), "{}", rendered.url);
    assert!(!rendered.headers.contains_key(CONTENT_ENCODING));
    assert!(rendered.body.starts_with(b"PAR1") && rendered.body.ends_with(b"PAR1"));
    let shown = rendered.shown_body.as_ref().unwrap();
    assert!(shown.starts_with(b"{\"id\":\"evt_"));
    assert_eq!(request(&samples).body, rendered.body, "it is the same object");
}

#[test]
fn the_signature_covers_what_is_said_of_the_body_and_never_the_secret() {
    let rendered = request(&[sample(S3.sample_url(), 0)]);
    let header = rendered.headers[AUTHORIZATION].to_str().unwrap();
    let scope = "Credential=AKIDEXAMPLE/20240115/eu-central-1/s3/aws4_request";
    assert!(header.contains(scope), "{header}");
    let signed = "content-encoding;content-md5;content-type;host;x-amz-content-sha256;x-amz-date";
    assert!(header.contains(signed), "{header}");
    assert_eq!(rendered.headers["content-md5"].len(), 24);
    assert!(!format!("{:?}", rendered.headers).contains("hush"));
}

#[test]
fn an_answer_means_what_s3_says() {
    let good = judge(200, &[("etag", "\"1\"")], "");
    assert_eq!(good.outcome, Outcome::Delivered);
    let settings = (FailureCode::SettingsRefused, Disposition::NeedsOperator);
    for (status, code) in [
        (404, "NoSuchBucket"),
        (403, "AccessDenied"),
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (403, "RequestTimeTooSkewed"),
        (301, "PermanentRedirect"),
        (400, "AuthorizationHeaderMalformed"),
        (501, "NotImplemented"),
    ] {
        assert_eq!(failure(status, &error(code)), settings, "{code}");
    }
    let slow = (FailureCode::RateLimited, Disposition::RateLimited);
    assert_eq!(failure(503, &error("SlowDown")), slow);
    let trouble = (FailureCode::ServerError, Disposition::Backoff);
    assert_eq!(failure(500, &error("InternalError")), trouble);
    let on_the_way = (FailureCode::ClientError, Disposition::Backoff);
    assert_eq!(failure(400, &error("RequestTimeout")), on_the_way);
    assert_eq!(failure(400, &error("BadDigest")), on_the_way);
    assert_eq!(failure(403, "<html>"), on_the_way);
    let redirect = (FailureCode::Redirect, Disposition::Backoff);
    assert_eq!(failure(307, &error("TemporaryRedirect")), redirect);
    let too_large = (FailureCode::MessageRefused, Disposition::Immediate);
    assert_eq!(failure(400, &error("EntityTooLarge")), too_large);
    let invalid = (FailureCode::ResponseInvalid, Disposition::Backoff);
    assert_eq!(failure(200, "<html>"), invalid);
}

#[test]
fn a_bucket_of_another_region_is_named() {
    let said = |headers: &[(&'static str, &str)], body: &str| {
        let judged = judge(301, headers, body);
        judged.outcome.failure().unwrap().detail.clone()
    };
    let header = said(
        &[("x-amz-bucket-region", "eu-west-1")],
        &error("PermanentRedirect"),
    );
    assert!(header.contains("its region is eu-west-1"), "{header}");
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-2</Region></Error>";
    assert!(said(&[], malformed).contains("its region is eu-west-2"));
    let endpoint =
        "<Error><Code>PermanentRedirect</Code><Endpoint>b.s3.eu-west-3.amazonaws.com</Endpoint></Error>";
    assert!(said(&[], endpoint).contains("its address is b.s3.eu-west-3.amazonaws.com"));
}

#[test]
fn what_is_no_buckets_url_and_no_folder_is_refused() {
    let fields = |sample: &Sample| {
        let problems = S3.check(&sample.target);
        problems.iter().map(|problem| problem.field).collect::<Vec<_>>()
    };
    let of = |url: &str| fields(&sample(url, 0));
    assert_eq!(of(S3.sample_url()), [""; 0]);
    assert_eq!(of("https://s3.eu-central-1.amazonaws.com/incidents"), [""; 0]);
    assert_eq!(of("https://s3.eu-central-1.amazonaws.com/"), ["url"]);
    assert_eq!(of("http://127.0.0.1:9000/"), ["url", "region"]);
    assert_eq!(of("https://b.s3.eu-central-1.amazonaws.com/?acl"), ["url"]);
    assert_eq!(of("https://minio.example.com/incidents"), ["region"]);
    let folder = |prefix: &str| fields(&sample(S3.sample_url(), 0).with_option("prefix", prefix));
    for good in ["/", "a", "a/b=1/", "{year}/{hour}", "dt={year}-{month}-{day}/"] {
        assert_eq!(folder(good), [""; 0], "{good}");
    }
    for bad in ["{minute}/", "a//b", "../a", "a b", "ä", "a?b", &"x".repeat(513)] {
        assert_eq!(folder(bad), ["prefix"], "{bad}");
    }
    let sample = sample(S3.sample_url(), 0);
    let limits = S3.limits(&sample.target);
    assert_eq!(
        (limits.max_count, limits.max_bytes, limits.max_wait.as_secs()),
        (1000, 4096 * 1024, 60)
    );
    assert_eq!(fields(&sample.with_option("maxSeconds", "301")), ["maxSeconds"]);
}
