//! Amazon SNS, through which CloudWatch's alarms come. A message is believed by its signature, whose certificate comes from
//! Amazon's own hosts and no other. <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>

use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use url::{Host, Url};
use x509_parser::pem::parse_x509_pem;
use x509_parser::time::ASN1Time;

use crate::about::SourceDescription;
use crate::json::{members, parse, shown, text};
use crate::request::{Answer, Certificate, Reading, Refusal, Refused, SourceRequest};
use crate::{Format, Sample, SampleContext, SampleMoment, only_post};
use model::signal::{AlertKey, Signal, SignalAction};
use model::source_kind::SourceKind;
use model::time::Timestamp;

/// SNS's own bound is 256 KiB for the message, which grows when it is written as a text in JSON.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
const SIGNED_NOTIFICATION: [&str; 6] = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
const SIGNED_CONFIRMATION: [&str; 7] = [
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
];

static ABOUT: SourceDescription = SourceDescription {
    kind: SourceKind::Sns,
    name: "Amazon CloudWatch (SNS)",
    summary: "Alarms of CloudWatch, and whatever else is published to an SNS topic.",
    max_body_bytes: MAX_MESSAGE_BYTES,
    secret: None,
    groups_alerts: false,
    mapping: &[],
    page: include_str!("../../../docs/sources/sns.md"),
};

/// See the module.
pub(crate) struct Sns;

impl Format for Sns {
    fn description(&self) -> &'static SourceDescription {
        &ABOUT
    }

    fn read(&self, request: &SourceRequest<'_>) -> Result<Reading, Refused> {
        only_post(request)?;
        let message = parse(request.body)?;
        let certificate_url = amazon_url(&message, "SigningCertURL")
            .filter(|url| url.path().ends_with(".pem"))
            .ok_or_else(|| invalid("SigningCertURL is not one of Amazon's own addresses"))?;
        let Some(certificate) = request.certificate.filter(|given| *given.url == certificate_url) else {
            return Ok(Reading::NeedsCertificate(certificate_url));
        };
        check_signature(&message, certificate, request.now)?;
        let answer = Answer::text(StatusCode::OK, "ok");
        match text(&message, "Type") {
            "Notification" => Ok(Reading::Signals {
                signals: vec![notification(&message)?],
                answer,
            }),
            "SubscriptionConfirmation" => {
                let url = amazon_url(&message, "SubscribeURL")
                    .ok_or_else(|| invalid("SubscribeURL is not one of Amazon's own addresses"))?;
                Ok(Reading::Confirm { url, answer })
            }
            "UnsubscribeConfirmation" => {
                let why =
                    "the topic no longer sends here: subscribe it again if that is not wanted".to_owned();
                let key = AlertKey::new(text(&message, "TopicArn")).unwrap_or_else(AlertKey::unnamed);
                let signal = Signal::new(SignalAction::Ignore(why), key, "SNS subscription ended");
                Ok(Reading::Signals {
                    signals: vec![signal],
                    answer,
                })
            }
            other => Err(Refused::unreadable(format!("the type {other:?} is none of SNS"))),
        }
    }

    /// Only Amazon can sign.
    fn sample(&self, _moment: SampleMoment, _context: &SampleContext<'_>) -> Option<Sample> {
        None
    }
}

fn invalid(sentence: &str) -> Refused {
    Refused {
        refusal: Refusal::SignatureInvalid,
        sentence: sentence.to_owned(),
    }
}

/// An address of SNS in some region: `https://sns.REGION.amazonaws.com/…`, or `.com.cn`.
fn amazon_url(message: &Value, name: &str) -> Option<Url> {
    let url = Url::parse(text(message, name)).ok()?;
    let Some(Host::Domain(host)) = url.host() else {
        return None;
    };
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host.strip_prefix("sns.")?.strip_suffix(".amazonaws.com")?;
    let is_plain = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    (is_region(region) && is_plain).then_some(url)
}

/// Whether this can be a region: `eu-west-1`, `us-gov-east-1`. Whoever has the bucket `sns` answers at `sns.s3.amazonaws.com`.
fn is_region(name: &str) -> bool {
    let is_made_of =
        |part: &str, is_one: fn(&u8) -> bool| !part.is_empty() && part.bytes().all(|byte| is_one(&byte));
    let parts: Vec<&str> = name.split('-').collect();
    let [area, places @ .., number] = parts.as_slice() else {
        return false;
    };
    let mut words = places.iter().chain([area]);
    area.len() == 2
        && !places.is_empty()
        && words.all(|word| is_made_of(word, u8::is_ascii_lowercase))
        && is_made_of(number, u8::is_ascii_digit)
}

fn check_signature(message: &Value, certificate: Certificate<'_>, now: Timestamp) -> Result<(), Refused> {
    let algorithm = match text(message, "SignatureVersion") {
        "1" => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        "2" => &RSA_PKCS1_2048_8192_SHA256,
        other => return Err(invalid(&format!("SignatureVersion is 1 or 2, not {other:?}"))),
    };
    let signature = STANDARD
        .decode(text(message, "Signature"))
        .map_err(|_| invalid("Signature is no base64"))?;
    let unreadable = || invalid("the certificate of the signature cannot be read");
    let (_, pem) = parse_x509_pem(certificate.pem).map_err(|_| unreadable())?;
    let x509 = pem.parse_x509().map_err(|_| unreadable())?;
    let at = ASN1Time::from_timestamp(now.as_seconds()).map_err(|_| unreadable())?;
    if !x509.validity().is_valid_at(at) {
        return Err(invalid("the certificate of the signature is not valid now"));
    }
    let key = UnparsedPublicKey::new(algorithm, &x509.public_key().subject_public_key.data);
    key.verify(signed_text(message).as_bytes(), &signature)
        .map_err(|_| invalid("the signature does not belong to this message"))
}

/// What SNS signs: names and values, each with a line's end. What a message does not have is left out.
fn signed_text(message: &Value) -> String {
    let names: &[&str] = match text(message, "Type") {
        "Notification" => &SIGNED_NOTIFICATION,
        _ => &SIGNED_CONFIRMATION,
    };
    let mut signed = String::new();
    for name in names {
        if let Some(value) = message.get(*name).and_then(Value::as_str) {
            signed.extend([name, "\n", value, "\n"]);
        }
    }
    signed
}

fn notification(message: &Value) -> Result<Signal, Refused> {
    let content = text(message, "Message");
    let alarm: Value = serde_json::from_str(content).unwrap_or(Value::Null);
    match text(&alarm, "AlarmName") {
        "" => other(message, content),
        name => alarm_signal(message, &alarm, name),
    }
}

fn alarm_signal(message: &Value, alarm: &Value, name: &str) -> Result<Signal, Refused> {
    let action = match text(alarm, "NewStateValue") {
        "ALARM" => SignalAction::Trigger,
        "OK" => SignalAction::Resolve,
        state => SignalAction::Ignore(format!(
            "the alarm's state is {state:?}: only ALARM and OK do something"
        )),
    };
    let key = AlertKey::new(text(alarm, "AlarmArn")).or_else(|| AlertKey::new(name));
    let mut signal = Signal::new(action, key.unwrap_or_else(AlertKey::unnamed), name);
    let (description, reason) = (text(alarm, "AlarmDescription"), text(alarm, "NewStateReason"));
    signal.describe(&format!("{description}\n\n{reason}"));
    // CloudWatch writes the zone without a colon.
    let changed_at = text(alarm, "StateChangeTime").replace("+0000", "Z");
    signal.started_at = changed_at
        .parse()
        .ok()
        .or_else(|| text(message, "Timestamp").parse().ok());
    for detail in ["Region", "AWSAccountId", "OldStateValue"] {
        signal.add_detail(detail, text(alarm, detail));
    }
    let trigger = alarm.get("Trigger").unwrap_or(&Value::Null);
    for detail in ["Namespace", "MetricName"] {
        signal.add_detail(detail, text(trigger, detail));
    }
    for dimension in crate::json::elements(trigger, "Dimensions") {
        signal.add_detail(text(dimension, "name"), text(dimension, "value"));
    }
    Ok(signal)
}

/// Anything else that is published: an alert by its subject, which nothing but a person resolves.
fn other(message: &Value, content: &str) -> Result<Signal, Refused> {
    let subject = text(message, "Subject");
    let title = if subject.is_empty() {
        content.lines().next().unwrap_or_default()
    } else {
        subject
    };
    let topic = text(message, "TopicArn");
    let key = AlertKey::new(&format!("{topic} {title}")).unwrap_or_else(AlertKey::unnamed);
    let mut signal = Signal::new(SignalAction::Trigger, key, title);
    signal.describe(content);
    signal.started_at = text(message, "Timestamp").parse().ok();
    signal.add_detail("TopicArn", topic);
    for (name, attribute) in members(message, "MessageAttributes") {
        signal.add_detail(name, &shown(attribute.get("Value").unwrap_or(&json!(null))));
    }
    Ok(signal)
}

#[cfg(test)]
mod tests;
