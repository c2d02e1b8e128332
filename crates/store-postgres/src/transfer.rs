//! Taking over everything from another store: rows are written in the order of their keys, in batches, so that what is here is
//! always a beginning of what is there, and a move that was interrupted goes on behind the last row.

use async_trait::async_trait;
use tokio_postgres::types::ToSql;

use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::transfer::{Column, ColumnKind, Layout, Row, Rows, TABLES, Table, Value};

use super::columns::{bytes, number, optional_time, time, value};
use super::connection::Connection;
use super::database::Database;

/// What the check value of the master key is sealed for.
const KEY_PLACE: &[u8] = b"transfer:key";

/// A move into this database, as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTransfer {
    /// Also kept at the source.
    pub token: [u8; 16],
    /// Where the data came from, in words.
    pub source: String,
    /// Whether it was made with the same master key.
    pub is_of_this_key: bool,
    pub began_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

#[async_trait]
impl Rows for Database {
    async fn rows_after(&self, layout: &Layout, key: Option<&[Value]>, limit: u32) -> StoreResult<Vec<Row>> {
        let sql = select_after(layout, key.is_some());
        let values: Vec<Box<dyn ToSql + Sync + Send>> =
            key.into_iter().flatten().cloned().map(boxed).collect();
        let mut params: Vec<&(dyn ToSql + Sync)> = Vec::new();
        for value in &values {
            params.push(&**value);
        }
        let limit = i64::from(limit);
        params.push(&limit);
        let connection = self.long_connection().await?;
        connection
            .read_all(&sql, &params, |row| read_row(layout, row))
            .await
    }

    async fn count_rows(&self, table: &'static Table) -> StoreResult<u64> {
        let sql = format!("SELECT count(*) AS count FROM {}", table.name);
        let connection = self.long_connection().await?;
        let count = connection.read_one(&sql, &[], |row| number(row, "count")).await?;
        Ok(count.unwrap_or(0))
    }
}

impl Database {
    /// The columns of a table.
    pub async fn transfer_columns(&self, table: &'static Table) -> StoreResult<Vec<Column>> {
        let sql = "SELECT attname::text AS name, format_type(atttypid, NULL) AS kind FROM pg_attribute
                   WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let connection = self.connection().await?;
        let columns = connection
            .read_all(sql, &[&table.name], |row| {
                Ok(Column {
                    name: value(row, "name")?,
                    kind: kind(value(row, "kind")?)?,
                })
            })
            .await?;
        Ok(columns)
    }

    /// The move into this database, if there ever was one.
    pub async fn known_transfer(&self) -> StoreResult<Option<KnownTransfer>> {
        let sql = "SELECT token, source, key_check, began_at, finished_at FROM transfer";
        let sealer = self.sealer();
        let connection = self.connection().await?;
        connection
            .read_one(sql, &[], |row| {
                let key_check: &[u8] = value(row, "key_check")?;
                Ok(KnownTransfer {
                    token: bytes(row, "token")?,
                    source: value(row, "source")?,
                    is_of_this_key: sealer.open(KEY_PLACE, key_check).is_ok(),
                    began_at: time(row, "began_at")?,
                    finished_at: optional_time(row, "finished_at")?,
                })
            })
            .await
    }

    /// How many servers use the database, as its clock measures their leases.
    pub async fn count_servers(&self) -> StoreResult<u64> {
        let sql = "SELECT count(*) AS count FROM nodes
                   WHERE lease_until > (extract(epoch FROM statement_timestamp()) * 1000)::bigint";
        let connection = self.connection().await?;
        let count = connection.read_one(sql, &[], |row| number(row, "count")).await?;
        Ok(count.unwrap_or(0))
    }

    /// A table that has rows, if there is one.
    pub async fn first_filled_table(&self) -> StoreResult<Option<&'static str>> {
        let connection = self.connection().await?;
        for table in &TABLES {
            let sql = format!("SELECT 1 FROM {} LIMIT 1", table.name);
            if connection.finds(&sql, &[]).await? {
                return Ok(Some(table.name));
            }
        }
        Ok(None)
    }

    /// Notes that a move begins. No server starts on the database before it has finished.
    pub async fn begin_transfer(&self, token: [u8; 16], source: &str, now: Timestamp) -> StoreResult<()> {
        self.write((token, source.to_owned(), now), |context, input| {
            Box::pin(async move {
                let (token, source, now) = input;
                let key_check = context.sealer().seal(KEY_PLACE, &[]);
                let sql = "INSERT INTO transfer (id, token, source, key_check, began_at) VALUES (1, $1, $2, $3, $4)";
                let params: [&(dyn ToSql + Sync); 4] = [&&token[..], source, &key_check, &now.as_millis()];
                context.connection.execute(sql, &params).await.map(|_| ())
            })
        })
        .await
    }

    /// The key of the last row that is here.
    pub async fn last_key(&self, layout: &Layout) -> StoreResult<Option<Vec<Value>>> {
        let columns = key_columns(layout);
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let order: Vec<String> = columns
            .iter()
            .map(|column| format!("{} DESC", sort_term(column)))
            .collect();
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {} LIMIT 1",
            names.join(", "),
            layout.table.name,
            order.join(", ")
        );
        let connection = self.long_connection().await?;
        connection
            .read_one(&sql, &[], |row| {
                let places = columns.iter().enumerate();
                places.map(|(at, column)| read_value(column, row, at)).collect()
            })
            .await
    }

    /// Writes rows behind those that are here, all of them or none.
    pub async fn append_rows(&self, layout: &Layout, rows: Vec<Row>) -> StoreResult<()> {
        let sql = insert(layout);
        let arrays = arrays(layout, rows)?;
        self.write((sql, arrays), |context, (sql, arrays)| {
            Box::pin(async move {
                let params: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(Array::as_param).collect();
                context.connection.execute(sql, &params).await.map(|_| ())
            })
        })
        .await
    }

    /// Notes that everything is here: the feed goes on behind this number, and servers may start.
    pub async fn finish_transfer(&self, last_sequence: i64, now: Timestamp) -> StoreResult<()> {
        self.write((last_sequence, now), |context, (last_sequence, now)| {
            Box::pin(async move {
                let connection = &context.connection;
                let next = last_sequence.saturating_add(1);
                // A value cannot be a parameter here.
                let restart = format!("ALTER TABLE events ALTER COLUMN sequence RESTART WITH {next}");
                connection.execute_batch(&restart).await?;
                let sql = "SELECT setval(pg_get_serial_sequence('incident_numbers', 'number'), max(number))
                           FROM incident_numbers";
                connection.finds(sql, &[]).await?;
                // What was pruned at the source is not lost here.
                let sql = "UPDATE feed SET pruned_up_to = greatest(pruned_up_to, $1)";
                connection.execute(sql, &[last_sequence]).await?;
                let sql = "UPDATE transfer SET finished_at = $1 WHERE finished_at IS NULL";
                connection.execute_all(1, sql, &[&now.as_millis()]).await
            })
        })
        .await
    }

    /// Lets PostgreSQL count what came, so that it plans well from the beginning.
    pub async fn analyze(&self) -> StoreResult<()> {
        let connection = self.long_connection().await?;
        for table in &TABLES {
            connection
                .execute_batch(&format!("ANALYZE {}", table.name))
                .await?;
        }
        Ok(())
    }
}

/// Servers keep off a database into which not everything has come yet.
pub async fn check_finished(connection: &Connection) -> StoreResult<()> {
    let sql = "SELECT source FROM transfer WHERE finished_at IS NULL";
    let source: Option<String> = connection.read_one(sql, &[], |row| value(row, "source")).await?;
    match source {
        None => Ok(()),
        Some(source) => Err(StoreError::Unavailable(format!(
            "the data of {source} are being moved into this database and are not all here (transfer_unfinished); run \
             `opsknight migrate` again, which goes on where it was, or drop the database"
        ))),
    }
}

/// The column's kind by its type.
fn kind(name: &str) -> StoreResult<ColumnKind> {
    match name {
        "bigint" => Ok(ColumnKind::Number),
        "boolean" => Ok(ColumnKind::Boolean),
        "bytea" => Ok(ColumnKind::Bytes),
        "text" => Ok(ColumnKind::Text),
        _ => Err(StoreError::Corrupt(format!("a column is of the type {name}"))),
    }
}

fn key_columns(layout: &Layout) -> Vec<&Column> {
    let names = layout.table.key.iter();
    names
        .filter_map(|name| layout.columns.iter().find(|column| column.name == *name))
        .collect()
}

/// Texts are ordered by their bytes, as elsewhere, whatever the language of the database.
fn sort_term(column: &Column) -> String {
    match column.kind {
        ColumnKind::Text => format!("{} COLLATE \"C\"", column.name),
        ColumnKind::Number | ColumnKind::Boolean | ColumnKind::Bytes => column.name.clone(),
    }
}

fn select_after(layout: &Layout, has_key: bool) -> String {
    let names: Vec<&str> = layout.columns.iter().map(|column| column.name.as_str()).collect();
    let order: Vec<String> = key_columns(layout).into_iter().map(sort_term).collect();
    let places: Vec<String> = (1..=order.len()).map(|place| format!("${place}")).collect();
    let (condition, limit) = match has_key {
        true => (
            format!("WHERE ({}) > ({})", order.join(", "), places.join(", ")),
            order.len() + 1,
        ),
        false => (String::new(), 1),
    };
    format!(
        "SELECT {} FROM {} {condition} ORDER BY {} LIMIT ${limit}",
        names.join(", "),
        layout.table.name,
        order.join(", ")
    )
}

fn insert(layout: &Layout) -> String {
    let names: Vec<&str> = layout.columns.iter().map(|column| column.name.as_str()).collect();
    let columns = layout.columns.iter().enumerate();
    let arrays: Vec<String> = columns
        .map(|(at, column)| {
            let kind = match column.kind {
                ColumnKind::Number => "bigint",
                ColumnKind::Boolean => "boolean",
                ColumnKind::Bytes => "bytea",
                ColumnKind::Text => "text",
            };
            format!("${}::{kind}[]", at + 1)
        })
        .collect();
    format!(
        "INSERT INTO {} ({}) SELECT * FROM unnest({})",
        layout.table.name,
        names.join(", "),
        arrays.join(", ")
    )
}

fn read_row(layout: &Layout, row: &tokio_postgres::Row) -> StoreResult<Row> {
    let columns = layout.columns.iter().enumerate();
    columns.map(|(at, column)| read_value(column, row, at)).collect()
}

fn read_value(column: &Column, row: &tokio_postgres::Row, at: usize) -> StoreResult<Value> {
    Ok(match column.kind {
        ColumnKind::Number => value::<Option<i64>>(row, at)?.map_or(Value::Null, Value::Number),
        ColumnKind::Boolean => value::<Option<bool>>(row, at)?.map_or(Value::Null, Value::Boolean),
        ColumnKind::Bytes => value::<Option<Vec<u8>>>(row, at)?.map_or(Value::Null, Value::Bytes),
        ColumnKind::Text => value::<Option<String>>(row, at)?.map_or(Value::Null, Value::Text),
    })
}

fn boxed(value: Value) -> Box<dyn ToSql + Sync + Send> {
    match value {
        Value::Null => Box::new(None::<i64>),
        Value::Number(number) => Box::new(number),
        Value::Boolean(is_true) => Box::new(is_true),
        Value::Bytes(bytes) => Box::new(bytes),
        Value::Text(text) => Box::new(text),
    }
}

/// The values of one column.
enum Array {
    Numbers(Vec<Option<i64>>),
    Booleans(Vec<Option<bool>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Texts(Vec<Option<String>>),
}

impl Array {
    fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Number => Self::Numbers(Vec::new()),
            ColumnKind::Boolean => Self::Booleans(Vec::new()),
            ColumnKind::Bytes => Self::Bytes(Vec::new()),
            ColumnKind::Text => Self::Texts(Vec::new()),
        }
    }

    fn push(&mut self, value: Value) -> StoreResult<()> {
        match (self, value) {
            (Self::Numbers(values), Value::Number(number)) => values.push(Some(number)),
            (Self::Booleans(values), Value::Boolean(is_true)) => values.push(Some(is_true)),
            (Self::Bytes(values), Value::Bytes(bytes)) => values.push(Some(bytes)),
            (Self::Texts(values), Value::Text(text)) => values.push(Some(text)),
            (Self::Numbers(values), Value::Null) => values.push(None),
            (Self::Booleans(values), Value::Null) => values.push(None),
            (Self::Bytes(values), Value::Null) => values.push(None),
            (Self::Texts(values), Value::Null) => values.push(None),
            _ => {
                return Err(StoreError::Corrupt(
                    "a value is of another kind than its column".into(),
                ));
            }
        }
        Ok(())
    }

    fn as_param(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Numbers(values) => values,
            Self::Booleans(values) => values,
            Self::Bytes(values) => values,
            Self::Texts(values) => values,
        }
    }
}

fn arrays(layout: &Layout, rows: Vec<Row>) -> StoreResult<Vec<Array>> {
    let mut arrays: Vec<Array> = layout
        .columns
        .iter()
        .map(|column| Array::new(column.kind))
        .collect();
    for row in rows {
        for (array, value) in arrays.iter_mut().zip(row) {
            array.push(value)?;
        }
    }
    Ok(arrays)
}
