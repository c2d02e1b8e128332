//! Discord: incoming webhooks of a channel. One embed per incident, edited as the incident changes.

mod answer;
mod escape;
mod form;
mod mention;
mod preview;
mod render;
#[cfg(test)]
mod tests;

use http::HeaderValue;
use url::Url;

use crate::discord::mention::{Mentions, is_id};
use destination::about::{KindDescription, Problem};
use destination::preview::Preview;
use destination::task::{Bucket, Rendered, Step, Target, Task};
use destination::{Adapter, Previews};
use model::exchange::Response;
use model::webhook::{Rate, RateUnit};

/// Discord's incoming webhooks.
pub struct Discord;

/// How fast one webhook may post: what Discord is known to allow per channel.
const RATE: Rate = Rate {
    count: 2,
    per: RateUnit::Second,
};
/// The version of the API that is spoken if a URL names none.
const API_VERSION: &str = "v10";
/// The longest name of a sender, in UTF-16 units.
const MAX_USERNAME: usize = 80;

impl Adapter for Discord {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn sample_url(&self) -> &'static str {
        "https://example.com/api/webhooks/1100000000000000001/made-up"
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let url = Address::new(&target.url).err().map(|detail| ("url", detail));
        let thread = target.option("threadId");
        let thread = (!thread.is_empty() && !is_id(thread)).then(|| {
            (
                "threadId",
                "is not an id of Discord: it has digits only".to_owned(),
            )
        });
        let mention = Mentions::parse(target.option("mention"));
        let mention = mention.err().map(|detail| ("mention", detail));
        let username = username_problem(target.option("username")).map(|detail| ("username", detail));
        [url, thread, mention, username]
            .into_iter()
            .flatten()
            .map(|(field, detail)| Problem {
                field,
                code: "invalid_value",
                detail,
            })
            .collect()
    }

    fn buckets(&self, target: &Target) -> Vec<Bucket> {
        let webhook = webhook_bucket(target).map(|key| Bucket {
            key,
            rate: Some(RATE),
        });
        let host = Bucket {
            key: host_bucket(target),
            rate: None,
        };
        webhook.into_iter().chain([host]).collect()
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

    fn agent(&self, public_url: Option<&Url>) -> Option<HeaderValue> {
        let url = public_url.map_or("OpsKnight", Url::as_str);
        HeaderValue::try_from(format!("DiscordBot ({url}, {})", env!("CARGO_PKG_VERSION"))).ok()
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }
}

impl Previews for Discord {
    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(&serde_json::from_slice(body).ok()?)
    }
}

/// What is done in the channel: how a task's event reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    /// As a new message.
    Post,
    /// By editing the incident's message.
    Edit(String),
}

impl Action {
    /// What is done for a task. A message that calls somebody is new, because an edit makes no sound.
    fn new(task: &Task<'_>) -> Self {
        let remembered = task.message_ref.filter(|id| is_id(id));
        match remembered {
            Some(id) if edits(task.target) && Mentions::new(task).is_empty() => Self::Edit(id.to_owned()),
            Some(_) | None => Self::Post,
        }
    }
}

/// Whether an incident's message is edited rather than followed by others.
fn edits(target: &Target) -> bool {
    target.option("messages") != "separate"
}

/// What a webhook's URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address<'a> {
    version: &'a str,
    id: &'a str,
    token: &'a str,
    thread: Option<String>,
}

impl<'a> Address<'a> {
    /// Reads `/api/webhooks/{id}/{token}`, with or without a version, on any host; an error says what is wrong.
    fn new(url: &'a Url) -> Result<Self, String> {
        let path = url.path().trim_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        let (version, id, token, rest) = match parts.as_slice() {
            ["api", "webhooks", id, token, rest @ ..] => (API_VERSION, *id, *token, rest),
            ["api", version, "webhooks", id, token, rest @ ..] => (*version, *id, *token, rest),
            _ => {
                return Err("is not a webhook URL of Discord: its path is /api/webhooks/{id}/{token}".into());
            }
        };
        if let [suffix @ ("slack" | "github"), ..] = rest {
            return Err(format!(
                "ends in /{suffix}, which is another format: take that ending away"
            ));
        }
        let is_version = version
            .strip_prefix('v')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
        let is_token = !token.is_empty()
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !rest.is_empty() || !is_version || !is_id(id) || !is_token {
            return Err(
                "is not a whole webhook URL of Discord: copy it again from the channel's settings".into(),
            );
        }
        let thread = url.query_pairs().find(|(name, _)| name == "thread_id");
        let thread = thread.map(|(_, id)| id.into_owned()).filter(|id| is_id(id));
        Ok(Self {
            version,
            id,
            token,
            thread,
        })
    }
}

/// The thread that messages go to: the option's, or the one that the URL names.
fn thread<'a>(target: &'a Target, address: &'a Address<'_>) -> Option<&'a str> {
    let chosen = Some(target.option("threadId")).filter(|id| is_id(id));
    chosen.or(address.thread.as_deref())
}

/// The bucket of a target's webhook.
fn webhook_bucket(target: &Target) -> Option<String> {
    let address = Address::new(&target.url).ok()?;
    Some(format!("discord:webhook:{}", address.id))
}

/// The bucket of everything behind a target's host.
fn host_bucket(target: &Target) -> String {
    format!("host:{}", target.url.host_str().unwrap_or_default())
}

/// Why Discord would refuse a sender's name.
fn username_problem(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let word = ["clyde", "discord", "```", "@", "#", ":"];
    let word = word.into_iter().find(|word| lower.contains(word));
    if name.is_empty() {
        return None;
    }
    if escape::UNIT.length(name) > MAX_USERNAME || name.trim().is_empty() {
        return Some(format!("must have 1 to {MAX_USERNAME} characters"));
    }
    if let Some(word) = word {
        return Some(format!("must not contain {word}: Discord refuses such names"));
    }
    matches!(lower.trim(), "everyone" | "here").then(|| "must not be everyone or here".to_owned())
}
