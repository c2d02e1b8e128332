//! A fresh store, with bystanders in it.

use std::sync::{Arc, Mutex};

use clock::Env;
use model::access::{ApiKey, KeyHash};
use model::delivery::ClaimedDelivery;
use model::escalation::EscalationPolicy;
use model::id::{DeliveryId, EventId, InboxId, IncidentId, PolicyId, ServiceId, UserId, WebhookId};
use model::inbox::{Inbox, InboxRequest};
use model::service::Service;
use model::session::Session;
use model::time::Timestamp;
use model::user::User;
use model::webhook::{Webhook, WebhookSecrets};
use store::DeliverySink;
use store::Store;
use store::access::Access;
use store::access::AuditFilter;
use store::budgets::Budgets;
use store::catalog::{Policies, Services, Users};
use store::fleet::Fleet;
use store::identities::Identities;
use store::inboxes::Inboxes;
use store::passkeys::Passkeys;
use store::queue::Queue;
use store::receipts::{Answer, ReceiptState, Receipts};
use store::receiver_links::ReceiverLinks;
use store::second_factors::SecondFactors;
use store::sessions::Sessions;
use store::sign_in::SignIn;
use store::sources::Sources;
use store::upkeep::Upkeep;
use store::webhooks::{Endpoints, Webhooks};

use crate::{Backend, Opening, Value};

use super::samples;

/// An open store, and what cases do with it beside its contracts.
pub struct Fixture {
    backend: Arc<dyn Backend>,
    store: Store,
    told: Arc<Told>,
    pub source: Env,
}

/// The webhooks that the dispatcher was told have changed.
#[derive(Default)]
pub struct Told(Mutex<Vec<WebhookId>>);

impl DeliverySink for Told {
    fn reserve(&self, _: WebhookId) -> bool {
        false
    }
    fn cancel(&self, _: WebhookId) {}
    fn take(&self, _: ClaimedDelivery) {}
    fn wake(&self, _: WebhookId, _: Timestamp) {}
    fn webhook_changed(&self, webhook_id: WebhookId) {
        self.0.lock().unwrap().push(webhook_id);
    }
    fn events_up_to(&self, _: i64) {}
}

impl Fixture {
    pub async fn new(backend: Arc<dyn Backend>) -> Self {
        let told = Arc::<Told>::default();
        let store = backend.open(&Opening::default().told_to(&told)).await.unwrap();
        Self {
            backend,
            store,
            told,
            source: samples::source(),
        }
    }

    /// Closes the store and opens it again.
    pub async fn reopen(self, opening: Opening) -> Self {
        let Self {
            backend,
            store,
            told,
            source,
        } = self;
        drop(store);
        let store = backend.open(&opening.told_to(&told)).await.unwrap();
        Self {
            backend,
            store,
            told,
            source,
        }
    }

    pub fn webhooks(&self) -> &dyn Webhooks {
        &*self.store.webhooks
    }
    pub fn endpoints(&self) -> &dyn Endpoints {
        &*self.store.endpoints
    }
    pub fn services(&self) -> &dyn Services {
        &*self.store.services
    }
    pub fn users(&self) -> &dyn Users {
        &*self.store.users
    }
    pub fn policies(&self) -> &dyn Policies {
        &*self.store.policies
    }
    pub fn access(&self) -> &dyn Access {
        &*self.store.access
    }
    pub fn receipts(&self) -> &dyn Receipts {
        &*self.store.receipts
    }
    pub fn budgets(&self) -> &dyn Budgets {
        &*self.store.budgets
    }
    pub fn fleet(&self) -> &dyn Fleet {
        &*self.store.fleet
    }
    pub fn sign_in(&self) -> &dyn SignIn {
        &*self.store.sign_in
    }
    pub fn sessions(&self) -> &dyn Sessions {
        &*self.store.sessions
    }
    pub fn identities(&self) -> &dyn Identities {
        &*self.store.identities
    }
    pub fn passkeys(&self) -> &dyn Passkeys {
        &*self.store.passkeys
    }
    pub fn second_factors(&self) -> &dyn SecondFactors {
        &*self.store.second_factors
    }
    pub fn inboxes(&self) -> &dyn Inboxes {
        &*self.store.inboxes
    }
    pub fn receiver_links(&self) -> &dyn ReceiverLinks {
        &*self.store.receiver_links
    }

    pub fn sources(&self) -> &dyn Sources {
        &*self.store.sources
    }

    pub fn upkeep(&self) -> &dyn Upkeep {
        &*self.store.upkeep
    }

    pub fn queue(&self) -> &dyn Queue {
        &*self.store.queue
    }

    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// The webhooks that the dispatcher was told of since the last question.
    pub fn told(&self) -> Vec<WebhookId> {
        std::mem::take(&mut self.told.0.lock().unwrap())
    }

    /// The actions in the audit log since it had `before` rows, oldest first.
    pub async fn actions_after(&self, before: usize) -> Vec<String> {
        let mut entries = self
            .access()
            .list_audit(AuditFilter::default(), samples::everything())
            .await
            .unwrap()
            .rows;
        entries.reverse();
        entries
            .into_iter()
            .skip(before)
            .map(|entry| entry.action)
            .collect()
    }

    pub async fn audit_length(&self) -> usize {
        self.actions_after(0).await.len()
    }

    pub async fn execute(&self, sql: &str, values: &[Value]) {
        self.backend.execute(sql, values).await;
    }

    /// The number that a query finds.
    pub async fn count(&self, sql: &str) -> i64 {
        self.backend.number(sql, &[]).await
    }

    /// An event with one delivery in some state, made at a time, with one attempt, counted in the ledger.
    pub async fn plant(&self, webhook_id: WebhookId, state: &str, made_at: Timestamp) -> DeliveryId {
        let id = self.plant_uncounted(webhook_id, state, made_at).await;
        let sql = "UPDATE ledger SET accepted = accepted + 1 WHERE webhook_id = ?1";
        self.execute(sql, &[webhook_id.as_bytes().into()]).await;
        id
    }

    pub async fn plant_test(&self, webhook_id: WebhookId, state: &str, made_at: Timestamp) -> DeliveryId {
        let id = self.plant_uncounted(webhook_id, state, made_at).await;
        let sql = "UPDATE deliveries SET is_test = TRUE WHERE id = ?1";
        self.execute(sql, &[id.as_bytes().into()]).await;
        id
    }

    async fn plant_uncounted(&self, webhook_id: WebhookId, state: &str, made_at: Timestamp) -> DeliveryId {
        let id = DeliveryId::new(made_at, self.source.random());
        let incident_id = IncidentId::new(made_at, self.source.random());
        let sequence = self.plant_event(incident_id, made_at).await;
        let node = (state == "claimed").then_some(1);
        let finished_at = matches!(state, "delivered" | "dead").then_some(made_at.as_millis());
        let last_failure = (state == "dead").then_some("server_error");
        self.execute(
            "INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, node, claim,
                 attempts_made, created_at, finished_at, last_failure)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 1, ?6, ?8, ?9)",
            &[
                id.as_bytes().into(),
                webhook_id.as_bytes().into(),
                incident_id.as_bytes().into(),
                sequence.into(),
                state.into(),
                made_at.as_millis().into(),
                node.into(),
                finished_at.into(),
                last_failure.into(),
            ],
        )
        .await;
        let (outcome, failure) = match state {
            "delivered" => ("delivered", None),
            _ => ("failed", Some("server_error")),
        };
        self.execute(
            "INSERT INTO attempts (delivery_id, id, number, started_at, outcome, failure, total_us, request_head,
                 response_head, response_body, response_body_truncated)
             VALUES (?1, ?1, 1, ?2, ?3, ?4, 1, '', '', ?5, FALSE)",
            &[
                id.as_bytes().into(),
                made_at.as_millis().into(),
                outcome.into(),
                failure.into(),
                Value::Bytes(vec![]),
            ],
        )
        .await;
        id
    }

    /// A test's event, which has no incident, and its place in the feed.
    pub async fn plant_event(&self, incident_id: IncidentId, at: Timestamp) -> i64 {
        let id = EventId::new(at, self.source.random());
        self.execute(
            "INSERT INTO events (id, incident_id, name, at, actor, is_test, body)
             VALUES (?1, ?2, 'incident.triggered', ?3, 'system', TRUE, ?4)",
            &[
                id.as_bytes().into(),
                incident_id.as_bytes().into(),
                at.as_millis().into(),
                Value::Bytes(b"{}".to_vec()),
            ],
        )
        .await;
        self.count("SELECT max(sequence) FROM events").await
    }

    /// Rows of every kind that a test does not touch.
    pub async fn plant_bystanders(&self) -> SettingsBystanders {
        let source = &self.source;
        let change = || source.change(samples::actor(source));
        let user = samples::user(source, "Bystander");
        let user = self.users().create(user, change()).await.unwrap();
        let policy = samples::policy(source, "bystanders", Some(&user));
        let policy = self.policies().create(policy, change()).await.unwrap();
        let service = samples::service(source, "Bystanders", Some(policy.id));
        let service = self.services().create(service, change()).await.unwrap();
        let settings = samples::settings("bystander", vec![service.id]);
        let secrets = samples::secrets("bystander secret");
        let webhook = self
            .webhooks()
            .create(
                source.new_webhook_id(),
                settings,
                secrets,
                samples::enabled(),
                change(),
            )
            .await
            .unwrap();
        let key = samples::key(source, "bystander key");
        let key = self.access().create_key(key, change()).await.unwrap();
        self.receipts()
            .begin("bystander".into(), "key".into(), [9; 32], samples::now())
            .await
            .unwrap();
        let answer = Answer {
            status: 201,
            body: b"bystander answer".to_vec(),
        };
        self.receipts()
            .finish("bystander".into(), "key".into(), answer)
            .await
            .unwrap();
        let young = samples::now();
        self.plant(webhook.id, "delivered", young).await;
        self.plant(webhook.id, "dead", young).await;
        self.plant(webhook.id, "scheduled", young).await;
        let session = samples::session(source, user.id, "bystander token");
        self.sessions().begin(session.clone(), change()).await.unwrap();
        let inbox = samples::inbox(source, "Bystander");
        let inbox = self.inboxes().create(inbox, change()).await.unwrap();
        let request = samples::inbox_request(source, inbox.id, samples::now());
        self.inboxes().keep(request).await.unwrap();
        self.told();
        let ids = BystanderIds {
            service: service.id,
            user: user.id,
            policy: policy.id,
            webhook: webhook.id,
            key: key.hash,
            session: session.hash,
            inbox: inbox.id,
        };
        self.look_at(ids).await
    }

    /// The bystanders as they are now.
    pub async fn see(&self, before: &SettingsBystanders) -> SettingsBystanders {
        self.look_at(before.ids).await
    }

    async fn look_at(&self, ids: BystanderIds) -> SettingsBystanders {
        let receipt = self
            .receipts()
            .begin("bystander".into(), "key".into(), [9; 32], samples::now());
        let session = self.sessions().find(ids.session, samples::now());
        SettingsBystanders {
            ids,
            service: self.services().get(ids.service).await.unwrap(),
            user: self.users().get(ids.user).await.unwrap(),
            policy: self.policies().get(ids.policy).await.unwrap(),
            webhook: self.webhooks().get(ids.webhook).await.unwrap(),
            secrets: self.endpoints().load(ids.webhook).await.unwrap().unwrap().secrets,
            key: self.access().find_key(ids.key).await.unwrap().unwrap(),
            receipt: receipt.await.unwrap(),
            deliveries: self.states_of(ids.webhook).await,
            session: session.await.unwrap().unwrap().0,
            inbox: self.inboxes().get(ids.inbox).await.unwrap(),
            inbox_requests: self.inboxes().requests(ids.inbox).await.unwrap(),
        }
    }

    /// The states of a webhook's deliveries, oldest first.
    pub async fn states_of(&self, webhook_id: WebhookId) -> Vec<String> {
        let sql = "SELECT state FROM deliveries WHERE webhook_id = ?1 ORDER BY id";
        self.backend.texts(sql, &[webhook_id.as_bytes().into()]).await
    }
}

impl Opening {
    fn told_to(self, told: &Arc<Told>) -> Self {
        Self {
            delivery_sink: Arc::clone(told) as _,
            ..self
        }
    }
}

/// How to find the bystanders.
#[derive(Debug, Clone, Copy, PartialEq)]
struct BystanderIds {
    service: ServiceId,
    user: UserId,
    policy: PolicyId,
    webhook: WebhookId,
    key: KeyHash,
    session: KeyHash,
    inbox: InboxId,
}

/// What must be the same after a test.
#[derive(Debug, PartialEq)]
pub struct SettingsBystanders {
    ids: BystanderIds,
    pub service: Service,
    pub user: User,
    pub policy: EscalationPolicy,
    pub webhook: Webhook,
    pub secrets: WebhookSecrets,
    pub key: ApiKey,
    pub receipt: ReceiptState,
    pub deliveries: Vec<String>,
    pub session: Session,
    pub inbox: Inbox,
    pub inbox_requests: Vec<InboxRequest>,
}
