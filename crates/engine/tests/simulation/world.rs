//! The simulated world: a node, its receivers, its users, and what is known of all that they did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use clock::{Clock as _, Env};
use model::access::Role;
use model::audit::Actor;
use model::delivery::Delivery;
use model::escalation::{EscalationPolicy, EscalationStep};
use model::event::Event;
use model::id::{EventId, IncidentId, SourceId, UserId, WebhookId};
use model::service::{Service, ServiceRef};
use model::time::Timestamp;
use model::user::User;
use store::deliveries::DeliveryFilter;
use store::{Page, Store, StoreResult};

use super::chance::{SeededEntropy, SimulatedClock};
use super::disk;
use super::expectation::Expectation;
use super::node::{Node, Surroundings, all_deliveries};
use super::receivers::{Arrival, Receivers, fold};
use super::webhook::Known;

/// How many rows one question brings.
pub const PAGE: u32 = 200;
/// More events than one step makes.
pub const FEED_PAGE: u32 = 5000;
/// So that what was due at the end of a suspension happens: longer than any timer of the engine waits, but those that
/// wait for minutes.
pub const AWAKE: Duration = Duration::from_millis(1100);

/// See the module.
pub struct World {
    /// Nothing only while one run follows another.
    node: Option<Node>,
    pub clock: Arc<SimulatedClock>,
    pub source: Env,
    pub receivers: Receivers,
    pub webhooks: BTreeMap<WebhookId, Known>,
    /// In the order in which they were made.
    pub made: Vec<WebhookId>,
    pub expectation: Expectation,
    /// The events of the feed, by their places.
    pub events: BTreeMap<i64, Event>,
    /// What users were told is on disk.
    pub accepted: Vec<EventId>,
    /// Requests that arrived before their events were looked at, and whether the run that made them was cut off: then nobody may
    /// know of them.
    early: Vec<(Arrival, bool)>,
    pub runs: i64,
    /// The latest time that the wall clock has shown.
    pub latest: Timestamp,
    /// What users were told is not on disk.
    pub refused: BTreeSet<EventId>,
    pub directory: TempDir,
    /// Where alerts come from; nothing before it is made.
    pub alert_source: Option<SourceId>,
    pub alerts_sent: u64,
    /// To whom incidents are given; nobody before there is one.
    pub person: Option<UserId>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let clock = Arc::new(SimulatedClock::new());
        let source = Env::new(Arc::clone(&clock) as _, Arc::new(SeededEntropy::new(seed)));
        let mut world = Self {
            node: None,
            receivers: Receivers::new(source.clone()),
            clock,
            source,
            webhooks: BTreeMap::new(),
            made: Vec::new(),
            expectation: Expectation::default(),
            events: BTreeMap::new(),
            accepted: Vec::new(),
            early: Vec::new(),
            runs: 0,
            latest: Timestamp::EPOCH,
            refused: BTreeSet::new(),
            directory: folder(),
            alert_source: None,
            alerts_sent: 0,
            person: None,
        };
        world.start();
        world.furnish();
        world
    }

    pub fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    /// Does something with the store, while everything else goes on.
    pub fn ask<T, F>(&self, work: impl FnOnce(Store) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.node().ask(work)
    }

    pub fn monotonic_ms(&self) -> i64 {
        self.clock.monotonic_millis()
    }

    fn start(&mut self) {
        self.runs += 1;
        disk::watch(self.directory.path(), self.source_seed());
        self.receivers.serve(self.directory.path());
        // A run's time begins anew, and what is told of the run before must not be taken for this one's.
        let surroundings = Surroundings {
            clock: Arc::clone(&self.clock),
            source: Env::new(
                Arc::clone(&self.clock) as _,
                Arc::new(SeededEntropy::new(self.source_seed())),
            ),
            sender: Arc::new(self.receivers.clone()),
        };
        let node = Node::start(self.directory.path(), self.runs, surroundings);
        self.node = Some(node.unwrap());
    }

    /// The engine's randomness is its own in each run, whatever users do meanwhile.
    fn source_seed(&self) -> u64 {
        u64::from_le_bytes(self.source.random())
    }

    /// A soft stop, and another run.
    pub fn restart(&mut self) {
        let node = self.node.take().unwrap();
        assert!(node.stop(), "a soft stop does not end");
        self.judge_arrivals();
        let mut unheard = self.receivers.take_unheard().into_iter();
        assert!(
            unheard.all(|arrival| arrival.delivery_id.is_none()),
            "a soft stop left a delivery on its way"
        );
        self.forget_paces();
        self.start();
        self.synchronise();
    }

    /// The process is killed; another one starts after a while.
    pub fn kill(&mut self, pause: Duration) {
        let left = folder();
        let node = self.node.take().unwrap();
        node.kill(self.directory.path(), left.path());
        self.go_on_with(left, pause);
    }

    /// The power went out, and left this; it comes again after a while.
    pub fn lose_power(&mut self, left: TempDir, pause: Duration) {
        self.node = None;
        self.go_on_with(left, pause);
    }

    fn go_on_with(&mut self, left: TempDir, pause: Duration) {
        self.judge_arrivals();
        self.early
            .iter_mut()
            .for_each(|(_, is_cut_off)| *is_cut_off = true);
        disk::forget(self.directory.path());
        self.directory = left;
        for arrival in self.receivers.take_unheard() {
            if let Some(id) = arrival.delivery_id {
                self.expectation.cut_off(id);
            }
        }
        self.suspend(pause);
        self.webhooks
            .values_mut()
            .for_each(|known| known.may_double = true);
        self.start();
        let found = std::mem::take(&mut self.node.as_mut().unwrap().found);
        let is_known = |delivery: &Delivery| self.expectation.deliveries.contains_key(&delivery.id);
        let (known, unheard): (Vec<_>, Vec<_>) = found.into_iter().partition(is_known);
        known.iter().for_each(|delivery| self.expectation.found(delivery));
        // It may make again at once what was not recorded: that is judged here.
        self.synchronise();
        unheard
            .iter()
            .for_each(|delivery| self.expectation.found(delivery));
    }

    /// The machine is suspended for a while.
    pub fn suspend(&mut self, time: Duration) {
        self.clock.suspend(time);
        self.expectation.sleeps.slept(self.monotonic_ms(), time);
        self.forget_paces();
    }

    /// What was about to leave leaves late, and what comes behind it in time.
    pub fn forget_paces(&mut self) {
        let now_ms = self.monotonic_ms();
        for known in self.webhooks.values_mut() {
            known.sent_ms.clear();
            known.paced_since_ms = now_ms;
        }
    }

    /// Makes the catalog that incidents refer to.
    fn furnish(&mut self) {
        let step = |wait_minutes| EscalationStep {
            wait_minutes,
            assignee: None,
        };
        let policy = EscalationPolicy {
            id: self.source.new_policy_id(),
            name: "night".into(),
            steps: vec![step(5), step(90)],
            created_at: self.source.now(),
        };
        let service = |name: &str, policy_id| Service {
            id: self.source.new_service_id(),
            name: name.into(),
            description: None,
            policy_id,
            created_at: self.source.now(),
        };
        let services = [service("api", Some(policy.id)), service("shop", None)];
        let person = User {
            id: self.source.new_user_id(),
            name: "Ann".into(),
            email: None,
            role: Role::Responder,
            created_at: self.source.now(),
            display: Default::default(),
        };
        self.person = Some(person.id);
        let alerting = ServiceRef {
            id: services[0].id,
            name: services[0].name.clone(),
        };
        let source = self.source.clone();
        self.ask(async move |store| {
            let change = || source.change(Actor::System);
            store.users.create(person, change()).await.unwrap();
            store.policies.create(policy, change()).await.unwrap();
            for service in services {
                store.services.create(service, change()).await.unwrap();
            }
        });
        self.make_source(alerting);
    }

    /// Takes in what has happened since the last time, and judges it.
    pub fn synchronise(&mut self) {
        self.latest = self.latest.max(self.source.now());
        let mut before = self.webhooks.clone();
        before.retain(|_, known| !known.is_new);
        let after = self.events.last_key_value().map_or(0, |(place, _)| *place);
        let (webhooks, news) = self.ask(async move |store| {
            let page = Page {
                limit: PAGE,
                before: None,
            };
            // Asked for together, both are of the same moment.
            let (events, webhooks) = tokio::join!(
                store.events.list_after(after, FEED_PAGE),
                store.webhooks.list(page)
            );
            let news = with_deliveries(&store, after, events.unwrap()).await.unwrap();
            (webhooks.unwrap(), news)
        });
        for webhook in webhooks {
            let known = self.webhooks.get_mut(&webhook.id).expect("a webhook of ours");
            known.webhook = webhook;
            known.is_new = false;
            self.expectation.hold_back(known);
        }
        for (event, deliveries) in news {
            self.check_deliveries(&before, &event, &deliveries);
            for delivery in deliveries {
                if self.webhooks[&delivery.webhook_id].kind == "generic" {
                    self.expectation.accepted(&delivery, &event.body);
                }
            }
            self.events.insert(event.sequence, event);
        }
        self.meet_take_overs();
        let is_refused = |event: &&Event| self.refused.contains(&event.id);
        let refused = self.events.values().find(is_refused);
        assert!(refused.is_none(), "{refused:?} was refused, and is in the feed");
        let told: BTreeSet<_> = self.events.values().map(|event| event.id).collect();
        for id in std::mem::take(&mut self.accepted) {
            assert!(told.contains(&id), "{id} was accepted, and is not in the feed");
        }
        for (arrival, is_cut_off) in std::mem::take(&mut self.early) {
            self.judge(&arrival);
            if let Some(id) = arrival.delivery_id.filter(|_| is_cut_off) {
                self.expectation.cut_off(id);
            }
        }
        self.judge_arrivals();
    }

    /// An event has a delivery for each webhook that wants it. One that an engine changed meanwhile may or may not.
    fn check_deliveries(&self, before: &BTreeMap<WebhookId, Known>, event: &Event, deliveries: &[Delivery]) {
        let Some(incident) = event.incident().filter(|_| event.operational.is_none()) else {
            return;
        };
        let wants = |known: &Known| !known.is_deleted && known.webhook.wants(event.name, &incident);
        for (id, known) in &self.webhooks {
            let is_its_own =
                |delivery: &&Delivery| delivery.webhook_id == *id && delivery.fallback_of.is_none();
            let has_it = deliveries.iter().find(is_its_own).is_some();
            let (wanted, wants) = (before.get(id).is_some_and(wants), wants(known));
            let place = event.sequence;
            assert!(
                has_it || !(wanted && wants),
                "event {place} has no delivery for {}",
                known.host
            );
            assert!(
                !has_it || wanted || wants,
                "event {place} has a delivery for {}",
                known.host
            );
        }
    }

    fn judge_arrivals(&mut self) {
        for arrival in self.receivers.take_arrivals() {
            match arrival.delivery_id {
                Some(id) if !self.expectation.deliveries.contains_key(&id) => {
                    self.early.push((arrival, false));
                }
                Some(_) | None => self.judge(&arrival),
            }
        }
    }

    fn judge(&mut self, arrival: &Arrival) {
        let mut webhooks = self.webhooks.values_mut();
        let known = webhooks.find(|known| known.host == arrival.host).unwrap();
        self.expectation.judge(arrival, known);
    }

    /// Every delivery in the store but tests.
    pub fn all_deliveries(&self) -> Vec<Delivery> {
        self.ask(all_deliveries)
    }

    /// A number that stands for all that happened.
    pub fn trace(&self) -> u64 {
        let (requests, mut trace) = self.receivers.trace();
        fold(&mut trace, &requests.to_be_bytes());
        fold(&mut trace, &self.monotonic_ms().to_be_bytes());
        for event in self.events.values() {
            fold(&mut trace, event.id.as_bytes());
            fold(&mut trace, &event.body);
        }
        trace
    }

    /// What is known of an incident's latest event.
    pub fn recent_incidents(&self) -> Vec<IncidentId> {
        let incidents = self.events.values().rev();
        let incidents = incidents.filter(|event| event.operational.is_none());
        incidents.take(12).map(|event| event.incident_id).collect()
    }
}

/// Events behind a place of the feed, each with its deliveries.
async fn with_deliveries(
    store: &Store,
    mut place: i64,
    events: Vec<Event>,
) -> StoreResult<Vec<(Event, Vec<Delivery>)>> {
    let mut news = Vec::new();
    for event in events {
        assert!(event.sequence > place, "the feed goes back");
        place = event.sequence;
        let filter = DeliveryFilter {
            incident_id: Some(event.incident_id),
            event: Some(event.event_type()),
            ..DeliveryFilter::default()
        };
        let page = Page {
            limit: 1000,
            before: None,
        };
        let mut deliveries = store.deliveries.list(filter, page).await?.rows;
        deliveries.retain(|delivery| delivery.event_sequence == event.sequence);
        news.push((event, deliveries));
    }
    Ok(news)
}

impl Drop for World {
    fn drop(&mut self) {
        self.node = None;
        disk::forget(self.directory.path());
    }
}

/// In memory, if the machine has such a folder.
pub fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => TempDir::new_in(memory),
        false => TempDir::new(),
    };
    folder.unwrap()
}
