//! `opsknight bench`: what this machine delivers, how fast and at what cost, with sender and receivers on it.
//!
//! Every scenario starts servers of its own, this same program, as child processes: one with a fresh data directory, or any
//! number that share a fresh database of a PostgreSQL. The
//! load and the receivers live in this process, so that the cost of the server is told apart from theirs. All of it
//! stays on the loopback interface. Bars that are missed are shown and change nothing; a delivery that is missing or
//! wrongly signed makes the command fail.

mod backlog;
mod bars;
mod baseline;
mod cluster;
mod drawing;
mod fan_out;
mod fleet;
mod footprint;
mod fresh_database;
mod growth;
mod ingest;
mod isolation;
mod latency;
mod load;
mod machine;
mod past;
mod postmaster;
mod receiver;
mod report;
mod round;
mod scratch;
mod server;
mod sweep;
mod usage;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use cluster::Cluster;
use report::FleetReport;
pub use report::{Report, TableFormat};

/// What to measure, and how much of it.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// What to measure; everything but E and F unless given.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SCENARIO")]
    scenario: Vec<Scenario>,
    /// Incidents in A; B makes a tenth of them for its ten webhooks, the baseline five times as many requests.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    incidents: u32,
    /// How long each of the two runs of C lasts.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Requests in flight at once, to the API and in the baseline.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=512))]
    in_flight: u16,
    /// Deliveries in flight at once to A's one webhook. The product's default is 16 for each webhook.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Deliveries that wait while D measures the memory.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    pending: u32,
    /// Incidents that lie in E's store, each with an event, a delivery and an attempt; the latest are those that wait. The most
    /// that --sweep goes to. A million takes 1.7 GB and a minute to write.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    history: u32,
    /// Incidents in F, each of them a row of its export.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    rows: u32,
    /// Measure how the rate depends on webhooks, lanes, history and sizes instead, and draw it into this file.
    #[arg(long, value_name = "SVG", num_args = 0..=1, default_missing_value = "performance.svg", conflicts_with_all = ["scenario", "database"])]
    sweep: Option<PathBuf>,
    /// Measure A, B and C with servers that share a PostgreSQL, in databases that are made and dropped: the URL of one that
    /// is used for nothing else meanwhile, or `initdb` to start one of this machine.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// With how many servers on the PostgreSQL; each number in turn.
    #[arg(long, default_value = "1", value_delimiter = ',', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    nodes: Vec<u16>,
    /// Where the servers keep their data, to choose the disk: a folder that exists [default: the temporary folder].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Something to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Signed requests straight to a receiver, without a server.
    Baseline,
    /// One webhook, many incidents.
    A,
    /// Ten webhooks on every incident.
    B,
    /// Eight healthy receivers beside one that is slow and one that never answers.
    C,
    /// Start, idle memory, memory with a million deliveries pending.
    D,
    /// A long past, and a webhook whose receiver comes back to a million deliveries. Only if it is asked for.
    E,
    /// A trigger, insights and an export while incidents become a million. Only if it is asked for.
    F,
}

/// What the scenarios share.
struct Setting {
    arguments: Arguments,
    /// The folder under which each server gets its own.
    disk: PathBuf,
    /// Where the servers' databases are made, unless each has a file.
    cluster: Option<Cluster>,
    /// How many servers there are.
    nodes: u16,
}

/// Measures what the arguments ask for; progress is said on standard error.
pub fn measure(arguments: Arguments) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime did not start")?;
    let disk = arguments.data.clone().unwrap_or_else(std::env::temp_dir);
    let cluster = arguments
        .database
        .as_deref()
        .map(|database| Cluster::reach(database, &disk));
    let setting = Setting {
        cluster: cluster.transpose()?,
        arguments,
        disk,
        nodes: 1,
    };
    runtime.block_on(measure_all(setting))
}

async fn measure_all(mut setting: Setting) -> anyhow::Result<Report> {
    let mut report = Report::new(machine::describe(&setting.disk)?);
    if let Some(svg) = setting.arguments.sweep.clone() {
        report.sweep = sweep::run(&setting, setting.arguments.history).await?;
        let drawing = drawing::draw(&report.sweep);
        std::fs::write(&svg, drawing).with_context(|| format!("cannot write {}", svg.display()))?;
        return Ok(report.conclude());
    }
    if setting.wants(Scenario::Baseline) {
        announce("baseline: signed requests straight to a receiver");
        report.baseline = Some(baseline::run(&setting).await?);
    }
    if setting.cluster.is_some() {
        for nodes in setting.arguments.nodes.clone() {
            setting.nodes = nodes;
            announce(&format!("servers on one PostgreSQL: {nodes}"));
            report.fleets.push(measure_fleet(&setting).await?);
        }
        return Ok(report.conclude());
    }
    let fleet = measure_fleet(&setting).await?;
    (report.a, report.b, report.c) = (fleet.a, fleet.b, fleet.c);
    if setting.wants(Scenario::D) {
        announce("D: start, idle, and many deliveries pending");
        report.d = Some(footprint::run(&setting).await?);
    }
    if setting.is_asked_for(Scenario::E) {
        announce("E: a long past, and a backlog");
        report.e = Some(backlog::run(&setting).await?);
    }
    if setting.is_asked_for(Scenario::F) {
        announce("F: insights and an export of very many incidents");
        report.f = Some(growth::run(&setting).await?);
    }
    Ok(report.conclude())
}

async fn measure_fleet(setting: &Setting) -> anyhow::Result<FleetReport> {
    let mut fleet = FleetReport::new(setting.nodes);
    if setting.wants(Scenario::A) {
        announce("A: one webhook");
        fleet.a = Some(ingest::run(setting).await?);
    }
    if setting.wants(Scenario::B) {
        announce("B: ten webhooks on every incident");
        fleet.b = Some(fan_out::run(setting).await?);
    }
    if setting.wants(Scenario::C) {
        announce("C: healthy receivers, alone and beside two bad ones");
        fleet.c = Some(isolation::run(setting).await?);
    }
    Ok(fleet)
}

impl Setting {
    fn wants(&self, scenario: Scenario) -> bool {
        let wanted = &self.arguments.scenario;
        wanted.is_empty() || wanted.contains(&scenario)
    }

    /// The same of what takes so long that nobody gets it without naming it.
    fn is_asked_for(&self, scenario: Scenario) -> bool {
        self.arguments.scenario.contains(&scenario)
    }
}

/// Says on standard error what is being measured: it takes a while, and standard output is for the result.
fn announce(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "measuring {what}");
}
