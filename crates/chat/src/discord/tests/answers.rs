//! What becomes of answers and faults.

use std::time::Duration;

use super::{MESSAGE, ask, at, exchange, linked, platform, sample, send};
use crate::discord::Discord;
use destination::Adapter;
use destination::task::Classification;
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::exchange::{Exchange, FailureCode, PhaseTimings, Reach, SendFailure};
use model::patch::Patch;

/// What a fault comes to for an edit.
fn judged(fault: &str) -> Classification {
    let discord = &mut *platform("discord");
    send(discord, &sample(EventName::Triggered));
    assert!(discord.fail_next(fault));
    let mut edit = sample(EventName::Acknowledged);
    edit.memory = Some(MESSAGE.into());
    send(discord, &edit)
}

fn told(classification: &Classification) -> (FailureCode, Disposition, Option<u64>) {
    let failure = classification.outcome.failure().unwrap();
    let wait = failure
        .retry_after
        .map(|wait| wait.as_millis().try_into().unwrap());
    (failure.code, failure.disposition, wait)
}

#[test]
fn a_deleted_message_is_followed_by_a_new_one() {
    let discord = &mut *platform("discord");
    send(discord, &sample(EventName::Triggered));
    discord.fail_next("message_deleted");
    let mut edit = sample(EventName::Acknowledged);
    edit.memory = Some(MESSAGE.into());
    let lost = send(discord, &edit);
    assert_eq!(
        told(&lost),
        (FailureCode::MessageLost, Disposition::Immediate, None)
    );
    assert_eq!(lost.message_ref, Patch::Clear);
    edit.memory = None;
    let anew = send(discord, &edit);
    assert_eq!(anew.message_ref, Patch::Set("1200000000000000002".into()));
    assert_eq!(discord.messages().len(), 1);
}

#[test]
fn whatever_keeps_a_message_from_being_edited_leads_to_a_new_one() {
    let lost = ["message_deleted", "too_many_edits", "archived_thread"].map(judged);
    let expected = (FailureCode::MessageLost, Disposition::Immediate, None);
    assert_eq!(lost.each_ref().map(told), [expected; 3]);
    assert_eq!(
        lost.map(|classification| classification.message_ref),
        [const { Patch::Clear }; 3]
    );
}

#[test]
fn a_refused_message_is_sent_once_more_in_plain_words() {
    let discord = &mut *platform("discord");
    let mut sample = linked(sample(EventName::Triggered)).with_option("mention", "@here");
    discord.fail_next("harmful_link");
    let refused = send(discord, &sample);
    assert_eq!(
        told(&refused),
        (FailureCode::MessageRefused, Disposition::Immediate, None)
    );
    assert_eq!(refused.continuation, Patch::Set("plain".into()));
    sample.progress = Some("plain".into());
    discord.fail_next("refused");
    assert_eq!(told(&send(discord, &sample)).1, Disposition::Permanent);
    assert_eq!(send(discord, &sample).outcome, Outcome::Delivered);
    let plain = discord.messages()[0].text();
    assert_eq!(
        plain,
        "@here\n🔴 Database connection timeout\nTriggered\nCritical · API Gateway · nobody"
    );
}

#[test]
fn an_edit_after_a_plain_message_takes_its_text_away() {
    let discord = &mut *platform("discord");
    let mut plain = sample(EventName::Triggered);
    plain.progress = Some("plain".into());
    send(discord, &plain);
    let mut edit = sample(EventName::Acknowledged);
    edit.memory = Some(MESSAGE.into());
    send(discord, &edit);
    assert_eq!(discord.messages()[0].parts[0], "🟡 Database connection timeout");
}

#[test]
fn every_rate_limit_pauses_whom_it_concerns() {
    let limits = [
        "rate_limit",
        "rate_limit_shared",
        "rate_limit_global",
        "cloudflare",
    ]
    .map(judged);
    let waits = [1500, 2000, 3000, 10_000]
        .map(|wait| (FailureCode::RateLimited, Disposition::RateLimited, Some(wait)));
    assert_eq!(limits.each_ref().map(told), waits);
    let buckets = limits.map(|classification| classification.pause.unwrap().bucket);
    let (webhook, host) = ("discord:webhook:1100000000000000001", "host:discord.example");
    assert_eq!(buckets, [webhook, webhook, host, host]);
    let named = Discord.buckets(&sample(EventName::Triggered).target);
    assert_eq!(
        named.into_iter().map(|bucket| bucket.key).collect::<Vec<_>>(),
        [webhook, host]
    );
}

#[test]
fn a_ban_of_the_address_told_in_json_pauses_the_host() {
    let banned = judged("ip_ban");
    let wait = Duration::from_secs(600);
    assert_eq!(
        told(&banned),
        (FailureCode::RateLimited, Disposition::RateLimited, Some(600_000))
    );
    let pause = banned.pause.unwrap();
    assert_eq!(
        (pause.bucket.as_str(), pause.wait),
        ("host:discord.example", wait)
    );
    let foreign = exchange(429, &[], r#"{"error":"slow down"}"#);
    let classification = Discord.step(&sample(EventName::Triggered).task()).classify(
        &sample(EventName::Triggered).task(),
        &foreign,
        at(),
    );
    assert_eq!(classification.pause.unwrap().bucket, "host:discord.example");
}

#[test]
fn a_rate_limit_without_an_end_is_left_to_the_engine() {
    let sample = sample(EventName::Triggered);
    let exchange = exchange(429, &[], r#"{"message":"slow","retry_after":-1}"#);
    let classification = Discord
        .step(&sample.task())
        .classify(&sample.task(), &exchange, at());
    assert_eq!(
        told(&classification),
        (FailureCode::RateLimited, Disposition::RateLimited, None)
    );
    assert!(classification.pause.is_some());
}

#[test]
fn the_last_permitted_request_pauses_the_webhook() {
    let headers = [
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset-after", "1.25".to_owned()),
    ];
    let exchange = exchange(200, &headers, r#"{"id":"5"}"#);
    let classification = Discord.step(&sample(EventName::Triggered).task()).classify(
        &sample(EventName::Triggered).task(),
        &exchange,
        at(),
    );
    assert_eq!(
        classification.pause.map(|pause| pause.wait),
        Some(Duration::from_millis(1250))
    );
    assert_eq!(classification.outcome, Outcome::Delivered);
}

#[test]
fn what_only_a_person_can_mend_says_what_to_do() {
    let faults = [
        "unknown_webhook",
        "bad_token",
        "no_permission",
        "unknown_channel",
        "forum",
    ];
    let classifications = faults.map(judged);
    let expected = (FailureCode::SettingsRefused, Disposition::NeedsOperator, None);
    assert_eq!(classifications.each_ref().map(told), [expected; 5]);
    let detail = &classifications[0].outcome.failure().unwrap().detail;
    let expected = "Discord says \"Unknown Webhook\" (10015): make a new webhook in the channel's settings and put its \
                    URL here";
    assert_eq!(detail, expected);
}

#[test]
fn a_name_or_thread_that_discord_refuses_is_a_matter_for_a_person() {
    let body = |member: &str| {
        format!(r#"{{"message":"Invalid Form Body","code":50035,"errors":{{"{member}":{{}}}}}}"#)
    };
    let judge = |body: &str| {
        Discord.step(&sample(EventName::Triggered).task()).classify(
            &sample(EventName::Triggered).task(),
            &exchange(400, &[], body),
            at(),
        )
    };
    let disposition = |member| told(&judge(&body(member))).1;
    let judged = ["username", "thread_id", "embeds"].map(disposition);
    assert_eq!(
        judged,
        [
            Disposition::NeedsOperator,
            Disposition::NeedsOperator,
            Disposition::Immediate
        ]
    );
}

#[test]
fn faults_of_the_server_are_tried_again_on_schedule() {
    let faults = ["server_error", "bad_gateway"].map(|fault| told(&judged(fault)));
    assert_eq!(
        faults,
        [(FailureCode::ServerError, Disposition::Backoff, None); 2]
    );
    let exchange = Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach: Reach::MaybeSent,
        result: Err(SendFailure {
            code: FailureCode::ResponseTimeout,
            detail: "no answer".into(),
        }),
    };
    let classification = Discord.step(&sample(EventName::Triggered).task()).classify(
        &sample(EventName::Triggered).task(),
        &exchange,
        at(),
    );
    assert_eq!(
        told(&classification),
        (FailureCode::ResponseTimeout, Disposition::Backoff, None)
    );
}

#[test]
fn an_answer_without_a_message_is_taken_but_nothing_is_remembered() {
    let classification = judged("no_content");
    assert_eq!(classification.outcome, Outcome::Delivered);
    let post = sample(EventName::Triggered);
    let judge = |status, body| {
        Discord
            .step(&post.task())
            .classify(&post.task(), &exchange(status, &[], body), at())
    };
    assert_eq!(judge(204, "").message_ref, Patch::Clear);
    assert_eq!(
        told(&judge(200, "<html>log in</html>")).0,
        FailureCode::ResponseInvalid
    );
}

#[test]
fn other_addresses_are_told_from_discords() {
    let judge = |status| {
        let exchange = exchange(status, &[], "<html>nothing here</html>");
        told(&Discord.step(&sample(EventName::Triggered).task()).classify(
            &sample(EventName::Triggered).task(),
            &exchange,
            at(),
        ))
    };
    assert_eq!(
        [401, 403, 404, 410].map(judge),
        [(FailureCode::ClientError, Disposition::Backoff, None); 4]
    );
}

#[test]
fn a_probe_tells_a_webhook_that_is_gone_from_one_that_is_there() {
    let discord = &mut *platform("discord");
    let target = sample(EventName::Triggered).target;
    let mut refuses = |fault: Option<&str>| {
        fault
            .into_iter()
            .for_each(|fault| assert!(discord.fail_next(fault)));
        let answer = ask(discord, &Discord.probe(&target).unwrap(), at());
        Discord.refuses(
            &exchange(answer.status, &answer.headers, &answer.body)
                .result
                .unwrap(),
        )
    };
    let faults = [
        None,
        Some("unknown_webhook"),
        Some("bad_token"),
        Some("server_error"),
        Some("rate_limit"),
    ];
    assert_eq!(faults.map(&mut refuses), [false, true, true, false, false]);
    let page = exchange(403, &[], "<html>Blocked by policy</html>")
        .result
        .unwrap();
    assert!(!Discord.refuses(&page));
}
