//! What the API shows as JSON, as rows of a table: the columns that exports and objects have, and Parquet files of them. Pure: bytes
//! are made here, and written elsewhere.

mod chunk;
pub mod columns;
mod parquet;
mod thrift;

pub use columns::{Column, ColumnKind};
pub use parquet::ParquetWriter;
