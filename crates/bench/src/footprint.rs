//! Scenario D: how quickly a server is ready, and how much memory it takes: idle, and with very many deliveries
//! pending.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use tokio::net::TcpSocket;

use crate::Setting;
use crate::load::{Load, Session, TITLE_CHARS};
use crate::scratch::Scratch;
use crate::server::Server;

/// How often a start is measured; the median counts.
const STARTS: usize = 5;
const IDLE_WAIT: Duration = Duration::from_secs(2);
/// How many webhooks owe the pending deliveries.
const WEBHOOKS: u32 = 100;
/// How long the server may busy itself with what is pending before its memory is read.
const PENDING_WAIT: Duration = Duration::from_secs(5);

/// What came out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Footprint {
    /// From starting the process to ready, on an empty folder: the median.
    pub ready_fresh_ms: f64,
    /// The same on a data directory that exists.
    pub ready_existing_ms: f64,
    /// Memory of a server that has nothing to do.
    pub idle_mib: f64,
    /// Deliveries that wait.
    pub pending: u64,
    /// How long it took to make them.
    pub pending_made_seconds: f64,
    /// Memory with these.
    pub pending_mib: f64,
    /// The most memory until then.
    pub pending_peak_mib: f64,
}

/// Measures all of it.
pub async fn run(setting: &Setting) -> anyhow::Result<Footprint> {
    let mut fresh_ms = Vec::new();
    let mut existing_ms = Vec::new();
    for _ in 0..STARTS {
        let folder = Scratch::new(&setting.disk)?;
        fresh_ms.push(start_and_stop(&folder)?);
        existing_ms.push(start_and_stop(&folder)?);
    }
    let folder = Scratch::new(&setting.disk)?;
    let server = Server::start(folder.path(), &[])?;
    tokio::time::sleep(IDLE_WAIT).await;
    let idle = server.usage()?;
    let started_at = Instant::now();
    let pending = make_pending(setting, &server).await?;
    let pending_made_seconds = started_at.elapsed().as_secs_f64();
    tokio::time::sleep(PENDING_WAIT).await;
    let full = server.usage()?;
    server.stop()?;
    Ok(Footprint {
        ready_fresh_ms: median(fresh_ms),
        ready_existing_ms: median(existing_ms),
        idle_mib: idle.resident_mib(),
        pending,
        pending_made_seconds,
        pending_mib: full.resident_mib(),
        pending_peak_mib: full.peak_mib(),
    })
}

fn start_and_stop(folder: &Scratch) -> anyhow::Result<f64> {
    let server = Server::start(folder.path(), &[])?;
    let ready_ms = server.ready_after.as_secs_f64() * 1e3;
    server.stop()?;
    Ok(ready_ms)
}

/// Incidents for webhooks whose receiver refuses every connection.
async fn make_pending(setting: &Setting, server: &Server) -> anyhow::Result<u64> {
    // Bound but not listening: the port refuses connections, and nobody else gets it meanwhile.
    let refusing = TcpSocket::new_v4()?;
    refusing.bind(([127, 0, 0, 1], 0).into())?;
    let url = format!("http://{}/", refusing.local_addr()?);
    let mut session = Session::connect(server.address, Some(&server.key)).await?;
    let service_id = session.create_service("Bench").await?;
    for number in 0..WEBHOOKS {
        session
            .create_webhook(&format!("refusing {number}"), &url, None)
            .await?;
    }
    let load = Load {
        servers: vec![(server.address, server.key.clone())],
        service_id,
        incidents: setting.arguments.pending.div_ceil(WEBHOOKS),
        in_flight: setting.arguments.in_flight,
        incidents_per_second: None,
        title_chars: TITLE_CHARS,
        epoch: Instant::now(),
    };
    let incidents = load.incidents;
    load.run()
        .await
        .context("the pending deliveries could not all be made")?;
    Ok(u64::from(incidents) * u64::from(WEBHOOKS))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
