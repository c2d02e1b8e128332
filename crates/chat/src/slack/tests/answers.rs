//! What becomes of answers and faults.

use std::time::Duration;

use super::{at, bot, exchange, incoming, linked, memory, platform, remembering, send};
use crate::slack::Slack;
use destination::Adapter;
use destination::sample::Sample;
use destination::task::Classification;
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::exchange::{Exchange, FailureCode, PhaseTimings, Reach, SendFailure};
use model::patch::Patch;

/// What a fault comes to for a change of a bot's message.
fn api(fault: &str) -> Classification {
    let slack = &mut *platform("slack");
    send(slack, &bot(EventName::Triggered));
    assert!(slack.fail_next(fault));
    send(slack, &remembering(bot(EventName::Acknowledged)))
}

/// What a fault comes to for an incoming webhook.
fn hook(fault: &str) -> Classification {
    let slack = &mut *platform("slack");
    assert!(slack.fail_next(fault));
    send(slack, &incoming(EventName::Triggered))
}

fn told(classification: &Classification) -> (FailureCode, Disposition, Option<Duration>) {
    let failure = classification.outcome.failure().unwrap();
    (failure.code, failure.disposition, failure.retry_after)
}

/// What an error of the Web API comes to for a sample.
fn said(sample: &Sample, error: &str) -> (FailureCode, Disposition, Option<Duration>) {
    let body = format!(r#"{{"ok":false,"error":"{error}"}}"#);
    told(
        &Slack
            .step(&sample.task())
            .classify(&sample.task(), &exchange(200, &[], &body), at()),
    )
}

#[test]
fn a_deleted_message_is_followed_by_a_new_one() {
    let slack = &mut *platform("slack");
    send(slack, &bot(EventName::Triggered));
    slack.fail_next("message_not_found");
    let lost = send(slack, &remembering(bot(EventName::Acknowledged)));
    assert_eq!(
        told(&lost),
        (FailureCode::MessageLost, Disposition::Immediate, None)
    );
    assert_eq!(lost.message_ref, Patch::Clear);
    let anew = send(slack, &bot(EventName::Acknowledged));
    assert_eq!(anew.message_ref, Patch::Set(memory("1705314600.000002")));
    assert_eq!(slack.messages().len(), 1);
}

#[test]
fn whatever_keeps_a_message_from_being_changed_leads_to_a_new_one() {
    let lost = (FailureCode::MessageLost, Disposition::Immediate, None);
    let faults = ["message_not_found", "edit_window_closed", "cant_update_message"].map(api);
    assert_eq!(faults.each_ref().map(told), [lost; 3]);
    assert_eq!(said(&remembering(bot(EventName::Resolved)), "is_inactive"), lost);
    let reply = remembering(bot(EventName::Resolved)).with_option("messages", "thread");
    assert_eq!(said(&reply, "thread_not_found"), lost);
}

#[test]
fn a_refused_message_is_sent_once_more_in_plain_words() {
    let slack = &mut *platform("slack");
    let mut sample = linked(bot(EventName::Triggered)).with_option("mention", "@here");
    slack.fail_next("invalid_blocks");
    let refused = send(slack, &sample);
    assert_eq!(
        told(&refused),
        (FailureCode::MessageRefused, Disposition::Immediate, None)
    );
    assert_eq!(refused.continuation, Patch::Set("plain".into()));
    sample.progress = Some("plain".into());
    slack.fail_next("invalid_blocks");
    assert_eq!(told(&send(slack, &sample)).1, Disposition::Permanent);
    assert_eq!(send(slack, &sample).outcome, Outcome::Delivered);
    let plain = slack.messages()[0].text();
    assert_eq!(
        plain,
        "@here\n🔴 Database connection timeout\nTriggered\nCritical · API Gateway · nobody"
    );
}

#[test]
fn a_plain_change_takes_the_blocks_away() {
    let slack = &mut *platform("slack");
    send(slack, &bot(EventName::Triggered));
    let mut plain = remembering(bot(EventName::Resolved));
    plain.progress = Some("plain".into());
    send(slack, &plain);
    assert_eq!(slack.messages()[0].parts.len(), 1);
}

#[test]
fn every_rate_limit_pauses_its_channel() {
    let limits = [api("rate_limit"), hook("rate_limit")];
    let expected = (
        FailureCode::RateLimited,
        Disposition::RateLimited,
        Some(Duration::from_secs(3)),
    );
    assert_eq!(limits.each_ref().map(told), [expected; 2]);
    let buckets = limits.map(|classification| classification.pause.unwrap().bucket);
    let expected = ["slack:channel:C0123456789", "slack:hook:T0OPSKNIGHT:B0OPSKNIGHT"];
    assert_eq!(buckets, expected);
    let named = [bot(EventName::Triggered), incoming(EventName::Triggered)];
    assert_eq!(
        named.map(|sample| Slack.buckets(&sample.target)[0].key.clone()),
        expected
    );
}

#[test]
fn a_rate_limit_without_an_end_is_left_to_the_engine() {
    assert_eq!(
        told(&api("ratelimited")),
        (FailureCode::RateLimited, Disposition::RateLimited, None)
    );
    assert_eq!(
        said(&bot(EventName::Triggered), "rate_limited").1,
        Disposition::RateLimited
    );
}

#[test]
fn a_workspace_that_takes_nothing_is_left_alone_for_a_while() {
    let long = Some(Duration::from_secs(900));
    assert_eq!(
        told(&api("message_limit_exceeded")),
        (FailureCode::RateLimited, Disposition::RateLimited, long)
    );
    assert_eq!(
        told(&api("team_added_to_org")),
        (FailureCode::ServerError, Disposition::Backoff, long)
    );
}

#[test]
fn what_only_a_person_can_mend_says_what_to_do() {
    let person = (FailureCode::SettingsRefused, Disposition::NeedsOperator, None);
    let token = ["invalid_auth", "token_revoked", "missing_scope"];
    assert_eq!(token.map(|fault| told(&api(fault))), [person; 3]);
    let channel = ["not_in_channel", "is_archived", "restricted_action"];
    assert_eq!(channel.map(|fault| told(&api(fault))), [person; 3]);
    let faults = [
        "invalid_token",
        "action_prohibited",
        "no_service",
        "channel_not_found",
        "channel_is_archived",
    ];
    assert_eq!(faults.map(|fault| told(&hook(fault))), [person; 5]);
    let detail = hook("no_service").outcome.failure().unwrap().detail.clone();
    assert_eq!(
        detail,
        "Slack says no_service: make a new incoming webhook and put its URL here"
    );
}

#[test]
fn errors_without_a_fault_of_their_own_are_sorted_too() {
    let sample = bot(EventName::Triggered);
    let codes = |errors: [&str; 3]| errors.map(|error| said(&sample, error).0);
    let person = [
        "not_authed",
        "account_inactive",
        "restricted_action_read_only_channel",
    ];
    assert_eq!(codes(person), [FailureCode::SettingsRefused; 3]);
    let message = ["msg_blocks_too_long", "metadata_too_large", "no_text"];
    assert_eq!(codes(message), [FailureCode::MessageRefused; 3]);
    assert_eq!(
        codes(["internal_error", "request_timeout", "update_failed"]),
        [FailureCode::ServerError; 3]
    );
    assert_eq!(
        said(&sample, "something_new"),
        (FailureCode::ClientError, Disposition::Backoff, None)
    );
    assert_eq!(said(&sample, "message_not_found").0, FailureCode::ClientError);
}

#[test]
fn a_refusal_quotes_what_slack_says_about_it() {
    let detail = api("invalid_blocks").outcome.failure().unwrap().detail.clone();
    assert_eq!(detail, "Slack says invalid_blocks ([ERROR] injected)");
}

#[test]
fn an_incoming_webhook_that_refuses_a_message_gets_it_in_plain_words() {
    let refused = hook("invalid_payload");
    assert_eq!(
        told(&refused),
        (FailureCode::MessageRefused, Disposition::Immediate, None)
    );
    assert_eq!(refused.continuation, Patch::Set("plain".into()));
}

#[test]
fn faults_of_the_server_are_tried_again_on_schedule() {
    let later = (FailureCode::ServerError, Disposition::Backoff, None);
    let faults = ["server_error", "bad_gateway"].map(|fault| told(&hook(fault)));
    assert_eq!(faults, [later; 2]);
    let faults = [
        "server_error",
        "bad_gateway",
        "fatal_error",
        "service_unavailable",
    ];
    assert_eq!(faults.map(|fault| told(&api(fault))), [later; 4]);
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
    let classification = Slack.step(&bot(EventName::Triggered).task()).classify(
        &bot(EventName::Triggered).task(),
        &exchange,
        at(),
    );
    assert_eq!(
        told(&classification),
        (FailureCode::ResponseTimeout, Disposition::Backoff, None)
    );
}

#[test]
fn other_addresses_are_told_from_slacks() {
    let invalid = (FailureCode::ResponseInvalid, Disposition::Backoff, None);
    assert_eq!(
        [told(&hook("login_page")), told(&api("login_page"))],
        [invalid; 2]
    );
    let judge = |sample: &Sample, status| {
        let exchange = exchange(status, &[], "<html>nothing here</html>");
        told(
            &Slack
                .step(&sample.task())
                .classify(&sample.task(), &exchange, at()),
        )
    };
    let alone = [(FailureCode::ClientError, Disposition::Backoff, None); 4];
    assert_eq!(
        [401, 403, 404, 410].map(|status| judge(&bot(EventName::Triggered), status)),
        alone
    );
    assert_eq!(
        [401, 403, 404, 410].map(|status| judge(&incoming(EventName::Triggered), status)),
        alone
    );
    let word = exchange(403, &[], "forbidden");
    assert_eq!(
        told(&Slack.step(&incoming(EventName::Triggered).task()).classify(
            &incoming(EventName::Triggered).task(),
            &word,
            at()
        )),
        alone[0]
    );
}

#[test]
fn an_answer_without_a_message_is_taken_but_nothing_is_remembered() {
    let sample = bot(EventName::Triggered);
    let classification =
        Slack
            .step(&sample.task())
            .classify(&sample.task(), &exchange(200, &[], r#"{"ok":true}"#), at());
    assert_eq!(classification.outcome, Outcome::Delivered);
    assert_eq!(classification.message_ref, Patch::Clear);
}

#[test]
fn a_token_that_slack_does_not_know_is_a_matter_for_a_person() {
    let slack = &mut *platform("slack");
    let stranger = bot(EventName::Triggered).with_secret("token", "xoxp-1");
    assert_eq!(told(&send(slack, &stranger)).0, FailureCode::SettingsRefused);
    assert!(slack.messages().is_empty());
}

#[test]
fn a_probe_asks_whose_token_it_is_and_an_incoming_webhook_has_none() {
    assert!(Slack.probe(&incoming(EventName::Triggered).target).is_none());
    let probe = Slack.probe(&bot(EventName::Triggered).target).unwrap();
    assert!(probe.url.path().ends_with("/auth.test"));
    let refuses = |body: &str| Slack.refuses(&exchange(200, &[], body).result.unwrap());
    let refused = [
        r#"{"ok":false,"error":"token_revoked"}"#,
        r#"{"ok":false,"error":"invalid_auth"}"#,
    ];
    assert_eq!(refused.map(refuses), [true; 2]);
    let others = [
        r#"{"ok":true}"#,
        r#"{"ok":false,"error":"ratelimited"}"#,
        "<html>Blocked</html>",
    ];
    assert_eq!(others.map(refuses), [false; 3]);
}
