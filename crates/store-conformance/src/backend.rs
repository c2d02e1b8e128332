//! What a backend must offer to be tested.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use store::seal::{MasterKey, Sealer};
use store::{CommitObserver, DeliverySink, NoObserver, NoSink, Store, StoreResult};

/// A store of some kind, and a way past its contracts to put rows in and to look at them.
///
/// Statements are SQL that every backend understands: parameters are `?1`, `?2`, …, the tables have the columns of the
/// migrations. Webhooks are changed by statements only while no store is open: a store may keep them in memory.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Opens the store. The one that was opened before is gone by then.
    async fn open(&self, opening: &Opening) -> StoreResult<Store>;

    /// Opens a file that [`Upkeep::backup`](store::upkeep::Upkeep::backup) wrote.
    async fn open_backup(&self, file: &Path, opening: &Opening) -> StoreResult<Store>;

    /// Runs a statement.
    async fn execute(&self, sql: &str, values: &[Value]);

    /// The rows that a query finds.
    async fn query(&self, sql: &str, values: &[Value]) -> Vec<Vec<Value>>;

    /// Everything that the store has on disk.
    async fn stored_bytes(&self) -> Vec<u8>;

    /// What `info` says that the store is, up to its version.
    fn name(&self) -> &'static str;
}

/// How to open a store.
pub struct Opening {
    pub key: u8,
    pub previous_key: Option<u8>,
    pub node: i64,
    pub delivery_sink: Arc<dyn DeliverySink>,
    pub observer: Arc<dyn CommitObserver>,
}

impl Default for Opening {
    fn default() -> Self {
        Self {
            key: 1,
            previous_key: None,
            node: 1,
            delivery_sink: Arc::new(NoSink),
            observer: Arc::new(NoObserver),
        }
    }
}

impl Opening {
    pub fn sealer(&self) -> Sealer {
        let key = |byte| MasterKey::new([byte; 32]);
        Sealer::new(&key(self.key), self.previous_key.map(key).as_ref())
    }
}

/// A value in a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&[u8; 16]> for Value {
    fn from(id: &[u8; 16]) -> Self {
        Self::Bytes(id.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl dyn Backend + '_ {
    /// The number that a query finds, in its first row and column.
    pub async fn number(&self, sql: &str, values: &[Value]) -> i64 {
        match self.query(sql, values).await.first().and_then(|row| row.first()) {
            Some(Value::Integer(number)) => *number,
            other => panic!("{sql} finds no number but {other:?}"),
        }
    }

    /// The texts that a query finds in its first column.
    pub async fn texts(&self, sql: &str, values: &[Value]) -> Vec<String> {
        let rows = self.query(sql, values).await.into_iter();
        rows.map(|row| match row.into_iter().next() {
            Some(Value::Text(text)) => text,
            other => panic!("{sql} finds no text but {other:?}"),
        })
        .collect()
    }
}
