//! What the database must hold: every event with its deliveries, at most one claim in a lane, the order of each lane, what
//! is finished as it was.

use std::collections::{BTreeMap, HashMap, HashSet};

use model::delivery::ClaimedDelivery;
use model::id::{DeliveryId, EventId, IncidentId, WebhookId};
use model::incident::IncidentStatus;
use tokio_postgres::Client;

pub struct Expectation {
    webhooks: Vec<WebhookId>,
    pub statuses: HashMap<IncidentId, IncidentStatus>,
    /// Events that were answered for.
    pub events: HashSet<EventId>,
    /// Events of which nobody knows whether they are there: the answer was lost.
    pub doubtful: HashSet<EventId>,
    /// In whose hand a delivery is, by its run and claim.
    holders: HashMap<DeliveryId, (i64, i64)>,
    finished: HashMap<Vec<u8>, String>,
}

/// A delivery as it is in the database.
struct Row {
    id: Vec<u8>,
    state: String,
    node: Option<i64>,
    claim: Option<i64>,
}

impl Expectation {
    pub fn new(webhooks: &[WebhookId]) -> Self {
        Self {
            webhooks: webhooks.to_vec(),
            statuses: HashMap::new(),
            events: HashSet::new(),
            doubtful: HashSet::new(),
            holders: HashMap::new(),
            finished: HashMap::new(),
        }
    }

    /// A node was given a delivery: nobody else may hold it.
    pub fn claimed(&mut self, delivery: &ClaimedDelivery, run: i64) {
        let before = self.holders.insert(delivery.id, (run, delivery.claim.0));
        assert_eq!(before, None, "{} is in two hands", delivery.id);
    }

    /// Whether a claim still counts.
    pub fn is_held(&self, id: DeliveryId, run: i64, claim: i64) -> bool {
        self.holders.get(&id) == Some(&(run, claim))
    }

    /// It was recorded or given back.
    pub fn let_go(&mut self, id: DeliveryId) {
        self.holders.remove(&id);
    }

    /// Whatever these runs held may be taken by others.
    pub fn rescued(&mut self, is_gone: impl Fn(i64) -> bool) -> u64 {
        let before = self.holders.len();
        self.holders.retain(|_, (run, _)| !is_gone(*run));
        (before - self.holders.len()) as u64
    }

    /// Compares everything with what is there.
    pub async fn compare(&mut self, observer: &Client) {
        self.compare_events(observer).await;
        self.compare_ledger(observer).await;
        let sql = "SELECT d.id, d.webhook_id, d.incident_id, d.state, d.node, d.claim FROM deliveries d
                   WHERE d.webhook_id = ANY($1) ORDER BY d.webhook_id, d.incident_id, d.event_sequence";
        let webhooks: Vec<&[u8]> = self.webhooks.iter().map(|id| &id.as_bytes()[..]).collect();
        let mut lanes: BTreeMap<(Vec<u8>, Vec<u8>), Vec<Row>> = BTreeMap::new();
        for row in observer.query(sql, &[&webhooks]).await.unwrap() {
            lanes.entry((row.get(1), row.get(2))).or_default().push(Row {
                id: row.get(0),
                state: row.get(3),
                node: row.get(4),
                claim: row.get(5),
            });
        }
        let ordered = self.webhooks[0].as_bytes().to_vec();
        for ((webhook, _), lane) in &lanes {
            if *webhook == ordered {
                lane_is_in_order(lane);
            }
            lane.iter().for_each(|row| self.compare_delivery(row));
        }
    }

    fn compare_delivery(&mut self, row: &Row) {
        let is_finished = row.state == "delivered" || row.state == "dead";
        match self.finished.get(&row.id) {
            Some(before) => assert_eq!(*before, row.state, "what was finished has changed"),
            None if is_finished => {
                self.finished.insert(row.id.clone(), row.state.clone());
            }
            None => {}
        }
        let id = self.holders.keys().find(|id| id.as_bytes()[..] == row.id[..]);
        if let Some((run, claim)) = id.map(|id| self.holders[id]) {
            assert_eq!(
                (row.state.as_str(), row.node, row.claim),
                ("claimed", Some(run), Some(claim)),
                "a claim that counts is not in the database"
            );
        }
    }

    async fn compare_events(&mut self, observer: &Client) {
        let sql = "SELECT e.id, (SELECT count(*) FROM deliveries d
                       WHERE d.event_sequence = e.sequence AND d.webhook_id = ANY($1))
                   FROM events e JOIN incidents i ON i.id = e.incident_id WHERE i.title LIKE 'simulated%'";
        let webhooks: Vec<&[u8]> = self.webhooks.iter().map(|id| &id.as_bytes()[..]).collect();
        let rows = observer.query(sql, &[&webhooks]).await.unwrap();
        let mut there = HashSet::new();
        for row in rows {
            let id = EventId::from_bytes(row.get::<_, Vec<u8>>(0).try_into().unwrap());
            let deliveries: i64 = row.get(1);
            assert_eq!(
                usize::try_from(deliveries),
                Ok(self.webhooks.len()),
                "an event without all of its deliveries"
            );
            assert!(
                self.events.contains(&id) || self.doubtful.contains(&id),
                "an event that nobody asked for"
            );
            there.insert(id);
        }
        let lost: Vec<_> = self.events.difference(&there).collect();
        assert!(lost.is_empty(), "answered for and lost: {lost:?}");
    }

    async fn compare_ledger(&self, observer: &Client) {
        let sql = "SELECT w.name, coalesce((SELECT accepted FROM ledger l WHERE l.webhook_id = w.id), 0),
                       (SELECT count(*) FROM deliveries d WHERE d.webhook_id = w.id AND NOT d.is_test)
                   FROM webhooks w";
        for row in observer.query(sql, &[]).await.unwrap() {
            let (name, accepted, there): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            assert_eq!(accepted, there, "the ledger of {name} does not balance");
        }
    }
}

/// Finished ones, then one that is scheduled or claimed, then those that wait for it.
fn lane_is_in_order(lane: &[Row]) {
    let states: Vec<&str> = lane.iter().map(|row| row.state.as_str()).collect();
    let open = states
        .iter()
        .position(|state| !["delivered", "dead"].contains(state))
        .unwrap_or(states.len());
    let is_right = match states.get(open) {
        None => true,
        Some(head) => *head != "queued" && states[open + 1..].iter().all(|state| *state == "queued"),
    };
    assert!(is_right, "a lane out of order: {states:?}");
}
