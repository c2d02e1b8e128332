//! Opens the store that the settings name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};

use clock::Env;
use config::{Config, Database};
use engine::dispatch_handle::DispatchHandle;
use engine::rescuer;
use model::secret::SecretText;
use store::seal::Sealer;
use store::{Store, StoreError, StoreResult};

use super::pages::CommitWatch;
use crate::master_key::{self, MasterKeys};

/// The folder of backups in the data directory.
const BACKUPS: &str = "backups";
/// How often the first heartbeat is tried. Each has a second: a busy database may need more than once.
const FIRST_HEARTBEATS: u32 = 10;
/// The pause between two of them.
const HEARTBEAT_PAUSE: Duration = Duration::from_millis(500);

/// Opens the store, and takes back what an earlier run had in hand.
pub async fn open_store(
    config: &Config,
    source: &Env,
    inbox: &Arc<DispatchHandle>,
    watch: CommitWatch,
) -> anyhow::Result<Store> {
    let store = match &config.database {
        Database::Sqlite => open_sqlite(config, source, inbox, watch)?,
        Database::Postgres(url) => open_postgres(config, url, source, inbox, watch).await?,
    };
    take_back(&store, source, inbox).await?;
    Ok(store)
}

/// Where backups are made; nothing if the database's own tools make them.
pub fn backup_directory(config: &Config) -> Option<PathBuf> {
    match config.database {
        Database::Sqlite => Some(config.data.join(BACKUPS)),
        Database::Postgres(_) => None,
    }
}

fn open_sqlite(
    config: &Config,
    source: &Env,
    inbox: &Arc<DispatchHandle>,
    watch: CommitWatch,
) -> anyhow::Result<Store> {
    let keys = master_key::load(&config.data, config::environment, source)?;
    Ok(store_sqlite::open(store_sqlite::Settings {
        directory: config.data.clone(),
        sealer: sealer(&keys),
        delivery_sink: Arc::clone(inbox) as Arc<dyn store::DeliverySink>,
        node: i64::from(u32::from_le_bytes(source.random())),
        observer: Arc::new(watch),
        max_pages: config.max_database_bytes.map(store_sqlite::pages_of),
    })?)
}

async fn open_postgres(
    config: &Config,
    url: &SecretText,
    source: &Env,
    inbox: &Arc<DispatchHandle>,
    watch: CommitWatch,
) -> anyhow::Result<Store> {
    if config.max_database_bytes.is_some() {
        bail!(
            "the setting max_database_size bounds an SQLite file; leave it empty, and bound PostgreSQL's disk where it runs"
        );
    }
    let keys = master_key::load_shared(&config.data, config::environment)?;
    let database = store_postgres::Database::open_as_server(store_postgres::Settings {
        url: url.reveal().to_owned(),
        pool_size: usize::try_from(config.postgres.connections)?,
        statement_timeout: config.postgres.statement_timeout,
        mark_directory: Some(config.data.clone()),
        sealer: sealer(&keys),
        delivery_sink: Arc::clone(inbox) as Arc<dyn store::DeliverySink>,
        // Unlike that of every other node, whenever it was started.
        node: i64::from_le_bytes(source.random()) & i64::MAX,
        observer: Arc::new(watch),
    })
    .await
    .context("the database cannot be used")?;
    Ok(database.into())
}

fn sealer(keys: &MasterKeys) -> Sealer {
    Sealer::new(&keys.current, keys.previous.as_ref())
}

/// Whatever an earlier run had in hand is free again before anything new is claimed.
async fn take_back(store: &Store, source: &Env, inbox: &DispatchHandle) -> anyhow::Result<()> {
    take_lease(store, source, inbox).await?;
    let freed = store.queue.rescue(source.now()).await?;
    if freed > 0 {
        tracing::info!(
            freed,
            "deliveries that were in flight when the last run ended will be sent again"
        );
    }
    Ok(())
}

async fn take_lease(store: &Store, source: &Env, inbox: &DispatchHandle) -> StoreResult<()> {
    for _ in 1..FIRST_HEARTBEATS {
        match rescuer::renew_lease(store, source, inbox).await {
            Err(StoreError::Unavailable(reason)) => {
                tracing::warn!(
                    reason,
                    "the database does not answer a heartbeat in time; trying again"
                );
            }
            taken => return taken.map(drop),
        }
        tokio::time::sleep(HEARTBEAT_PAUSE).await;
    }
    rescuer::renew_lease(store, source, inbox).await.map(drop)
}
