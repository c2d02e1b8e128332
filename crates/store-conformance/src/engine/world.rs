//! A store with something in it, and short words for what tests do with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use model::attempt::{Attempt, Failure, Outcome};
use model::audit::{Actor, Change};
use model::delivery::{ClaimedDelivery, Delivery, DeliveryState, NextStep, Spending};
use model::event::{Event, EventName};
use model::exchange::{FailureCode, PhaseTimings};
use model::id::{AttemptId, AuditId, EventId, IncidentId, PolicyId, ServiceId, UserId, WebhookId};
use model::incident::{Incident, IncidentAction, Severity};
use model::time::Timestamp;
use store::DeliverySink;
use store::Page;
use store::Store;
use store::deliveries::DeliveryFilter;
use store::incidents::{Committed, ServiceKey, TransitionRequest, Trigger};
use store::queue::{AttemptRecord, ClaimRequest, Claimed, Recorded};

use crate::{Backend, Opening};

use super::bystanders::Bystanders;
use super::rows::WebhookRow;

/// The time at which every test begins.
const START_MS: i64 = 1_700_000_000_000;

/// The node that a world's store runs as, unless it is started again as another.
pub const NODE: i64 = 1;

pub struct World {
    pub backend: Arc<dyn Backend>,
    store: Option<Store>,
    pub dispatcher: Arc<RecordingHandOver>,
    /// Service `API Gateway`, whose policy calls Ann after 5 minutes and Bob after 10 more.
    pub service: ServiceId,
    pub ann: UserId,
    pub bob: UserId,
    /// A webhook that keeps the order of an incident's events.
    pub ordered: WebhookId,
    /// A webhook that does not.
    pub loose: WebhookId,
    pub bystanders: Bystanders,
    ids_made: Mutex<u64>,
}

impl World {
    pub async fn new(backend: Arc<dyn Backend>) -> Self {
        let start = Timestamp::from_millis(START_MS);
        let id = |number: u8| [number; 10];
        let (ann, bob) = (UserId::new(start, id(1)), UserId::new(start, id(2)));
        let policy = PolicyId::new(start, id(1));
        let (service, other_service) = (ServiceId::new(start, id(1)), ServiceId::new(start, id(2)));
        let (ordered, loose) = (WebhookId::new(start, id(1)), WebhookId::new(start, id(2)));
        let other_webhook = WebhookId::new(start, id(3));
        backend.insert_user(ann, "Ann").await;
        backend.insert_user(bob, "Bob").await;
        backend
            .insert_policy(policy, &[(5, Some(ann)), (10, Some(bob))])
            .await;
        backend.insert_service(service, "API Gateway", Some(policy)).await;
        backend.insert_service(other_service, "Bystander", None).await;
        let webhook = |id, name, service, ordering| WebhookRow {
            id,
            name,
            services: vec![service],
            ordering,
            when_disabled: "hold",
        };
        backend
            .insert_webhook(webhook(ordered, "ordered", service, "incident"))
            .await;
        backend
            .insert_webhook(webhook(loose, "loose", service, "none"))
            .await;
        backend
            .insert_webhook(webhook(other_webhook, "bystander", other_service, "incident"))
            .await;
        let (dispatcher, opening) = opening(NODE);
        let store = backend.open(&opening).await.unwrap();
        let bystanders = Bystanders::remember_nothing(other_service, other_webhook);
        let mut world = Self {
            backend,
            store: Some(store),
            dispatcher,
            service,
            ann,
            bob,
            ordered,
            loose,
            bystanders,
            ids_made: Mutex::new(0),
        };
        world.add_bystanders().await;
        world
    }

    /// An incident of the other service with one delivered, one scheduled and one queued delivery, long ago.
    async fn add_bystanders(&mut self) {
        let long_ago = Timestamp::from_millis(START_MS).minus(Duration::from_secs(3600));
        let trigger = Trigger {
            service: ServiceKey::Id(self.bystanders.service),
            change: self.change(long_ago),
            ..self.new_trigger("bystander")
        };
        let incident = created(self.store().incidents.trigger(trigger).await.unwrap());
        let claimed = self.claim(self.bystanders.webhook, 1, long_ago).await;
        self.record(&claimed.deliveries[0], NextStep::Delivered, long_ago)
            .await;
        for action in [IncidentAction::Acknowledge, IncidentAction::Resolve] {
            self.act(incident.id, action, long_ago).await;
        }
        self.dispatcher.forget();
        let (service, webhook) = (self.bystanders.service, self.bystanders.webhook);
        self.bystanders = Bystanders::remember(self.backend.as_ref(), service, webhook).await;
    }

    pub async fn expect_bystanders_untouched(&self) {
        self.bystanders.expect_untouched(self.backend.as_ref()).await;
    }

    /// The open store.
    pub fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Closes the store, lets something be done to it, and opens it again as a node.
    pub async fn restart_as(&mut self, node: i64, meanwhile: impl AsyncFnOnce(&dyn Backend)) {
        self.store = None;
        meanwhile(self.backend.as_ref()).await;
        let (dispatcher, opening) = opening(node);
        self.store = Some(self.backend.open(&opening).await.unwrap());
        self.dispatcher = dispatcher;
    }

    /// So many milliseconds after the start.
    pub fn at(&self, ms: i64) -> Timestamp {
        Timestamp::from_millis(START_MS + ms)
    }

    fn bits(&self) -> [u8; 10] {
        let mut made = self.ids_made.lock().unwrap();
        *made += 1;
        let mut bits = [0; 10];
        bits[2..].copy_from_slice(&made.to_be_bytes());
        bits
    }

    pub fn change(&self, at: Timestamp) -> Change {
        Change {
            actor: Actor::System,
            at,
            audit_id: AuditId::new(at, self.bits()),
        }
    }

    pub fn event_id(&self, at: Timestamp) -> EventId {
        EventId::new(at, self.bits())
    }

    /// A trigger for the service, at the start.
    pub fn new_trigger(&self, title: &str) -> Trigger {
        let at = self.at(0);
        Trigger {
            incident_id: IncidentId::new(at, self.bits()),
            event_id: self.event_id(at),
            title: title.to_owned(),
            description: None,
            severity: Severity::Critical,
            service: ServiceKey::Id(self.service),
            assignee: None,
            dedup_key: None,
            change: self.change(at),
            receipt: None,
        }
    }

    /// Triggers an incident at the start.
    pub async fn trigger(&self, title: &str) -> Incident {
        let trigger = self.new_trigger(title);
        created(self.store().incidents.trigger(trigger).await.unwrap())
    }

    pub fn new_transition(&self, id: IncidentId, action: IncidentAction, at: Timestamp) -> TransitionRequest {
        TransitionRequest {
            incident_id: id,
            action,
            event_id: self.event_id(at),
            change: self.change(at),
            receipt: None,
        }
    }

    pub async fn act(&self, id: IncidentId, action: IncidentAction, at: Timestamp) -> Committed {
        let request = self.new_transition(id, action, at);
        self.store().incidents.transition(request).await.unwrap()
    }

    pub async fn claim(&self, webhook_id: WebhookId, limit: u32, now: Timestamp) -> Claimed {
        let request = ClaimRequest { webhook_id, limit };
        let mut claimed = self.store().queue.claim_due(vec![request], now).await.unwrap();
        claimed.remove(0)
    }

    /// An attempt of a claimed delivery, with what follows.
    pub fn attempt(&self, delivery: &ClaimedDelivery, next_step: NextStep, now: Timestamp) -> AttemptRecord {
        let outcome = match next_step {
            NextStep::Delivered => Outcome::Delivered,
            NextStep::Retry { .. } | NextStep::Hold { .. } | NextStep::Dead => Outcome::Failed(Failure {
                code: FailureCode::ServerError,
                detail: "answered 500".into(),
                retry_after: Some(Duration::from_secs(7)),
                disposition: model::attempt::Disposition::Backoff,
            }),
        };
        let attempt = Attempt {
            id: AttemptId::new(now, self.bits()),
            number: delivery.attempts_made + 1,
            started_at: now,
            timings: PhaseTimings {
                connect_us: Some(11),
                total_us: 1234,
                ..PhaseTimings::default()
            },
            remote_address: "192.0.2.1:443".parse().ok(),
            outcome,
            status: Some(500),
            request_head: "POST / HTTP/1.1".into(),
            request_body: None,
            response_head: "server: test".into(),
            response_body: Bytes::from_static(b"oh"),
            response_body_is_truncated: true,
            note: None,
        };
        AttemptRecord {
            delivery_id: delivery.id,
            webhook_id: delivery.webhook_id,
            incident_id: delivery.event.incident_id,
            delivery_created_at: delivery.created_at,
            is_test: delivery.event.is_test,
            is_operational: delivery.event.operational.is_some(),
            event_sequence: delivery.event.sequence,
            claim: delivery.claim,
            attempt,
            next_step,
            spent: Spending {
                attempts: delivery.spent.attempts + 1,
                ..delivery.spent
            },
            state_updates: Default::default(),
            ticket_content: None,
            // As the backend inserts them.
            settings_of: Timestamp::from_millis(1),
            disable_webhook: None,
        }
    }

    pub async fn record(&self, delivery: &ClaimedDelivery, next_step: NextStep, now: Timestamp) -> Recorded {
        let record = self.attempt(delivery, next_step, now);
        self.store().queue.record([record].into(), now).await.unwrap()[0]
    }

    /// Claims the one due delivery of a webhook and records what came of it.
    pub async fn finish_next(&self, webhook: WebhookId, step: NextStep, now: Timestamp) -> ClaimedDelivery {
        let delivery = self.claim(webhook, 1, now).await.deliveries.remove(0);
        assert_eq!(self.record(&delivery, step, now).await, Recorded::Applied);
        delivery
    }

    pub async fn list(&self, filter: DeliveryFilter) -> Vec<Delivery> {
        let page = Page::first();
        self.store().deliveries.list(filter, page).await.unwrap().rows
    }

    /// A lane's deliveries, in the order of their events.
    pub async fn lane(&self, webhook: WebhookId, incident: IncidentId) -> Vec<Delivery> {
        let filter = DeliveryFilter {
            webhook_id: Some(webhook),
            incident_id: Some(incident),
            ..DeliveryFilter::default()
        };
        let mut deliveries = self.list(filter).await;
        deliveries.sort_by_key(|delivery| delivery.event_sequence);
        deliveries
    }

    /// The states of a lane's deliveries, in the order of their events.
    pub async fn states(&self, webhook: WebhookId, incident: IncidentId) -> Vec<DeliveryState> {
        let lane = self.lane(webhook, incident).await;
        lane.into_iter().map(|delivery| delivery.state).collect()
    }
}

fn opening(node: i64) -> (Arc<RecordingHandOver>, Opening) {
    let dispatcher = Arc::<RecordingHandOver>::default();
    let opening = Opening {
        node,
        delivery_sink: Arc::clone(&dispatcher) as _,
        ..Opening::default()
    };
    (dispatcher, opening)
}

/// The incident that a trigger created.
pub fn created(committed: Committed) -> Incident {
    match committed {
        Committed::Created(incident) => incident,
        other => panic!("expected a new incident, not {other:?}"),
    }
}

/// The incident that a transition changed.
pub fn changed(committed: Committed) -> Incident {
    match committed {
        Committed::Changed(incident) => incident,
        other => panic!("expected a change, not {other:?}"),
    }
}

/// A dispatcher that has as much room as it is told and remembers what it was told.
#[derive(Default)]
pub struct RecordingHandOver {
    room: Mutex<u32>,
    pub reserved: Mutex<Vec<WebhookId>>,
    pub taken: Mutex<Vec<ClaimedDelivery>>,
    pub cancelled: Mutex<Vec<WebhookId>>,
    pub woken: Mutex<Vec<(WebhookId, Timestamp)>>,
    pub changed: Mutex<Vec<WebhookId>>,
    pub latest_event: Mutex<i64>,
    /// Events of incidents, in their order.
    pub moved: Mutex<Vec<(EventName, IncidentId)>>,
}

impl RecordingHandOver {
    pub fn make_room(&self, room: u32) {
        *self.room.lock().unwrap() = room;
    }

    pub fn woken(&self) -> Vec<(WebhookId, Timestamp)> {
        self.woken.lock().unwrap().clone()
    }

    pub fn forget(&self) {
        self.taken.lock().unwrap().clear();
        self.woken.lock().unwrap().clear();
        self.reserved.lock().unwrap().clear();
        self.cancelled.lock().unwrap().clear();
        self.changed.lock().unwrap().clear();
        self.moved.lock().unwrap().clear();
    }
}

impl DeliverySink for RecordingHandOver {
    fn reserve(&self, webhook_id: WebhookId) -> bool {
        let mut room = self.room.lock().unwrap();
        let has_room = *room > 0;
        if has_room {
            self.reserved.lock().unwrap().push(webhook_id);
        }
        *room = room.saturating_sub(1);
        has_room
    }

    fn cancel(&self, webhook_id: WebhookId) {
        self.cancelled.lock().unwrap().push(webhook_id);
    }

    fn take(&self, delivery: ClaimedDelivery) {
        self.taken.lock().unwrap().push(delivery);
    }

    fn wake(&self, webhook_id: WebhookId, due_at: Timestamp) {
        self.woken.lock().unwrap().push((webhook_id, due_at));
    }

    fn webhook_changed(&self, webhook_id: WebhookId) {
        self.changed.lock().unwrap().push(webhook_id);
    }

    fn events_up_to(&self, sequence: i64) {
        *self.latest_event.lock().unwrap() = sequence;
    }

    fn incident_moved(&self, event: &Event) {
        self.moved.lock().unwrap().push((event.name, event.incident_id));
    }
}
