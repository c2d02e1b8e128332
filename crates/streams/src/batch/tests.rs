//! Batches: what is sent in each form, judged by the simulated platforms, and what their answers mean for each event.

use super::*;
use bytes::Bytes;
use destination::joint::batch_id;
use destination::sample::Sample;
use http::HeaderMap;
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::exchange::{FailureCode, PhaseTimings, Reach, Response};
use model::id::{DeliveryId, EventId};
use model::patch::Patch;
use model::webhook::WebhookKind;
use simulators::{Request, Simulator, simulator};

const FORMATS: [&str; 8] = [
    "ndjson",
    "json",
    "cloudevents",
    "clickhouse",
    "elasticsearch",
    "splunk",
    "loki",
    "datadog",
];

fn samples(format: &str, titles: &[&str]) -> Vec<Sample> {
    let at = Timestamp::from_millis(1_705_314_600_007);
    let sample = |(number, title): (u8, &&str)| {
        let url = match format {
            "ndjson" | "json" | "cloudevents" => "https://logs.example.com/events",
            _ => "https://logs.example.com/",
        };
        let url = url.parse().unwrap();
        let mut sample = Sample::new(WebhookKind::new("batch"), url, EventName::Triggered, at)
            .with_option("format", format)
            .with_secret("token", "good")
            .about(|incident| incident.title = (*title).to_owned());
        sample.event.id = EventId::new(at, [number; 10]);
        sample
    };
    (0..).zip(titles).map(sample).collect()
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

fn send(platform: &mut dyn Simulator, tasks: &[Task<'_>]) -> (u16, Vec<Classification>) {
    let rendered = Batch.request(tasks).unwrap();
    let target = rendered.url[url::Position::BeforePath..].to_owned();
    let answer = platform.answer(&Request {
        method: &rendered.method,
        target: &target,
        headers: &rendered.headers,
        body: &rendered.body,
        now: Timestamp::EPOCH,
    });
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers {
        headers.insert(name, value.parse().unwrap());
    }
    let exchange = exchange(answer.status, headers, answer.body);
    (answer.status, Batch.classify(tasks, &exchange, Timestamp::EPOCH))
}

fn exchange(status: u16, headers: HeaderMap, body: String) -> Exchange {
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach: Reach::MaybeSent,
        result: Ok(Response {
            status,
            headers,
            body: Bytes::from(body),
            body_is_truncated: false,
        }),
    }
}

fn dispositions(classifications: &[Classification]) -> Vec<Option<Disposition>> {
    let failure = |each: &Classification| each.outcome.failure().map(|failure| failure.disposition);
    classifications.iter().map(failure).collect()
}

#[test]
fn every_platform_takes_a_batch_in_its_form_packed_or_not() {
    let hostile = "\"q\" \\ {{ 7*7 }} <b> \u{2028} 👩‍🚒 ' ; DROP TABLE";
    for format in FORMATS {
        for compression in ["none", "gzip"] {
            let mut platform = simulator("batch").unwrap();
            let mut samples = samples(format, &["one", hostile, "three"]);
            samples[0] = samples[0].clone().with_option("compression", compression);
            let (status, came) = send(platform.as_mut(), &tasks(&samples));
            assert!(
                (200..=299).contains(&status),
                "{format} {compression}: {status} {came:?}"
            );
            assert!(
                came.iter().all(|each| each.outcome == Outcome::Delivered),
                "{format}: {came:?}"
            );
            let messages = platform.messages();
            assert_eq!(messages.len(), 3, "{format}");
            assert!(
                messages[1].text().contains("DROP TABLE"),
                "{format}: {}",
                messages[1].text()
            );
        }
    }
}

#[test]
fn what_is_sent_in_lines_is_the_event_with_its_id() {
    let samples = samples("ndjson", &["one", "two"]);
    let tasks = tasks(&samples);
    let rendered = Batch.request(&tasks).unwrap();
    let text = String::from_utf8(rendered.body.to_vec()).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<_> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["id", "event", "timestamp", "incident"]);
    assert_eq!(lines[1]["id"], samples[1].event.id.to_string());
    assert_eq!(rendered.headers["idempotency-key"], batch_id(&tasks).as_str());
    assert!(rendered.headers["authorization"].is_sensitive());
}

#[test]
fn a_batch_with_a_bad_event_goes_again_in_parts_and_the_bad_one_is_left_alone() {
    for format in FORMATS {
        let mut platform = simulator("batch").unwrap();
        let two = samples(format, &["poison", "good"]);
        let (_, came) = send(platform.as_mut(), &tasks(&two));
        let expected = match format {
            // Each is told of by itself.
            "elasticsearch" => [Some(Disposition::Permanent), None],
            "splunk" => [Some(Disposition::Permanent), Some(Disposition::Immediate)],
            _ => [Some(Disposition::Immediate); 2],
        };
        assert_eq!(dispositions(&came), expected, "{format}: {came:?}");
        let is_in_parts = |each: &Classification| each.continuation == Patch::Set("at_most=1".into());
        let has_parts = expected == [Some(Disposition::Immediate); 2];
        assert!(!has_parts || came.iter().all(is_in_parts), "{format}");
        let alone = samples(format, &["poison"]);
        let (_, came) = send(platform.as_mut(), &tasks(&alone));
        let expected = match format {
            // What an unknown receiver means by 400 nobody knows.
            "ndjson" | "json" | "cloudevents" => (FailureCode::ClientError, Disposition::Backoff),
            _ => (FailureCode::MessageRefused, Disposition::Permanent),
        };
        let failure = came[0].outcome.failure();
        let failure = failure.map(|failure| (failure.code, failure.disposition));
        assert_eq!(failure, Some(expected), "{format}");
    }
}

#[test]
fn what_elasticsearch_has_is_delivered_and_what_it_has_no_time_for_is_tried_again() {
    let mut platform = simulator("batch").unwrap();
    let both = samples("elasticsearch", &["one", "rejected once"]);
    let (status, came) = send(platform.as_mut(), &tasks(&both));
    assert_eq!(
        (status, dispositions(&came)),
        (200, vec![None, Some(Disposition::Backoff)])
    );
    let (_, came) = send(platform.as_mut(), &tasks(&both));
    assert_eq!(dispositions(&came), [None, None]);
    assert!(came[0].note.as_deref().unwrap().contains("already"), "{came:?}");
    assert_eq!(platform.messages().len(), 2);
}

#[test]
fn an_answer_that_does_not_tell_of_each_event_delivers_none() {
    let both = samples("elasticsearch", &["one", "two"]);
    for body in [
        "",
        "{}",
        r#"{"errors":true,"items":[{"create":{"status":201}}]}"#,
        "<html>",
    ] {
        let came = Batch.classify(
            &tasks(&both),
            &exchange(200, HeaderMap::new(), body.to_owned()),
            Timestamp::EPOCH,
        );
        assert_eq!(dispositions(&came), [Some(Disposition::Backoff); 2], "{body}");
    }
}

#[test]
fn wrong_credentials_and_tables_are_settings() {
    for (format, option, value) in [
        ("splunk", "token", "wrong"),
        ("datadog", "token", "wrong"),
        ("elasticsearch", "token", "wrong"),
        ("clickhouse", "token", "wrong"),
        ("clickhouse", "index", "missing_table"),
    ] {
        let mut samples = samples(format, &["one", "two"]);
        samples[0] = match option {
            "token" => samples[0].clone().with_secret(option, value),
            _ => samples[0].clone().with_option(option, value),
        };
        let mut platform = simulator("batch").unwrap();
        let (_, came) = send(platform.as_mut(), &tasks(&samples));
        assert_eq!(
            dispositions(&came),
            [Some(Disposition::NeedsOperator); 2],
            "{format}: {came:?}"
        );
    }
}

#[test]
fn too_large_a_batch_goes_in_parts() {
    let long = "x".repeat(500);
    let titles = vec![long.as_str(); 120];
    for format in FORMATS {
        let samples = samples(format, &titles);
        let (status, came) = send(simulator("batch").unwrap().as_mut(), &tasks(&samples));
        assert_eq!(status, 413, "{format}");
        let all_in_parts = came
            .iter()
            .all(|each| each.continuation == Patch::Set("at_most=15".into()));
        assert!(all_in_parts, "{format}");
    }
}

#[test]
fn sizes_and_names_have_bounds() {
    let fields = |name: &str, value: &str, format: &str| {
        let sample = samples(format, &["one"]).remove(0).with_option(name, value);
        Batch
            .check(&sample.target)
            .iter()
            .map(|problem| problem.field)
            .collect::<Vec<_>>()
    };
    for (name, good, bad) in [
        ("maxEvents", ["1", "1000"], ["0", "1001"]),
        ("maxKilobytes", ["1", "4096"], ["0", "x"]),
        ("maxSeconds", ["0", "300"], ["301", "-1"]),
    ] {
        assert!(
            good.iter().all(|value| fields(name, value, "ndjson").is_empty()),
            "{name}"
        );
        assert!(
            bad.iter().all(|value| fields(name, value, "ndjson") == [name]),
            "{name}"
        );
    }
    assert_eq!(fields("index", "logs.Events_1", "clickhouse"), [""; 0]);
    assert_eq!(fields("index", "x; DROP TABLE y", "clickhouse"), ["index"]);
    assert_eq!(fields("index", "Upper", "elasticsearch"), ["index"]);
    let sample = samples("ndjson", &["one"]).remove(0);
    let limits = Batch.limits(&sample.target);
    assert_eq!(
        (limits.max_count, limits.max_bytes, limits.max_wait.as_secs()),
        (100, 512 * 1024, 5)
    );
}
