//! Slack: through a bot token one message or thread per incident, through an incoming webhook a message per event.

mod answer;
mod callback;
mod errors;
mod escape;
mod form;
mod mention;
mod preview;
mod render;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::slack::mention::is_id;
use destination::about::{KindDescription, Problem};
use destination::callback::{Call, Received, Refused, Reply};
use destination::preview::Preview;
use destination::task::{Bucket, Rendered, Step, Target, Task};
use destination::{Adapter, Callbacks, Previews};
use model::exchange::Response;
use model::webhook::{Rate, RateUnit};

pub use crate::slack::form::API_ROOT;

/// Slack's incoming webhooks and Web API.
pub struct Slack;

/// How fast one channel may be posted to.
const RATE: Rate = Rate {
    count: 1,
    per: RateUnit::Second,
};
/// Where a channel's id begins: channels, private ones, direct messages, people.
const CHANNEL_LETTERS: &str = "CGDUW";

impl Adapter for Slack {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn sample_url(&self) -> &'static str {
        "https://example.com/services/T0OPSKNIGHT/B0OPSKNIGHT/made-up"
    }

    fn default_url(&self, target: &Target) -> Option<&'static str> {
        (Mode::new(target) == Mode::Bot).then_some(API_ROOT)
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let place = match Mode::new(target) {
            Mode::Incoming => Hook::new(&target.url)
                .err()
                .map(|detail| ("url", "invalid_value", detail)),
            Mode::Bot => bot_problem(target),
        };
        let mention = mention::parse(target.option("mention")).err();
        let mention = mention.map(|detail| ("mention", "invalid_value", detail));
        let buttons = (target.option("actions") == "buttons" && target.secret("signingSecret").is_empty())
            .then(|| {
                let detail = "is needed for buttons: copy it from the app's Basic Information".to_owned();
                ("signingSecret", "required", detail)
            });
        [place, mention, buttons]
            .into_iter()
            .flatten()
            .map(|(field, code, detail)| Problem { field, code, detail })
            .collect()
    }

    fn buckets(&self, target: &Target) -> Vec<Bucket> {
        let bucket = |key| Bucket {
            key,
            rate: Some(RATE),
        };
        bucket_key(target).map(bucket).into_iter().collect()
    }

    fn step(&self, task: &Task<'_>) -> Step {
        let action = Action::new(task);
        Step::send(render::render(task, &action), move |task, exchange, now| {
            answer::classify(&action, task, exchange, now)
        })
    }

    fn probe(&self, target: &Target) -> Option<Rendered> {
        render::probe(target)
    }

    fn refuses(&self, response: &Response) -> bool {
        answer::refuses(response)
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }

    fn callbacks(&self) -> Option<&dyn Callbacks> {
        Some(self)
    }
}

impl Previews for Slack {
    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(&serde_json::from_slice(body).ok()?)
    }
}

impl Callbacks for Slack {
    fn receive(&self, call: &Call<'_>) -> Result<Received, Refused> {
        callback::receive(call)
    }

    fn reply(&self, _call: &Call<'_>, _sentence: &str) -> Reply {
        // Slack shows nothing of an answer to a button; the message itself changes with the incident.
        Reply::empty()
    }

    fn callback_help(&self, call: &Call<'_>, callback: &str) -> Option<String> {
        callback::help(call.target, callback)
    }
}

/// How Slack is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Through the URL of an incoming webhook.
    Incoming,
    /// Through the Web API with a bot's token.
    Bot,
}

impl Mode {
    fn new(target: &Target) -> Self {
        match target.secret("token").is_empty() {
            true => Self::Incoming,
            false => Self::Bot,
        }
    }
}

/// What is remembered of an incident's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    /// The channel that it is in, as Slack calls it.
    channel: String,
    /// Its time, which is its id.
    ts: String,
    /// The channel that was asked for: another one since then gets a message of its own.
    to: String,
}

/// What is done in the channel: how a task's event reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    /// As a new message.
    Post,
    /// By changing the incident's message.
    Update(Memory),
    /// As a reply to the incident's first message.
    Reply(Memory),
}

impl Action {
    /// What is done for a task. A message that calls somebody is new, because a changed one makes no sound.
    fn new(task: &Task<'_>) -> Self {
        let memory = task
            .message_ref
            .and_then(|memory| serde_json::from_str::<Memory>(memory).ok());
        let memory = memory.filter(|memory| memory.to == task.target.option("channel"));
        let remembered = memory.filter(|_| Mode::new(task.target) == Mode::Bot);
        match (task.target.option("messages"), remembered) {
            ("separate", _) | (_, None) => Self::Post,
            ("thread", Some(memory)) => Self::Reply(memory),
            (_, Some(memory)) if mention::of(task).is_empty() => Self::Update(memory),
            (_, Some(_)) => Self::Post,
        }
    }
}

/// What the URL of an incoming webhook says; its last part is what is secret about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hook<'a> {
    team: &'a str,
    service: &'a str,
}

impl<'a> Hook<'a> {
    /// Reads `/services/{team}/{service}/{secret}` on any host; an error says what is wrong.
    fn new(url: &'a Url) -> Result<Self, String> {
        let parts: Vec<&str> = url.path().trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["services", team, service, secret]
                if is_id(team, "TE") && is_id(service, "B") && !secret.is_empty() =>
            {
                Ok(Self { team, service })
            }
            ["workflows" | "triggers", ..] => {
                Err("starts a workflow, which shows no messages of ours: use an incoming webhook".into())
            }
            _ => Err("is not the URL of an incoming webhook, whose path is /services/T…/B…/…".into()),
        }
    }
}

/// What is wrong with the settings of a bot.
fn bot_problem(target: &Target) -> Option<(&'static str, &'static str, String)> {
    let token = target.secret("token");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let channel = target.option("channel");
    if !token.starts_with("xoxb-") || !token.bytes().all(is_plain) {
        let detail = "is not a bot token, which begins with xoxb-".to_owned();
        Some(("token", "invalid_value", detail))
    } else if channel.is_empty() {
        let detail = "is needed with a bot token: the id at the end of the channel's details".to_owned();
        Some(("channel", "required", detail))
    } else if !is_id(channel, CHANNEL_LETTERS) {
        let detail = "is not a channel's id such as C0123456789: names do not do".to_owned();
        Some(("channel", "invalid_value", detail))
    } else if target.url.path().starts_with("/services/") {
        let detail = "belongs to an incoming webhook: leave it empty with a bot token".to_owned();
        Some(("url", "invalid_value", detail))
    } else {
        None
    }
}

/// The bucket of a target's channel.
fn bucket_key(target: &Target) -> Option<String> {
    match Mode::new(target) {
        Mode::Bot => Some(format!("slack:channel:{}", target.option("channel"))),
        Mode::Incoming => {
            let hook = Hook::new(&target.url).ok()?;
            Some(format!("slack:hook:{}:{}", hook.team, hook.service))
        }
    }
}
