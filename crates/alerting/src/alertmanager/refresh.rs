//! An Alertmanager has its alerts in memory alone: after a restart it knows those that it is told again, as Prometheus does.

use std::time::Duration;

use serde_json::Value;

use super::answer::ALERTMANAGER;
use super::render::{Labels, alert, post_alerts};
use crate::answer::classify;
use crate::wording::Wording;
use destination::Refreshing;
use destination::task::{Rendered, Target, Task};
use model::attempt::{Failure, Outcome};
use model::exchange::Exchange;
use model::time::Timestamp;

/// How often alerts are told again.
const INTERVAL: Duration = Duration::from_secs(120);
/// How long an alert that was told again fires if that was the last time: two rounds may fail. An alert that Alertmanager knows
/// already ends as late as it was told at first.
const OPEN_FOR: Duration = Duration::from_secs(360);

/// See the module.
pub(super) struct Refresh;

impl Refreshing for Refresh {
    fn interval(&self) -> Duration {
        INTERVAL
    }

    fn request(&self, target: &Target, tasks: &[Task<'_>]) -> Result<Rendered, Failure> {
        let alerts: Result<Vec<Value>, Failure> = tasks.iter().map(again).collect();
        post_alerts(target, alerts?)
    }

    fn outcome(&self, task: &Task<'_>, exchange: &Exchange, now: Timestamp) -> Outcome {
        classify(&ALERTMANAGER, Wording::Full, task, exchange, now).outcome
    }
}

fn again(task: &Task<'_>) -> Result<Value, Failure> {
    alert(task, Wording::Full, &Labels::new(task)?, task.now.plus(OPEN_FOR))
}
