//! Prometheus Alertmanager through its API v2: an incident is an alert that fires until it is resolved. Alertmanager knows an alert
//! by its labels: those that it was opened with are remembered, whatever is changed about the incident later.

mod answer;
mod form;
mod preview;
mod refresh;
mod render;
#[cfg(test)]
mod tests;

use http::Method;

use bytes::Bytes;
use destination::about::{KindDescription, Problem};
use destination::preview::Preview;
use destination::task::{Classification, Rendered, Step, Target, Task};
use destination::{Adapter, Previews, Refreshing};
use model::attempt::Outcome;
use model::exchange::Response;
use model::patch::Patch;

use crate::alertmanager::render::Labels;
use crate::answer::{Meaning, Reply, classify};
use crate::request::{Credentials, below, credential_problems, invalid};
use crate::wording::Wording;

/// Alerts in an Alertmanager.
pub struct Alertmanager;

impl Adapter for Alertmanager {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let labels = render::own_labels(target).is_none().then(|| {
            invalid(
                "labels",
                "lines of the form name=value; a name is of letters, digits and underscores, begins with no digit, and is \
                 none of those that OpsKnight sets",
            )
        });
        labels.into_iter().chain(credential_problems(target)).collect()
    }

    fn step(&self, task: &Task<'_>) -> Step {
        let wording = Wording::new(task);
        let labels = match Labels::new(task) {
            Ok(labels) => labels,
            Err(failure) => return Step::done(failure),
        };
        let rendered = render::render(task, wording, &labels);
        Step::send(rendered, move |task, exchange, now| {
            let classification = classify(&answer::ALERTMANAGER, wording, task, exchange, now);
            match classification.outcome {
                Outcome::Delivered => Classification {
                    message_ref: labels.kept(),
                    outcome: answer::not_over_yet(task, exchange).map_or(Outcome::Delivered, Outcome::Failed),
                    ..classification
                },
                _ => classification,
            }
        })
    }

    fn probe(&self, target: &Target) -> Option<Rendered> {
        let headers = Credentials::new(target).headers().ok()?;
        let url = below(&target.url, "/api/v2/status");
        Some(Rendered::new(Method::GET, url, headers, Bytes::new()))
    }

    fn refuses(&self, response: &Response) -> bool {
        matches!(
            (answer::ALERTMANAGER.read)(&Reply::new(response)),
            Meaning::SettingsRefused(_)
        )
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }

    fn refreshing(&self) -> Option<&'static dyn Refreshing> {
        Some(&refresh::Refresh)
    }
}

impl Previews for Alertmanager {
    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}

impl Labels {
    /// What is remembered of them; nothing new if they are more than can be kept.
    fn kept(&self) -> Patch<String> {
        let text = self.text();
        match text.len() <= destination::task::MAX_ADAPTER_STATE_BYTES {
            true => Patch::Set(text),
            false => Patch::Keep,
        }
    }
}
