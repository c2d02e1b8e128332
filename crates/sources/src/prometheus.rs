//! The API of an Alertmanager, version 2, to which Prometheus posts: it sends what fires again and again, and says by when it
//! is over unless it does. <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::about::SourceDescription;
use crate::json::parse;
use crate::prometheus_alert::{key_of_labels, signal, time, unnamed};
use crate::request::{Answer, MAX_SIGNALS, Reading, Refusal, Refused, SourceRequest};
use crate::{Format, MAX_BODY_BYTES, Sample, SampleContext, SampleMoment, json_headers};
use model::signal::{Signal, SignalAction};
use model::source_kind::SourceKind;
use model::time::Timestamp;

/// After which time an alert is over whose sender says nothing of that: Alertmanager's own default.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
const ALERTS: &str = "/api/v2/alerts";

static ABOUT: SourceDescription = SourceDescription {
    kind: SourceKind::Prometheus,
    name: "Prometheus",
    summary: "Prometheus itself, without an Alertmanager: this server takes its place.",
    max_body_bytes: MAX_BODY_BYTES,
    secret: None,
    groups_alerts: false,
    mapping: &[],
    page: include_str!("../../../docs/sources/prometheus.md"),
};

/// See the module.
pub(crate) struct Prometheus;

impl Format for Prometheus {
    fn description(&self) -> &'static SourceDescription {
        &ABOUT
    }

    fn read(&self, request: &SourceRequest<'_>) -> Result<Reading, Refused> {
        match (request.method, request.path) {
            (&Method::POST, ALERTS) => alerts(request),
            (&Method::GET, path) => question(path),
            (_, ALERTS) => Err(Refusal::MethodNotAllowed.into()),
            _ => Err(Refusal::UnknownPath.into()),
        }
    }

    fn refuse(&self, refused: &Refused) -> Answer {
        // A sentence in JSON, as the API has it.
        Answer::json(refused.refusal.status(), &refused.sentence.as_str().into())
    }

    fn sample(&self, moment: SampleMoment, context: &SampleContext<'_>) -> Option<Sample> {
        let ends_at = match moment {
            SampleMoment::Fire => context.now.plus(RESOLVE_TIMEOUT),
            SampleMoment::Resolve => context.now,
        };
        let body = json!([{
            "labels": { "alertname": "OpsKnightTest", "instance": "db-1", "severity": "warning" },
            "annotations": { "summary": "Test alert: the disk of db-1 is almost full" },
            "startsAt": context.now.to_rfc3339_seconds(),
            "endsAt": ends_at.to_string(),
            "generatorURL": "http://prometheus.example:9090/graph",
        }]);
        Some(Sample {
            method: Method::POST,
            path: ALERTS.into(),
            headers: json_headers(),
            body: body.to_string().into_bytes(),
        })
    }
}

fn alerts(request: &SourceRequest<'_>) -> Result<Reading, Refused> {
    let Value::Array(alerts) = parse(request.body)? else {
        return Err(Refused::unreadable("the body is no list of alerts"));
    };
    if alerts.len() > MAX_SIGNALS {
        return Err(Refusal::RequestTooLarge.into());
    }
    let signals = alerts.iter().map(|one| alert(one, request.now)).collect();
    let answer = Answer {
        status: StatusCode::OK,
        content_type: "application/json",
        body: String::new(),
    };
    Ok(Reading::Signals { signals, answer })
}

fn alert(alert: &Value, now: Timestamp) -> Signal {
    let Some(key) = key_of_labels(alert) else {
        return unnamed(alert);
    };
    match time(alert, "endsAt") {
        Some(ends_at) if ends_at <= now => signal(SignalAction::Resolve, key, alert),
        ends_at => {
            let mut signal = signal(SignalAction::Trigger, key, alert);
            signal.resolve_at = Some(ends_at.unwrap_or_else(|| now.plus(RESOLVE_TIMEOUT)));
            signal
        }
    }
}

/// What clients of an Alertmanager ask before they send.
fn question(path: &str) -> Result<Reading, Refused> {
    let answer = match path {
        "/-/healthy" | "/-/ready" => Answer::text(StatusCode::OK, "OK"),
        ALERTS | "/api/v2/alerts/groups" | "/api/v2/silences" | "/api/v2/receivers" => {
            Answer::json(StatusCode::OK, &json!([]))
        }
        "/api/v2/status" => Answer::json(
            StatusCode::OK,
            &json!({
                "cluster": { "status": "disabled", "peers": [] },
                "config": { "original": "" },
                "uptime": "1970-01-01T00:00:00.000Z",
                "versionInfo": {
                    "branch": "", "buildDate": "", "buildUser": "", "goVersion": "", "revision": "", "version": "OpsKnight",
                },
            }),
        ),
        _ => return Err(Refusal::UnknownPath.into()),
    };
    Ok(Reading::Question(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Given, answer, now, signals};

    fn one(ends_at: &str) -> Signal {
        let body =
            json!([{ "labels": { "b": "2", "alertname": "Down", "instance": "db-1" }, "endsAt": ends_at }]);
        signals(&Prometheus, &Given::post(ALERTS, body.to_string())).remove(0)
    }

    #[test]
    fn an_alert_fires_until_its_end_and_is_over_when_that_is_past() {
        let firing = one("2026-11-29T12:04:00.5Z");
        assert_eq!(firing.action, SignalAction::Trigger);
        assert_eq!(
            firing.resolve_at.unwrap().since(now()),
            Duration::from_millis(240_500)
        );
        assert_eq!(firing.title, "Down on db-1");
        assert_eq!(one("2026-11-29T12:00:00Z").action, SignalAction::Resolve);
        assert_eq!(
            one("0001-01-01T00:00:00Z").resolve_at,
            Some(now().plus(RESOLVE_TIMEOUT))
        );
    }

    #[test]
    fn the_labels_say_which_alert_it_is_whatever_their_order() {
        let body = r#"[{"labels":{"instance":"db-1","alertname":"Down","b":"2"}},{"labels":{}},7]"#;
        let signals = signals(&Prometheus, &Given::post(ALERTS, body));
        assert_eq!(signals[0].key, one("").key);
        assert!(
            signals[1..]
                .iter()
                .all(|signal| matches!(signal.action, SignalAction::Ignore(_)))
        );
    }

    #[test]
    fn what_clients_ask_is_answered_and_not_kept() {
        for path in ["/api/v2/status", "/api/v2/alerts", "/-/ready"] {
            let mut given = Given::post(path, "");
            given.method = Method::GET;
            assert_eq!(answer(&Prometheus, &given).status, StatusCode::OK);
            assert!(matches!(
                Prometheus.read(&given.request()),
                Ok(Reading::Question(_))
            ));
        }
        let refused = Prometheus.read(&Given::post(ALERTS, "{}").request()).unwrap_err();
        assert_eq!(
            Prometheus.refuse(&refused).body,
            "\"the body is no list of alerts\""
        );
    }
}
