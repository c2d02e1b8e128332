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
use destination::task::{Bucket, Classification, Rendered, Step, Target, Task};
use destination::template::Templates;
use destination::ticketing::{Ticketing, Tokens};
use destination::{Adapter, Callbacks, Previews};
use model::attempt::{Failure, Outcome};

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
            Next::FindGroup(name) => send(group::find(task, &name), move |heard, progress| {
                group::found(heard, &name, progress)
            }),
            Next::Create => send(create::request(task, &progress), create::judge),
            Next::Look(way) => send(look::request(task, &way), move |heard, progress| {
                look::judge(heard, &way, progress)
            }),
            Next::Mark(ticket) => send(mark::request(task, &ticket), move |heard, progress| {
                mark::judge(heard, &ticket, progress)
            }),
            Next::Move(ticket, goal) => send(change::request(task, &ticket, goal), move |heard, progress| {
                change::judge(heard, &ticket, goal, progress)
            }),
            Next::FindUser(ticket, name) => send(assign::find(task, &name), move |heard, progress| {
                assign::found(heard, &ticket, &name, progress)
            }),
            Next::Assign(ticket, user) => {
                send(assign::request(task, &ticket, &user), move |heard, progress| {
                    assign::judge(heard, &ticket, &user, progress)
                })
            }
            Next::Note(ticket, note) => {
                let request = note::request(task, &ticket, &note, &progress);
                send(request, move |heard, progress| {
                    note::judge(heard, &ticket, &note, progress)
                })
            }
            Next::FindNote(ticket, note, place) => {
                let request = note::find(task, &ticket, &note, place);
                send(request, move |heard, progress| {
                    note::found(heard, &ticket, &note, place, progress)
                })
            }
            Next::End(ticket) => Step::done(follow::end(task, &ticket)),
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
    fn preview_request(&self, task: &Task<'_>) -> Result<Rendered, Box<Classification>> {
        create::request(task, &Progress::of(task)).map_err(|failure| Box::new(failure.into()))
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

/// A request whose answer is read with what is known of the delivery.
fn send(
    request: Result<Rendered, Failure>,
    judge: impl FnOnce(&answer::Heard<'_>, Progress) -> Classification + Send + 'static,
) -> Step {
    Step::send(request, |task, exchange, now| {
        judge(&answer::Heard { task, exchange, now }, Progress::of(task))
    })
}
