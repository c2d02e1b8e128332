//! Files as versions with earlier schemas left them.

use std::path::Path;

use model::digest::sha256;
use rusqlite::Connection;
use store_conformance::earlier::Schema;

/// The first schema that knows the hashes of what was applied.
const FIRST_WITH_HASHES: usize = 8;

/// Every schema in order, the present one too.
pub fn schemas() -> Vec<Schema> {
    store_conformance::earlier::schemas(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../store-sqlite")))
}

/// A file that began with the first schema, and has come to this one.
pub fn write_version(schemas: &[Schema], version: usize, folder: &Path) -> Connection {
    let connection = Connection::open(folder.join("opsknight.db")).unwrap();
    for schema in &schemas[..version] {
        connection.execute_batch(&schema.migration).unwrap();
        if let Some(rows) = &schema.rows {
            connection.execute_batch(rows).unwrap();
        }
    }
    if version >= FIRST_WITH_HASHES {
        for (number, schema) in (1..).zip(&schemas[..version]) {
            let hash = sha256([schema.migration.as_bytes()]);
            let sql = "INSERT INTO migrations (number, hash) VALUES (?1, ?2)";
            connection.execute(sql, (number, hash)).unwrap();
        }
    }
    let number = i64::try_from(version).unwrap();
    connection.pragma_update(None, "user_version", number).unwrap();
    connection
}
