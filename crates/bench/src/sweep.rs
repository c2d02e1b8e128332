//! The shape of cost: deliveries per second against one thing at a time, everything else as in scenario A.

use serde::Serialize;

use crate::Setting;
use crate::receiver::Manner;
use crate::round::{self, Figures, Plan, Shape, Target};

/// Deliveries in each round.
const DELIVERIES: u32 = 20_000;
/// Rounds at each point; the best counts, as the machine may have had other things to do in the others.
const ROUNDS: u32 = 2;
/// Webhooks share receivers beyond this: what is measured is the server.
const RECEIVERS: u32 = 10;
/// As many deliveries in flight for the one webhook as make it the server that is measured.
const CONCURRENCY: u16 = 64;

/// One thing that is varied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Axis {
    /// Webhooks that want every event; each as it is by default.
    Webhooks,
    /// Lanes in flight at once, of one webhook.
    Lanes,
    /// Incidents that there were before, each with its event, delivery and attempt.
    History,
    /// The length of titles, in characters: what makes an event's body long.
    Title,
    /// The length of the receivers' answers, in bytes, all of which is kept.
    Answer,
}

impl Axis {
    const ALL: [Self; 5] = [
        Self::Webhooks,
        Self::Lanes,
        Self::History,
        Self::Title,
        Self::Answer,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Webhooks => "webhooks",
            Self::Lanes => "lanes in flight",
            Self::History => "deliveries before",
            Self::Title => "characters of a title",
            Self::Answer => "bytes of an answer",
        }
    }

    fn points(self) -> &'static [u32] {
        match self {
            Self::Webhooks => &[1, 10, 100, 1000, 10_000],
            Self::Lanes => &[1, 4, 16, 64, 256],
            Self::History => &[0, 10_000, 100_000, 1_000_000, 10_000_000],
            Self::Title => &[40, 220, 500],
            Self::Answer => &[0, 1024, 4096, 16_384],
        }
    }

    fn plan(self, at: u32) -> Plan {
        let shape = Shape::default();
        match self {
            Self::Webhooks => {
                let receivers = at.min(RECEIVERS);
                let shape = Shape {
                    webhooks_each: at / receivers,
                    ..shape
                };
                plan(receivers, None, DELIVERIES / at, shape)
            }
            Self::Lanes => plan(1, u16::try_from(at).ok(), DELIVERIES, shape),
            Self::History => plan(1, Some(CONCURRENCY), DELIVERIES, Shape { history: at, ..shape }),
            Self::Title => {
                let title_chars = at as usize;
                plan(1, Some(CONCURRENCY), DELIVERIES, Shape { title_chars, ..shape })
            }
            Self::Answer => {
                let answer_bytes = at as usize;
                plan(
                    1,
                    Some(CONCURRENCY),
                    DELIVERIES,
                    Shape {
                        answer_bytes,
                        ..shape
                    },
                )
            }
        }
    }
}

fn plan(receivers: u32, concurrency: Option<u16>, incidents: u32, shape: Shape) -> Plan {
    let target = Target {
        manner: Manner::Prompt,
        concurrency,
    };
    Plan {
        targets: (0..receivers).map(|_| target).collect(),
        incidents: incidents.max(1),
        incidents_per_second: None,
        shape,
    }
}

/// What came out along one axis.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Curve {
    pub axis: Axis,
    pub points: Vec<Point>,
}

/// One point of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    pub at: u32,
    pub figures: Figures,
}

/// Measures all of them. `longest` is the longest history.
pub async fn run(setting: &Setting, longest: u32) -> anyhow::Result<Vec<Curve>> {
    let mut curves = Vec::new();
    for axis in Axis::ALL {
        let is_wanted = |at: &&u32| axis != Axis::History || **at <= longest;
        let mut points = Vec::new();
        for at in axis.points().iter().filter(is_wanted) {
            crate::announce(&format!("{}: {at}", axis.name()));
            points.push(Point {
                at: *at,
                figures: best(setting, axis, *at).await?,
            });
        }
        curves.push(Curve { axis, points });
    }
    Ok(curves)
}

async fn best(setting: &Setting, axis: Axis, at: u32) -> anyhow::Result<Figures> {
    let mut best: Option<Figures> = None;
    for _ in 0..ROUNDS {
        let figures = round::run(setting, axis.plan(at)).await?;
        let is_better = |best: &Figures| figures.delivered_per_second > best.delivered_per_second;
        // What went wrong in any of them must be seen.
        if best.as_ref().is_none_or(is_better) || figures.missing > 0 {
            best = Some(figures);
        }
    }
    best.ok_or_else(|| anyhow::anyhow!("nothing was measured"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_about_as_many_deliveries() {
        for axis in Axis::ALL {
            for at in axis.points() {
                let plan = axis.plan(*at);
                let each = u64::from(plan.shape.webhooks_each) * plan.targets.len() as u64;
                assert_eq!(
                    u64::from(plan.incidents) * each,
                    u64::from(DELIVERIES),
                    "{axis:?} {at}"
                );
            }
        }
    }
}
