//! The machine that the figures are of.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use serde::Serialize;

use crate::latency::Latency;
use crate::scratch::Scratch;

/// How often the disk is asked to keep something.
const SYNC_COUNT: u32 = 100;
const PAGE_BYTES: usize = 4096;

/// What a figure depends on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Processors.
    pub cores: usize,
    /// Their make.
    pub cpu_model: String,
    /// The version of Linux.
    pub kernel: String,
    /// How long the disk takes to keep a page (`fdatasync`).
    pub sync: Latency,
    /// How this program was built: figures of a debug build say little.
    pub build: &'static str,
    pub version: &'static str,
}

/// Looks at the machine, and at the disk that this folder is on.
pub fn describe(disk: &Path) -> anyhow::Result<Machine> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Ok(Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        cpu_model: model.unwrap_or_else(|| "unknown".into()),
        kernel: kernel.trim().to_owned(),
        sync: measure_sync(disk)?,
        build: if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        },
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn measure_sync(disk: &Path) -> anyhow::Result<Latency> {
    let folder = Scratch::new(disk)?;
    let measure = || -> std::io::Result<Vec<u64>> {
        let mut file = std::fs::File::create(folder.path().join("pages"))?;
        let mut keep_page = |_| {
            file.write_all(&[0; PAGE_BYTES])?;
            let started_at = Instant::now();
            file.sync_data()?;
            Ok(u64::try_from(started_at.elapsed().as_nanos()).unwrap_or(u64::MAX))
        };
        (0..SYNC_COUNT).map(&mut keep_page).collect()
    };
    let nanos = measure().with_context(|| format!("cannot write to {}", disk.display()))?;
    Ok(Latency::new(nanos))
}
