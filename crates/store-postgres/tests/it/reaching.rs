//! Reaching the server over a network: who it must be, and what it is told.

use std::path::Path;

use model::secret::SecretText;
use store::StoreError;
use store::access::Access;
use store_postgres::{Database, Settings};

use super::server::{server, settings};

async fn open(address: &str) -> Result<Database, StoreError> {
    let settings = Settings {
        pool_size: 1,
        ..settings(address)
    };
    Database::open(settings).await
}

/// The address of a database of the server by one of its names.
fn url(host: &str, database: &str, words: &str) -> String {
    let port = server().port();
    format!("postgres://postgres@{host}:{port}/{database}?{words}")
}

fn trusting(authority: &Path) -> String {
    format!("sslmode=verify-full&sslrootcert={}", authority.display())
}

/// Whether the store's only connection is encrypted.
async fn is_encrypted(database: &str) -> bool {
    let sql = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = $1 AND application_name = 'opsknight'";
    let connection = server().connect(database).await;
    connection.query_one(sql, &[&database]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_server_whose_certificate_is_trusted_is_spoken_to_in_secret() {
    let database = server().new_database();
    let words = trusting(&server().authority());
    let store = open(&url("localhost", &database, &words)).await.unwrap();
    assert_eq!(store.has_keys().await, Ok(false));
    assert!(is_encrypted(&database).await);
}

#[tokio::test]
async fn a_server_that_cannot_prove_who_it_is_gets_nothing() {
    let database = server().new_database();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.pem");
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&other, key.cert.pem()).unwrap();
    for address in [
        url("localhost", &database, &trusting(&other)),
        url("localhost", &database, "sslmode=verify-full"),
        // Its certificate names localhost alone.
        url("127.0.0.1", &database, &trusting(&server().authority())),
    ] {
        let refused = open(&address).await.err().unwrap();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
        assert!(refused.to_string().contains("certificate"), "{refused}");
    }
    let missing = url(
        "localhost",
        &database,
        "sslmode=verify-full&sslrootcert=/no/such/file",
    );
    let refused = open(&missing).await.err().unwrap();
    assert!(refused.to_string().contains("/no/such/file"), "{refused}");
}

#[tokio::test]
async fn on_one_machine_or_if_the_address_says_so_nothing_is_encrypted() {
    for words in ["", "sslmode=disable"] {
        let database = server().new_database();
        let _store = open(&url("127.0.0.1", &database, words)).await.unwrap();
        assert!(!is_encrypted(&database).await);
    }
}

#[tokio::test]
async fn a_password_that_changes_in_its_file_is_the_next_connections() {
    let database = server().new_database();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let client = server().connect(&database).await;
    let set = async |password: &SecretText| {
        let text = password.reveal();
        let sql = format!("ALTER ROLE guarded PASSWORD '{text}'");
        client.batch_execute(&sql).await.unwrap();
        std::fs::write(&file, format!("{text}\n")).unwrap();
    };
    let create = "CREATE ROLE guarded SUPERUSER LOGIN";
    client.batch_execute(create).await.unwrap();
    set(&SecretText::new("one")).await;
    let words = format!("password_file={}", file.display());
    let address = url("127.0.0.1", &database, &words).replace("postgres@", "guarded@");
    let store = open(&address).await.unwrap();
    set(&SecretText::new("two")).await;
    let close = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guarded'";
    client.batch_execute(close).await.unwrap();
    let open_ones = "SELECT 1 FROM pg_stat_activity WHERE usename = 'guarded'";
    while !client.query(open_ones, &[]).await.unwrap().is_empty() {}
    assert_eq!(store.has_keys().await, Ok(false));
    std::fs::write(&file, "wrong").unwrap();
    let refused = open(&address).await.err().unwrap();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(!refused.to_string().contains("wrong"), "{refused}");
}

#[tokio::test]
async fn of_several_hosts_the_one_that_answers_and_takes_changes_is_taken() {
    let database = server().new_database();
    let port = server().port();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed_port = closed.local_addr().unwrap().port();
    drop(closed);
    let hosts = format!("127.0.0.1:{closed_port},127.0.0.1:{port}");
    let address = format!("postgres://postgres@{hosts}/{database}?target_session_attrs=read-write");
    let store = open(&address).await.unwrap();
    assert_eq!(store.has_keys().await, Ok(false));
    drop(store);
    // As a replica would answer.
    let client = server().connect(&database).await;
    let read_only = format!("ALTER DATABASE {database} SET default_transaction_read_only = on");
    client.batch_execute(&read_only).await.unwrap();
    let refused = open(&address).await.err().unwrap();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
}
