//! What was counted, added up for a reader: by steps of a period in the reader's zone, by hours of the week, by services.
//! Days that were counted are added one after the other, so that a report needs no more room for more incidents.

use std::collections::BTreeMap;

use crate::activity::{Activity, Histogram};
use crate::id::{ServiceId, WebhookId};
use crate::incident::Severity;
use crate::insight::{Counted, Durations, InsightDay, QUARTER, QUARTERS};
use crate::insight_period::{InsightPeriod, Slot};
use crate::time::Timestamp;

/// What was counted together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InsightSums {
    /// Openings by severity, worst first.
    pub opened: [u64; 4],
    pub escalated: u64,
    pub acknowledged: Durations,
    pub resolved: Durations,
}

impl InsightSums {
    /// Openings of any severity.
    pub fn opened_total(&self) -> u64 {
        self.opened.iter().sum()
    }

    fn add(&mut self, counted: Counted, count: i64) {
        match counted {
            Counted::Opened(severity) => {
                let place = Severity::ALL.iter().position(|of| *of == severity);
                let opened = place.and_then(|place| self.opened.get_mut(place));
                if let Some(opened) = opened {
                    *opened = opened.saturating_add_signed(count);
                }
            }
            Counted::Escalated => self.escalated = self.escalated.saturating_add_signed(count),
            Counted::Acknowledged(bin) => self.acknowledged.add(bin, count),
            Counted::Resolved(bin) => self.resolved.add(bin, count),
        }
    }
}

/// What was counted of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSums {
    pub sums: InsightSums,
    /// Openings in each step.
    pub opened_by_step: Vec<u64>,
}

/// What one webhook's attempts came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliverySums {
    pub delivered: u64,
    pub retried: u64,
    pub dead: u64,
    pub attempt_times: Histogram,
    pub delivery_times: Histogram,
}

/// Openings by weekday, from Monday on, and hour.
pub type WeekHours = [[u64; 24]; 7];

/// Everything that was counted in a period.
#[derive(Debug, Clone)]
pub struct InsightReport {
    pub period: InsightPeriod,
    pub steps: Vec<InsightSums>,
    pub hours: WeekHours,
    pub services: BTreeMap<ServiceId, ServiceSums>,
    pub webhooks: BTreeMap<WebhookId, DeliverySums>,
    pub total: InsightSums,
    /// The slots of the day that was added last: services of one day follow each other.
    slots: Option<(Timestamp, Vec<Option<Slot>>)>,
}

impl InsightReport {
    /// A report to which nothing was added yet.
    pub fn new(period: InsightPeriod) -> Self {
        let steps = period.steps().len();
        Self {
            period,
            steps: vec![InsightSums::default(); steps],
            hours: [[0; 24]; 7],
            services: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            total: InsightSums::default(),
            slots: None,
        }
    }

    /// Adds a day of a service. What lies outside of the period is left out.
    pub fn add(&mut self, day: &InsightDay) {
        let slots = match self.slots.take() {
            Some((day_at, slots)) if day_at == day.day_at => slots,
            Some(_) | None => (0..QUARTERS)
                .map(|quarter| self.period.slot_of(day.day_at.plus(QUARTER * u32::from(quarter))))
                .collect(),
        };
        let steps = self.steps.len();
        let mut service = self.services.remove(&day.service_id);
        for (quarter, counted, count) in day.counts.iter() {
            let Some(slot) = slots.get(usize::from(quarter)).copied().flatten() else {
                continue;
            };
            let service = service.get_or_insert_with(|| ServiceSums {
                sums: InsightSums::default(),
                opened_by_step: vec![0; steps],
            });
            service.sums.add(counted, count);
            self.total.add(counted, count);
            if let Some(step) = self.steps.get_mut(slot.step) {
                step.add(counted, count);
            }
            if let Counted::Opened(_) = counted {
                let hour = &mut self.hours[slot.weekday][slot.hour];
                *hour = hour.saturating_add_signed(count);
                if let Some(opened) = service.opened_by_step.get_mut(slot.step) {
                    *opened = opened.saturating_add_signed(count);
                }
            }
        }
        if let Some(service) = service {
            self.services.insert(day.service_id, service);
        }
        self.slots = Some((day.day_at, slots));
    }

    /// Adds what a webhook's attempts came to.
    pub fn add_activity(&mut self, activity: &Activity) {
        let sums = self.webhooks.entry(activity.webhook_id).or_default();
        sums.delivered += activity.delivered;
        sums.retried += activity.retried;
        sums.dead += activity.dead;
        sums.attempt_times.merge(&activity.attempt_times);
        sums.delivery_times.merge(&activity.delivery_times);
    }

    /// The services with the most incidents, the noisiest first.
    pub fn noisiest(&self) -> Vec<(ServiceId, &ServiceSums)> {
        let mut services: Vec<_> = self.services.iter().map(|(id, sums)| (*id, sums)).collect();
        services.sort_by_key(|(_, service)| std::cmp::Reverse(service.sums.opened_total()));
        services
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insight::{DayCounts, InsightChange, Measure, day_of};
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    fn day(at: &str, measures: &[Measure]) -> InsightDay {
        let at: Timestamp = at.parse().unwrap();
        let service_id = ServiceId::from_bytes([1; 16]);
        let mut counts = DayCounts::default();
        for measure in measures {
            counts.add(&InsightChange {
                at,
                service_id,
                measure: *measure,
                count: 1,
            });
        }
        InsightDay {
            day_at: day_of(at),
            service_id,
            counts,
        }
    }

    #[test]
    fn an_incident_lies_on_the_day_and_hour_of_the_readers_zone() {
        let opened = [Measure::Opened(Severity::Error)];
        // 18:20 UTC on a Sunday is 00:05 on Monday in Kathmandu, whose clocks are 5 h 45 min ahead.
        let counted = day("2026-03-01T18:20:00Z", &opened);
        for (name, step, weekday, hour) in [
            ("Asia/Kathmandu", 1, 0, 0),
            ("UTC", 0, 6, 18),
            ("Asia/Kolkata", 0, 6, 23),
        ] {
            let period = InsightPeriod::new(
                TimeZone::get(name).unwrap(),
                date(2026, 3, 1),
                date(2026, 3, 2),
                None,
            )
            .unwrap();
            let mut report = InsightReport::new(period);
            report.add(&counted);
            let by_step: Vec<_> = report.steps.iter().map(InsightSums::opened_total).collect();
            assert_eq!(by_step.iter().position(|count| *count == 1), Some(step), "{name}");
            assert_eq!(report.hours[weekday][hour], 1, "{name}");
        }
    }

    #[test]
    fn what_lies_outside_of_the_period_is_left_out() {
        let period = InsightPeriod::new(TimeZone::UTC, date(2026, 3, 1), date(2026, 3, 1), None).unwrap();
        let mut report = InsightReport::new(period);
        report.add(&day("2026-03-02T00:00:00Z", &[Measure::Escalated]));
        assert_eq!(
            (report.total.escalated, report.services.len(), report.steps.len()),
            (0, 0, 1)
        );
    }
}
