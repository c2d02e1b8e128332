//! What was sent about an incident: a line for each webhook, those first where something failed or waits.

use std::collections::BTreeMap;

use askama::filters::Safe;

use crate::deliveries::list::delivery_badge;
use crate::deliveries::page::can_be_given_up;
use crate::incidents::page::attempts_in_words;
use crate::layout::error::PageError;
use crate::layout::show::{self, Markup};
use crate::state::WebState;
use model::delivery::{Delivery, DeliveryState};
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::time::Timestamp;
use store::deliveries::DeliveryFilter;
use store::{Page, StoreError};

/// Deliveries of one incident that are looked at, the latest.
const MAX_DELIVERIES: u32 = Page::MAX_LIMIT;

/// Everything that was sent about an incident.
pub struct SentAbout {
    /// How many came to what, as badges.
    pub total: Vec<Markup>,
    /// By webhook.
    pub webhooks: Vec<SentTo>,
    /// Whether there are older deliveries that were not looked at.
    pub is_cut: bool,
    /// What was looked at, the latest first.
    pub deliveries: Vec<Delivery>,
}

/// What one webhook was sent about the incident.
pub struct SentTo {
    pub webhook_id: WebhookId,
    pub webhook_name: String,
    /// How many came to what, as badges.
    pub total: Vec<Markup>,
    /// Whether something of it failed or waits.
    pub is_open: bool,
    /// What failed, what waits, then the rest, each in the order in which the receiver gets them.
    pub deliveries: Vec<Sent>,
}

/// One event, sent to one webhook.
pub struct Sent {
    pub id: DeliveryId,
    pub event: &'static str,
    pub state: Markup,
    pub attempts: String,
    pub at: Markup,
    pub trouble: String,
    pub can_be_given_up: bool,
    pub can_be_replayed: bool,
}

impl Sent {
    /// The event without what all events begin with.
    pub fn short_event(&self) -> &'static str {
        self.event.trim_start_matches("incident.")
    }
}

/// What deliveries came to, the first that asks for somebody's attention first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Dead,
    Waiting,
    Delivered,
    Superseded,
    Expired,
    GivenUp,
}

impl Standing {
    fn new(delivery: &Delivery) -> Self {
        match delivery.state {
            DeliveryState::Dead if delivery.given_up_by.is_some() => Self::GivenUp,
            DeliveryState::Dead => Self::Dead,
            DeliveryState::Scheduled
            | DeliveryState::Queued
            | DeliveryState::Claimed
            | DeliveryState::Held => Self::Waiting,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::Superseded => Self::Superseded,
            DeliveryState::Expired => Self::Expired,
        }
    }

    fn badge(self, count: usize) -> Markup {
        let (tone, word) = match self {
            Self::Dead => ("error", "dead"),
            Self::Waiting => ("warning", "waiting"),
            Self::Delivered => ("success", "delivered"),
            Self::Superseded => ("neutral", "superseded"),
            Self::Expired => ("neutral", "expired"),
            Self::GivenUp => ("neutral", "given up"),
        };
        Safe(format!("<span class=\"badge {tone}\">{count} {word}</span>"))
    }
}

impl SentAbout {
    /// Reads it.
    pub async fn load(state: &WebState, id: IncidentId, now: Timestamp) -> Result<Self, PageError> {
        let filter = DeliveryFilter {
            incident_id: Some(id),
            ..DeliveryFilter::default()
        };
        let page = Page {
            limit: MAX_DELIVERIES,
            before: None,
        };
        let listed = state.store.deliveries.list(filter, page).await?;
        let mut by_webhook: BTreeMap<WebhookId, Vec<&Delivery>> = BTreeMap::new();
        for delivery in listed.rows.iter().rev() {
            by_webhook.entry(delivery.webhook_id).or_default().push(delivery);
        }
        let mut webhooks = Vec::new();
        for (webhook_id, mut deliveries) in by_webhook {
            deliveries.sort_by_key(|delivery| Standing::new(delivery));
            let is_there = match first_standing(&deliveries) {
                Some(Standing::Dead) => is_there(state, webhook_id).await?,
                Some(_) | None => false,
            };
            webhooks.push((
                first_standing(&deliveries),
                sent_to(webhook_id, &deliveries, is_there, now),
            ));
        }
        webhooks.sort_by_key(|(standing, group)| (*standing, group.webhook_name.to_lowercase()));
        let all: Vec<&Delivery> = listed.rows.iter().collect();
        Ok(Self {
            total: total(&all),
            webhooks: webhooks.into_iter().map(|(_, group)| group).collect(),
            is_cut: listed.next.is_some(),
            deliveries: listed.rows,
        })
    }
}

/// Whether a webhook is there still: nothing is replayed to one that was deleted.
async fn is_there(state: &WebState, id: WebhookId) -> Result<bool, PageError> {
    match state.store.webhooks.get(id).await {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn first_standing(sorted: &[&Delivery]) -> Option<Standing> {
    sorted.first().map(|delivery| Standing::new(delivery))
}

fn sent_to(webhook_id: WebhookId, sorted: &[&Delivery], is_there: bool, now: Timestamp) -> SentTo {
    SentTo {
        webhook_id,
        webhook_name: sorted
            .first()
            .map_or(String::new(), |delivery| delivery.webhook_name.clone()),
        total: total(sorted),
        is_open: first_standing(sorted).is_some_and(|first| first <= Standing::Waiting),
        deliveries: sorted
            .iter()
            .map(|delivery| sent(delivery, is_there, now))
            .collect(),
    }
}

fn sent(delivery: &Delivery, is_there: bool, now: Timestamp) -> Sent {
    Sent {
        id: delivery.id,
        event: delivery.event_type.as_str(),
        state: delivery_badge(delivery),
        attempts: attempts_in_words(delivery),
        at: show::when(delivery.finished_at.unwrap_or(delivery.due_at), now),
        trouble: delivery
            .last_failure
            .map_or(String::new(), |code| code.as_str().to_owned()),
        can_be_given_up: can_be_given_up(delivery),
        can_be_replayed: Standing::new(delivery) == Standing::Dead && is_there && !delivery.is_test,
    }
}

/// How many deliveries came to what.
fn total(deliveries: &[&Delivery]) -> Vec<Markup> {
    let mut counts: BTreeMap<Standing, usize> = BTreeMap::new();
    for delivery in deliveries {
        *counts.entry(Standing::new(delivery)).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|(standing, count)| standing.badge(count))
        .collect()
}
