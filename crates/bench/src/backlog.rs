//! Scenario E: a server with a long past, and a webhook that owes very many deliveries: how soon it is ready, how fast it
//! catches up once the receiver is back, in how much memory, and what it takes to look at anything afterwards.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Setting;
use crate::load::Session;
use crate::past::{self, Backlog};
use crate::receiver::{Expected, Manner, Receiver};
use crate::round::wait_for_arrivals;
use crate::scratch::Scratch;
use crate::server::Server;

/// How often each address is asked; the median counts.
const ASKED: usize = 5;
/// What is looked at.
const ADDRESSES: [&str; 17] = [
    "/api/v1/incidents",
    "/api/v1/incidents?status=triggered,acknowledged",
    "/api/v1/incidents?status=acknowledged",
    "/api/v1/incidents?severity=info",
    "/api/v1/incidents?q=nowhere%20to%20be%20found",
    "/api/v1/deliveries",
    "/api/v1/deliveries?event=incident.resolved",
    "/api/v1/deliveries?status=delivered",
    "/api/v1/deliveries?status=scheduled",
    "/api/v1/deliveries?status=dead",
    "/api/v1/deliveries?status=superseded",
    "/api/v1/deliveries?cause=connect_refused",
    "/api/v1/events?limit=50",
    "/api/v1/webhooks",
    "/api/v1/services",
    "/api/v1/system",
    "/metrics",
];

/// What came out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BacklogFigures {
    /// Incidents of the past, each with an event, a delivery and an attempt.
    pub history: u32,
    /// Deliveries that waited at the start, all of one webhook.
    pub pending: u32,
    /// How long it took to write all that.
    pub written_seconds: f64,
    /// From starting the process to ready.
    pub ready_ms: f64,
    /// Deliveries per second, from ready to the last one.
    pub drained_per_second: f64,
    /// That as a share of what B of the same run reached, if there was one.
    pub share_of_b: Option<f64>,
    /// Processor time of the server by delivery.
    pub server_cpu_micros_per_delivery: f64,
    /// The most memory until then.
    pub peak_mib: f64,
    /// Deliveries that never came.
    pub missing: u64,
    /// Deliveries that came again.
    pub duplicates: u64,
    /// How long each address took afterwards.
    pub looks: Vec<Look>,
}

/// One address.
#[derive(Debug, Serialize)]
pub struct Look {
    pub path: &'static str,
    /// The median.
    pub ms: f64,
}

/// Runs it.
pub async fn run(setting: &Setting) -> anyhow::Result<BacklogFigures> {
    let (history, pending) = (setting.arguments.history, setting.arguments.pending);
    let history = history.max(pending);
    let expected = Expected {
        incidents: history,
        of_each: 1,
        answer_bytes: 0,
    };
    let receiver = Receiver::start(Manner::Prompt, &expected, Instant::now()).await?;
    let folder = Scratch::new(&setting.disk)?;
    let began_at = Instant::now();
    let url = format!("http://{}/", receiver.address);
    past::write_with(&folder, history, &Backlog { pending, url: &url }).await?;
    let written_seconds = began_at.elapsed().as_secs_f64();
    let server = Server::start(folder.path(), &[])?;
    let ready_at = Instant::now();
    wait_for_arrivals(&[&receiver], u64::from(pending)).await;
    let used = server.usage()?;
    let mut session = Session::connect(server.address, Some(&server.key)).await?;
    let mut looks = Vec::new();
    for path in ADDRESSES {
        looks.push(look(&mut session, path).await?);
    }
    let ready_ms = server.ready_after.as_secs_f64() * 1e3;
    server.stop()?;
    let tally = receiver.stop();
    let drained_in = tally
        .last_arrival_at
        .map_or(Duration::ZERO, |at| at.saturating_duration_since(ready_at));
    let arrived = tally.unique();
    Ok(BacklogFigures {
        history,
        pending,
        written_seconds,
        ready_ms,
        drained_per_second: arrived as f64 / drained_in.as_secs_f64(),
        share_of_b: None,
        server_cpu_micros_per_delivery: used.cpu.as_secs_f64() * 1e6 / arrived as f64,
        peak_mib: used.peak_mib(),
        missing: u64::from(pending).saturating_sub(arrived),
        duplicates: tally.duplicates(),
        looks,
    })
}

async fn look(session: &mut Session, path: &'static str) -> anyhow::Result<Look> {
    let mut times = Vec::new();
    for _ in 0..ASKED {
        let asked_at = Instant::now();
        let answer = session.get(path).await?;
        anyhow::ensure!(answer.status.is_success(), "{path} answers {}", answer.status);
        times.push(asked_at.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(Look {
        path,
        ms: times[ASKED / 2],
    })
}
