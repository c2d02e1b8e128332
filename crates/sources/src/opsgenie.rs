//! Opsgenie's Alert API, as far as senders use it: create, acknowledge, close. What else they may ask is taken and kept as
//! ignored. <https://docs.opsgenie.com/docs/alert-api>

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::about::SourceDescription;
use crate::json::{elements, members, parse, shown, text};
use crate::request::{Answer, Reading, Refusal, Refused, SourceRequest};
use crate::severity::severity;
use crate::signature::header;
use crate::{Format, Sample, SampleContext, SampleMoment, json_headers, made_up_key};
use model::digest::sha256;
use model::incident::Severity;
use model::signal::{AlertKey, Signal, SignalAction};
use model::source_kind::SourceKind;

const MAX_ALERT_BYTES: usize = 1024 * 1024;
const ALERTS: &str = "/v2/alerts";

static ABOUT: SourceDescription = SourceDescription {
    kind: SourceKind::Opsgenie,
    name: "Opsgenie",
    summary: "Whatever sends to Opsgenie's Alert API or to Jira Service Management, with another host.",
    max_body_bytes: MAX_ALERT_BYTES,
    secret: None,
    groups_alerts: false,
    mapping: &[],
    page: include_str!("../../../docs/sources/opsgenie.md"),
};

/// See the module.
pub(crate) struct Opsgenie;

impl Format for Opsgenie {
    fn description(&self) -> &'static SourceDescription {
        &ABOUT
    }

    fn read(&self, request: &SourceRequest<'_>) -> Result<Reading, Refused> {
        let path = request.path.strip_prefix(ALERTS).unwrap_or(request.path);
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let signal = match (request.method, parts.as_slice()) {
            (&Method::POST, []) => create(request)?,
            (&Method::DELETE, [alert]) => existing(request, alert, SignalAction::Resolve)?,
            (&Method::POST | &Method::PUT | &Method::PATCH, [alert, verb, ..]) => {
                existing(request, alert, action(verb))?
            }
            (&Method::GET, _) => return question(request, &parts),
            _ => return Err(Refusal::UnknownPath.into()),
        };
        let answer =
            json!({ "result": "Request will be processed", "took": 0.001, "requestId": request_id(request) });
        Ok(Reading::Signals {
            signals: vec![signal],
            answer: Answer::json(StatusCode::ACCEPTED, &answer),
        })
    }

    fn refuse(&self, refused: &Refused) -> Answer {
        let status = match refused.refusal {
            Refusal::UnknownSource => StatusCode::UNAUTHORIZED,
            Refusal::RequestUnreadable => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            other => other.status(),
        };
        let code = refused.refusal.code();
        let body = json!({ "message": refused.sentence, "code": code, "took": 0.0, "requestId": code });
        Answer::json(status, &body)
    }

    fn is_root_door(&self, path: &str) -> bool {
        path.strip_prefix(ALERTS)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn key_at_root(&self, headers: &HeaderMap, _body: &[u8]) -> Option<String> {
        let key = header(headers, AUTHORIZATION.as_str())
            .strip_prefix("GenieKey ")?
            .trim();
        (!key.is_empty()).then(|| key.to_owned())
    }

    fn sample(&self, moment: SampleMoment, context: &SampleContext<'_>) -> Option<Sample> {
        let mut headers = json_headers();
        let key = HeaderValue::from_str(&format!("GenieKey {}", context.key)).ok()?;
        headers.insert(AUTHORIZATION, key);
        let (path, body) = match moment {
            SampleMoment::Fire => (
                ALERTS.to_owned(),
                json!({
                    "message": "Test alert: the disk of db-1 is almost full",
                    "alias": "opsknight-test",
                    "description": "4 % are free.",
                    "priority": "P3",
                    "entity": "db-1",
                    "tags": ["test"],
                }),
            ),
            SampleMoment::Resolve => (
                format!("{ALERTS}/opsknight-test/close"),
                json!({ "source": "OpsKnight" }),
            ),
        };
        Some(Sample {
            method: Method::POST,
            path,
            headers,
            body: body.to_string().into_bytes(),
        })
    }
}

fn create(request: &SourceRequest<'_>) -> Result<Signal, Refused> {
    let alert = parse(request.body)?;
    let message = text(&alert, "message");
    if message.trim().is_empty() {
        return Err(Refused::unreadable("message is missing or blank"));
    }
    let key = match AlertKey::new(text(&alert, "alias")) {
        Some(key) => key,
        None => made_up_key(request.body)?,
    };
    let mut signal = Signal::new(SignalAction::Trigger, key, message);
    signal.describe(text(&alert, "description"));
    // Opsgenie's own default is P3.
    signal.severity = severity(text(&alert, "priority")).or(Some(Severity::Warning));
    for name in ["entity", "source", "user", "note"] {
        signal.add_detail(name, text(&alert, name));
    }
    let tags: Vec<String> = elements(&alert, "tags").iter().map(shown).collect();
    signal.add_detail("tags", &tags.join(", "));
    for (name, value) in members(&alert, "details") {
        signal.add_detail(name, &shown(value));
    }
    Ok(signal)
}

fn action(verb: &str) -> SignalAction {
    match verb {
        "close" => SignalAction::Resolve,
        "acknowledge" => SignalAction::Acknowledge,
        other => SignalAction::Ignore(format!("OpsKnight does nothing for {other:?} of an alert")),
    }
}

/// What is done to an alert that was created before. By id, alias or tiny id: the identifier is the key of the alert, which is
/// its alias, or its own id if it was created without one.
fn existing(request: &SourceRequest<'_>, alert: &str, action: SignalAction) -> Result<Signal, Refused> {
    let alert = percent_decode_str(alert).decode_utf8_lossy();
    let key = AlertKey::new(&alert).ok_or_else(|| Refused::unreadable("the path names no alert"))?;
    let said = serde_json::from_slice(request.body).unwrap_or(Value::Null);
    let mut signal = Signal::new(action, key, &alert);
    for name in ["user", "source", "note"] {
        signal.add_detail(name, text(&said, name));
    }
    Ok(signal)
}

/// The id of a request: that of the alert that it made, if it named none itself.
fn request_id(request: &SourceRequest<'_>) -> String {
    let digest = match request.path.len() > ALERTS.len() {
        true => sha256([request.path.as_bytes(), request.body]),
        false => sha256([request.body]),
    };
    hex::encode(&digest[..16])
}

/// What clients ask: how a request went, and which alerts there are.
fn question(request: &SourceRequest<'_>, parts: &[&str]) -> Result<Reading, Refused> {
    let id = request_id(request);
    let body = match parts {
        [] => json!({ "data": [], "took": 0.001, "requestId": id }),
        ["requests", asked] => json!({
            "data": {
                "success": true, "isSuccess": true, "status": "Processed", "action": "Create",
                "processedAt": request.now.to_rfc3339_seconds(), "integrationId": "", "alertId": asked, "alias": "",
            },
            "took": 0.001,
            "requestId": id,
        }),
        _ => return Err(Refusal::UnknownPath.into()),
    };
    Ok(Reading::Question(Answer::json(StatusCode::OK, &body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Given, answer, signals};

    const CREATE: &str = r#"{"message":"Disk of db-1 is full","alias":"db-1/disk","description":"0 %","priority":"P1",
        "tags":["disk","db"],"details":{"mount":"/var"},"entity":"db-1","source":"Nagios"}"#;

    #[test]
    fn an_alert_is_created_by_its_alias_and_answered_with_a_request_id() {
        let given = Given::post("/v2/alerts", CREATE);
        let signal = &signals(&Opsgenie, &given)[0];
        assert_eq!(
            (&signal.action, signal.key.as_str()),
            (&SignalAction::Trigger, "db-1/disk")
        );
        assert_eq!(signal.severity, Some(Severity::Critical));
        assert!(signal.details.contains(&("tags".into(), "disk, db".into())));
        let answer = answer(&Opsgenie, &given);
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        assert!(answer.body.contains("requestId") && answer.body.contains("took"));
    }

    #[test]
    fn closing_and_acknowledging_mean_the_alert_of_the_path() {
        let one = |path: &str| signals(&Opsgenie, &Given::post(path, "{}")).remove(0);
        let closed = one("/v2/alerts/db-1%2Fdisk/close");
        assert_eq!(
            (closed.action, closed.key.as_str()),
            (SignalAction::Resolve, "db-1/disk")
        );
        assert_eq!(one("/v2/alerts/x/acknowledge").action, SignalAction::Acknowledge);
        assert!(matches!(
            one("/v2/alerts/x/unclose").action,
            SignalAction::Ignore(_)
        ));
    }

    #[test]
    fn an_alert_without_an_alias_is_closed_by_the_id_that_was_told() {
        let given = Given::post("/v2/alerts", r#"{"message":"x"}"#);
        let created = signals(&Opsgenie, &given).remove(0);
        let body: Value = serde_json::from_str(&answer(&Opsgenie, &given).body).unwrap();
        assert_eq!(body["requestId"], created.key.as_str());
    }

    #[test]
    fn the_key_is_the_genie_key_and_refusals_are_opsgenies() {
        let given = Given::post("/v2/alerts", "{}").header("authorization", "GenieKey abc");
        assert_eq!(Opsgenie.key_at_root(&given.headers, b"").as_deref(), Some("abc"));
        assert!(Opsgenie.is_root_door("/v2/alerts/x/close") && !Opsgenie.is_root_door("/v2/alertsx"));
        let refused = Opsgenie.read(&given.request()).unwrap_err();
        assert_eq!(Opsgenie.refuse(&refused).status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            Opsgenie.refuse(&Refusal::UnknownSource.into()).status,
            StatusCode::UNAUTHORIZED
        );
    }
}
