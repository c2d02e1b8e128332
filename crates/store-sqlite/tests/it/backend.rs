//! The SQLite backend under test, with a second connection to put rows in and to look at them.

use std::sync::Arc;

use async_trait::async_trait;
use model::id::{PolicyId, ServiceId, UserId, WebhookId};
use rusqlite::{Connection, Params};
use store::DeliverySink;
use store::NoObserver;
use store::seal::{MasterKey, Sealer};
use store_sqlite::{Database, Settings};

use super::backend::{Backend, Handles, WebhookRow};

pub struct SqliteBackend {
    directory: tempfile::TempDir,
}

impl SqliteBackend {
    /// A new, empty store.
    pub fn new() -> Self {
        let backend = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        drop(backend.database(0, Arc::new(store::NoSink)));
        backend
    }

    fn database(&self, node: i64, delivery_sink: Arc<dyn DeliverySink>) -> Database {
        let settings = Settings {
            directory: self.directory.path().to_owned(),
            sealer: Sealer::new(&MasterKey::new([7; 32]), None),
            delivery_sink,
            node,
            observer: Arc::new(NoObserver),
            max_pages: None,
        };
        Database::open(settings).unwrap()
    }

    fn connection(&self) -> Connection {
        let connection = Connection::open(self.directory.path().join("opsknight.db")).unwrap();
        connection
            .busy_timeout(std::time::Duration::from_secs(5))
            .unwrap();
        connection
    }

    fn run(&self, sql: &str, params: impl Params) {
        self.connection().execute(sql, params).unwrap();
    }

    fn number(&self, sql: &str, params: impl Params) -> i64 {
        self.connection()
            .query_row(sql, params, |row| row.get(0))
            .unwrap()
    }

    fn texts(&self, sql: &str, params: impl Params) -> Vec<String> {
        let connection = self.connection();
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement
            .query_map(params, |row| {
                let values = (0..columns).map(|index| row.get::<_, rusqlite::types::Value>(index));
                Ok(format!("{:?}", values.collect::<Result<Vec<_>, _>>()?))
            })
            .unwrap();
        rows.map(Result::unwrap).collect()
    }
}

#[async_trait]
impl Backend for SqliteBackend {
    async fn open(&self, node: i64, delivery_sink: Arc<dyn DeliverySink>) -> Handles {
        let database = Arc::new(self.database(node, delivery_sink));
        Handles {
            incidents: Arc::clone(&database) as _,
            events: Arc::clone(&database) as _,
            queue: Arc::clone(&database) as _,
            deliveries: Arc::clone(&database) as _,
            overview: Arc::clone(&database) as _,
            endpoints: Arc::clone(&database) as _,
            tickets: Arc::clone(&database) as _,
            ticket_polls: database,
        }
    }

    async fn insert_user(&self, id: UserId, name: &str) {
        let sql = "INSERT INTO users (id, name, role, created_at) VALUES (?1, ?2, 'responder', 1)";
        self.run(sql, (id.as_bytes(), name));
    }

    async fn insert_policy(&self, id: PolicyId, steps: &[(u32, Option<UserId>)]) {
        let sql = "INSERT INTO policies (id, name, created_at) VALUES (?1, ?2, 1)";
        self.run(sql, (id.as_bytes(), id.to_string()));
        for (position, (wait_minutes, assignee)) in steps.iter().enumerate() {
            let sql = "INSERT INTO policy_steps (policy_id, position, wait_minutes, assignee_id) VALUES (?1, ?2, ?3, ?4)";
            let assignee = assignee.map(|id| *id.as_bytes());
            let position = u32::try_from(position).unwrap();
            self.run(sql, (id.as_bytes(), position, wait_minutes, assignee));
        }
    }

    async fn insert_service(&self, id: ServiceId, name: &str, policy: Option<PolicyId>) {
        let sql = "INSERT INTO services (id, name, policy_id, created_at) VALUES (?1, ?2, ?3, 1)";
        self.run(sql, (id.as_bytes(), name, policy.map(|id| *id.as_bytes())));
    }

    async fn insert_webhook(&self, webhook: WebhookRow) {
        let services: Vec<_> = webhook.services.iter().map(ToString::to_string).collect();
        self.run(
            "INSERT INTO webhooks (id, name, kind, url, events, services, severities, retry_schedule, timeout_ms,
                 concurrency, ordering, when_disabled, secret, header_names, created_at, updated_at)
             VALUES (?1, ?2, 'generic', 'https://example.com/', 31, ?3, '', '60000', 10000, 16, ?4, ?5, x'00', '[]', 1, 1)",
            (
                webhook.id.as_bytes(),
                webhook.name,
                services.join(" "),
                webhook.ordering,
                webhook.when_disabled,
            ),
        );
    }

    async fn disable_webhook(&self, id: WebhookId) {
        let sql = "UPDATE webhooks SET disabled_since = 1, disabled_reason = 'by hand' WHERE id = ?1";
        self.run(sql, [id.as_bytes()]);
    }

    async fn enable_webhook(&self, id: WebhookId) {
        let sql = "UPDATE webhooks SET disabled_since = NULL, disabled_reason = NULL WHERE id = ?1";
        self.run(sql, [id.as_bytes()]);
    }

    async fn delete_webhook(&self, id: WebhookId) {
        self.run(
            "UPDATE webhooks SET deleted_at = 1 WHERE id = ?1",
            [id.as_bytes()],
        );
    }

    async fn rows_of(&self, service: ServiceId, webhook: WebhookId) -> Vec<String> {
        let service = [service.as_bytes()];
        let webhook = [webhook.as_bytes()];
        let incidents = "(SELECT id FROM incidents WHERE service_id = ?1)";
        let by_service = [
            "SELECT * FROM services WHERE id = ?1".to_owned(),
            "SELECT * FROM incidents WHERE service_id = ?1 ORDER BY id".to_owned(),
            format!("SELECT * FROM events WHERE incident_id IN {incidents} ORDER BY sequence"),
            format!("SELECT * FROM notes WHERE incident_id IN {incidents} ORDER BY id"),
            format!("SELECT * FROM deliveries WHERE incident_id IN {incidents} ORDER BY id"),
        ];
        let by_webhook = [
            "SELECT * FROM webhooks WHERE id = ?1",
            "SELECT * FROM ledger WHERE webhook_id = ?1",
            "SELECT * FROM deliveries WHERE webhook_id = ?1 ORDER BY id",
            "SELECT * FROM activity WHERE webhook_id = ?1 ORDER BY period_at",
            "SELECT * FROM attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE webhook_id = ?1) ORDER BY id",
        ];
        let mut rows = Vec::new();
        rows.extend(by_service.iter().flat_map(|sql| self.texts(sql, service)));
        rows.extend(by_webhook.iter().flat_map(|sql| self.texts(sql, webhook)));
        rows
    }

    async fn accepted(&self, webhook: WebhookId) -> i64 {
        let sql = "SELECT coalesce(max(accepted), 0) FROM ledger WHERE webhook_id = ?1";
        self.number(sql, [webhook.as_bytes()])
    }

    async fn deliveries(&self, webhook: WebhookId) -> i64 {
        let sql = "SELECT count(*) FROM deliveries WHERE webhook_id = ?1 AND is_test = 0";
        self.number(sql, [webhook.as_bytes()])
    }

    async fn audited(&self, subject: &str) -> Vec<String> {
        let connection = self.connection();
        let mut statement = connection
            .prepare("SELECT action FROM audit WHERE subject = ?1 ORDER BY id")
            .unwrap();
        let actions = statement.query_map([subject], |row| row.get(0)).unwrap();
        actions.map(Result::unwrap).collect()
    }

    async fn disabled_reason(&self, webhook: WebhookId) -> Option<String> {
        let sql = "SELECT disabled_reason FROM webhooks WHERE id = ?1";
        self.connection()
            .query_row(sql, [webhook.as_bytes()], |row| row.get(0))
            .unwrap()
    }
}
