//! The charts of insights out of a report: each with its words, its legend and its drawing.

use std::time::Duration;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::insights::drawing::{About, Bar, heat_map, layered, lying, stacked};
use crate::insights::report_rows::{
    ReportNames, coloured_services, dates, openings_by_service, table, webhooks,
};
use crate::insights::table::{Cell, Table, took_in_words};
use crate::layout::show::{self, Markup};
use model::id::ServiceId;
use model::insight::Durations;
use model::insight_period::InsightStep;
use model::insight_report::{InsightReport, InsightSums, ServiceSums};

/// Services and webhooks that are shown on the page; the file has all of them.
const SHOWN_ROWS: usize = 20;

/// A chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ChartName {
    Severities,
    Services,
    Acknowledged,
    Resolved,
    Escalations,
    Hours,
    Noisiest,
    Deliveries,
}

impl ChartName {
    /// Every chart, in the order of the page.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Its name in addresses.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether it says something of one service.
    pub fn is_of_one_service(self) -> bool {
        match self {
            Self::Severities | Self::Acknowledged | Self::Resolved | Self::Escalations | Self::Hours => true,
            Self::Services | Self::Noisiest | Self::Deliveries => false,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Severities => "Incidents by severity",
            Self::Services => "Incidents by service",
            Self::Acknowledged => "Time to acknowledge",
            Self::Resolved => "Time to resolve",
            Self::Escalations => "Escalations",
            Self::Hours => "Busiest hours",
            Self::Noisiest => "Noisiest services",
            Self::Deliveries => "Deliveries by webhook",
        }
    }

    /// What is counted how.
    fn hint(self) -> &'static str {
        match self {
            Self::Severities | Self::Services => {
                "By when they were opened, with the severity that they have now."
            }
            Self::Acknowledged | Self::Resolved => {
                "Of the incidents opened then, as they are now. Read from a histogram: within a twentieth."
            }
            Self::Escalations => "By policy or by hand, when they happened.",
            Self::Hours => "Incidents by weekday and hour in which they were opened.",
            Self::Noisiest => "Services by how many incidents were opened.",
            Self::Deliveries => {
                "Of all services; attempts are counted for 31 days. Success is of events whose delivery has ended; times are \
                 within a fifth."
            }
        }
    }
}

/// A bar beside a name.
pub struct NamedBar {
    pub name: String,
    pub bar: Markup,
    pub said: String,
}

/// How a chart looks.
pub enum Drawing {
    /// Nothing was counted.
    Empty,
    /// Steps of the period, with what is at the top of its scale.
    Steps {
        svg: Markup,
        most: String,
    },
    Week(Markup),
    Bars(Vec<NamedBar>),
}

/// A chart as the page shows it.
pub struct Chart {
    pub name: ChartName,
    pub title: &'static str,
    pub hint: &'static str,
    /// The parts of its bars, in the order of their classes.
    pub legend: Vec<String>,
    pub drawing: Drawing,
    pub table: Table,
}

/// A chart of a report.
pub fn chart(name: ChartName, report: &InsightReport, names: &ReportNames) -> Chart {
    let mut table = table(name, report, names);
    // The file has the days on which nothing happened too, and all services.
    table.rows.retain(|row| row.iter().any(Cell::is_counted));
    if matches!(name, ChartName::Noisiest | ChartName::Deliveries) {
        table.rows.truncate(SHOWN_ROWS);
    }
    Chart {
        name,
        title: name.title(),
        hint: name.hint(),
        legend: legend(name, report, names),
        drawing: drawing(name, report, names),
        table,
    }
}

fn legend(name: ChartName, report: &InsightReport, names: &ReportNames) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match name {
        ChartName::Severities => words(&["Critical", "Error", "Warning", "Info"]),
        ChartName::Services => coloured_services(report, names),
        ChartName::Acknowledged | ChartName::Resolved => words(&["90 % within", "median"]),
        ChartName::Escalations | ChartName::Hours | ChartName::Noisiest => Vec::new(),
        ChartName::Deliveries => words(&["delivered", "dead"]),
    }
}

fn drawing(name: ChartName, report: &InsightReport, names: &ReportNames) -> Drawing {
    let of_step = |parts: fn(&InsightSums) -> Vec<u64>| report.steps.iter().map(parts).collect();
    match name {
        ChartName::Severities => steps(name, report, of_step(|sums| sums.opened.to_vec())),
        ChartName::Services => steps(name, report, openings_by_service(report)),
        ChartName::Escalations => steps(name, report, of_step(|sums| vec![sums.escalated])),
        ChartName::Acknowledged => steps(name, report, of_step(|sums| times_in_seconds(&sums.acknowledged))),
        ChartName::Resolved => steps(name, report, of_step(|sums| times_in_seconds(&sums.resolved))),
        ChartName::Hours if report.total.opened_total() == 0 => Drawing::Empty,
        ChartName::Hours => Drawing::Week(heat_map(
            about(name, "A row for each weekday, a column for each hour"),
            &report.hours,
        )),
        ChartName::Noisiest => noisiest_bars(report, names),
        ChartName::Deliveries => delivery_bars(report, names),
    }
}

fn about(name: ChartName, description: &str) -> About<'_> {
    About {
        id: name.as_str(),
        title: name.title(),
        description,
    }
}

fn times_in_seconds(durations: &Durations) -> Vec<u64> {
    let percentile = |percent| {
        durations
            .percentile(percent)
            .map_or(0, |took| took.as_secs().max(1))
    };
    vec![percentile(90), percentile(50)]
}

fn steps(name: ChartName, report: &InsightReport, parts: Vec<Vec<u64>>) -> Drawing {
    let are_times = matches!(name, ChartName::Acknowledged | ChartName::Resolved);
    let in_words = |value: u64| match are_times {
        true => took_in_words(Duration::from_secs(value)),
        false => show::count(value),
    };
    let height = |parts: &Vec<u64>| match are_times {
        true => parts.iter().copied().max().unwrap_or(0),
        false => parts.iter().sum(),
    };
    let most = parts.iter().map(height).max().unwrap_or(0);
    if most == 0 {
        return Drawing::Empty;
    }
    let bar = |(date, parts): (String, Vec<u64>)| Bar {
        title: format!("{date}: {}", in_words(height(&parts))),
        parts,
    };
    let bars: Vec<Bar> = dates(report).into_iter().zip(parts).map(bar).collect();
    let description = format!(
        "{} from {} to {}",
        step_names(report),
        report.period.first(),
        report.period.last()
    );
    let about = about(name, &description);
    Drawing::Steps {
        svg: match are_times {
            true => layered(about, &bars),
            false => stacked(about, &bars),
        },
        most: in_words(most),
    }
}

fn step_names(report: &InsightReport) -> &'static str {
    match report.period.step() {
        InsightStep::Day => "A bar for each day",
        InsightStep::Week => "A bar for each week",
    }
}

fn noisiest_bars(report: &InsightReport, names: &ReportNames) -> Drawing {
    let services = report.noisiest();
    let most = services
        .first()
        .map_or(0, |(_, service)| service.sums.opened_total());
    if most == 0 {
        return Drawing::Empty;
    }
    let bar = |(id, service): &(ServiceId, &ServiceSums)| {
        let opened = service.sums.opened_total();
        NamedBar {
            name: names.service(*id),
            bar: lying(&[opened], most),
            said: show::count(opened),
        }
    };
    Drawing::Bars(services.iter().take(SHOWN_ROWS).map(bar).collect())
}

fn delivery_bars(report: &InsightReport, names: &ReportNames) -> Drawing {
    let bars: Vec<_> = webhooks(report)
        .into_iter()
        .take(SHOWN_ROWS)
        .map(|(id, sums)| {
            let ended = sums.delivered + sums.dead;
            NamedBar {
                name: names.webhook(id),
                bar: lying(&[sums.delivered, sums.dead], ended),
                said: show::percent(sums.delivered, ended).unwrap_or_else(|| "–".to_owned()),
            }
        })
        .collect();
    match bars.is_empty() {
        true => Drawing::Empty,
        false => Drawing::Bars(bars),
    }
}
