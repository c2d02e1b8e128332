//! The values of one column in a row group: pages, each packed as soon as it is full, so that little waits unpacked.
//!
//! A page is one of the first version of the format, which every reader knows: which values are there as runs, then those that are,
//! plainly, all packed by gzip.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::columns::{Column, ColumnKind};
use crate::thrift::{Struct, varint};
use model::time::Timestamp;

/// A page is packed when its values have so many bytes.
const PAGE_BYTES: usize = 128 * 1024;
/// Or are so many: few bytes stand for many that are not there.
const PAGE_VALUES: u32 = 20_000;

/// Numbers of the format (parquet.thrift).
const DATA_PAGE: i32 = 0;
pub(crate) const PLAIN: i32 = 0;
pub(crate) const RLE: i32 = 3;

/// What a column has in one row group.
pub(crate) struct Chunk {
    column: Column,
    /// Whole pages, packed.
    pub(crate) packed: Vec<u8>,
    /// How many bytes they would have unpacked, heads included.
    pub(crate) unpacked_bytes: usize,
    /// How many values they have, counting those that are not there.
    pub(crate) values: u32,
    /// The page that is being filled: its values, and for each whether it is there.
    plain: Vec<u8>,
    flags: Vec<bool>,
    presence: Vec<bool>,
}

impl Chunk {
    pub(crate) fn new(column: Column) -> Self {
        Self {
            column,
            packed: Vec::new(),
            unpacked_bytes: 0,
            values: 0,
            plain: Vec::new(),
            flags: Vec::new(),
            presence: Vec::new(),
        }
    }

    /// What it holds in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.packed.len() + self.plain.len() + self.flags.len() + self.presence.len()
    }

    /// Adds the value of a row.
    pub(crate) fn add(&mut self, row: &Value) -> io::Result<()> {
        let value = row.pointer(self.column.pointer).filter(|value| !value.is_null());
        let is_there = value.is_some_and(|value| self.add_plain(value));
        self.presence.push(is_there);
        let is_full = self.plain.len() + self.flags.len() >= PAGE_BYTES || self.count() >= PAGE_VALUES;
        if is_full { self.end_page() } else { Ok(()) }
    }

    /// Says whether it is one of the column's kind: what is not, is not there.
    fn add_plain(&mut self, value: &Value) -> bool {
        let fixed = match self.column.kind {
            ColumnKind::Text => return self.add_text(value),
            ColumnKind::Flag => {
                self.flags.extend(value.as_bool());
                return value.is_boolean();
            }
            ColumnKind::Time => {
                let time = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
                time.map(|time| time.as_millis().to_le_bytes())
            }
            ColumnKind::Integer => value.as_i64().map(i64::to_le_bytes),
            ColumnKind::Number => value.as_f64().map(f64::to_le_bytes),
        };
        self.plain.extend(fixed.into_iter().flatten());
        fixed.is_some()
    }

    fn add_text(&mut self, value: &Value) -> bool {
        let written = match value {
            Value::String(_) => None,
            _ => Some(value.to_string()),
        };
        let text = written.as_deref().or(value.as_str()).unwrap_or_default();
        let Ok(length) = u32::try_from(text.len()) else {
            return false;
        };
        self.plain.extend_from_slice(&length.to_le_bytes());
        self.plain.extend_from_slice(text.as_bytes());
        true
    }

    fn count(&self) -> u32 {
        u32::try_from(self.presence.len()).unwrap_or(u32::MAX)
    }

    /// Packs the page that is being filled.
    pub(crate) fn end_page(&mut self) -> io::Result<()> {
        let count = self.count();
        if count == 0 {
            return Ok(());
        }
        let mut page = presence_in_runs(&self.presence)?;
        page.append(&mut self.plain);
        page.extend(self.flags.chunks(8).map(bits));
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(&page)?;
        let packed = packer.finish()?;
        let head_at = self.packed.len();
        write_head(&mut self.packed, page.len(), packed.len(), count)?;
        self.unpacked_bytes += self.packed.len() - head_at + page.len();
        self.packed.extend_from_slice(&packed);
        self.values += count;
        self.flags.clear();
        self.presence.clear();
        Ok(())
    }
}

fn write_head(out: &mut Vec<u8>, unpacked: usize, packed: usize, values: u32) -> io::Result<()> {
    let size = |bytes: usize| i32::try_from(bytes).map_err(io::Error::other);
    let (unpacked, packed) = (size(unpacked)?, size(packed)?);
    let values = i32::try_from(values).map_err(io::Error::other)?;
    Struct::write(out, |head| {
        head.i32(1, DATA_PAGE);
        head.i32(2, unpacked);
        head.i32(3, packed);
        head.inner(5, |page| {
            page.i32(1, values);
            page.i32(2, PLAIN);
            page.i32(3, RLE);
            page.i32(4, RLE);
        });
    });
    Ok(())
}

/// Which values are there, as runs of the same, behind the length of that in bytes.
fn presence_in_runs(presence: &[bool]) -> io::Result<Vec<u8>> {
    let mut runs = Vec::new();
    for run in presence.chunk_by(|a, b| a == b) {
        varint(
            &mut runs,
            u64::try_from(run.len()).map_err(io::Error::other)? << 1,
        );
        runs.push(u8::from(run.first() == Some(&true)));
    }
    let length = u32::try_from(runs.len()).map_err(io::Error::other)?;
    let mut written = length.to_le_bytes().to_vec();
    written.append(&mut runs);
    Ok(written)
}

/// Up to eight flags, the first as the lowest bit.
fn bits(flags: &[bool]) -> u8 {
    let bit = |(place, flag): (u32, &bool)| u8::from(*flag) << place;
    (0..).zip(flags).map(bit).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_told_in_runs() {
        let presence = [true, true, false, true];
        let expected = [6, 0, 0, 0, 4, 1, 2, 0, 2, 1];
        assert_eq!(presence_in_runs(&presence).unwrap(), expected);
    }

    #[test]
    fn flags_are_bits_the_first_one_lowest() {
        assert_eq!(bits(&[true, false, true]), 0b101);
        assert_eq!(bits(&[false; 8]), 0);
        assert_eq!(bits(&[true; 8]), 0xff);
    }
}
