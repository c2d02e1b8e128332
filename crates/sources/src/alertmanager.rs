//! Alertmanager's webhook, version 4. <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::about::SourceDescription;
use crate::json::{elements, members, parse, shown, text};
use crate::request::{Answer, MAX_SIGNALS, Reading, Refusal, Refused, SourceRequest};
use crate::severity::severity;
use crate::{
    Format, MAX_BODY_BYTES, Sample, SampleContext, SampleMoment, json_headers, only_post, prometheus_alert,
};
use model::incident::Severity;
use model::signal::{AlertKey, Signal, SignalAction};
use model::source_kind::{AlertUnit, SourceKind};
use model::time::Timestamp;

/// How many alerts of a group its description names.
const MAX_NAMED: usize = 20;

static ABOUT: SourceDescription = SourceDescription {
    kind: SourceKind::Alertmanager,
    name: "Prometheus Alertmanager",
    summary: "A receiver of an Alertmanager: an incident for each alert, or for each group.",
    max_body_bytes: MAX_BODY_BYTES,
    secret: None,
    groups_alerts: true,
    mapping: &[],
    page: include_str!("../../../docs/sources/alertmanager.md"),
};

/// See the module.
pub(crate) struct Alertmanager;

impl Format for Alertmanager {
    fn description(&self) -> &'static SourceDescription {
        &ABOUT
    }

    fn read(&self, request: &SourceRequest<'_>) -> Result<Reading, Refused> {
        only_post(request)?;
        if !matches!(request.path, "" | "/") {
            return Err(Refusal::UnknownPath.into());
        }
        let signals = signals(&parse(request.body)?, request.options.alert_unit)?;
        let answer = Answer::json(StatusCode::OK, &json!({ "status": "ok" }));
        Ok(Reading::Signals { signals, answer })
    }

    fn sample(&self, moment: SampleMoment, context: &SampleContext<'_>) -> Option<Sample> {
        Some(Sample {
            method: Method::POST,
            path: String::new(),
            headers: json_headers(),
            body: notification(moment, context.now).to_string().into_bytes(),
        })
    }
}

/// What a notification says, with each alert or each group as one.
pub(crate) fn signals(notification: &Value, unit: AlertUnit) -> Result<Vec<Signal>, Refused> {
    if !notification.get("alerts").is_some_and(Value::is_array) {
        return Err(Refused::unreadable(
            "the body has no list alerts: is this an Alertmanager's webhook?",
        ));
    }
    let alerts = elements(notification, "alerts");
    if alerts.len() > MAX_SIGNALS {
        return Err(Refusal::RequestTooLarge.into());
    }
    let mut signals = match unit {
        AlertUnit::Alert => alerts.iter().map(alert).collect(),
        AlertUnit::Group => vec![group(notification, alerts)?],
    };
    let truncated = notification
        .get("truncatedAlerts")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    if truncated > 0 {
        signals.push(left_out(notification, truncated)?);
    }
    Ok(signals)
}

/// The sender left alerts out: on record, since whoever looks for one of them has to know.
fn left_out(notification: &Value, count: u64) -> Result<Signal, Refused> {
    let why =
        format!("the sender left {count} alerts out of this request: raise max_alerts in its configuration");
    let title = format!("{count} alerts left out by the sender");
    Ok(Signal::new(
        SignalAction::Ignore(why),
        group_key(notification)?,
        &title,
    ))
}

fn action(status: &str) -> SignalAction {
    match status {
        "firing" => SignalAction::Trigger,
        "resolved" => SignalAction::Resolve,
        other => SignalAction::Ignore(format!("the status {other:?} is neither firing nor resolved")),
    }
}

fn alert(alert: &Value) -> Signal {
    match prometheus_alert::key(alert) {
        Some(key) => prometheus_alert::signal(action(text(alert, "status")), key, alert),
        None => prometheus_alert::unnamed(alert),
    }
}

fn group_key(notification: &Value) -> Result<AlertKey, Refused> {
    AlertKey::new(text(notification, "groupKey"))
        .ok_or_else(|| Refused::unreadable("groupKey is missing: it says which group is meant"))
}

fn group(notification: &Value, alerts: &[Value]) -> Result<Signal, Refused> {
    let common = json!({
        "labels": notification.get("commonLabels").or_else(|| notification.get("groupLabels")),
        "annotations": notification.get("commonAnnotations"),
    });
    let action = action(text(notification, "status"));
    let mut signal = prometheus_alert::signal(action, group_key(notification)?, &common);
    let firing = alerts.iter().filter(|alert| text(alert, "status") == "firing");
    let firing: Vec<Signal> = firing.map(self::alert).collect();
    let base = match text(&common["labels"], "alertname") {
        "" => names(notification),
        _ => signal.title.clone(),
    };
    let count = alerts.len();
    let said = if count == 1 {
        base
    } else {
        format!("{base} ({count} alerts)")
    };
    let titled = Signal::new(signal.action.clone(), signal.key.clone(), &said);
    signal.title = titled.title;
    signal.severity = firing
        .iter()
        .filter_map(|alert| alert.severity)
        .reduce(Severity::worst)
        .or_else(|| severity(text(&common["labels"], "severity")));
    // A group begins anew with each alert that joins it.
    signal.started_at = firing.iter().filter_map(|alert| alert.started_at).max();
    signal.add_link("Alertmanager", text(notification, "externalURL"));
    let mut lines: Vec<String> = firing
        .iter()
        .take(MAX_NAMED)
        .map(|alert| format!("- {}", alert.title))
        .collect();
    if firing.len() > MAX_NAMED {
        lines.push(format!("- and {} more", firing.len() - MAX_NAMED));
    }
    let own = signal.description.take().unwrap_or_default();
    signal.describe(&format!("{own}\n\n{}", lines.join("\n")));
    Ok(signal)
}

/// What a group is called whose alerts have different names.
fn names(notification: &Value) -> String {
    let labels = members(notification, "groupLabels").map(|(name, value)| format!("{name} {}", shown(value)));
    let labels: Vec<String> = labels.collect();
    match labels.is_empty() {
        true => "Alerts".to_owned(),
        false => format!("Alerts of {}", labels.join(", ")),
    }
}

/// A notification as Alertmanager makes one.
pub(crate) fn notification(moment: SampleMoment, now: Timestamp) -> Value {
    let (status, ends_at) = match moment {
        SampleMoment::Fire => ("firing", "0001-01-01T00:00:00Z".to_owned()),
        SampleMoment::Resolve => ("resolved", now.to_rfc3339_seconds()),
    };
    let labels = json!({ "alertname": "OpsKnightTest", "instance": "db-1", "severity": "warning" });
    let annotations =
        json!({ "summary": "Test alert: the disk of db-1 is almost full", "description": "4 % are free." });
    json!({
        "version": "4",
        "groupKey": "{}:{alertname=\"OpsKnightTest\"}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "opsknight",
        "groupLabels": { "alertname": "OpsKnightTest" },
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager.example:9093",
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": now.to_rfc3339_seconds(),
            "endsAt": ends_at,
            "generatorURL": "http://prometheus.example:9090/graph",
            "fingerprint": "5f0e0c1b2a3d4e5f",
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Given, answer, now, signals};

    fn two_alerts() -> Value {
        let mut body = notification(SampleMoment::Fire, now());
        let mut second = body["alerts"][0].clone();
        second["fingerprint"] = "aaaa".into();
        second["labels"]["severity"] = "critical".into();
        second["labels"]["instance"] = "db-2".into();
        second["annotations"]["summary"] = "The disk of db-2 is full".into();
        body["alerts"].as_array_mut().unwrap().push(second);
        body
    }

    #[test]
    fn each_alert_is_one_by_its_fingerprint() {
        let given = Given::post("", two_alerts().to_string());
        let signals = signals(&Alertmanager, &given);
        let keys: Vec<_> = signals.iter().map(|signal| signal.key.as_str()).collect();
        assert_eq!(keys, ["5f0e0c1b2a3d4e5f", "aaaa"]);
        assert_eq!(signals[0].title, "Test alert: the disk of db-1 is almost full");
        assert_eq!(signals[0].severity, Some(Severity::Warning));
        assert_eq!(signals[0].links[0].text, "Source");
        assert_eq!(answer(&Alertmanager, &given).status, StatusCode::OK);
    }

    #[test]
    fn an_alert_that_is_over_resolves_while_others_of_its_group_fire() {
        let mut body = two_alerts();
        body["alerts"][0]["status"] = "resolved".into();
        body["alerts"][1]["status"] = "unresolved".into();
        let signals = signals(&Alertmanager, &Given::post("", body.to_string()));
        assert_eq!(signals[0].action, SignalAction::Resolve);
        assert!(matches!(signals[1].action, SignalAction::Ignore(_)));
    }

    #[test]
    fn a_group_is_one_alert_as_bad_as_its_worst_if_that_is_wanted() {
        let mut given = Given::post("", two_alerts().to_string());
        given.options.alert_unit = AlertUnit::Group;
        let signals = signals(&Alertmanager, &given);
        assert_eq!(signals.len(), 1);
        assert_eq!(signals[0].key.as_str(), "{}:{alertname=\"OpsKnightTest\"}");
        assert_eq!(signals[0].severity, Some(Severity::Critical));
        assert!(signals[0].title.ends_with("(2 alerts)"), "{}", signals[0].title);
        assert!(
            signals[0]
                .description
                .as_ref()
                .unwrap()
                .contains("- The disk of db-2 is full")
        );
    }

    #[test]
    fn alerts_that_the_sender_left_out_are_said() {
        let mut body = two_alerts();
        body["truncatedAlerts"] = 7.into();
        let signals = signals(&Alertmanager, &Given::post("", body.to_string()));
        assert_eq!(signals[2].title, "7 alerts left out by the sender");
        assert!(matches!(&signals[2].action, SignalAction::Ignore(why) if why.contains("max_alerts")));
    }

    #[test]
    fn what_is_no_notification_is_refused_as_text() {
        for body in ["", "[]", "{}", r#"{"alerts":{}}"#] {
            let refused = Alertmanager.read(&Given::post("", body).request()).unwrap_err();
            assert_eq!(Alertmanager.refuse(&refused).status, StatusCode::BAD_REQUEST);
        }
        // Alertmanager drops what is answered with 429.
        assert_eq!(
            Alertmanager.refuse(&Refusal::Overloaded.into()).status,
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}
