//! The bars that the project set itself. They inform: a machine may be too small or too busy for them.

use serde::Serialize;

use crate::backlog::BacklogFigures;
use crate::report::{FleetReport, Report};

const A_DELIVERED_PER_SECOND: f64 = 10_000.0;
const A_INGEST_P99_MS: f64 = 20.0;
const B_DELIVERED_PER_SECOND: f64 = 25_000.0;
const C_P99_RATIO: f64 = 2.0;
const C_P99_MS: f64 = 25.0;
const FLEET_A_DELIVERED_PER_SECOND: f64 = 6_000.0;
const FLEET_A_CPU_MICROS: f64 = 260.0;
const FLEET_A_ROUND_TRIPS: f64 = 0.2;
const D_READY_MS: f64 = 50.0;
const D_IDLE_MIB: f64 = 20.0;
const D_PENDING_MIB: f64 = 150.0;
const E_READY_MS: f64 = 300.0;
const E_SHARE_OF_B: f64 = 40.0;
const E_MIB: f64 = 100.0;
const E_LOOK_MS: f64 = 50.0;
const F_EXPORT_MIB: f64 = 100.0;

/// A bar and what was measured against it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bar {
    name: &'static str,
    wanted: Wanted,
    limit: f64,
    unit: &'static str,
    measured: f64,
    is_met: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
enum Wanted {
    AtLeast,
    Below,
}

impl Bar {
    fn at_least(limit: f64, unit: &'static str, name: &'static str, measured: f64) -> Self {
        Self {
            name,
            wanted: Wanted::AtLeast,
            limit,
            unit,
            measured,
            is_met: measured >= limit,
        }
    }

    fn below(limit: f64, unit: &'static str, name: &'static str, measured: f64) -> Self {
        Self {
            name,
            wanted: Wanted::Below,
            limit,
            unit,
            measured,
            is_met: measured < limit,
        }
    }

    /// As a row of a table: what, how much is wanted, how much it is, the verdict.
    pub fn row(&self) -> Vec<String> {
        let sign = match self.wanted {
            Wanted::AtLeast => '≥',
            Wanted::Below => '<',
        };
        vec![
            self.name.to_owned(),
            format!("{sign} {} {}", self.limit, self.unit),
            format!("{:.1} {}", self.measured, self.unit),
            if self.is_met { "met" } else { "missed" }.to_owned(),
        ]
    }
}

/// The bars that apply to what was measured.
pub fn of(report: &Report) -> Vec<Bar> {
    let mut bars = of_one_server(report);
    bars.extend(report.e.iter().flat_map(of_backlog));
    // The bars are one server's; how more of them share a machine is only shown.
    let alone = report.fleets.iter().filter(|fleet| fleet.nodes == 1);
    bars.extend(alone.flat_map(of_database));
    bars
}

fn of_backlog(e: &BacklogFigures) -> Vec<Bar> {
    let slowest = e.looks.iter().map(|look| look.ms).fold(0.0, f64::max);
    let mut bars = vec![
        Bar::below(E_READY_MS, "ms", "E ready", e.ready_ms),
        Bar::below(E_MIB, "MiB", "E memory, peak", e.peak_mib),
        Bar::below(E_LOOK_MS, "ms", "E slowest look", slowest),
    ];
    bars.extend(
        e.share_of_b
            .map(|share| Bar::at_least(E_SHARE_OF_B, "%", "E drained, of B", share * 100.0)),
    );
    bars
}

fn of_database(fleet: &FleetReport) -> Vec<Bar> {
    let mut bars = Vec::new();
    if let Some(a) = &fleet.a {
        let (name, rate) = ("A delivered, on PostgreSQL", a.delivered_per_second);
        bars.push(Bar::at_least(FLEET_A_DELIVERED_PER_SECOND, "/s", name, rate));
        if let Some(database) = &a.database {
            if let Some(cpu) = database.cpu_micros_per_delivery {
                let (name, both) = ("A server and PostgreSQL", a.server_cpu_micros_per_delivery + cpu);
                bars.push(Bar::below(FLEET_A_CPU_MICROS, "µs", name, both));
            }
            let (name, trips) = ("A round trips", database.round_trips_per_delivery);
            bars.push(Bar::below(FLEET_A_ROUND_TRIPS, "each", name, trips));
        }
    }
    if let Some(c) = &fleet.c {
        let name = "C p99 to that alone, on PostgreSQL";
        bars.push(Bar::below(C_P99_RATIO, "×", name, c.p99_ratio));
    }
    bars
}

fn of_one_server(report: &Report) -> Vec<Bar> {
    let mut bars = Vec::new();
    if let Some(a) = &report.a {
        bars.push(Bar::at_least(
            A_DELIVERED_PER_SECOND,
            "/s",
            "A delivered",
            a.delivered_per_second,
        ));
        bars.push(Bar::below(A_INGEST_P99_MS, "ms", "A ingest p99", a.ingest.p99_ms));
    }
    if let Some(b) = &report.b {
        bars.push(Bar::at_least(
            B_DELIVERED_PER_SECOND,
            "/s",
            "B delivered",
            b.delivered_per_second,
        ));
    }
    if let Some(c) = &report.c {
        let p99_ms = c.beside_bad.delivery.p99_ms;
        bars.push(Bar::below(C_P99_MS, "ms", "C p99 beside bad receivers", p99_ms));
        bars.push(Bar::below(C_P99_RATIO, "×", "C p99 to that alone", c.p99_ratio));
    }
    if let Some(d) = &report.d {
        bars.push(Bar::below(
            D_READY_MS,
            "ms",
            "D ready, empty folder",
            d.ready_fresh_ms,
        ));
        bars.push(Bar::below(
            D_READY_MS,
            "ms",
            "D ready, own folder",
            d.ready_existing_ms,
        ));
        bars.push(Bar::below(D_IDLE_MIB, "MiB", "D memory idle", d.idle_mib));
        bars.push(Bar::below(
            D_PENDING_MIB,
            "MiB",
            "D memory pending, peak",
            d.pending_peak_mib,
        ));
    }
    if let Some(f) = &report.f {
        let (server, command) = (f.export.server_peak_mib, f.export.command_peak_mib);
        bars.push(Bar::below(F_EXPORT_MIB, "MiB", "F server, exporting", server));
        bars.push(Bar::below(F_EXPORT_MIB, "MiB", "F command, exporting", command));
    }
    bars
}
