//! Microsoft Teams through a workflow ("When a Teams webhook request is received"): one Adaptive Card per event, since
//! a workflow tells no message id by which an earlier card could be changed or answered. A workflow's good answer says
//! that the request was queued, not that anything was posted. Its URL carries its own signature and is a secret.

mod answer;
mod form;
mod markdown;
mod mention;
mod preview;
mod render;
#[cfg(test)]
mod tests;

use url::Url;

use destination::about::{KindDescription, Problem};
use destination::preview::Preview;
use destination::task::{Bucket, Step, Target, Task};
use destination::{Adapter, Previews};
use model::webhook::{Rate, RateUnit};

/// What is left for the next attempt once a card was refused: send a smaller one.
const PLAIN: &str = "plain";
/// What one workflow takes per second.
const RATE: Rate = Rate {
    count: 4,
    per: RateUnit::Second,
};

/// Adaptive Cards for a workflow of Microsoft Teams.
pub struct Teams;

/// Hosts of the connectors that Microsoft retired in spring 2026.
fn is_retired_host(host: &str) -> bool {
    host == "outlook.office.com" || host.ends_with(".webhook.office.com")
}

impl Adapter for Teams {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn sample_url(&self) -> &'static str {
        "https://example.com/powerautomate/automations/direct/workflows/made-up?sig=made-up"
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let unreadable = mention::read(target.option("mention")).is_none();
        let problem = Problem {
            field: "mention",
            code: "invalid_value",
            detail: "not of the form Ada Lovelace <ada@example.com>; at most five, with commas between them"
                .into(),
        };
        let retired = Problem {
            field: "url",
            code: "invalid_value",
            detail: "connectors of Office 365 are retired: make a workflow in Teams and use its URL".into(),
        };
        let is_retired = target.url.host_str().is_some_and(is_retired_host);
        let incomplete = incomplete(&target.url)
            .filter(|_| !is_retired)
            .map(|detail| Problem {
                field: "url",
                code: "invalid_value",
                detail: detail.to_owned(),
            });
        let found = [
            unreadable.then_some(problem),
            is_retired.then_some(retired),
            incomplete,
        ];
        found.into_iter().flatten().collect()
    }

    fn buckets(&self, target: &Target) -> Vec<Bucket> {
        vec![Bucket {
            key: bucket_key(&target.url),
            rate: Some(RATE),
        }]
    }

    fn step(&self, task: &Task<'_>) -> Step {
        Step::send(render::render(task), answer::classify)
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }
}

impl Previews for Teams {
    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}

/// What is wrong with a URL that no workflow can have; nothing if all is well, or it is no workflow's.
fn incomplete(url: &Url) -> Option<&'static str> {
    if url.as_str().contains("&amp;") {
        return Some(
            "has &amp; in it, as HTML writes it: put & in its place, or copy the workflow's URL again",
        );
    }
    let mut segments = url.path_segments().into_iter().flatten();
    let is_workflow = segments.any(|segment| segment == "workflows");
    let has_signature = url
        .query_pairs()
        .any(|(name, value)| name == "sig" && !value.is_empty());
    (is_workflow && !has_signature)
        .then_some("is not whole: a workflow's URL ends with sig= and a long text; copy it again, to its end")
}

/// The bucket of a workflow: its host and its id, of which neither lets anybody post. Other addresses share their host's.
fn bucket_key(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let mut segments = url.path_segments().into_iter().flatten();
    segments.find(|segment| *segment == "workflows");
    match segments.next() {
        Some(flow) => format!("teams:{host}/{flow}"),
        None => format!("teams:{host}"),
    }
}
