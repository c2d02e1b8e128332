//! What each platform takes, how it answers, and what it refuses.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::{Refused, is_poison, read, refused};
use crate::custom::cloudevents::check_event;
use crate::simulator::Response;

/// What Datadog takes in one request: so many logs, each of so many bytes.
const MAX_DATADOG_LOGS: usize = 1000;
const MAX_DATADOG_LOG_BYTES: usize = 1024 * 1024;

/// A request, unpacked.
pub(super) struct Call<'a> {
    pub(super) target: &'a str,
    /// Without parameters.
    pub(super) content_type: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// What was taken, and the answer.
pub(super) struct Taken {
    pub(super) events: Vec<Value>,
    pub(super) response: Response,
}

impl Taken {
    fn new(events: Vec<Value>, status: u16, answer: &Value) -> Self {
        Self {
            events,
            response: Response::json(status, answer, ""),
        }
    }
}

/// Takes a batch as the platform does whose path it came to.
pub(super) fn take(call: &Call<'_>, ids: &mut Vec<String>) -> Result<Taken, Refused> {
    let (path, query) = call.target.split_once('?').unwrap_or((call.target, ""));
    match path {
        _ if path.ends_with("/_bulk") => elasticsearch(call, ids),
        "/services/collector/event" => splunk(call),
        "/loki/api/v1/push" => loki(call),
        "/api/v2/logs" => datadog(call),
        _ if query.contains("query=INSERT") => clickhouse(call, query),
        _ => pipeline(call),
    }
}

fn wants(call: &Call<'_>, content_types: &[&str]) -> Result<(), Refused> {
    match content_types.contains(&call.content_type) {
        true => Ok(()),
        false => Err(refused(415, &format!("{} is not taken here", call.content_type))),
    }
}

fn authorization<'a>(call: &Call<'a>) -> &'a str {
    let value = call.headers.get(AUTHORIZATION);
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn bad(why: impl AsRef<str>) -> Refused {
    refused(400, why.as_ref())
}

/// Vector takes lines and Fluent Bit an array, both of objects; both refuse all of it for one mistake.
fn pipeline(call: &Call<'_>) -> Result<Taken, Refused> {
    wants(
        call,
        &[
            "application/x-ndjson",
            "application/json",
            "application/cloudevents-batch+json",
        ],
    )?;
    let events = match call.content_type {
        "application/x-ndjson" => read::lines(call.body).map_err(bad)?,
        _ => match serde_json::from_slice(call.body) {
            Ok(Value::Array(events)) if events.iter().all(Value::is_object) => events,
            _ => return Err(bad("the body is no array of objects")),
        },
    };
    if call.content_type == "application/cloudevents-batch+json" {
        events.iter().try_for_each(check_event).map_err(bad)?;
    }
    match events.iter().any(is_poison) {
        true => Err(bad("an event is not as it should be")),
        false => Ok(Taken::new(events, 200, &json!({}))),
    }
}

/// An INSERT of one block: all of it or nothing.
fn clickhouse(call: &Call<'_>, query: &str) -> Result<Taken, Refused> {
    let exception = |status, code: u32, why: &str| {
        Box::new(Response {
            status,
            headers: vec![("x-clickhouse-exception-code", code.to_string())],
            body: format!("Code: {code}. DB::Exception: {why}"),
            sentence: format!("refused: {why}"),
            ..Response::default()
        })
    };
    if authorization(call) == "Bearer wrong" {
        return Err(exception(403, 516, "Authentication failed"));
    }
    if !query.contains("FORMAT+JSONEachRow") {
        return Err(exception(400, 62, "Syntax error"));
    }
    if query.contains("missing_table") {
        return Err(exception(404, 60, "Table does not exist"));
    }
    let parsed = read::lines(call.body);
    let events = parsed.map_err(|why| exception(400, 117, &format!("Cannot parse: {why}")))?;
    match events.iter().any(is_poison) {
        true => Err(exception(400, 27, "Cannot parse input")),
        false => Ok(Taken {
            events,
            response: Response {
                status: 200,
                ..Response::default()
            },
        }),
    }
}

/// Lines in pairs, each with its own result; a status of 200 says nothing of them.
fn elasticsearch(call: &Call<'_>, ids: &mut Vec<String>) -> Result<Taken, Refused> {
    wants(call, &["application/x-ndjson", "application/json"])?;
    if !authorization(call).is_empty()
        && !["ApiKey good", "Basic YWRhOmdvb2Q="].contains(&authorization(call))
    {
        return Err(refused(401, "security_exception"));
    }
    if !call.body.ends_with(b"\n") {
        return Err(bad("The bulk request must be terminated by a newline [\\n]"));
    }
    let lines = read::lines(call.body).map_err(bad)?;
    let mut events = Vec::new();
    let mut items = Vec::new();
    for pair in lines.chunks(2) {
        let [action, event] = pair else {
            return Err(bad("an action has no source"));
        };
        let Some(create) = action.get("create").and_then(Value::as_object) else {
            return Err(bad("Malformed action/metadata line"));
        };
        let (Some(_), Some(id)) = (create.get("_index").and_then(Value::as_str), create.get("_id")) else {
            return Err(bad("an index is missing"));
        };
        let failed =
            |status: u16, kind: &str| json!({ "status": status, "error": { "type": kind, "reason": "no" } });
        let result = match event {
            _ if event.get("@timestamp").is_none() => failed(400, "document_parsing_exception"),
            _ if is_poison(event) => failed(400, "document_parsing_exception"),
            _ if event.to_string().contains("rejected once") && !ids.contains(&format!("seen {id}")) => {
                ids.push(format!("seen {id}"));
                failed(429, "es_rejected_execution_exception")
            }
            _ if ids.contains(&id.to_string()) => failed(409, "version_conflict_engine_exception"),
            _ => {
                ids.push(id.to_string());
                events.push(event.clone());
                json!({ "status": 201 })
            }
        };
        items.push(json!({ "create": result }));
    }
    let has_errors = items.iter().any(|item| item["create"]["status"] != 201);
    Ok(Taken::new(
        events,
        200,
        &json!({ "errors": has_errors, "items": items }),
    ))
}

/// Objects one after another. It keeps those before the first that is wrong.
fn splunk(call: &Call<'_>) -> Result<Taken, Refused> {
    let say = |status, text: &str, code: u32| {
        Box::new(Response::json(
            status,
            &json!({ "text": text, "code": code }),
            text,
        ))
    };
    match authorization(call) {
        "" => return Err(say(401, "Token is required", 2)),
        "Splunk good" => {}
        _ => return Err(say(403, "Invalid token", 4)),
    }
    let mut events = Vec::new();
    for (number, event) in serde_json::Deserializer::from_slice(call.body)
        .into_iter::<Value>()
        .enumerate()
    {
        let event = event
            .ok()
            .filter(|event| event["event"].is_object() && event["time"].is_number());
        match event.filter(|event| !is_poison(event)) {
            Some(event) => events.push(event),
            None => {
                let answer =
                    json!({ "text": "Invalid data format", "code": 6, "invalid-event-number": number });
                return Ok(Taken::new(events, 400, &answer));
            }
        }
    }
    Ok(Taken::new(events, 200, &json!({ "text": "Success", "code": 0 })))
}

/// Streams of lines. What is good is kept even if it answers 400.
fn loki(call: &Call<'_>) -> Result<Taken, Refused> {
    wants(call, &["application/json"])?;
    let body: Value = serde_json::from_slice(call.body).map_err(|error| bad(error.to_string()))?;
    let streams = body["streams"]
        .as_array()
        .ok_or_else(|| bad("there are no streams"))?;
    let mut events = Vec::new();
    let mut is_refused = false;
    for stream in streams {
        let labels = stream["stream"]
            .as_object()
            .ok_or_else(|| bad("a stream has no labels"))?;
        let is_label = |name: &String| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if labels.is_empty() || !labels.keys().all(is_label) || !labels.values().all(Value::is_string) {
            return Err(bad("error parsing labels"));
        }
        for value in stream["values"].as_array().into_iter().flatten() {
            let nanos = value[0].as_str().and_then(|nanos| nanos.parse::<i64>().ok());
            let line = value[1].as_str().filter(|_| nanos.is_some());
            let line = line.ok_or_else(|| bad("a value is no pair of nanoseconds and a line"))?;
            let line = serde_json::from_str(line).unwrap_or_else(|_| json!(line));
            match is_poison(&line) {
                true => is_refused = true,
                false => events.push(line),
            }
        }
    }
    let status = if is_refused { 400 } else { 204 };
    Ok(Taken {
        events,
        response: Response {
            status,
            ..Response::default()
        },
    })
}

fn datadog(call: &Call<'_>) -> Result<Taken, Refused> {
    wants(call, &["application/json"])?;
    let key = call.headers.get("dd-api-key").map(|value| value.as_bytes());
    if key != Some(b"good") {
        let errors = json!({ "errors": [{ "status": "403", "title": "Forbidden" }] });
        return Err(Box::new(Response::json(
            403,
            &errors,
            "refused: the key is missing or wrong",
        )));
    }
    let logs: Vec<Value> = serde_json::from_slice(call.body).map_err(|error| bad(error.to_string()))?;
    if logs.len() > MAX_DATADOG_LOGS
        || logs
            .iter()
            .any(|log| log.to_string().len() > MAX_DATADOG_LOG_BYTES)
    {
        return Err(refused(413, "Payload too big"));
    }
    match logs
        .iter()
        .all(|log| log["message"].is_string() && !is_poison(log))
    {
        true => Ok(Taken::new(logs, 202, &json!({}))),
        false => Err(bad("a log is not as it should be")),
    }
}
