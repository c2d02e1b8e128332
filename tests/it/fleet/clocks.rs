//! Nodes whose clocks are ten minutes apart.

use std::path::Path;

use super::nodes::{Fleet, environment};

/// Where Debian keeps what moves the clock of a process (`faketime`).
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// A node whose clock goes wrong by so much; the monotonic one goes as it always does.
fn skewed(url: &str, offset: &str) -> Vec<(String, String)> {
    let mut environment = environment(url);
    for (name, value) in [
        ("LD_PRELOAD", LIBRARY),
        ("FAKETIME", offset),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ] {
        environment.push((name.to_owned(), value.to_owned()));
    }
    environment
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_ten_minutes_apart_delay_nothing_and_repeat_nothing() {
    if !Path::new(LIBRARY).exists() {
        println!("NOT TESTED: nodes with clocks of their own; on Debian: apt-get install faketime");
        return;
    }
    let [url, _] = super::new_database();
    let nodes = vec![skewed(&url, "+600s"), environment(&url), skewed(&url, "-600s")];
    let mut fleet = Fleet::start_with(nodes).await;
    let load = fleet.load();
    load.accept(60).await;
    // Whoever takes over from whom: the slow from the fast and the other way round.
    for number in [0, 2] {
        fleet.kill(number).await;
        load.accept(30).await;
        fleet.start_missing().await;
    }
    load.accept(30).await;
    fleet.verify(load).await;
}
