//! The plan of `webhooks apply`, as a pure decision.

use super::*;

fn declared(text: &str) -> Vec<Declared> {
    let environment = |name: &str| match name {
        "TOKEN" => Ok("t0ken".to_owned()),
        _ => Err("no such name".to_owned()),
    };
    let services = |name: &str| match name {
        "API Gateway" => Ok("svc_1".to_owned()),
        _ => Err(format!("there is no service called {name:?}")),
    };
    webhook_file::read(text, environment, services).unwrap()
}

fn present() -> Value {
    json!({
        "id": "whk_1", "name": "Pager", "url": "https://pager.example/", "enabled": true,
        "events": ["incident.triggered", "incident.resolved"], "kind": "generic", "filter": null,
        "services": ["svc_1"], "severities": [], "headers": ["authorization"],
        "retrySchedule": ["1m", "5m", "15m"], "timeout": "10s", "concurrency": 16,
    })
}

const SAME: &str = r#"
[[webhook]]
name = "Pager"
url = "https://pager.example"
events = ["incident.resolved", "incident.triggered"]
services = ["API Gateway"]
headers = { Authorization = { env = "TOKEN" } }
retry_schedule = ["60s", "300s", "15m"]
timeout = "10s"
secret = { env = "TOKEN" }
"#;

#[test]
fn a_server_that_is_as_the_file_says_needs_nothing() {
    assert_eq!(
        plan(&declared(SAME), &[present()], Choices::default()),
        Ok(vec![])
    );
}

#[test]
fn only_the_fields_that_differ_are_changed() {
    let file = "[[webhook]]\nname = \"Pager\"\nconcurrency = 4\ntimeout = \"5s\"\nenabled = true";
    let steps = plan(&declared(file), &[present()], Choices::default()).unwrap();
    let difference = |field: &str, from: &str, to: &str| Difference {
        field: field.into(),
        from: from.into(),
        to: to.into(),
    };
    let body = json!({ "concurrency": 4, "timeout": "5s" });
    let expected = Step::Change {
        id: "whk_1".into(),
        name: "Pager".into(),
        body: body.as_object().unwrap().clone(),
        differences: vec![
            difference("concurrency", "16", "4"),
            difference("timeout", "10s", "5s"),
        ],
    };
    assert_eq!(steps, [expected]);
}

#[test]
fn a_webhook_that_is_new_is_created_with_its_secret_from_the_environment() {
    let steps = plan(&declared(SAME), &[], Choices::default()).unwrap();
    let [Step::Create { name, body }] = steps.as_slice() else {
        panic!("expected one creation, got {steps:?}");
    };
    assert_eq!(name, "Pager");
    assert_eq!(body["secret"], "t0ken");
    assert_eq!(body["retrySchedule"], json!(["60s", "300s", "15m"]));
    assert_eq!(body["services"], json!(["svc_1"]));
}

#[test]
fn what_the_file_does_not_name_is_deleted_only_when_asked() {
    let kept = plan(&[], &[present()], Choices::default());
    let prune = Choices {
        prune: true,
        ..Choices::default()
    };
    let pruned = plan(&[], &[present()], prune);
    let delete = Step::Delete {
        id: "whk_1".into(),
        name: "Pager".into(),
    };
    assert_eq!((kept, pruned), (Ok(vec![]), Ok(vec![delete])));
}

#[test]
fn header_values_are_sent_when_asked_and_never_shown() {
    let send_headers = Choices {
        send_headers: true,
        ..Choices::default()
    };
    let steps = plan(&declared(SAME), &[present()], send_headers).unwrap();
    let shown = format!("{} {}", steps::in_words(&steps, &WORDS), steps[0].json());
    let [Step::Change { body, .. }] = steps.as_slice() else {
        panic!("expected one change, got {steps:?}");
    };
    assert_eq!(body.keys().collect::<Vec<_>>(), ["headers"]);
    assert_eq!(body["headers"]["Authorization"], "t0ken");
    assert!(!shown.contains("t0ken"), "{shown}");
}

#[test]
fn two_webhooks_of_one_name_are_refused() {
    let twice = [present(), present()];
    assert!(plan(&declared(SAME), &twice, Choices::default()).is_err());
}

#[test]
fn a_fallback_that_was_made_just_now_is_sent_by_its_id() {
    let body = json!({"name": "late", "fallbackWebhook": "pager"});
    let sent = with_id(
        body.as_object().unwrap(),
        &[json!({"id": "whk_2", "name": "pager"})],
    );
    assert_eq!(sent["fallbackWebhook"], "whk_2");
}
