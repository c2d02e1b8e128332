//! Adapters: what a kind of webhook is sent, and what its answers mean. Pure: no clock, no socket, no store.
//!
//! A kind is a file or folder here and one line in the list below; it describes its own form ([`about`]), renders,
//! judges, shows and plays itself. Nothing outside knows one kind from another.

pub mod about;
pub mod callback;
pub mod card;
pub mod fake;
pub mod mapping;
pub mod sample;
pub mod shown;
mod status;
pub mod task;
pub mod template;
pub mod text;
pub mod ticketing;
mod unknown;
pub mod waits;

use std::time::Duration;

use http::HeaderValue;
use url::Url;

use crate::adapters::about::{About, Problem, UrlField};
use crate::adapters::callback::{Call, Received, Refused, Reply};
use crate::adapters::fake::Fake;
use crate::adapters::shown::Shown;
use crate::adapters::task::{Bucket, Judgement, Rendered, Step, Target, Task};
use crate::adapters::template::Templates;
use crate::adapters::ticketing::{Ticketing, Tokens};
use crate::model::exchange::{Exchange, Response};
use crate::model::time::Timestamp;
use crate::model::webhook::{DEFAULT_TIMEOUT, WebhookKind};

/// Declares each kind's module and lists its adapter.
macro_rules! kinds {
    ($($module:ident::$adapter:ident,)*) => {
        $(pub mod $module;)*
        /// Every kind, in the order in which people choose.
        const ADAPTERS: &[&dyn Adapter] = &[$(&$module::$adapter),*];
    };
}

kinds! {
    generic::Generic,
    slack::Slack,
    teams::Teams,
    google_chat::GoogleChat,
    discord::Discord,
    telegram::Telegram,
    jira::Jira,
    servicenow::ServiceNow,
    custom::Custom,
}

/// One kind of webhook.
pub trait Adapter: Send + Sync {
    /// How it presents itself.
    fn about(&self) -> &'static About;

    /// What is wrong with a target beyond what its form says; nothing if all is well.
    fn check(&self, _target: &Target) -> Vec<Problem> {
        Vec::new()
    }

    /// What is wrong with a target's templates: they are tried with events of every sort.
    fn try_templates(&self, _target: &Target, _templates: &Templates) -> Vec<Problem> {
        Vec::new()
    }

    /// The URL of a webhook that was given none; nothing if it needs one.
    fn default_url(&self, _target: &Target) -> Option<&'static str> {
        match self.about().url {
            UrlField::Root { default } => Some(default),
            UrlField::Open { .. } | UrlField::Secret { .. } => None,
        }
    }

    /// How long a webhook waits for an answer unless it says otherwise.
    fn default_timeout(&self) -> Duration {
        DEFAULT_TIMEOUT
    }

    /// The rate limits that a target's requests count against, the narrowest first.
    fn buckets(&self, _target: &Target) -> Vec<Bucket> {
        Vec::new()
    }

    /// The next request of a task, given all that is known; or its end, if it takes none.
    fn step(&self, task: &Task<'_>) -> Step;

    /// The request that shows best what people will see: the next one, unless others come before it.
    fn preview(&self, task: &Task<'_>) -> Step {
        self.step(task)
    }

    /// What came back, judged: what is known now. The same task that the request was made from.
    fn classify(&self, task: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Judgement;

    /// A request that depends on no event, changes nothing and is seen by nobody: if its answer refuses the webhook too, it is
    /// the webhook that is refused, and not one delivery. Nothing if the platform has none: its own words are enough then.
    fn probe(&self, _target: &Target) -> Option<Rendered> {
        None
    }

    /// Whether the answer to [`Adapter::probe`] refuses the webhook as it is set.
    fn refuses(&self, _response: &Response) -> bool {
        false
    }

    /// How its requests name who sends them, given where people reach this server; nothing if it is as everywhere.
    fn agent(&self, _public_url: Option<&Url>) -> Option<HeaderValue> {
        None
    }

    /// A request's body as the platform shows it; nothing if the kind has no form of its own.
    fn show(&self, _body: &[u8]) -> Option<Shown> {
        None
    }

    /// What a call of the platform wants.
    fn receive(&self, _call: &Call<'_>) -> Result<Received, Refused> {
        Err(Refused::NoCallback)
    }

    /// The answer to a call, with a sentence for whoever pressed the button.
    fn reply(&self, _call: &Call<'_>, _sentence: &str) -> Reply {
        Reply::empty()
    }

    /// What an administrator runs or fills in to have the platform call `callback`; nothing if the kind takes no calls
    /// with this target. May hold secrets.
    fn callback_help(&self, _call: &Call<'_>, _callback: &str) -> Option<String> {
        None
    }

    /// How its access tokens are had; nothing if a target needs none.
    fn tokens(&self, _target: &Target) -> Option<&dyn Tokens> {
        None
    }

    /// What it can do as a ticket system; nothing if it is none.
    fn ticketing(&self) -> Option<&dyn Ticketing> {
        None
    }

    /// The platform, played; nothing if there is none to play.
    fn fake(&self) -> Option<Box<dyn Fake>> {
        None
    }
}

/// Every kind's adapter, in the order in which people choose.
pub fn all() -> &'static [&'static dyn Adapter] {
    ADAPTERS
}

/// The adapter that speaks to a kind; nothing if this version does not know it.
pub fn adapter(kind: WebhookKind) -> Option<&'static dyn Adapter> {
    let is_it = |adapter: &&&'static dyn Adapter| adapter.about().kind == kind.as_str();
    ADAPTERS.iter().find(is_it).copied()
}

/// The adapter that speaks to a kind, or one that says that it is not known.
pub fn adapter_or_unknown(kind: WebhookKind) -> &'static dyn Adapter {
    adapter(kind).unwrap_or(&unknown::Unknown)
}

/// The kind of an adapter.
pub fn kind(adapter: &dyn Adapter) -> WebhookKind {
    WebhookKind::of(adapter.about().kind)
}
