//! Rows that no contract makes or shows, past the contracts.

use model::id::{PolicyId, ServiceId, UserId, WebhookId};

use crate::{Backend, Value};

/// A webhook to be put into the store.
pub struct WebhookRow {
    pub id: WebhookId,
    pub name: &'static str,
    pub services: Vec<ServiceId>,
    pub ordering: &'static str,
    pub when_disabled: &'static str,
}

impl dyn Backend + '_ {
    pub async fn insert_user(&self, id: UserId, name: &str) {
        let sql = "INSERT INTO users (id, name, role, created_at) VALUES (?1, ?2, 'responder', 1)";
        self.execute(sql, &[id.as_bytes().into(), name.into()]).await;
    }

    /// Inserts a policy with these steps: minutes to wait, and who is called.
    pub async fn insert_policy(&self, id: PolicyId, steps: &[(u32, Option<UserId>)]) {
        let sql = "INSERT INTO policies (id, name, created_at) VALUES (?1, ?2, 1)";
        self.execute(sql, &[id.as_bytes().into(), id.to_string().as_str().into()])
            .await;
        for (position, (wait_minutes, assignee)) in (0..).zip(steps) {
            let sql = "INSERT INTO policy_steps (policy_id, position, wait_minutes, assignee_id) VALUES (?1, ?2, ?3, ?4)";
            let assignee = assignee.as_ref().map(UserId::as_bytes).into();
            let numbers = [Value::Integer(position), i64::from(*wait_minutes).into()];
            let [position, wait_minutes] = numbers;
            self.execute(sql, &[id.as_bytes().into(), position, wait_minutes, assignee])
                .await;
        }
    }

    pub async fn insert_service(&self, id: ServiceId, name: &str, policy: Option<PolicyId>) {
        let sql = "INSERT INTO services (id, name, policy_id, created_at) VALUES (?1, ?2, ?3, 1)";
        let policy = policy.as_ref().map(PolicyId::as_bytes).into();
        self.execute(sql, &[id.as_bytes().into(), name.into(), policy])
            .await;
    }

    pub async fn insert_webhook(&self, webhook: WebhookRow) {
        let services: Vec<_> = webhook.services.iter().map(ToString::to_string).collect();
        self.execute(
            "INSERT INTO webhooks (id, name, kind, url, events, services, severities, retry_schedule, timeout_ms,
                 concurrency, ordering, when_disabled, secret, header_names, created_at, updated_at)
             VALUES (?1, ?2, 'generic', 'https://example.com/', 31, ?3, '', '60000', 10000, 16, ?4, ?5, ?6, '[]', 1, 1)",
            &[
                webhook.id.as_bytes().into(),
                webhook.name.into(),
                services.join(" ").as_str().into(),
                webhook.ordering.into(),
                webhook.when_disabled.into(),
                Value::Bytes(vec![0]),
            ],
        )
        .await;
    }

    pub async fn disable_webhook(&self, id: WebhookId) {
        let sql = "UPDATE webhooks SET disabled_since = 1, disabled_reason = 'by hand' WHERE id = ?1";
        self.execute(sql, &[id.as_bytes().into()]).await;
    }

    pub async fn enable_webhook(&self, id: WebhookId) {
        let sql = "UPDATE webhooks SET disabled_since = NULL, disabled_reason = NULL WHERE id = ?1";
        self.execute(sql, &[id.as_bytes().into()]).await;
    }

    pub async fn delete_webhook(&self, id: WebhookId) {
        let sql = "UPDATE webhooks SET deleted_at = 1 WHERE id = ?1";
        self.execute(sql, &[id.as_bytes().into()]).await;
    }

    /// Every row that belongs to a service, its incidents and a webhook, in a fixed order.
    pub async fn rows_of(&self, service: ServiceId, webhook: WebhookId) -> Vec<Vec<Value>> {
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
        for sql in by_service {
            rows.extend(self.query(&sql, &[service.as_bytes().into()]).await);
        }
        for sql in by_webhook {
            rows.extend(self.query(sql, &[webhook.as_bytes().into()]).await);
        }
        rows
    }

    /// How many deliveries of a webhook the ledger says were accepted.
    pub async fn accepted(&self, webhook: WebhookId) -> i64 {
        let sql = "SELECT coalesce(max(accepted), 0) FROM ledger WHERE webhook_id = ?1";
        self.number(sql, &[webhook.as_bytes().into()]).await
    }

    /// How many deliveries of a webhook there are, tests left out.
    pub async fn deliveries(&self, webhook: WebhookId) -> i64 {
        let sql = "SELECT count(*) FROM deliveries WHERE webhook_id = ?1 AND is_test = FALSE";
        self.number(sql, &[webhook.as_bytes().into()]).await
    }

    /// Actions in the audit log about a subject.
    pub async fn audited(&self, subject: &str) -> Vec<String> {
        let sql = "SELECT action FROM audit WHERE subject = ?1 ORDER BY id";
        self.texts(sql, &[subject.into()]).await
    }

    /// Whether a webhook is disabled, and why.
    pub async fn disabled_reason(&self, webhook: WebhookId) -> Option<String> {
        let sql = "SELECT disabled_reason FROM webhooks WHERE id = ?1 AND disabled_reason IS NOT NULL";
        self.texts(sql, &[webhook.as_bytes().into()]).await.pop()
    }
}
