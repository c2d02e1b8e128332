//! What is sent, and that Slack takes it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{TS, at, body, bot, incoming, linked, memory, platform, remembering, rendered, send, shown};
use destination::preview::Part;
use destination::task::ActLink;
use model::attempt::Outcome;
use model::audit::Actor;
use model::event::EventName;
use model::id::UserId;
use model::incident::IncidentAction;
use model::patch::Patch;

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

fn ada() -> Actor {
    Actor::User {
        id: UserId::new(at(), [9; 10]),
        name: "Ada <ops>".into(),
    }
}

#[test]
fn a_triggered_incident_is_posted_as_blocks_beside_a_coloured_bar() {
    let sample = linked(bot(EventName::Triggered));
    let since = "Since <!date^1705314600^{date_short_pretty} {time}, {ago}|2024-01-15 10:30 UTC>";
    let link = |id: &str, label: &str, url: &str| json!({ "type": "button", "action_id": id, "text": plain(label), "url": url });
    let id = sample.event.incident_id.to_string();
    let expected = json!({
        "text": "🔴 Triggered: Database connection timeout",
        "blocks": [{ "type": "header", "text": plain("🔴 Database connection timeout") }],
        "attachments": [{
            "color": "#dc2626",
            "blocks": [
                {
                    "type": "section",
                    "text": plain("Triggered"),
                    "fields": [
                        plain("Status: Triggered"),
                        plain("Severity: Critical"),
                        plain("Service: API Gateway"),
                        plain("Assignee: nobody"),
                    ],
                },
                { "type": "context", "elements": [{ "type": "mrkdwn", "text": since }, plain(&id)] },
                {
                    "type": "actions",
                    "elements": [
                        link("page_acknowledge", "Acknowledge", "https://ops.example/act/acknowledge"),
                        link("page_resolve", "Resolve", "https://ops.example/act/resolve"),
                        link("page_incident", "Open incident", "https://ops.example/incidents/1"),
                    ],
                },
            ],
        }],
        "channel": "C0123456789",
        "unfurl_links": false,
        "unfurl_media": false,
        "parse": "none",
        "link_names": false,
        "metadata": {
            "event_type": "opsknight_incident",
            "event_payload": { "incident_id": id, "event_id": sample.event.id.to_string() },
        },
    });
    assert_eq!(body(&sample), expected);
    assert_eq!(rendered(&sample).url.path(), "/api/chat.postMessage");
}

#[test]
fn an_acknowledged_incident_changes_its_message() {
    let mut sample = remembering(bot(EventName::Acknowledged));
    sample.event.actor = ada();
    assert_eq!(rendered(&sample).url.path(), "/api/chat.update");
    let body = body(&sample);
    assert_eq!(
        (&body["channel"], &body["ts"]),
        (&json!("C0123456789"), &json!(TS))
    );
    assert_eq!(body.get("thread_ts"), None);
    let bar = &body["attachments"][0];
    assert_eq!(bar["color"], "#ca8a04");
    assert_eq!(bar["blocks"][0]["text"], plain("Acknowledged by Ada &lt;ops&gt;"));
    assert_eq!(bar["blocks"][0]["fields"][3], plain("Assignee: Ada Lovelace"));
}

#[test]
fn a_resolved_incident_is_green_and_offers_nothing() {
    let body = body(&incoming(EventName::Resolved));
    assert_eq!(body["attachments"][0]["color"], "#16a34a");
    assert_eq!(body["attachments"][0]["blocks"].as_array().map(Vec::len), Some(2));
    assert_eq!(body.get("channel"), None);
}

#[test]
fn buttons_carry_tokens_and_a_test_says_so() {
    let mut sample = linked(bot(EventName::Triggered)).with_option("actions", "buttons");
    sample.event.is_test = true;
    let body = body(&sample);
    let button = &body["attachments"][0]["blocks"][2]["elements"][0];
    assert_eq!(button["value"], "t".repeat(55));
    assert_eq!(button.get("url"), None);
    assert_eq!(
        shown(&sample).parts[0],
        Part::Heading("🔴 [Test] Database connection timeout".into())
    );
}

#[test]
fn secrets_are_not_shown() {
    let hook = rendered(&incoming(EventName::Triggered));
    let expected = "https://slack.example/services/T0OPSKNIGHT/B0OPSKNIGHT/***";
    assert_eq!(hook.shown_url.as_deref(), Some(expected));
    assert_eq!(hook.headers.get("authorization"), None);
    let api = rendered(&bot(EventName::Triggered));
    assert_eq!(
        api.shown_url.as_deref(),
        Some("https://slack.example/api/chat.postMessage")
    );
    assert!(api.headers["authorization"].is_sensitive());
}

#[test]
fn a_title_at_the_limit_stays_and_a_longer_one_stands_below_in_full() {
    let titled = |title: String| incoming(EventName::Triggered).about(|incident| incident.title = title);
    let parts = |length: usize| shown(&titled("x".repeat(length))).parts;
    assert_eq!(parts(147)[0], Part::Heading(format!("🔴 {}", "x".repeat(147))));
    assert_eq!(parts(147)[1], Part::Text("Triggered".into()));
    assert_eq!(parts(148)[0], Part::Heading(format!("🔴 {}…", "x".repeat(146))));
    assert_eq!(parts(148)[1], Part::Text("x".repeat(148)));
    assert_eq!(parts(600)[1], Part::Text("x".repeat(600)));
    assert_eq!(parts(601)[1], Part::Text(format!("{}…", "x".repeat(599))));
}

#[test]
fn a_service_is_cut_beyond_its_limit_only() {
    let fact = |length: usize| {
        let sample =
            incoming(EventName::Triggered).about(|incident| incident.service.name = "x".repeat(length));
        body(&sample)["attachments"][0]["blocks"][0]["fields"][2]["text"].clone()
    };
    assert_eq!(fact(200), json!(format!("Service: {}", "x".repeat(200))));
    assert_eq!(fact(201), json!(format!("Service: {}…", "x".repeat(199))));
}

#[test]
fn the_largest_message_is_taken() {
    let mut sample = linked(remembering(bot(EventName::Acknowledged))).about(|incident| {
        incident.title = "&".repeat(10_000);
        incident.service.name = "😀".repeat(10_000);
    });
    sample.links.acts = [
        IncidentAction::Acknowledge,
        IncidentAction::Resolve,
        IncidentAction::Escalate,
    ]
    .map(|action| ActLink {
        action,
        token: "t".into(),
        page: Some(format!("https://ops.example/{}", "p".repeat(2980))),
    })
    .to_vec();
    let slack = &mut *platform("slack");
    send(slack, &bot(EventName::Triggered));
    assert_eq!(send(slack, &sample).outcome, Outcome::Delivered);
    sample.progress = Some("plain".into());
    assert_eq!(send(slack, &sample).outcome, Outcome::Delivered);
}

#[test]
fn hostile_titles_show_as_they_are_and_call_nobody() {
    let titles = [
        "<!channel> <!here> <@U123> <!subteam^S1> @channel @here",
        "<https://evil.example|click> [click](https://evil.example) :fire:",
        "*bold* _italic_ ~gone~ `code` > quote",
        r#"quotes " ' and \ backslashes <b>html</b> &amp; &lt; <!date^1^{ago}|x>"#,
    ];
    let sample = |title: &str| incoming(EventName::Triggered).about(|incident| incident.title = title.into());
    let headings = titles.map(|title| shown(&sample(title)).parts[0].clone());
    assert_eq!(headings, titles.map(|title| Part::Heading(format!("🔴 {title}"))));
    let is_raw = |title| {
        body(&sample(title))["text"]
            .as_str()
            .is_some_and(|text| text.contains('<'))
    };
    assert_eq!(titles.map(is_raw), [false; 4]);
}

#[test]
fn line_breaks_and_marks_of_direction_do_not_reach_the_message() {
    let title = "one\r\ntwo\u{202e}evil\u{200b}\0";
    let sample = incoming(EventName::Triggered).about(|incident| incident.title = title.into());
    assert_eq!(shown(&sample).parts[0], Part::Heading("🔴 one twoevil".into()));
}

#[test]
fn a_mention_is_made_for_what_wants_attention_and_only_then() {
    let with = |name| incoming(name).with_option("mention", "@here <!subteam^S123>");
    let triggered = body(&with(EventName::Triggered));
    assert_eq!(
        triggered["text"],
        "<!here> <!subteam^S123> 🔴 Triggered: Database connection timeout"
    );
    assert_eq!(triggered["blocks"][1]["text"]["text"], "<!here> <!subteam^S123>");
    let parts = shown(&with(EventName::Escalated)).parts;
    assert_eq!(parts[1], Part::Mention("@here".into()));
    let resolved = body(&with(EventName::Resolved));
    assert_eq!(resolved["text"], "🟢 Resolved: Database connection timeout");
    assert_eq!(resolved["blocks"].as_array().map(Vec::len), Some(1));
}

#[test]
fn an_escalation_changes_the_message_unless_it_calls_somebody() {
    let silent = remembering(bot(EventName::Escalated));
    assert_eq!(rendered(&silent).url.path(), "/api/chat.update");
    let loud = silent.with_option("mention", "@here");
    assert_eq!(rendered(&loud).url.path(), "/api/chat.postMessage");
    let reply = body(&loud.with_option("messages", "thread"));
    assert_eq!(reply["thread_ts"], TS);
}

#[test]
fn one_message_lives_with_its_incident() {
    let slack = &mut *platform("slack");
    let posted = send(slack, &bot(EventName::Triggered));
    assert_eq!(posted.message_ref, Patch::Set(memory(TS)));
    let acknowledged = send(slack, &remembering(bot(EventName::Acknowledged)));
    assert_eq!(acknowledged, Outcome::Delivered.into());
    let resolved = send(slack, &remembering(bot(EventName::Resolved)));
    assert_eq!(resolved, Outcome::Delivered.into());
    let messages = slack.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].accent, Some(0x16_a3_4a));
}

#[test]
fn in_a_thread_every_further_event_is_a_reply_to_the_first() {
    let slack = &mut *platform("slack");
    let thread = |name| bot(name).with_option("messages", "thread");
    assert_eq!(
        send(slack, &thread(EventName::Triggered)).message_ref,
        Patch::Set(memory(TS))
    );
    let reply = remembering(thread(EventName::Acknowledged));
    assert_eq!(body(&reply)["thread_ts"], TS);
    assert_eq!(send(slack, &reply), Outcome::Delivered.into());
    assert_eq!(slack.messages().len(), 2);
}

#[test]
fn separate_messages_and_incoming_webhooks_remember_nothing() {
    let slack = &mut *platform("slack");
    let separate = remembering(bot(EventName::Resolved)).with_option("messages", "separate");
    assert_eq!(send(slack, &separate), Outcome::Delivered.into());
    let hook = remembering(incoming(EventName::Resolved)).with_option("messages", "update");
    assert_eq!(send(slack, &hook), Outcome::Delivered.into());
    assert_eq!(slack.messages().len(), 2);
}

#[test]
fn another_channel_gets_a_message_of_its_own() {
    let sample = remembering(bot(EventName::Resolved)).with_option("channel", "C0OTHER0000");
    assert_eq!(rendered(&sample).url.path(), "/api/chat.postMessage");
    assert_eq!(body(&sample)["channel"], "C0OTHER0000");
}

#[test]
fn a_message_to_a_person_is_changed_in_their_conversation() {
    let slack = &mut *platform("slack");
    let person = |name| bot(name).with_option("channel", "U0123456789");
    let memory = send(slack, &person(EventName::Triggered)).message_ref;
    let mut change = person(EventName::Resolved);
    let expected = json!({ "channel": "D0123456789", "ts": TS, "to": "U0123456789" }).to_string();
    assert_eq!(memory, Patch::Set(expected.clone()));
    change.memory = Some(expected);
    assert_eq!(send(slack, &change).outcome, Outcome::Delivered);
}

proptest! {
    #[test]
    fn slack_takes_whatever_an_incident_is_called(
        title in ".{0,400}|[<>&!@|*_~`#U: ]{0,600}",
        service in ".{0,120}",
        person in "\\PC{0,120}",
        is_plain in any::<bool>(),
        is_bot in any::<bool>(),
    ) {
        let sample = if is_bot { bot(EventName::Reopened) } else { incoming(EventName::Reopened) };
        let mut sample = linked(sample).about(|incident| {
            incident.title = title;
            incident.service.name = service;
        });
        sample.event.actor = Actor::User { id: UserId::new(at(), [9; 10]), name: person };
        sample.progress = is_plain.then(|| "plain".to_owned());
        let slack = &mut *platform("slack");
        let classification = send(slack, &sample);
        prop_assert_eq!(&classification.outcome, &Outcome::Delivered);
        prop_assert!(slack.messages()[0].mentions.is_empty());
    }
}
