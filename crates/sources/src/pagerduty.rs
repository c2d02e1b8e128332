//! PagerDuty's Events API v2: `/v2/enqueue` for alerts, `/v2/change/enqueue` for changes.
//! <https://developer.pagerduty.com/docs/events-api-v2-overview>

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::about::SourceDescription;
use crate::json::{elements, members, parse, shown, text};
use crate::request::{Answer, Reading, Refusal, Refused, SourceRequest};
use crate::severity::severity;
use crate::{Format, Sample, SampleContext, SampleMoment, json_headers, made_up_key, only_post};
use model::signal::{AlertKey, Signal, SignalAction};

/// PagerDuty's own bound.
const MAX_EVENT_BYTES: usize = 512 * 1024;
const EVENTS: &str = "/v2/enqueue";
const CHANGES: &str = "/v2/change/enqueue";

static ABOUT: SourceDescription = SourceDescription {
    kind: model::source_kind::SourceKind::Pagerduty,
    name: "PagerDuty Events v2",
    summary: "Whatever pages through PagerDuty's Events API v2, with another host.",
    max_body_bytes: MAX_EVENT_BYTES,
    secret: None,
    groups_alerts: false,
    mapping: &[],
    page: include_str!("../../../docs/sources/pagerduty.md"),
};

/// See the module.
pub(crate) struct Pagerduty;

impl Format for Pagerduty {
    fn description(&self) -> &'static SourceDescription {
        &ABOUT
    }

    fn read(&self, request: &SourceRequest<'_>) -> Result<Reading, Refused> {
        only_post(request)?;
        match request.path {
            EVENTS | "" | "/" => event(request),
            CHANGES => change(request),
            _ => Err(Refusal::UnknownPath.into()),
        }
    }

    fn refuse(&self, refused: &Refused) -> Answer {
        let status = match refused.refusal {
            // PagerDuty's clients give up on 400 and send 429 and 5xx again.
            Refusal::UnknownSource | Refusal::SignatureInvalid => StatusCode::BAD_REQUEST,
            Refusal::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            other => other.status(),
        };
        let body = json!({
            "status": if status == StatusCode::TOO_MANY_REQUESTS { "throttle exceeded" } else { "invalid event" },
            "message": "Event object is invalid",
            "errors": [refused.sentence],
            "code": refused.refusal.code(),
        });
        Answer::json(status, &body)
    }

    fn is_root_door(&self, path: &str) -> bool {
        matches!(path, EVENTS | CHANGES)
    }

    fn key_at_root(&self, _headers: &HeaderMap, body: &[u8]) -> Option<String> {
        let event = parse(body).ok()?;
        let key = text(&event, "routing_key");
        (!key.is_empty()).then(|| key.to_owned())
    }

    fn sample(&self, moment: SampleMoment, context: &SampleContext<'_>) -> Option<Sample> {
        let event = json!({
            "routing_key": context.key,
            "event_action": match moment { SampleMoment::Fire => "trigger", SampleMoment::Resolve => "resolve" },
            "dedup_key": "opsknight-test",
            "payload": {
                "summary": "Test alert: the disk of db-1 is almost full",
                "source": "db-1",
                "severity": "warning",
                "component": "disk",
                "custom_details": { "free": "4 %" },
            },
        });
        Some(Sample {
            method: Method::POST,
            path: EVENTS.into(),
            headers: json_headers(),
            body: event.to_string().into_bytes(),
        })
    }
}

fn event(request: &SourceRequest<'_>) -> Result<Reading, Refused> {
    let event = parse(request.body)?;
    let action = match text(&event, "event_action") {
        "trigger" => SignalAction::Trigger,
        "acknowledge" => SignalAction::Acknowledge,
        "resolve" => SignalAction::Resolve,
        other => {
            return Err(Refused::unreadable(format!(
                "event_action is trigger, acknowledge or resolve, not {other:?}"
            )));
        }
    };
    let payload = event.get("payload").unwrap_or(&Value::Null);
    let summary = text(payload, "summary");
    if action == SignalAction::Trigger && summary.trim().is_empty() {
        return Err(Refused::unreadable("payload.summary is missing or blank"));
    }
    let key = match AlertKey::new(text(&event, "dedup_key")) {
        Some(key) => key,
        None if action == SignalAction::Trigger => made_up_key(request.body)?,
        None => {
            return Err(Refused::unreadable(
                "dedup_key is missing: it says which alert is meant",
            ));
        }
    };
    let answer = json!({ "status": "success", "message": "Event processed", "dedup_key": key.as_str() });
    let title = if summary.is_empty() {
        key.as_str().to_owned()
    } else {
        summary.to_owned()
    };
    let mut signal = Signal::new(action, key, &title);
    signal.severity = severity(text(payload, "severity"));
    add_payload(&mut signal, payload);
    add_links(&mut signal, &event);
    Ok(Reading::Signals {
        signals: vec![signal],
        answer: Answer::json(StatusCode::ACCEPTED, &answer),
    })
}

fn change(request: &SourceRequest<'_>) -> Result<Reading, Refused> {
    let event = parse(request.body)?;
    let payload = event.get("payload").unwrap_or(&Value::Null);
    let summary = text(payload, "summary");
    if summary.trim().is_empty() {
        return Err(Refused::unreadable("payload.summary is missing or blank"));
    }
    let mut signal = Signal::new(SignalAction::Note, made_up_key(request.body)?, summary);
    add_payload(&mut signal, payload);
    add_links(&mut signal, &event);
    let answer = json!({ "status": "success", "message": "Change event processed" });
    Ok(Reading::Signals {
        signals: vec![signal],
        answer: Answer::json(StatusCode::ACCEPTED, &answer),
    })
}

fn add_payload(signal: &mut Signal, payload: &Value) {
    // `timestamp` says when this event was made, not since when the alert fires.
    for name in ["source", "component", "group", "class"] {
        signal.add_detail(name, text(payload, name));
    }
    match payload.get("custom_details") {
        Some(Value::Object(_)) => {
            for (name, value) in members(payload, "custom_details") {
                signal.add_detail(name, &shown(value));
            }
        }
        Some(other) => signal.add_detail("details", &shown(other)),
        None => {}
    }
}

fn add_links(signal: &mut Signal, event: &Value) {
    let client = text(event, "client");
    signal.add_link(
        if client.is_empty() { "Sender" } else { client },
        text(event, "client_url"),
    );
    for link in elements(event, "links") {
        let href = text(link, "href");
        let name = text(link, "text");
        signal.add_link(if name.is_empty() { href } else { name }, href);
    }
    for image in elements(event, "images") {
        signal.add_link("Image", text(image, "src"));
    }
}

#[cfg(test)]
pub(crate) fn about_for_tests() -> SourceDescription {
    SourceDescription { ..ABOUT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::incident::Severity;

    use crate::testing::{Given, answer, signals};

    const TRIGGER: &str = r#"{"routing_key":"abcdefghijklmnopqrstuvwxyz012345","event_action":"trigger","dedup_key":"db-1/disk",
        "client":"Nagios","client_url":"https://nagios.example/db-1",
        "links":[{"href":"https://wiki.example/disk","text":"Runbook"}],
        "payload":{"summary":"Disk of db-1 is full","source":"db-1","severity":"critical","timestamp":"2026-11-29T10:00:00Z",
        "component":"disk","custom_details":{"free":"0 %","mounts":["/","/var"]}}}"#;

    #[test]
    fn an_alert_is_read_with_all_that_it_says() {
        let signal = &signals(&Pagerduty, &Given::post(EVENTS, TRIGGER))[0];
        assert_eq!(signal.action, SignalAction::Trigger);
        assert_eq!(signal.key.as_str(), "db-1/disk");
        assert_eq!(signal.title, "Disk of db-1 is full");
        assert_eq!(signal.severity, Some(Severity::Critical));
        assert_eq!(signal.started_at, None);
        let names: Vec<_> = signal.details.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["source", "component", "free", "mounts"]);
        assert_eq!(signal.links.len(), 2);
        let key = Pagerduty.key_at_root(&HeaderMap::new(), TRIGGER.as_bytes());
        assert_eq!(key.as_deref(), Some("abcdefghijklmnopqrstuvwxyz012345"));
    }

    #[test]
    fn an_alert_without_a_key_gets_one_that_is_told_and_the_same_again() {
        let body = r#"{"event_action":"trigger","payload":{"summary":"x","source":"y","severity":"info"}}"#;
        let given = Given::post(EVENTS, body);
        let signals = signals(&Pagerduty, &given);
        let answer = answer(&Pagerduty, &given);
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        assert!(answer.body.contains(signals[0].key.as_str()));
        assert_eq!(Pagerduty.read(&given.request()), Pagerduty.read(&given.request()));
    }

    #[test]
    fn acknowledge_and_resolve_need_a_key_and_no_payload() {
        for (word, action) in [
            ("acknowledge", SignalAction::Acknowledge),
            ("resolve", SignalAction::Resolve),
        ] {
            let body = json!({ "event_action": word, "dedup_key": "k" }).to_string();
            assert_eq!(signals(&Pagerduty, &Given::post(EVENTS, &body))[0].action, action);
            let body = json!({ "event_action": word }).to_string();
            assert!(Pagerduty.read(&Given::post(EVENTS, &body).request()).is_err());
        }
        let body = json!({ "event_action": "unresolve", "dedup_key": "k" }).to_string();
        let refused = Pagerduty.read(&Given::post(EVENTS, &body).request()).unwrap_err();
        let answer = Pagerduty.refuse(&refused);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.body.contains("invalid event") && answer.body.contains("errors"));
    }

    #[test]
    fn a_change_is_kept_and_opens_nothing() {
        let body = r#"{"routing_key":"k","payload":{"summary":"Deployed 1.2","source":"ci","custom_details":{"build":7}}}"#;
        let signal = &signals(&Pagerduty, &Given::post(CHANGES, body))[0];
        assert_eq!(
            (&signal.action, signal.title.as_str()),
            (&SignalAction::Note, "Deployed 1.2")
        );
    }
}
