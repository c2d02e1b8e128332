//! A database of one round: made for it, and dropped after it. No other database is touched.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio_postgres::{Client, NoTls};

use crate::cluster::Cluster;
use crate::postmaster::Postmaster;

/// How many there have been in this process: part of the name.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The database.
pub struct FreshDatabase {
    /// Where it is.
    pub url: String,
    name: String,
    client: Client,
    postmaster: Option<Postmaster>,
}

/// What the PostgreSQL has spent so far.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseCost {
    /// Processor time, if it runs on this machine.
    pub cpu: Option<Duration>,
    /// Bytes written to its log.
    pub wal_bytes: u64,
}

impl FreshDatabase {
    /// Makes it. One that exists under its name is left alone.
    pub async fn create(cluster: &Cluster) -> anyhow::Result<Self> {
        let client = connect(&cluster.url(None)).await?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("opsknight_bench_{}_{number}", std::process::id());
        client
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .context("the bench needs a database of its own, and cannot make one")?;
        let row = client.query_one("SELECT pg_backend_pid()", &[]).await?;
        let backend = u32::try_from(row.try_get::<_, i32>(0)?)?;
        Ok(Self {
            url: cluster.url(Some(&name)),
            postmaster: Postmaster::of_backend(backend),
            name,
            client,
        })
    }

    /// What all of the PostgreSQL has spent: nothing else should be using it.
    pub async fn cost(&self) -> anyhow::Result<DatabaseCost> {
        let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
        let row = self.client.query_one(sql, &[]).await?;
        Ok(DatabaseCost {
            cpu: self.postmaster.and_then(Postmaster::cpu),
            wal_bytes: u64::try_from(row.try_get::<_, i64>(0)?)?,
        })
    }

    /// Drops it, with whoever still uses it.
    pub async fn drop(self) -> anyhow::Result<()> {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let dropped = self.client.batch_execute(&sql).await;
        dropped.with_context(|| format!("the database {} cannot be dropped", self.name))
    }
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let connected = tokio_postgres::connect(url, NoTls).await;
    let (client, connection) =
        connected.context("the bench cannot connect to the database (it does not speak TLS)")?;
    // It ends with the client; what goes wrong in it, the next statement says.
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    Ok(client)
}
