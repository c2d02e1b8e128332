//! Rows in CSV (RFC 4180), and how a value stands in a cell: a text that a spreadsheet would take for a formula is told to be text.

use serde_json::Value;

use tables::Column;

/// What a text begins with that spreadsheets calculate.
const BEGINNINGS_OF_FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// What makes them take it for text.
const MARK_OF_TEXT: char = '\'';
/// What ends a line.
const LINE_END: &str = "\r\n";

/// Writes the line of names.
pub fn write_names(columns: &[Column], out: &mut String) {
    write_line(columns.iter().map(|column| column.name.to_owned()), out);
}

/// Writes the line of a row.
pub fn write_row(columns: &[Column], row: &Value, out: &mut String) {
    let cells = columns
        .iter()
        .map(|column| row.pointer(column.pointer).map_or_else(String::new, cell));
    write_line(cells, out);
}

fn write_line(cells: impl Iterator<Item = String>, out: &mut String) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_cell(&cell, out);
    }
    out.push_str(LINE_END);
}

/// Lists of headers stay JSON; what is not there is empty.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(BEGINNINGS_OF_FORMULAS) => format!("{MARK_OF_TEXT}{text}"),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn write_cell(text: &str, out: &mut String) {
    if !text.contains([',', '"', '\r', '\n']) {
        return out.push_str(text);
    }
    out.push('"');
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tables::ColumnKind;

    #[test]
    fn cells_keep_what_stands_in_them_and_calculate_nothing() {
        let column = |name, pointer| Column {
            name,
            pointer,
            kind: ColumnKind::Text,
        };
        let columns = [column("a", "/a"), column("b", "/b/c"), column("d", "/d")];
        let rows = [
            json!({ "a": "plain", "b": { "c": 1.5 }, "d": null }),
            json!({ "a": "=1+1", "b": { "c": "-2" }, "d": "@x" }),
            json!({ "a": "two\nlines, \"quoted\"", "b": null, "d": ["x"] }),
        ];
        let mut text = String::new();
        write_names(&columns, &mut text);
        for row in &rows {
            write_row(&columns, row, &mut text);
        }
        let expected =
            "a,b,d\r\nplain,1.5,\r\n'=1+1,'-2,'@x\r\n\"two\nlines, \"\"quoted\"\"\",,\"[\"\"x\"\"]\"\r\n";
        assert_eq!(text, expected);
    }
}
