//! `opsknight incidents list`: a line for each incident, no wider than the terminal.

use clap::Args;
use serde_json::Value;

use super::client::Query;
use super::failure::Failure;
use super::output::text;
use super::replay::time;
use super::session::Session;
use super::table::{cut, lines, terminal_width};

/// How many columns of text a service's name has at most where room is short.
const SERVICE_WIDTH: usize = 16;
const HEADINGS: [&str; 6] = ["NUMBER", "STATUS", "SEVERITY", "TRIGGERED", "SERVICE", "TITLE"];

/// Which incidents.
#[derive(Args)]
pub struct Arguments {
    /// open, any, triggered, acknowledged or resolved; several with commas.
    #[arg(long, default_value = "open")]
    status: String,
    /// critical, error, warning or info.
    #[arg(long)]
    severity: Option<String>,
    /// Only this service's, by name or id.
    #[arg(long, value_name = "NAME|ID")]
    service: Option<String>,
    /// Only those that this user has, by name or id.
    #[arg(long, value_name = "NAME|ID")]
    assignee: Option<String>,
    /// Only triggered since, a time (2024-01-15T10:30:00Z) or how long ago (2h).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only triggered before, likewise.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only those whose title, service or dedup key contains this, or whose number it is.
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// newest, oldest or severity first.
    #[arg(long)]
    sort: Option<String>,
    /// How many at most.
    #[arg(long)]
    limit: Option<u32>,
    /// Where the page before ended.
    #[arg(long)]
    cursor: Option<String>,
}

/// Lists them.
pub fn run(session: &Session, arguments: Arguments) -> Result<(), Failure> {
    let mut query: Query = Vec::new();
    match arguments.status.as_str() {
        "any" => {}
        "open" => query.push(("status", "triggered,acknowledged".into())),
        status => query.push(("status", status.to_owned())),
    }
    if let Some(service) = &arguments.service {
        query.push(("service", session.service_id(service)?));
    }
    if let Some(user) = &arguments.assignee {
        query.push(("assignee", session.user_id(user)?));
    }
    for (name, given) in [("since", &arguments.since), ("until", &arguments.until)] {
        if let Some(given) = given {
            query.push((name, time(session, name, given)?.to_string()));
        }
    }
    let plain = [
        ("severity", arguments.severity),
        ("q", arguments.q),
        ("sort", arguments.sort),
        ("limit", arguments.limit.map(|limit| limit.to_string())),
        ("cursor", arguments.cursor),
    ];
    query.extend(plain.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let answer = session.api.get("/api/v1/incidents", &query)?;
    session.print(&answer, |page| in_words(page, terminal_width()))
}

/// A page, no wider than so many columns; as wide as it is without a terminal.
fn in_words(page: &Value, width: Option<usize>) -> String {
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let more = page["nextCursor"]
        .as_str()
        .map(|cursor| format!("more: --cursor {cursor}"));
    let table = match items {
        [] if more.is_some() => "none so far".to_owned(),
        [] => "none".to_owned(),
        items => {
            let rows = items.iter().map(|item| row(item, width.is_some())).collect();
            lines(&HEADINGS, rows, width)
        }
    };
    match more {
        Some(more) => format!("{table}\n{more}"),
        None => table,
    }
}

/// One incident. What has no number has its id: those are never cut.
fn row(item: &Value, is_narrow: bool) -> Vec<String> {
    let [number, id, status, severity, created_at, service, title] = [
        "/number",
        "/id",
        "/status",
        "/severity",
        "/createdAt",
        "/service/name",
        "/title",
    ]
    .map(|place| text(item, place));
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = if number.is_empty() {
        id
    } else {
        format!("#{number}")
    };
    let (created_at, service) = match is_narrow {
        // To the minute, since the list is read by people.
        true => (
            created_at.get(..16).unwrap_or(&created_at).replace('T', " "),
            cut(&one_line(service), SERVICE_WIDTH),
        ),
        false => (created_at, one_line(service)),
    };
    vec![name, status, severity, created_at, service, one_line(title)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page() -> Value {
        json!({ "items": [
            { "number": 1042, "id": "inc_1", "status": "acknowledged", "severity": "critical",
              "createdAt": "2024-01-15T10:30:00Z", "service": { "name": "A service with quite a long name" },
              "title": "Database connection timeout\non every node of the cluster, again and again" },
            { "number": null, "id": "inc_0190b6c88f3e7d2a8e4c5f6a7b8c9d03", "status": "triggered", "severity": "info",
              "createdAt": "2024-01-15T10:31:00Z", "service": { "name": "API" }, "title": "x" },
        ], "nextCursor": "abc" })
    }

    #[test]
    fn a_list_fits_the_terminal_and_cuts_no_id_and_is_whole_in_a_pipe() {
        let numbered = json!({ "items": [page()["items"][0]], "nextCursor": null });
        let narrow = in_words(&numbered, Some(80));
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
        assert!(narrow.contains("#1042") && narrow.contains("2024-01-15 10:30") && narrow.contains('…'));
        let narrow = in_words(&page(), Some(80));
        assert!(
            narrow.contains("inc_0190b6c88f3e7d2a8e4c5f6a7b8c9d03") && narrow.ends_with("more: --cursor abc")
        );
        let whole = in_words(&page(), None);
        assert!(whole.contains("timeout on every node of the cluster, again and again"));
        assert_eq!(whole.lines().count(), 4);
        assert!(whole.contains("2024-01-15T10:30:00Z") && whole.contains("quite a long name"));
    }

    #[test]
    fn an_empty_page_says_whether_more_may_follow() {
        assert_eq!(
            in_words(&json!({ "items": [], "nextCursor": null }), None),
            "none"
        );
        let more = json!({ "items": [], "nextCursor": "abc" });
        assert_eq!(in_words(&more, None), "none so far\nmore: --cursor abc");
    }
}
