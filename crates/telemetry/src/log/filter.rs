//! Filters of the log that name the program: it is made of crates, and the log knows only those.

/// Our crates, as the log names them. `tests/it/tidy.rs` holds the list to the folders.
pub const CRATES: &[&str] = &[
    "actions",
    "alerting",
    "api",
    "bench",
    "chat",
    "cli",
    "clock",
    "config",
    "destination",
    "engine",
    "inbound",
    "kinds",
    "limit",
    "model",
    "oidc",
    "outbound",
    "passkeys",
    "renderer",
    "server",
    "simulators",
    "sources",
    "store",
    "store_conformance",
    "store_postgres",
    "store_sqlite",
    "streams",
    "supervisor",
    "tables",
    "telemetry",
    "tickets",
    "web",
];
/// What was a folder of one crate before, and the crates that it became.
const FORMER: &[(&str, &[&str])] = &[
    ("adapters", &["destination", "chat", "tickets", "kinds"]),
    ("app", &["server"]),
    ("dispatch", &["engine"]),
    ("store::sqlite", &["store_sqlite"]),
];

/// A filter in the form of `RUST_LOG`, in which `opsknight` and `opsknight::…` stand for crates of ours.
pub fn of_crates(filter: &str) -> String {
    filter
        .split(',')
        .map(|directive| expanded(directive.trim()))
        .collect::<Vec<_>>()
        .join(",")
}

fn expanded(directive: &str) -> String {
    let Some(rest) = directive.strip_prefix("opsknight") else {
        return directive.to_owned();
    };
    if rest.is_empty() || rest.starts_with('=') {
        return std::iter::once("opsknight")
            .chain(CRATES.iter().copied())
            .map(|name| format!("{name}{rest}"))
            .collect::<Vec<_>>()
            .join(",");
    }
    let Some(path) = rest.strip_prefix("::") else {
        return directive.to_owned();
    };
    let former = FORMER.iter().find_map(|(folder, crates)| {
        let rest = path.strip_prefix(folder)?;
        (rest.is_empty() || rest.starts_with([':', '=', '['])).then_some((*crates, rest))
    });
    match former {
        Some((crates, rest)) => crates
            .iter()
            .map(|name| format!("{name}{rest}"))
            .collect::<Vec<_>>()
            .join(","),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_stands_for_its_crates_and_everything_else_for_itself() {
        let all = of_crates("info,opsknight=debug");
        assert!(all.starts_with("info,opsknight=debug,actions=debug,") && all.ends_with(",web=debug"));
        assert_eq!(
            of_crates("warn, hyper=trace,engine::notices=debug"),
            "warn,hyper=trace,engine::notices=debug"
        );
        assert_eq!(of_crates("opsknight_x=debug"), "opsknight_x=debug");
    }

    #[test]
    fn names_from_before_there_were_crates_are_understood() {
        assert_eq!(of_crates("info,opsknight::dispatch=debug"), "info,engine=debug");
        assert_eq!(
            of_crates("opsknight::store::sqlite::writer=trace"),
            "store_sqlite::writer=trace"
        );
        assert_eq!(
            of_crates("opsknight::store=debug,opsknight::web"),
            "store=debug,web"
        );
        assert_eq!(of_crates("opsknight::app::server=debug"), "server::server=debug");
    }
}
