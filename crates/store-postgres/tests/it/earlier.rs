//! Databases as versions with earlier schemas left them are brought up to date with every row.

use std::path::Path;

use model::digest::sha256;
use store::upkeep::Upkeep;
use store_conformance::earlier::{Schema, expect_samples, schemas};
use store_conformance::settings::samples;
use store_postgres::{Database, known_schema};
use tokio_postgres::Client;

use super::server::{server, settings};

/// What samples call the 16 bytes of an id.
const ID: &str = "CREATE FUNCTION id(number INTEGER) RETURNS BYTEA LANGUAGE SQL
    RETURN decode(lpad(to_hex(number), 32, '0'), 'hex')";
/// The table of migrations as the first version made it.
const MIGRATIONS: &str = "CREATE TABLE migrations (number BIGINT PRIMARY KEY, hash BYTEA NOT NULL);
    INSERT INTO migrations VALUES (0, decode(repeat('00', 32), 'hex'))";
/// The rows of each table with the columns that it has, but of those that a program writes as it opens a database.
const QUERIES: &str = "
    SELECT table_name, 'SELECT row_to_json(r)::text FROM (SELECT ' || string_agg(column_name, ', ') || ' FROM ' || table_name || ') r ORDER BY 1'
    FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT IN ('migrations', 'timelines')
    GROUP BY table_name ORDER BY table_name";

/// A database that began with the first schema, and has come to this one.
async fn write_version(schemas: &[Schema], version: usize) -> (String, Client) {
    let database = server().new_empty_database();
    let client = server().connect(&database).await;
    let execute = async |sql: &str| client.batch_execute(sql).await.unwrap();
    execute(ID).await;
    execute(MIGRATIONS).await;
    for (number, schema) in (1i64..).zip(&schemas[..version]) {
        execute(&schema.migration).await;
        if let Some(rows) = &schema.rows {
            execute(rows).await;
        }
        let hash = sha256([schema.migration.as_bytes()]);
        let sql = "INSERT INTO migrations (number, hash) VALUES ($1, $2)";
        client.execute(sql, &[&number, &&hash[..]]).await.unwrap();
    }
    execute("DROP FUNCTION id").await;
    (database, client)
}

/// What these queries find, by the tables that they are of.
async fn rows(client: &Client, queries: &[(String, String)]) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (table, query) in queries {
        let rows = client.query(query, &[]).await.unwrap();
        found.push((table.clone(), rows.iter().map(|row| row.get(0)).collect()));
    }
    found
}

#[tokio::test]
async fn a_database_of_each_earlier_schema_keeps_every_row() {
    let schemas = schemas(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(schemas.len(), known_schema() as usize);
    for version in 1..=schemas.len() {
        let (database, client) = write_version(&schemas, version).await;
        let queries = client.query(QUERIES, &[]).await.unwrap();
        let queries: Vec<_> = queries.iter().map(|row| (row.get(0), row.get(1))).collect();
        let before = rows(&client, &queries).await;
        let node = Database::open(settings(&server().url(&database))).await.unwrap();
        assert_eq!(node.schema_version(), known_schema());
        let findings = node.examine(samples::now()).await;
        assert_eq!((version, findings), (version, Ok(vec![])));
        // A migration adds rows of its own.
        for ((table, before), (_, after)) in before.iter().zip(rows(&client, &queries).await) {
            let lost = before.iter().find(|row| !after.contains(row));
            assert_eq!(lost, None, "of {table} of version {version}");
        }
        if version == schemas.len() {
            expect_samples(&node.into()).await;
        }
    }
}
