//! A Parquet file, written from its beginning to its end: row groups, and at the end where everything is. Nobody can read it without
//! that end, and nothing can be added behind it.
//!
//! Written by ourselves, as brokers are spoken to by ourselves (decision 0031): flat rows in plain pages are a small part of the
//! format, and the library for all of it would have to be a feature that not every build has. Foreign readers judge it.

use std::io;
use std::mem;

use serde_json::Value;

use crate::chunk::{Chunk, PLAIN, RLE};
use crate::columns::{Column, ColumnKind};
use crate::thrift::Struct;

/// A row group is written when what is held of it has so many bytes, most of them packed.
const GROUP_BYTES: usize = 8 * 1024 * 1024;
/// Or when it has so many rows.
const GROUP_ROWS: u32 = 100_000;

const MAGIC: &[u8; 4] = b"PAR1";
const CREATED_BY: &str = concat!("opsknight version ", env!("CARGO_PKG_VERSION"));

/// Numbers of the format (parquet.thrift).
const VERSION: i32 = 1;
const BOOLEAN: i32 = 0;
const INT64: i32 = 2;
const DOUBLE: i32 = 5;
const BYTE_ARRAY: i32 = 6;
const OPTIONAL: i32 = 1;
const GZIP: i32 = 2;
const CONVERTED_UTF8: i32 = 0;
const CONVERTED_TIMESTAMP_MILLIS: i32 = 9;

/// A file that is being written. What it has ready is taken by [`ParquetWriter::take`].
pub struct ParquetWriter {
    columns: &'static [Column],
    chunks: Vec<Chunk>,
    rows_in_group: u32,
    rows: i64,
    groups: Vec<Group>,
    ready: Vec<u8>,
    taken_bytes: usize,
}

/// A row group that is written.
struct Group {
    rows: u32,
    chunks: Vec<WrittenChunk>,
}

struct WrittenChunk {
    column: Column,
    at: i64,
    values: i64,
    packed_bytes: i64,
    unpacked_bytes: i64,
}

impl ParquetWriter {
    /// A file with these columns.
    pub fn new(columns: &'static [Column]) -> Self {
        Self {
            columns,
            chunks: chunks(columns),
            rows_in_group: 0,
            rows: 0,
            groups: Vec::new(),
            ready: MAGIC.to_vec(),
            taken_bytes: 0,
        }
    }

    /// Adds a row; what it does not have is null.
    pub fn add(&mut self, row: &Value) -> io::Result<()> {
        for chunk in &mut self.chunks {
            chunk.add(row)?;
        }
        self.rows_in_group += 1;
        let held: usize = self.chunks.iter().map(Chunk::held_bytes).sum();
        if held >= GROUP_BYTES || self.rows_in_group >= GROUP_ROWS {
            self.end_group()?;
        }
        Ok(())
    }

    /// The bytes that are ready; they follow those that were taken before.
    pub fn take(&mut self) -> Vec<u8> {
        self.taken_bytes += self.ready.len();
        mem::take(&mut self.ready)
    }

    /// Ends the file; the bytes that were not taken.
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        self.end_group()?;
        let footer_at = self.ready.len();
        self.write_footer();
        let length = u32::try_from(self.ready.len() - footer_at).map_err(io::Error::other)?;
        self.ready.extend_from_slice(&length.to_le_bytes());
        self.ready.extend_from_slice(MAGIC);
        Ok(self.ready)
    }

    fn end_group(&mut self) -> io::Result<()> {
        if self.rows_in_group == 0 {
            return Ok(());
        }
        let mut written = Vec::with_capacity(self.columns.len());
        let full = mem::replace(&mut self.chunks, chunks(self.columns));
        for (mut chunk, column) in full.into_iter().zip(self.columns) {
            chunk.end_page()?;
            written.push(WrittenChunk {
                column: *column,
                at: number(self.taken_bytes + self.ready.len())?,
                values: i64::from(chunk.values),
                packed_bytes: number(chunk.packed.len())?,
                unpacked_bytes: number(chunk.unpacked_bytes)?,
            });
            self.ready.append(&mut chunk.packed);
        }
        self.rows += i64::from(self.rows_in_group);
        self.groups.push(Group {
            rows: mem::take(&mut self.rows_in_group),
            chunks: written,
        });
        Ok(())
    }

    fn write_footer(&mut self) {
        let (columns, groups, rows) = (self.columns, &self.groups, self.rows);
        let root = [None];
        let elements: Vec<_> = root.into_iter().chain(columns.iter().map(Some)).collect();
        Struct::write(&mut self.ready, |file| {
            file.i32(1, VERSION);
            file.structs(2, &elements, |element, column| match column {
                Some(column) => describe(element, column),
                None => {
                    element.text(4, "row");
                    element.i32(5, i32::try_from(columns.len()).unwrap_or(i32::MAX));
                }
            });
            file.i64(3, rows);
            file.structs(4, groups, write_group);
            file.text(6, CREATED_BY);
        });
    }
}

fn chunks(columns: &[Column]) -> Vec<Chunk> {
    columns.iter().map(|column| Chunk::new(*column)).collect()
}

fn number(bytes: usize) -> io::Result<i64> {
    i64::try_from(bytes).map_err(io::Error::other)
}

fn physical_type(kind: ColumnKind) -> i32 {
    match kind {
        ColumnKind::Text => BYTE_ARRAY,
        ColumnKind::Time | ColumnKind::Integer => INT64,
        ColumnKind::Number => DOUBLE,
        ColumnKind::Flag => BOOLEAN,
    }
}

/// What a column is to old readers and to new ones.
fn describe(element: &mut Struct<'_>, column: &Column) {
    element.i32(1, physical_type(column.kind));
    element.i32(3, OPTIONAL);
    element.text(4, column.name);
    match column.kind {
        ColumnKind::Text => {
            element.i32(6, CONVERTED_UTF8);
            element.inner(10, |logical| logical.inner(1, |_| {}));
        }
        ColumnKind::Time => {
            element.i32(6, CONVERTED_TIMESTAMP_MILLIS);
            element.inner(10, |logical| {
                logical.inner(8, |timestamp| {
                    timestamp.yes(1);
                    timestamp.inner(2, |unit| unit.inner(1, |_| {}));
                });
            });
        }
        ColumnKind::Integer | ColumnKind::Number | ColumnKind::Flag => {}
    }
}

fn write_group(group: &mut Struct<'_>, written: &Group) {
    group.structs(1, &written.chunks, |chunk, of| {
        chunk.i64(2, 0);
        chunk.inner(3, |metadata| {
            metadata.i32(1, physical_type(of.column.kind));
            metadata.i32s(2, &[PLAIN, RLE]);
            metadata.texts(3, &[of.column.name]);
            metadata.i32(4, GZIP);
            metadata.i64(5, of.values);
            metadata.i64(6, of.unpacked_bytes);
            metadata.i64(7, of.packed_bytes);
            metadata.i64(9, of.at);
        });
    });
    group.i64(2, written.chunks.iter().map(|chunk| chunk.unpacked_bytes).sum());
    group.i64(3, i64::from(written.rows));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::INCIDENTS;
    use serde_json::json;

    #[test]
    fn a_file_begins_and_ends_as_one_though_it_has_no_row() {
        let file = ParquetWriter::new(INCIDENTS).finish().unwrap();
        assert!(file.starts_with(MAGIC) && file.ends_with(MAGIC));
    }

    #[test]
    fn no_more_than_a_group_is_held() {
        let mut writer = ParquetWriter::new(INCIDENTS);
        // Does not get smaller when it is packed.
        let mut state: u64 = 1;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("{state:016x}")
        };
        let mut most = 0;
        for _ in 0..4000 {
            let description: String = (0..600).map(|_| noise()).collect();
            writer
                .add(&json!({ "id": noise(), "description": description }))
                .unwrap();
            let held: usize = writer.chunks.iter().map(Chunk::held_bytes).sum();
            most = most.max(held + writer.take().len());
        }
        assert!(most < GROUP_BYTES * 2, "{most}");
        assert!(writer.groups.len() > 1);
    }
}
