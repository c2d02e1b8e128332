//! A task made into the request that a workflow takes: an Adaptive Card 1.4 in an array of attachments. Only elements
//! that Teams renders without a bot are used: `TextBlock`, `FactSet`, `Container`, `ColumnSet` and `Action.OpenUrl`.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use crate::teams::PLAIN;
use crate::teams::markdown::escape;
use crate::teams::mention::{self, Mention};
use destination::card::{Card, act_label};
use destination::task::{Rendered, Task};
use model::attempt::Failure;
use model::incident::{IncidentAction, IncidentStatus, Severity};
use model::time::Timestamp;

/// The largest body that is sent: Teams refuses cards of about 28 KB, and was seen to refuse some of 21.
const MAX_BODY_BYTES: usize = 20 * 1024;
/// The longest title that is shown whole, in characters.
const MAX_TITLE_LENGTH: usize = 500;
/// The longest name that is shown whole, in characters.
const MAX_NAME_LENGTH: usize = 200;
/// The longest link that a plain card spells out, in bytes.
const MAX_SPELLED_LINK_BYTES: usize = 2048;

/// The request for a task.
pub(super) fn render(task: &Task<'_>) -> Result<Rendered, Failure> {
    let card = short(Card::numbered(task)?);
    let called = match card.event.asks_for_attention() {
        true => mention::read(task.target.option("mention")).unwrap_or_default(),
        false => Vec::new(),
    };
    let rich = (task.continuation != Some(PLAIN)).then(|| message(&rich_content(&card, &called)));
    let body = rich.filter(|body| body.len() <= MAX_BODY_BYTES);
    let body = body.unwrap_or_else(|| message(&plain_content(&card)));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let url = task.target.url.clone();
    let shown_url = format!("{}/***", url.origin().ascii_serialization());
    Ok(Rendered::new(Method::POST, url, headers, Bytes::from(body)).shown_as(shown_url))
}

/// The card with its texts cut to their budgets.
fn short(card: Card) -> Card {
    let title = match card.is_test {
        true => format!("[Test] {}", card.title),
        false => card.title,
    };
    Card { title, ..card }.cut(MAX_TITLE_LENGTH, MAX_NAME_LENGTH)
}

fn message(content: &Value) -> Vec<u8> {
    let message = json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": content,
        }],
    });
    message.to_string().into_bytes()
}

fn rich_content(card: &Card, called: &[Mention<'_>]) -> Value {
    let mut body = vec![headline(card)];
    let mut teams = json!({ "width": "Full" });
    if !called.is_empty() {
        let tags: Vec<_> = called.iter().map(tag).collect();
        body.push(json!({ "type": "TextBlock", "text": tags.join(", "), "wrap": true }));
        teams["entities"] = called.iter().map(entity).collect();
    }
    body.push(facts(card));
    let mut content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": teams,
        "body": body,
    });
    let actions = actions(card);
    if !actions.is_empty() {
        content["actions"] = actions.into();
    }
    content
}

/// The coloured box: what happened and how bad it is, then the title.
fn headline(card: &Card) -> Value {
    let colour = colour(card);
    let word = |text: String, width: &str| {
        let text =
            json!({ "type": "TextBlock", "text": text, "weight": "Bolder", "color": colour, "wrap": true });
        json!({ "type": "Column", "width": width, "items": [text] })
    };
    json!({
        "type": "Container",
        "style": colour,
        "bleed": true,
        "items": [
            {
                "type": "ColumnSet",
                "columns": [
                    word(format!("{} {}", card.mark(), escape(&card.happened_by())), "stretch"),
                    word(card.severity_name().to_owned(), "auto"),
                ],
            },
            {
                "type": "TextBlock",
                "text": escape(&card.title),
                "size": "Large",
                "weight": "Bolder",
                "wrap": true,
            },
        ],
    })
}

fn facts(card: &Card) -> Value {
    let fact = |title: &str, value: String| json!({ "title": title, "value": value });
    json!({
        "type": "FactSet",
        "facts": [
            fact("Status", card.status_name().to_owned()),
            fact("Service", escape(&card.service)),
            fact("Assignee", escape(card.assignee_name())),
            fact("Since", local_time(card.since)),
        ],
    })
}

/// A time that each reader sees in their own zone and form.
fn local_time(at: Timestamp) -> String {
    let at = at.to_rfc3339_seconds();
    format!("{{{{DATE({at}, SHORT)}}}} {{{{TIME({at})}}}}")
}

fn actions(card: &Card) -> Vec<Value> {
    let open = card
        .link
        .iter()
        .map(|link| json!({ "type": "Action.OpenUrl", "title": "Open incident", "url": link }));
    let acts = card.acts.iter().filter_map(|act| {
        let style = match act.action {
            IncidentAction::Acknowledge | IncidentAction::Resolve => "positive",
            IncidentAction::Escalate | IncidentAction::Reopen => "default",
        };
        let page = act.page.as_ref()?;
        Some(json!({ "type": "Action.OpenUrl", "title": act_label(act.action), "url": page, "style": style }))
    });
    acts.chain(open).collect()
}

fn tag(mention: &Mention<'_>) -> String {
    format!("<at>{}</at>", mention.name)
}

fn entity(mention: &Mention<'_>) -> Value {
    json!({
        "type": "mention",
        "text": tag(mention),
        "mentioned": { "id": mention.id, "name": mention.name },
    })
}

/// The colour by the names that `color` and `style` share.
fn colour(card: &Card) -> &'static str {
    match (card.status, card.severity) {
        (IncidentStatus::Resolved, _) => "good",
        (IncidentStatus::Acknowledged, _) => "warning",
        (IncidentStatus::Triggered, Severity::Critical | Severity::Error) => "attention",
        (IncidentStatus::Triggered, Severity::Warning) => "warning",
        (IncidentStatus::Triggered, Severity::Info) => "accent",
    }
}

/// The least that says it all: two or three blocks of text.
fn plain_content(card: &Card) -> Value {
    let block = |text: &str| json!({ "type": "TextBlock", "text": escape(text), "wrap": true });
    let about = format!(
        "{} · {} · {} · {} · since {}",
        card.severity_name(),
        card.status_name(),
        card.service,
        card.assignee_name(),
        card.since_text(),
    );
    let headline = format!("{} {}: {}", card.mark(), card.happened_by(), card.title);
    let mut body = vec![block(&headline), block(&about)];
    let link = card.link.iter();
    body.extend(
        link.filter(|link| link.len() <= MAX_SPELLED_LINK_BYTES)
            .map(|link| block(link)),
    );
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::teams::tests::{post, sample};
    use destination::sample::Sample;
    use destination::task::ActLink;
    use model::audit::Actor;
    use model::event::EventName;
    use model::id::UserId;
    use proptest::prelude::*;

    fn content(sample: &Sample) -> Value {
        let body: Value = serde_json::from_slice(&render(&sample.task()).unwrap().body).unwrap();
        body["attachments"][0]["content"].clone()
    }

    fn headline_of(text: &str, severity: &str, colour: &str) -> Value {
        json!({
            "type": "Container", "style": colour, "bleed": true,
            "items": [
                { "type": "ColumnSet", "columns": [
                    { "type": "Column", "width": "stretch", "items": [
                        { "type": "TextBlock", "text": text, "weight": "Bolder", "color": colour, "wrap": true }
                    ] },
                    { "type": "Column", "width": "auto", "items": [
                        { "type": "TextBlock", "text": severity, "weight": "Bolder", "color": colour, "wrap": true }
                    ] }
                ] },
                { "type": "TextBlock", "text": "Database connection timeout", "size": "Large", "weight": "Bolder", "wrap": true }
            ]
        })
    }

    #[test]
    fn a_triggered_incident_is_a_red_card_with_links() {
        let mut sample = sample(EventName::Triggered);
        sample.links.incident = Some("https://ops.example/incidents/1".into());
        sample.links.acts = vec![ActLink {
            action: IncidentAction::Acknowledge,
            token: "t".into(),
            page: Some("https://ops.example/act/t".into()),
        }];
        let body: Value = serde_json::from_slice(&render(&sample.task()).unwrap().body).unwrap();
        let expected = json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "msteams": { "width": "Full" },
                    "body": [
                        headline_of("🔴 Triggered", "Critical", "attention"),
                        { "type": "FactSet", "facts": [
                            { "title": "Status", "value": "Triggered" },
                            { "title": "Service", "value": "API Gateway" },
                            { "title": "Assignee", "value": "nobody" },
                            { "title": "Since", "value": "{{DATE(2024-01-15T10:30:00Z, SHORT)}} {{TIME(2024-01-15T10:30:00Z)}}" }
                        ] }
                    ],
                    "actions": [
                        { "type": "Action.OpenUrl", "title": "Acknowledge", "url": "https://ops.example/act/t", "style": "positive" },
                        { "type": "Action.OpenUrl", "title": "Open incident", "url": "https://ops.example/incidents/1" }
                    ]
                }
            }]
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn an_acknowledged_incident_says_who_has_it() {
        let mut sample = sample(EventName::Acknowledged);
        sample.event.actor = Actor::User {
            id: UserId::new(sample.now, [3; 10]),
            name: "Ada *Lovelace*".into(),
        };
        let content = content(&sample);
        let expected = headline_of(r"🟡 Acknowledged by Ada \*Lovelace\*", "Critical", "warning");
        assert_eq!(content["body"][0], expected);
        assert_eq!(content["body"][1]["facts"][2]["value"], "Ada Lovelace");
        assert_eq!(content.get("actions"), None);
    }

    #[test]
    fn a_resolved_incident_is_a_green_card() {
        let content = content(&sample(EventName::Resolved));
        assert_eq!(content["body"][0], headline_of("🟢 Resolved", "Critical", "good"));
        assert_eq!(content["body"][1]["facts"][0]["value"], "Resolved");
    }

    #[test]
    fn url_port_and_query_stay_as_they_are_and_the_log_shows_the_host_alone() {
        let mut sample = sample(EventName::Triggered);
        let url = "https://a.example:8443/workflows/f1/run?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sig=a-b_c%2B";
        sample.target.url = url.parse().unwrap();
        let rendered = render(&sample.task()).unwrap();
        assert_eq!(rendered.url.as_str(), url);
        assert_eq!(rendered.shown_url.as_deref(), Some("https://a.example:8443/***"));
    }

    #[test]
    fn people_are_called_only_when_an_incident_needs_them() {
        let called = |event| content(&sample(event).with_option("mention", "Ada Lovelace <ada@example.com>"));
        let triggered = called(EventName::Triggered);
        let entity = json!([{
            "type": "mention",
            "text": "<at>Ada Lovelace</at>",
            "mentioned": { "id": "ada@example.com", "name": "Ada Lovelace" }
        }]);
        assert_eq!(triggered["msteams"]["entities"], entity);
        assert_eq!(triggered["body"][1]["text"], "<at>Ada Lovelace</at>");
        let resolved = called(EventName::Resolved);
        assert_eq!(resolved["msteams"].get("entities"), None);
        assert!(!resolved.to_string().contains("<at>"));
    }

    #[test]
    fn a_test_says_so_in_its_title() {
        let mut sample = sample(EventName::Triggered);
        sample.event.is_test = true;
        let title = content(&sample)["body"][0]["items"][1]["text"].clone();
        assert_eq!(title, r"\[Test\] Database connection timeout");
    }

    #[test]
    fn a_title_at_its_limit_stays_and_one_beyond_is_cut() {
        let title = |length| {
            let sample = sample(EventName::Triggered).about(|incident| incident.title = "x".repeat(length));
            let text = content(&sample)["body"][0]["items"][1]["text"].clone();
            text.as_str().unwrap().chars().collect::<Vec<_>>()
        };
        assert_eq!(title(500), vec!['x'; 500]);
        assert_eq!((title(501).len(), title(501).last()), (500, Some(&'…')));
    }

    #[test]
    fn a_service_name_at_its_limit_stays_and_one_beyond_is_cut() {
        let name = |length| {
            let sample =
                sample(EventName::Triggered).about(|incident| incident.service.name = "x".repeat(length));
            content(&sample)["body"][1]["facts"][1]["value"].clone()
        };
        assert_eq!(name(200), "x".repeat(200));
        assert_eq!(name(201), format!("{}…", "x".repeat(199)));
    }

    #[test]
    fn a_message_of_twenty_kilobytes_stays_and_one_byte_more_makes_it_plain() {
        let mut sample = sample(EventName::Triggered);
        let mut body_with_link = |length: usize| {
            sample.links.incident = Some("l".repeat(length));
            render(&sample.task()).unwrap().body
        };
        let room = MAX_BODY_BYTES - body_with_link(0).len();
        assert_eq!(body_with_link(room).len(), MAX_BODY_BYTES);
        assert!(body_with_link(room + 1).len() < 1000);
    }

    #[test]
    fn a_refused_card_is_followed_by_a_plain_one() {
        let mut sample = sample(EventName::Triggered).with_option("mention", "Ada <ada@example.com>");
        sample.links.incident = Some("https://ops.example/incidents/inc_1".into());
        sample.progress = Some(PLAIN.into());
        let texts = content(&sample)["body"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["text"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>();
        let expected = [
            "🔴 Triggered: Database connection timeout",
            "Critical · Triggered · API Gateway · nobody · since 2024-01-15 10:30 UTC",
            "https://ops.example/incidents/inc_1",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn names_of_nothing_that_is_seen_become_a_dash() {
        let sample = sample(EventName::Triggered).about(|incident| {
            incident.title = "\u{200b}".into();
            incident.service.name = "\u{feff} ".into();
        });
        assert!(post(&sample).message.unwrap().text().contains("Service: –"));
    }

    #[test]
    fn an_event_that_cannot_be_read_is_never_sent() {
        let mut sample = sample(EventName::Triggered);
        sample.event.body = Bytes::from_static(b"{}");
        assert!(render(&sample.task()).is_err());
    }

    #[test]
    fn hostile_titles_stay_text_and_call_nobody() {
        let hostile = "@everyone <at>Ada</at> <!channel> <@123> [x](http://evil) **b** _i_ \u{202e}rtl 👩‍🚒 \"q\\\" \r\n- a";
        let sample = sample(EventName::Triggered).about(|incident| incident.title = hostile.into());
        let answer = post(&sample);
        let shown = answer.message.unwrap().text();
        let seen = "@everyone <at>Ada</at> <!channel> <@123> [x](http://evil) **b** _i_ rtl 👩‍🚒 \"q\\\" - a";
        assert!(shown.contains(seen), "{shown}");
        assert_eq!(content(&sample)["msteams"].get("entities"), None);
    }

    #[test]
    fn ten_kilobytes_of_title_make_a_card_that_fits() {
        let sample = sample(EventName::Triggered).about(|incident| incident.title = "`\"\\*😀".repeat(1200));
        assert!(render(&sample.task()).unwrap().body.len() <= MAX_BODY_BYTES);
        assert!(post(&sample).message.is_some());
    }

    proptest! {
        #[test]
        fn teams_takes_every_title_and_shows_it_as_it_is(title in "\\PC{1,300}|.{1,80}", name in "\\PC{1,100}", is_plain: bool) {
            let mut sample = sample(EventName::Triggered).with_option("mention", "Ada <ada@example.com>");
            sample = sample.about(|incident| {
                incident.title.clone_from(&title);
                incident.service.name.clone_from(&name);
            });
            sample.progress = is_plain.then(|| PLAIN.to_owned());
            let card = short(Card::new(&sample.task()).unwrap());
            let shown = post(&sample).message.unwrap().text();
            prop_assert!(shown.contains(&card.title), "{shown}");
            prop_assert!(shown.contains(&card.service), "{shown}");
        }
    }
}
