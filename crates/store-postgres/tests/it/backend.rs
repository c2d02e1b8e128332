//! The PostgreSQL backend under test, with a second connection to put rows in and to look at them.

use std::path::Path;

use async_trait::async_trait;
use store::{Store, StoreResult};
use store_conformance::{Backend, Opening, Value};
use store_postgres::{Database, Settings};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::server::{Server, server, settings};

pub struct PostgresBackend {
    server: &'static Server,
    database: String,
}

impl PostgresBackend {
    /// A new, empty store.
    pub fn new() -> Self {
        Self::on(server())
    }

    /// The same on some server.
    pub fn on(server: &'static Server) -> Self {
        let database = server.new_database();
        Self { server, database }
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    pub fn url(&self) -> String {
        self.server.url(&self.database)
    }

    /// A connection beside the store's own.
    pub async fn connection(&self) -> Client {
        self.server.connect(&self.database).await
    }
}

pub async fn open_database(url: &str, opening: &Opening) -> StoreResult<Database> {
    Database::open(Settings {
        sealer: opening.sealer(),
        delivery_sink: opening.delivery_sink.clone(),
        node: opening.node,
        observer: opening.observer.clone(),
        ..settings(url)
    })
    .await
}

#[async_trait]
impl Backend for PostgresBackend {
    async fn open(&self, opening: &Opening) -> StoreResult<Store> {
        Ok(open_database(&self.url(), opening).await?.into())
    }

    async fn open_backup(&self, _: &Path, _: &Opening) -> StoreResult<Store> {
        panic!("pg_dump makes the copies of a PostgreSQL")
    }

    async fn execute(&self, sql: &str, values: &[Value]) {
        let connection = self.connection().await;
        let statement = connection.prepare(&in_dollars(sql)).await.unwrap();
        let values = parameters(statement.params(), values);
        connection.execute(&statement, &borrowed(&values)).await.unwrap();
    }

    async fn query(&self, sql: &str, values: &[Value]) -> Vec<Vec<Value>> {
        let connection = self.connection().await;
        let statement = connection.prepare(&in_dollars(sql)).await.unwrap();
        let values = parameters(statement.params(), values);
        let rows = connection.query(&statement, &borrowed(&values)).await.unwrap();
        let read_row = |row: &Row| (0..row.len()).map(|column| read(row, column)).collect();
        rows.iter().map(read_row).collect()
    }

    async fn stored_bytes(&self) -> Vec<u8> {
        // What is written but lies in memory only would not be found in the files.
        self.connection().await.batch_execute("CHECKPOINT").await.unwrap();
        let mut bytes = Vec::new();
        let sql = "SELECT '/' || current_setting('data_directory') || '/base/' || oid FROM pg_database WHERE datname = ?1";
        let folders = (self as &dyn Backend)
            .texts(sql, &[self.database.as_str().into()])
            .await;
        for file in std::fs::read_dir(&folders[0]).unwrap() {
            bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
        bytes
    }

    fn name(&self) -> &'static str {
        "PostgreSQL "
    }
}

/// Parameters as PostgreSQL writes them.
fn in_dollars(sql: &str) -> String {
    sql.replace('?', "$")
}

type Parameter = Box<dyn ToSql + Sync + Send>;

fn parameters(types: &[Type], values: &[Value]) -> Vec<Parameter> {
    types
        .iter()
        .zip(values)
        .map(|(of, value)| parameter(of, value))
        .collect()
}

fn borrowed(values: &[Parameter]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value.as_ref() as _).collect()
}

fn parameter(of: &Type, value: &Value) -> Parameter {
    match value {
        Value::Null if *of == Type::BYTEA => Box::new(None::<Vec<u8>>),
        Value::Null if *of == Type::INT8 => Box::new(None::<i64>),
        Value::Null if *of == Type::INT4 => Box::new(None::<i32>),
        Value::Null if *of == Type::BOOL => Box::new(None::<bool>),
        Value::Null => Box::new(None::<String>),
        Value::Integer(number) if *of == Type::BOOL => Box::new(*number != 0),
        Value::Integer(number) if *of == Type::INT4 => Box::new(i32::try_from(*number).unwrap()),
        Value::Integer(number) => Box::new(*number),
        Value::Text(text) => Box::new(text.clone()),
        Value::Bytes(bytes) => Box::new(bytes.clone()),
    }
}

fn read(row: &Row, column: usize) -> Value {
    let of = row.columns()[column].type_();
    let value = if *of == Type::BYTEA {
        row.get::<_, Option<Vec<u8>>>(column).map(Value::Bytes)
    } else if *of == Type::INT8 {
        row.get::<_, Option<i64>>(column).map(Value::Integer)
    } else if *of == Type::INT4 {
        let number = row.get::<_, Option<i32>>(column);
        number.map(|number| Value::Integer(number.into()))
    } else if *of == Type::BOOL {
        let is_true = row.get::<_, Option<bool>>(column);
        is_true.map(|is_true| Value::Integer(is_true.into()))
    } else {
        row.get::<_, Option<String>>(column).map(Value::Text)
    };
    value.unwrap_or(Value::Null)
}
