//! Exports without a server: `opsknight export --data` and `--database`. They are read and written as a server does it, by the same
//! code, and no row is changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::exports::Exports;
use axum::response::Response;
use clock::Env;
use http::Uri;
use model::secret::SecretText;
use store::seal::{MasterKey, Sealer};
use store::{NoObserver, NoSink, Store, StoreError};
use tokio::sync::watch;

/// How long one statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// One for pages, and one for what a page leads to.
const CONNECTIONS: usize = 2;

/// Where the data are.
#[derive(Debug)]
pub enum Place {
    /// The data directory of a server that is stopped.
    Directory(PathBuf),
    /// A PostgreSQL, whether or not servers run on it.
    Database(SecretText),
}

/// Why nothing can be read: a stable code, a sentence, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence} ({code}); {advice}")]
pub struct OfflineError {
    pub code: &'static str,
    pub sentence: String,
    pub advice: &'static str,
}

/// A store that is open for exports.
pub struct OfflineExport(Exports);

impl OfflineExport {
    /// Opens the store of a place.
    pub async fn open(place: Place, clock: &Env) -> Result<Self, OfflineError> {
        let store = match place {
            Place::Directory(directory) => open_directory(directory, clock)?,
            Place::Database(url) => open_database(&url).await?,
        };
        let (_, stopping) = watch::channel(false);
        Ok(Self(Exports::new(store, stopping)))
    }

    /// An export as the API would answer it, under its name there and with the parameters of this address.
    pub async fn begin(&self, what: &str, uri: &Uri) -> Response {
        self.0.for_owner(what, uri).await
    }
}

fn open_directory(directory: PathBuf, clock: &Env) -> Result<Store, OfflineError> {
    if !directory.join(store_sqlite::FILE_NAME).exists() {
        return Err(OfflineError {
            code: "no_data",
            sentence: format!("{} holds no data of OpsKnight", directory.display()),
            advice: "give the data directory of the server with --data",
        });
    }
    let opened = store_sqlite::Database::open_for_transfer(store_sqlite::Settings {
        directory,
        sealer: no_sealer(),
        delivery_sink: Arc::new(NoSink),
        node: i64::from(u32::from_le_bytes(clock.random())),
        observer: Arc::new(NoObserver),
        max_pages: None,
    });
    let unavailable = |error: StoreError| OfflineError {
        code: "source_unavailable",
        sentence: error.to_string(),
        advice: "stop the server that uses the folder, or ask it: --url instead of --data",
    };
    opened.map(Store::from).map_err(unavailable)
}

async fn open_database(url: &SecretText) -> Result<Store, OfflineError> {
    let opened = store_postgres::Database::open_unchanged(store_postgres::Settings {
        url: url.reveal().to_owned(),
        pool_size: CONNECTIONS,
        statement_timeout: STATEMENT_TIMEOUT,
        mark_directory: None,
        node: 0,
        sealer: no_sealer(),
        delivery_sink: Arc::new(NoSink),
        observer: Arc::new(NoObserver),
    })
    .await;
    let database = opened.map_err(|error| OfflineError {
        code: "source_unavailable",
        sentence: error.to_string(),
        advice: "check the address of the database, and that it answers",
    })?;
    let (present, known) = (database.schema_version(), store_postgres::known_schema());
    if present != known {
        return Err(OfflineError {
            code: "other_schema",
            sentence: format!("the database has schema {present}, and this program knows {known}"),
            advice: "use the program of the servers that run on it",
        });
    }
    Ok(Store::from(database))
}

/// Nothing that is exported is sealed, and no key has to be at hand.
fn no_sealer() -> Sealer {
    Sealer::new(&MasterKey::new([0; 32]), None)
}
