//! Teams' adapter against the simulated workflow.

use super::*;
use crate::simulated::{ask, exchange, platform};
use destination::sample::Sample;
use destination::task::Classification;
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::patch::Patch;
use model::time::Timestamp;
use model::webhook::WebhookKind;
use simulators::{Response, Simulator};

const URL: &str = "https://default1.09.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/f1/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=hush";

/// A task for the workflow.
pub(super) fn sample(event: EventName) -> Sample {
    let url = platform("teams").url("http://127.0.0.1:9").parse().unwrap();
    let at = Timestamp::from_millis(1_705_314_600_000);
    Sample::new(WebhookKind::new("teams"), url, event, at)
}

/// What a fresh workflow answers to a task.
pub(super) fn post(sample: &Sample) -> Response {
    send(&mut *platform("teams"), sample)
}

fn send(workflow: &mut dyn Simulator, sample: &Sample) -> Response {
    let rendered = Teams.step(&sample.task()).into_request().unwrap();
    ask(workflow, &rendered, sample.now)
}

fn judge(sample: &Sample, answer: &Response) -> Classification {
    let exchange = exchange(answer.status, &answer.headers, &answer.body);
    Teams
        .step(&sample.task())
        .classify(&sample.task(), &exchange, sample.now)
}

#[test]
fn every_event_of_an_incident_is_a_card_of_its_own() {
    let workflow = &mut *platform("teams");
    let outcomes: Vec<_> = EventName::ALL
        .iter()
        .map(|event| {
            let sample = sample(*event);
            let answer = send(workflow, &sample);
            judge(&sample, &answer).outcome
        })
        .collect();
    assert_eq!(outcomes, [const { Outcome::Accepted }; 5]);
    assert_eq!(workflow.messages().len(), 5);
}

#[test]
fn every_fault_is_understood() {
    let sample = sample(EventName::Triggered);
    let workflow = &mut *platform("teams");
    let mut remedies = Vec::new();
    for fault in workflow.faults() {
        assert!(workflow.fail_next(fault.name));
        let classification = judge(&sample, &send(workflow, &sample));
        remedies.push((fault.name, classification.outcome.failure().unwrap().disposition));
    }
    let expected = [
        ("rate_limit", Disposition::RateLimited),
        ("rate_limit_in_body", Disposition::RateLimited),
        ("turned_off", Disposition::NeedsOperator),
        ("bad_signature", Disposition::NeedsOperator),
        ("deleted", Disposition::NeedsOperator),
        ("gone", Disposition::NeedsOperator),
        ("refused_card", Disposition::Immediate),
        ("too_large", Disposition::Immediate),
        ("bad_gateway", Disposition::Backoff),
        ("html", Disposition::Backoff),
        ("sign_in", Disposition::Backoff),
    ];
    assert_eq!(remedies, expected);
}

#[test]
fn after_a_refused_card_a_plain_one_is_posted() {
    let workflow = &mut *platform("teams");
    let mut sample = sample(EventName::Triggered);
    workflow.fail_next("refused_card");
    let answer = send(workflow, &sample);
    assert_eq!(judge(&sample, &answer).continuation, Patch::Set(PLAIN.into()));
    sample.progress = Some(PLAIN.into());
    let answer = send(workflow, &sample);
    assert_eq!(judge(&sample, &answer).outcome, Outcome::Accepted);
    assert_eq!(answer.sentence, "posted card 1");
}

fn target(url: &str, mention: &str) -> Target {
    let url = Url::parse(url).unwrap();
    Sample::new(
        WebhookKind::new("teams"),
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
    let old = "https://prod-1.westeurope.logic.azure.com:443/workflows/f1/triggers/manual/paths/invoke?sig=";
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
