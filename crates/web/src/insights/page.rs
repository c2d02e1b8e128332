//! Insights: what was counted in a period, as charts.

use askama::Template;
use axum::extract::State;

use crate::insights::charts::{Chart, ChartName, Drawing, chart};
use crate::insights::report_rows::ReportNames;
use crate::insights::table::took_in_words;
use crate::layout::choices::{Choice, all_services, service_choices};
use crate::layout::error::{PageError, PageResult};
use crate::layout::query::Query;
use crate::layout::show;
use crate::layout::{Layout, Nav, render, render_refused};
use crate::session::UserSession;
use crate::state::WebState;
use crate::webhooks::list::every_webhook;
use model::id::ServiceId;
use model::insight::Durations;
use model::insight_period::{DEFAULT_DAYS, InsightPeriod, InvalidPeriod, PeriodText};
use model::insight_report::InsightReport;
use model::time::Timestamp;

/// The choice of a period whose days are named.
const CUSTOM: &str = "between";
/// Zones that are offered; any other of the IANA's list can be typed.
const ZONES: [&str; 24] = [
    "UTC",
    "Africa/Cairo",
    "Africa/Johannesburg",
    "Africa/Lagos",
    "America/Bogota",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Dubai",
    "Asia/Jakarta",
    "Asia/Karachi",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Moscow",
    "Pacific/Auckland",
];

/// What an address asks for.
pub struct Asked {
    pub period: Result<InsightPeriod, InvalidPeriod>,
    pub service_id: Option<ServiceId>,
}

impl Asked {
    /// Reads the address. Days that are named count only if no number of days is chosen.
    pub fn of(query: &Query, now: Timestamp) -> Self {
        let is_custom = is_custom(query);
        let named = |name| if is_custom { query.text(name) } else { "" };
        let text = PeriodText {
            days: if is_custom { "" } else { query.text("days") },
            from: named("from"),
            to: named("to"),
            zone: query.text("zone"),
            step: query.text("step"),
        };
        Self {
            period: InsightPeriod::parse(text, now),
            service_id: query.parsed("service", |text| text.parse().ok()),
        }
    }
}

fn is_custom(query: &Query) -> bool {
    let has_days = !query.text("from").is_empty() || !query.text("to").is_empty();
    query.text("days") == CUSTOM || (query.text("days").is_empty() && has_days)
}

/// A number that stands above the charts.
struct Headline {
    name: &'static str,
    value: String,
}

#[derive(Template)]
#[template(path = "insights/page.html")]
struct InsightsPage {
    layout: Layout,
    services: Vec<Choice>,
    periods: Vec<Choice>,
    steps: Vec<Choice>,
    zones: [&'static str; 24],
    zone: String,
    from: String,
    to: String,
    /// What is wrong with the period.
    wrong: Option<String>,
    /// The period in words.
    period: String,
    headlines: Vec<Headline>,
    charts: Vec<Chart>,
    /// The first, middle and last day of what has steps.
    axis: Vec<String>,
    /// What stands behind the addresses of files.
    query: String,
    is_empty: bool,
}

impl InsightsPage {
    /// Whether a chart has all the width.
    fn is_wide(chart: &Chart) -> bool {
        match chart.name {
            ChartName::Severities | ChartName::Services | ChartName::Noisiest | ChartName::Deliveries => true,
            ChartName::Acknowledged | ChartName::Resolved | ChartName::Escalations | ChartName::Hours => {
                false
            }
        }
    }
}

/// `GET /insights`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let asked = Asked::of(&query, session.context.now);
    let chosen = match query.text("days") {
        _ if is_custom(&query) => CUSTOM.to_owned(),
        "" => DEFAULT_DAYS.to_string(),
        days => days.to_owned(),
    };
    let mut page = InsightsPage {
        layout: Layout::new(&session, "Insights", Nav::Insights),
        services: service_choices(&state, "All services", query.text("service")).await?,
        periods: period_choices(&chosen),
        steps: step_choices(query.text("step")),
        zones: ZONES,
        zone: Some(query.text("zone"))
            .filter(|zone| !zone.is_empty())
            .unwrap_or("UTC")
            .to_owned(),
        from: query.text("from").to_owned(),
        to: query.text("to").to_owned(),
        wrong: None,
        period: String::new(),
        headlines: Vec::new(),
        charts: Vec::new(),
        axis: Vec::new(),
        query: query_of(&query),
        is_empty: true,
    };
    let period = match asked.period {
        Ok(period) => period,
        Err(error) => {
            page.wrong = Some(show::sentence_case(&error.to_string()));
            return render_refused(&page);
        }
    };
    page.from = period.first().to_string();
    page.to = period.last().to_string();
    page.period = format!("{} to {}", period.first(), period.last());
    let report = state
        .actions
        .insights(period, asked.service_id.as_slice())
        .await?;
    let names = report_names(&state, &report).await?;
    page.is_empty = report.services.is_empty() && report.webhooks.is_empty();
    page.headlines = headlines(&report);
    page.axis = axis(&report);
    let charts = ChartName::ALL
        .iter()
        .filter(|name| asked.service_id.is_none() || name.is_of_one_service());
    page.charts = charts.map(|name| chart(*name, &report, &names)).collect();
    render(&page)
}

/// The names of the services and webhooks of a report.
pub async fn report_names(state: &WebState, report: &InsightReport) -> Result<ReportNames, PageError> {
    let services = all_services(state).await?;
    let webhooks = match report.webhooks.is_empty() {
        true => Vec::new(),
        false => every_webhook(state).await?,
    };
    Ok(ReportNames {
        services: services
            .into_iter()
            .map(|service| (service.id, service.name))
            .collect(),
        webhooks: webhooks
            .into_iter()
            .map(|webhook| (webhook.id, webhook.settings.name))
            .collect(),
    })
}

fn period_choices(chosen: &str) -> Vec<Choice> {
    let names = [
        ("7", "Last 7 days"),
        ("30", "Last 30 days"),
        ("90", "Last 90 days"),
        ("365", "Last 365 days"),
        (CUSTOM, "The days below"),
    ];
    names.map(|(value, name)| Choice::new(value, name, chosen)).into()
}

fn step_choices(chosen: &str) -> Vec<Choice> {
    let names = [("", "As it suits"), ("day", "Days"), ("week", "Weeks")];
    names.map(|(value, name)| Choice::new(value, name, chosen)).into()
}

/// The filters once more, for the addresses of files.
fn query_of(query: &Query) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for name in ["service", "days", "from", "to", "zone", "step"] {
        let value = query.text(name);
        if !value.is_empty() {
            pairs.append_pair(name, value);
        }
    }
    pairs.finish()
}

fn headlines(report: &InsightReport) -> Vec<Headline> {
    let total = &report.total;
    let took = |durations: &Durations, percent| {
        let took = durations.percentile(percent).filter(|_| durations.total() > 0);
        took.map_or_else(|| "–".to_owned(), took_in_words)
    };
    let headline = |name, value| Headline { name, value };
    vec![
        headline("Incidents", show::count(total.opened_total())),
        headline("Median time to acknowledge", took(&total.acknowledged, 50)),
        headline("Median time to resolve", took(&total.resolved, 50)),
        headline("Escalations", show::count(total.escalated)),
        headline("90 % acknowledged within", took(&total.acknowledged, 90)),
        headline("90 % resolved within", took(&total.resolved, 90)),
    ]
}

fn axis(report: &InsightReport) -> Vec<String> {
    let steps = report.period.steps();
    let places = [0, steps.len() / 2, steps.len().saturating_sub(1)];
    let mut places = places.to_vec();
    places.dedup();
    let dates = places.into_iter().filter_map(|place| steps.get(place));
    dates.map(ToString::to_string).collect()
}
