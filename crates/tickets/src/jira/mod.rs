//! Jira: one ticket per incident, on Cloud and Data Center, which follows the incident and which the incident follows.
//!
//! A delivery is a line of requests. `plan` says which one is next from what is known (`progress` within the delivery,
//! `memory` over all of them); `create`, `look`, `account`, `read`, `moving`, `link_back`, `assign` and `note` each make one
//! request and judge its answer; `answer` judges what they have in common. `ask` answers questions beside deliveries.

mod account;
mod answer;
mod api;
mod ask;
mod assign;
mod callback;
mod create;
mod form;
mod issue;
mod link_back;
mod look;
mod memory;
mod moving;
mod note;
mod plan;
mod preview;
mod progress;
mod read;
mod screen;
mod settings;
#[cfg(test)]
mod tests;
mod texts;
mod token;
mod transitions;
mod wiki;

use std::time::Duration;

use crate::jira::settings::{Auth, Settings};
use destination::about::{KindDescription, Problem};
use destination::callback::{Call, Received, Refused};
use destination::preview::Preview;
use destination::task::{Bucket, Classification, Rendered, Step, Target, Task};
use destination::template::Templates;
use destination::ticketing::{QueryContext, QueryStep, Ticketing, Tokens};
use destination::{Adapter, Callbacks, Previews};
use model::webhook::MAX_TIMEOUT;

/// Tickets in Jira.
pub struct Jira;

impl Adapter for Jira {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        settings::problems::check(target)
    }

    fn try_templates(&self, target: &Target, templates: &Templates) -> Vec<Problem> {
        settings::problems::try_templates(target, templates)
    }

    /// Making a ticket may run rules and mail before Jira answers, and one that is not waited for has to be looked for.
    fn default_timeout(&self) -> Duration {
        MAX_TIMEOUT
    }

    fn buckets(&self, target: &Target) -> Vec<Bucket> {
        vec![Bucket {
            key: Settings(target).bucket(),
            rate: None,
        }]
    }

    fn step(&self, task: &Task<'_>) -> Step {
        plan::step(task)
    }

    fn tokens(&self, target: &Target) -> Option<&dyn Tokens> {
        match Settings(target).auth() {
            Auth::ClientCredentials => Some(&token::ClientCredentials),
            Auth::Basic | Auth::Bearer => None,
        }
    }

    fn ticketing(&self) -> Option<&dyn Ticketing> {
        Some(self)
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }

    fn callbacks(&self) -> Option<&dyn Callbacks> {
        Some(self)
    }
}

impl Previews for Jira {
    fn preview_request(&self, task: &Task<'_>) -> Result<Rendered, Box<Classification>> {
        plan::preview(task)
    }

    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(&serde_json::from_slice(body).ok()?)
    }
}

impl Callbacks for Jira {
    fn receive(&self, call: &Call<'_>) -> Result<Received, Refused> {
        callback::receive(call)
    }

    fn callback_help(&self, call: &Call<'_>, callback: &str) -> Option<String> {
        callback::help(call, callback)
    }
}

impl Ticketing for Jira {
    fn query(&self, asking: &QueryContext<'_>) -> QueryStep {
        ask::ask(asking)
    }

    fn reference(&self, target: &Target, text: &str) -> Result<String, String> {
        ask::reference::reference(target, text)
    }
}
