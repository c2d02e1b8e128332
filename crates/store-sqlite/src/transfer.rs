//! Handing everything over to another store: reading rows in the order of their keys, and keeping servers off the file from
//! the first row on, those of earlier versions too.
//!
//! The table `transfer` is made when a move begins: a file that is never moved has none.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use model::id::IncidentId;
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::body_text;
use store::transfer::{ColumnKind, Layout, Row, Rows, Table, Value};

use super::database::{Database, FILE_NAME, unavailable};
use super::directory::lock_directory;
use super::mark::read_progress;
use super::migrate::{MOVED_OFFSET, read_version};
use super::statements::{execute, read_all, read_one};

/// A move out of this file, as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTransfer {
    /// Also kept at the target.
    pub token: [u8; 16],
    /// Where the data go, in words.
    pub target: String,
    pub began_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

#[async_trait]
impl Rows for Database {
    async fn rows_after(&self, layout: &Layout, key: Option<&[Value]>, limit: u32) -> StoreResult<Vec<Row>> {
        let sql = select_after(layout, key.is_some());
        let mut values: Vec<Parameter> = key.into_iter().flatten().cloned().map(Parameter).collect();
        values.push(Parameter(Value::Number(i64::from(limit))));
        let layout = layout.clone();
        self.read_long(move |connection| {
            read_all(connection, &sql, params_from_iter(values), |row| {
                let columns = layout.columns.iter().enumerate();
                let mut values: Row = columns
                    .map(|(at, column)| row.get_ref(at).map(|value| read_value(column.kind, value)))
                    .collect::<Result<_, _>>()?;
                unpack_body(&layout, &mut values);
                Ok(values)
            })
        })
        .await
    }

    async fn count_rows(&self, table: &'static Table) -> StoreResult<u64> {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let count: Option<i64> = self
            .read_long(move |connection| read_one(connection, &sql, (), |row| row.get(0)))
            .await?;
        Ok(count.unwrap_or(0).unsigned_abs())
    }
}

impl Database {
    /// The names of the columns of a table.
    pub async fn transfer_columns(&self, table: &'static Table) -> StoreResult<Vec<String>> {
        self.read(|connection| {
            let sql = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";
            read_all(connection, sql, [table.name], |row| row.get(0))
        })
        .await
    }

    /// The move out of this file, if one has begun.
    pub async fn known_transfer(&self) -> StoreResult<Option<KnownTransfer>> {
        self.read(known_transfer).await
    }

    /// Notes that a move begins: from now on no server starts on this file.
    pub async fn begin_transfer(&self, token: [u8; 16], target: String, now: Timestamp) -> StoreResult<()> {
        self.write(move |context| {
            let connection = context.connection;
            connection
                .execute_batch(
                    "CREATE TABLE transfer (
                         id           INTEGER PRIMARY KEY CHECK (id = 1),
                         token        BLOB NOT NULL CHECK (length(token) = 16),
                         target       TEXT NOT NULL,
                         began_at     INTEGER NOT NULL,
                         finished_at  INTEGER
                     ) STRICT",
                )
                .map_err(unavailable)?;
            let sql = "INSERT INTO transfer (id, token, target, began_at) VALUES (1, ?1, ?2, ?3)";
            execute(connection, sql, (token, target, now.as_millis()))?;
            let (version, _) = read_version(connection)?;
            set_version(connection, version + MOVED_OFFSET)
        })
        .await
    }

    /// Notes that everything has arrived.
    pub async fn finish_transfer(&self, now: Timestamp) -> StoreResult<()> {
        self.write(move |context| {
            let sql = "UPDATE transfer SET finished_at = ?1 WHERE finished_at IS NULL";
            execute(context.connection, sql, [now.as_millis()]).map(|_| ())
        })
        .await
    }

    /// The last number that the feed has given away, though its event may be pruned since.
    pub async fn last_sequence(&self) -> StoreResult<i64> {
        self.read(|connection| read_progress(connection).map(|progress| progress.sequence))
            .await
    }
}

/// Makes a file whose data were moved an ordinary one again; says whether they were.
pub fn take_back(directory: &Path) -> StoreResult<bool> {
    let path = directory.join(FILE_NAME);
    if !path.exists() {
        return Ok(false);
    }
    let _lock = lock_directory(directory)?;
    let mut connection = Connection::open(path).map_err(unavailable)?;
    let transaction = connection.transaction().map_err(unavailable)?;
    let (version, offset) = read_version(&transaction)?;
    if offset == 0 {
        return Ok(false);
    }
    set_version(&transaction, version)?;
    transaction
        .execute_batch("DROP TABLE IF EXISTS transfer")
        .map_err(unavailable)?;
    transaction.commit().map_err(unavailable)?;
    Ok(true)
}

/// Why a file whose data were moved is not served.
pub fn refusal(connection: &Connection) -> StoreResult<StoreError> {
    let transfer = known_transfer(connection)?;
    let what = match &transfer {
        Some(KnownTransfer {
            target,
            finished_at: Some(_),
            ..
        }) => format!("the data were moved to {target} (data_moved); start the server with that database"),
        Some(KnownTransfer { target, .. }) => format!(
            "the data are being moved to {target} (data_moved); run `opsknight migrate` again, which goes on where it was"
        ),
        None => "the data were moved to another store (data_moved); start the server with that one".into(),
    };
    Ok(StoreError::Unavailable(format!(
        "{what}; `serve --force-moved` serves what is left here all the same, and nothing of that arrives there"
    )))
}

fn known_transfer(connection: &Connection) -> StoreResult<Option<KnownTransfer>> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'transfer'";
    if read_one(connection, sql, (), |_| Ok(()))?.is_none() {
        return Ok(None);
    }
    let sql = "SELECT token, target, began_at, finished_at FROM transfer";
    read_one(connection, sql, (), |row| {
        Ok(KnownTransfer {
            token: row.get(0)?,
            target: row.get(1)?,
            began_at: Timestamp::from_millis(row.get(2)?),
            finished_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis),
        })
    })
}

fn set_version(connection: &Connection, version: u32) -> StoreResult<()> {
    connection
        .pragma_update(None, "user_version", version)
        .map_err(unavailable)
}

fn select_after(layout: &Layout, has_key: bool) -> String {
    let names: Vec<&str> = layout.columns.iter().map(|column| column.name.as_str()).collect();
    let key = layout.table.key.join(", ");
    let places: Vec<&str> = layout.table.key.iter().map(|_| "?").collect();
    let condition = match has_key {
        true => format!("WHERE ({key}) > ({})", places.join(", ")),
        false => String::new(),
    };
    format!(
        "SELECT {} FROM {} {condition} ORDER BY {key} LIMIT ?",
        names.join(", "),
        layout.table.name
    )
}

/// A value as the other store's column has it. A text that is none is told with marks in place of what is wrong.
fn read_value(kind: ColumnKind, value: ValueRef<'_>) -> Value {
    match (value, kind) {
        (ValueRef::Integer(number), ColumnKind::Boolean) => Value::Boolean(number != 0),
        (ValueRef::Integer(number), _) => Value::Number(number),
        (ValueRef::Text(text), _) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        (ValueRef::Blob(bytes), _) => Value::Bytes(bytes.to_vec()),
        // No column of ours holds one.
        (ValueRef::Null | ValueRef::Real(_), _) => Value::Null,
    }
}

/// Bodies of events are packed here only.
fn unpack_body(layout: &Layout, row: &mut Row) {
    let places = ["incident_id", "at", "body"].map(|name| layout.place_of(name));
    let [Some(incident_id), Some(at), Some(body)] = places else {
        return;
    };
    let (Value::Bytes(incident_id), Value::Number(at)) = (&row[incident_id], &row[at]) else {
        return;
    };
    let Ok(incident_id) = incident_id.as_slice().try_into() else {
        return;
    };
    let (incident_id, at) = (IncidentId::from_bytes(incident_id), Timestamp::from_millis(*at));
    if let Value::Bytes(kept) = &mut row[body] {
        *kept = body_text::unpack(kept, incident_id, at);
    }
}

/// A value of a key.
struct Parameter(Value);

impl ToSql for Parameter {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match &self.0 {
            Value::Null => ValueRef::Null,
            Value::Number(number) => ValueRef::Integer(*number),
            Value::Boolean(is_true) => ValueRef::Integer(i64::from(*is_true)),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}
