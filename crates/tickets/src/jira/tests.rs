//! Jira's adapter in conversations whose answers are written by hand, with the engine played.

mod access;
mod asking;
mod calls;
mod checking;
mod conversation;
mod creating;
mod hostile;
mod joining;
mod looking;
mod moving;
mod noting;
mod saving;
mod texts;
mod tokens;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use crate::jira::Jira;
use crate::jira::access::PERMISSIONS;
use crate::jira::account::Account;
use crate::jira::settings::Settings;
use crate::workflow::Workflow;
use destination::Adapter;
use destination::sample::Sample;
use destination::task::{Classification, Intention, Rendered, Step};
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::exchange::{Exchange, FailureCode, PhaseTimings, Reach, Response, SendFailure};
use model::patch::Patch;
use model::ticket::{self, Intent, LinkState, Ticket, TicketLink, TicketNews, TicketPhase};
use model::time::Timestamp;
use model::webhook::WebhookKind;

const JIRA: Workflow<Jira> = Workflow(Jira);
/// The most requests of one played delivery.
const MAX_PLAYED: usize = 30;

fn at() -> Timestamp {
    Timestamp::from_millis(1_705_314_600_000)
}

/// A webhook to a Cloud site that knows who it is.
fn sample(name: EventName) -> Sample {
    let mut sample = stranger(name);
    let account = Account {
        of: Settings(&sample.target).identity(),
        account_id: Some("me-1".into()),
        name: None,
        key: None,
    };
    sample.target.discovered_settings = serde_json::to_string(&account).ok();
    sample
}

/// The same before it knows who it is.
fn stranger(name: EventName) -> Sample {
    let url = Url::parse("https://example.atlassian.net").unwrap();
    Sample::new(WebhookKind::new("jira"), url, name, at())
        .with_option("project", "OPS")
        .with_option("account", "ops@example.com")
        .with_secret("token", "t0ken")
}

fn with_page(mut sample: Sample) -> Sample {
    sample.links.incident = Some("https://ops.example/incidents/1".into());
    sample
}

fn linked(mut sample: Sample, phase: TicketPhase) -> Sample {
    sample.ticket = Some(link(&sample, LinkState::Linked(ticket(phase))));
    sample
}

fn intended(mut sample: Sample, hinted: Option<&str>) -> Sample {
    let intent = Intent {
        at: at(),
        creates: 1,
        hinted: hinted.map(str::to_owned),
    };
    sample.ticket = Some(link(&sample, LinkState::Intended(intent)));
    sample
}

fn link(sample: &Sample, state: LinkState) -> TicketLink {
    let seen = match &state {
        LinkState::Linked(ticket) => ticket.phase,
        LinkState::Wanted | LinkState::Intended(_) | LinkState::Unlinked => TicketPhase::New,
    };
    TicketLink {
        webhook_id: sample.webhook.id,
        incident_id: sample.event.incident_id,
        state,
        generation: 1,
        version: 1,
        event_sequence: 0,
        seen,
        creates: 0,
        last_synced_at: None,
        last_error: None,
        comments_until: at(),
    }
}

fn ticket(phase: TicketPhase) -> Ticket {
    Ticket {
        id: "10012".into(),
        key: "OPS-12".into(),
        url: "https://example.atlassian.net/browse/OPS-12".into(),
        phase,
        status: "Open".into(),
    }
}

fn marker(sample: &Sample) -> String {
    format!(
        "opsknight-{}",
        ticket::marker(sample.webhook.id, sample.event.incident_id, 1)
    )
}

/// A status by its name: its id and category follow from it.
fn status(name: &str) -> Value {
    let (id, category) = match name {
        "To Do" => ("1", "new"),
        "Triaged" => ("2", "new"),
        "In Progress" => ("3", "indeterminate"),
        "In Review" => ("4", "indeterminate"),
        "Done" => ("5", "done"),
        "Canceled" => ("6", "done"),
        "Resolved" => ("7", "done"),
        "Closed" => ("8", "done"),
        _ => ("9", "undefined"),
    };
    json!({ "id": id, "name": name, "statusCategory": { "key": category } })
}

/// A transition to a status.
fn to(id: &str, name: &str) -> Value {
    json!({ "id": id, "name": format!("Go {name}"), "to": status(name), "fields": {} })
}

/// The ticket in a status, with these transitions.
fn issue(name: &str, transitions: &[Value]) -> Value {
    json!({
        "id": "10012",
        "key": "OPS-12",
        "fields": { "summary": "x", "status": status(name), "labels": [], "assignee": null },
        "transitions": transitions,
    })
}

fn labelled(mut issue: Value, labels: &[&str]) -> Value {
    issue["fields"]["labels"] = json!(labels);
    issue
}

fn answer(status: u16, body: &Value) -> Exchange {
    raw(status, &[], &body.to_string())
}

fn raw(status: u16, headers: &[(&'static str, &str)], body: &str) -> Exchange {
    let header = |(name, value): &(&'static str, &str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach: Reach::MaybeSent,
        result: Ok(Response {
            status,
            headers: headers.iter().map(header).collect::<HeaderMap>(),
            body: Bytes::from(body.to_owned()),
            body_is_truncated: false,
        }),
    }
}

fn cut_short(status: u16, body: &str) -> Exchange {
    let mut exchange = raw(status, &[], body);
    exchange.result.as_mut().unwrap().body_is_truncated = true;
    exchange
}

fn silence(code: FailureCode) -> Exchange {
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach: Reach::MaybeSent,
        result: Err(SendFailure {
            code,
            detail: "no answer came".into(),
        }),
    }
}

fn unsent(code: FailureCode) -> Exchange {
    Exchange {
        reach: Reach::NotSent,
        ..silence(code)
    }
}

fn created() -> Exchange {
    answer(201, &json!({ "id": "10012", "key": "OPS-12", "self": "x" }))
}

/// The account has every permission in the project.
fn may_all() -> Exchange {
    may(&[])
}

/// The account has every permission but these.
fn may(without: &[&str]) -> Exchange {
    let names = PERMISSIONS.map(|(key, _)| (key, json!({ "havePermission": !without.contains(&key) })));
    answer(
        200,
        &json!({ "permissions": names.into_iter().collect::<std::collections::BTreeMap<_, _>>() }),
    )
}

/// There is no such ticket.
fn missing() -> Exchange {
    answer(404, &json!({ "errorMessages": ["Issue does not exist"] }))
}

/// What a site answers to a token that has ended: nobody's view of it.
fn as_nobody(status: u16, body: &Value) -> Exchange {
    raw(
        status,
        &[("x-seraph-loginreason", "AUTHENTICATED_FAILED")],
        &body.to_string(),
    )
}

fn nothing() -> Exchange {
    raw(204, &[], "")
}

/// What a delivery came to, request by request.
#[derive(Debug)]
struct Played {
    /// Each as `METHOD path?query body`.
    requests: Vec<String>,
    /// The notes of the judgements.
    notes: Vec<String>,
    /// The last judgement.
    last: Classification,
    /// How everything stands afterwards.
    after: Sample,
}

impl Played {
    fn told(&self) -> (FailureCode, Disposition) {
        let failure = self.last.outcome.failure().unwrap();
        (failure.code, failure.disposition)
    }

    fn detail(&self) -> &str {
        &self.last.outcome.failure().unwrap().detail
    }

    fn body(&self, index: usize) -> Value {
        let text = self.requests[index].splitn(3, ' ').nth(2).unwrap();
        serde_json::from_str(text).unwrap()
    }

    /// Methods and paths only.
    fn paths(&self) -> Vec<String> {
        let path = |line: &String| {
            let mut words = line.splitn(3, ' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            format!("{method} {}", path.split('?').next().unwrap())
        };
        self.requests.iter().map(path).collect()
    }
}

/// Plays the engine: requests follow each other as long as the adapter has them follow at once.
fn play(mut sample: Sample, answers: Vec<Exchange>) -> Played {
    let mut answers = answers.into_iter();
    let (mut requests, mut notes) = (Vec::new(), Vec::new());
    for _ in 0..MAX_PLAYED {
        let last = match sample.settle(|task| JIRA.step(task)) {
            Step::Done(judgement) => *judgement,
            Step::Send(request, _) => {
                let before = sample.clone();
                requests.push(line(&request));
                intend(&mut sample, request.intent);
                let Some(exchange) = answers.next() else {
                    panic!("no answer is left for {requests:#?}");
                };
                before.settle(|task| JIRA.step(task).classify(task, &exchange, before.now))
            }
        };
        keep(&mut sample, &last);
        notes.extend(last.note.clone());
        let at_once = last.outcome == Outcome::Step
            || last
                .outcome
                .failure()
                .is_some_and(|failure| failure.disposition == Disposition::Immediate);
        if !at_once {
            assert_eq!(answers.count(), 0, "answers are left after {requests:#?}");
            return Played {
                requests,
                notes,
                last,
                after: sample,
            };
        }
    }
    panic!("it does not end: {requests:#?}");
}

fn line(request: &Rendered) -> String {
    let url = request.url.as_str();
    let path = url.split_once("/rest/api/2").map_or(url, |(_, path)| path);
    format!(
        "{} {path} {}",
        request.method,
        String::from_utf8_lossy(&request.body)
    )
}

fn intend(sample: &mut Sample, intent: Option<Intention>) {
    match intent {
        Some(Intention::MakeTicket) => {
            let intent = Intent {
                at: sample.now,
                creates: 1,
                hinted: None,
            };
            sample.ticket = Some(link(sample, LinkState::Intended(intent)));
        }
        Some(Intention::Workflow(text)) => sample.workflow = Some(text),
        None => {}
    }
}

fn keep(sample: &mut Sample, judgement: &Classification) {
    kept(&mut sample.workflow, &judgement.workflow);
    sample.target.discovered_settings = judgement
        .discovered_settings
        .clone()
        .or(sample.target.discovered_settings.take());
    match &judgement.ticket {
        Some(TicketNews::Seen(ticket)) => {
            sample.ticket = Some(link(sample, LinkState::Linked(ticket.clone())));
        }
        Some(TicketNews::NotMade) => sample.ticket = None,
        None => {}
    }
}

fn kept(slot: &mut Option<String>, keeping: &Patch<String>) {
    match keeping {
        Patch::Keep => {}
        Patch::Set(text) => {
            assert!((1..=4096).contains(&text.len()));
            *slot = Some(text.clone());
        }
        Patch::Clear => *slot = None,
    }
}

fn phase(played: &Played) -> (TicketPhase, String) {
    let ticket = played.after.ticket.as_ref().unwrap().ticket().unwrap();
    (ticket.phase, ticket.status.clone())
}
