//! A storm of events: few mails that tell of all of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{header, needed};
use crate::chat::Chat;

/// Longer than the time between two mails in a storm.
const INTERVAL: Duration = Duration::from_secs(31);
/// How many mails leave one by one; the next takes along what waits.
const ALONE: usize = 9;

async fn mails_for(count: usize) -> (Chat, Vec<String>) {
    let chat = Chat::start("email", needed("email")).await;
    let mut incidents = Vec::new();
    for number in 0..count {
        incidents.push(chat.app.trigger(&format!("storm {number:03}.")).await);
        // As long as mails leave one by one, none waits for another here.
        if number <= ALONE {
            chat.app.quiesce().await;
        }
    }
    chat.app.quiesce().await;
    (chat, incidents)
}

async fn delivery_about(chat: &Chat, incident: &str) -> Value {
    let id = chat.app.deliveries(&format!("incident={incident}")).await[0]["id"].clone();
    let path = format!("/api/v1/deliveries/{}", id.as_str().unwrap());
    chat.app.api.get(&path).await.expect(200).json()
}

#[tokio::test]
async fn a_storm_of_incidents_makes_few_mails_that_tell_of_all() {
    let (chat, incidents) = mails_for(300).await;
    assert_eq!(chat.platform.texts().len(), ALONE + 1);
    for _ in 0..2 {
        chat.app.advance(INTERVAL);
        chat.app.quiesce().await;
    }
    let texts = chat.platform.texts();
    assert_eq!(texts.len(), ALONE + 3);
    let told = |number: usize| {
        let title = format!("storm {number:03}.");
        texts.iter().filter(|text| text.contains(&title)).count()
    };
    assert!((0..300).all(|number| told(number) == 1));
    let first = delivery_about(&chat, &incidents[0]).await;
    assert_eq!(
        (&first["status"], &first["attempts"][0]["isJoint"]),
        (&json!("delivered"), &json!(false))
    );
    let joint = delivery_about(&chat, &incidents[299]).await;
    let attempt = &joint["attempts"][0];
    assert_eq!(
        (&joint["status"], &attempt["isJoint"]),
        (&json!("delivered"), &json!(true))
    );
    let note = attempt["note"].as_str().unwrap();
    assert!(note.starts_with("sent together with "), "{note}");
}

#[tokio::test]
async fn a_digest_breaks_no_thread() {
    let (chat, incidents) = mails_for(ALONE + 4).await;
    chat.app.advance(INTERVAL);
    chat.app.quiesce().await;
    let mails = chat.platform.seen();
    let digest = mails.last().unwrap();
    assert_eq!(
        header(digest, "Subject").as_deref(),
        Some("OpsKnight: 3 events of 3 incidents")
    );
    let id = header(digest, "Message-ID").unwrap();
    assert!(id.starts_with("<bat_") && id.ends_with("@example.com>"), "{id}");
    assert_eq!(
        (header(digest, "In-Reply-To"), header(digest, "References")),
        (None, None)
    );
    // One that had a mail of its own goes on in its thread; one that was in the digest begins one.
    chat.app.advance(20 * INTERVAL);
    for incident in [&incidents[0], &incidents[ALONE + 3]] {
        chat.app.act(incident, "acknowledge").await;
        chat.app.quiesce().await;
    }
    let mails = chat.platform.seen();
    let [.., old, new] = mails.as_slice() else {
        panic!()
    };
    assert_eq!(header(old, "In-Reply-To"), header(&mails[0], "Message-ID"));
    assert_eq!(header(new, "In-Reply-To"), None);
    assert_eq!(
        header(new, "Subject").as_deref(),
        Some(&*format!("[Critical] storm {:03}.", ALONE + 3))
    );
}

#[tokio::test]
async fn a_digest_whose_reply_was_lost_is_sent_again_under_the_same_id() {
    let (chat, incidents) = mails_for(ALONE + 4).await;
    chat.platform.fail_next("cut_after_data");
    chat.app.advance(INTERVAL);
    chat.app.quiesce().await;
    let lost = delivery_about(&chat, &incidents[ALONE + 1]).await;
    assert_eq!(lost["attempts"][0]["failure"]["code"], "connection_closed");
    chat.app.advance(3 * INTERVAL);
    chat.app.quiesce().await;
    let mails = chat.platform.seen();
    let [.., first, second] = mails.as_slice() else {
        panic!()
    };
    assert_eq!(header(first, "Message-ID"), header(second, "Message-ID"));
    assert_eq!(
        delivery_about(&chat, &incidents[ALONE + 1]).await["status"],
        "delivered"
    );
}

#[tokio::test]
async fn a_refused_digest_goes_again_in_parts() {
    let (chat, incidents) = mails_for(ALONE + 4).await;
    chat.platform.fail_next("too_large");
    chat.app.advance(INTERVAL);
    chat.app.quiesce().await;
    let refused = delivery_about(&chat, &incidents[ALONE + 1]).await;
    assert_eq!(refused["attempts"][0]["failure"]["code"], "message_refused");
    for _ in 0..3 {
        chat.app.advance(INTERVAL);
        chat.app.quiesce().await;
    }
    let subjects = chat.platform.seen();
    let subjects: Vec<_> = subjects
        .iter()
        .rev()
        .take(3)
        .map(|mail| header(mail, "Subject"))
        .collect();
    assert!(
        subjects
            .iter()
            .flatten()
            .all(|subject| subject.starts_with("[Critical] storm 0")),
        "{subjects:?}"
    );
    assert_eq!(
        delivery_about(&chat, &incidents[ALONE + 1]).await["status"],
        "delivered"
    );
}

#[tokio::test]
async fn hostile_titles_in_a_digest_are_texts() {
    let (chat, _) = mails_for(ALONE + 1).await;
    let hostile = "</b><script>alert(1)</script> =?utf-8?b?QmNjOiBldmls?= \u{202e} Bcc: evil@example.com 👩‍🚒";
    for _ in 0..2 {
        chat.app.trigger(hostile).await;
    }
    chat.app.advance(INTERVAL);
    chat.app.quiesce().await;
    let digest = chat.platform.seen().pop().unwrap();
    assert_eq!(
        header(&digest, "Subject").as_deref(),
        Some("OpsKnight: 2 events of 2 incidents")
    );
    assert_eq!(
        (
            header(&digest, "Bcc"),
            digest.headers.get_all("rcpt-to").iter().count()
        ),
        (None, 1)
    );
    let html = digest.body.split("text/html").nth(1).unwrap();
    assert!(!html.contains("<script>"), "{html}");
    assert!(digest.body.lines().all(|line| line.len() <= 78));
}
