//! `opsknight recover`: counts what died for a webhook since a time, then sends all of it again, step by step.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::output;
use super::replay::time;
use super::session::Session;

/// The most steps of one recovery.
const MAX_STEPS: usize = 1_000_000;

/// What to recover.
#[derive(Args)]
pub struct Arguments {
    /// Whose deliveries, by name or id (whk_…).
    #[arg(long, value_name = "NAME|ID")]
    webhook: String,
    /// Made since: a time (2024-01-15T10:30:00Z) or how long ago (2h).
    #[arg(long, value_name = "TIME")]
    since: String,
    /// Made before: a time or how long ago [default: now].
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only count.
    #[arg(long)]
    dry_run: bool,
}

/// Counts, then recovers until nothing is left.
pub fn run(session: &Session, arguments: &Arguments) -> Result<(), Failure> {
    let path = format!("{}/recover", session.webhook_path(&arguments.webhook)?);
    let mut body = Map::new();
    let since = time(session, "since", &arguments.since)?;
    body.insert("since".into(), json!(since));
    // A fixed end: what dies again meanwhile is not recovered twice.
    let until = arguments.until.as_deref().unwrap_or("0s");
    body.insert("until".into(), json!(time(session, "until", until)?));
    let count = session.api.post(&path, Some(&dry(&body)))?;
    if arguments.dry_run {
        return session.print(&count, |value| {
            format!(
                "{} dead deliveries would be sent again",
                output::text(value, "/count")
            )
        });
    }
    let total = count.value["count"].as_u64().unwrap_or(0);
    let recovered = recover(session, &path, &Value::Object(body), &progress_bar(total))?;
    if session.is_json {
        return output::print_json(&json!({ "count": recovered, "isDone": true }).to_string());
    }
    output::print(&format!("{recovered} dead deliveries are sent again"))
}

fn dry(body: &Map<String, Value>) -> Value {
    let mut body = body.clone();
    body.insert("dryRun".into(), Value::Bool(true));
    Value::Object(body)
}

fn recover(session: &Session, path: &str, body: &Value, bar: &ProgressBar) -> Result<u64, Failure> {
    let mut recovered = 0;
    for _ in 0..MAX_STEPS {
        let step = session.api.post(path, Some(body))?.value;
        let count = step["count"].as_u64().unwrap_or(0);
        recovered += count;
        bar.inc(count);
        if step["isDone"] == true {
            bar.finish_and_clear();
            return Ok(recovered);
        }
        if count == 0 {
            break;
        }
    }
    bar.abandon();
    Err(Failure::other(format!(
        "the server stopped after {recovered} deliveries without being done; run the same command again"
    )))
}

/// On standard error, and only if that is a terminal.
fn progress_bar(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} sent again, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style)
}
