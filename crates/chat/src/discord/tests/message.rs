//! What is sent, and that Discord takes it.

use http::Method;
use proptest::prelude::*;
use serde_json::json;

use super::{MESSAGE, at, body, linked, platform, rendered, sample, send, shown};
use crate::discord::Discord;
use destination::Adapter;
use destination::preview::Part;
use destination::task::ActLink;
use model::attempt::Outcome;
use model::audit::Actor;
use model::event::EventName;
use model::exchange::FailureCode;
use model::id::UserId;
use model::incident::IncidentAction;
use model::patch::Patch;

#[test]
fn a_triggered_incident_is_posted_as_an_embed() {
    let sample = linked(sample(EventName::Triggered));
    let rendered = rendered(&sample);
    assert_eq!(rendered.method, Method::POST);
    assert_eq!(rendered.url.query(), Some("wait=true"));
    let id = sample.event.incident_id;
    let expected = json!({
        "content": "",
        "embeds": [{
            "title": "🔴 Database connection timeout",
            "description": "**Triggered** <t:1705314600:R>",
            "color": 0xdc_26_26,
            "fields": [
                { "name": "Status", "value": "Triggered", "inline": true },
                { "name": "Severity", "value": "Critical", "inline": true },
                { "name": "Service", "value": "API Gateway", "inline": true },
                { "name": "Assignee", "value": "nobody", "inline": true },
                { "name": "Since", "value": "<t:1705314600:f>", "inline": true },
                {
                    "name": "Actions",
                    "value": "[Acknowledge](https://ops.example/act/acknowledge) · \
                              [Resolve](https://ops.example/act/resolve)",
                    "inline": false,
                },
            ],
            "footer": { "text": format!("OpsKnight · {id}") },
            "timestamp": "2024-01-15T10:30:00.000Z",
            "url": "https://ops.example/incidents/1",
        }],
        "allowed_mentions": { "parse": [] },
    });
    assert_eq!(body(&sample), expected);
}

#[test]
fn an_acknowledged_incident_changes_its_message() {
    let mut sample = sample(EventName::Acknowledged);
    sample.memory = Some(MESSAGE.into());
    sample.event.actor = Actor::User {
        id: UserId::new(at(), [9; 10]),
        name: "Zoë *S*".into(),
    };
    let rendered = rendered(&sample);
    assert_eq!(rendered.method, Method::PATCH);
    assert!(rendered.url.path().ends_with(&format!("/messages/{MESSAGE}")));
    let body = body(&sample);
    assert_eq!(
        body["embeds"][0]["description"],
        r"**Acknowledged** by Zoë \*S\* <t:1705314600:R>"
    );
    assert_eq!(body["embeds"][0]["title"], "🟡 Database connection timeout");
    assert_eq!(body["embeds"][0]["color"], 0xca_8a_04);
    assert_eq!(body["embeds"][0]["fields"][3]["value"], "Ada Lovelace");
    assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
}

#[test]
fn a_resolved_incident_is_green_and_offers_nothing() {
    let body = body(&sample(EventName::Resolved));
    assert_eq!(body["embeds"][0]["color"], 0x16_a3_4a);
    assert_eq!(body["embeds"][0]["fields"][0]["value"], "Resolved");
    assert_eq!(body["embeds"][0]["fields"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_test_says_so() {
    let mut sample = sample(EventName::Triggered);
    sample.event.is_test = true;
    let shown = shown(&sample);
    assert_eq!(
        shown.parts[0],
        Part::Heading("🔴 [Test] Database connection timeout".into())
    );
}

#[test]
fn the_token_is_not_shown() {
    let mut sample = sample(EventName::Acknowledged).with_option("threadId", "77");
    sample.memory = Some(MESSAGE.into());
    let rendered = rendered(&sample);
    let expected = format!(
        "https://discord.example/api/v10/webhooks/1100000000000000001/***/messages/{MESSAGE}?thread_id=77"
    );
    assert_eq!(rendered.shown_url, Some(expected));
}

#[test]
fn callers_name_themselves_by_a_true_address_or_none() {
    let public_url = url::Url::parse("https://ops.example.com/knight").unwrap();
    let agent = |url| Discord.agent(url).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!("DiscordBot (https://ops.example.com/knight, {version})");
    assert_eq!(agent(Some(&public_url)), expected.as_str());
    assert_eq!(agent(None), format!("DiscordBot (OpsKnight, {version})").as_str());
}

#[test]
fn titles_and_services_are_cut_beyond_their_limits_only() {
    let title = |length: usize| {
        let sample = sample(EventName::Triggered).about(|incident| incident.title = "x".repeat(length));
        body(&sample)["embeds"][0]["title"]
            .as_str()
            .unwrap()
            .encode_utf16()
            .count()
    };
    assert_eq!(title(253), 256);
    assert_eq!(title(254), 256);
    let service = |length: usize| {
        let sample =
            sample(EventName::Triggered).about(|incident| incident.service.name = "x".repeat(length));
        body(&sample)["embeds"][0]["fields"][2]["value"].clone()
    };
    assert_eq!(service(200), json!("x".repeat(200)));
    assert_eq!(service(201), json!(format!("{}…", "x".repeat(199))));
}

#[test]
fn the_largest_message_is_taken() {
    let mut sample = linked(sample(EventName::Triggered)).about(|incident| {
        incident.title = "*".repeat(10_000);
        incident.service.name = "😀".repeat(10_000);
    });
    let page = format!("https://ops.example/{}", "p".repeat(480));
    sample.links.acts = [
        IncidentAction::Acknowledge,
        IncidentAction::Resolve,
        IncidentAction::Escalate,
    ]
    .map(|action| ActLink {
        action,
        token: "t".into(),
        page: Some(page.clone()),
    })
    .to_vec();
    assert_eq!(
        send(&mut *platform("discord"), &sample).outcome,
        Outcome::Delivered
    );
    sample.progress = Some("plain".into());
    assert_eq!(
        send(&mut *platform("discord"), &sample).outcome,
        Outcome::Delivered
    );
}

#[test]
fn hostile_titles_show_as_they_are_and_call_nobody() {
    let titles = [
        "@everyone @here <@123> <@&456> <#789>",
        "[click](https://evil.example) <https://evil.example> https://evil.example",
        "**bold** __under__ ~~gone~~ ||secret|| `code` ```block``` # head > quote",
        r#"quotes " ' and \ backslashes \\ \n <b>html</b> &amp; <t:0:R> <:a:1>"#,
    ];
    let headings = titles.map(|title| {
        let sample = sample(EventName::Triggered).about(|incident| incident.title = title.into());
        shown(&sample).parts[0].clone()
    });
    assert_eq!(headings, titles.map(|title| Part::Heading(format!("🔴 {title}"))));
}

#[test]
fn where_here_may_be_called_a_plain_title_still_calls_nobody_else() {
    let mut sample = sample(EventName::Triggered)
        .with_option("mention", "@here")
        .about(|incident| incident.title = "@everyone <@&9>".into());
    sample.progress = Some("plain".into());
    let parts = shown(&sample).parts;
    let is_call = |part: &&Part| matches!(part, Part::Mention(_));
    assert_eq!(
        parts.iter().filter(is_call).collect::<Vec<_>>(),
        [&Part::Mention("@here".into())]
    );
}

#[test]
fn line_breaks_and_marks_of_direction_do_not_reach_the_message() {
    let title = "one\r\ntwo\u{202e}evil\u{200b}\0";
    let sample = sample(EventName::Triggered).about(|incident| incident.title = title.into());
    assert_eq!(shown(&sample).parts[0], Part::Heading("🔴 one twoevil".into()));
}

#[test]
fn a_mention_is_made_for_what_wants_attention_and_only_then() {
    let with = |name| sample(name).with_option("mention", "<@&12> @here");
    let triggered = body(&with(EventName::Triggered));
    assert_eq!(triggered["content"], "@here <@&12>");
    assert_eq!(
        triggered["allowed_mentions"],
        json!({ "parse": ["everyone"], "roles": ["12"] })
    );
    let resolved = body(&with(EventName::Resolved));
    assert_eq!(resolved["content"], "");
    assert_eq!(resolved["allowed_mentions"], json!({ "parse": [] }));
}

#[test]
fn an_escalation_edits_unless_it_calls_somebody() {
    let mut silent = sample(EventName::Escalated);
    silent.memory = Some(MESSAGE.into());
    assert_eq!(rendered(&silent).method, Method::PATCH);
    let loud = silent.with_option("mention", "@here");
    assert_eq!(rendered(&loud).method, Method::POST);
}

#[test]
fn separate_messages_are_never_edited_and_the_name_of_the_sender_is_sent() {
    let mut sample = sample(EventName::Resolved)
        .with_option("messages", "separate")
        .with_option("username", "Ops");
    sample.memory = Some(MESSAGE.into());
    assert_eq!(rendered(&sample).method, Method::POST);
    assert_eq!(body(&sample)["username"], "Ops");
    assert_eq!(send(&mut *platform("discord"), &sample).message_ref, Patch::Keep);
}

#[test]
fn one_message_lives_with_its_incident() {
    let discord = &mut *platform("discord");
    let posted = send(discord, &sample(EventName::Triggered));
    assert_eq!(posted.outcome, Outcome::Delivered);
    assert_eq!(posted.message_ref, Patch::Set(MESSAGE.into()));
    let mut acknowledged = sample(EventName::Acknowledged);
    acknowledged.memory = Some(MESSAGE.into());
    assert_eq!(send(discord, &acknowledged), Outcome::Delivered.into());
    let mut resolved = sample(EventName::Resolved);
    resolved.memory = Some(MESSAGE.into());
    assert_eq!(send(discord, &resolved), Outcome::Delivered.into());
    let messages = discord.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].accent, Some(0x16_a3_4a));
}

#[test]
fn in_a_thread_the_message_is_posted_and_edited_there() {
    let discord = &mut *platform("discord");
    send(
        discord,
        &sample(EventName::Triggered).with_option("threadId", "77"),
    );
    let mut edit = sample(EventName::Acknowledged).with_option("threadId", "77");
    edit.memory = Some(MESSAGE.into());
    assert_eq!(send(discord, &edit).outcome, Outcome::Delivered);
    let elsewhere = edit.with_option("threadId", "78");
    assert_eq!(
        send(discord, &elsewhere).outcome.failure().unwrap().code,
        FailureCode::MessageLost
    );
}

proptest! {
    #[test]
    fn discord_takes_whatever_an_incident_is_called(
        title in ".{0,400}|[*_~<>@\\[\\]()\\\\:#a ]{0,600}",
        service in ".{0,120}",
        person in "\\PC{0,120}",
        is_plain in any::<bool>(),
    ) {
        let mut sample = linked(sample(EventName::Reopened)).about(|incident| {
            incident.title = title;
            incident.service.name = service;
        });
        sample.event.actor = Actor::User { id: UserId::new(at(), [9; 10]), name: person };
        sample.progress = is_plain.then(|| "plain".to_owned());
        let discord = &mut *platform("discord");
        let classification = send(discord, &sample);
        prop_assert_eq!(&classification.outcome, &Outcome::Delivered);
        prop_assert!(discord.messages()[0].mentions.is_empty());
    }
}
