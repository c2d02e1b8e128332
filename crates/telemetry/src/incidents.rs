//! Metrics of incidents: how many are open, and how long people take. Names of services are told only where the caller asks for it.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use model::event::EventName;
use model::incident::Severity;

/// How many services have a series of their own.
pub const MAX_SERVICES: usize = 200;
/// The id and the name under which the others are summed up.
const OTHER: &str = "other";

/// A severity, as a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SeverityLabel {
    severity: &'static str,
}

/// A service, as labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabel {
    service: String,
    name: String,
}

/// The open incidents of one service.
pub struct OpenOfService {
    pub id: String,
    pub name: String,
    pub count: u64,
}

/// See the module.
#[derive(Debug)]
pub struct IncidentMetrics {
    open: Family<SeverityLabel, Gauge>,
    open_by_service: Family<ServiceLabel, Gauge>,
    acknowledge_seconds: Histogram,
    resolve_seconds: Histogram,
}

impl Default for IncidentMetrics {
    fn default() -> Self {
        Self {
            open: Family::default(),
            open_by_service: Family::default(),
            // From seconds to half a day.
            acknowledge_seconds: Histogram::new(exponential_buckets(5.0, 2.0, 14)),
            // From half a minute to some days.
            resolve_seconds: Histogram::new(exponential_buckets(30.0, 2.0, 15)),
        }
    }
}

impl IncidentMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("incidents_open", "Open incidents by severity", self.open.clone());
        registry.register(
            "service_incidents_open",
            "Open incidents of a service; those without any are left out",
            self.open_by_service.clone(),
        );
        registry.register(
            "incident_acknowledge_seconds",
            "From when an incident was triggered until it was acknowledged",
            self.acknowledge_seconds.clone(),
        );
        registry.register(
            "incident_resolve_seconds",
            "From when an incident was triggered until it was resolved",
            self.resolve_seconds.clone(),
        );
    }

    /// Notes that an incident moved, so long after it was triggered.
    pub fn moved(&self, event: EventName, after: Duration) {
        match event {
            EventName::Acknowledged => self.acknowledge_seconds.observe(after.as_secs_f64()),
            EventName::Resolved => self.resolve_seconds.observe(after.as_secs_f64()),
            EventName::Triggered | EventName::Escalated | EventName::Reopened => {}
        }
    }

    /// Shows how many are open of each severity.
    pub fn show_open(&self, count_of: impl Fn(Severity) -> u64) {
        for severity in Severity::ALL {
            let label = SeverityLabel {
                severity: severity.as_str(),
            };
            self.open.get_or_create(&label).set(gauge(count_of(*severity)));
        }
    }

    /// Shows how many are open of each service: of the first so many by itself, of the rest together.
    pub fn show_services(&self, services: Vec<OpenOfService>) {
        let mut others = 0;
        let mut shown = Vec::new();
        for service in services {
            match shown.len() < MAX_SERVICES {
                true => shown.push(service),
                false => others += service.count,
            }
        }
        self.open_by_service.clear();
        for service in shown {
            let label = ServiceLabel {
                service: service.id,
                name: service.name,
            };
            self.open_by_service
                .get_or_create(&label)
                .set(gauge(service.count));
        }
        if others > 0 {
            let label = ServiceLabel {
                service: OTHER.to_owned(),
                name: OTHER.to_owned(),
            };
            self.open_by_service.get_or_create(&label).set(gauge(others));
        }
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_beyond_the_bound_are_summed_up_and_those_without_incidents_forgotten() {
        let (metrics, mut registry) = (IncidentMetrics::default(), Registry::default());
        metrics.register(&mut registry);
        let of = |number: usize| OpenOfService {
            id: format!("svc_{number}"),
            name: format!("service {number}"),
            count: 2,
        };
        let text = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text
        };
        metrics.show_services((0..MAX_SERVICES + 3).map(of).collect());
        assert!(text().contains("service_incidents_open{service=\"other\",name=\"other\"} 6\n"));
        metrics.show_services(vec![of(7)]);
        let series = text()
            .lines()
            .filter(|line| line.starts_with("service_incidents_open{"))
            .count();
        assert_eq!(series, 1);
    }
}
