//! The columns of exports in CSV (RFC 4180), and how a value stands in a cell: a text that a spreadsheet would take for a formula
//! is told to be text.

use serde_json::Value;

/// A name, and where its value stands in a row (a JSON pointer).
pub type Column = (&'static str, &'static str);

/// What a text begins with that spreadsheets calculate.
const BEGINNINGS_OF_FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// What makes them take it for text.
const MARK_OF_TEXT: char = '\'';
/// What ends a line.
const LINE_END: &str = "\r\n";

pub const INCIDENTS: &[Column] = &[
    ("id", "/id"),
    ("title", "/title"),
    ("description", "/description"),
    ("status", "/status"),
    ("severity", "/severity"),
    ("serviceId", "/service/id"),
    ("serviceName", "/service/name"),
    ("assigneeId", "/assignee/id"),
    ("assigneeName", "/assignee/name"),
    ("dedupKey", "/dedupKey"),
    ("escalationStepsFired", "/escalationStepsFired"),
    ("escalateAt", "/escalateAt"),
    ("createdAt", "/createdAt"),
    ("updatedAt", "/updatedAt"),
    ("acknowledgedAt", "/acknowledgedAt"),
    ("resolvedAt", "/resolvedAt"),
    ("cursor", "/cursor"),
];

pub const EVENTS: &[Column] = &[
    ("id", "/id"),
    ("event", "/event"),
    ("timestamp", "/timestamp"),
    ("incidentId", "/incident/id"),
    ("title", "/incident/title"),
    ("status", "/incident/status"),
    ("severity", "/incident/severity"),
    ("serviceId", "/incident/service/id"),
    ("serviceName", "/incident/service/name"),
    ("assigneeId", "/incident/assignee/id"),
    ("assigneeName", "/incident/assignee/name"),
    ("createdAt", "/incident/createdAt"),
    ("cursor", "/cursor"),
];

pub const DELIVERIES: &[Column] = &[
    ("id", "/id"),
    ("webhookId", "/webhook/id"),
    ("webhookName", "/webhook/name"),
    ("incidentId", "/incident/id"),
    ("event", "/event"),
    ("status", "/status"),
    ("isTest", "/isTest"),
    ("createdAt", "/createdAt"),
    ("dueAt", "/dueAt"),
    ("nextAttemptAt", "/nextAttemptAt"),
    ("attemptsMade", "/attemptsMade"),
    ("finishedAt", "/finishedAt"),
    ("lastFailure", "/lastFailure/code"),
    ("givenUpBy", "/givenUpBy"),
    ("fallbackOf", "/fallbackOf"),
    ("takenOverBy", "/takenOverBy"),
    ("cursor", "/cursor"),
];

pub const ATTEMPTS: &[Column] = &[
    ("id", "/id"),
    ("deliveryId", "/deliveryId"),
    ("number", "/number"),
    ("startedAt", "/startedAt"),
    ("outcome", "/outcome"),
    ("failure", "/failure/code"),
    ("failureDetail", "/failure/detail"),
    ("retryAfterSeconds", "/failure/retryAfterSeconds"),
    ("note", "/note"),
    ("status", "/status"),
    ("dnsMs", "/timings/dnsMs"),
    ("connectMs", "/timings/connectMs"),
    ("tlsMs", "/timings/tlsMs"),
    ("firstByteMs", "/timings/firstByteMs"),
    ("totalMs", "/timings/totalMs"),
    ("remoteAddress", "/remoteAddress"),
    ("requestLine", "/request/line"),
    ("requestHeaders", "/request/headers"),
    ("requestBody", "/request/body"),
    ("responseHeaders", "/response/headers"),
    ("responseBody", "/response/body"),
    ("responseBodyIsBase64", "/response/bodyIsBase64"),
    ("responseBodyIsTruncated", "/response/bodyIsTruncated"),
    ("cursor", "/cursor"),
];

/// Writes the line of names.
pub fn write_names(columns: &[Column], out: &mut String) {
    write_line(columns.iter().map(|(name, _)| (*name).to_owned()), out);
}

/// Writes the line of a row.
pub fn write_row(columns: &[Column], row: &Value, out: &mut String) {
    let cells = columns
        .iter()
        .map(|(_, pointer)| row.pointer(pointer).map_or_else(String::new, cell));
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

    #[test]
    fn cells_keep_what_stands_in_them_and_calculate_nothing() {
        let columns: &[Column] = &[("a", "/a"), ("b", "/b/c"), ("d", "/d")];
        let rows = [
            json!({ "a": "plain", "b": { "c": 1.5 }, "d": null }),
            json!({ "a": "=1+1", "b": { "c": "-2" }, "d": "@x" }),
            json!({ "a": "two\nlines, \"quoted\"", "b": null, "d": ["x"] }),
        ];
        let mut text = String::new();
        write_names(columns, &mut text);
        for row in &rows {
            write_row(columns, row, &mut text);
        }
        let expected =
            "a,b,d\r\nplain,1.5,\r\n'=1+1,'-2,'@x\r\n\"two\nlines, \"\"quoted\"\"\",,\"[\"\"x\"\"]\"\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn every_export_ends_with_its_cursor() {
        for columns in [INCIDENTS, EVENTS, DELIVERIES, ATTEMPTS] {
            assert_eq!(columns.last(), Some(&("cursor", "/cursor")));
        }
    }
}
