//! The engine's part: what is written down before a request leaves, what is kept of its answer, when it is tried again. Requests
//! end as the test says.

use std::time::Duration;

use super::world::World;
use crate::workflow::Workflow;
use crate::workflow::state::TicketState;
use crate::workflow::stored;
use crate::workflow::system::TicketSystem;
use destination::Adapter;
use destination::sample::Sample;
use destination::task::{Classification, Intention, Rendered, Step};
use destination::ticketing::{QueryContext, QueryResult, QueryStep, TicketQuery, Ticketing};
use http::{HeaderMap, Method};
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::exchange::{Exchange, FailureCode, PhaseTimings, Reach, Response, SendFailure};
use model::id::EventId;
use model::patch::Patch;
use model::ticket::{Intent, LinkState, Ticket, TicketLink, TicketNews, TicketPhase};
use model::time::Timestamp;

/// The most attempts of one delivery.
const MAX_ATTEMPTS: usize = 200;
/// What is waited after a failure whose wait was not told.
const RETRY_WAIT: Duration = Duration::from_secs(10);

/// Longer than any play.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long an account is shown nothing.
const BLIND_SPELL: Duration = Duration::from_secs(300);
/// How long something takes that is done late.
const DONE_LATE: Duration = Duration::from_secs(20);

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Well.
    Answered,
    /// We die before it leaves.
    KilledBefore,
    /// We die when it was done.
    KilledAfter,
    /// It was done, and nobody says so.
    AnswerLost,
    /// It was done, and a proxy says that it failed.
    BadGateway,
    /// It breaks off on the way: it was not done, and nobody knows.
    BrokenOff,
    /// It is still being done when we have given up.
    DoneLate,
    /// Nothing left us.
    NeverSent,
    /// It was not done: too many.
    Limited,
    /// It was done, nobody says so, and for a while the account is shown nothing.
    GoesBlind,
}

impl Ending {
    pub(super) const ALL: [Self; 9] = [
        Self::KilledBefore,
        Self::KilledAfter,
        Self::AnswerLost,
        Self::BadGateway,
        Self::BrokenOff,
        Self::DoneLate,
        Self::NeverSent,
        Self::Limited,
        Self::GoesBlind,
    ];
}

/// How the request with this index ends.
type Endings = Box<dyn FnMut(usize, &Rendered) -> Ending>;

/// One incident at one webhook.
pub(super) struct Play<S: TicketSystem> {
    adapter: Workflow<S>,
    pub(super) world: Box<dyn World>,
    /// What is done at its time, whoever waits for it.
    late: Vec<(Timestamp, Rendered)>,
    /// How many tickets of other incidents are made right after the first request that makes ours.
    pub(super) others: u64,
    /// Until when the account is shown nothing.
    blind_until: Option<Timestamp>,
    /// The request that made the ticket.
    create: Option<Rendered>,
    creates: usize,
    sample: Sample,
    /// How long a delivery waits for each of its turns.
    pub(super) pace: Duration,
    pub(super) endings: Endings,
    pub(super) requests: usize,
    pub(super) pauses: usize,
    /// Each request with its ending and what was made of it.
    pub(super) story: Vec<String>,
    /// The states that were decided from.
    pub(super) states: Vec<TicketState>,
}

pub(super) fn at() -> Timestamp {
    Timestamp::from_millis(1_705_314_600_000)
}

fn event_id(sequence: i64) -> EventId {
    EventId::new(at(), [u8::try_from(sequence).unwrap_or_default(); 10])
}

impl<S: TicketSystem> Play<S> {
    /// One at this webhook, of an incident with a page.
    pub(super) fn new(system: S, world: Box<dyn World>, mut sample: Sample) -> Self {
        sample.links.incident = Some("https://ops.example/incidents/1".into());
        Self {
            adapter: Workflow(system),
            world,
            late: Vec::new(),
            others: 0,
            blind_until: None,
            create: None,
            creates: 0,
            sample,
            pace: Duration::from_secs(1),
            endings: Box::new(|_, _| Ending::Answered),
            requests: 0,
            pauses: 0,
            story: Vec::new(),
            states: Vec::new(),
        }
    }

    /// Delivers an event to its end.
    pub(super) fn deliver(&mut self, name: EventName, sequence: i64) -> Outcome {
        let mut next = Sample::new(
            self.sample.webhook.settings.kind,
            self.sample.target.url.clone(),
            name,
            at(),
        );
        next.event.id = event_id(sequence);
        next.event.sequence = sequence;
        self.sample.event = next.event;
        for _ in 0..MAX_ATTEMPTS {
            self.sample.now = self.sample.now.plus(self.pace);
            let Some(classification) = self.attempt() else {
                continue;
            };
            let outcome = classification.outcome.clone();
            self.keep(classification);
            match outcome
                .failure()
                .map(|failure| (failure.disposition, failure.retry_after))
            {
                None if outcome == Outcome::Step => {}
                None => return outcome,
                Some((Disposition::Permanent, _)) => return outcome,
                Some((Disposition::Immediate, _)) => {}
                Some((_, wait)) => self.sample.now = self.sample.now.plus(wait.unwrap_or(RETRY_WAIT)),
            }
        }
        panic!("it does not end: {:#?}", self.story);
    }

    /// One attempt; nothing if we died in it.
    fn attempt(&mut self) -> Option<Classification> {
        self.states.push(stored::load(&self.sample.task()));
        let (request, classify) = match self.adapter.step(&self.sample.task()) {
            Step::Done(classification) => return Some(*classification),
            Step::Send(request, classify) => (request, classify),
        };
        // What a step was made from is what its answer is read with.
        let before = self.sample.clone();
        self.intend(request.intent.clone());
        let ending = (self.endings)(self.requests, &request);
        self.requests += 1;
        let line = format!("{} {} {ending:?}", request.method, request.url);
        let exchange = self.send(&request, ending);
        let classification = exchange.map(|exchange| classify(&before.task(), &exchange, before.now));
        let told = classification
            .as_ref()
            .map(|told| format!("{:?} {:?}", told.outcome, told.note));
        self.story.push(format!("{line}: {}", told.unwrap_or_default()));
        classification
    }

    fn send(&mut self, request: &Rendered, ending: Ending) -> Option<Exchange> {
        let now = self.sample.now;
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.late = later;
        for (at, request) in due {
            self.world.answer(&request, at);
        }
        if self.blind_until.is_some_and(|until| until <= now) {
            self.blind_until = Some(now.plus(NEVER));
            self.world.go_blind_or_see();
        }
        if request.intent == Some(Intention::MakeTicket) {
            self.create = Some(request.clone());
            self.creates += 1;
        }
        let exchange = self.end(request, ending);
        if request.intent == Some(Intention::MakeTicket) {
            self.make_others(request);
        }
        exchange
    }

    fn end(&mut self, request: &Rendered, ending: Ending) -> Option<Exchange> {
        let now = self.sample.now;
        let mut done = || self.world.answer(request, now);
        Some(match ending {
            Ending::Answered => done(),
            Ending::KilledBefore => return None,
            Ending::KilledAfter => {
                done();
                return None;
            }
            Ending::AnswerLost => {
                done();
                silence(Reach::MaybeSent)
            }
            Ending::BadGateway => {
                done();
                answered(502, "<html>".into())
            }
            // A move that is done late undoes what came after it: nobody can help that.
            Ending::DoneLate if request.method != Method::POST => {
                done();
                silence(Reach::MaybeSent)
            }
            Ending::DoneLate => {
                self.late.push((now.plus(DONE_LATE), request.clone()));
                silence(Reach::MaybeSent)
            }
            Ending::GoesBlind => {
                done();
                // Once in a play: it has to end.
                if self.blind_until.is_none() {
                    self.blind_until = Some(now.plus(BLIND_SPELL));
                    self.world.go_blind_or_see();
                }
                silence(Reach::MaybeSent)
            }
            Ending::BrokenOff => silence(Reach::MaybeSent),
            Ending::NeverSent => silence(Reach::NotSent),
            Ending::Limited => answered(429, String::new()),
        })
    }

    /// Other incidents' tickets, each with a marker of its own.
    fn make_others(&mut self, create: &Rendered) {
        let marker = self.sample.ticket.as_ref().map(TicketLink::marker);
        let body = String::from_utf8_lossy(&create.body).into_owned();
        for number in 0..std::mem::take(&mut self.others) {
            let body = body.replace(
                marker.as_deref().unwrap_or_default(),
                &format!("opsknight:inc_other-{number}"),
            );
            let other = Rendered {
                body: body.into(),
                ..create.clone()
            };
            self.world.answer(&other, self.sample.now);
        }
    }

    fn intend(&mut self, intent: Option<Intention>) {
        match intent {
            Some(Intention::MakeTicket) => {
                let creates = self.sample.ticket.as_ref().map_or(0, |link| link.creates) + 1;
                let intent = Intent {
                    at: self.sample.now,
                    creates,
                    hinted: None,
                };
                self.link(LinkState::Intended(intent), creates);
            }
            Some(Intention::Workflow(text)) => self.sample.workflow = Some(text),
            None => {}
        }
    }

    fn link(&mut self, state: LinkState, creates: u32) {
        let before = self.sample.ticket.as_ref();
        let seen = match (&state, before.and_then(TicketLink::ticket)) {
            (LinkState::Linked(_), Some(_)) => before.map_or(TicketPhase::New, |link| link.seen),
            (LinkState::Linked(ticket), None) => ticket.phase,
            (LinkState::Wanted | LinkState::Intended(_) | LinkState::Unlinked, _) => TicketPhase::New,
        };
        self.sample.ticket = Some(TicketLink {
            webhook_id: self.sample.webhook.id,
            incident_id: self.sample.event.incident_id,
            state,
            generation: 1,
            version: 1,
            event_sequence: 0,
            seen,
            creates,
            last_synced_at: None,
            last_error: None,
            comments_until: at(),
        });
    }

    /// As the recorder does, in one transaction.
    fn keep(&mut self, classification: Classification) {
        let creates = self.sample.ticket.as_ref().map_or(0, |link| link.creates);
        match classification.ticket {
            Some(TicketNews::Seen(ticket)) => {
                let phase = ticket.phase;
                self.link(LinkState::Linked(ticket), creates);
                if let (Some(link), Outcome::Delivered) = (&mut self.sample.ticket, &classification.outcome) {
                    link.seen = phase;
                }
            }
            Some(TicketNews::NotMade) => self.sample.ticket = None,
            None => {}
        }
        patch(&mut self.sample.workflow, classification.workflow);
        let learned = classification.discovered_settings;
        self.sample.target.discovered_settings = learned.or(self.sample.target.discovered_settings.take());
        self.pauses += usize::from(classification.pause.is_some());
    }

    /// The sequences of the events whose keys a ticket's comments carry, in the order in which they stand there.
    pub(super) fn events_in(&self, text: &str) -> Vec<i64> {
        let keys = (1..20).flat_map(|sequence| {
            let key = format!("OpsKnight {}", event_id(sequence));
            let places: Vec<_> = text
                .match_indices(&key)
                .map(|(place, _)| (place, sequence))
                .collect();
            places
        });
        let mut keys: Vec<_> = keys.collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, sequence)| sequence).collect()
    }

    /// How many requests were to make a ticket.
    pub(super) fn creates(&self) -> usize {
        self.creates
    }

    /// The ticket is made a second time.
    pub(super) fn make_twin(&mut self) {
        self.sample.now = self.sample.now.plus(Duration::from_secs(1));
        if let Some(create) = &self.create {
            self.world.answer(create, self.sample.now);
        }
    }

    pub(super) fn phase(&self) -> Option<TicketPhase> {
        self.sample.ticket.as_ref()?.ticket().map(|ticket| ticket.phase)
    }

    /// Asks a question to its end, and says how many requests it took.
    fn ask(&mut self, query: &TicketQuery) -> (QueryResult, usize) {
        let mut answers = Vec::new();
        loop {
            let asked = self.adapter.query(&QueryContext {
                webhook: &self.sample.webhook,
                target: &self.sample.target,
                token: None,
                query,
                answers: &answers,
                now: self.sample.now,
            });
            match asked {
                QueryStep::Send(request) => answers.push(self.world.answer(&request, self.sample.now)),
                QueryStep::Done(result) => return (result, answers.len()),
                QueryStep::Failed(failure, _) => panic!("{failure:?}"),
            }
        }
    }

    pub(super) fn marked(&mut self) -> Vec<Ticket> {
        let marker = self
            .sample
            .ticket
            .as_ref()
            .map(TicketLink::marker)
            .unwrap_or_default();
        match self.ask(&TicketQuery::Marked { marker }).0 {
            QueryResult::Tickets(tickets) => tickets,
            other => panic!("no tickets: {other:?}"),
        }
    }

    pub(super) fn merge(&mut self, keep: &Ticket, close: &Ticket) -> usize {
        let merge = TicketQuery::Merge {
            keep: keep.clone(),
            close: close.clone(),
        };
        let (result, requests) = self.ask(&merge);
        assert_eq!(result, QueryResult::Merged);
        requests
    }
}

fn patch(slot: &mut Option<String>, patch: Patch<String>) {
    match patch {
        Patch::Keep => {}
        Patch::Set(text) => *slot = Some(text),
        Patch::Clear => *slot = None,
    }
}

pub(super) fn answered(status: u16, body: String) -> Exchange {
    exchange(
        Reach::MaybeSent,
        Ok(Response {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
            body_is_truncated: false,
        }),
    )
}

pub(super) fn silence(reach: Reach) -> Exchange {
    let failure = SendFailure {
        code: FailureCode::ConnectionClosed,
        detail: "no answer".into(),
    };
    exchange(reach, Err(failure))
}

fn exchange(reach: Reach, result: Result<Response, SendFailure>) -> Exchange {
    Exchange {
        timings: PhaseTimings::default(),
        remote_address: None,
        notice: None,
        reach,
        result,
    }
}
