//! The SQLite backend under test, with a second connection to put rows in and to look at them.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use store::{Store, StoreResult};
use store_conformance::{Backend, Opening, Value};
use store_sqlite::{Database, Settings};

pub struct SqliteBackend {
    directory: tempfile::TempDir,
    max_pages: Mutex<Option<u32>>,
}

impl SqliteBackend {
    /// A new, empty store.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        drop(open_database(directory.path(), &Opening::default(), None).unwrap());
        Self {
            directory,
            max_pages: Mutex::default(),
        }
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn file(&self) -> PathBuf {
        self.directory().join("opsknight.db")
    }

    /// How many pages the file may have when it is opened next.
    pub fn set_max_pages(&self, max_pages: Option<u32>) {
        *self.max_pages.lock().unwrap() = max_pages;
    }

    /// A connection beside the store's own.
    pub fn connection(&self) -> Connection {
        let connection = Connection::open(self.file()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }
}

pub fn open_database(directory: &Path, opening: &Opening, max_pages: Option<u32>) -> StoreResult<Database> {
    Database::open(Settings {
        directory: directory.to_owned(),
        sealer: opening.sealer(),
        delivery_sink: opening.delivery_sink.clone(),
        node: opening.node,
        observer: opening.observer.clone(),
        max_pages,
    })
}

#[async_trait]
impl Backend for SqliteBackend {
    async fn open(&self, opening: &Opening) -> StoreResult<Store> {
        let max_pages = *self.max_pages.lock().unwrap();
        open_database(self.directory(), opening, max_pages).map(Store::from)
    }

    async fn open_backup(&self, file: &Path, opening: &Opening) -> StoreResult<Store> {
        open_database(file.parent().unwrap(), opening, None).map(Store::from)
    }

    async fn execute(&self, sql: &str, values: &[Value]) {
        let values = values.iter().map(Parameter);
        self.connection().execute(sql, params_from_iter(values)).unwrap();
    }

    async fn query(&self, sql: &str, values: &[Value]) -> Vec<Vec<Value>> {
        let connection = self.connection();
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map(params_from_iter(values.iter().map(Parameter)), |row| {
            (0..columns).map(|column| row.get_ref(column).map(read)).collect()
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    async fn stored_bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.directory()).unwrap();
        files
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect()
    }

    fn name(&self) -> &'static str {
        "SQLite 3."
    }
}

struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(number) => panic!("no column holds a number like {number}"),
    }
}
