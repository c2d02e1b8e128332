//! Looks at tickets: those that their system told of, and every few minutes all that are open, because a call may be lost.
//! Of several nodes the leader does it; each poll is taken by one node only, whoever leads.
//! What was read is handed to the store, which lets the incident follow in one transaction.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::dispatcher::Dispatcher;
use clock::Env;
use destination::ticketing::{Comment, QueryResult, Reading, TicketQuery};
use model::attempt::{Disposition, Failure};
use model::audit::Actor;
use model::digest::sha256;
use model::id::AuditId;
use model::ticket::{MAX_COMMENT_LENGTH, PollPurpose, Ticket, TicketLink};
use model::time::Timestamp;
use model::webhook::Webhook;
use store::Store;
use store::StoreResult;
use store::log_store_failure;
use store::tickets::{BUSY_WAIT, DuePoll, DuplicateCheck, PollOutcome, PollResult, TimelineComment};

use turns::{TicketPlace, Turn, Turns};

mod turns;

/// How often it is asked what is due.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many tickets are taken at once.
const BATCH: u32 = 32;
/// How far apart those are put off that wait for the same: they stay in their order.
const PLACE: Duration = Duration::from_millis(1);

/// Reads tickets.
#[derive(Clone)]
pub struct TicketPoller {
    store: Store,
    source: Env,
    dispatcher: Dispatcher,
    news: Arc<Notify>,
    /// Whatever is being done holds a receiver of this until it is done.
    in_hand: Arc<watch::Sender<()>>,
}

/// What is due, and a receiver that is held until it is done.
type Taken = (DuePoll, watch::Receiver<()>);

impl TicketPoller {
    /// Reads by way of this dispatcher.
    pub fn new(store: Store, source: Env, dispatcher: Dispatcher) -> Self {
        Self {
            store,
            source,
            dispatcher,
            news: Arc::default(),
            in_hand: Arc::default(),
        }
    }

    /// Polls until the task is dropped.
    pub async fn run(self) {
        let (mut polls, mut turns) = (JoinSet::new(), Turns::default());
        // How many were put off since there was a pause.
        let mut put_off = 0;
        loop {
            while let Some(ended) = polls.try_join_next() {
                match ended {
                    Ok(place) => turns.ended(place),
                    // A bug of ours: which one it was is not known, so that all are asked for anew.
                    Err(_) => turns.forget_running(),
                }
            }
            let taken = self.start_due(&mut polls, &mut turns, &mut put_off).await;
            if taken < BATCH as usize {
                put_off = 0;
                // Something may be due now, or a time came: it is looked at either way.
                let _ = tokio::time::timeout(INTERVAL, self.news.notified()).await;
            }
        }
    }

    /// Asks at once what is due.
    pub fn notify(&self) {
        self.news.notify_one();
    }

    /// Whether no ticket is being read, and none is due.
    pub async fn is_quiet(&self) -> bool {
        let is_due = self.store.ticket_polls.is_any_due(self.source.now()).await;
        matches!(is_due, Ok(false)) && self.in_hand.receiver_count() == 0
    }

    /// Starts reading what waits and what is due; says how many tickets were taken. Those of a webhook that has its share are put off.
    async fn start_due(
        &self,
        polls: &mut JoinSet<TicketPlace>,
        turns: &mut Turns<Taken>,
        put_off: &mut u32,
    ) -> usize {
        let in_hand = self.in_hand.subscribe();
        let now = self.source.now();
        if !self.dispatcher.leads() {
            for (due, _) in turns.give_up_waiting() {
                self.postpone(place_of(&due), now).await;
            }
            return 0;
        }
        while let Some(taken) = turns.next() {
            self.start(polls, turns, taken).await;
        }
        let taken = match self.store.ticket_polls.take_due(now, BATCH).await {
            Ok(taken) => taken,
            Err(error) => {
                log_store_failure!(error, "it cannot be read which tickets are due; trying again");
                return 0;
            }
        };
        let count = taken.len();
        for due in taken {
            let place = place_of(&due);
            match turns.offer(place, (due, in_hand.clone())) {
                Turn::Begins(taken) => self.start(polls, turns, taken).await,
                Turn::Waits => {}
                Turn::Later => {
                    *put_off = put_off.saturating_add(1);
                    let at = now.plus(BUSY_WAIT).plus(PLACE.saturating_mul(*put_off));
                    self.postpone(place, at).await;
                }
            }
        }
        count
    }

    /// Reads a ticket whose turn it is, unless its system wants no requests now.
    async fn start(&self, polls: &mut JoinSet<TicketPlace>, turns: &mut Turns<Taken>, (due, in_hand): Taken) {
        let place = place_of(&due);
        if let Some(at) = self.dispatcher.paused_until(place.0) {
            turns.ended(place);
            return self.postpone(place, at).await;
        }
        let poller = self.clone();
        polls.spawn(async move {
            poller.poll(due).await;
            drop(in_hand);
            poller.notify();
            place
        });
    }

    /// Nothing is lost by looking later.
    async fn postpone(&self, (webhook_id, incident_id): TicketPlace, at: Timestamp) {
        let put_off = self
            .store
            .ticket_polls
            .postpone_poll(webhook_id, incident_id, at)
            .await;
        if let Err(error) = put_off {
            log_store_failure!(error, %webhook_id, "a ticket could not be put off; it is looked at again");
        }
    }

    async fn poll(&self, due: DuePoll) {
        let (webhook_id, incident_id) = place_of(&due);
        let noted = match self.look(&due).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => {
                let now = self.source.now();
                let looks = &self.store.ticket_polls;
                looks
                    .record_failed_poll(webhook_id, incident_id, id_of(&due.link), failure.detail, now)
                    .await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            log_store_failure!(error, %webhook_id, %incident_id, "a ticket could not be looked at; it is looked at again");
        }
    }

    /// Looks for tickets that were made with this one, and reads it whatever comes of that, unless another one has taken its place
    /// or its system wants no requests now.
    async fn look(&self, due: &DuePoll) -> StoreResult<Result<(), Failure>> {
        let checked = match due.must_check_duplicates {
            true => self.check_duplicates(&due.link).await?,
            false => Ok(Standing::Stays),
        };
        match &checked {
            Ok(Standing::IsReplaced) => return Ok(Ok(())),
            Err(failure) if failure.disposition == Disposition::RateLimited => return Ok(checked.map(drop)),
            Ok(Standing::Stays) | Err(_) => {}
        }
        Ok(match self.read(&due.link, None).await? {
            // It is read again in a moment.
            Ok(PollOutcome::Busy) => Ok(()),
            read => read.and(checked.map(drop)),
        })
    }

    /// Reads a ticket, and lets its incident follow, if somebody wants that or the webhook's settings say so.
    pub async fn read(
        &self,
        link: &TicketLink,
        by_hand: Option<Actor>,
    ) -> StoreResult<Result<PollOutcome, Failure>> {
        let Some(ticket) = link.ticket() else {
            return Ok(Ok(PollOutcome::Gone));
        };
        let webhook = self.store.webhooks.get(link.webhook_id).await?;
        let question = TicketQuery::Read {
            ticket_id: ticket.id.clone(),
            comments_since: takes_comments(&webhook).then_some(link.comments_until),
        };
        let reading = match self.dispatcher.ask(link.webhook_id, &question).await? {
            Ok(QueryResult::Ticket(Some(reading))) => reading,
            Ok(_) => {
                let detail = format!(
                    "the ticket {} cannot be found: it was deleted, or this account may not see it",
                    ticket.key
                );
                return Ok(Err(Failure::new(
                    model::exchange::FailureCode::TicketLost,
                    detail,
                )));
            }
            Err(failure) => return Ok(Err(failure)),
        };
        let purpose = match (&by_hand, follows(&webhook)) {
            (Some(_), _) => PollPurpose::ToFollow,
            (None, true) => PollPurpose::ForChanges,
            (None, false) => PollPurpose::ToShow,
        };
        let looked = PollResult {
            asked_by: by_hand,
            ..self.poll_result(link, &webhook, reading, purpose)
        };
        Ok(Ok(self.store.ticket_polls.record_poll(looked).await?))
    }

    fn poll_result(
        &self,
        link: &TicketLink,
        webhook: &Webhook,
        reading: Reading,
        looking: PollPurpose,
    ) -> PollResult {
        let key = reading.ticket.key.clone();
        let actor = |person: &str| Actor::Ticket {
            webhook_id: webhook.id,
            name: match person {
                "" => format!("{key} in {}", webhook.settings.name),
                person => format!("{person} ({key} in {})", webhook.settings.name),
            },
        };
        // What was moved by our own account was moved by somebody else with it: the store knows what we did ourselves.
        let by = reading
            .by
            .as_deref()
            .filter(|_| !reading.is_ours)
            .unwrap_or_default();
        let change = self.source.change(actor(by));
        let noted = |comment: Comment| TimelineComment {
            id: note_id(link, &comment),
            at: comment.at,
            actor: actor(&comment.author),
            sentence: cut_comment(&comment.text),
        };
        PollResult {
            webhook_id: link.webhook_id,
            incident_id: link.incident_id,
            version: link.version,
            purpose: looking,
            comments: reading.comments.into_iter().map(noted).collect(),
            ticket: reading.ticket,
            asked_by: None,
            event_id: self.source.new_event_id(),
            change,
        }
    }

    /// Looks for tickets that were made twice, closes all but the oldest, and remembers that one.
    async fn check_duplicates(&self, link: &TicketLink) -> StoreResult<Result<Standing, Failure>> {
        let question = TicketQuery::Marked {
            marker: link.marker(),
        };
        let tickets = match self.dispatcher.ask(link.webhook_id, &question).await? {
            Ok(QueryResult::Tickets(tickets)) => tickets,
            Ok(_) => Vec::new(),
            Err(failure) => return Ok(Err(failure)),
        };
        let is_ours = |ticket: &Ticket| link.ticket().is_some_and(|ours| ours.id == ticket.id);
        // A search that does not show the ticket that is known lags: it says nothing about others either.
        if !tickets.iter().any(is_ours) {
            return Ok(Ok(Standing::Stays));
        }
        let mut tickets = tickets.into_iter();
        let (oldest, others): (Option<Ticket>, Vec<Ticket>) = (tickets.next(), tickets.collect());
        let Some(oldest) = oldest.filter(|_| !others.is_empty()) else {
            return self.record_duplicate_check(link, DuplicateCheck::Clean).await;
        };
        for close in others {
            let keep = oldest.clone();
            if let Err(failure) = self
                .dispatcher
                .ask(link.webhook_id, &TicketQuery::Merge { keep, close })
                .await?
            {
                return Ok(Err(failure));
            }
        }
        let other = (!is_ours(&oldest)).then_some(oldest);
        self.record_duplicate_check(link, DuplicateCheck::Merged(other))
            .await
    }

    async fn record_duplicate_check(
        &self,
        link: &TicketLink,
        found: DuplicateCheck,
    ) -> StoreResult<Result<Standing, Failure>> {
        let change = self.source.change(Actor::System);
        let looks = &self.store.ticket_polls;
        let standing = match found {
            DuplicateCheck::Merged(Some(_)) => Standing::IsReplaced,
            DuplicateCheck::Merged(None) | DuplicateCheck::Clean => Standing::Stays,
        };
        looks
            .record_duplicate_check(link.webhook_id, link.incident_id, id_of(link), found, change)
            .await?;
        Ok(Ok(standing))
    }
}

/// Whether a ticket is still its incident's.
enum Standing {
    Stays,
    /// An older one is.
    IsReplaced,
}

fn place_of(due: &DuePoll) -> TicketPlace {
    (due.link.webhook_id, due.link.incident_id)
}

/// The id of a link's ticket.
fn id_of(link: &TicketLink) -> String {
    link.ticket().map(|ticket| ticket.id.clone()).unwrap_or_default()
}

/// Whether incidents follow their tickets at a webhook.
fn follows(webhook: &Webhook) -> bool {
    webhook
        .settings
        .options
        .get("sync")
        .is_none_or(|sync| sync != "out")
}

fn takes_comments(webhook: &Webhook) -> bool {
    webhook
        .settings
        .options
        .get("comments")
        .is_some_and(|comments| comments == "on")
}

/// The same for the same comment, should it be read again.
fn note_id(link: &TicketLink, comment: &Comment) -> AuditId {
    let at = comment.at.as_millis().to_be_bytes();
    let ticket = id_of(link);
    let parts = [
        link.webhook_id.as_bytes().as_slice(),
        ticket.as_bytes(),
        &at,
        comment.author.as_bytes(),
        &[0],
        comment.text.as_bytes(),
    ];
    let hash = sha256(parts);
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    AuditId::from_bytes(id)
}

/// A comment as a line of the timeline.
fn cut_comment(text: &str) -> String {
    use destination::text::{Unit, cut};
    format!(
        "commented: {}",
        cut(text.trim(), MAX_COMMENT_LENGTH, Unit::Characters)
    )
}
