//! The webhooks, to decide which get an event. They are read again when one has changed: the database marks each change, so
//! that a transaction that finds a known mark knows them already.

use std::sync::{Arc, Mutex, PoisonError};

use model::webhook::Webhook;
use store::StoreError;
use store::StoreResult;

use super::columns::{WEBHOOK_COLUMNS, bytes, value, webhook_from_row};
use super::connection::Connection;

/// The mark of the latest change that is visible, and the webhooks after it.
type Marked = ([u8; 16], Arc<Vec<Webhook>>);

/// What this node has read last.
#[derive(Default)]
pub struct Subscriptions(Mutex<Option<Marked>>);

impl Subscriptions {
    /// Every webhook that is not deleted, oldest first, as the transaction sees them now.
    pub async fn load(&self, connection: &Connection) -> StoreResult<Arc<Vec<Webhook>>> {
        let sql = "SELECT mark FROM webhook_changes";
        let mark = connection
            .read_one(sql, &[], |row| bytes::<16>(row, "mark"))
            .await?;
        let mark = mark.ok_or_else(no_mark)?;
        let known = self.known();
        if let Some((_, webhooks)) = known.filter(|(known, _)| *known == mark) {
            return Ok(webhooks);
        }
        let (mark, webhooks) = read(connection).await?;
        let webhooks = Arc::new(webhooks);
        self.keep(mark, &webhooks);
        Ok(webhooks)
    }

    fn known(&self) -> Option<Marked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, mark: [u8; 16], webhooks: &Arc<Vec<Webhook>>) {
        let marked = Some((mark, Arc::clone(webhooks)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = marked;
    }
}

/// The mark and the webhooks in one statement: of one moment.
pub async fn read(connection: &Connection) -> StoreResult<([u8; 16], Vec<Webhook>)> {
    let sql = format!(
        "SELECT mark, is_there, {WEBHOOK_COLUMNS} FROM (SELECT mark FROM webhook_changes) AS latest LEFT JOIN
             (SELECT TRUE AS is_there, webhooks.* FROM webhooks WHERE deleted_at IS NULL) AS w ON TRUE ORDER BY w.id"
    );
    let from_row = |row: &tokio_postgres::Row| {
        let is_there: Option<bool> = value(row, "is_there")?;
        let webhook = is_there.map(|_| webhook_from_row(row)).transpose()?;
        Ok((bytes::<16>(row, "mark")?, webhook))
    };
    let rows = connection.read_all(&sql, &[], from_row).await?;
    let (mark, _) = rows.first().ok_or_else(no_mark)?;
    Ok((
        *mark,
        rows.into_iter().filter_map(|(_, webhook)| webhook).collect(),
    ))
}

fn no_mark() -> StoreError {
    StoreError::Corrupt("nothing says whether webhooks have changed".into())
}
