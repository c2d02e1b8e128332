//! What is wrong with settings, before they are saved.

use super::*;

fn wrong(change: impl FnOnce(Sample) -> Sample) -> Vec<&'static str> {
    let sample = change(stranger(EventName::Triggered));
    let tried = sample.settle(|task| JIRA.try_templates(&sample.target, task.templates));
    JIRA.check(&sample.target)
        .into_iter()
        .chain(tried)
        .map(|problem| problem.field)
        .collect()
}

fn at_url(url: &str) -> Vec<&'static str> {
    wrong(|mut sample| {
        sample.target.url = Url::parse(url).unwrap();
        sample
    })
}

#[test]
fn good_settings_have_no_problem() {
    assert_eq!(wrong(|sample| sample), [""; 0]);
    let full = wrong(|sample| {
        sample
            .with_option("priority", "critical = Highest")
            .with_option("fields", "customfield_1 = {\"value\": \"{{ incident.title }}\"}")
            .with_option("description", "{{ description }} {{ assignee.name if assignee }}")
            .with_option("assignees", "Ada = acc")
    });
    assert_eq!(full, [""; 0]);
}

#[test]
fn an_address_is_that_of_jira_and_of_nothing_in_it() {
    assert_eq!(at_url("https://jira.example.com/jira"), [""; 0]);
    assert_eq!(at_url("https://example.atlassian.net/browse/OPS-1"), ["url"]);
    assert_eq!(at_url("https://example.atlassian.net/rest/api/2"), ["url"]);
    assert_eq!(at_url("https://example.atlassian.net/?x=1"), ["url"]);
    assert_eq!(at_url("https://api.atlassian.com/ex/jira/abc"), ["site"]);
    let center = wrong(|sample| sample.with_option("edition", "data_center"));
    assert_eq!(center, ["edition"]);
}

#[test]
fn every_way_to_sign_in_needs_its_own() {
    let with = |auth: &str| wrong(|sample| sample.with_option("auth", auth).with_option("account", ""));
    assert_eq!(with("basic"), ["account"]);
    assert_eq!(with("bearer"), [""; 0]);
    assert_eq!(with("oauth"), ["clientId", "clientSecret", "url"]);
    assert_eq!(wrong(|sample| sample.with_secret("token", "")), ["token"]);
}

#[test]
fn tables_and_templates_are_tried() {
    assert_eq!(
        wrong(|sample| sample.with_option("priority", "worst = Highest")),
        ["priority"]
    );
    assert_eq!(
        wrong(|sample| sample.with_option("fields", "summary = x")),
        ["fields"]
    );
    assert_eq!(
        wrong(|sample| sample.with_option("assignees", "Ada")),
        ["assignees"]
    );
    assert_eq!(
        wrong(|sample| sample.with_option("project", "OPS 1")),
        ["project"]
    );
    assert_eq!(
        wrong(|sample| sample.with_option("summary", "{{ incident.assignee.name }}")),
        ["summary"]
    );
    assert_eq!(
        wrong(|sample| sample.with_option("fields", "customfield_1 = {{ nonsense }}")),
        ["fields"]
    );
}
