//! Cuts an export into its rows, each of bounded length. Only whole rows count: where a stream breaks off, the rest of a row is left
//! out, and the one before says where to go on.

use std::io::{self, BufRead, BufReader, Read};

use super::Format;

/// The longest row: an attempt with all its bodies is far shorter.
const MAX_ROW_BYTES: usize = 4 * 1024 * 1024;

/// The rows of a stream.
pub struct Rows<R> {
    reader: BufReader<R>,
    format: Format,
    row: Vec<u8>,
}

impl<R: Read> Rows<R> {
    /// The rows of an export in this format.
    pub fn new(reader: R, format: Format) -> Self {
        Self {
            reader: BufReader::new(reader),
            format,
            row: Vec::new(),
        }
    }

    /// The next row with the end of its line; nothing after the last.
    pub fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.row.clear();
        loop {
            let room = MAX_ROW_BYTES - self.row.len();
            let limit = u64::try_from(room).unwrap_or(u64::MAX);
            let read = (&mut self.reader).take(limit).read_until(b'\n', &mut self.row)?;
            match (read, self.row.is_empty()) {
                (0, true) => return Ok(None),
                (0, false) => return Err(io::Error::other("a row is cut off, or far too long")),
                _ if is_whole(&self.row, self.format) => return Ok(Some(&self.row)),
                _ => {}
            }
        }
    }
}

/// In CSV a line may end within quotation marks, where it is a part of a text.
fn is_whole(row: &[u8], format: Format) -> bool {
    let marks = || row.iter().filter(|byte| **byte == b'"').count();
    row.ends_with(b"\n") && (format != Format::Csv || marks().is_multiple_of(2))
}

/// Where to go on behind a row: its last member or column, which has letters, digits, `-` and `_` only.
pub fn cursor(row: &[u8], format: Format) -> Option<String> {
    let text = String::from_utf8_lossy(row);
    let text = text.trim_end();
    let cursor = match format {
        Format::Ndjson | Format::Parquet => text.strip_suffix("\"}")?.rsplit_once("\"cursor\":\"")?.1,
        Format::Csv => text.rsplit_once(',')?.1,
    };
    let is_one = !cursor.is_empty()
        && cursor
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_one.then(|| cursor.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_of(text: &str, format: Format) -> Vec<String> {
        let mut rows = Rows::new(text.as_bytes(), format);
        let mut found = Vec::new();
        while let Ok(Some(row)) = rows.next() {
            found.push(String::from_utf8_lossy(row).into_owned());
        }
        found
    }

    #[test]
    fn a_row_of_csv_ends_outside_of_quotation_marks() {
        let text = "id,title,cursor\r\n1,\"two\nlines \"\" and, a comma\",Ab-_\r\n2,cut";
        let rows = rows_of(text, Format::Csv);
        assert_eq!(
            rows,
            [
                "id,title,cursor\r\n",
                "1,\"two\nlines \"\" and, a comma\",Ab-_\r\n"
            ]
        );
        assert_eq!(cursor(rows[1].as_bytes(), Format::Csv).as_deref(), Some("Ab-_"));
    }

    #[test]
    fn a_row_of_json_is_a_line_and_ends_with_its_cursor() {
        let text = "{\"id\":1,\"cursor\":\"Ab\"}\n{\"id\":2,\"cur";
        let rows = rows_of(text, Format::Ndjson);
        assert_eq!(rows, ["{\"id\":1,\"cursor\":\"Ab\"}\n"]);
        assert_eq!(cursor(rows[0].as_bytes(), Format::Ndjson).as_deref(), Some("Ab"));
        assert_eq!(cursor(b"{\"id\":\"x\"}\n", Format::Ndjson), None);
    }
}
