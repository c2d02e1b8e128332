//! The types of a statement's values, for a statement that is not prepared: PostgreSQL is told them, and nothing of it stays
//! in the session. For poolers that hand a session to whoever has the next transaction.

use bytes::BytesMut;
use tokio_postgres::types::{ToSql, Type};

/// What the statements of this store are given. A value fits one of them.
const TYPES: [Type; 9] = [
    Type::INT8,
    Type::BYTEA,
    Type::TEXT,
    Type::BOOL,
    Type::FLOAT8,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::TEXT_ARRAY,
    Type::BOOL_ARRAY,
];

/// The values with their types.
pub fn with_types<'a>(params: &[&'a (dyn ToSql + Sync)]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    params.iter().map(|value| (*value, type_of(*value))).collect()
}

/// A value refuses to be written as what it is not.
fn type_of(value: &(dyn ToSql + Sync)) -> Type {
    let fits = |of: &&Type| value.to_sql_checked(of, &mut BytesMut::new()).is_ok();
    // PostgreSQL works out what the statement needs there.
    TYPES.iter().find(fits).cloned().unwrap_or(Type::UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_that_statements_are_given_has_its_type() {
        let values: [(&(dyn ToSql + Sync), Type); 11] = [
            (&1_i64, Type::INT8),
            (&None::<i64>, Type::INT8),
            (&&b"id"[..], Type::BYTEA),
            (&None::<&[u8]>, Type::BYTEA),
            (&"text", Type::TEXT),
            (&None::<String>, Type::TEXT),
            (&true, Type::BOOL),
            (&0.5_f64, Type::FLOAT8),
            (&vec![None::<i64>], Type::INT8_ARRAY),
            (&vec![&b"id"[..]], Type::BYTEA_ARRAY),
            (&vec!["text"], Type::TEXT_ARRAY),
        ];
        for (value, expected) in values {
            assert_eq!(type_of(value), expected, "{value:?}");
        }
    }
}
