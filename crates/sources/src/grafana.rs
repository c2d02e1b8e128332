//! Grafana's webhook contact point: Alertmanager's notification with more in it, and a signature if that is set.
//! <https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/>

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use serde_json::json;

use crate::about::{SecretField, SourceDescription};
use crate::json::parse;
use crate::request::{Answer, Reading, Refusal, Refused, SourceRequest};
use crate::signature::{header, sign, verify};
use crate::{Format, MAX_BODY_BYTES, Sample, SampleContext, SampleMoment, alertmanager, json_headers};
use model::source_kind::SourceKind;
use model::time::Timestamp;

const SIGNATURE: &str = "x-grafana-alerting-signature";
/// Its name is free in Grafana; the set-up says this one.
const TIMESTAMP: &str = "x-grafana-alerting-timestamp";
/// How far a signed time may be from ours.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

static ABOUT: SourceDescription = SourceDescription {
    kind: SourceKind::Grafana,
    name: "Grafana",
    summary: "A webhook contact point of Grafana's alerting: an incident for each alert, or for each group.",
    max_body_bytes: MAX_BODY_BYTES,
    secret: Some(SecretField {
        label: "HMAC secret",
        hint: "The secret of the contact point's HMAC signature. Once it is set, requests without a right signature are refused.",
    }),
    groups_alerts: true,
    mapping: &[],
    page: include_str!("../../../docs/sources/grafana.md"),
};

/// See the module.
pub(crate) struct Grafana;

impl Format for Grafana {
    fn description(&self) -> &'static SourceDescription {
        &ABOUT
    }

    fn read(&self, request: &SourceRequest<'_>) -> Result<Reading, Refused> {
        if !matches!(*request.method, Method::POST | Method::PUT) {
            return Err(Refusal::MethodNotAllowed.into());
        }
        if !matches!(request.path, "" | "/") {
            return Err(Refusal::UnknownPath.into());
        }
        check_signature(request)?;
        let signals = alertmanager::signals(&parse(request.body)?, request.options.alert_unit)?;
        let answer = Answer::json(StatusCode::OK, &json!({ "status": "ok" }));
        Ok(Reading::Signals { signals, answer })
    }

    fn sample(&self, moment: SampleMoment, context: &SampleContext<'_>) -> Option<Sample> {
        let mut body = alertmanager::notification(moment, context.now);
        body["version"] = "1".into();
        body["orgId"] = 1.into();
        body["title"] = "Test alert".into();
        body["state"] = if moment == SampleMoment::Fire {
            "alerting"
        } else {
            "ok"
        }
        .into();
        let body = body.to_string().into_bytes();
        let mut headers = json_headers();
        if let Some(secret) = context.secret {
            headers.insert(SIGNATURE, HeaderValue::from_str(&sign(secret, &body)).ok()?);
        }
        Some(Sample {
            method: Method::POST,
            path: String::new(),
            headers,
            body,
        })
    }
}

/// With a time in the request, that is signed too, and must be near ours.
fn check_signature(request: &SourceRequest<'_>) -> Result<(), Refused> {
    let timestamp = header(request.headers, TIMESTAMP);
    if timestamp.is_empty() {
        return verify(request, SIGNATURE, "");
    }
    verify(request, SIGNATURE, &format!("{timestamp}:"))?;
    let seconds: Option<i64> = timestamp.parse().ok();
    let at = seconds.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)));
    let is_near = at.is_some_and(|at| request.now.since(at).max(at.since(request.now)) <= TOLERANCE);
    match is_near || request.secret.is_none() {
        true => Ok(()),
        false => Err(Refused {
            refusal: Refusal::SignatureInvalid,
            sentence: "the signed time is not now: set both clocks right".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Given, now, signals};
    use model::digest::hmac_sha256;
    use model::secret::SecretText;

    fn given() -> Given {
        let mut body = alertmanager::notification(SampleMoment::Fire, now());
        body["alerts"][0]["dashboardURL"] = "https://grafana.example/d/1".into();
        body["alerts"][0]["valueString"] = "[ var='A' value=97 ]".into();
        let mut given = Given::post("", body.to_string());
        given.secret = Some(SecretText::new("hush"));
        given
    }

    fn signed(given: Given, timestamp: &str) -> Given {
        let before = if timestamp.is_empty() {
            String::new()
        } else {
            format!("{timestamp}:")
        };
        let signature = hex::encode(hmac_sha256(b"hush", [before.as_bytes(), &given.body]));
        let given = given.header(SIGNATURE, &signature);
        if timestamp.is_empty() {
            given
        } else {
            given.header(TIMESTAMP, timestamp)
        }
    }

    #[test]
    fn a_signed_alert_is_read_with_what_grafana_adds() {
        let signal = &signals(&Grafana, &signed(given(), ""))[0];
        assert!(signal.links.iter().any(|link| link.text == "Dashboard"));
        assert!(signal.details.iter().any(|(name, _)| name == "values"));
        let timestamp = now().as_seconds().to_string();
        assert_eq!(signals(&Grafana, &signed(given(), &timestamp)).len(), 1);
    }

    #[test]
    fn what_is_not_signed_or_signed_long_ago_is_refused_once_a_secret_is_set() {
        let refusal = |given: Given| Grafana.read(&given.request()).unwrap_err().refusal;
        assert_eq!(refusal(given()), Refusal::SignatureInvalid);
        assert_eq!(
            refusal(given().header(SIGNATURE, "beef")),
            Refusal::SignatureInvalid
        );
        let old = (now().as_seconds() - 301).to_string();
        assert_eq!(refusal(signed(given(), &old)), Refusal::SignatureInvalid);
        let mut unsigned = given();
        unsigned.secret = None;
        assert_eq!(signals(&Grafana, &unsigned).len(), 1);
    }

    #[test]
    fn its_sample_is_one_that_is_believed() {
        let secret = SecretText::new("hush");
        let context = SampleContext {
            key: "k",
            secret: Some(&secret),
            now: now(),
        };
        let sample = Grafana.sample(SampleMoment::Fire, &context).unwrap();
        let mut given = given();
        (given.headers, given.body) = (sample.headers, sample.body);
        assert_eq!(signals(&Grafana, &given).len(), 1);
    }
}
