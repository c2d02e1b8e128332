//! Scenario B: ten webhooks on every incident, each as it is by default.

use crate::Setting;
use crate::receiver::Manner;
use crate::round::{self, Figures, Plan, Shape, Target};

/// How many webhooks there are.
const WEBHOOKS: u32 = 10;

/// Runs it with as many deliveries as scenario A.
pub async fn run(setting: &Setting) -> anyhow::Result<Figures> {
    let healthy = Target {
        manner: Manner::Prompt,
        concurrency: None,
    };
    let plan = Plan {
        targets: (0..WEBHOOKS).map(|_| healthy).collect(),
        incidents: (setting.arguments.incidents / WEBHOOKS).max(1),
        incidents_per_second: None,
        shape: Shape::default(),
    };
    round::run(setting, plan).await
}
