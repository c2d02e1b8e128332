//! The table behind a chart as a file of comma-separated values.

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use crate::insights::charts::ChartName;
use crate::insights::page::{Asked, report_names};
use crate::insights::report_rows::table;
use crate::layout::error::{PageError, PageResult};
use crate::layout::query::Query;
use crate::session::UserSession;
use crate::state::WebState;

/// `GET /insights/{file}`
pub async fn page(
    State(state): State<WebState>,
    session: UserSession,
    path: Option<Path<String>>,
    query: Query,
) -> PageResult {
    let name = path.and_then(|Path(file)| file.strip_suffix(".csv")?.parse::<ChartName>().ok());
    let name = name.ok_or_else(|| PageError::not_found("page"))?;
    let asked = Asked::of(&query, session.context.now);
    let period = asked
        .period
        .map_err(|error| PageError::bad_request(&error.to_string()))?;
    let title = format!(
        "opsknight-{}-{}-{}.csv",
        name.as_str(),
        period.first(),
        period.last()
    );
    let report = state
        .actions
        .insights(period, asked.service_id.as_slice())
        .await?;
    let names = report_names(&state, &report).await?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{title}\"")),
    ];
    Ok((headers, table(name, &report, &names).to_csv()).into_response())
}
