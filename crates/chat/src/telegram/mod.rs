//! Telegram: a bot's messages, one per incident and kept up to date.
//!
//! `form` says what is asked for, `settings` reads it, `render` makes the request, `answer` judges what comes
//! back, `show` reads a message as people see it, and `callback` reads pressed buttons.

mod answer;
mod callback;
mod form;
mod preview;
mod render;
mod settings;
#[cfg(test)]
mod tests;

use crate::telegram::settings::Action;
use destination::about::{KindDescription, Problem};
use destination::callback::{Call, Received, Refused, Reply};
use destination::preview::Preview;
use destination::task::{Bucket, Rendered, Step, Target, Task};
use destination::{Adapter, Callbacks, Previews};
use model::exchange::Response;

/// What is left for the next attempt after a message was refused: send it plain.
const PLAIN: &str = "plain";

/// A bot in a chat.
pub struct Telegram;

impl Adapter for Telegram {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        settings::check(target)
    }

    fn buckets(&self, target: &Target) -> Vec<Bucket> {
        settings::buckets(target)
    }

    fn step(&self, task: &Task<'_>) -> Step {
        let action = Action::new(task);
        Step::send(render::render(task, action), move |task, exchange, now| {
            answer::classify(action, task, exchange, now)
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

impl Previews for Telegram {
    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}

impl Callbacks for Telegram {
    fn receive(&self, call: &Call<'_>) -> Result<Received, Refused> {
        callback::receive(call)
    }

    fn reply(&self, call: &Call<'_>, sentence: &str) -> Reply {
        callback::reply(call, sentence)
    }

    fn callback_help(&self, call: &Call<'_>, callback: &str) -> Option<String> {
        callback::help(call, callback)
    }
}
