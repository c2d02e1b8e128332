//! Scenario C: what healthy receivers notice of a slow one and of one that never answers.

use std::time::Duration;

use serde::Serialize;

use crate::Setting;
use crate::receiver::Manner;
use crate::round::{self, Figures, Plan, Shape, Target};

const HEALTHY: usize = 8;
const INCIDENTS_PER_SECOND: u32 = 200;
/// How long the slow receiver takes to answer.
const SLOW: Duration = Duration::from_secs(2);

/// What the healthy receivers saw.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Isolation {
    /// On their own.
    pub alone: Figures,
    /// Beside the bad ones.
    pub beside_bad: Figures,
    /// The 99th percentile of the delivery latency beside the bad ones, as a multiple of that alone.
    pub p99_ratio: f64,
}

/// Runs it twice: without the bad receivers, then with them.
pub async fn run(setting: &Setting) -> anyhow::Result<Isolation> {
    let alone = round::run(setting, plan(setting, &[])).await?;
    let bad = [Manner::Slow(SLOW), Manner::Never];
    let beside_bad = round::run(setting, plan(setting, &bad)).await?;
    Ok(Isolation {
        p99_ratio: beside_bad.delivery.p99_ms / alone.delivery.p99_ms,
        alone,
        beside_bad,
    })
}

fn plan(setting: &Setting, bad: &[Manner]) -> Plan {
    let manners = [Manner::Prompt; HEALTHY].into_iter().chain(bad.iter().copied());
    let target = |manner| Target {
        manner,
        concurrency: None,
    };
    Plan {
        targets: manners.map(target).collect(),
        incidents: INCIDENTS_PER_SECOND * setting.arguments.seconds,
        incidents_per_second: Some(INCIDENTS_PER_SECOND),
        shape: Shape::default(),
    }
}
