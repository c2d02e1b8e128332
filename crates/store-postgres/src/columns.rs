//! Reading model values out of rows. What a row holds that the model does not know is an error, never a guess.

use tokio_postgres::Row;
use tokio_postgres::row::RowIndex;
use tokio_postgres::types::FromSql;

use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;

use super::errors::unavailable;

/// The error for a value the model does not know.
pub fn unexpected(what: &str) -> StoreError {
    StoreError::Corrupt(format!("unexpected {what}"))
}

/// A text, bytes, a boolean, or any of them that may be absent. Numbers are read by [`number`].
pub fn value<'a, T: FromSql<'a>>(row: &'a Row, column: impl RowIndex + std::fmt::Display) -> StoreResult<T> {
    row.try_get(column).map_err(unavailable)
}

/// A number of any type that has room for it.
pub fn number<T: TryFrom<i64>>(row: &Row, column: &str) -> StoreResult<T> {
    T::try_from(value(row, column)?).map_err(|_| unexpected(column))
}

/// A number that may be absent.
pub fn optional_number<T: TryFrom<i64>>(row: &Row, column: &str) -> StoreResult<Option<T>> {
    let number: Option<i64> = value(row, column)?;
    let number = number.map(|number| T::try_from(number).map_err(|_| unexpected(column)));
    number.transpose()
}

/// Bytes of a known length: an id, a hash.
pub fn bytes<const N: usize>(row: &Row, column: &str) -> StoreResult<[u8; N]> {
    value::<&[u8]>(row, column)?
        .try_into()
        .map_err(|_| unexpected(column))
}

/// The 16 bytes of an id that may be absent.
pub fn optional_id(row: &Row, column: &str) -> StoreResult<Option<[u8; 16]>> {
    let bytes: Option<&[u8]> = value(row, column)?;
    let id = bytes.map(|bytes| bytes.try_into().map_err(|_| unexpected(column)));
    id.transpose()
}

/// A time.
pub fn time(row: &Row, column: &str) -> StoreResult<Timestamp> {
    value(row, column).map(Timestamp::from_millis)
}

/// A time that may be absent.
pub fn optional_time(row: &Row, column: &str) -> StoreResult<Option<Timestamp>> {
    Ok(value::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

/// A text that the model parses.
pub fn parsed<T>(row: &Row, column: &str, parse: impl Fn(&str) -> Option<T>) -> StoreResult<T> {
    parse(value(row, column)?).ok_or_else(|| unexpected(column))
}
