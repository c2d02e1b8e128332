//! Scenario F: what a trigger, insights and an export cost while incidents become many. Each tenth of them is measured by itself: cost
//! that is bounded does not grow from the first to the last. Insights also read what the latest minute has not folded yet, so that they
//! take longer under load, and not always as long.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use crate::Setting;
use crate::latency::Latency;
use crate::load::{Load, Session, TITLE_CHARS};
use crate::scratch::Scratch;
use crate::server::Server;
use crate::usage::{self, Usage};

/// In how many parts the incidents come.
const PARTS: u32 = 10;
/// How often insights are asked for after each part.
const LOOKS: usize = 9;
/// All days that insights show at once.
const INSIGHTS: &str = "/api/v1/insights?days=366";
/// What is exported: a row for each incident.
const EXPORTED: &str = "events";
/// How often the memory of a command is read until it ends.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What came out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    pub incidents: u64,
    /// For each tenth of the incidents.
    pub parts: Vec<Part>,
    pub export: Export,
}

/// What was measured with so many incidents.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// How many there were at its end.
    pub incidents: u64,
    pub accepted_per_second: f64,
    /// Of the server: with what is counted, and with folding it once a minute.
    pub server_cpu_micros_per_incident: f64,
    /// How long insights over all days took at its end.
    pub insights: Latency,
}

/// One export of everything, by the command.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    pub rows: u64,
    pub bytes: u64,
    pub seconds: f64,
    /// The most memory of a server that did nothing else.
    pub server_peak_mib: f64,
    pub command_peak_mib: f64,
}

/// Measures all of it.
pub async fn run(setting: &Setting) -> anyhow::Result<Growth> {
    let folder = Scratch::new(&setting.disk)?;
    let server = Server::start(folder.path(), &[])?;
    let mut session = Session::connect(server.address, Some(&server.key)).await?;
    let service_id = session.create_service("Bench").await?;
    let each = setting.arguments.rows / PARTS;
    let mut parts: Vec<Part> = Vec::new();
    for _ in 0..PARTS {
        let load = Load {
            servers: vec![(server.address, server.key.clone())],
            service_id: service_id.clone(),
            incidents: each,
            in_flight: setting.arguments.in_flight,
            incidents_per_second: None,
            epoch: Instant::now(),
            title_chars: TITLE_CHARS,
        };
        let before = server.usage()?;
        let outcome = load.run().await.context("the incidents could not all be made")?;
        let spent = server.usage()?.cpu.saturating_sub(before.cpu);
        let made = parts.last().map_or(0, |part| part.incidents) + u64::from(each);
        parts.push(Part {
            incidents: made,
            accepted_per_second: f64::from(each) / outcome.elapsed.as_secs_f64(),
            server_cpu_micros_per_incident: spent.as_secs_f64() * 1e6 / f64::from(each),
            insights: look(&mut session, made).await?,
        });
    }
    server.stop()?;
    let export = export(folder.path())?;
    let incidents = u64::from(each) * u64::from(PARTS);
    anyhow::ensure!(
        export.rows == incidents,
        "the export has {} rows of {incidents}",
        export.rows
    );
    Ok(Growth {
        incidents,
        parts,
        export,
    })
}

/// Insights count every incident, folded or not.
async fn look(session: &mut Session, incidents: u64) -> anyhow::Result<Latency> {
    let mut nanos = Vec::new();
    for _ in 0..LOOKS {
        let asked_at = Instant::now();
        let answer = session.get(INSIGHTS).await?;
        nanos.push(u64::try_from(asked_at.elapsed().as_nanos()).unwrap_or(u64::MAX));
        let insights: serde_json::Value = serde_json::from_slice(&answer.body)?;
        let counted = insights["total"]["opened"].as_u64();
        anyhow::ensure!(
            counted == Some(incidents),
            "insights count {counted:?} of {incidents} incidents ({})",
            answer.status
        );
    }
    Ok(Latency::new(nanos))
}

/// By a server of its own, whose peak is that of the export.
fn export(folder: &Path) -> anyhow::Result<Export> {
    let server = Server::start(folder, &[])?;
    let to = folder.join("export.ndjson");
    let program = std::env::current_exe().context("this program does not know where it lies")?;
    let url = format!("http://{}", server.address);
    let begun_at = Instant::now();
    let mut command = Command::new(program)
        .args([
            "export",
            "--what",
            EXPORTED,
            "--url",
            &url,
            "--key",
            &server.key,
            "--to",
        ])
        .arg(&to)
        .stdout(Stdio::null())
        .spawn()
        .context("the export did not start")?;
    let peak = peak_until_end(&mut command)?;
    let seconds = begun_at.elapsed().as_secs_f64();
    let manifest = std::fs::read(folder.join("export.ndjson.manifest.json"))?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest)?;
    let number = |name: &str| manifest[name].as_u64().unwrap_or(0);
    let export = Export {
        rows: number("rows"),
        bytes: number("bytes"),
        seconds,
        server_peak_mib: server.usage()?.peak_mib(),
        command_peak_mib: peak.peak_mib(),
    };
    server.stop()?;
    Ok(export)
}

/// What a command had used when it was last seen; its end must be a good one.
fn peak_until_end(command: &mut Child) -> anyhow::Result<Usage> {
    let mut last = usage::of_process(command.id())?;
    loop {
        if let Some(status) = command.try_wait()? {
            anyhow::ensure!(status.success(), "the export failed");
            return Ok(last);
        }
        // One that has just ended tells no more.
        last = usage::of_process(command.id()).unwrap_or(last);
        std::thread::park_timeout(LOOK_INTERVAL);
    }
}

impl Growth {
    /// For people.
    pub fn in_words(&self) -> String {
        let part = |part: &Part| {
            format!(
                "{:.0} accepted/s, {:.1} µs of the server each, insights over a year p50 {:.1} ms max {:.1} ms",
                part.accepted_per_second,
                part.server_cpu_micros_per_incident,
                part.insights.p50_ms,
                part.insights.max_ms
            )
        };
        let ends = [("first", self.parts.first()), ("last", self.parts.last())];
        let ends = ends.map(|(name, end)| format!("{name} tenth: {}", end.map(part).unwrap_or_default()));
        let export = &self.export;
        format!(
            "F {} incidents; {}\nF export of {} rows ({} MiB) in {:.0} s: server {:.1} MiB, command {:.1} MiB at most",
            self.incidents,
            ends.join("; "),
            export.rows,
            export.bytes / (1024 * 1024),
            export.seconds,
            export.server_peak_mib,
            export.command_peak_mib
        )
    }
}
