//! Microsoft Teams through a workflow ("When a Teams webhook request is received"): one Adaptive Card per event, since
//! a workflow tells no message id by which an earlier card could be changed or answered. A workflow's good answer says
//! that the request was queued, not that anything was posted. Its URL carries its own signature and is a secret.

mod answer;
mod fake;
mod form;
mod markdown;
mod mention;
mod render;
mod show;

use url::Url;

use destination::Adapter;
use destination::about::{KindDescription, Problem};
use destination::fake::Fake;
use destination::shown::Shown;
use destination::task::{Bucket, Classification, Step, Target, Task};
use model::exchange::Exchange;
use model::time::Timestamp;
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
        render::render(task).into()
    }

    fn classify(&self, task: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Classification {
        answer::classify(task, exchange, now)
    }

    fn show(&self, body: &[u8]) -> Option<Shown> {
        show::show(body)
    }

    fn fake(&self) -> Option<Box<dyn Fake>> {
        Some(Box::<fake::FakeTeams>::default())
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

#[cfg(test)]
mod tests {
    use super::*;
    use destination::sample::Sample;
    use model::event::EventName;
    use model::webhook::WebhookKind;

    const URL: &str = "https://default1.09.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/f1/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=hush";

    fn target(url: &str, mention: &str) -> Target {
        let url = Url::parse(url).unwrap();
        Sample::new(
            WebhookKind::of("teams"),
            url,
            EventName::Triggered,
            Timestamp::EPOCH,
        )
        .with_option("mention", mention)
        .target
    }

    #[test]
    fn a_workflow_has_a_bucket_of_its_own_that_tells_no_secret() {
        let buckets = Teams.buckets(&target(URL, ""));
        let key = "teams:default1.09.environment.api.powerplatform.com/f1";
        assert_eq!(buckets.len(), 1);
        assert_eq!((buckets[0].key.as_str(), buckets[0].rate), (key, Some(RATE)));
    }

    #[test]
    fn another_address_shares_the_bucket_of_its_host() {
        let buckets = Teams.buckets(&target("https://acme.webhook.office.com/webhookb2/hush", ""));
        assert_eq!(buckets[0].key, "teams:acme.webhook.office.com");
    }

    #[test]
    fn a_url_that_was_cut_or_copied_from_html_is_a_problem() {
        let fields = |url: &str| {
            Teams
                .check(&target(url, ""))
                .iter()
                .map(|problem| problem.field)
                .collect::<Vec<_>>()
        };
        let html = URL.replace('&', "&amp;");
        let cut = URL.split_once("&sig").unwrap().0;
        let old =
            "https://prod-1.westeurope.logic.azure.com:443/workflows/f1/triggers/manual/paths/invoke?sig=";
        assert_eq!([html.as_str(), cut, old].map(fields), [const { ["url"] }; 3]);
        assert_eq!(fields("https://relay.example.com/teams"), [""; 0]);
    }

    #[test]
    fn a_mention_of_another_form_is_a_problem_of_its_field() {
        assert_eq!(Teams.check(&target(URL, "")), []);
        assert_eq!(Teams.check(&target(URL, "Ada <ada@example.com>")), []);
        let problems = Teams.check(&target(URL, "@channel"));
        assert_eq!((problems.len(), problems[0].field), (1, "mention"));
    }
}
