//! The result: everything as JSON, the essence as a table, and the bars that the project set itself.

use serde::Serialize;

use crate::backlog::BacklogFigures;
use crate::bars::{self, Bar};
use crate::baseline::Baseline;
use crate::footprint::Footprint;
use crate::growth::Growth;
use crate::isolation::Isolation;
use crate::machine::Machine;
use crate::round::Figures;
use crate::sweep::Curve;

/// Makes a table of headings and rows, as the caller prints tables.
pub type TableFormat = fn(&[&str], Vec<Vec<String>>) -> String;

/// All that was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Without a server.
    pub baseline: Option<Baseline>,
    /// One webhook.
    pub a: Option<Figures>,
    /// Ten webhooks.
    pub b: Option<Figures>,
    /// Healthy receivers beside bad ones.
    pub c: Option<Isolation>,
    /// Start and memory.
    pub d: Option<Footprint>,
    /// A long past and a backlog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<BacklogFigures>,
    /// Insights and an export of many incidents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f: Option<Growth>,
    /// How the rate depends on one thing at a time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sweep: Vec<Curve>,
    /// The same with servers on one PostgreSQL, for each number of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fleets: Vec<FleetReport>,
    /// The bars that apply to these.
    pub bars: Vec<Bar>,
}

/// What was measured with so many servers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetReport {
    /// How many.
    pub nodes: u16,
    /// One webhook.
    pub a: Option<Figures>,
    /// Ten webhooks.
    pub b: Option<Figures>,
    /// Healthy receivers beside bad ones.
    pub c: Option<Isolation>,
}

impl FleetReport {
    /// Nothing measured yet.
    pub fn new(nodes: u16) -> Self {
        Self {
            nodes,
            a: None,
            b: None,
            c: None,
        }
    }

    fn rounds(&self) -> impl Iterator<Item = (String, &Figures)> {
        let nodes = self.nodes;
        rounds(self.a.as_ref(), self.b.as_ref(), self.c.as_ref())
            .map(move |(name, figures)| (format!("{name}, {nodes} on PostgreSQL"), figures))
    }
}

fn rounds<'a>(
    a: Option<&'a Figures>,
    b: Option<&'a Figures>,
    c: Option<&'a Isolation>,
) -> impl Iterator<Item = (&'static str, &'a Figures)> {
    [
        ("A one webhook", a),
        ("B ten webhooks", b),
        ("C healthy alone", c.map(|isolation| &isolation.alone)),
        ("C beside two bad", c.map(|isolation| &isolation.beside_bad)),
    ]
    .into_iter()
    .filter_map(|(name, figures)| Some((name, figures?)))
}

fn swept(curve: &Curve) -> impl Iterator<Item = (String, &Figures)> {
    let name = curve.axis.name();
    curve
        .points
        .iter()
        .map(move |point| (format!("{} {name}", point.at), &point.figures))
}

impl Report {
    /// Nothing measured yet.
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            baseline: None,
            a: None,
            b: None,
            c: None,
            d: None,
            e: None,
            f: None,
            sweep: Vec::new(),
            fleets: Vec::new(),
            bars: Vec::new(),
        }
    }

    /// Compares what was measured with the baseline and with the bars.
    pub fn conclude(mut self) -> Self {
        if let (Some(e), Some(b)) = (&mut self.e, &self.b) {
            e.share_of_b = Some(e.drained_per_second / b.delivered_per_second);
        }
        self.bars = bars::of(&self);
        if let Some(baseline) = &self.baseline {
            let of_fleets = self
                .fleets
                .iter_mut()
                .flat_map(|fleet| [&mut fleet.a, &mut fleet.b]);
            for figures in [&mut self.a, &mut self.b].into_iter().chain(of_fleets).flatten() {
                figures.share_of_baseline = Some(figures.delivered_per_second / baseline.requests_per_second);
            }
        }
        self
    }

    /// What makes the run a failure, if anything does.
    pub fn wrong(&self) -> Option<String> {
        let sum = |part: fn(&Figures) -> u64| self.rounds().map(|(_, figures)| part(figures)).sum::<u64>();
        let of_backlog = self.e.as_ref().map_or(0, |e| e.missing);
        let missing = sum(|figures| figures.missing) + of_backlog;
        let malformed = sum(|figures| figures.malformed);
        let invalid = sum(|figures| figures.signatures_invalid);
        (missing + malformed + invalid > 0).then(|| {
            format!("{missing} deliveries are missing, {malformed} were malformed, {invalid} wrongly signed")
        })
    }

    /// For people.
    pub fn in_words(&self, table: TableFormat) -> String {
        let parts = [
            Some(self.machine_line()),
            self.baseline_line(),
            self.rounds_table(table),
            self.databases_table(table),
            self.footprint_line(),
            self.backlog_line(),
            self.looks_table(table),
            self.f.as_ref().map(Growth::in_words),
            self.bars_table(table),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }

    fn rounds(&self) -> impl Iterator<Item = (String, &Figures)> {
        rounds(self.a.as_ref(), self.b.as_ref(), self.c.as_ref())
            .map(|(name, figures)| (name.to_owned(), figures))
            .chain(self.fleets.iter().flat_map(FleetReport::rounds))
            .chain(self.sweep.iter().flat_map(swept))
    }

    fn machine_line(&self) -> String {
        let machine = &self.machine;
        format!(
            "{} cores, {}, Linux {}, fdatasync p50 {:.2} ms p99 {:.2} ms; opsknight {} ({} build)",
            machine.cores,
            machine.cpu_model,
            machine.kernel,
            machine.sync.p50_ms,
            machine.sync.p99_ms,
            machine.version,
            machine.build
        )
    }

    fn baseline_line(&self) -> Option<String> {
        let baseline = self.baseline.as_ref()?;
        Some(format!(
            "baseline, no server: {:.0} signed requests/s, {:.1} µs of processor each (sender and receiver)",
            baseline.requests_per_second, baseline.bench_cpu_micros_per_delivery
        ))
    }

    fn rounds_table(&self, table: TableFormat) -> Option<String> {
        let headings = [
            "",
            "deliveries",
            "accepted/s",
            "delivered/s",
            "of baseline",
            "ingest p50/p99 ms",
            "delivery p50/p99/max ms",
            "server µs",
            "bench µs",
            "peak MiB",
            "missing",
            "again",
        ];
        let row = |(name, figures): (String, &Figures)| {
            let share = figures.share_of_baseline;
            vec![
                name,
                figures.deliveries.to_string(),
                format!("{:.0}", figures.accepted_per_second),
                format!("{:.0}", figures.delivered_per_second),
                share.map_or_else(String::new, |share| format!("{:.0} %", share * 100.0)),
                format!("{:.1}/{:.1}", figures.ingest.p50_ms, figures.ingest.p99_ms),
                format!(
                    "{:.1}/{:.1}/{:.1}",
                    figures.delivery.p50_ms, figures.delivery.p99_ms, figures.delivery.max_ms
                ),
                format!("{:.1}", figures.server_cpu_micros_per_delivery),
                format!("{:.1}", figures.bench_cpu_micros_per_delivery),
                format!("{:.1}", figures.server_peak_mib),
                figures.missing.to_string(),
                figures.duplicates.to_string(),
            ]
        };
        let rows: Vec<_> = self.rounds().map(row).collect();
        (!rows.is_empty()).then(|| table(&headings, rows))
    }

    fn databases_table(&self, table: TableFormat) -> Option<String> {
        let headings = [
            "by delivery",
            "servers µs",
            "database µs",
            "together µs",
            "round trips",
            "WAL bytes",
        ];
        let row = |(name, figures): (String, &Figures)| {
            let (servers, database) = (figures.server_cpu_micros_per_delivery, figures.database.as_ref()?);
            let elsewhere = || "not on this machine".to_owned();
            let micros = |micros: f64| format!("{micros:.1}");
            let cpu = database.cpu_micros_per_delivery;
            Some(vec![
                name,
                micros(servers),
                cpu.map_or_else(elsewhere, micros),
                cpu.map_or_else(elsewhere, |cpu| micros(servers + cpu)),
                format!("{:.3}", database.round_trips_per_delivery),
                format!("{:.0}", database.wal_bytes_per_delivery),
            ])
        };
        let rows: Vec<_> = self.rounds().filter_map(row).collect();
        (!rows.is_empty()).then(|| table(&headings, rows))
    }

    fn footprint_line(&self) -> Option<String> {
        let footprint = self.d.as_ref()?;
        Some(format!(
            "D ready after {:.1} ms on an empty folder, {:.1} ms on its own; {:.1} MiB idle, \
             {:.1} MiB with {} deliveries pending (made in {:.0} s)",
            footprint.ready_fresh_ms,
            footprint.ready_existing_ms,
            footprint.idle_mib,
            footprint.pending_mib,
            footprint.pending,
            footprint.pending_made_seconds
        ))
    }

    fn backlog_line(&self) -> Option<String> {
        let e = self.e.as_ref()?;
        let share = e
            .share_of_b
            .map_or_else(String::new, |share| format!(", {:.0} % of B", share * 100.0));
        Some(format!(
            "E ready after {:.1} ms with {} deliveries (written in {:.0} s), {} of them pending; these went out at {:.0}/s{share}, \
             {:.1} µs of the server's processor each, in {:.1} MiB at most; {} missing, {} again",
            e.ready_ms,
            e.history,
            e.written_seconds,
            e.pending,
            e.drained_per_second,
            e.server_cpu_micros_per_delivery,
            e.peak_mib,
            e.missing,
            e.duplicates
        ))
    }

    fn looks_table(&self, table: TableFormat) -> Option<String> {
        let looks = &self.e.as_ref()?.looks;
        let rows = looks
            .iter()
            .map(|look| vec![look.path.to_owned(), format!("{:.1}", look.ms)]);
        Some(table(&["looked at", "ms"], rows.collect()))
    }

    fn bars_table(&self, table: TableFormat) -> Option<String> {
        let rows: Vec<_> = self.bars.iter().map(Bar::row).collect();
        (!rows.is_empty()).then(|| table(&["bar", "wanted", "measured", ""], rows))
    }
}
