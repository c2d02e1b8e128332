//! `opsknight export`: writes incidents, events, deliveries or attempts of a period into a file. What broke off goes on where it was,
//! in this run or in the next one of the same command. The rows come from a server, or from a store without one.

mod offline;
mod rows;
mod target;

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use serde_json::Value;

use super::client::Query;
use super::failure::Failure;
use super::migrate;
use super::output::{self, text};
use super::replay::time;
use super::session::Session;
use offline::Offline;
use rows::Rows;
use server::offline_export::Place;
use tables::columns::{self, Column};
use target::{Request, Target};

/// How many interruptions without a row between them end the command.
const MAX_TRIES: u32 = 6;
/// The first wait after an interruption; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// What to export.
#[derive(Args)]
pub struct Arguments {
    /// What to export.
    #[arg(long, value_enum)]
    what: What,
    /// Since when: a time (2024-01-15T10:30:00Z) or how long ago (30d) [default: from the first on].
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before when: a time or how long ago [default: up to the last one].
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// A line of JSON for each, CSV, or Parquet, which begins anew if it was broken off.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,
    /// The file, or the folder for WHAT.FORMAT; `-` for standard output, which cannot go on later.
    #[arg(long, value_name = "FILE|DIR", default_value = ".")]
    to: PathBuf,
    /// Read the data directory of a server that is stopped, and ask no server.
    #[arg(long, value_name = "DIR", conflicts_with = "database")]
    data: Option<PathBuf>,
    /// Read a PostgreSQL itself, and ask no server; without a URL that of OPSKNIGHT_DATABASE or OPSKNIGHT_DATABASE_FILE.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    database: Option<String>,
}

/// Who gives the rows.
enum Origin<'a> {
    Server(&'a Session),
    Store(Box<Offline>),
}

impl<'a> Origin<'a> {
    fn of(session: &'a Session, arguments: &Arguments) -> Result<Self, Failure> {
        let place = match (&arguments.data, &arguments.database) {
            (Some(directory), _) => Place::Directory(directory.clone()),
            (None, Some(url)) => Place::Database(migrate::database(Some(url.clone()))?),
            (None, None) => return Ok(Self::Server(session)),
        };
        Ok(Self::Store(Box::new(Offline::open(place)?)))
    }

    fn begin(&self, asked: &Request<'_>, query: &Query) -> Result<Box<dyn Read + '_>, Failure> {
        match self {
            Self::Server(session) => session
                .api
                .open(&format!("/api/v1/export/{}", asked.what), query, &[]),
            Self::Store(store) => store.begin(asked.what, query),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Incidents,
    Events,
    Deliveries,
    Attempts,
}

impl What {
    fn as_str(self) -> &'static str {
        match self {
            Self::Incidents => "incidents",
            Self::Events => "events",
            Self::Deliveries => "deliveries",
            Self::Attempts => "attempts",
        }
    }

    fn columns(self) -> &'static [Column] {
        match self {
            Self::Incidents => columns::INCIDENTS,
            Self::Events => columns::EVENTS,
            Self::Deliveries => columns::DELIVERIES,
            Self::Attempts => columns::ATTEMPTS,
        }
    }
}

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Ndjson,
    Csv,
    Parquet,
}

impl Format {
    /// The format as the API and names of files have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// The format in which rows are asked for: Parquet is made here, so that an interruption that passes is not noticed.
    fn asked_for(self) -> Self {
        match self {
            Self::Ndjson | Self::Parquet => Self::Ndjson,
            Self::Csv => Self::Csv,
        }
    }
}

/// Exports everything, or what an earlier run has left.
pub fn run(session: &Session, arguments: &Arguments) -> Result<(), Failure> {
    let asked = Request {
        what: arguments.what.as_str(),
        columns: arguments.what.columns(),
        format: arguments.format,
        since: arguments.since.as_deref(),
        until: arguments.until.as_deref(),
    };
    let bound = |name: &str, given: Option<&str>| match given {
        Some(given) => time(session, name, given).map(|at| Some(at.to_string())),
        None => Ok(None),
    };
    let (since, until) = (bound("since", asked.since)?, bound("until", asked.until)?);
    let origin = Origin::of(session, arguments)?;
    if arguments.to.as_os_str() == "-" {
        let query = query(asked.format, since.as_deref(), until.as_deref(), None);
        return to_output(&origin, &query, &asked);
    }
    let mut target = Target::open(&arguments.to, &asked, since.as_deref(), until.as_deref())?;
    let bar = progress();
    let fetched = fetch(&origin, &asked, &mut target, &bar);
    bar.finish_and_clear();
    let left_off = target.checkpoint();
    fetched?;
    left_off?;
    let manifest = target.finish()?;
    if session.is_json {
        return output::print_json(&manifest.to_string());
    }
    output::print(&in_words(&manifest))
}

fn in_words(manifest: &Value) -> String {
    format!(
        "{} {} in {} ({})",
        HumanCount(manifest["rows"].as_u64().unwrap_or(0)),
        text(manifest, "/what"),
        text(manifest, "/file"),
        HumanBytes(manifest["bytes"].as_u64().unwrap_or(0)),
    )
}

fn to_output(origin: &Origin<'_>, query: &Query, asked: &Request<'_>) -> Result<(), Failure> {
    let mut export = origin.begin(asked, query)?;
    io::copy(&mut export, &mut io::stdout().lock())?;
    Ok(())
}

fn query(format: Format, since: Option<&str>, until: Option<&str>, cursor: Option<&str>) -> Query {
    let format = Some(format.as_str());
    let all = [
        ("format", format),
        ("since", since),
        ("until", until),
        ("cursor", cursor),
    ];
    let given = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    given.map(|(name, value)| (name, value.to_owned())).collect()
}

/// Only a refusal, a full disk, or too many interruptions end this early.
fn fetch(
    origin: &Origin<'_>,
    asked: &Request<'_>,
    target: &mut Target,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        let rows_before = target.rows();
        let interruption = match fetch_once(origin, asked, target, bar)? {
            None => return Ok(()),
            Some(interruption) => interruption,
        };
        tries = if target.rows() > rows_before { 1 } else { tries + 1 };
        if tries >= MAX_TRIES {
            return Err(interruption);
        }
        target.checkpoint()?;
        pause(FIRST_WAIT * 2_u32.pow(tries - 1));
    }
}

/// Fetches until the end, or until something interrupts that may pass.
fn fetch_once(
    origin: &Origin<'_>,
    asked: &Request<'_>,
    target: &mut Target,
    bar: &ProgressBar,
) -> Result<Option<Failure>, Failure> {
    let format = asked.format.asked_for();
    let query = query(format, target.since(), target.until(), target.cursor());
    let export = match origin.begin(asked, &query) {
        Ok(export) => export,
        Err(failure @ Failure::Unreachable { .. }) => return Ok(Some(failure)),
        Err(Failure::Refused(problem)) if problem.status == 429 || problem.status >= 500 => {
            return Ok(Some(Failure::Refused(problem)));
        }
        Err(failure) => return Err(failure),
    };
    // Behind a cursor there are none.
    let has_names = format == Format::Csv && target.cursor().is_none();
    let mut rows = Rows::new(export, format);
    let mut is_row = !has_names;
    loop {
        match rows.next() {
            Ok(Some(row)) if is_row => target.write_row(row)?,
            Ok(Some(names)) => target.write_names(names)?,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(broken_off(&error))),
        }
        is_row = true;
        bar.set_position(target.rows());
    }
}

fn broken_off(error: &io::Error) -> Failure {
    Failure::other(format!(
        "the export broke off ({error}); run the same command again to go on"
    ))
}

fn pause(wait: Duration) {
    let (_keep_open, never) = mpsc::channel::<()>();
    // Always times out: nobody sends.
    let _ = never.recv_timeout(wait);
}

/// On standard error, and only if that is a terminal. How much there will be, nobody knows before it is read.
fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {human_pos} rows, {per_sec}, {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::no_length().with_style(style)
}
