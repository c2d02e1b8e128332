//! The columns of each table, in CSV and in Parquet.

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    /// Where its value stands in a row (a JSON pointer).
    pub pointer: &'static str,
    pub kind: ColumnKind,
}

/// What a column holds, where that is told: in CSV all is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A text; what is no text is written as JSON.
    Text,
    /// A point in time, in milliseconds.
    Time,
    Integer,
    Number,
    Flag,
}

const fn column(name: &'static str, pointer: &'static str, kind: ColumnKind) -> Column {
    Column { name, pointer, kind }
}

const fn text(name: &'static str, pointer: &'static str) -> Column {
    column(name, pointer, ColumnKind::Text)
}

const fn time(name: &'static str, pointer: &'static str) -> Column {
    column(name, pointer, ColumnKind::Time)
}

const fn integer(name: &'static str, pointer: &'static str) -> Column {
    column(name, pointer, ColumnKind::Integer)
}

const fn number(name: &'static str, pointer: &'static str) -> Column {
    column(name, pointer, ColumnKind::Number)
}

const fn flag(name: &'static str, pointer: &'static str) -> Column {
    column(name, pointer, ColumnKind::Flag)
}

pub const INCIDENTS: &[Column] = &[
    text("id", "/id"),
    integer("number", "/number"),
    text("title", "/title"),
    text("description", "/description"),
    text("status", "/status"),
    text("severity", "/severity"),
    text("serviceId", "/service/id"),
    text("serviceName", "/service/name"),
    text("assigneeId", "/assignee/id"),
    text("assigneeName", "/assignee/name"),
    text("dedupKey", "/dedupKey"),
    integer("escalationStepsFired", "/escalationStepsFired"),
    time("escalateAt", "/escalateAt"),
    time("createdAt", "/createdAt"),
    time("updatedAt", "/updatedAt"),
    time("acknowledgedAt", "/acknowledgedAt"),
    time("resolvedAt", "/resolvedAt"),
    text("cursor", "/cursor"),
];

pub const EVENTS: &[Column] = &[
    text("id", "/id"),
    text("event", "/event"),
    time("timestamp", "/timestamp"),
    text("incidentId", "/incident/id"),
    text("title", "/incident/title"),
    text("status", "/incident/status"),
    text("severity", "/incident/severity"),
    text("serviceId", "/incident/service/id"),
    text("serviceName", "/incident/service/name"),
    text("assigneeId", "/incident/assignee/id"),
    text("assigneeName", "/incident/assignee/name"),
    time("createdAt", "/incident/createdAt"),
    text("cursor", "/cursor"),
];

pub const DELIVERIES: &[Column] = &[
    text("id", "/id"),
    text("webhookId", "/webhook/id"),
    text("webhookName", "/webhook/name"),
    text("incidentId", "/incident/id"),
    text("event", "/event"),
    text("status", "/status"),
    flag("isTest", "/isTest"),
    time("createdAt", "/createdAt"),
    time("dueAt", "/dueAt"),
    time("nextAttemptAt", "/nextAttemptAt"),
    integer("attemptsMade", "/attemptsMade"),
    time("finishedAt", "/finishedAt"),
    text("lastFailure", "/lastFailure/code"),
    text("givenUpBy", "/givenUpBy"),
    text("fallbackOf", "/fallbackOf"),
    text("takenOverBy", "/takenOverBy"),
    text("cursor", "/cursor"),
];

pub const ATTEMPTS: &[Column] = &[
    text("id", "/id"),
    text("deliveryId", "/deliveryId"),
    integer("number", "/number"),
    time("startedAt", "/startedAt"),
    text("outcome", "/outcome"),
    text("failure", "/failure/code"),
    text("failureDetail", "/failure/detail"),
    number("retryAfterSeconds", "/failure/retryAfterSeconds"),
    text("note", "/note"),
    integer("status", "/status"),
    number("dnsMs", "/timings/dnsMs"),
    number("connectMs", "/timings/connectMs"),
    number("tlsMs", "/timings/tlsMs"),
    number("firstByteMs", "/timings/firstByteMs"),
    number("totalMs", "/timings/totalMs"),
    text("remoteAddress", "/remoteAddress"),
    text("requestLine", "/request/line"),
    text("requestHeaders", "/request/headers"),
    text("requestBody", "/request/body"),
    text("responseHeaders", "/response/headers"),
    text("responseBody", "/response/body"),
    flag("responseBodyIsBase64", "/response/bodyIsBase64"),
    flag("responseBodyIsTruncated", "/response/bodyIsTruncated"),
    text("cursor", "/cursor"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_ends_with_its_cursor() {
        for columns in [INCIDENTS, EVENTS, DELIVERIES, ATTEMPTS] {
            assert_eq!(columns.last(), Some(&text("cursor", "/cursor")));
        }
    }
}
