//! What a Telegram webhook's settings mean: the chat that messages go to, the way they follow an incident, the rate
//! limits they count against, and what is wrong with them.

use serde::{Deserialize, Serialize};
use url::Url;

use destination::about::Problem;
use destination::task::{Bucket, Target, Task};
use model::event::EventName;
use model::webhook::{Rate, RateUnit};

/// The most people that one message calls.
const MAX_MENTIONS: usize = 5;
/// The longest part of a token after its colon; today's have 35 characters.
const MAX_KEY_BYTES: usize = 100;
/// Chat numbers have at most 52 significant bits.
const MAX_CHAT_NUMBER: u64 = 1 << 52;

/// What a delivery does in the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It posts a message.
    Post,
    /// It posts a reply to this message.
    Reply(i64),
    /// It changes this message.
    Edit(i64),
}

impl Action {
    /// What is done for a task. A message that was posted in another chat counts for nothing.
    pub(super) fn new(task: &Task<'_>) -> Self {
        let memory = task.message_ref.and_then(Memory::read);
        let here = chat(task.target);
        let message = memory
            .filter(|memory| memory.chat == here)
            .map(|memory| memory.message);
        match (task.target.option("messages"), message) {
            ("separate", _) | (_, None) => Self::Post,
            ("thread", Some(message)) => Self::Reply(message),
            // An edit makes no sound: whoever is to be called is called by a new message, which is then the one that is edited.
            (_, Some(_)) if !mentions(task.target, task.event.name).is_empty() => Self::Post,
            (_, Some(message)) => Self::Edit(message),
        }
    }
}

/// Whether posts of this webhook are remembered.
pub(super) fn remembers(target: &Target) -> bool {
    target.option("messages") != "separate"
}

/// Where an incident's first message is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The chat, as it was addressed.
    pub(super) chat: String,
    /// The message's number in it.
    pub(super) message: i64,
}

impl Memory {
    fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// A chat's new number, for as long as the settings name the chat that it was learned for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Moved {
    /// The chat as the settings name it.
    pub(super) from: String,
    /// Its number now.
    pub(super) to: i64,
}

/// The chat that messages go to: the one in the settings, or where it moved since.
pub(super) fn chat(target: &Target) -> String {
    let wanted = target.option("chat").trim();
    let learned = target.discovered_settings.as_deref();
    let moved: Option<Moved> = learned.and_then(|text| serde_json::from_str(text).ok());
    let moved = moved.filter(|moved| moved.from == wanted);
    moved.map_or_else(|| wanted.to_owned(), |moved| moved.to.to_string())
}

/// The address of a method, and the same without the token.
pub(super) fn method_url(target: &Target, method: &str) -> Option<(Url, String)> {
    let mut root = target.url.clone();
    root.set_query(None);
    root.set_fragment(None);
    let root = root.as_str().trim_end_matches('/');
    let token = target.secret("token");
    let url = Url::parse(&format!("{root}/bot{token}/{method}")).ok()?;
    Some((url, format!("{root}/bot***/{method}")))
}

/// Who is to be called by a message about an event.
pub(super) fn mentions(target: &Target, event: EventName) -> Vec<&str> {
    if !event.asks_for_attention() {
        return Vec::new();
    }
    let names = target.option("mention").split_whitespace();
    names.filter(|name| is_name(name)).take(MAX_MENTIONS).collect()
}

/// Whether a message about an event comes without a sound.
pub(super) fn is_silent(target: &Target, event: EventName) -> bool {
    match target.option("silent") {
        "all" => true,
        "resolved" => event == EventName::Resolved,
        _ => false,
    }
}

/// See [`destination::Adapter::buckets`]: the chat, then the bot.
pub(super) fn buckets(target: &Target) -> Vec<Bucket> {
    let chat = chat(target);
    let is_person = chat.parse::<u64>().is_ok();
    let (count, per) = if is_person {
        (1, RateUnit::Second)
    } else {
        (20, RateUnit::Minute)
    };
    let of_chat = Bucket {
        key: chat_bucket(target),
        rate: Some(Rate { count, per }),
    };
    let of_bot = Bucket {
        key: format!("telegram:{}", bot(target)),
        rate: Some(Rate {
            count: 30,
            per: RateUnit::Second,
        }),
    };
    vec![of_chat, of_bot]
}

/// The bucket of the chat.
pub(super) fn chat_bucket(target: &Target) -> String {
    format!("telegram:{}:{}", bot(target), chat(target))
}

/// The bot's number: what stands before the colon of its token, and no secret.
fn bot(target: &Target) -> &str {
    let number = target.secret("token").split(':').next().unwrap_or_default();
    if is_number(number) { number } else { "unknown" }
}

/// See [`destination::Adapter::check`].
pub(super) fn check(target: &Target) -> Vec<Problem> {
    let problem = |field, detail: &str| Problem {
        field,
        code: "invalid_value",
        detail: detail.to_owned(),
    };
    let mut problems = Vec::new();
    let token = target.secret("token");
    if !token.is_empty() && !is_token(token) {
        problems.push(problem(
            "token",
            "a bot token is a number, a colon and some 35 letters, digits, - and _",
        ));
    }
    if target.url.path().contains("/bot") || target.url.query().is_some() {
        problems.push(problem(
            "url",
            "leave the token and the method out: this is only the root of the API, such as https://api.telegram.org/",
        ));
    }
    let chat = target.option("chat").trim();
    if !chat.is_empty() && !is_chat_number(chat) && !is_name(chat) {
        problems.push(problem(
            "chat",
            "a chat is a number such as -1001234567890, or a name such as @our_alerts",
        ));
    }
    match target.option("thread").trim() {
        "" => {}
        "1" => problems.push(problem(
            "thread",
            "topic 1 is the General topic: leave the field empty for it",
        )),
        thread if !thread.parse::<i32>().is_ok_and(|number| number > 0) => {
            problems.push(problem("thread", "a topic is a number"));
        }
        _ => {}
    }
    let names: Vec<_> = target.option("mention").split_whitespace().collect();
    if names.len() > MAX_MENTIONS || !names.iter().all(|name| is_name(name)) {
        problems.push(problem(
            "mention",
            "mentions are up to 5 usernames such as @ada_l, with spaces between them",
        ));
    }
    problems
}

fn is_token(text: &str) -> bool {
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    text.split_once(':').is_some_and(|(bot, key)| {
        is_number(bot) && (10..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(is_key)
    })
}

fn is_chat_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = digits.parse::<u64>().ok().filter(|_| is_number(digits));
    number.is_some_and(|number| (1..MAX_CHAT_NUMBER).contains(&number))
}

/// `@` and 4 to 32 letters, digits and underscores, the first of them a letter.
fn is_name(text: &str) -> bool {
    text.strip_prefix('@').is_some_and(|name| {
        (4..=32).contains(&name.len())
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn is_number(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A webhook to `chat` for the tests of this folder.
#[cfg(test)]
pub(super) fn sample(event: EventName) -> destination::sample::Sample {
    let at = model::time::Timestamp::from_millis(1_705_314_600_000);
    let kind = model::webhook::WebhookKind::new("telegram");
    let url = Url::parse("https://api.telegram.org/").unwrap();
    destination::sample::Sample::new(kind, url, event, at)
        .with_secret("token", "123456789:AAF-made_up_made_up_made_up_made_u")
        .with_option("chat", "-1001234567890")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(name: &str, value: &str) -> Vec<&'static str> {
        let sample = sample(EventName::Triggered).with_option(name, value);
        check(&sample.target)
            .iter()
            .map(|problem| problem.field)
            .collect()
    }

    #[test]
    fn good_settings_have_no_problem_and_bad_ones_are_named() {
        assert_eq!(fields("chat", "@our_alerts"), [""; 0]);
        assert_eq!(fields("chat", "our alerts"), ["chat"]);
        assert_eq!(fields("chat", "4503599627370496"), ["chat"]);
        assert_eq!(fields("thread", "42"), [""; 0]);
        assert_eq!(fields("thread", "1"), ["thread"]);
        assert_eq!(fields("thread", "-3"), ["thread"]);
        assert_eq!(fields("mention", "@ada_l  @bob_b"), [""; 0]);
        assert_eq!(fields("mention", "ada"), ["mention"]);
        assert_eq!(
            fields("mention", "@aaaa @bbbb @cccc @dddd @eeee @ffff"),
            ["mention"]
        );
    }

    #[test]
    fn a_token_that_cannot_be_one_is_a_problem_that_does_not_repeat_it() {
        let sample = sample(EventName::Triggered).with_secret("token", "bot123/secret");
        let problems = check(&sample.target);
        assert_eq!(problems[0].field, "token");
        assert!(!problems[0].detail.contains("secret"));
    }

    #[test]
    fn groups_are_slower_than_people_and_no_bucket_holds_the_token() {
        let texts = |chat| {
            let sample = sample(EventName::Triggered).with_option("chat", chat);
            let of = |bucket: &Bucket| format!("{} {}", bucket.key, bucket.rate.unwrap());
            buckets(&sample.target).iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(
            texts("55"),
            ["telegram:123456789:55 1/s", "telegram:123456789 30/s"]
        );
        assert_eq!(texts("-55")[0], "telegram:123456789:-55 20/m");
        assert_eq!(texts("@our_alerts")[0], "telegram:123456789:@our_alerts 20/m");
    }

    #[test]
    fn a_moved_chat_is_followed_until_the_settings_name_another() {
        let mut sample = sample(EventName::Triggered).with_option("chat", "-55");
        sample.target.discovered_settings = Some(r#"{"from":"-55","to":-10099}"#.into());
        assert_eq!(chat(&sample.target), "-10099");
        assert_eq!(chat(&sample.with_option("chat", "-56").target), "-56");
    }

    #[test]
    fn a_message_in_another_chat_is_not_changed() {
        let mut sample = sample(EventName::Resolved);
        sample.memory = Some(r#"{"chat":"-1001234567890","message":7}"#.into());
        assert_eq!(Action::new(&sample.task()), Action::Edit(7));
        let threaded = sample.clone().with_option("messages", "thread");
        assert_eq!(Action::new(&threaded.task()), Action::Reply(7));
        let separate = sample.clone().with_option("messages", "separate");
        let mut called = sample.clone().with_option("mention", "@ada_l");
        assert_eq!(Action::new(&called.task()), Action::Edit(7));
        called.event.name = EventName::Escalated;
        assert_eq!(Action::new(&called.task()), Action::Post);
        assert_eq!(Action::new(&separate.task()), Action::Post);
        assert_eq!(Action::new(&sample.with_option("chat", "5").task()), Action::Post);
    }
}
