//! ServiceNow: one ticket per incident, by the Table API.
//!
//! A delivery is a chain of requests. `plan` says which one follows from what is known; `group`, `create`, `look`,
//! `mark`, `change`, `assign` and `note` each make one kind of request and judge its answer; `follow` says what comes after a record was
//! read. `progress` is what one request leaves for the next, `record` reads a record, `request` makes addresses and
//! headers, `answer` reads errors, `texts` renders the templates. `form` and `settings` say what is asked for, `problems`
//! what is wrong with it. Beside deliveries: `ask` with `join` and `check`, `token`, `callback` with `rule`, `show`.

mod answer;
mod ask;
mod assign;
mod callback;
mod change;
mod check;
mod create;
mod follow;
mod form;
mod group;
mod join;
mod look;
mod mark;
mod note;
mod plan;
mod preview;
mod problems;
mod progress;
mod record;
mod reference;
mod request;
mod rule;
mod settings;
#[cfg(test)]
mod tests;
mod texts;
mod token;

use std::time::Duration;

use crate::servicenow::plan::Next;
use crate::servicenow::progress::Progress;
use destination::about::{KindDescription, Problem};
use destination::callback::{Call, Received, Refused};
use destination::preview::Preview;
use destination::task::{Bucket, Classification, Step, Target, Task};
use destination::template::Templates;
use destination::ticketing::{Ticketing, Tokens};
use destination::{Adapter, Callbacks, Previews};
use model::attempt::Outcome;
use model::exchange::Exchange;
use model::time::Timestamp;

/// How long an answer is waited for: instances are known to take longer than most receivers.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A table of an instance.
pub struct ServiceNow;

impl Adapter for ServiceNow {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        problems::check(target)
    }

    fn try_templates(&self, target: &Target, templates: &Templates) -> Vec<Problem> {
        problems::try_templates(target, templates)
    }

    fn default_timeout(&self) -> Duration {
        TIMEOUT
    }

    fn buckets(&self, target: &Target) -> Vec<Bucket> {
        let key = settings::bucket(target);
        vec![Bucket { key, rate: None }]
    }

    fn step(&self, task: &Task<'_>) -> Step {
        let progress = Progress::of(task);
        match Next::of(task, &progress) {
            Next::NoTicket(sentence) => Step::done(Classification::from(Outcome::Delivered).noted(sentence)),
            Next::FindGroup(name) => group::find(task, &name).into(),
            Next::Create => create::request(task, &progress).into(),
            Next::Look(way) => look::request(task, way).into(),
            Next::Mark(ticket) => mark::request(task, ticket).into(),
            Next::Move(ticket, goal) => change::request(task, ticket, goal).into(),
            Next::FindUser(_, name) => assign::find(task, name).into(),
            Next::Assign(ticket, user) => assign::request(task, ticket, user).into(),
            Next::Note(ticket, note) => note::request(task, ticket, &note, &progress).into(),
            Next::FindNote(ticket, note, place) => note::find(task, ticket, &note, place).into(),
            Next::End(ticket) => Step::done(follow::end(task, ticket)),
        }
    }

    fn classify(&self, task: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
        let before = Progress::of(task);
        let progress = before.clone();
        let heard = answer::Heard { task, exchange, now };
        match Next::of(task, &before) {
            Next::NoTicket(sentence) => Classification::from(Outcome::Delivered).noted(sentence),
            Next::FindGroup(name) => group::found(&heard, &name, progress),
            Next::Create => create::judge(&heard, progress),
            Next::Look(way) => look::judge(&heard, way, progress),
            Next::Mark(ticket) => mark::judge(&heard, ticket, progress),
            Next::Move(ticket, goal) => change::judge(&heard, ticket, goal, progress),
            Next::FindUser(ticket, name) => assign::found(&heard, ticket, name, progress),
            Next::Assign(ticket, user) => assign::judge(&heard, ticket, user, progress),
            Next::Note(ticket, note) => note::judge(&heard, ticket, &note, progress),
            Next::FindNote(ticket, note, place) => note::found(&heard, ticket, &note, place, progress),
            Next::End(ticket) => follow::end(task, ticket),
        }
    }

    fn tokens(&self, target: &Target) -> Option<&dyn Tokens> {
        settings::Auth::of(target).takes_token().then_some(self)
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

impl Previews for ServiceNow {
    fn preview_request(&self, task: &Task<'_>) -> Step {
        create::request(task, &Progress::of(task)).into()
    }

    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}

impl Callbacks for ServiceNow {
    fn receive(&self, call: &Call<'_>) -> Result<Received, Refused> {
        callback::receive(call)
    }

    fn callback_help(&self, call: &Call<'_>, callback: &str) -> Option<String> {
        rule::help(call, callback)
    }
}
