//! `opsknight doctor`: asks the server how it is, and says what to do about what is not well.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::failure::Failure;
use super::output::{self, text};
use super::session::Session;
use super::{database_doctor, deep_check, migrate};

/// How far the server counts deliveries that are open or dead: so many means so many or more.
const COUNTED_AT_MOST: u64 = 10_000;

/// What counts.
#[derive(Args)]
pub struct Arguments {
    /// Conditions of webhooks that are told but do not count: degraded, disabled, dead.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CONDITION")]
    ignore: Vec<Condition>,
    /// First take for known what the database lacks of its high-water mark, as after restoring a backup.
    #[arg(long)]
    accept_loss: bool,
    /// Also read the whole store: damaged pages, rows that disagree, every delivery counted. It takes its time, and shows how far it is.
    #[arg(long)]
    deep: bool,
    /// Look at a PostgreSQL itself, and ask no server; without a URL at that of OPSKNIGHT_DATABASE or OPSKNIGHT_DATABASE_FILE.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["ignore", "accept_loss", "deep"])]
    database: Option<String>,
}

/// What can be the matter with a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Condition {
    /// Its receiver fails again and again.
    Degraded,
    /// The server has disabled it.
    Disabled,
    /// It has dead deliveries.
    Dead,
}

/// One question and its answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    name: &'static str,
    /// What is wrong and what to do, or nothing.
    trouble: Option<String>,
    /// What there is to say if all is well.
    detail: String,
}

impl Check {
    /// All is well.
    pub fn well(name: &'static str, detail: String) -> Self {
        Self {
            name,
            trouble: None,
            detail,
        }
    }

    fn bad(name: &'static str, trouble: String) -> Self {
        Self {
            name,
            trouble: Some(trouble),
            detail: String::new(),
        }
    }

    /// Whether it is.
    pub fn is_well(&self) -> bool {
        self.trouble.is_none()
    }
}

/// Asks everything, prints every answer, fails if one is bad.
pub fn run(session: &Session, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(url) = &arguments.database {
        let url = migrate::database(Some(url.clone()))?;
        return database_doctor::run(&url, session.is_json);
    }
    if arguments.accept_loss {
        session.api.post("/api/v1/system/accept-loss", None)?;
    }
    let probes = [
        probe(
            session,
            "alive",
            "/healthz",
            "restart the server and look at its log",
        )?,
        probe(
            session,
            "ready",
            "/readyz",
            "check the disk of the data directory, or PostgreSQL: space, rights, errors",
        )?,
    ];
    let deep = match arguments.deep {
        true => Some(deep_check::run(session)?),
        false => None,
    };
    let mut system = session
        .api
        .get("/api/v1/system", &vec![("server", "true".to_owned())])?
        .value;
    if let Some(findings) = deep {
        system["findings"] = findings;
    }
    let mut checks = Vec::from(probes);
    checks.extend(system_checks(&system, arguments));
    if session.is_json {
        output::print_json(&system.to_string())?;
    } else {
        let lines: Vec<String> = checks.iter().map(in_words).collect();
        output::print(&lines.join("\n"))?;
    }
    if checks.iter().all(Check::is_well) {
        Ok(())
    } else {
        Err(Failure::Said)
    }
}

fn probe(session: &Session, name: &'static str, path: &str, advice: &str) -> Result<Check, Failure> {
    match session.api.get(path, &Vec::new()) {
        // An answer 2xx that is no JSON is enough for a probe.
        Ok(_) | Err(Failure::Other(_)) => Ok(Check::well(name, String::new())),
        Err(Failure::Refused(problem)) => {
            let trouble = format!("{path} answers {}; {advice}", problem.status);
            Ok(Check::bad(name, trouble))
        }
        Err(failure) => Err(failure),
    }
}

/// What the server's own view of itself means.
fn system_checks(system: &Value, arguments: &Arguments) -> Vec<Check> {
    let name = match arguments.deep {
        true => "deep check",
        false => "database",
    };
    let list = |name: &str| system[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut checks = vec![
        Check::well("version", text(system, "/version")),
        Check::well("store", store_in_words(&system["store"])),
    ];
    checks.extend(list("troubles").iter().map(|trouble| found("store", trouble)));
    checks.push(balance(system, arguments.deep));
    checks.extend(mark(system));
    if arguments.deep && list("findings").is_empty() {
        checks.push(Check::well("deep check", "nothing found".into()));
    }
    checks.extend(list("findings").iter().map(|finding| found(name, finding)));
    checks.extend(capacity(&system["capacity"]));
    checks.push(queue(&system["deliveries"]));
    checks.extend(
        list("unwellWebhooks")
            .iter()
            .map(|unwell| webhook(unwell, &arguments.ignore)),
    );
    checks.push(sending(system));
    checks
}

fn found(name: &'static str, told: &Value) -> Check {
    let advice = match text(told, "/advice") {
        advice if advice.is_empty() => "make a backup and report it".to_owned(),
        advice => advice,
    };
    let (code, sentence) = (text(told, "/code"), text(told, "/sentence"));
    finding(name, (&code, &sentence, &advice), told["isAdvice"] == true)
}

/// A finding: its code, its sentence, what to do. What may stay as it is does not count.
pub fn finding(name: &'static str, (code, sentence, advice): (&str, &str, &str), is_advice: bool) -> Check {
    let words = format!("{sentence} ({code}); {advice}");
    match is_advice {
        true => Check::well(name, words),
        false => Check::bad(name, words),
    }
}

/// The count lies in the database: it tells of rows that went missing, not of a database that was put back as a whole.
fn balance(system: &Value, is_deep: bool) -> Check {
    if system["missing"].is_null() && is_deep {
        return Check::well("balance", "drawn by the deep check".to_owned());
    }
    if system["missing"].is_null() {
        return audited(&system["audit"]);
    }
    let webhooks = system["balance"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let wrong: Vec<String> = webhooks
        .iter()
        .filter(|webhook| webhook["missing"].as_i64() != Some(0))
        .map(|webhook| format!("{} of {}", text(webhook, "/missing"), text(webhook, "/webhookId")))
        .collect();
    let accepted: u64 = webhooks
        .iter()
        .filter_map(|webhook| webhook["accepted"].as_u64())
        .sum();
    if wrong.is_empty() {
        let detail = format!("{accepted} deliveries accepted as the database counts, and all are in it");
        return Check::well("balance", detail);
    }
    Check::bad(
        "balance",
        format!(
            "deliveries are missing: {}; keep a backup of the store and report it",
            wrong.join(", ")
        ),
    )
}

/// What the server came to by itself, of more deliveries than are counted while somebody waits.
fn audited(audit: &Value) -> Check {
    let at = text(audit, "/at");
    match audit["off"].as_i64() {
        None => {
            let detail = "too many deliveries to count at once; --deep counts them, and the server that leads does by itself \
                          (opsknight_balance_missing)";
            Check::well("balance", detail.to_owned())
        }
        Some(0) => Check::well(
            "balance",
            format!("the server counted every delivery at {at}, and all were there; --deep counts them now"),
        ),
        Some(off) => Check::bad(
            "balance",
            format!(
                "{off} deliveries did not add up when the server counted them at {at}; run `opsknight doctor --deep`, and keep a \
                 backup of the store"
            ),
        ),
    }
}

/// Being behind the mark is among the troubles. Beside a PostgreSQL there is none.
fn mark(system: &Value) -> Option<Check> {
    if !text(&system["store"], "/backend").starts_with("SQLite") {
        return None;
    }
    let last_event = system["store"]["lastEvent"].as_i64()?;
    let troubles = system["troubles"].as_array()?;
    let is_behind = troubles.iter().any(|trouble| trouble["code"] == "events_lost");
    let detail = format!("the database has every event that the mark beside it knows of, up to {last_event}");
    (!is_behind).then(|| Check::well("high-water mark", detail))
}

fn store_in_words(store: &Value) -> String {
    let mebibytes = |value: &Value| value.as_u64().map(|bytes| bytes / (1024 * 1024));
    let mut words = format!(
        "{}, schema {}, {} MiB",
        text(store, "/backend"),
        text(store, "/schemaVersion"),
        mebibytes(&store["sizeBytes"]).unwrap_or(0)
    );
    if let Some(limit) = mebibytes(&store["maxBytes"]) {
        words.push_str(&format!(" of at most {limit}"));
    }
    if let Some(log) = mebibytes(&store["walBytes"]) {
        words.push_str(&format!(", write-ahead log {log} MiB"));
    }
    let disk = &store["disk"];
    if let (Some(free), Some(total)) = (mebibytes(&disk["freeBytes"]), mebibytes(&disk["totalBytes"])) {
        let place = text(disk, "/mountedAt");
        words.push_str(&format!(
            "; the disk at {place} has {free} MiB free of {total} MiB"
        ));
    }
    words
}

/// What there is room for at once; nothing from a server that does not say.
fn capacity(capacity: &Value) -> Option<Check> {
    capacity.as_object()?;
    let files = capacity["files"].as_u64();
    let files = files.map_or_else(
        || "no bound on files".to_owned(),
        |files| format!("{files} files"),
    );
    let (clients, deliveries) = (&capacity["clientConnections"], &capacity["deliveriesInFlight"]);
    let detail = format!("{files}: {clients} connections of clients, {deliveries} deliveries in flight");
    Some(Check::well("room for", detail))
}

fn counted(number: u64) -> String {
    match number < COUNTED_AT_MOST {
        true => number.to_string(),
        false => format!("{COUNTED_AT_MOST} or more"),
    }
}

fn queue(counts: &Value) -> Check {
    let members = counts.as_object().into_iter().flatten();
    let numbers = members.filter_map(|(name, value)| Some((name, value.as_u64()?)));
    let parts: Vec<String> = numbers
        .map(|(name, number)| format!("{} {name}", counted(number)))
        .collect();
    let advice = match counts["dead"].as_u64() {
        None | Some(0) => "",
        Some(_) => "; `opsknight deliveries --status dead` shows the dead ones",
    };
    Check::well("deliveries", format!("{}{advice}", parts.join(", ")))
}

/// A receiver's trouble: it fails too, unless all that is the matter is ignored.
fn webhook(unwell: &Value, ignored: &[Condition]) -> Check {
    let state = |name: &str, word: &str| {
        unwell[name].is_object().then(|| {
            let (since, reason) = (text(&unwell[name], "/since"), text(&unwell[name], "/reason"));
            format!("{word} since {since} ({reason})")
        })
    };
    let dead = unwell["dead"].as_u64().filter(|dead| *dead > 0);
    let conditions = [
        (Condition::Degraded, state("degraded", "degraded")),
        (
            Condition::Disabled,
            state("disabledByFailure", "disabled by failure"),
        ),
        (
            Condition::Dead,
            dead.map(|dead| format!("{} dead deliveries", counted(dead))),
        ),
    ];
    let is_counted = conditions
        .iter()
        .any(|(condition, words)| words.is_some() && !ignored.contains(condition));
    let words: Vec<String> = conditions.into_iter().filter_map(|(_, words)| words).collect();
    let id = text(unwell, "/webhookId");
    let sentence = format!("{} ({id}): {}", text(unwell, "/name"), words.join(", "));
    if !is_counted {
        return Check::well("webhook", sentence);
    }
    Check::bad(
        "webhook",
        format!("{sentence}; look at its page, or `opsknight webhooks show {id}`, and recover what is dead"),
    )
}

/// A want of the server's own, which no receiver is to blame for.
fn sending(system: &Value) -> Check {
    let waiting = system["sendsWaiting"].as_u64().unwrap_or(0);
    let lacked = system["lacked"].as_str();
    let advice = "give the server more open files (ulimit -n, LimitNOFILE=), ports or memory, or a smaller \
                  limits.max_in_flight";
    let sentence = |lacked| match waiting {
        0 => format!("requests to receivers had to wait for lack of {lacked}; {advice}"),
        waiting => format!("{waiting} requests to receivers wait for lack of {lacked}; {advice}"),
    };
    Check {
        name: "sending",
        trouble: lacked.filter(|_| waiting > 0).map(sentence),
        detail: lacked.map_or_else(|| "nothing is lacking".to_owned(), sentence),
    }
}

/// A line of the answer.
pub fn in_words(check: &Check) -> String {
    let line = match &check.trouble {
        None => format!("ok      {}: {}", check.name, check.detail),
        Some(trouble) => format!("FAILED  {}: {trouble}", check.name),
    };
    line.trim_end_matches([' ', ':']).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_found_missing_by_itself_is_no_well_balance() {
        let said = |audit: Value| balance(&json!({ "missing": null, "audit": audit }), false);
        let at = "2026-01-05T12:00:00Z";
        assert!(said(json!(null)).is_well() && said(json!({ "off": 0, "at": at })).is_well());
        let bad = in_words(&said(json!({ "off": 2, "at": at })));
        assert!(
            bad.starts_with("FAILED  balance: 2 deliveries") && bad.contains("--deep"),
            "{bad}"
        );
    }

    #[test]
    fn what_is_counted_up_to_a_number_is_no_exact_number_there() {
        let said = in_words(&queue(
            &json!({ "scheduled": 9999, "dead": 10_000, "oldestDueAt": null }),
        ));
        assert!(
            said.starts_with("ok      deliveries: 9999 scheduled, 10000 or more dead;"),
            "{said}"
        );
    }
}
