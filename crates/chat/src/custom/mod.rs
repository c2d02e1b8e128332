//! A kind for any receiver: method, address, headers and body from templates, with presets for well-known receivers.
//!
//! `form` says what is asked for, `presets` holds ready bodies, `render` makes the request, `check` tries everything before
//! it is saved, `answer` judges and `show` lets people look.

mod answer;
mod check;
mod form;
mod presets;
mod preview;
mod render;

use destination::about::{KindDescription, Problem};
use destination::preview::Preview;
use destination::task::{Step, Target, Task};
use destination::template::Templates;
use destination::{Adapter, Previews};

/// Whatever the templates say.
pub struct Custom;

impl Adapter for Custom {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn sample_url(&self) -> &'static str {
        "https://example.com/hooks/made-up"
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        check::check(target)
    }

    fn try_templates(&self, target: &Target, templates: &Templates) -> Vec<Problem> {
        check::try_templates(target, templates)
    }

    fn step(&self, task: &Task<'_>) -> Step {
        Step::send(render::render(task), |task, exchange, now| {
            answer::classify(task.target, exchange, now)
        })
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }
}

impl Previews for Custom {
    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}
