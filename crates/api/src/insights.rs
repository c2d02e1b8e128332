//! Insights over HTTP: what was counted of incidents in a period.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{ApiResult, ok};
use crate::auth::Caller;
use crate::problem::{Code, Problem};
use crate::query::{QueryOf, parse_parameter};
use crate::state::ApiState;
use actions::FieldError;
use model::id::ServiceId;
use model::insight::Durations;
use model::insight_period::{InsightPeriod, InsightStep, InvalidPeriod, PeriodText};
use model::insight_report::{InsightReport, InsightSums};

/// Which period, whose day begins when, and of which service.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InsightsQuery {
    /// The last so many days, today among them; 30 if nothing is said.
    days: Option<String>,
    /// The first day, such as `2026-01-31`, instead of a number of days.
    from: Option<String>,
    /// The last day; today if absent.
    to: Option<String>,
    /// The time zone in which days begin, by its IANA name; UTC if absent.
    zone: Option<String>,
    /// `day` or `week`, at most 366 of them; what suits the period if absent.
    step: Option<String>,
    /// Only of this service.
    service: Option<String>,
}

/// What was counted in a period.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Insights)]
pub struct InsightsView {
    /// The first day.
    from: String,
    /// The last day.
    to: String,
    zone: String,
    /// `day` or `week`.
    #[schema(value_type = String)]
    step: &'static str,
    total: SumsView,
    steps: Vec<InsightStepView>,
    /// Incidents by weekday from Monday on, and hour.
    hours: Vec<Vec<u64>>,
    /// By service, those with the most incidents first.
    services: Vec<ServiceSumsView>,
}

/// What was counted in one step.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InsightStep)]
pub struct InsightStepView {
    /// Its first day; of a week, the Monday.
    from: String,
    sums: SumsView,
}

/// What was counted of one service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServiceInsights)]
pub struct ServiceSumsView {
    #[schema(value_type = String)]
    service_id: ServiceId,
    sums: SumsView,
}

/// Sums: incidents by when they were opened, as they are now; escalations by when they happened.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InsightSums)]
pub struct SumsView {
    opened: u64,
    critical: u64,
    error: u64,
    warning: u64,
    info: u64,
    escalations: u64,
    acknowledged: TimesView,
    resolved: TimesView,
}

/// How long it took from the opening on, read from a histogram: within a twentieth.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InsightTimes)]
pub struct TimesView {
    count: u64,
    #[schema(required)]
    median_seconds: Option<f64>,
    /// 90 % took at most so long.
    #[schema(required)]
    p90_seconds: Option<f64>,
}

impl From<&InsightSums> for SumsView {
    fn from(sums: &InsightSums) -> Self {
        let [critical, error, warning, info] = sums.opened;
        Self {
            opened: sums.opened_total(),
            critical,
            error,
            warning,
            info,
            escalations: sums.escalated,
            acknowledged: TimesView::from(&sums.acknowledged),
            resolved: TimesView::from(&sums.resolved),
        }
    }
}

impl From<&Durations> for TimesView {
    fn from(durations: &Durations) -> Self {
        let percentile = |percent| durations.percentile(percent).map(|took| took.as_secs_f64());
        Self {
            count: durations.total(),
            median_seconds: percentile(50),
            p90_seconds: percentile(90),
        }
    }
}

impl From<&InsightReport> for InsightsView {
    fn from(report: &InsightReport) -> Self {
        let period = &report.period;
        let step = |(date, sums): (String, &InsightSums)| InsightStepView {
            from: date,
            sums: sums.into(),
        };
        let dates = period.steps().into_iter().map(|date| date.to_string());
        let services = report.noisiest().into_iter();
        Self {
            from: period.first().to_string(),
            to: period.last().to_string(),
            zone: period.zone().iana_name().unwrap_or("UTC").to_owned(),
            step: match period.step() {
                InsightStep::Day => "day",
                InsightStep::Week => "week",
            },
            total: (&report.total).into(),
            steps: dates.zip(&report.steps).map(step).collect(),
            hours: report.hours.iter().map(|day| day.to_vec()).collect(),
            services: services
                .map(|(service_id, service)| ServiceSumsView {
                    service_id,
                    sums: (&service.sums).into(),
                })
                .collect(),
        }
    }
}

/// `GET /insights`
pub async fn get(
    State(state): State<ApiState>,
    caller: Caller,
    QueryOf(query): QueryOf<InsightsQuery>,
) -> ApiResult {
    let text = PeriodText {
        days: query.days.as_deref().unwrap_or_default(),
        from: query.from.as_deref().unwrap_or_default(),
        to: query.to.as_deref().unwrap_or_default(),
        zone: query.zone.as_deref().unwrap_or_default(),
        step: query.step.as_deref().unwrap_or_default(),
    };
    let service_id: Option<ServiceId> =
        parse_parameter("service", query.service.as_deref(), |text| text.parse().ok())?;
    let period = InsightPeriod::parse(text, state.source.now()).map_err(refused)?;
    let restriction = &caller.0.restriction;
    let report = match service_id {
        Some(id) if !restriction.admits_service(id) => InsightReport::new(period),
        Some(id) => state.actions.insights(period, &[id]).await?,
        None => state.actions.insights(period, restriction.services()).await?,
    };
    ok(&InsightsView::from(&report))
}

fn refused(error: InvalidPeriod) -> Problem {
    let detail = error.to_string();
    Problem::new(Code::InvalidQuery, detail.clone()).with_errors(vec![FieldError {
        field: error.field().to_owned(),
        code: "invalid_value",
        detail,
    }])
}
