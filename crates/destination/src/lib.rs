//! What a kind of webhook is: how it describes itself, what it is asked and what its answers mean. Pure: no clock, no
//! socket, no store, and no kind in particular.

pub mod about;
pub mod callback;
pub mod card;
pub mod joint;
pub mod mapping;
pub mod preview;
pub mod sample;
pub mod status;
pub mod task;
pub mod template;
pub mod text;
pub mod ticketing;
pub mod waits;

use crate::about::{KindDescription, Problem, UrlField};
use crate::callback::{Call, Received, Refused, Reply};
use crate::joint::Joint;
use crate::preview::Preview;
use crate::task::{Bucket, Classification, Rendered, Step, Target, Task};
use crate::template::Templates;
use crate::ticketing::{Ticketing, Tokens};
use http::HeaderValue;
use model::attempt::{Failure, Outcome};
use model::exchange::{Exchange, Response};
use model::time::Timestamp;
use model::webhook::DEFAULT_TIMEOUT;
use std::time::Duration;
use url::Url;

/// One kind of webhook: what every kind is. What only some are is asked for by [`Adapter::joint`], [`Adapter::previews`],
/// [`Adapter::callbacks`], [`Adapter::tokens`], [`Adapter::ticketing`] and [`Adapter::refreshing`].
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
            UrlField::Open { .. } | UrlField::Secret { .. } | UrlField::Server { .. } => None,
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

    /// The rate limits that a target's requests count against, the narrowest first. Whoever shares one of them shares the last
    /// one: of several nodes, one sends all that counts against it.
    fn buckets(&self, _target: &Target) -> Vec<Bucket> {
        Vec::new()
    }

    /// The next request of a task, given all that is known, with what its answers mean; or its end, if it takes none.
    fn step(&self, task: &Task<'_>) -> Step;

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

    /// How its access tokens are had; nothing if a target needs none.
    fn tokens(&self, _target: &Target) -> Option<&dyn Tokens> {
        None
    }

    /// What it can do as a ticket system; nothing if it is none.
    fn ticketing(&self) -> Option<&dyn Ticketing> {
        None
    }

    /// Whether each event tells its receiver all that it must know, so that older ones may be left out. Where one event makes
    /// what a later one moves, none may.
    fn events_stand_alone(&self) -> bool {
        self.ticketing().is_none()
    }

    /// How several of its deliveries leave in one request; nothing if each leaves alone.
    fn joint(&self) -> Option<&dyn Joint> {
        None
    }

    /// What people see of its requests; nothing if the kind has no form of its own.
    fn previews(&self) -> Option<&dyn Previews> {
        None
    }

    /// How its platform's calls are understood; nothing if it takes none.
    fn callbacks(&self) -> Option<&dyn Callbacks> {
        None
    }

    /// How its receiver is told again of what it would forget; nothing if it forgets nothing.
    fn refreshing(&self) -> Option<&'static dyn Refreshing> {
        None
    }
}

/// A kind whose receiver forgets an incident that is open, unless it is told of it again and again.
pub trait Refreshing: Send + Sync {
    /// How often it is told again.
    fn interval(&self) -> Duration;

    /// One request that tells again what the messages of these tasks tell. Should it be late and cross one that tells of the
    /// end, its receiver must forget it by itself.
    fn request(&self, target: &Target, tasks: &[Task<'_>]) -> Result<Rendered, Failure>;

    /// What the answer means for the webhook; `task` is one of those that were told.
    fn outcome(&self, task: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Outcome;
}

/// A kind whose requests people see as messages or tickets.
pub trait Previews: Adapter {
    /// The request that shows best what people will see: the next one, unless others come before it.
    fn preview_request(&self, task: &Task<'_>) -> Result<Rendered, Box<Classification>> {
        self.step(task).into_request()
    }

    /// A request's body as the platform shows it; nothing if it shows none.
    fn preview(&self, body: &[u8]) -> Option<Preview>;
}

/// A kind whose platform calls us: somebody pressed a button, or a ticket has changed.
pub trait Callbacks: Send + Sync {
    /// What a call of the platform wants.
    fn receive(&self, call: &Call<'_>) -> Result<Received, Refused>;

    /// The answer to a call, with a sentence for whoever pressed the button.
    fn reply(&self, _call: &Call<'_>, _sentence: &str) -> Reply {
        Reply::empty()
    }

    /// What an administrator runs or fills in to have the platform call `callback`; nothing if this target takes no calls. May
    /// hold secrets.
    fn callback_help(&self, call: &Call<'_>, callback: &str) -> Option<String>;
}
