//! `opsknight migrate`: moves everything from a data directory into a PostgreSQL, while no server runs on either.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use clock::Env;
use config::secret_file;
use model::secret::SecretText;
use server::transfer::{self, Progress, ServersKey, Stage, TransferReport, TransferRequest};

use super::failure::Failure;
use super::output;

/// Holds the address of the database; with `_FILE` behind it, names a file that does.
const DATABASE_NAME: &str = "OPSKNIGHT_DATABASE";
/// Without a terminal a line is said each time that so many more hundredths are done.
const LINE_STEP: u64 = 10;

/// From where to where.
#[derive(Args)]
pub struct Arguments {
    /// What to move: sqlite:DIR, the data directory of a server that is stopped.
    #[arg(long, value_name = "sqlite:DIR")]
    from: String,
    /// Where to: postgres://USER@HOST/DATABASE, an empty one [env: OPSKNIGHT_DATABASE, or OPSKNIGHT_DATABASE_FILE for a file
    /// that holds it].
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Print what was moved as JSON.
    #[arg(long)]
    json: bool,
}

/// Moves everything, or what an earlier run has left.
pub fn run(arguments: Arguments, is_json: bool) -> Result<(), Failure> {
    let is_json = is_json || arguments.json;
    let from = arguments.from.strip_prefix("sqlite:");
    let from = from.filter(|folder| !folder.is_empty()).ok_or_else(|| {
        Failure::Usage("--from: write sqlite:DIR with the data directory of the server".into())
    })?;
    let request = TransferRequest {
        from: PathBuf::from(from),
        to: database(arguments.to)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut display = Display::new();
    let moved = runtime.block_on(transfer::transfer(
        &request,
        config::environment,
        &Env::system(),
        &mut |progress| display.show(progress),
    ));
    display.clear();
    let report = moved.map_err(|error| Failure::other(error.to_string()))?;
    output::print(&match is_json {
        true => in_json(&report),
        false => in_words(&report),
    })
}

/// The address of the database: as given, or from the environment.
pub fn database(given: Option<String>) -> Result<SecretText, Failure> {
    let given = given.filter(|url| !url.is_empty()).map(SecretText::new);
    let found = match given {
        Some(url) => Some(url),
        None => secret_file::find(DATABASE_NAME, config::environment)
            .map_err(|error| Failure::Usage(error.to_string()))?
            .map(|url| SecretText::new(url.trim())),
    };
    found.ok_or_else(|| {
        Failure::Usage(
            "give the address of the database: postgres://USER@HOST/DATABASE, or OPSKNIGHT_DATABASE_FILE"
                .into(),
        )
    })
}

/// A bar on a terminal, a line now and then elsewhere; on standard error.
struct Display {
    bar: ProgressBar,
    is_terminal: bool,
    /// What the last line said.
    said: Option<(Stage, u64)>,
}

impl Display {
    fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg:24} {bar:40} {pos}/{len} rows, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            bar,
            is_terminal,
            said: None,
        }
    }

    fn show(&mut self, progress: Progress) {
        let stage = match progress.stage {
            Stage::Copying => "copying",
            Stage::Comparing => "comparing",
        };
        if self.is_terminal {
            self.bar.set_length(progress.total);
            self.bar.set_position(progress.done);
            self.bar.set_message(format!("{stage} {}", progress.table));
            return;
        }
        let hundredths = 100 * progress.done / progress.total.max(1);
        let step = (progress.stage, hundredths / LINE_STEP);
        if self.said != Some(step) {
            self.said = Some(step);
            use std::io::Write;
            // Nobody has to be reading.
            let _ = writeln!(
                std::io::stderr(),
                "{stage}: {} of {} rows ({hundredths} %), at {}",
                progress.done,
                progress.total,
                progress.table
            );
        }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn in_json(report: &TransferReport) -> String {
    let tables = report.tables.iter().map(|table| {
        let digest: String = table
            .digest
            .digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        json!({"name": table.name, "rows": table.digest.rows, "sha256": digest})
    });
    let changes = &report.changes;
    json!({
        "target": report.target,
        "wasMovedBefore": report.was_moved_before,
        "tables": tables.collect::<Vec<_>>(),
        "released": changes.released,
        "replaced": changes.replaced,
        "resealed": changes.resealed,
        "unreadable": changes.unreadable,
        "nextStep": next_step(report),
    })
    .to_string()
}

fn in_words(report: &TransferReport) -> String {
    if report.was_moved_before {
        return format!(
            "the data were moved to {} before; {}",
            report.target,
            next_step(report)
        );
    }
    let rows = report.tables.iter().map(|table| {
        let digest: String = table.digest.digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        vec![table.name.to_owned(), table.digest.rows.to_string(), digest]
    });
    let mut words = output::table(&["TABLE", "ROWS", "SHA-256, BOTH SIDES"], rows.collect());
    let changes = &report.changes;
    for (count, what) in [
        (
            changes.released,
            "deliveries that were in flight are scheduled again",
        ),
        (
            changes.replaced,
            "texts held characters that PostgreSQL does not: U+FFFD stands for each",
        ),
        (
            changes.resealed,
            "secrets were sealed anew under the key of the target",
        ),
        (
            changes.unreadable,
            "sealed values open under no key and were carried over as they are",
        ),
    ] {
        if count > 0 {
            words.push_str(&format!("\n{count} {what}"));
        }
    }
    format!(
        "{words}\neverything is in {}; {}",
        report.target,
        next_step(report)
    )
}

/// What the servers need now.
fn next_step(report: &TransferReport) -> String {
    let key = match &report.key {
        ServersKey::File(path) => format!(
            "give every server the key in {} (OPSKNIGHT_MASTER_KEY_FILE, or as master.key of its data directory)",
            path.display()
        ),
        ServersKey::Environment => "give every server the same OPSKNIGHT_MASTER_KEY as here".to_owned(),
        ServersKey::Given => {
            format!(
                "give every server the key of {} as OPSKNIGHT_MASTER_KEY",
                transfer::TARGET_KEY_NAME
            )
        }
    };
    format!("{key}, and start them with --database")
}
