//! Which settings are accepted.

use url::Url;

use super::{bot, incoming};
use crate::slack::{API_ROOT, Slack};
use destination::Adapter;
use destination::sample::Sample;
use model::event::EventName;

fn problems(sample: &Sample) -> Vec<&'static str> {
    let problems = Slack.check(&sample.target);
    problems.into_iter().map(|problem| problem.field).collect()
}

fn at_url(mut sample: Sample, url: &str) -> Sample {
    sample.target.url = Url::parse(url).unwrap();
    sample
}

#[test]
fn an_incoming_webhook_needs_nothing_but_its_url() {
    let at = |url| problems(&at_url(incoming(EventName::Triggered), url));
    assert_eq!(
        at("https://hooks.slack.com/services/T000/B000/abc"),
        Vec::<&str>::new()
    );
    assert_eq!(at("https://hooks.slack.com/services/T000/B000"), ["url"]);
    assert_eq!(at("https://hooks.slack.com/triggers/T000/1/abc"), ["url"]);
    assert_eq!(at(API_ROOT), ["url"]);
}

#[test]
fn a_bot_needs_a_token_and_a_channels_id() {
    let sample = || at_url(bot(EventName::Triggered), API_ROOT);
    assert_eq!(problems(&sample()), Vec::<&str>::new());
    assert_eq!(problems(&sample().with_option("channel", "")), ["channel"]);
    assert_eq!(
        problems(&sample().with_option("channel", "#general")),
        ["channel"]
    );
    assert_eq!(problems(&sample().with_secret("token", "xoxp-1")), ["token"]);
    assert_eq!(problems(&sample().with_secret("token", "xoxb-ä")), ["token"]);
    let hook = at_url(sample(), "https://hooks.slack.com/services/T000/B000/abc");
    assert_eq!(problems(&hook), ["url"]);
}

#[test]
fn a_bots_url_may_be_left_empty() {
    assert_eq!(
        Slack.default_url(&bot(EventName::Triggered).target),
        Some(API_ROOT)
    );
    assert_eq!(Slack.default_url(&incoming(EventName::Triggered).target), None);
}

#[test]
fn buttons_need_the_signing_secret_and_mentions_a_form() {
    let buttons = bot(EventName::Triggered).with_option("actions", "buttons");
    assert_eq!(problems(&buttons), ["signingSecret"]);
    assert_eq!(
        problems(&buttons.with_secret("signingSecret", "abc")),
        Vec::<&str>::new()
    );
    let mention = incoming(EventName::Triggered).with_option("mention", "everybody");
    assert_eq!(problems(&mention), ["mention"]);
}
