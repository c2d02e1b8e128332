//! What happens when the database gets in the way: deadlocks, closed connections, refused writes, callers that go away.

use std::sync::Arc;
use std::time::Duration;

use clock::Env;
use model::audit::Change;
use model::service::Service;
use store::StoreError;
use store::access::Access;
use store::catalog::Services;
use store::upkeep::Upkeep;
use store::webhooks::Webhooks;
use store_conformance::Opening;
use store_conformance::settings::samples;
use store_postgres::{Database, Settings};
use tokio_postgres::Client;

use super::backend::open_database;
use super::server::{server, settings};

/// How long something that must happen is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked for: the database tells nobody.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

struct World {
    database: String,
    store: Arc<Database>,
    source: Env,
    /// Beside the store's own.
    client: Client,
    /// Never in a transaction, in which PostgreSQL would show the same activity again and again.
    observer: Client,
}

impl World {
    async fn new() -> Self {
        let database = server().new_database();
        Self {
            store: Arc::new(
                open_database(&server().url(&database), &Opening::default())
                    .await
                    .unwrap(),
            ),
            client: server().connect(&database).await,
            observer: server().connect(&database).await,
            source: samples::source(),
            database,
        }
    }

    async fn execute(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    /// Waits until a query finds this number.
    async fn until(&self, sql: &str, expected: i64) {
        let wait = async {
            loop {
                let row = self.observer.query_one(sql, &[&self.database]).await.unwrap();
                if row.get::<_, i64>(0) == expected {
                    return;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "{sql} does not become {expected}");
    }

    /// Waits until a statement of the store waits for a lock.
    async fn until_blocked(&self) {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'";
        self.until(sql, 1).await;
    }

    /// Closes the store's connections.
    async fn close_connections(&self) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'opsknight'";
        self.observer.batch_execute(sql).await.unwrap();
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'opsknight'";
        self.until(sql, 0).await;
    }

    fn create(&self, name: &str) -> tokio::task::JoinHandle<Result<Service, StoreError>> {
        let store = Arc::clone(&self.store);
        let (service, change) = (samples::service(&self.source, name, None), self.change());
        tokio::spawn(async move { Services::create(&*store, service, change).await })
    }

    fn change(&self) -> Change {
        self.source.change(samples::actor(&self.source))
    }

    async fn names(&self) -> Vec<String> {
        let services = Services::list(&*self.store, samples::everything()).await.unwrap();
        services.into_iter().map(|service| service.name).collect()
    }
}

#[tokio::test]
async fn a_command_that_another_got_in_the_way_of_is_run_again() {
    let world = World::new().await;
    for name in ["first", "second"] {
        let (settings, secrets) = (samples::settings(name, vec![]), samples::secrets(name));
        let created = Webhooks::create(
            &*world.store,
            world.source.new_webhook_id(),
            settings,
            secrets,
            samples::enabled(),
            world.change(),
        );
        created.await.unwrap();
    }
    // On a slow machine either may have waited longer, as PostgreSQL sees it.
    world.execute("SET deadlock_timeout = '30s'").await;
    world
        .execute("BEGIN; SELECT 1 FROM webhooks WHERE name = 'second' FOR UPDATE")
        .await;
    let (store, change) = (Arc::clone(&world.store), world.change());
    let rekeyed = tokio::spawn(async move { store.rekey(change).await });
    world.until_blocked().await;
    // The store holds the first and waits for the second, and is the one that PostgreSQL ends.
    world
        .execute("SELECT 1 FROM webhooks WHERE name = 'first' FOR UPDATE; COMMIT")
        .await;
    assert_eq!(rekeyed.await.unwrap(), Ok(8));
    let log = world
        .store
        .list_audit(Default::default(), samples::everything())
        .await
        .unwrap()
        .rows;
    let rekeys = log.iter().filter(|entry| entry.action == "system.rekey");
    assert_eq!(rekeys.count(), 1);
}

#[tokio::test]
async fn what_was_asked_for_is_done_if_its_caller_goes_away() {
    let world = World::new().await;
    world
        .execute("BEGIN; LOCK TABLE services IN EXCLUSIVE MODE")
        .await;
    let created = world.create("left alone");
    world.until_blocked().await;
    created.abort();
    assert!(created.await.unwrap_err().is_cancelled());
    world.execute("COMMIT").await;
    let sql = "SELECT count(*) FROM services WHERE $1 <> ''";
    world.until(sql, 1).await;
    assert_eq!(world.names().await, ["left alone"]);
}

#[tokio::test]
async fn connections_that_the_server_has_closed_are_made_anew() {
    let world = World::new().await;
    world.create("before").await.unwrap().unwrap();
    world.close_connections().await;
    world.create("after").await.unwrap().unwrap();
    assert_eq!(world.names().await.len(), 2);
}

#[tokio::test]
async fn a_connection_that_is_closed_in_the_middle_fails_its_command_whole() {
    let world = World::new().await;
    world.execute("BEGIN; LOCK TABLE audit IN EXCLUSIVE MODE").await;
    let created = world.create("half done");
    world.until_blocked().await;
    world.close_connections().await;
    let failed = created.await.unwrap();
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    world.execute("COMMIT").await;
    assert!(world.names().await.is_empty());
    let troubles = world.store.troubles();
    assert_eq!(
        troubles.iter().map(|trouble| trouble.code).collect::<Vec<_>>(),
        ["commits_fail"]
    );
    assert_eq!(world.store.ping().await, Ok(()));
    assert!(world.store.troubles().is_empty());
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_noticed_and_that_it_takes_them_again() {
    let world = World::new().await;
    let database = &world.database;
    world
        .execute(&format!(
            "ALTER DATABASE {database} SET default_transaction_read_only = on"
        ))
        .await;
    world.close_connections().await;
    let refused = world.create("refused").await.unwrap();
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(world.store.ping().await.is_err());
    let troubles = world.store.troubles();
    assert_eq!(
        troubles.iter().map(|trouble| trouble.code).collect::<Vec<_>>(),
        ["commits_fail"]
    );
    assert!(world.names().await.is_empty());
    world
        .execute(&format!(
            "ALTER DATABASE {database} RESET default_transaction_read_only"
        ))
        .await;
    world.close_connections().await;
    assert_eq!(world.store.ping().await, Ok(()));
    assert!(world.store.troubles().is_empty());
}

#[tokio::test]
async fn a_statement_that_waits_too_long_is_given_up_and_leaves_a_usable_connection() {
    let world = World::new().await;
    let hasty = Settings {
        statement_timeout: Duration::from_millis(100),
        pool_size: 1,
        ..settings(&server().url(&world.database))
    };
    let hasty = Database::open(hasty).await.unwrap();
    world
        .execute("BEGIN; LOCK TABLE services IN ACCESS EXCLUSIVE MODE")
        .await;
    let create = || {
        let service = samples::service(&world.source, "late", None);
        Services::create(&hasty, service, world.change())
    };
    let late = create().await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    // A read has no limit on the server: the connection is given up for another.
    let unread = Services::list(&hasty, samples::everything()).await;
    assert!(matches!(unread, Err(StoreError::Unavailable(_))), "{unread:?}");
    world.execute("COMMIT").await;
    assert!(create().await.is_ok());
    assert_eq!(world.names().await, ["late"]);
}
