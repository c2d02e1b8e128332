//! Mails from edge to edge: an event comes in over HTTP, a mail lies in a mailbox. What holds for every kind is in
//! [`crate::chat`]; real servers are in [`servers`].

mod digest;
mod servers;

use serde_json::{Value, json};

use super::needed;
use crate::chat::Chat;
use crate::support::platform::Seen;

/// A header of a mail, which may go on in further lines.
fn header(mail: &Seen, name: &str) -> Option<String> {
    let head = mail.body.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    head.split("\r\n")
        .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
}

fn with(changes: &Value) -> Value {
    let mut options = needed("email");
    options
        .as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    options
}

#[tokio::test]
async fn an_incidents_mails_are_one_thread_under_one_subject() {
    let chat = Chat::start("email", needed("email")).await;
    let incident = chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    for (count, action) in ["acknowledge", "resolve", "reopen"].iter().enumerate() {
        chat.app.act(&incident, action).await;
        chat.settle(count + 2).await;
    }
    let mails = chat.platform.seen();
    let first = header(&mails[0], "Message-ID").unwrap();
    assert_eq!(
        header(&mails[0], "Subject").as_deref(),
        Some("[Critical] Disk full")
    );
    assert_eq!((header(&mails[0], "In-Reply-To"), mails.len()), (None, 4));
    for mail in &mails[1..] {
        assert_eq!(
            header(mail, "Subject").as_deref(),
            Some("Re: [Critical] Disk full")
        );
        assert_eq!(header(mail, "In-Reply-To").as_deref(), Some(&*first));
        assert_eq!(header(mail, "References").as_deref(), Some(&*first));
        assert_ne!(header(mail, "Message-ID").as_deref(), Some(&*first));
    }
}

#[tokio::test]
async fn a_hostile_title_adds_no_header_and_no_recipient() {
    let chat = Chat::start("email", needed("email")).await;
    let hostile =
        "a\u{2028}b =?utf-8?b?QmNjOiBldmls?= <script>alert(1)</script> \u{202e} Bcc: evil@example.com 👩‍🚒 ";
    chat.app.trigger(&hostile.repeat(5)).await;
    chat.settle(1).await;
    let mail = chat.platform.seen().remove(0);
    assert_eq!(
        mail.headers.get_all("rcpt-to").iter().collect::<Vec<_>>(),
        ["oncall@example.com"]
    );
    assert_eq!(header(&mail, "Bcc"), None);
    assert!(mail.body.lines().all(|line| line.len() <= 998));
    let html = mail.body.split("text/html").nth(1).unwrap();
    assert!(!html.contains("<script>"), "{html}");
    let shown = chat.platform.texts().remove(0);
    assert!(
        shown.contains("Bcc: evil@example.com 👩") && !shown.contains("Bcc: evil\n"),
        "{shown}"
    );
    let broken = json!({"title": "a\r\nBcc: evil@example.com", "service": {"name": "API Gateway"}});
    let answer = chat.app.api.post("/api/v1/incidents", broken).await;
    if answer.status == 201 {
        chat.settle(2).await;
        let mail = chat.platform.seen().remove(1);
        assert_eq!(
            (
                header(&mail, "Bcc"),
                mail.headers.get_all("rcpt-to").iter().count()
            ),
            (None, 1)
        );
    }
}

#[tokio::test]
async fn a_mail_whose_reply_was_lost_is_sent_again_under_the_same_id() {
    let chat = Chat::start("email", needed("email")).await;
    chat.platform.fail_next("cut_after_data");
    chat.app.trigger("Disk full").await;
    let first = chat.delivery(1).await;
    let failure = &first["attempts"][0]["failure"];
    assert_eq!(failure["code"], "connection_closed");
    assert!(
        failure["detail"].as_str().unwrap().contains("not known"),
        "{failure}"
    );
    chat.app.advance(std::time::Duration::from_secs(90));
    chat.settle(1).await;
    let mails = chat.platform.seen();
    assert_eq!(mails.len(), 2);
    assert_eq!(header(&mails[0], "Message-ID"), header(&mails[1], "Message-ID"));
}

#[tokio::test]
async fn an_attempt_shows_the_mail_and_what_the_server_replied_but_no_action_token() {
    let chat = Chat::start("email", needed("email")).await;
    chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    let delivery = chat.delivery(1).await;
    let attempt = &delivery["attempts"][0];
    let line = attempt["request"]["line"].as_str().unwrap();
    assert!(line.starts_with("MAIL smtp://127.0.0.1:"), "{line}");
    assert_eq!(attempt["status"], 250, "{attempt:#}");
    let dialogue = attempt["response"]["body"].as_str().unwrap();
    assert!(
        dialogue.contains("> RCPT TO:<oncall@example.com>\n< 250 2.1.5 ok"),
        "{dialogue}"
    );
    let sent = attempt["request"]["body"].as_str().unwrap();
    assert!(sent.contains("Auto-Submitted: auto-generated"), "{sent}");
    let mail = chat.platform.seen().remove(0).body;
    let words = mail.split(|character: char| !character.is_ascii_alphanumeric() && !"-_".contains(character));
    let tokens: Vec<_> = words.filter(|word| word.len() > 50).collect();
    assert_eq!(tokens.len(), 4, "{mail}");
    assert!(tokens.iter().all(|token| !sent.contains(token)), "{sent}");
}

#[tokio::test]
async fn without_encryption_a_mail_that_wants_it_is_held_until_somebody_puts_that_right() {
    let chat = Chat::start("email", with(&json!({"encryption": "required"}))).await;
    chat.app.trigger("Disk full").await;
    let first = chat.delivery(1).await;
    assert_eq!(first["attempts"][0]["failure"]["code"], "tls_not_offered");
    chat.app.advance(std::time::Duration::from_secs(90));
    assert_eq!(chat.delivery(2).await["status"], "held");
    assert_eq!(chat.platform.seen().len(), 0);
    chat.change(json!({"options": {"encryption": "optional"}})).await;
    let enable = format!("/api/v1/webhooks/{}/enable", chat.webhook);
    chat.app.api.post(&enable, json!({})).await.expect(200);
    chat.settle(1).await;
    assert_eq!(chat.platform.texts().len(), 1);
}

#[tokio::test]
async fn where_mails_may_go_is_checked_when_it_is_saved() {
    let chat = Chat::start("email", needed("email")).await;
    for (kind, url, is_taken) in [
        ("email", "smtp://mail.example.com", true),
        ("email", "smtps://mail.example.com:465/", true),
        ("email", "smtp://10.0.0.7", false),
        ("email", "smtp://0x0a000007:25", false),
        ("email", "smtp://mail.example.com:6379", false),
        ("email", "smtp://ada:password@mail.example.com", false),
        ("email", "https://mail.example.com", false),
        ("email", "smtp://mail.example.com/inbox", false),
        ("generic", "smtp://mail.example.com", false),
    ] {
        let options = if kind == "email" {
            needed("email")
        } else {
            json!({})
        };
        let webhook = json!({"name": url, "url": url, "kind": kind, "options": options, "events": ["incident.triggered"]});
        let answer = chat.app.api.post("/api/v1/webhooks", webhook).await;
        assert_eq!(answer.status == 201, is_taken, "{url}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_webhook_of_mail_is_renamed_without_its_password() {
    let chat = Chat::start(
        "email",
        with(&json!({"username": "ada", "password": "good-password"})),
    )
    .await;
    let url = chat.shown().await["url"].clone();
    chat.change(json!({"name": "renamed", "url": url})).await;
    chat.app.trigger("Disk full").await;
    // The simulated server offers no encryption: no password leaves.
    let delivery = chat.delivery(1).await;
    assert_eq!(delivery["attempts"][0]["failure"]["code"], "settings_refused");
    assert!(!delivery.to_string().contains("good-password"));
}
