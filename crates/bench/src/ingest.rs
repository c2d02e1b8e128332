//! Scenario A: one webhook, many incidents through the API.

use crate::Setting;
use crate::receiver::Manner;
use crate::round::{self, Figures, Plan, Shape, Target};

/// Runs it. The one webhook is allowed more deliveries in flight than the default, or that would be what is measured.
pub async fn run(setting: &Setting) -> anyhow::Result<Figures> {
    let plan = Plan {
        targets: vec![Target {
            manner: Manner::Prompt,
            concurrency: Some(setting.arguments.concurrency),
        }],
        incidents: setting.arguments.incidents,
        incidents_per_second: None,
        shape: Shape::default(),
    };
    round::run(setting, plan).await
}
