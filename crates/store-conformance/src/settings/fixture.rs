//! A fresh store in a folder of its own, with bystanders in it.

use std::path::{Path, PathBuf};
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
use store::CommitObserver;
use store::DeliverySink;
use store::NoObserver;
use store::StoreResult;
use store::access::Access;
use store::catalog::{Policies, Services, Users};
use store::inboxes::Inboxes;
use store::receipts::{Answer, ReceiptState, Receipts};
use store::seal::{MasterKey, Sealer};
use store::sessions::Sessions;
use store::sign_in::SignIn;
use store::upkeep::Upkeep;
use store::webhooks::{Endpoints, Webhooks};
use store_sqlite::{Database, Settings};
use tempfile::TempDir;

use super::samples;

/// How to open a store again.
pub struct Opening {
    pub key: u8,
    pub previous_key: Option<u8>,
    pub node: i64,
    pub max_pages: Option<u32>,
    pub observer: Arc<dyn CommitObserver>,
}

impl Default for Opening {
    fn default() -> Self {
        Self {
            key: 1,
            previous_key: None,
            node: 1,
            max_pages: None,
            observer: Arc::new(NoObserver),
        }
    }
}

pub struct Backend {
    database: Arc<Database>,
    directory: TempDir,
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

impl Backend {
    pub fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let told = Arc::<Told>::default();
        let database = open_database(directory.path(), &Opening::default(), &told).unwrap();
        Self {
            database: Arc::new(database),
            directory,
            told,
            source: samples::source(),
        }
    }

    /// Closes the store and opens it again.
    pub fn reopen(self, opening: &Opening) -> Self {
        let Self {
            database,
            directory,
            told,
            source,
        } = self;
        drop(database);
        let database = open_database(directory.path(), opening, &told).unwrap();
        Self {
            database: Arc::new(database),
            directory,
            told,
            source,
        }
    }

    pub fn webhooks(&self) -> &dyn Webhooks {
        &*self.database
    }
    pub fn endpoints(&self) -> &dyn Endpoints {
        &*self.database
    }
    pub fn services(&self) -> &dyn Services {
        &*self.database
    }
    pub fn users(&self) -> &dyn Users {
        &*self.database
    }
    pub fn policies(&self) -> &dyn Policies {
        &*self.database
    }
    pub fn access(&self) -> &dyn Access {
        &*self.database
    }
    pub fn receipts(&self) -> &dyn Receipts {
        &*self.database
    }
    pub fn sign_in(&self) -> &dyn SignIn {
        &*self.database
    }
    pub fn sessions(&self) -> &dyn Sessions {
        &*self.database
    }
    pub fn inboxes(&self) -> &dyn Inboxes {
        &*self.database
    }
    pub fn upkeep(&self) -> &dyn Upkeep {
        &*self.database
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn file(&self) -> PathBuf {
        self.directory().join("opsknight.db")
    }

    /// The webhooks that the dispatcher was told of since the last question.
    pub fn told(&self) -> Vec<WebhookId> {
        std::mem::take(&mut self.told.0.lock().unwrap())
    }

    /// The actions in the audit log since it had `before` rows, oldest first.
    pub async fn actions_after(&self, before: usize) -> Vec<String> {
        let mut entries = self.access().list_audit(samples::everything()).await.unwrap();
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

    /// A connection beside the store, to plant what no contract here can make.
    pub fn beside(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.file()).unwrap()
    }

    pub fn count(&self, query: &str) -> i64 {
        self.beside().query_row(query, (), |row| row.get(0)).unwrap()
    }

    /// An event with one delivery in some state, made at a time, with one attempt, counted in the ledger.
    pub fn plant(&self, webhook_id: WebhookId, state: &str, made_at: Timestamp) -> DeliveryId {
        let id = self.plant_uncounted(webhook_id, state, made_at);
        self.beside()
            .execute(
                "UPDATE ledger SET accepted = accepted + 1 WHERE webhook_id = ?1",
                [webhook_id.as_bytes()],
            )
            .unwrap();
        id
    }

    pub fn plant_test(&self, webhook_id: WebhookId, state: &str, made_at: Timestamp) -> DeliveryId {
        let id = self.plant_uncounted(webhook_id, state, made_at);
        self.beside()
            .execute("UPDATE deliveries SET is_test = 1 WHERE id = ?1", [id.as_bytes()])
            .unwrap();
        id
    }

    fn plant_uncounted(&self, webhook_id: WebhookId, state: &str, made_at: Timestamp) -> DeliveryId {
        let id = DeliveryId::new(made_at, self.source.random());
        let incident_id = IncidentId::new(made_at, self.source.random());
        let sequence = self.plant_event(incident_id, made_at);
        let is_claimed = state == "claimed";
        let is_finished = state == "delivered" || state == "dead";
        let connection = self.beside();
        connection
            .execute(
                "INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, node, claim,
                     attempts_made, created_at, finished_at, last_failure)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, iif(?7, 1, NULL), iif(?7, 1, NULL), 1, ?6, iif(?8, ?6, NULL),
                     iif(?5 = 'dead', 'server_error', NULL))",
                (
                    id.as_bytes(),
                    webhook_id.as_bytes(),
                    incident_id.as_bytes(),
                    sequence,
                    state,
                    made_at.as_millis(),
                    is_claimed,
                    is_finished,
                ),
            )
            .unwrap();
        connection
            .execute(
                "INSERT INTO attempts (delivery_id, id, number, started_at, outcome, failure, total_us, request_head,
                     response_head, response_body, response_body_truncated)
                 VALUES (?1, ?1, 1, ?2, iif(?3 = 'delivered', 'delivered', 'failed'),
                     iif(?3 = 'delivered', NULL, 'server_error'), 1, '', '', x'', 0)",
                (id.as_bytes(), made_at.as_millis(), state),
            )
            .unwrap();
        id
    }

    /// A test's event, which has no incident.
    pub fn plant_event(&self, incident_id: IncidentId, at: Timestamp) -> i64 {
        let connection = self.beside();
        connection
            .execute(
                "INSERT INTO events (id, incident_id, name, at, actor, is_test, body)
                 VALUES (?1, ?2, 'incident.triggered', ?3, 'system', 1, x'7b7d')",
                (
                    EventId::new(at, self.source.random()).as_bytes(),
                    incident_id.as_bytes(),
                    at.as_millis(),
                ),
            )
            .unwrap();
        connection.last_insert_rowid()
    }

    /// Rows of every kind that a test does not touch.
    pub async fn plant_bystanders(&self) -> Bystanders {
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
        self.plant(webhook.id, "delivered", young);
        self.plant(webhook.id, "dead", young);
        self.plant(webhook.id, "scheduled", young);
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
    pub async fn see(&self, before: &Bystanders) -> Bystanders {
        self.look_at(before.ids).await
    }

    async fn look_at(&self, ids: BystanderIds) -> Bystanders {
        let receipt = self
            .receipts()
            .begin("bystander".into(), "key".into(), [9; 32], samples::now());
        let session = self.sessions().find(ids.session, samples::now());
        Bystanders {
            ids,
            service: self.services().get(ids.service).await.unwrap(),
            user: self.users().get(ids.user).await.unwrap(),
            policy: self.policies().get(ids.policy).await.unwrap(),
            webhook: self.webhooks().get(ids.webhook).await.unwrap(),
            secrets: self.endpoints().load(ids.webhook).await.unwrap().unwrap().secrets,
            key: self.access().find_key(ids.key).await.unwrap().unwrap(),
            receipt: receipt.await.unwrap(),
            deliveries: self.states_of(ids.webhook),
            session: session.await.unwrap().unwrap().0,
            inbox: self.inboxes().get(ids.inbox).await.unwrap(),
            inbox_requests: self.inboxes().requests(ids.inbox).await.unwrap(),
        }
    }

    /// The states of a webhook's deliveries, oldest first.
    pub fn states_of(&self, webhook_id: WebhookId) -> Vec<String> {
        let connection = self.beside();
        let mut statement = connection
            .prepare("SELECT state FROM deliveries WHERE webhook_id = ?1 ORDER BY id")
            .unwrap();
        let states = statement.query_map([webhook_id.as_bytes()], |row| row.get(0));
        states.unwrap().map(Result::unwrap).collect()
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
pub struct Bystanders {
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

pub fn open_database(directory: &Path, opening: &Opening, told: &Arc<Told>) -> StoreResult<Database> {
    let key = |byte| MasterKey::new([byte; 32]);
    let previous_key = opening.previous_key.map(key);
    Database::open(Settings {
        directory: directory.to_owned(),
        sealer: Sealer::new(&key(opening.key), previous_key.as_ref()),
        delivery_sink: Arc::clone(told) as Arc<dyn DeliverySink>,
        node: opening.node,
        observer: Arc::clone(&opening.observer),
        max_pages: opening.max_pages,
    })
}
