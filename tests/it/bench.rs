//! `opsknight bench` with small numbers: its measuring is sound. How fast the product is, no test says.

use std::process::Command;

use serde_json::Value;

fn measured(scenarios: &str) -> Value {
    measured_with(scenarios, &[])
}

fn measured_with(scenarios: &str, arguments: &[&str]) -> Value {
    let disk = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_opsknight"))
        .args([
            "bench",
            "--json",
            "--incidents",
            "200",
            "--in-flight",
            "8",
            "--pending",
            "200",
        ])
        .args(["--seconds", "1", "--scenario", scenarios, "--data"])
        .arg(disk.path())
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let left = std::fs::read_dir(disk.path()).unwrap().count();
    assert_eq!(left, 0, "bench leaves nothing behind");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(report: &Value, place: &str) -> f64 {
    report
        .pointer(place)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("no {place} in {report}"))
}

#[test]
fn every_delivery_of_a_round_is_received_once_and_signed() {
    let report = measured("baseline,a,b");
    for scenario in ["/a", "/b"] {
        let figure = |name: &str| number(&report, &format!("{scenario}/{name}"));
        assert_eq!(figure("deliveries"), 200.0);
        assert_eq!(
            ["missing", "duplicates", "malformed", "signaturesInvalid"].map(figure),
            [0.0; 4]
        );
        assert!(figure("signaturesChecked") >= 1.0);
        assert!(figure("deliveredPerSecond") > 0.0);
        assert!(figure("shareOfBaseline") > 0.0);
        assert!(figure("serverCpuMicrosPerDelivery") > 0.0);
        assert!(figure("delivery/p50Ms") <= figure("delivery/p99Ms"));
    }
    assert_eq!(number(&report, "/baseline/requests"), 1000.0);
    assert_eq!(report["bars"].as_array().unwrap().len(), 3);
    assert_eq!(report["c"], Value::Null);
}

#[test]
fn bad_receivers_and_pending_deliveries_are_measured_too() {
    let report = measured("c,d");
    assert_eq!(number(&report, "/c/alone/deliveries"), 1600.0);
    assert_eq!(number(&report, "/c/besideBad/missing"), 0.0);
    assert!(number(&report, "/c/p99Ratio") > 0.0);
    assert_eq!(number(&report, "/d/pending"), 200.0);
    assert!(number(&report, "/d/idleMib") > 0.0);
    assert!(number(&report, "/d/readyFreshMs") > 0.0);
}

#[test]
fn insights_and_an_export_are_measured_while_incidents_become_many() {
    let report = measured_with("f", &["--rows", "1000"]);
    let parts = report["f"]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 10);
    for (place, incidents) in [("/0", 100.0), ("/9", 1000.0)] {
        let figure = |name: &str| number(&report, &format!("/f/parts{place}/{name}"));
        assert_eq!(figure("incidents"), incidents);
        assert!(figure("acceptedPerSecond") > 0.0 && figure("insights/p50Ms") > 0.0);
    }
    assert_eq!(number(&report, "/f/export/rows"), 1000.0);
    assert!(number(&report, "/f/export/bytes") > 100_000.0);
    assert!(number(&report, "/f/export/serverPeakMib") > 1.0);
    assert!(number(&report, "/f/export/commandPeakMib") > 1.0);
    assert_eq!(report["bars"].as_array().unwrap().len(), 2);
}

#[test]
fn a_backlog_behind_a_long_past_goes_out_once_and_the_past_is_looked_at() {
    let report = measured_with("b,e", &["--history", "1000"]);
    let figure = |name: &str| number(&report, &format!("/e/{name}"));
    assert_eq!((figure("history"), figure("pending")), (1000.0, 200.0));
    assert_eq!(["missing", "duplicates"].map(figure), [0.0; 2]);
    assert!(figure("readyMs") > 0.0 && figure("shareOfB") > 0.0 && figure("peakMib") > 1.0);
    let looks = report["e"]["looks"].as_array().unwrap();
    assert!(looks.len() > 10 && looks.iter().all(|look| look["ms"].as_f64() > Some(0.0)));
    assert_eq!(report["sweep"], Value::Null);
}

#[test]
fn servers_on_a_postgresql_are_measured_with_what_they_ask_of_it() {
    let report = measured_with("a", &["--database", "initdb", "--nodes", "1,2"]);
    for fleet in ["/fleets/0", "/fleets/1"] {
        let figure = |name: &str| number(&report, &format!("{fleet}/a/{name}"));
        assert_eq!(figure("deliveries"), 200.0);
        assert_eq!(
            ["missing", "malformed", "signaturesInvalid"].map(figure),
            [0.0; 3]
        );
        assert!(figure("database/cpuMicrosPerDelivery") > 0.0);
        assert!(figure("database/roundTripsPerDelivery") > 0.0);
        assert!(figure("database/walBytesPerDelivery") > 500.0);
    }
    assert_eq!(number(&report, "/fleets/1/nodes"), 2.0);
    assert_eq!(report["bars"].as_array().unwrap().len(), 3);
    assert_eq!(report["a"], Value::Null);
}
