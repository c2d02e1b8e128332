//! ServiceNow's adapter against hand-written answers.

mod access;
mod asks;
mod assigning;
mod calls;
mod checks;
mod creating;
mod hostile;
mod looking;
mod marking;
mod moving;
mod noting;
mod settings;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

use crate::servicenow::ServiceNow;
use crate::workflow::Workflow;
use destination::Adapter;
use destination::sample::Sample;
use destination::task::{Classification, IncidentContext, Intention, Rendered, Step};
use model::attempt::{Failure, Outcome};
use model::event::EventName;
use model::exchange::{Exchange, FailureCode, PhaseTimings, Reach, Response, SendFailure};
use model::id::UserId;
use model::patch::Patch;
use model::ticket::{Intent, LinkState, Ticket, TicketLink, TicketNews, TicketPhase, marker};
use model::time::Timestamp;
use model::user::UserRef;
use model::webhook::WebhookKind;

const SERVICENOW: Workflow<ServiceNow> = Workflow(ServiceNow);
const ID: &str = "9d385017c611228701d22104cc95c371";
const USER: &str = "46d44a23a9fe19810012d100cca80666";

fn at() -> Timestamp {
    Timestamp::from_millis(1_705_314_600_000)
}

fn sample(name: EventName) -> Sample {
    let url = Url::parse("https://dev1.service-now.example").unwrap();
    Sample::new(WebhookKind::new("servicenow"), url, name, at())
        .with_option("account", "opsknight")
        .with_secret("password", "p:ss wörd")
}

/// A sample whose incident has a ticket.
fn linked(name: EventName, phase: TicketPhase) -> Sample {
    let mut sample = sample(name);
    sample.ticket = Some(link(&sample, LinkState::Linked(ticket(phase))));
    sample
}

/// What marks the ticket of a sample's incident.
fn mark(sample: &Sample) -> String {
    marker(sample.webhook.id, sample.event.incident_id, 1)
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

fn intended(sample: &mut Sample, hinted: Option<&str>) {
    let intent = Intent {
        at: at(),
        creates: 1,
        hinted: hinted.map(str::to_owned),
    };
    sample.ticket = Some(link(sample, LinkState::Intended(intent)));
}

fn ticket(phase: TicketPhase) -> Ticket {
    let status = match phase {
        TicketPhase::New => "New",
        TicketPhase::InProgress => "In Progress",
        TicketPhase::Done => "Resolved",
    };
    Ticket {
        id: ID.into(),
        key: "INC0010001".into(),
        url: format!("https://dev1.service-now.example/nav_to.do?uri=incident.do%3Fsys_id%3D{ID}"),
        phase,
        status: status.into(),
    }
}

fn somebody(mut sample: Sample, name: &str) -> Sample {
    let id = UserId::new(at(), [name.len().try_into().unwrap_or(0); 10]);
    let assignee = Some(UserRef {
        id,
        name: name.into(),
    });
    sample.beyond = Some(IncidentContext {
        headline: None,
        notes: Vec::new(),
        description: None,
        assignee,
    });
    sample
}

/// A record as it is read with both values.
fn record(sample: &Sample, state: &str) -> Value {
    let shown = match state {
        "1" => "New",
        "2" => "In Progress",
        "6" => "Resolved",
        "7" => "Closed",
        "8" => "Canceled",
        other => other,
    };
    let same = |text: &str| json!({ "display_value": text, "value": text });
    json!({
        "sys_id": same(ID),
        "number": same("INC0010001"),
        "state": { "display_value": shown, "value": state },
        "correlation_id": same(&mark(sample)),
        "sys_updated_on": { "display_value": "2024-01-15 11:30:00", "value": "2024-01-15 10:30:00" },
        "sys_updated_by": same("opsknight"),
        "assigned_to": same(""),
        "assigned_to.user_name": same(""),
    })
}

fn ok(result: &Value) -> Exchange {
    answer(200, &json!({ "result": result }).to_string())
}

/// A list of which so many records were found, those included that access rules hide.
fn listed(records: &[Value], found: u64) -> Exchange {
    let found = found.to_string();
    let body = json!({ "result": records }).to_string();
    with_headers(200, &[("x-total-count", &found)], &body)
}

fn refusal(status: u16, message: &str, detail: &str) -> Exchange {
    let body = json!({ "error": { "message": message, "detail": detail }, "status": "failure" });
    answer(status, &body.to_string())
}

fn missing() -> Exchange {
    refusal(
        404,
        "No Record found",
        "Record doesn't exist or ACL restricts the record retrieval",
    )
}

fn answer(status: u16, body: &str) -> Exchange {
    with_headers(status, &[], body)
}

fn with_headers(status: u16, headers: &[(&'static str, &str)], body: &str) -> Exchange {
    let headers = headers.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    });
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach: Reach::MaybeSent,
        result: Ok(Response {
            status,
            headers: headers.collect::<HeaderMap>(),
            body: Bytes::from(body.to_owned()),
            body_is_truncated: false,
        }),
    }
}

fn no_answer(code: FailureCode) -> Exchange {
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach: Reach::MaybeSent,
        result: Err(SendFailure {
            code,
            detail: "no answer".into(),
        }),
    }
}

fn unsent(code: FailureCode) -> Exchange {
    Exchange {
        reach: Reach::NotSent,
        ..no_answer(code)
    }
}

fn step(sample: &Sample) -> Step {
    sample.settle(|task| SERVICENOW.step(task))
}

fn request(sample: &Sample) -> Rendered {
    step(sample).into_request().expect("a request")
}

fn end(sample: &Sample) -> Classification {
    match step(sample) {
        Step::Done(judgement) => *judgement,
        Step::Send(rendered, _) => panic!("a request: {}", line(&rendered)),
    }
}

/// Method, path and query of a request, decoded.
fn line(rendered: &Rendered) -> String {
    let pairs = rendered.url.query_pairs();
    let shown = pairs.filter(|(name, _)| name == "sysparm_query" || name == "sysparm_limit");
    let query: Vec<_> = shown.map(|(name, value)| format!("{name}={value}")).collect();
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{}", query.join("&"))
    };
    format!("{} {}{query}", rendered.method, rendered.url.path())
}

fn body(rendered: &Rendered) -> Value {
    serde_json::from_slice(&rendered.body).unwrap_or_default()
}

/// Sends the next request, as the engine does: what is written down before it leaves, the answer, what is kept of it.
fn exchange(sample: &mut Sample, answer: &Exchange) -> (String, Classification) {
    let rendered = request(sample);
    let judgement = sample.settle(|task| SERVICENOW.step(task).classify(task, answer, sample.now));
    match &rendered.intent {
        Some(Intention::MakeTicket) => intended(sample, None),
        Some(Intention::Workflow(text)) => sample.workflow = Some(text.clone()),
        None => {}
    }
    keep(&mut sample.workflow, &judgement.workflow);
    match &judgement.ticket {
        Some(TicketNews::Seen(ticket)) => {
            sample.ticket = Some(link(sample, LinkState::Linked(ticket.clone())))
        }
        Some(TicketNews::NotMade) => sample.ticket = Some(link(sample, LinkState::Wanted)),
        None => {}
    }
    (said(&rendered), judgement)
}

fn said(rendered: &Rendered) -> String {
    let line = line(rendered);
    match rendered.method {
        Method::PATCH => format!("{line} {}", body(rendered)),
        _ => line,
    }
}

fn keep(kept: &mut Option<String>, keeping: &Patch<String>) {
    match keeping {
        Patch::Keep => {}
        Patch::Set(text) => *kept = Some(text.clone()),
        Patch::Clear => *kept = None,
    }
}

/// Judges an answer to the next request.
fn judge(sample: &Sample, answer: &Exchange) -> Classification {
    sample.settle(|task| SERVICENOW.step(task).classify(task, answer, sample.now))
}

fn failure(judgement: &Classification) -> &Failure {
    judgement.outcome.failure().expect("a failure")
}

fn is_delivered(judgement: &Classification) -> bool {
    judgement.outcome == Outcome::Delivered
}

fn phase(judgement: &Classification) -> Option<TicketPhase> {
    match &judgement.ticket {
        Some(TicketNews::Seen(ticket)) => Some(ticket.phase),
        Some(TicketNews::NotMade) | None => None,
    }
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}
