//! What a kind of webhook is: how it describes itself, what it is asked and what its answers mean. Pure: no clock, no
//! socket, no store, and no kind in particular.

pub mod about;
pub mod callback;
pub mod card;
pub mod mapping;
pub mod sample;
pub mod shown;
pub mod status;
pub mod task;
pub mod template;
pub mod text;
pub mod ticketing;
pub mod waits;

use crate::about::{KindDescription, Problem, UrlField};
use crate::callback::{Call, Received, Refused, Reply};
use crate::shown::Shown;
use crate::task::{Bucket, Classification, Rendered, Step, Target, Task};
use crate::template::Templates;
use crate::ticketing::{Ticketing, Tokens};
use http::HeaderValue;
use model::exchange::{Exchange, Response};
use model::time::Timestamp;
use model::webhook::DEFAULT_TIMEOUT;
use std::time::Duration;
use url::Url;

/// One kind of webhook.
pub trait Adapter: Send + Sync {
    /// How it presents itself.
    fn description(&self) -> &'static KindDescription;

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
        match self.description().url {
            UrlField::Root { default } => Some(default),
            UrlField::Open { .. } | UrlField::Secret { .. } => None,
        }
    }

    /// A URL of the right form that leads nowhere, for previews of a webhook that has none yet.
    fn sample_url(&self) -> &'static str {
        "https://example.com"
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
    fn classify(&self, task: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Classification;

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
}
