//! Whose turn it is: which tickets are being read, and which wait until one of their webhook has been.

use std::collections::{BTreeMap, HashSet, VecDeque};

use model::id::{IncidentId, WebhookId};

/// How many tickets are being read at the same time, in all.
const MAX_POLLS: usize = 64;
/// How many of them at one webhook: a system that hangs keeps no other one waiting.
const PER_WEBHOOK: usize = 2;
/// How many more of a webhook wait for their turn. Few: no other node reads them meanwhile.
const WAITING_PER_WEBHOOK: usize = 8;

/// The ticket of an incident at a webhook.
pub type TicketPlace = (WebhookId, IncidentId);

/// What becomes of a ticket that is due.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn<T> {
    /// It is read now.
    Begins(T),
    /// It is read once others of its webhook have been.
    Waits,
    /// Too many wait there, or it is being read already.
    Later,
}

/// See the module. `T` is what reading a ticket needs.
pub struct Turns<T> {
    /// Of each webhook, in the order of their ids: what runs twice runs the same way.
    webhooks: BTreeMap<WebhookId, OfWebhook<T>>,
    running: usize,
}

struct OfWebhook<T> {
    running: HashSet<IncidentId>,
    waiting: VecDeque<(IncidentId, T)>,
}

impl<T> Default for OfWebhook<T> {
    fn default() -> Self {
        Self {
            running: HashSet::new(),
            waiting: VecDeque::new(),
        }
    }
}

impl<T> OfWebhook<T> {
    fn has(&self, incident_id: IncidentId) -> bool {
        self.running.contains(&incident_id) || self.waiting.iter().any(|(id, _)| *id == incident_id)
    }
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            webhooks: BTreeMap::new(),
            running: 0,
        }
    }
}

impl<T> Turns<T> {
    /// Takes a ticket that is due.
    pub fn offer(&mut self, (webhook_id, incident_id): TicketPlace, ticket: T) -> Turn<T> {
        let of_webhook = self.webhooks.entry(webhook_id).or_default();
        if of_webhook.has(incident_id) {
            return Turn::Later;
        }
        let is_next = of_webhook.waiting.is_empty() && of_webhook.running.len() < PER_WEBHOOK;
        if is_next && self.running < MAX_POLLS {
            of_webhook.running.insert(incident_id);
            self.running += 1;
            return Turn::Begins(ticket);
        }
        if of_webhook.waiting.len() >= WAITING_PER_WEBHOOK {
            return Turn::Later;
        }
        of_webhook.waiting.push_back((incident_id, ticket));
        Turn::Waits
    }

    /// One that waited and whose turn it is now.
    pub fn next(&mut self) -> Option<T> {
        if self.running >= MAX_POLLS {
            return None;
        }
        let mut webhooks = self.webhooks.values_mut();
        let has_turn = |of: &&mut OfWebhook<T>| of.running.len() < PER_WEBHOOK && !of.waiting.is_empty();
        let of_webhook = webhooks.find(has_turn)?;
        let (incident_id, ticket) = of_webhook.waiting.pop_front()?;
        of_webhook.running.insert(incident_id);
        self.running += 1;
        Some(ticket)
    }

    /// A ticket has been read.
    pub fn ended(&mut self, (webhook_id, incident_id): TicketPlace) {
        if let Some(of_webhook) = self.webhooks.get_mut(&webhook_id)
            && of_webhook.running.remove(&incident_id)
        {
            self.running -= 1;
            if of_webhook.running.is_empty() && of_webhook.waiting.is_empty() {
                self.webhooks.remove(&webhook_id);
            }
        }
    }

    /// It is not known any more what is being read.
    pub fn forget_running(&mut self) {
        self.webhooks.values_mut().for_each(|of| of.running.clear());
        self.running = 0;
    }

    /// Gives up all that waits.
    pub fn give_up_waiting(&mut self) -> Vec<T> {
        let waiting = self.webhooks.values_mut().flat_map(|of| of.waiting.drain(..));
        waiting.map(|(_, ticket)| ticket).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::Timestamp;

    fn place(webhook: u8, incident: u8) -> TicketPlace {
        let at = Timestamp::EPOCH;
        (
            WebhookId::new(at, [webhook; 10]),
            IncidentId::new(at, [incident; 10]),
        )
    }

    #[test]
    fn tickets_of_a_webhook_are_read_one_after_the_other_in_the_order_in_which_they_were_due() {
        let mut turns = Turns::default();
        let taken: Vec<_> = (0..12)
            .map(|ticket| turns.offer(place(1, ticket), ticket))
            .collect();
        assert_eq!(taken[..2], [Turn::Begins(0), Turn::Begins(1)]);
        assert!(taken[2..10].iter().all(|turn| *turn == Turn::Waits));
        assert_eq!(taken[10..], [Turn::Later, Turn::Later]);
        assert_eq!(turns.next(), None);
        for (ended, next) in [(0, Some(2)), (2, Some(3)), (1, Some(4))] {
            turns.ended(place(1, ended));
            assert_eq!(turns.next(), next);
            assert_eq!(turns.next(), None);
        }
        // Nobody who comes later goes first.
        turns.ended(place(1, 3));
        assert_eq!(turns.offer(place(1, 20), 20), Turn::Waits);
        assert_eq!(turns.next(), Some(5));
    }

    #[test]
    fn a_webhook_that_hangs_keeps_no_other_one_waiting_and_no_ticket_is_read_twice_at_once() {
        let mut turns = Turns::default();
        for ticket in 0..4 {
            turns.offer(place(1, ticket), ticket);
        }
        assert_eq!(turns.offer(place(2, 0), 9), Turn::Begins(9));
        for again in [place(1, 0), place(1, 3), place(2, 0)] {
            assert_eq!(turns.offer(again, 7), Turn::Later);
        }
    }

    #[test]
    fn no_more_are_read_at_once_than_may_be() {
        let mut turns = Turns::default();
        let all = (0..u8::MAX).flat_map(|webhook| [place(webhook, 0), place(webhook, 1)]);
        let offered: Vec<_> = all.map(|place| (place, turns.offer(place, place))).collect();
        let begun = offered
            .iter()
            .filter(|(place, turn)| *turn == Turn::Begins(*place));
        assert_eq!(begun.count(), MAX_POLLS);
        turns.ended(offered[0].0);
        assert!(turns.next().is_some());
        assert_eq!(turns.next(), None);
    }

    #[test]
    fn what_waits_can_be_given_up() {
        let mut turns = Turns::default();
        for ticket in 0..4 {
            turns.offer(place(1, ticket), ticket);
        }
        assert_eq!(turns.give_up_waiting(), [2, 3]);
        turns.forget_running();
        assert_eq!(turns.offer(place(1, 0), 0), Turn::Begins(0));
    }
}
