//! Messages signed with a key of our own, whose certificate stands where Amazon's would.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

use super::*;
use crate::testing::{Given, now};

const CERTIFICATE: &str = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem";

struct Amazon {
    key: RsaKeyPair,
    pem: String,
}

impl Amazon {
    fn new() -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&key).unwrap();
        let pair =
            rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der.as_ref().into(), &rcgen::PKCS_RSA_SHA256)
                .unwrap();
        let pem = rcgen::CertificateParams::new(["sns.amazonaws.com".to_owned()])
            .unwrap()
            .self_signed(&pair)
            .unwrap()
            .pem();
        Self { key, pem }
    }

    fn sign(&self, message: &mut Value) {
        let text = signed_text(message);
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .unwrap();
        message["Signature"] = STANDARD.encode(signature).into();
    }

    fn read(&self, message: &Value) -> Result<Reading, Refused> {
        let given = Given::post("", message.to_string());
        let url = Url::parse(CERTIFICATE).unwrap();
        let certificate = Some(Certificate {
            url: &url,
            pem: self.pem.as_bytes(),
        });
        Sns.read(&SourceRequest {
            certificate,
            ..given.request()
        })
    }
}

fn alarm(state: &str) -> Value {
    let alarm = json!({
        "AlarmName": "db-1 disk", "AlarmDescription": "The disk is filling up", "AWSAccountId": "123456789012",
        "NewStateValue": state, "NewStateReason": "Threshold Crossed", "StateChangeTime": "2026-11-29T11:59:00.000+0000",
        "Region": "EU (Ireland)", "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:db-1 disk",
        "Trigger": { "MetricName": "disk_used", "Namespace": "CWAgent", "Dimensions": [{ "name": "host", "value": "db-1" }] },
    });
    json!({
        "Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms",
        "Subject": "ALARM: db-1 disk", "Message": alarm.to_string(), "Timestamp": "2026-11-29T11:59:01.000Z",
        "SignatureVersion": "2", "SigningCertURL": CERTIFICATE,
    })
}

#[test]
fn an_alarm_that_amazon_signed_is_read_and_asks_for_its_certificate_first() {
    let amazon = Amazon::new();
    let mut message = alarm("ALARM");
    amazon.sign(&mut message);
    let asked = Sns.read(&Given::post("", message.to_string()).request());
    assert_eq!(
        asked,
        Ok(Reading::NeedsCertificate(Url::parse(CERTIFICATE).unwrap()))
    );
    let Ok(Reading::Signals { signals, .. }) = amazon.read(&message) else {
        panic!("not read");
    };
    assert_eq!(
        (&signals[0].action, signals[0].title.as_str()),
        (&SignalAction::Trigger, "db-1 disk")
    );
    assert_eq!(
        signals[0].started_at.unwrap().to_rfc3339_seconds(),
        "2026-11-29T11:59:00Z"
    );
    let mut over = alarm("OK");
    amazon.sign(&mut over);
    let Ok(Reading::Signals { signals: over, .. }) = amazon.read(&over) else {
        panic!("not read");
    };
    assert_eq!(
        (&over[0].action, &over[0].key),
        (&SignalAction::Resolve, &signals[0].key)
    );
}

#[test]
fn what_was_changed_signed_by_others_or_long_ago_is_refused() {
    let amazon = Amazon::new();
    let mut message = alarm("ALARM");
    amazon.sign(&mut message);
    message["Message"] = "something else".into();
    let refusal = |read: Result<Reading, Refused>| read.unwrap_err().refusal;
    assert_eq!(refusal(amazon.read(&message)), Refusal::SignatureInvalid);
    let mut other = alarm("ALARM");
    Amazon::new().sign(&mut other);
    assert_eq!(refusal(amazon.read(&other)), Refusal::SignatureInvalid);
    let garbage = Certificate {
        url: &Url::parse(CERTIFICATE).unwrap(),
        pem: b"-----BEGIN",
    };
    assert!(check_signature(&message, garbage, now()).is_err());
    let pem = amazon.pem.as_bytes();
    let right = Certificate {
        url: &Url::parse(CERTIFICATE).unwrap(),
        pem,
    };
    amazon.sign(&mut message);
    assert_eq!(check_signature(&message, right, now()), Ok(()));
    assert!(check_signature(&message, right, Timestamp::from_millis(0)).is_err());
}

#[test]
fn only_amazons_own_addresses_are_asked() {
    let asked = |url: &str| {
        let mut message = alarm("ALARM");
        message["SigningCertURL"] = url.into();
        Sns.read(&Given::post("", message.to_string()).request())
    };
    for url in [
        "https://sns.cn-north-1.amazonaws.com.cn/x.pem",
        "https://sns.us-gov-east-1.amazonaws.com/x.pem",
    ] {
        assert!(asked(url).is_ok(), "{url}");
    }
    for url in [
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
        "https://sns.a.b.amazonaws.com/x.pem",
        "https://me@sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com/x.txt",
        "https://sns..amazonaws.com/x.pem",
        "https://s3.amazonaws.com/x.pem",
        "https://sns.s3.amazonaws.com/x.pem",
        "https://sns.s3-us-west-2.amazonaws.com/x.pem",
        "https://sns.s3-website-1.amazonaws.com/x.pem",
        "https://sns.-a-1.amazonaws.com/x.pem",
        "https://10.0.0.1/x.pem",
        "",
    ] {
        assert_eq!(
            asked(url).unwrap_err().refusal,
            Refusal::SignatureInvalid,
            "{url}"
        );
    }
}

#[test]
fn a_subscription_is_confirmed_only_if_signed_and_only_towards_amazon() {
    let amazon = Amazon::new();
    let mut message = json!({
        "Type": "SubscriptionConfirmation", "MessageId": "m", "Token": "t", "Message": "You have chosen",
        "TopicArn": "arn:aws:sns:eu-west-1:1:alarms", "Timestamp": "2026-11-29T11:59:01.000Z",
        "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t",
        "SignatureVersion": "2", "SigningCertURL": CERTIFICATE,
    });
    amazon.sign(&mut message);
    assert!(
        matches!(amazon.read(&message), Ok(Reading::Confirm { url, .. }) if url.host_str() == Some("sns.eu-west-1.amazonaws.com"))
    );
    message["SubscribeURL"] = "https://evil.example/".into();
    amazon.sign(&mut message);
    assert_eq!(
        amazon.read(&message).unwrap_err().refusal,
        Refusal::SignatureInvalid
    );
}
