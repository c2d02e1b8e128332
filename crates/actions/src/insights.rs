//! Insights: what was counted in a period, added up. What is asked for may be years, so that few are computed at once and a
//! little of it is in memory at a time.

use std::time::Duration;

use model::activity::ACTIVITY_LIFETIME;
use model::id::ServiceId;
use model::insight::{InsightDay, day_of};
use model::insight_period::InsightPeriod;
use model::insight_report::InsightReport;

use crate::{ActionError, Actions};

/// How many are computed at once.
pub const MAX_INSIGHTS_AT_ONCE: usize = 2;
/// How long one waits for others.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// How much of the days of incidents is read at once.
const DAYS_AT_ONCE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The same of the attempts of webhooks, which are counted for each half hour.
const ACTIVITY_AT_ONCE: Duration = Duration::from_secs(24 * 3600);

impl Actions {
    /// What was counted in a period, of some services, or of all if none are named. Webhooks serve all of them, so that those of
    /// some have none.
    pub async fn insights(
        &self,
        period: InsightPeriod,
        services: &[ServiceId],
    ) -> Result<InsightReport, ActionError> {
        let waiting = tokio::time::timeout(MAX_WAIT, self.insights.acquire()).await;
        let Ok(Ok(_permit)) = waiting else {
            let sentence = "other insights are being computed";
            return Err(ActionError::Unavailable(sentence.into()));
        };
        let mut report = InsightReport::new(period);
        let (starts_at, ends_at) = (report.period.starts_at(), report.period.ends_at());
        let one = if let [id] = services { Some(*id) } else { None };
        let is_asked_for = |day: &&InsightDay| services.is_empty() || services.contains(&day.service_id);
        let mut since = day_of(starts_at);
        while since < ends_at {
            let until = since.plus(DAYS_AT_ONCE);
            let days = self.store.overview.insight_days(since, until, one).await?;
            days.iter().filter(is_asked_for).for_each(|day| report.add(day));
            since = until;
        }
        if !services.is_empty() {
            return Ok(report);
        }
        let mut since = starts_at.max(self.source.now().minus(ACTIVITY_LIFETIME));
        while since < ends_at {
            let until = since.plus(ACTIVITY_AT_ONCE).min(ends_at);
            let activity = self.store.overview.activity_between(since, until).await?;
            activity.iter().for_each(|period| report.add_activity(period));
            since = until;
        }
        Ok(report)
    }
}
