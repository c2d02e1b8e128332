//! What settings are refused.

use super::*;

fn fields(sample: &Sample) -> Vec<&'static str> {
    let tried = sample.settle(|task| SERVICENOW.try_templates(&sample.target, task.templates));
    SERVICENOW
        .check(&sample.target)
        .iter()
        .chain(&tried)
        .map(|problem| problem.field)
        .collect()
}

fn with(name: &str, value: &str) -> Vec<&'static str> {
    fields(&sample(EventName::Triggered).with_option(name, value))
}

#[test]
fn good_settings_have_no_problem_and_a_long_timeout() {
    assert_eq!(SERVICENOW.check(&sample(EventName::Triggered).target), []);
    assert_eq!(SERVICENOW.default_timeout(), seconds(30));
}

#[test]
fn the_url_is_the_root_of_an_instance() {
    let mut sample = sample(EventName::Triggered);
    sample.target.url = Url::parse("https://dev1.service-now.example/nav_to.do").unwrap();
    assert_eq!(fields(&sample), ["url"]);
    sample.target.url = Url::parse("https://dev1.service-now.example/?x=1").unwrap();
    assert_eq!(fields(&sample), ["url"]);
}

#[test]
fn each_way_to_sign_in_needs_its_own() {
    let mut sample = sample(EventName::Triggered);
    sample.target.options.clear();
    sample.target.secrets.clear();
    assert_eq!(fields(&sample), ["account", "password"]);
    assert_eq!(fields(&sample.clone().with_option("auth", "api_key")), ["apiKey"]);
    assert_eq!(
        fields(&sample.clone().with_option("auth", "oauth_client")),
        ["clientId", "clientSecret"]
    );
    let all = ["clientId", "clientSecret", "account", "password"];
    assert_eq!(fields(&sample.with_option("auth", "oauth_password")), all);
    assert_eq!(with("account", "a:b"), ["account"]);
}

#[test]
fn what_stands_in_the_fields_has_its_form() {
    assert_eq!(with("table", "in-cident"), ["table"]);
    assert_eq!(with("impact", "critical = 4"), ["impact"]);
    assert_eq!(with("urgency", "awful = 1"), ["urgency"]);
    assert_eq!(with("assignees", "Ada"), ["assignees"]);
    assert_eq!(with("fields", "a b = 1"), ["fields"]);
    assert_eq!(with("fields", "correlation_id = 1"), ["fields"]);
    assert_eq!(with("closeFields", "correlation_id = 1"), ["closeFields"]);
    assert_eq!(with("closeFields", "a = {{ nonsense }}"), ["closeFields"]);
    assert_eq!(with("statesDone", "6,,7"), ["statesDone"]);
    assert_eq!(with("closeCode", &"x".repeat(101)), ["closeCode"]);
}

#[test]
fn states_have_to_lead_where_they_should() {
    assert_eq!(with("stateResolved", "3"), ["stateResolved"]);
    assert_eq!(with("stateAcknowledged", "1"), ["stateAcknowledged"]);
    assert_eq!(with("stateReopened", "6"), ["stateReopened"]);
    assert_eq!(with("stateReopened", "1"), [""; 0]);
    assert_eq!(with("stateAcknowledged", "a b"), ["stateAcknowledged"]);
}

#[test]
fn templates_are_tried_with_every_event() {
    assert_eq!(with("summary", "{{ nonsense }}"), ["summary"]);
    assert_eq!(
        with("description", "{{ description }} {{ incident.title }}"),
        [""; 0]
    );
    assert_eq!(with("fields", "a = {{ incident.assignee.name }}"), ["fields"]);
    assert_eq!(with("closeNotes", "{% if %}"), ["closeNotes"]);
    assert_eq!(with("assignmentGroup", "{{ incident.service.name }}"), [""; 0]);
}
