//! An adapter in conversations whose answers are written by hand, with the engine played.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use destination::Adapter;
use destination::callback::{Call, Received, Refused};
use destination::sample::Sample;
use destination::task::{Classification, IncidentContext, Intention, Rendered, Step};
use destination::ticketing::{Finding, QueryContext, QueryResult, QueryStep, Reading, TicketQuery};
use model::attempt::{Disposition, Outcome};
use model::digest::hmac_sha256;
use model::event::EventName;
use model::exchange::{Exchange, FailureCode, PhaseTimings, Reach, Response, SendFailure};
use model::id::UserId;
use model::patch::Patch;
use model::secret::SecretText;
use model::ticket::{self, Intent, LinkState, Ticket, TicketLink, TicketNews, TicketPhase};
use model::time::Timestamp;
use model::user::UserRef;
use model::webhook::WebhookKind;

/// The webhook's signing secret.
pub(crate) const SIGNING: &str = "whsec_a";
/// The most requests of one played delivery.
const MAX_PLAYED: usize = 60;

pub(crate) fn at() -> Timestamp {
    Timestamp::from_millis(1_705_314_600_000)
}

/// A desk before its adapter.
#[derive(Clone, Copy)]
pub(crate) struct Desk {
    pub(crate) adapter: &'static dyn Adapter,
    pub(crate) url: &'static str,
    /// What stands before every path.
    pub(crate) api: &'static str,
    /// The ticket that is linked.
    pub(crate) key: &'static str,
    /// What is answered to who we are.
    pub(crate) me: &'static str,
}

impl Desk {
    /// A webhook that knows who it is.
    pub(crate) fn sample(self, name: EventName) -> Sample {
        let mut sample = self.stranger(name);
        sample.target.discovered_settings = self.learned();
        sample
    }

    fn learned(self) -> Option<String> {
        let sample = self.stranger(EventName::Triggered);
        let answer = raw(200, &[], self.me);
        let judged = sample.settle(|task| self.adapter.step(task).classify(task, &answer, at()));
        assert!(judged.discovered_settings.is_some(), "{judged:?}");
        judged.discovered_settings
    }

    /// The same before it knows who it is.
    pub(crate) fn stranger(self, name: EventName) -> Sample {
        let kind = WebhookKind::new(self.adapter.description().kind);
        Sample::new(kind, Url::parse(self.url).unwrap(), name, at()).with_secret("token", "t0ken")
    }

    pub(crate) fn with_link(self, mut sample: Sample, phase: TicketPhase) -> Sample {
        let ticket = Ticket {
            id: "12".into(),
            key: self.key.into(),
            url: String::new(),
            phase,
            status: "open".into(),
        };
        sample.ticket = Some(link(&sample, LinkState::Linked(ticket)));
        sample
    }

    /// Plays the engine: requests follow each other as long as the adapter has them follow at once.
    pub(crate) fn play(self, mut sample: Sample, answers: Vec<Exchange>) -> Played {
        let mut answers = answers.into_iter();
        let (mut requests, mut notes) = (Vec::new(), Vec::new());
        for _ in 0..MAX_PLAYED {
            let last = match sample.settle(|task| self.adapter.step(task)) {
                Step::Done(judgement) => *judgement,
                Step::Send(request, _) => {
                    let before = sample.clone();
                    requests.push(self.line(&request));
                    intend(&mut sample, request.intent);
                    let Some(exchange) = answers.next() else {
                        panic!("no answer is left for {requests:#?}");
                    };
                    before.settle(|task| self.adapter.step(task).classify(task, &exchange, before.now))
                }
            };
            keep(&mut sample, &last);
            notes.extend(last.note.clone());
            let failure = last.outcome.failure();
            let is_at_once = failure.is_some_and(|failure| failure.disposition == Disposition::Immediate);
            if last.outcome != Outcome::Step && !is_at_once {
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

    /// Asks a question until it ends.
    pub(crate) fn ask(
        self,
        sample: &Sample,
        query: &TicketQuery,
        answers: &[Exchange],
    ) -> (Vec<String>, QueryStep) {
        let mut requests = Vec::new();
        for count in 0..=answers.len() {
            let asked = self.adapter.ticketing().unwrap().query(&QueryContext {
                webhook: &sample.webhook,
                target: &sample.target,
                token: None,
                query,
                answers: &answers[..count],
                now: at(),
            });
            match asked {
                QueryStep::Send(request) => requests.push(self.line(&request)),
                ended => return (requests, ended),
            }
        }
        panic!("no answer is left for {requests:#?}");
    }

    /// How the ticket stands, with what people wrote since.
    pub(crate) fn reading(self, sample: &Sample, since: Option<Timestamp>, answers: &[Exchange]) -> Reading {
        let query = TicketQuery::Read {
            ticket_id: "12".into(),
            comments_since: since,
        };
        match self.ask(sample, &query, answers).1 {
            QueryStep::Done(QueryResult::Ticket(Some(reading))) => reading,
            other => panic!("no ticket: {other:?}"),
        }
    }

    /// What a check says.
    pub(crate) fn findings(self, sample: &Sample, answers: &[Exchange]) -> (Vec<String>, Vec<Finding>) {
        let (requests, ended) = self.ask(sample, &TicketQuery::Check, answers);
        match ended {
            QueryStep::Done(QueryResult::Findings(findings)) => (requests, findings),
            other => panic!("no findings: {other:?}"),
        }
    }

    /// What a call comes to.
    pub(crate) fn receive(
        self,
        sample: &Sample,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<Received, Refused> {
        let call = Call {
            headers: &header_map(headers),
            body: body.as_bytes(),
            target: &sample.target,
            signing: &SecretText::new(SIGNING),
            now: at(),
        };
        self.adapter.callbacks().unwrap().receive(&call)
    }

    /// What an administrator is told.
    pub(crate) fn help(self, sample: &Sample) -> String {
        let call = Call {
            headers: &HeaderMap::new(),
            body: b"",
            target: &sample.target,
            signing: &SecretText::new(SIGNING),
            now: at(),
        };
        let help = self.adapter.callbacks().unwrap();
        help.callback_help(&call, "https://ops.example/inbound/x")
            .unwrap()
    }

    fn line(self, request: &Rendered) -> String {
        let url = request.url.as_str();
        let path = url.strip_prefix(self.api).unwrap_or_else(|| panic!("{url}"));
        let body = String::from_utf8_lossy(&request.body);
        format!("{} {path} {body}", request.method)
    }

    /// What wrongness the settings have, as field and detail.
    pub(crate) fn problems(self, sample: &Sample) -> Vec<(&'static str, String)> {
        let problems = self.adapter.check(&sample.target);
        problems
            .into_iter()
            .map(|problem| (problem.field, problem.detail))
            .collect()
    }
}

/// What a delivery came to, request by request.
#[derive(Debug)]
pub(crate) struct Played {
    /// Each as `METHOD path?query body`.
    pub(crate) requests: Vec<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) last: Classification,
    /// How everything stands afterwards.
    pub(crate) after: Sample,
}

impl Played {
    pub(crate) fn told(&self) -> (FailureCode, Disposition) {
        let failure = self.last.outcome.failure().unwrap_or_else(|| panic!("{self:#?}"));
        (failure.code, failure.disposition)
    }

    pub(crate) fn detail(&self) -> &str {
        &self.last.outcome.failure().unwrap().detail
    }

    pub(crate) fn body(&self, index: usize) -> Value {
        let text = self.requests[index].splitn(3, ' ').nth(2).unwrap();
        serde_json::from_str(text).unwrap()
    }

    /// Methods and paths only.
    pub(crate) fn paths(&self) -> Vec<String> {
        let path = |line: &String| {
            let mut words = line.splitn(3, ' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            format!("{method} {}", path.split('?').next().unwrap())
        };
        self.requests.iter().map(path).collect()
    }

    /// Where the ticket stands afterwards.
    pub(crate) fn phase(&self) -> (TicketPhase, &str) {
        let ticket = self.after.ticket.as_ref().unwrap().ticket().unwrap();
        (ticket.phase, &ticket.status)
    }
}

pub(crate) fn link(sample: &Sample, state: LinkState) -> TicketLink {
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

/// A sample whose create may have left.
pub(crate) fn intended(mut sample: Sample, before: std::time::Duration) -> Sample {
    let intent = Intent {
        at: at().minus(before),
        creates: 1,
        hinted: None,
    };
    sample.ticket = Some(link(&sample, LinkState::Intended(intent)));
    sample
}

/// What marks the ticket of a sample's incident.
pub(crate) fn marker(sample: &Sample) -> String {
    ticket::marker(sample.webhook.id, sample.event.incident_id, 1)
}

/// The same with somebody who has the incident.
pub(crate) fn somebody(mut sample: Sample, name: &str, description: Option<&str>) -> Sample {
    let assignee = UserRef {
        id: UserId::new(at(), [7; 10]),
        name: name.into(),
    };
    sample.beyond = Some(IncidentContext {
        headline: None,
        notes: Vec::new(),
        description: description.map(str::to_owned),
        assignee: Some(assignee),
    });
    sample
}

pub(crate) fn answer(status: u16, body: &Value) -> Exchange {
    raw(status, &[], &body.to_string())
}

fn header_map(headers: &[(&'static str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&'static str, &str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    headers.iter().map(header).collect()
}

pub(crate) fn raw(status: u16, headers: &[(&'static str, &str)], body: &str) -> Exchange {
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach: Reach::MaybeSent,
        result: Ok(Response {
            status,
            headers: header_map(headers),
            body: Bytes::from(body.to_owned()),
            body_is_truncated: false,
        }),
    }
}

pub(crate) fn silence(reach: Reach) -> Exchange {
    Exchange {
        notice: None,
        timings: PhaseTimings::default(),
        remote_address: None,
        reach,
        result: Err(SendFailure {
            code: FailureCode::ResponseTimeout,
            detail: "no answer came".into(),
        }),
    }
}

fn intend(sample: &mut Sample, intent: Option<Intention>) {
    match intent {
        Some(Intention::MakeTicket) => {
            *sample = intended(sample.clone(), std::time::Duration::ZERO);
        }
        Some(Intention::Workflow(text)) => sample.workflow = Some(text),
        None => {}
    }
}

fn keep(sample: &mut Sample, judgement: &Classification) {
    kept(&mut sample.workflow, &judgement.workflow);
    let learned = judgement.discovered_settings.clone();
    sample.target.discovered_settings = learned.or(sample.target.discovered_settings.take());
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

/// The secret of calls, as docs/destinations says that it is made.
pub(crate) fn callback_secret(kind: &str) -> String {
    let purpose = format!("opsknight {kind} callback 1");
    hex::encode(hmac_sha256(SIGNING.as_bytes(), [purpose.as_bytes()]))
}
