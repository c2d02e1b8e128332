//! A look at a PostgreSQL without a server: `opsknight doctor --database`. It changes nothing, not even the schema.

use std::sync::Arc;
use std::time::Duration;

use clock::Env;
use model::secret::SecretText;
use store::seal::{MasterKey, Sealer};
use store::upkeep::{Finding, Upkeep};
use store::{NoObserver, NoSink, StoreResult};

/// How long one statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// As many connections as a server has if nothing else is set, to judge whether there is room for them.
const CONNECTIONS: usize = 16;

/// What was seen.
#[derive(Debug)]
pub struct DatabaseReport {
    /// Which PostgreSQL.
    pub backend: String,
    /// The number of the schema; 0 if there is none yet.
    pub schema_version: u32,
    /// The number that this program brings it to.
    pub known_version: u32,
    /// What is wrong with the server that keeps the data.
    pub of_server: Vec<Finding>,
    /// What the deep check of the data found; nothing if this program does not know their schema.
    pub of_data: Option<Vec<Finding>>,
}

/// Looks at a database.
pub async fn check(url: &SecretText, clock: &Env) -> StoreResult<DatabaseReport> {
    let database = store_postgres::Database::open_unchanged(store_postgres::Settings {
        url: url.reveal().to_owned(),
        pool_size: CONNECTIONS,
        statement_timeout: STATEMENT_TIMEOUT,
        mark_directory: None,
        node: 0,
        // Nothing is sealed or opened.
        sealer: Sealer::new(&MasterKey::new([0; 32]), None),
        delivery_sink: Arc::new(NoSink),
        observer: Arc::new(NoObserver),
    })
    .await?;
    let schema_version = database.schema_version();
    let known_version = store_postgres::known_schema();
    let of_server = database.examine_server(clock.now()).await?;
    let of_data = match schema_version == known_version {
        true => Some(database.examine(clock.now()).await?),
        false => None,
    };
    Ok(DatabaseReport {
        backend: format!("PostgreSQL {}", database.server_version()),
        schema_version,
        known_version,
        of_server,
        of_data,
    })
}
