//! Looks at tickets: those that their system told of, and every few minutes all that are open, because a call may be lost.
//! What was read is handed to the store, which lets the incident follow in one transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::adapters::ticketing::{Answer, Comment, Question, Reading};
use crate::clock::Source;
use crate::dispatch::dispatcher::Dispatcher;
use crate::model::attempt::Failure;
use crate::model::audit::Actor;
use crate::model::id::WebhookId;
use crate::model::ticket::{Looking, MAX_COMMENT_LENGTH, Ticket, TicketLink};
use crate::model::webhook::Webhook;
use crate::store::tickets::{DueLook, Looked, LookedOutcome, Noted};
use crate::store::{Store, StoreResult};

/// How often it is asked what is due.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many tickets are taken at once.
const BATCH: u32 = 32;
/// How many tickets of one webhook are read at the same time.
const PER_WEBHOOK: usize = 2;

/// Reads tickets.
#[derive(Clone)]
pub struct Looker {
    store: Store,
    source: Source,
    dispatcher: Dispatcher,
    rung: Arc<Notify>,
}

impl Looker {
    /// Reads by way of this dispatcher.
    pub fn new(store: Store, source: Source, dispatcher: Dispatcher) -> Self {
        Self {
            store,
            source,
            dispatcher,
            rung: Arc::default(),
        }
    }

    /// Looks until the task is dropped.
    pub async fn run(self) {
        loop {
            let looked = self.look_at_due().await;
            if looked < BATCH as usize {
                // Something may be due now, or a time came: it is looked at either way.
                let _ = tokio::time::timeout(INTERVAL, self.rung.notified()).await;
            }
        }
    }

    /// Asks at once what is due.
    pub fn ring(&self) {
        self.rung.notify_one();
    }

    /// Reads one batch of tickets that are due; says how many.
    pub async fn look_at_due(&self) -> usize {
        let due = match self.store.ticket_looks.take_due(self.source.now(), BATCH).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "it cannot be read which tickets are due; trying again");
                return 0;
            }
        };
        let count = due.len();
        let mut turns: HashMap<WebhookId, Arc<Semaphore>> = HashMap::new();
        let mut looks = JoinSet::new();
        for look in due {
            let turn = turns.entry(look.link.webhook_id);
            let turn = Arc::clone(turn.or_insert_with(|| Arc::new(Semaphore::new(PER_WEBHOOK))));
            let looker = self.clone();
            looks.spawn(async move {
                // The semaphore lives as long as this batch and is never closed.
                let _permit = turn.acquire().await;
                looker.look_at(look).await;
            });
        }
        looks.join_all().await;
        count
    }

    async fn look_at(&self, look: DueLook) {
        let (webhook_id, incident_id) = (look.link.webhook_id, look.link.incident_id);
        let looked = match look.must_sweep {
            true => self.sweep(&look.link).await,
            false => self.read(&look.link, None).await.map(|result| result.map(drop)),
        };
        let noted = match looked {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => {
                let now = self.source.now();
                let looks = &self.store.ticket_looks;
                looks
                    .look_failed(webhook_id, incident_id, failure.detail, now)
                    .await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::error!(%error, %webhook_id, %incident_id, "a ticket could not be looked at; it is looked at again");
        }
    }

    /// Reads a ticket, and lets its incident follow. Without a wish, the webhook's settings say whether it does.
    pub async fn read(
        &self,
        link: &TicketLink,
        wish: Option<Looking>,
    ) -> StoreResult<Result<LookedOutcome, Failure>> {
        let Some(ticket) = link.ticket() else {
            return Ok(Ok(LookedOutcome::Gone));
        };
        let webhook = self.store.webhooks.get(link.webhook_id).await?;
        let question = Question::Read {
            ticket_id: ticket.id.clone(),
            comments_since: takes_comments(&webhook).then_some(link.comments_until),
        };
        let reading = match self.dispatcher.ask(link.webhook_id, &question).await? {
            Ok(Answer::Ticket(Some(reading))) => reading,
            Ok(_) => {
                let detail = format!(
                    "the ticket {} cannot be found: it was deleted, or this account may not see it",
                    ticket.key
                );
                return Ok(Err(Failure::new(
                    crate::model::exchange::FailureCode::TicketLost,
                    detail,
                )));
            }
            Err(failure) => return Ok(Err(failure)),
        };
        let looking = match follows(&webhook) {
            true => wish.unwrap_or(Looking::ForChanges),
            false => wish.unwrap_or(Looking::ToShow),
        };
        let looked = self.looked(link, &webhook, reading, looking);
        Ok(Ok(self.store.ticket_looks.looked(looked).await?))
    }

    fn looked(&self, link: &TicketLink, webhook: &Webhook, reading: Reading, looking: Looking) -> Looked {
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
        let noted = |comment: Comment| Noted {
            at: comment.at,
            actor: actor(&comment.author),
            sentence: cut_comment(&comment.text),
            id: self.source.change(Actor::System).audit_id,
        };
        Looked {
            webhook_id: link.webhook_id,
            incident_id: link.incident_id,
            version: link.version,
            looking,
            comments: reading.comments.into_iter().map(noted).collect(),
            ticket: reading.ticket,
            event_id: self.source.new_event_id(),
            change,
        }
    }

    /// Looks for tickets that were made twice, closes all but the oldest, and remembers that one.
    async fn sweep(&self, link: &TicketLink) -> StoreResult<Result<(), Failure>> {
        let question = Question::Marked {
            marker: link.marker(),
        };
        let tickets = match self.dispatcher.ask(link.webhook_id, &question).await? {
            Ok(Answer::Tickets(tickets)) => tickets,
            Ok(_) => Vec::new(),
            Err(failure) => return Ok(Err(failure)),
        };
        let is_ours = |ticket: &Ticket| link.ticket().is_some_and(|ours| ours.id == ticket.id);
        // A search that does not show the ticket that is known lags: it says nothing about others either.
        if tickets.len() < 2 && !tickets.iter().any(is_ours) {
            return self.read(link, None).await.map(|result| result.map(drop));
        }
        let mut tickets = tickets.into_iter();
        let (oldest, others): (Option<Ticket>, Vec<Ticket>) = (tickets.next(), tickets.collect());
        let Some(oldest) = oldest.filter(|_| !others.is_empty()) else {
            return self.swept(link, None).await;
        };
        for close in others {
            let keep = oldest.clone();
            if let Err(failure) = self
                .dispatcher
                .ask(link.webhook_id, &Question::Join { keep, close })
                .await?
            {
                return Ok(Err(failure));
            }
        }
        let is_same = link.ticket().is_some_and(|ticket| ticket.id == oldest.id);
        self.swept(link, (!is_same).then_some(oldest)).await
    }

    async fn swept(&self, link: &TicketLink, stays: Option<Ticket>) -> StoreResult<Result<(), Failure>> {
        let change = self.source.change(Actor::System);
        let looks = &self.store.ticket_looks;
        looks
            .swept(link.webhook_id, link.incident_id, stays, change)
            .await?;
        Ok(Ok(()))
    }
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

/// A comment as a line of the timeline.
fn cut_comment(text: &str) -> String {
    use crate::adapters::text::{Unit, cut};
    format!(
        "commented: {}",
        cut(text.trim(), MAX_COMMENT_LENGTH, Unit::Characters)
    )
}
