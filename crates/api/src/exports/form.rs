//! How the rows of an export become bytes.

use std::io;
use std::mem;

use serde_json::Value;

use super::csv;
use super::queries::Format;
use tables::{Column, ParquetWriter};

/// A form, and what it holds back of the rows that it was given.
pub enum Form {
    Ndjson,
    Csv(&'static [Column]),
    Parquet(Box<ParquetWriter>),
}

impl Form {
    /// The form of an export with these columns.
    pub fn new(format: Format, columns: &'static [Column]) -> Self {
        match format {
            Format::Ndjson => Self::Ndjson,
            Format::Csv => Self::Csv(columns),
            Format::Parquet => Self::Parquet(Box::new(ParquetWriter::new(columns))),
        }
    }

    /// What stands before the first row of all.
    pub fn names(&self) -> String {
        let mut text = String::new();
        if let Self::Csv(columns) = self {
            csv::write_names(columns, &mut text);
        }
        text
    }

    /// The bytes that follow from these rows; none, if they wait for more.
    pub fn write(&mut self, rows: &[Value]) -> io::Result<Vec<u8>> {
        match self {
            Self::Ndjson => {
                let lines = rows.iter().map(|row| format!("{row}\n"));
                Ok(lines.collect::<String>().into_bytes())
            }
            Self::Csv(columns) => {
                let mut text = String::new();
                rows.iter()
                    .for_each(|row| csv::write_row(columns, row, &mut text));
                Ok(text.into_bytes())
            }
            Self::Parquet(writer) => {
                rows.iter().try_for_each(|row| writer.add(row))?;
                Ok(writer.take())
            }
        }
    }

    /// What stands behind the last row.
    pub fn end(&mut self) -> io::Result<Vec<u8>> {
        match mem::replace(self, Self::Ndjson) {
            Self::Ndjson | Self::Csv(_) => Ok(Vec::new()),
            Self::Parquet(writer) => writer.finish(),
        }
    }
}
