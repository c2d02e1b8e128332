//! Templates and the preview.

use super::*;
use destination::Previews;

fn fields(sample: &Sample) -> Value {
    let request = sample.settle(|task| JIRA.step(task)).into_request().unwrap();
    serde_json::from_slice::<Value>(&request.body).unwrap()["fields"].clone()
}

#[test]
fn values_in_the_description_have_no_markup_and_those_elsewhere_are_plain() {
    let sample = sample(EventName::Triggered)
        .about(|incident| incident.title = "{code} [~bob] *x*".into())
        .with_option("summary", "{{ incident.title }}")
        .with_option("description", "*Now* {{ incident.title }}");
    let fields = fields(&sample);
    assert_eq!(fields["summary"], "{code} [~bob] *x*");
    assert_eq!(fields["description"], r"*Now* \{code\} \[\~bob\] \*x\*");
}

#[test]
fn a_summary_is_one_line_of_at_most_255_characters() {
    let long =
        sample(EventName::Triggered).about(|incident| incident.title = format!("a\nb {}", "😀".repeat(300)));
    let summary = fields(&long)["summary"].as_str().unwrap().to_owned();
    assert!(summary.starts_with("a b ") && summary.encode_utf16().count() <= 255);
    let empty = sample(EventName::Triggered).about(|incident| incident.title = "\u{200b}".into());
    assert_eq!(fields(&empty)["summary"], "–");
}

#[test]
fn a_title_cannot_choose_another_incidents_marker() {
    let sample = sample(EventName::Triggered)
        .about(|incident| incident.title = "x OpsKnight-inc_other opsknight-duplicate".into())
        .with_option("labels", "{{ incident.title }}");
    assert_eq!(fields(&sample)["labels"], json!([marker(&sample), "x"]));
}

#[test]
fn a_template_that_fails_ends_the_delivery() {
    let sample = sample(EventName::Triggered).with_option("labels", "{{ nonsense }}");
    let played = play(sample, vec![]);
    assert_eq!(
        played.told(),
        (FailureCode::TemplateFailed, Disposition::Permanent)
    );
    assert!(
        played
            .detail()
            .starts_with("the template of labels cannot be rendered")
    );
}

#[test]
fn the_preview_reads_as_a_ticket() {
    let sample = with_page(sample(EventName::Triggered)).with_option("priority", "critical = Highest");
    let request = sample.settle(|task| JIRA.step(task)).into_request().unwrap();
    let text = JIRA.preview(&request.body).unwrap().text();
    assert!(text.starts_with("Database connection timeout\n"), "{text}");
    assert!(
        text.contains("Priority: Highest")
            && text.contains("Project: OPS")
            && text.contains("Issue type: Task")
    );
    assert!(
        text.contains("Service: API Gateway") && text.contains("\nOpen the incident in OpsKnight\n"),
        "{text}"
    );
}

#[test]
fn other_requests_are_shown_too() {
    let text = |body: Value| {
        JIRA.preview(body.to_string().as_bytes())
            .map(|shown| shown.text())
    };
    let moved = json!({ "transition": { "id": "31" }, "fields": { "resolution": { "name": "Done" } } });
    assert_eq!(text(moved).unwrap(), "Transition: 31\nResolution: Done");
    assert_eq!(text(json!({ "body": r"\*a\* b" })).unwrap(), "Comment\n*a* b");
    assert_eq!(text(json!({ "accountId": "acc" })).unwrap(), "Assignee: acc");
    let link = json!({ "object": { "title": "x", "status": { "resolved": true } } });
    assert_eq!(text(link).unwrap(), "Link back, resolved\n[x]");
    assert_eq!(text(json!({})), None);
    assert_eq!(JIRA.preview(b"["), None);
}

#[test]
fn only_what_the_settings_write_as_json_is_json() {
    let field = |source: &str, title: &str| {
        let sample = sample(EventName::Triggered)
            .about(|incident| incident.title = title.into())
            .with_option("fields", &format!("customfield_2 = {source}"));
        fields(&sample)["customfield_2"].clone()
    };
    for title in [
        "404",
        "true",
        "null",
        r#"["x"]"#,
        r#"{"a":1}"#,
        r#""quoted""#,
        "-1.5e3",
    ] {
        assert_eq!(field("{{ incident.title }}", title), json!(title), "{title}");
        assert_eq!(
            field("{% if true %}{{ incident.title }}{% endif %}", title),
            json!(title),
            "{title}"
        );
        assert_eq!(
            field(r#"{"value": "{{ incident.title }}"}"#, title),
            json!({ "value": title }),
            "{title}"
        );
    }
    let by_severity = r#"{% if incident.severity == "critical" %}{"value": "A"}{% else %}3{% endif %}"#;
    assert_eq!(field(by_severity, "404"), json!({ "value": "A" }));
    assert_eq!(field("404", "x"), json!(404));
    assert_eq!(field(r#"["a", "b"]"#, "x"), json!(["a", "b"]));
    assert_eq!(field("{{ incident.service.name }}", "x"), json!("API Gateway"));
}
