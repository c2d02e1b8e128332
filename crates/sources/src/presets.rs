//! The senders that are read by expressions: what each one's fields are, and how it is set up.

use serde_json::{Value, json};

use crate::SampleMoment;
use crate::about::{MappingField, SecretField, SourceDescription};
use crate::mapped::Mapped;
use crate::mapping::{Defaults, MAX_MAPPED_BODY_BYTES, fields};
use model::source_kind::SourceKind;

const SIGNATURE: &str = "x-signature";
const TITLE: &str = "Test alert: the disk of db-1 is almost full";
const OWN_SECRET: SecretField = SecretField {
    label: "Signing secret",
    hint: "Once it is set, requests need X-Signature: the HMAC-SHA-256 of the body in hexadecimal.",
};

/// Any JSON.
pub(crate) static GENERIC: Mapped = Mapped {
    about: &SourceDescription {
        kind: SourceKind::Generic,
        name: "Anything with JSON",
        summary: "Whatever can send JSON: you say which of its fields is which, and see what comes of it.",
        secret: Some(OWN_SECRET),
        mapping: &GENERIC_FIELDS,
        page: include_str!("../../../docs/sources/generic.md"),
        ..BASE
    },
    signature: SIGNATURE,
    sample: |moment| {
        let status = fire_or(moment, "firing", "resolved");
        json!({ "key": "opsknight-test", "title": TITLE, "status": status, "severity": "warning" })
    },
};

static GENERIC_FIELDS: [MappingField; 10] = fields(&Defaults {
    status: "has(alert.status) ? alert.status : ''",
    resolve_words: "resolved, resolve, ok, up, closed, close, recovered, recovery, healthy",
    acknowledge_words: "acknowledged, acknowledge, ack",
    ignore_words: "",
    key: "has(alert.key) ? alert.key : alert.title",
    title: "alert.title",
    description: "has(alert.description) ? alert.description : ''",
    severity: "has(alert.severity) ? alert.severity : ''",
    link: "has(alert.link) ? alert.link : ''",
});

/// Uptime Kuma. Its test and its notes on certificates have neither heartbeat nor monitor.
pub(crate) static UPTIME_KUMA: Mapped = Mapped {
    about: &SourceDescription {
        kind: SourceKind::UptimeKuma,
        name: "Uptime Kuma",
        summary: "Monitors that go down and come up again.",
        mapping: &UPTIME_KUMA_FIELDS,
        page: include_str!("../../../docs/sources/uptime_kuma.md"),
        ..BASE
    },
    signature: SIGNATURE,
    sample: |moment| {
        let status = if moment == SampleMoment::Fire { 0 } else { 1 };
        json!({
            "heartbeat": { "monitorID": 1, "status": status, "msg": "connect ECONNREFUSED", "important": true },
            "monitor": { "id": 1, "name": "Test monitor", "url": "https://www.example.com", "type": "http" },
            "msg": fire_or(moment, "[Test monitor] [Down] connect ECONNREFUSED", "[Test monitor] [Up] 200 - OK"),
        })
    },
};

static UPTIME_KUMA_FIELDS: [MappingField; 10] = fields(&Defaults {
    status: "body.heartbeat == null ? (body.msg.endsWith('Testing') ? 'test' : 'note') : string(body.heartbeat.status)",
    resolve_words: "1",
    acknowledge_words: "",
    ignore_words: "2, 3, test",
    key: "body.monitor == null ? body.msg : 'monitor ' + string(body.monitor.id)",
    title: "body.monitor == null ? body.msg : body.monitor.name + ': ' + body.heartbeat.msg",
    description: "body.msg",
    severity: "body.monitor == null ? 'warning' : 'critical'",
    link: "body.monitor.url",
});

/// Datadog, which sends what one tells it to send.
pub(crate) static DATADOG: Mapped = Mapped {
    about: &SourceDescription {
        kind: SourceKind::Datadog,
        name: "Datadog",
        summary: "Monitors of Datadog by its webhooks integration.",
        mapping: &DATADOG_FIELDS,
        page: include_str!("../../../docs/sources/datadog.md"),
        ..BASE
    },
    signature: SIGNATURE,
    sample: |moment| {
        json!({
            "cycle": "1234567890", "monitor": "42", "title": TITLE, "message": "4 % are free.", "host": "db-1",
            "transition": fire_or(moment, "Triggered", "Recovered"), "type": fire_or(moment, "warning", "success"),
            "priority": "P3", "link": "https://app.datadoghq.com/monitors/42", "scope": "host:db-1",
        })
    },
};

static DATADOG_FIELDS: [MappingField; 10] = fields(&Defaults {
    status: "body.transition",
    resolve_words: "recovered, warn recovered, no data recovered",
    acknowledge_words: "",
    ignore_words: "",
    key: "body.cycle != '' ? body.cycle : body.monitor + ' ' + body.scope",
    title: "body.title",
    description: "body.message",
    severity: "body.priority in ['P1', 'P2', 'P3', 'P4', 'P5'] ? body.priority : body.type",
    link: "body.link",
});

/// Sentry: issues, alerts on issues and alerts on metrics.
pub(crate) static SENTRY: Mapped = Mapped {
    about: &SourceDescription {
        kind: SourceKind::Sentry,
        name: "Sentry",
        summary: "Issues and alerts of Sentry by an internal integration.",
        secret: Some(SecretField {
            label: "Client secret",
            hint: "The client secret of the internal integration. Once it is set, requests without a right signature are refused.",
        }),
        mapping: &SENTRY_FIELDS,
        page: include_str!("../../../docs/sources/sentry.md"),
        ..BASE
    },
    signature: "sentry-hook-signature",
    sample: |moment| {
        json!({
            "action": fire_or(moment, "created", "resolved"),
            "data": { "issue": {
                "id": "1", "title": "Test alert: TypeError in checkout", "culprit": "checkout.pay", "level": "error",
                "web_url": "https://sentry.example/issues/1/", "status": fire_or(moment, "unresolved", "resolved"),
            } },
        })
    },
};

static SENTRY_FIELDS: [MappingField; 10] = fields(&Defaults {
    status: "has(body.data.issue) || has(body.data.event) || has(body.data.metric_alert) ? body.action : 'other'",
    resolve_words: "resolved",
    acknowledge_words: "",
    ignore_words: "assigned, archived, ignored, other",
    key: "has(body.data.metric_alert) ? 'metric ' + string(body.data.metric_alert.id) : 'issue ' + string(has(body.data.issue) ? body.data.issue.id : body.data.event.issue_id)",
    title: "has(body.data.metric_alert) ? body.data.description_title : has(body.data.issue) ? body.data.issue.title : body.data.event.title",
    description: "has(body.data.metric_alert) ? body.data.description_text : has(body.data.issue) ? body.data.issue.culprit : body.data.event.culprit",
    severity: "has(body.data.metric_alert) ? body.action : has(body.data.issue) ? body.data.issue.level : body.data.event.level",
    link: "has(body.data.metric_alert) ? body.data.web_url : has(body.data.issue) ? body.data.issue.web_url : body.data.event.web_url",
});

/// Zabbix, by the media type of the set-up.
pub(crate) static ZABBIX: Mapped = Mapped {
    about: &SourceDescription {
        kind: SourceKind::Zabbix,
        name: "Zabbix",
        summary: "Problems of Zabbix by a media type with a script.",
        mapping: &ZABBIX_FIELDS,
        page: include_str!("../../../docs/sources/zabbix.md"),
        ..BASE
    },
    signature: SIGNATURE,
    sample: |moment| {
        json!({
            "event": "1001", "value": fire_or(moment, "1", "0"), "name": TITLE, "severity": "Average", "host": "db-1",
            "acknowledged": "No", "data": "4 %", "link": "https://zabbix.example/tr_events.php?triggerid=7&eventid=1001",
        })
    },
};

static ZABBIX_FIELDS: [MappingField; 10] = fields(&Defaults {
    status: "body.value == '0' ? 'resolved' : body.acknowledged == 'Yes' ? 'acknowledged' : 'problem'",
    resolve_words: "resolved",
    acknowledge_words: "acknowledged",
    ignore_words: "",
    key: "'event ' + body.event",
    title: "body.host + ': ' + body.name",
    description: "body.data",
    severity: "body.severity",
    link: "body.link",
});

/// Healthchecks, with the body of the set-up.
pub(crate) static HEALTHCHECKS: Mapped = Mapped {
    about: &SourceDescription {
        kind: SourceKind::Healthchecks,
        name: "Healthchecks",
        summary: "Checks of healthchecks.io, or of one's own Healthchecks, that were not heard of in time.",
        mapping: &HEALTHCHECKS_FIELDS,
        page: include_str!("../../../docs/sources/healthchecks.md"),
        ..BASE
    },
    signature: SIGNATURE,
    sample: |moment| {
        let (id, status) = (
            "8d7f0c1a-5c9e-4c53-9d0e-2f6d1f8f6f11",
            fire_or(moment, "down", "up"),
        );
        json!({ "id": id, "name": "Nightly backup", "status": status, "tags": "prod db" })
    },
};

static HEALTHCHECKS_FIELDS: [MappingField; 10] = fields(&Defaults {
    status: "body.status",
    resolve_words: "up",
    acknowledge_words: "",
    ignore_words: "",
    key: "body.id",
    title: "body.name + ' is ' + body.status",
    description: "has(body.tags) ? 'Tags: ' + body.tags : ''",
    severity: "'error'",
    link: "",
});

/// What the descriptions share.
const BASE: SourceDescription = SourceDescription {
    kind: SourceKind::Generic,
    name: "",
    summary: "",
    max_body_bytes: MAX_MAPPED_BODY_BYTES,
    secret: None,
    groups_alerts: false,
    mapping: &[],
    page: "",
};

fn fire_or(moment: SampleMoment, fire: &'static str, resolve: &'static str) -> Value {
    match moment {
        SampleMoment::Fire => fire.into(),
        SampleMoment::Resolve => resolve.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;
    use crate::request::Refusal;
    use crate::testing::{Given, signals};
    use model::digest::hmac_sha256;
    use model::incident::Severity;
    use model::secret::SecretText;
    use model::signal::{Signal, SignalAction};

    fn one(format: &Mapped, body: &Value) -> Signal {
        signals(format, &Given::post("", body.to_string())).remove(0)
    }

    #[test]
    fn uptime_kuma_fires_by_monitor_and_its_test_is_ignored() {
        let down = one(&UPTIME_KUMA, &(UPTIME_KUMA.sample)(SampleMoment::Fire));
        assert_eq!(
            (down.key.as_str(), &down.action),
            ("monitor 1", &SignalAction::Trigger)
        );
        assert_eq!(down.title, "Test monitor: connect ECONNREFUSED");
        let mut pending = (UPTIME_KUMA.sample)(SampleMoment::Fire);
        pending["heartbeat"]["status"] = 2.into();
        assert!(matches!(
            one(&UPTIME_KUMA, &pending).action,
            SignalAction::Ignore(_)
        ));
        let said = |msg: &str| {
            one(
                &UPTIME_KUMA,
                &json!({ "heartbeat": null, "monitor": null, "msg": msg }),
            )
        };
        assert!(matches!(
            said("[My Webhook] Testing").action,
            SignalAction::Ignore(_)
        ));
        assert_eq!(
            said("[www] Certificate expires in 7 days").action,
            SignalAction::Trigger
        );
    }

    #[test]
    fn sentry_tells_issues_alerts_and_metrics_apart() {
        let issue = |action: &str| {
            one(
                &SENTRY,
                &json!({ "action": action, "data": { "issue": { "id": "7", "title": "t", "level": "fatal", "culprit": "c" } } }),
            )
        };
        assert_eq!(issue("created").severity, Some(Severity::Critical));
        assert_eq!(issue("resolved").action, SignalAction::Resolve);
        assert_eq!(issue("unresolved").action, SignalAction::Trigger);
        assert!(matches!(issue("assigned").action, SignalAction::Ignore(_)));
        let event = one(
            &SENTRY,
            &json!({ "action": "triggered", "data": { "event": { "issue_id": 7, "title": "t", "level": "error" } } }),
        );
        assert_eq!(event.key, issue("created").key);
        let metric = one(
            &SENTRY,
            &json!({ "action": "critical", "data": { "description_title": "Critical: errors",
            "metric_alert": { "id": "9" } } }),
        );
        assert_eq!(
            (metric.key.as_str(), metric.severity),
            ("metric 9", Some(Severity::Critical))
        );
        let installed = one(
            &SENTRY,
            &json!({ "action": "created", "data": { "installation": {} } }),
        );
        assert!(matches!(installed.action, SignalAction::Ignore(_)));
    }

    #[test]
    fn what_others_send_is_read_too() {
        let zabbix = |value: &str, acknowledged: &str| {
            let mut body = (ZABBIX.sample)(SampleMoment::Fire);
            (body["value"], body["acknowledged"]) = (value.into(), acknowledged.into());
            one(&ZABBIX, &body).action
        };
        assert_eq!(zabbix("1", "No"), SignalAction::Trigger);
        assert_eq!(zabbix("1", "Yes"), SignalAction::Acknowledge);
        assert_eq!(zabbix("0", "Yes"), SignalAction::Resolve);
        let check = one(&HEALTHCHECKS, &(HEALTHCHECKS.sample)(SampleMoment::Fire));
        assert_eq!(
            (check.title.as_str(), check.severity),
            ("Nightly backup is down", Some(Severity::Error))
        );
        let datadog = one(&DATADOG, &(DATADOG.sample)(SampleMoment::Fire));
        assert_eq!(
            (datadog.key.as_str(), datadog.severity),
            ("1234567890", Some(Severity::Warning))
        );
    }

    #[test]
    fn a_signature_is_needed_once_a_secret_is_set() {
        let body = (GENERIC.sample)(SampleMoment::Fire).to_string();
        let signature = hex::encode(hmac_sha256(b"hush", [body.as_bytes()]));
        let given = |signature: &str| {
            let mut given = Given::post("", &body).header(SIGNATURE, signature);
            given.secret = Some(SecretText::new("hush"));
            given
        };
        assert_eq!(signals(&GENERIC, &given(&signature)).len(), 1);
        assert_eq!(signals(&GENERIC, &given(&format!("sha256={signature}"))).len(), 1);
        for wrong in ["", "zz", &signature[1..], &format!("{signature}00")] {
            let refused = GENERIC.read(&given(wrong).request()).unwrap_err();
            assert_eq!(refused.refusal, Refusal::SignatureInvalid);
        }
    }
}
