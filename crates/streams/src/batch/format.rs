//! The receivers that batches are written for: where each takes them, how it is told who sends, and how its body is made.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

use crate::cloud_event::envelope;
use crate::lines::{lines, record, unreadable};
use destination::joint::batch_id;
use destination::task::{Target, Task};
use model::attempt::Failure;
use model::incident::Severity;

/// What a receiver takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Ndjson,
    Json,
    CloudEvents,
    ClickHouse,
    Elasticsearch,
    Splunk,
    Loki,
    Datadog,
}

impl Format {
    pub(super) fn new(target: &Target) -> Self {
        match target.option("format") {
            "json" => Self::Json,
            "cloudevents" => Self::CloudEvents,
            "clickhouse" => Self::ClickHouse,
            "elasticsearch" => Self::Elasticsearch,
            "splunk" => Self::Splunk,
            "loki" => Self::Loki,
            "datadog" => Self::Datadog,
            _ => Self::Ndjson,
        }
    }

    /// What people call the receiver.
    pub(super) fn receiver(self) -> &'static str {
        match self {
            Self::Ndjson | Self::Json | Self::CloudEvents => "the receiver",
            Self::ClickHouse => "ClickHouse",
            Self::Elasticsearch => "Elasticsearch",
            Self::Splunk => "Splunk",
            Self::Loki => "Loki",
            Self::Datadog => "Datadog",
        }
    }

    /// Whether its answers are known.
    pub(super) fn is_a_platform(self) -> bool {
        !matches!(self, Self::Ndjson | Self::Json | Self::CloudEvents)
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson | Self::Elasticsearch | Self::ClickHouse => "application/x-ndjson",
            Self::CloudEvents => "application/cloudevents-batch+json; charset=utf-8",
            Self::Json | Self::Splunk | Self::Loki | Self::Datadog => "application/json",
        }
    }

    /// The header that carries a token, and what stands before it there.
    pub(super) fn token_header(self) -> (&'static str, &'static str) {
        match self {
            Self::Elasticsearch => ("authorization", "ApiKey "),
            Self::Splunk => ("authorization", "Splunk "),
            Self::Datadog => ("dd-api-key", ""),
            Self::Ndjson | Self::Json | Self::CloudEvents | Self::ClickHouse | Self::Loki => {
                ("authorization", "Bearer ")
            }
        }
    }

    /// Where it takes batches, given its address.
    pub(super) fn url(self, target: &Target, tasks: &[Task<'_>]) -> Url {
        let mut url = target.url.clone();
        let path = url.path().trim_end_matches('/').to_owned();
        match self {
            Self::Ndjson | Self::Json | Self::CloudEvents => {}
            Self::ClickHouse => {
                let statement = format!(
                    "INSERT INTO {} FORMAT JSONEachRow",
                    index(target, "opsknight_events")
                );
                url.query_pairs_mut()
                    .append_pair("query", &statement)
                    .append_pair("insert_deduplication_token", &batch_id(tasks))
                    .append_pair("date_time_input_format", "best_effort")
                    .append_pair("input_format_skip_unknown_fields", "1")
                    // Or it may answer 200 and fail afterwards.
                    .append_pair("wait_end_of_query", "1");
            }
            Self::Elasticsearch => {
                if !path.ends_with("/_bulk") {
                    url.set_path(&format!("{path}/_bulk"));
                }
                let wanted = "errors,items.*.status,items.*.error.type,items.*.error.reason";
                url.query_pairs_mut().append_pair("filter_path", wanted);
            }
            Self::Splunk if path.is_empty() => url.set_path("/services/collector/event"),
            Self::Loki if path.is_empty() => url.set_path("/loki/api/v1/push"),
            Self::Datadog if path.is_empty() => url.set_path("/api/v2/logs"),
            Self::Splunk | Self::Loki | Self::Datadog => {}
        }
        url
    }

    /// The body for these events.
    pub(super) fn body(self, target: &Target, tasks: &[Task<'_>]) -> Result<String, Failure> {
        let write = |each: fn(&Target, &Task<'_>) -> Result<String, Failure>| -> Result<Vec<_>, Failure> {
            tasks.iter().map(|task| each(target, task)).collect()
        };
        let array = |written: Vec<String>| format!("[{}]", written.join(",\n"));
        Ok(match self {
            Self::Ndjson | Self::ClickHouse => lines(&write(|_, task| record(task, ""))?),
            Self::Json => array(write(|_, task| record(task, ""))?),
            Self::CloudEvents => array(write(|_, task| envelope(task))?),
            Self::Elasticsearch => lines(&write(bulk_item)?),
            Self::Splunk => lines(&write(splunk_event)?),
            Self::Datadog => array(write(|_, task| datadog_log(task))?),
            Self::Loki => loki_push(tasks)?,
        })
    }
}

/// The index or table that a target names.
fn index<'a>(target: &'a Target, default: &'a str) -> &'a str {
    match target.option("index") {
        "" => default,
        name => name,
    }
}

fn time(task: &Task<'_>) -> String {
    task.event.at.to_rfc3339_seconds()
}

/// Created under the event's id, so that a repeat is refused and not there twice; data streams take nothing else.
fn bulk_item(target: &Target, task: &Task<'_>) -> Result<String, Failure> {
    let action = json!({ "create": {
        "_index": index(target, "opsknight-events"),
        "_id": task.event.id.to_string(),
    }});
    let event = record(task, &format!("\"@timestamp\":\"{}\",", time(task)))?;
    Ok(format!("{action}\n{event}"))
}

fn splunk_event(target: &Target, task: &Task<'_>) -> Result<String, Failure> {
    let millis = task.event.at.as_millis();
    let index = match target.option("index") {
        "" => String::new(),
        name => format!("\"index\":{},", json!(name)),
    };
    Ok(format!(
        "{{\"time\":{}.{:03},\"source\":\"opsknight\",\"sourcetype\":\"opsknight:event\",{index}\"event\":{}}}",
        millis.div_euclid(1000),
        millis.rem_euclid(1000),
        record(task, "")?
    ))
}

fn datadog_log(task: &Task<'_>) -> Result<String, Failure> {
    let incident = task.event.incident().ok_or_else(unreadable)?;
    let event = task.event.event_type().as_str();
    let mut log = json!({
        "ddsource": "opsknight",
        "ddtags": format!("event:{event}"),
        "service": incident.service.name,
        "status": severity_word(incident.severity),
        "message": format!("{event}: {}", incident.title),
        "timestamp": task.event.at.as_millis(),
    });
    log["opsknight"] = serde_json::from_str(&record(task, "")?).map_err(|_| unreadable())?;
    Ok(log.to_string())
}

/// A stream for each event and severity; more labels would be too many for it.
fn loki_push(tasks: &[Task<'_>]) -> Result<String, Failure> {
    let mut streams: BTreeMap<(&str, &str), Vec<Value>> = BTreeMap::new();
    for task in tasks {
        let incident = task.event.incident().ok_or_else(unreadable)?;
        let labels = (task.event.event_type().as_str(), severity_word(incident.severity));
        let nanos = format!("{}000000", task.event.at.as_millis());
        let value = json!([nanos, record(task, "")?]);
        streams.entry(labels).or_default().push(value);
    }
    let stream = |((event, severity), values): ((&str, &str), Vec<Value>)| {
        json!({
            "stream": { "service_name": "opsknight", "event": event, "severity": severity },
            "values": Value::Array(values),
        })
    };
    let streams: Vec<_> = streams.into_iter().map(stream).collect();
    Ok(json!({ "streams": streams }).to_string())
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}
