//! One round: servers of its own, webhooks to receivers, incidents in, deliveries out, and the figures.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Setting;
use crate::fleet::{Fleet, FleetCost};
use crate::latency::Latency;
use crate::load::{Load, LoadOutcome, TITLE_CHARS};
use crate::receiver::{Expected, Manner, Receiver, Tally};
use crate::usage;

/// How long no delivery may arrive before the rest counts as missing: longer than the first retry's minute and its
/// tenth, so that an attempt that failed on a busy machine still arrives.
const STALL_LIMIT: Duration = Duration::from_secs(90);
/// How often the count of arrivals is looked at. Their times are taken by the receivers.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// After the last arrival the server still records attempts: that is part of what a delivery costs.
const SETTLE: Duration = Duration::from_millis(300);

/// What a round does.
pub struct Plan {
    /// A webhook for each.
    pub targets: Vec<Target>,
    /// How many incidents there are.
    pub incidents: u32,
    /// How fast they come; as fast as they are accepted if nothing is said.
    pub incidents_per_second: Option<u32>,
    /// What else is as it is not by default.
    pub shape: Shape,
}

/// The shape of a round's load.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How many webhooks each receiver has.
    pub webhooks_each: u32,
    /// How many incidents, each with a delivery, there have been before.
    pub history: u32,
    /// How long titles are.
    pub title_chars: usize,
    /// How long the answers of receivers are.
    pub answer_bytes: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            webhooks_each: 1,
            history: 0,
            title_chars: TITLE_CHARS,
            answer_bytes: 0,
        }
    }
}

/// A webhook and the receiver behind it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// How the receiver answers.
    pub manner: Manner,
    /// The webhook's limit of deliveries in flight; the product's default if nothing is said.
    pub concurrency: Option<u16>,
}

/// What came out, for the healthy receivers of a round.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Incidents made.
    pub incidents: u32,
    /// Deliveries owed to healthy receivers.
    pub deliveries: u64,
    /// Incidents accepted per second, first request to last answer.
    pub accepted_per_second: f64,
    /// Deliveries per second, first incident sent to last delivery received.
    pub delivered_per_second: f64,
    /// That as a share of what the baseline of the same run reached, if there was one.
    pub share_of_baseline: Option<f64>,
    /// From sending an incident to its answer.
    pub ingest: Latency,
    /// From sending an incident to the arrival of a delivery of it.
    pub delivery: Latency,
    /// Processor time of the servers, by the deliveries above.
    pub server_cpu_micros_per_delivery: f64,
    /// Processor time of the load and the receivers, likewise.
    pub bench_cpu_micros_per_delivery: f64,
    /// The largest server's memory at its highest.
    pub server_peak_mib: f64,
    /// What the database that the servers share did for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseFigures>,
    /// Deliveries that never arrived.
    pub missing: u64,
    /// Deliveries that arrived again.
    pub duplicates: u64,
    /// Requests that were not what was agreed: no delivery id, no known title, two ids for one delivery.
    pub malformed: u64,
    /// How many signatures were checked.
    pub signatures_checked: u64,
    /// How many of these were wrong.
    pub signatures_invalid: u64,
}

/// What deliveries cost a database, by the deliveries above.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseFigures {
    /// Processor time of all of its processes; nothing if they do not run on this machine.
    pub cpu_micros_per_delivery: Option<f64>,
    /// How often a server waited for it.
    pub round_trips_per_delivery: f64,
    /// What it wrote to its log.
    pub wal_bytes_per_delivery: f64,
}

/// Runs a round.
pub async fn run(setting: &Setting, plan: Plan) -> anyhow::Result<Figures> {
    let epoch = Instant::now();
    let expected = Expected {
        incidents: plan.incidents,
        of_each: plan.shape.webhooks_each,
        answer_bytes: plan.shape.answer_bytes,
    };
    let mut receivers = Vec::new();
    for target in &plan.targets {
        receivers.push(Receiver::start(target.manner, &expected, epoch).await?);
    }
    let fleet = match plan.shape.history {
        0 => Fleet::start(setting).await?,
        incidents => Fleet::start_on_past(setting, incidents).await?,
    };
    let measured = measure(setting, &plan, &fleet, &receivers, epoch).await;
    fleet.stop().await?;
    let (outcome, before, after) = measured?;
    let tallies: Vec<Tally> = receivers.into_iter().map(Receiver::stop).collect();
    let healthy = plan.targets.iter().zip(tallies);
    let healthy = healthy.filter(|(target, _)| target.manner == Manner::Prompt);
    let healthy = healthy.map(|(_, tally)| tally).collect();
    Ok(figures(&plan, outcome, healthy, &before, &after))
}

/// What was spent at some moment: by the servers with their database, and by this process.
type Spent = (FleetCost, Duration);

async fn measure(
    setting: &Setting,
    plan: &Plan,
    fleet: &Fleet,
    receivers: &[Receiver],
    epoch: Instant,
) -> anyhow::Result<(LoadOutcome, Spent, Spent)> {
    let mut session = fleet.session().await?;
    let service_id = session.create_service("Bench").await?;
    for (number, (target, receiver)) in plan.targets.iter().zip(receivers).enumerate() {
        let url = format!("http://{}/", receiver.address);
        for of_receiver in 0..plan.shape.webhooks_each {
            let name = format!("bench {number} {of_receiver}");
            session.create_webhook(&name, &url, target.concurrency).await?;
        }
    }
    let before = (fleet.cost().await?, usage::own()?.cpu);
    let servers = fleet.servers().iter();
    let load = Load {
        servers: servers
            .map(|server| (server.address, server.key.clone()))
            .collect(),
        service_id,
        incidents: plan.incidents,
        in_flight: setting.arguments.in_flight,
        incidents_per_second: plan.incidents_per_second,
        title_chars: plan.shape.title_chars,
        epoch,
    };
    let outcome = load.run().await?;
    let each = u64::from(plan.incidents) * u64::from(plan.shape.webhooks_each);
    wait_for_arrivals(&healthy_receivers(plan, receivers), each).await;
    tokio::time::sleep(SETTLE).await;
    let after = (fleet.cost().await?, usage::own()?.cpu);
    Ok((outcome, before, after))
}

fn healthy_receivers<'a>(plan: &Plan, receivers: &'a [Receiver]) -> Vec<&'a Receiver> {
    let pairs = plan.targets.iter().zip(receivers);
    let healthy = pairs.filter(|(target, _)| target.manner == Manner::Prompt);
    healthy.map(|(_, receiver)| receiver).collect()
}

/// Returns when everything has arrived, or nothing more does.
pub async fn wait_for_arrivals(receivers: &[&Receiver], each: u64) {
    let mut last_count = 0;
    let mut last_progress_at = Instant::now();
    loop {
        let counts: Vec<u64> = receivers.iter().map(|one| one.unique()).collect();
        if counts.iter().all(|count| *count >= each) {
            return;
        }
        let count: u64 = counts.iter().sum();
        if count != last_count {
            last_count = count;
            last_progress_at = Instant::now();
        }
        if last_progress_at.elapsed() > STALL_LIMIT {
            return;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

fn figures(plan: &Plan, outcome: LoadOutcome, tallies: Vec<Tally>, before: &Spent, after: &Spent) -> Figures {
    let sum = |part: fn(&Tally) -> u64| tallies.iter().map(part).sum::<u64>();
    let arrived = sum(Tally::unique);
    let of_each = u64::from(plan.shape.webhooks_each);
    let deliveries = u64::from(plan.incidents) * of_each * tallies.len() as u64;
    let last_arrival_at = tallies.iter().filter_map(|tally| tally.last_arrival_at).max();
    let seconds = last_arrival_at.map_or(f64::NAN, |at| {
        at.saturating_duration_since(outcome.first_sent_at).as_secs_f64()
    });
    let micros_each =
        |after: Duration, before: Duration| after.saturating_sub(before).as_secs_f64() * 1e6 / arrived as f64;
    let (duplicates, malformed) = (sum(Tally::duplicates), sum(|tally| tally.malformed));
    let signatures_checked = sum(|tally| tally.signatures_checked);
    let signatures_invalid = sum(|tally| tally.signatures_invalid);
    let latencies = tallies
        .into_iter()
        .flat_map(|tally| tally.latencies_nanos)
        .collect();
    Figures {
        incidents: plan.incidents,
        deliveries,
        accepted_per_second: f64::from(plan.incidents) / outcome.elapsed.as_secs_f64(),
        delivered_per_second: arrived as f64 / seconds,
        share_of_baseline: None,
        ingest: Latency::new(outcome.latencies_nanos),
        delivery: Latency::new(latencies),
        server_cpu_micros_per_delivery: micros_each(after.0.cpu, before.0.cpu),
        bench_cpu_micros_per_delivery: micros_each(after.1, before.1),
        server_peak_mib: after.0.peak_mib,
        database: database_figures(&before.0, &after.0, arrived),
        missing: deliveries - arrived,
        duplicates,
        malformed,
        signatures_checked,
        signatures_invalid,
    }
}

fn database_figures(before: &FleetCost, after: &FleetCost, arrived: u64) -> Option<DatabaseFigures> {
    let ((cost_before, trips_before), (cost, trips)) = before.database.zip(after.database)?;
    let each = |after: u64, before: u64| after.saturating_sub(before) as f64 / arrived as f64;
    let cpu = cost_before.cpu.zip(cost.cpu);
    Some(DatabaseFigures {
        cpu_micros_per_delivery: cpu
            .map(|(before, after)| after.saturating_sub(before).as_secs_f64() * 1e6 / arrived as f64),
        round_trips_per_delivery: each(trips, trips_before),
        wal_bytes_per_delivery: each(cost.wal_bytes, cost_before.wal_bytes),
    })
}
