//! What is sent for each preset, what templates may do, what they may not.

use http::HeaderName;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::custom::check;
use crate::custom::presets::CHOICES;
use crate::simulated::{ask, platform};
use destination::sample::Sample;
use model::event::EventName;
use model::secret::SecretText;
use model::time::Timestamp;
use model::webhook::WebhookKind;

fn sample(event: EventName) -> Sample {
    let url = Url::parse("https://example.com/hook").unwrap();
    let at = Timestamp::from_millis(1_705_314_600_000);
    let mut sample = Sample::new(WebhookKind::new("custom"), url, event, at);
    sample.links.incident = Some("https://ops.example.com/incidents/inc_1".into());
    sample
}

fn rendered(sample: &Sample) -> Rendered {
    sample.settle(render).unwrap()
}

fn json_of(event: EventName, preset: &str) -> Value {
    serde_json::from_slice(&rendered(&sample(event).with_option("preset", preset)).body).unwrap()
}

fn sent(rendered: &Rendered) -> simulators::Response {
    ask(&mut *platform("custom"), rendered, Timestamp::EPOCH)
}

fn url_of(typed: &str) -> Result<String, String> {
    let sample = sample(EventName::Triggered).with_secret("url", typed);
    sample
        .settle(render)
        .map(|rendered| rendered.url.into())
        .map_err(|failure| failure.detail)
}

#[test]
fn the_default_is_the_events_own_body_byte_for_byte() {
    let sample = sample(EventName::Acknowledged);
    let rendered = rendered(&sample);
    assert_eq!(rendered.body, sample.event.body);
    assert_eq!(rendered.method, Method::POST);
    assert_eq!(rendered.headers[CONTENT_TYPE], "application/json");
    assert_eq!(rendered.shown_url.as_deref(), Some("https://example.com/***"));
}

#[test]
fn structured_cloudevents_keep_the_specification() {
    let sample = sample(EventName::Triggered).with_option("preset", "cloudevents");
    let rendered = rendered(&sample);
    assert_eq!(
        rendered.headers[CONTENT_TYPE],
        "application/cloudevents+json; charset=utf-8"
    );
    let incident = sample.event.incident().unwrap();
    let expected = json!({
        "specversion": "1.0",
        "id": sample.event.id,
        "source": format!("/opsknight/services/{}", incident.service.id),
        "type": "com.opsknight.incident.triggered",
        "subject": incident.id,
        "time": "2024-01-15T10:30:00Z",
        "datacontenttype": "application/json",
        "data": serde_json::from_slice::<Value>(&sample.event.body).unwrap(),
    });
    assert_eq!(serde_json::from_slice::<Value>(&rendered.body).unwrap(), expected);
    assert_eq!(sent(&rendered).sentence, "took a CloudEvent (structured)");
}

#[test]
fn binary_cloudevents_keep_the_http_binding() {
    let sample = sample(EventName::Resolved).with_option("preset", "cloudevents_binary");
    let rendered = rendered(&sample);
    assert_eq!(rendered.headers[CONTENT_TYPE], "application/json");
    assert_eq!(rendered.headers["ce-type"], "com.opsknight.incident.resolved");
    assert_eq!(rendered.headers["ce-time"], "2024-01-15T10:30:00Z");
    assert_eq!(rendered.body, sample.event.body);
    assert_eq!(sent(&rendered).sentence, "took a CloudEvent (binary)");
}

#[test]
fn pagerdutys_shape_is_filled() {
    let triggered = json_of(EventName::Triggered, "pagerduty_v3");
    assert_eq!(triggered["event"]["event_type"], "incident.triggered");
    assert_eq!(triggered["event"]["data"]["assignees"], json!([]));
    assert_eq!(triggered["event"]["data"]["urgency"], "high");
    assert_eq!(triggered["event"]["agent"], Value::Null);
    let acknowledged = json_of(EventName::Acknowledged, "pagerduty_v3");
    assert_eq!(
        acknowledged["event"]["data"]["assignees"][0]["summary"],
        "Ada Lovelace"
    );
    assert_eq!(
        acknowledged["event"]["data"]["html_url"],
        "https://ops.example.com/incidents/inc_1"
    );
    assert_eq!(
        json_of(EventName::Resolved, "pagerduty_v3")["event"]["data"]["status"],
        "resolved"
    );
}

#[test]
fn plain_text_is_readable() {
    let text = rendered(&sample(EventName::Triggered).with_option("preset", "text")).body;
    let expected = "🔴 Database connection timeout\nTriggered · critical · API Gateway\nAssignee: nobody\n\
                    Since: 2024-01-15T10:30:00Z\nhttps://ops.example.com/incidents/inc_1\n";
    assert_eq!(String::from_utf8_lossy(&text), expected);
}

#[test]
fn chats_are_coloured_and_call_nobody() {
    let hostile = "@all **bold** [x](https://evil.example) <b>";
    let body = |preset: &str| {
        let sample = sample(EventName::Triggered).about(|incident| incident.title = hostile.into());
        let body = rendered(&sample.with_option("preset", preset)).body;
        assert!(!String::from_utf8_lossy(&body).contains("@all"));
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let mattermost = body("mattermost")["attachments"][0].clone();
    assert_eq!(mattermost["color"], "#dc2626");
    assert_eq!(
        mattermost["text"],
        "**🔴 @\u{2060}all \\*\\*bold\\*\\* \\[x\\]\\(https\\://evil.example\\) \\<b\\>**"
    );
    assert_eq!(
        body("rocketchat")["attachments"][0]["title_link"],
        "https://ops.example.com/incidents/inc_1"
    );
    let html = body("matrix_hookshot")["html"].clone();
    assert!(
        html.as_str().unwrap().contains("&lt;b&gt;</b><br>Triggered"),
        "{html}"
    );
}

/// A title that tries what links, embeds and calls, wherever one of them would be understood.
const HOSTILE: &str = "[Reset your password](https://evil.example) ![x](https://evil.example/x.png) \
                       <https://evil.example|x> <at user_id=\"all\"></at> @**all** @here #general #**c** $$x$$ `c`";

fn hostile(preset: &str) -> String {
    let sample = sample(EventName::Acknowledged).about(|incident| {
        incident.title = HOSTILE.into();
        incident.service.name = HOSTILE.into();
    });
    let body = rendered(&sample.with_option("preset", preset)).body;
    String::from_utf8_lossy(&body).into_owned()
}

#[test]
fn nothing_links_or_calls_where_a_parser_knows_no_escapes() {
    let body = hostile("rocketchat");
    for markup in ["](", "<https", "@here", "#general", "![x]("] {
        assert!(!body.contains(markup), "{markup}: {body}");
    }
    assert!(
        body.contains("[\u{2060}Reset your password]\u{2060}(https://evil.example)"),
        "{body}"
    );
}

#[test]
fn zulip_gets_entities_and_a_topic() {
    let form = hostile("zulip");
    let form: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect();
    let names: Vec<&str> = form.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["type", "topic", "content"]);
    assert!(form[1].1.chars().count() <= 60 && form[1].1.starts_with("[Reset"));
    let content = &form[2].1;
    assert!(
        content.contains("&#91;Reset your password&#93;&#40;https&#58;&#47;&#47;evil&#46;example&#41;"),
        "{content}"
    );
    assert!(
        content.contains("\nAssignee: Ada Lovelace\nhttps://ops.example.com/"),
        "{content}"
    );
    assert!(!content.contains("@") && !content.contains("]("), "{content}");
}

#[test]
fn pushover_and_twilio_get_their_secrets_in_the_form() {
    let form = |preset: &str, fields: &str| {
        let sample = sample(EventName::Triggered)
            .with_option("preset", preset)
            .with_secret("formFields", fields)
            .about(|incident| incident.title = "a=b&token=evil +1".into());
        let body = rendered(&sample).body;
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
        pairs
    };
    let pushover = form(
        "pushover",
        "token=azGDORePK8gMaC0QOYAMyEEuzJnyUi&user=uQiRzpo4DXghDmr9QzzfQu27cmVRsG",
    );
    let names: Vec<&str> = pushover.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "token",
            "user",
            "title",
            "message",
            "priority",
            "url",
            "url_title"
        ]
    );
    assert_eq!(pushover[2].1, "🔴 a=b&token=evil +1");
    assert_eq!(pushover[4].1, "1");
    let twilio = form("twilio", "To=%2B4930123&From=%2B4930456");
    let expected =
        "Triggered: a=b&token=evil +1 (critical, API Gateway) https://ops.example.com/incidents/inc_1";
    let pairs = [("To", "+4930123"), ("From", "+4930456"), ("Body", expected)];
    assert_eq!(
        twilio,
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn texts_without_markup_stay_within_their_form() {
    let json = |preset: &str| serde_json::from_str::<Value>(&hostile(preset)).unwrap();
    assert_eq!(json("dingtalk")["msgtype"], "text");
    assert!(
        json("dingtalk")["text"]["content"]
            .as_str()
            .unwrap()
            .ends_with("OpsKnight https://ops.example.com/incidents/inc_1")
    );
    let post = json("feishu")["content"]["post"]["en_us"].clone();
    assert_eq!(post["content"].as_array().unwrap().len(), 3);
    assert_eq!(
        post["content"][2][0]["href"],
        "https://ops.example.com/incidents/inc_1"
    );
    assert!(json("webex").as_object().unwrap().keys().eq(["text"]));
    let long = sample(EventName::Acknowledged)
        .with_option("preset", "wecom")
        .about(|incident| {
            let long = "😀".repeat(500);
            incident.title = long.clone();
            incident.service.name = long.clone();
            incident.assignee = incident
                .assignee
                .take()
                .map(|user| model::user::UserRef { name: long, ..user });
        });
    let body: Value = serde_json::from_slice(&rendered(&long).body).unwrap();
    assert!(body["text"]["content"].as_str().unwrap().len() <= 2048);
}

#[test]
fn xml_and_html_stay_well_formed_whatever_a_title_holds() {
    let body = |content_type: &str| {
        let sample = sample(EventName::Triggered)
            .about(|incident| incident.title = "a\u{1}b\u{b}<c>\u{ffff}\n&".into())
            .with_option("contentType", content_type)
            .with_option(
                "template",
                "<t>{{ incident.title }}</t><u>{{ incident.title | e }}</u>",
            );
        String::from_utf8_lossy(&rendered(&sample).body).into_owned()
    };
    let text = "a\u{fffd}b\u{fffd}&lt;c&gt;\u{fffd}\n&amp;";
    for content_type in ["application/xml", "image/svg+xml", "text/html; charset=utf-8"] {
        assert_eq!(body(content_type), format!("<t>{text}</t><u>{text}</u>"));
    }
}

#[test]
fn ntfy_and_gotify_get_priorities() {
    let ntfy = rendered(&sample(EventName::Triggered).with_option("preset", "ntfy"));
    assert_eq!(ntfy.headers["priority"], "5");
    assert_eq!(
        ntfy.headers["title"].as_bytes(),
        "🔴 Database connection timeout".as_bytes()
    );
    assert_eq!(ntfy.headers["click"], "https://ops.example.com/incidents/inc_1");
    let mut unlinked = sample(EventName::Resolved).with_option("preset", "ntfy");
    unlinked.links.incident = None;
    let resolved = rendered(&unlinked);
    assert_eq!(resolved.headers["priority"], "3");
    assert_eq!(resolved.headers.get("click"), None);
    assert_eq!(json_of(EventName::Triggered, "gotify")["priority"], 8);
}

#[test]
fn a_template_of_ones_own_says_what_it_likes() {
    let source = r#"{"t": "{{ incident.title }}", "n": {{ attempt }}, "d": "{{ delivery.id }}",
        "w": "{{ webhook.name }}", "a": "{{ actor }}", "l": {{ links.incident | tojson }}, "x": {{ test }}}"#;
    let mut sample = sample(EventName::Triggered)
        .about(|incident| incident.title = "a \"b\" \\ \n 😀".into())
        .with_option("template", source)
        .with_option("method", "PUT");
    sample.event.is_test = true;
    let rendered = rendered(&sample);
    let body: Value = serde_json::from_slice(&rendered.body).unwrap();
    let expected = json!({
        "t": "a \"b\" \\ \n 😀", "n": 1, "d": sample.task().delivery_id, "w": "Sample", "a": "OpsKnight",
        "l": "https://ops.example.com/incidents/inc_1", "x": true,
    });
    assert_eq!((body, rendered.method), (expected, Method::PUT));
}

#[test]
fn a_form_is_percent_encoded() {
    let sample = sample(EventName::Triggered)
        .about(|incident| incident.title = "a&b=c".into())
        .with_option("contentType", "application/x-www-form-urlencoded")
        .with_option(
            "template",
            "title={{ incident.title }}&all={{ incident.service | tojson }}",
        );
    let body = rendered(&sample).body;
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(
        body.starts_with("title=a%26b%3Dc&all=%7B%22id%22%3A%22svc_"),
        "{body}"
    );
}

#[test]
fn an_address_takes_values_in_path_and_query_only() {
    let service = sample(EventName::Triggered).event.incident().unwrap().service.id;
    let typed = "https://example.com/s/{{ incident.service.id }}?t={{ incident.title }}#x";
    let expected = format!("https://example.com/s/{service}?t=Database%20connection%20timeout");
    assert_eq!(url_of(typed), Ok(expected));
    let detail = "the address cannot be made because templates may stand in path and query only";
    assert_eq!(url_of("https://{{ incident.title }}/x"), Err(detail.into()));
    assert_eq!(
        url_of("https://example.com{{ incident.title }}/x"),
        Err(detail.into())
    );
    assert!(
        url_of("https://example.com/{{ 'x' * 3000 }}")
            .unwrap_err()
            .contains("longer than 2048")
    );
}

#[test]
fn a_value_cannot_lead_out_of_its_path() {
    let of = |name: &str| {
        let name = name.to_owned();
        let sample = sample(EventName::Triggered).about(|incident| incident.service.name = name);
        let sample = sample.with_secret("url", "https://example.com/hooks/{{ incident.service.name }}/x");
        sample
            .settle(render)
            .map(|rendered| rendered.url.to_string())
            .map_err(|failure| failure.code)
    };
    assert_eq!(
        of("a/../b?c#d"),
        Ok("https://example.com/hooks/a%2F..%2Fb%3Fc%23d/x".into())
    );
    assert_eq!(of(".."), Err(FailureCode::TemplateFailed));
    assert_eq!(
        of("@evil.example"),
        Ok("https://example.com/hooks/%40evil.example/x".into())
    );
}

#[test]
fn own_headers_are_rendered_masked_and_on_one_line() {
    let mut sample = sample(EventName::Triggered)
        .about(|incident| incident.title = "a\r\nX-Evil: 1\u{202e}".into())
        .with_option("preset", "ntfy");
    let header = |name: &str, value: &str| (name.to_owned(), SecretText::new(value));
    sample.target.headers = vec![
        header("Title", "own {{ incident.title }}"),
        header("Authorization", "Bearer s3cret"),
    ];
    let headers = rendered(&sample).headers;
    assert_eq!(headers["title"], "own a X-Evil: 1");
    assert!(headers["title"].is_sensitive());
    assert_eq!(headers.get(HeaderName::from_static("authorization")), None);
}

#[test]
fn a_template_that_fails_is_final_and_says_where() {
    let sample =
        sample(EventName::Triggered).with_option("template", "{\n \"a\": {{ incident.assignee.name }} }");
    let failure = sample.settle(render).unwrap_err();
    assert_eq!(
        (failure.code, failure.disposition),
        (FailureCode::TemplateFailed, Disposition::Permanent)
    );
    let detail = "the body cannot be made at line 2, column 10: `incident.assignee.name` is undefined";
    assert_eq!(failure.detail, detail);
}

#[test]
fn what_is_not_there_is_never_the_word_null() {
    let body = |preset: &str| {
        let mut sample = sample(EventName::Triggered).with_option("preset", preset);
        sample.links.incident = None;
        let body = rendered(&sample).body;
        String::from_utf8_lossy(&body)
            .replace(": null", "")
            .replace(":null", "")
    };
    assert!(CHOICES.iter().all(|(name, _)| !body(name).contains("null")));
}

#[test]
fn no_preset_has_a_fault() {
    let faults = |preset: &str| {
        let sample = sample(EventName::Triggered).with_option("preset", preset);
        let tried = sample.settle(|task| check::try_templates(&sample.target, task.templates));
        [check::check(&sample.target), tried].concat()
    };
    assert_eq!(CHOICES.map(|(name, _)| faults(name)), [const { Vec::new() }; 17]);
}

proptest! {
    #[test]
    fn whatever_people_write_fits_into_every_preset(
        title in "\\PC{0,80}|.{0,80}",
        service in ".{0,40}",
        person in ".{0,40}",
        choice in prop::sample::select(&CHOICES[..]),
        event in prop::sample::select(EventName::ALL),
        repeat in 1usize..20,
    ) {
        let assignee = model::user::UserRef {
            id: model::id::UserId::new(Timestamp::EPOCH, [1; 10]),
            name: person,
        };
        let sample = sample(event).about(|incident| {
            incident.title = title.repeat(repeat);
            incident.service.name = service;
            incident.assignee = Some(assignee);
        });
        let rendered = sample.with_option("preset", choice.0).settle(render);
        prop_assert!(rendered.is_ok(), "{:?}", rendered);
        let answer = sent(&rendered.unwrap());
        prop_assert_eq!(answer.status, 200, "{}", answer.sentence);
    }
}
