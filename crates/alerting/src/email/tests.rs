//! The adapter for mail: what is sent, and what replies mean.

use super::*;
use bytes::Bytes;
use destination::sample::Sample;
use destination::task::ActLink;
use http::{HeaderMap, HeaderValue};
use model::attempt::Outcome;
use model::event::EventName;
use model::exchange::{Exchange, PhaseTimings, Reach, SendFailure};
use model::incident::IncidentAction;
use model::patch::Patch;
use model::time::Timestamp;
use model::transport::{Envelope, MailSecurity, MailStage, REFUSED_RECIPIENT, REPLY, STAGE, Transport};
use model::webhook::WebhookKind;
use proptest::prelude::*;

const TOKEN: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-";

fn sample(event: EventName) -> Sample {
    let at = Timestamp::from_millis(1_705_314_600_000);
    let url = Email.sample_url().parse().unwrap();
    let mut sample = Sample::new(WebhookKind::new("email"), url, event, at)
        .with_option("from", "OpsKnight <opsknight@example.com>")
        .with_option("to", "ada@example.com, bob@example.com");
    sample.links.incident = Some("https://ops.example/incidents/inc_1".into());
    sample.links.acts = vec![ActLink {
        action: IncidentAction::Acknowledge,
        token: TOKEN.into(),
        page: Some(format!("https://ops.example/some/longer/path/to/act/{TOKEN}")),
    }];
    sample
}

fn rendered(sample: &Sample) -> Rendered {
    Email.step(&sample.task()).into_request().unwrap()
}

fn message(sample: &Sample) -> String {
    String::from_utf8(rendered(sample).body.to_vec()).unwrap()
}

fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let head = message.split("\r\n\r\n").next().unwrap();
    head.split("\r\n")
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn envelope(sample: &Sample) -> Envelope {
    match rendered(sample).transport {
        Transport::Smtp(envelope) => *envelope,
        Transport::Http | Transport::Broker(_) => panic!("a mail goes by SMTP"),
    }
}

fn judge(sample: &Sample, stage: MailStage, reply: &str, refused: &[&str]) -> Classification {
    let mut headers = HeaderMap::new();
    headers.insert(STAGE, HeaderValue::from_static(stage.as_str()));
    headers.insert(REPLY, HeaderValue::from_str(reply).unwrap());
    for said in refused {
        headers.append(REFUSED_RECIPIENT, HeaderValue::from_str(said).unwrap());
    }
    let response = Response {
        status: reply[..3].parse().unwrap(),
        headers,
        body: Bytes::new(),
        body_is_truncated: false,
    };
    came_to(sample, Ok(response))
}

fn came_to(sample: &Sample, result: Result<Response, SendFailure>) -> Classification {
    let exchange = Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach: Reach::MaybeSent,
        result,
    };
    let task = sample.task();
    Email.step(&task).classify(&task, &exchange, sample.now)
}

fn verdict(classification: &Classification) -> Option<(FailureCode, Disposition)> {
    let failure = classification.outcome.failure();
    failure.map(|failure| (failure.code, failure.disposition))
}

#[test]
fn an_incidents_mails_are_one_thread() {
    let first = sample(EventName::Triggered);
    let sent = message(&first);
    let id = format!("<{}@example.com>", first.task().delivery_id);
    assert_eq!(header(&sent, "Message-ID"), Some(&*id));
    assert_eq!(
        header(&sent, "Subject"),
        Some("[Critical] Database connection timeout")
    );
    assert_eq!(header(&sent, "In-Reply-To"), None);
    assert_eq!(header(&sent, "Auto-Submitted"), Some("auto-generated"));
    let taken = judge(&first, MailStage::Message, "250 2.0.0 queued", &[]);
    let Patch::Set(memory) = taken.message_ref else {
        panic!("the thread is remembered");
    };
    let mut second = sample(EventName::Resolved).about(|incident| incident.title = "renamed".into());
    second.memory = Some(memory);
    second.event.at = second.event.at.plus(std::time::Duration::from_secs(60));
    let sent = message(&second);
    assert_eq!(
        header(&sent, "Subject"),
        Some("Re: [Critical] Database connection timeout")
    );
    assert_eq!(header(&sent, "In-Reply-To"), Some(&*id));
    assert_eq!(header(&sent, "References"), Some(&*id));
    let second = second.with_option("subject", "status");
    assert_eq!(
        header(&message(&second), "Subject"),
        Some("[Critical] Resolved: renamed")
    );
}

#[test]
fn a_repeat_is_the_same_mail() {
    let sample = sample(EventName::Triggered);
    assert_eq!(message(&sample), message(&sample));
}

#[test]
fn the_server_is_spoken_to_as_the_url_and_the_options_say() {
    let security = |url: &str, encryption: &str| {
        let mut sample = sample(EventName::Triggered).with_option("encryption", encryption);
        sample.target.url = url.parse().unwrap();
        envelope(&sample).security
    };
    assert_eq!(security("smtp://mail.example", ""), MailSecurity::Required);
    assert_eq!(
        security("smtp://mail.example", "optional"),
        MailSecurity::WhereOffered
    );
    assert_eq!(
        security("smtps://mail.example", "optional"),
        MailSecurity::Implicit
    );
    let account = sample(EventName::Triggered)
        .with_option("username", "ada")
        .with_secret("password", "good-password");
    assert!(envelope(&account).account.is_some());
    assert!(envelope(&sample(EventName::Triggered)).account.is_none());
}

#[test]
fn a_token_stands_whole_in_the_message_so_that_it_can_be_masked() {
    let sent = message(&sample(EventName::Triggered));
    assert_eq!(sent.matches(TOKEN).count(), 2, "{sent}");
}

#[test]
fn replies_mean_what_their_codes_and_their_place_say() {
    use MailStage::{Greeting, Message, Recipients, Sender, SignIn};
    let sample = sample(EventName::Triggered);
    let settings = Some((FailureCode::SettingsRefused, Disposition::NeedsOperator));
    let later = Some((FailureCode::Deferred, Disposition::Backoff));
    let bare = Some((FailureCode::MessageRefused, Disposition::Immediate));
    for (stage, reply, expected) in [
        (Message, "250 2.0.0 queued", None),
        (Greeting, "421 4.3.2 too many connections", later),
        (Recipients, "451 4.7.1 greylisted", later),
        (Message, "452 4.2.2 full", later),
        (Greeting, "554 5.7.1 you are on a list", settings),
        (SignIn, "535 5.7.8 no", settings),
        (Sender, "530 5.7.0 sign in first", settings),
        (Sender, "553 5.7.1 not yours", settings),
        (Sender, "552 5.3.4 too large", bare),
        (Recipients, "550 5.1.1 nobody", settings),
        (Message, "554 5.6.0 no", bare),
        (Message, "550 no", bare),
        (Message, "554 5.7.1 spam", settings),
        (Message, "552 5.3.4 too large", bare),
    ] {
        let classification = judge(&sample, stage, reply, &[]);
        assert_eq!(verdict(&classification), expected, "{reply}");
    }
}

#[test]
fn a_refused_mail_is_sent_as_bare_text_and_then_given_up() {
    let mut sample = sample(EventName::Triggered);
    let refused = judge(&sample, MailStage::Message, "554 5.6.0 no", &[]);
    let Patch::Set(left) = refused.continuation else {
        panic!("what is left is said");
    };
    sample.progress = Some(left);
    let sent = message(&sample);
    assert!(
        !sent.contains("text/html") && sent.contains("Database connection timeout"),
        "{sent}"
    );
    let refused = judge(&sample, MailStage::Message, "554 5.6.0 no", &[]);
    assert_eq!(
        verdict(&refused),
        Some((FailureCode::MessageRefused, Disposition::Permanent))
    );
}

#[test]
fn who_is_taken_later_gets_the_mail_later_and_nobody_twice() {
    let mut sample = sample(EventName::Triggered);
    let said = ["bob@example.com 451 4.7.1 later"];
    let taken = judge(&sample, MailStage::Message, "250 ok", &said);
    assert_eq!(
        verdict(&taken),
        Some((FailureCode::Deferred, Disposition::Backoff))
    );
    assert_eq!(
        taken.note.as_deref(),
        Some("later: bob@example.com 451 4.7.1 later")
    );
    let Patch::Set(left) = taken.continuation else {
        panic!("what is left is said");
    };
    sample.progress = Some(left);
    assert_eq!(envelope(&sample).recipients, ["bob@example.com"]);
    let taken = judge(&sample, MailStage::Message, "250 ok", &[]);
    assert_eq!(taken.outcome, Outcome::Accepted);
    let elsewhere = sample.with_option("to", "carol@example.com");
    assert_eq!(envelope(&elsewhere).recipients, ["carol@example.com"]);
}

#[test]
fn who_gets_the_first_mail_later_gets_no_answer_to_it() {
    let mut sample = sample(EventName::Triggered);
    let said = ["bob@example.com 451 4.7.1 later"];
    let first = message(&sample);
    let taken = judge(&sample, MailStage::Message, "250 ok", &said);
    let Patch::Set(thread) = taken.message_ref else {
        panic!("the mail is remembered");
    };
    sample.memory = Some(thread);
    assert_eq!(message(&sample), first);
}

#[test]
fn who_is_refused_is_told_and_keeps_nobody_else_from_the_mail() {
    let said = ["bob@example.com 550 5.1.1 nobody"];
    let taken = judge(&sample(EventName::Triggered), MailStage::Message, "250 ok", &said);
    assert_eq!(taken.outcome, Outcome::Accepted);
    assert_eq!(
        taken.note.as_deref(),
        Some("refused: bob@example.com 550 5.1.1 nobody")
    );
}

#[test]
fn failures_quote_no_addresses_of_people() {
    let refused = judge(
        &sample(EventName::Triggered),
        MailStage::Recipients,
        "550 5.1.1 <ada@example.com>: unknown",
        &[],
    );
    let detail = refused.outcome.failure().unwrap().detail.clone();
    assert!(detail.ends_with("(550 5.1.1 <…>: unknown)"), "{detail}");
}

#[test]
fn what_the_server_does_not_offer_is_for_a_person_to_put_right() {
    let judge = |code| {
        let failure = SendFailure {
            code,
            detail: "x".into(),
        };
        verdict(&came_to(&sample(EventName::Triggered), Err(failure)))
            .unwrap()
            .1
    };
    assert_eq!(judge(FailureCode::TlsNotOffered), Disposition::NeedsOperator);
    assert_eq!(judge(FailureCode::SettingsRefused), Disposition::NeedsOperator);
    assert_eq!(judge(FailureCode::ConnectionClosed), Disposition::Backoff);
}

#[test]
fn what_cannot_be_sent_is_refused_when_it_is_saved() {
    let fields = |change: fn(Sample) -> Sample| {
        let problems = Email.check(&change(sample(EventName::Triggered)).target);
        problems.iter().map(|problem| problem.field).collect::<Vec<_>>()
    };
    assert_eq!(fields(|sample| sample), [""; 0]);
    assert_eq!(
        fields(|sample| sample.with_option("from", "a@b.example, c@b.example")),
        ["from"]
    );
    assert_eq!(
        fields(|sample| sample.with_option("to", "a@b.example\nnobody")),
        ["to"]
    );
    assert_eq!(fields(|sample| sample.with_option("to", ", ,")), ["to"]);
    let many = |sample: Sample| sample.with_option("to", &"a@b.example,".repeat(51));
    assert_eq!(fields(many), ["to"]);
    assert_eq!(
        fields(|sample| sample.with_option("username", "ada")),
        ["password"]
    );
    let path = |mut sample: Sample| {
        sample.target.url = "smtp://mail.example/inbox".parse().unwrap();
        sample
    };
    assert_eq!(fields(path), ["url"]);
}

#[test]
fn a_preview_shows_the_mail() {
    let sample =
        sample(EventName::Triggered).about(|incident| incident.title = "Überlauf — größer als je".into());
    let shown = Email.preview(message(&sample).as_bytes()).unwrap().text();
    assert!(
        shown.starts_with(
            "[Critical] Überlauf — größer als je\nOpsKnight <opsknight@example.com> → ada@example.com, bob@example.com\n\
             Triggered · Critical · API Gateway\n\nÜberlauf"
        ),
        "{shown}"
    );
    assert!(
        shown.ends_with("-- \nSent by OpsKnight for the webhook \"Sample\"."),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn no_text_adds_a_header_or_breaks_a_line(title in "\\PC{0,300}|.{0,80}|(\r\n|\n|Bcc: a@b.example|=\\?utf-8\\?b\\?|x| ){0,40}") {
        let sample = sample(EventName::Triggered).about(|incident| {
            incident.title.clone_from(&title);
            incident.service.name.clone_from(&title);
        });
        let sent = message(&sample);
        prop_assert!(sent.is_ascii());
        prop_assert!(sent.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])), "{sent}");
        let head = sent.split("\r\n\r\n").next().unwrap();
        let names: Vec<_> = head.split("\r\n").filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(':').next()).collect();
        let expected = [
            "Date", "From", "To", "Auto-Submitted", "X-Auto-Response-Suppress", "X-OpsKnight-Event",
            "X-OpsKnight-Delivery", "Message-ID", "Subject", "MIME-Version", "Content-Type",
        ];
        prop_assert_eq!(names, expected);
    }
}
