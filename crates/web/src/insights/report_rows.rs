//! What a report holds, as rows: services, webhooks, and the table of each chart.

use std::collections::HashMap;
use std::time::Duration;

use crate::insights::charts::ChartName;
use crate::insights::drawing::weekdays;
use crate::insights::table::{Cell, Table};
use model::activity::Histogram;
use model::id::{ServiceId, WebhookId};
use model::insight::Durations;
use model::insight_period::InsightStep;
use model::insight_report::{DeliverySums, InsightReport, InsightSums, ServiceSums};

/// Services that have a colour of their own.
const COLOURED_SERVICES: usize = 5;

/// The names of what a report only has ids of.
pub struct ReportNames {
    pub services: HashMap<ServiceId, String>,
    pub webhooks: HashMap<WebhookId, String>,
}

impl ReportNames {
    /// A service's name.
    pub fn service(&self, id: ServiceId) -> String {
        let name = self.services.get(&id).cloned();
        name.unwrap_or_else(|| id.to_string())
    }

    /// A webhook's name; one that is deleted has none.
    pub fn webhook(&self, id: WebhookId) -> String {
        let name = self.webhooks.get(&id).cloned();
        name.unwrap_or_else(|| format!("deleted webhook {id}"))
    }
}

/// The first day of each step.
pub fn dates(report: &InsightReport) -> Vec<String> {
    let steps = report.period.steps();
    steps.iter().map(ToString::to_string).collect()
}

/// The names of the services with a colour of their own, and of the rest.
pub fn coloured_services(report: &InsightReport, names: &ReportNames) -> Vec<String> {
    let services = report.noisiest();
    let shown = services.iter().take(COLOURED_SERVICES);
    let mut coloured: Vec<_> = shown.map(|(id, _)| names.service(*id)).collect();
    if services.len() > COLOURED_SERVICES {
        coloured.push("all others".to_owned());
    }
    coloured
}

/// Openings in each step, by the services with a colour of their own and the rest.
pub fn openings_by_service(report: &InsightReport) -> Vec<Vec<u64>> {
    let services = report.noisiest();
    let (coloured, others) = services.split_at(services.len().min(COLOURED_SERVICES));
    let of_step = |step: usize| {
        let opened =
            |(_, service): &(ServiceId, &ServiceSums)| service.opened_by_step.get(step).copied().unwrap_or(0);
        let mut parts: Vec<u64> = coloured.iter().map(opened).collect();
        if !others.is_empty() {
            parts.push(others.iter().map(opened).sum());
        }
        parts
    };
    (0..report.steps.len()).map(of_step).collect()
}

/// The webhooks, those with the most deliveries first.
pub fn webhooks(report: &InsightReport) -> Vec<(WebhookId, &DeliverySums)> {
    let mut webhooks: Vec<_> = report.webhooks.iter().map(|(id, sums)| (*id, sums)).collect();
    webhooks.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.delivered + sums.dead));
    webhooks
}

/// The table of a chart, as its file has it.
pub fn table(name: ChartName, report: &InsightReport, names: &ReportNames) -> Table {
    let step = match report.period.step() {
        InsightStep::Day => "Day",
        InsightStep::Week => "Week from",
    };
    match name {
        ChartName::Severities => by_step(
            report,
            &[step, "Incidents", "Critical", "Error", "Warning", "Info"],
            |sums| {
                let total = std::iter::once(sums.opened_total());
                total.chain(sums.opened).map(Cell::Count).collect()
            },
        ),
        ChartName::Services => services_by_step(step, report, names),
        ChartName::Acknowledged => {
            by_step(report, &[step, "Acknowledged", "Median", "90 % within"], |sums| {
                times(&sums.acknowledged)
            })
        }
        ChartName::Resolved => by_step(report, &[step, "Resolved", "Median", "90 % within"], |sums| {
            times(&sums.resolved)
        }),
        ChartName::Escalations => by_step(report, &[step, "Escalations"], |sums| {
            vec![Cell::Count(sums.escalated)]
        }),
        ChartName::Hours => hours_table(report),
        ChartName::Noisiest => noisiest_table(report, names),
        ChartName::Deliveries => deliveries_table(report, names),
    }
}

fn by_step(report: &InsightReport, columns: &[&str], cells: impl Fn(&InsightSums) -> Vec<Cell>) -> Table {
    let row = |(date, sums): (String, &InsightSums)| {
        let first = std::iter::once(Cell::Text(date));
        first.chain(cells(sums)).collect()
    };
    let rows = dates(report).into_iter().zip(&report.steps);
    Table::new(columns, rows.map(row).collect())
}

fn times(durations: &Durations) -> Vec<Cell> {
    vec![
        Cell::Count(durations.total()),
        Cell::Took(durations.percentile(50)),
        Cell::Took(durations.percentile(90)),
    ]
}

fn services_by_step(step: &str, report: &InsightReport, names: &ReportNames) -> Table {
    let row = |(date, parts): (String, Vec<u64>)| {
        let first = std::iter::once(Cell::Text(date));
        first.chain(parts.into_iter().map(Cell::Count)).collect()
    };
    Table {
        columns: std::iter::once(step.to_owned())
            .chain(coloured_services(report, names))
            .collect(),
        rows: dates(report)
            .into_iter()
            .zip(openings_by_service(report))
            .map(row)
            .collect(),
    }
}

fn hours_table(report: &InsightReport) -> Table {
    let [monday, tuesday, wednesday, thursday, friday, saturday, sunday] = weekdays();
    let row = |hour: usize| {
        let first = std::iter::once(Cell::Text(format!("{hour:02}:00")));
        first
            .chain(report.hours.iter().map(|day| Cell::Count(day[hour])))
            .collect()
    };
    let columns = [
        "Hour", monday, tuesday, wednesday, thursday, friday, saturday, sunday,
    ];
    Table::new(&columns, (0..24).map(row).collect())
}

fn noisiest_table(report: &InsightReport, names: &ReportNames) -> Table {
    let row = |(id, service): (ServiceId, &ServiceSums)| {
        let sums = &service.sums;
        let mut cells = vec![Cell::Text(names.service(id)), Cell::Count(sums.opened_total())];
        cells.extend(sums.opened.map(Cell::Count));
        cells.push(Cell::Count(sums.escalated));
        cells.push(Cell::Took(sums.acknowledged.percentile(50)));
        cells.push(Cell::Took(sums.resolved.percentile(50)));
        cells
    };
    let columns = [
        "Service",
        "Incidents",
        "Critical",
        "Error",
        "Warning",
        "Info",
        "Escalations",
        "Median to acknowledge",
        "Median to resolve",
    ];
    Table::new(&columns, report.noisiest().into_iter().map(row).collect())
}

fn deliveries_table(report: &InsightReport, names: &ReportNames) -> Table {
    let took =
        |histogram: &Histogram, percent| Cell::Took(histogram.percentile(percent).map(Duration::from_micros));
    let row = |(id, sums): (WebhookId, &DeliverySums)| {
        vec![
            Cell::Text(names.webhook(id)),
            Cell::Count(sums.delivered),
            Cell::Count(sums.retried),
            Cell::Count(sums.dead),
            Cell::Share(sums.delivered, sums.delivered + sums.dead),
            took(&sums.delivery_times, 50),
            took(&sums.delivery_times, 90),
            took(&sums.attempt_times, 95),
        ]
    };
    let columns = [
        "Webhook",
        "Delivered",
        "Failed, retried",
        "Dead",
        "Success",
        "Median to arrive",
        "90 % arrive within",
        "95 % of attempts within",
    ];
    Table::new(&columns, webhooks(report).into_iter().map(row).collect())
}
