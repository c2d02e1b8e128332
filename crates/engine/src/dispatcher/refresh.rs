//! Tells receivers again of what they would forget: an Alertmanager has its alerts in memory alone. These requests are no
//! deliveries and leave no attempts: they only repeat what a webhook was told and is open still. One that fails opens the
//! webhook's breaker, so that it is told and shown; one that is taken closes it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::breaker::HealthSignal;
use crate::deliver::unsigned_request;
use crate::links::links;
use crate::masking::Masks;
use crate::prepared::Prepared;
use destination::Refreshing;
use destination::task::{Links, Task};
use destination::template::Templates;
use model::attempt::{Disposition, Outcome};
use model::event::EventName;
use model::exchange::FailureCode;
use model::id::{DeliveryId, WebhookId};
use model::time::Timestamp;
use model::webhook::Degraded;
use store::StoreResult;
use store::log_store_failure;
use store::webhooks::OpenMessage;

use super::Dispatcher;

/// How often it is looked for webhooks that are due.
const INTERVAL: Duration = Duration::from_secs(5);
/// How soon a webhook is tried again that could not be told.
const RETRY: Duration = Duration::from_secs(30);
/// The most webhooks of a kind that are told again.
const MAX_WEBHOOKS: u32 = 1000;
/// The most webhooks that are told at a time.
const MAX_ROUNDS: usize = 16;
/// The most incidents that one request tells of.
const BATCH: u32 = 50;

/// Messages that are told again have no templates.
static NO_TEMPLATES: Templates = Templates::none();

/// Who is told again when, and how it went.
#[derive(Default)]
struct Rounds {
    due_at: HashMap<WebhookId, Timestamp>,
    /// How many incidents were refused in the last round, so that it is logged once.
    refused: HashMap<WebhookId, usize>,
    running: JoinSet<Round>,
}

/// What came of telling a webhook again.
struct Round {
    webhook_id: WebhookId,
    ended: Ended,
    ended_at: Timestamp,
}

/// How a round ended.
enum Ended {
    /// All were told, but so many that were refused.
    Told { refused: usize },
    /// It was broken off.
    Failed,
}

/// What came of one request.
enum Told {
    Taken,
    /// Something in it is refused.
    Refused,
    /// The next one would fare no better.
    Failed,
}

impl Dispatcher {
    /// Tells again what is due until the task is dropped, while this node leads.
    pub async fn run_refreshes(self) {
        let mut rounds = Rounds::default();
        loop {
            while let Some(round) = rounds.running.try_join_next() {
                if let Ok(round) = round {
                    rounds.note(&round);
                }
            }
            if !self.leads() {
                rounds = Rounds::default();
            } else if let Err(error) = self.start_rounds(&mut rounds).await {
                log_store_failure!(
                    error,
                    "webhooks that are to be told again could not be read; trying again"
                );
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn start_rounds(&self, rounds: &mut Rounds) -> StoreResult<()> {
        let parts = &self.0;
        let mut known = HashSet::new();
        for adapter in kinds::all() {
            let Some(refreshing) = adapter.refreshing() else {
                continue;
            };
            let kind = kinds::kind(*adapter);
            for webhook_id in parts.store.endpoints.enabled_of(kind, MAX_WEBHOOKS).await? {
                known.insert(webhook_id);
                let interval = refreshing.interval();
                if rounds.begins(webhook_id, parts.source.now(), interval) {
                    let round = self.clone().run_round(webhook_id, refreshing);
                    rounds.running.spawn(round);
                }
            }
        }
        rounds.due_at.retain(|webhook_id, _| known.contains(webhook_id));
        rounds.refused.retain(|webhook_id, _| known.contains(webhook_id));
        Ok(())
    }

    /// One round of a webhook, which is over before its next one.
    async fn run_round(self, webhook_id: WebhookId, refreshing: &'static dyn Refreshing) -> Round {
        let _in_hand = self.0.in_hand.subscribe();
        let round = tokio::time::timeout(refreshing.interval(), self.refresh(webhook_id, refreshing));
        let ended = match round.await {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => {
                log_store_failure!(error, %webhook_id, "a webhook could not be told again of what is open; trying again");
                Ended::Failed
            }
            Err(_) => {
                tracing::warn!(%webhook_id, "telling a webhook again of what is open takes too long; trying again");
                Ended::Failed
            }
        };
        Round {
            webhook_id,
            ended,
            ended_at: self.0.source.now(),
        }
    }

    async fn refresh(&self, webhook_id: WebhookId, refreshing: &dyn Refreshing) -> StoreResult<Ended> {
        let mut refused = 0;
        let mut after = None;
        while self.leads() {
            if self.prepared(webhook_id).is_none() {
                self.clone().load(webhook_id).await;
            }
            let prepared = self.prepared(webhook_id);
            let Some(prepared) = prepared.filter(|prepared| prepared.webhook.is_enabled()) else {
                break;
            };
            let endpoints = &self.0.store.endpoints;
            let page = endpoints.open_messages(webhook_id, after, BATCH).await?;
            let Some(last) = page.last() else {
                break;
            };
            after = Some(last.event.incident_id);
            // Of an incident that was opened anew it is told with that event.
            let is_open = |message: &OpenMessage| message.event.name != EventName::Resolved;
            let open: Vec<OpenMessage> = page.into_iter().filter(is_open).collect();
            match self.tell_each(&prepared, refreshing, &open).await {
                Some(count) => refused += count,
                None => return Ok(Ended::Failed),
            }
        }
        Ok(Ended::Told { refused })
    }

    /// Tells of incidents in one request; if that is refused, in one for each of them. Says how many are refused, or nothing if
    /// the webhook takes none at the moment.
    async fn tell_each(
        &self,
        prepared: &Prepared,
        refreshing: &dyn Refreshing,
        messages: &[OpenMessage],
    ) -> Option<usize> {
        match self.tell_again(prepared, refreshing, messages).await {
            Told::Taken => return Some(0),
            Told::Failed => return None,
            Told::Refused if messages.len() == 1 => return Some(1),
            Told::Refused => {}
        }
        let mut refused = 0;
        for message in messages {
            match self
                .tell_again(prepared, refreshing, std::slice::from_ref(message))
                .await
            {
                Told::Taken => {}
                Told::Refused => refused += 1,
                Told::Failed => return None,
            }
        }
        Some(refused)
    }

    async fn tell_again(
        &self,
        prepared: &Prepared,
        refreshing: &dyn Refreshing,
        messages: &[OpenMessage],
    ) -> Told {
        let parts = &self.0;
        let now = parts.source.now();
        let public_url = parts.deliverer.public_url.as_ref();
        let all_links = messages
            .iter()
            .map(|message| links(prepared, &message.event, public_url, now));
        let all_links: Vec<Links> = all_links.collect();
        let delivery_id = DeliveryId::new(now, parts.source.random());
        let told = messages.iter().zip(&all_links);
        let tasks: Vec<Task<'_>> = told
            .map(|(message, links)| task(prepared, message, links, delivery_id, now))
            .collect();
        let Some(first) = tasks.first() else {
            return Told::Taken;
        };
        let outcome = match refreshing.request(&prepared.target, &tasks) {
            Ok(rendered) => {
                let request = unsigned_request(prepared, rendered);
                let exchange = parts.deliverer.client.send(request).await;
                refreshing.outcome(first, &exchange, parts.source.now())
            }
            Err(failure) => Outcome::Failed(failure),
        };
        self.note_refresh(prepared, &outcome)
    }

    /// What came of a request bears on the webhook's breaker as a canary's does.
    fn note_refresh(&self, prepared: &Prepared, outcome: &Outcome) -> Told {
        let (parts, webhook_id) = (&self.0, prepared.webhook.id);
        let failure = outcome.failure();
        if failure.is_some_and(|failure| failure.code.is_our_own()) {
            // This server could not send: that says nothing of the webhook.
            return Told::Failed;
        }
        let now = parts.source.now();
        let degraded = |code: FailureCode, why: String| Degraded {
            since: now,
            code,
            detail: Some(format!("telling it again of what is open failed: {why}")),
        };
        let degraded = match HealthSignal::from(outcome) {
            HealthSignal::Succeeded => {
                parts.handle.scheduler().reached(webhook_id, now);
                parts.handle.notify();
                return Told::Taken;
            }
            HealthSignal::Neutral => {
                let is_paused = |disposition| disposition == Disposition::RateLimited;
                let disposition = failure.map(|failure| failure.disposition);
                return match disposition.is_some_and(is_paused) {
                    true => Told::Failed,
                    false => Told::Refused,
                };
            }
            HealthSignal::Failed(code) => degraded(code, code.as_str().to_owned()),
            HealthSignal::Refused { code, detail } => {
                let masks = Masks::new(&prepared.credentials, Vec::new());
                degraded(code, masks.text(detail))
            }
        };
        parts.handle.scheduler().unreached(webhook_id, degraded, now);
        parts.handle.notify();
        Told::Failed
    }
}

impl Rounds {
    /// Whether a webhook is told again now; if so, it is due again later. One that is new here is told at once: nobody knows
    /// what its receiver has forgotten meanwhile.
    fn begins(&mut self, webhook_id: WebhookId, now: Timestamp, interval: Duration) -> bool {
        let next_at = now.plus(interval);
        let due_at = *self.due_at.entry(webhook_id).or_insert(now);
        // The clock may have been set back.
        let is_due = due_at <= now || due_at > next_at;
        let begins = is_due && self.running.len() < MAX_ROUNDS;
        if begins {
            self.due_at.insert(webhook_id, next_at);
        }
        begins
    }

    fn note(&mut self, round: &Round) {
        let webhook_id = round.webhook_id;
        match round.ended {
            Ended::Told { refused } => {
                let before = self.refused.insert(webhook_id, refused).unwrap_or(0);
                if refused > 0 && before == 0 {
                    tracing::warn!(%webhook_id, refused, "incidents that a webhook is told of again are refused");
                }
            }
            Ended::Failed => {
                self.due_at.insert(webhook_id, round.ended_at.plus(RETRY));
            }
        }
    }
}

/// What an adapter needs to know to tell again of an incident.
fn task<'a>(
    prepared: &'a Prepared,
    message: &'a OpenMessage,
    links: &'a Links,
    delivery_id: DeliveryId,
    now: Timestamp,
) -> Task<'a> {
    Task {
        webhook: &prepared.webhook,
        target: &prepared.target,
        event: &message.event,
        delivery_id,
        attempt: 1,
        message_ref: Some(&message.text),
        continuation: None,
        ticket: None,
        workflow: None,
        incident_context: None,
        token: None,
        links,
        templates: &NO_TEMPLATES,
        now,
    }
}
