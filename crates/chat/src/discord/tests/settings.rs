//! Which settings are accepted.

use url::Url;

use super::{rendered, sample};
use crate::discord::Discord;
use destination::Adapter;
use destination::sample::Sample;
use model::event::EventName;

fn problems(sample: &Sample) -> Vec<&'static str> {
    let problems = Discord.check(&sample.target);
    problems.into_iter().map(|problem| problem.field).collect()
}

#[test]
fn only_whole_webhook_urls_are_accepted() {
    let problem = |url: &str| {
        let mut sample = sample(EventName::Triggered);
        sample.target.url = Url::parse(url).unwrap();
        Discord.check(&sample.target).pop().map(|problem| problem.detail)
    };
    assert_eq!(problem("https://discord.com/api/webhooks/1/a-b_c"), None);
    assert_eq!(
        problem("https://ptb.discord.com/api/v9/webhooks/1/abc/?thread_id=5"),
        None
    );
    assert!(
        problem("https://discord.com/api/webhooks/1/abc/slack")
            .unwrap()
            .contains("/slack")
    );
    assert!(
        problem("https://discord.com/api/webhooks/1/abc/github")
            .unwrap()
            .contains("/github")
    );
    assert!(problem("https://discord.com/api/webhooks/1").is_some());
    assert!(problem("https://discord.com/api/webhooks/x/abc").is_some());
    assert!(problem("https://discord.com/channels/1/2").is_some());
}

#[test]
fn a_thread_in_the_url_counts_unless_another_is_chosen() {
    let mut sample = sample(EventName::Triggered);
    sample.target.url.set_query(Some("thread_id=5&wait=false"));
    assert_eq!(rendered(&sample).url.query(), Some("wait=true&thread_id=5"));
    let chosen = sample.with_option("threadId", "6");
    assert_eq!(rendered(&chosen).url.query(), Some("wait=true&thread_id=6"));
}

#[test]
fn options_that_discord_would_refuse_are_found_beforehand() {
    let with = |name: &str, value: &str| problems(&sample(EventName::Triggered).with_option(name, value));
    assert_eq!(with("threadId", "general"), ["threadId"]);
    assert_eq!(with("mention", "@ops"), ["mention"]);
    assert_eq!(with("username", "My Discord"), ["username"]);
    assert_eq!(with("username", "here"), ["username"]);
    assert_eq!(with("username", &"x".repeat(81)), ["username"]);
    assert_eq!(with("username", &"x".repeat(80)), Vec::<&str>::new());
}
