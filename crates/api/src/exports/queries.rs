//! What an export is asked for: the filters of the list, a period, a format, and where to go on.

use serde::Deserialize;
use strum::{EnumString, IntoStaticStr, VariantNames};
use utoipa::IntoParams;

use super::pages::Selection;
use crate::cursor::{parse_attempt_cursor, parse_feed_cursor, parse_list_cursor};
use crate::deliveries::DeliveryQuery;
use crate::events::NDJSON;
use crate::incidents::IncidentQuery;
use crate::problem::Problem;
use crate::query::parse_parameter;
use crate::words::ExportFormat;
use model::delivery::DeliveryState;
use model::event::EventType;
use model::exchange::FailureCode;
use model::incident::{IncidentStatus, Severity};
use model::restriction::Restriction;
use model::time::Timestamp;

/// The media type of CSV.
pub const CSV: &str = "text/csv";
/// The same with its encoding.
const CSV_IN_UTF_8: &str = "text/csv; charset=utf-8";
/// The media type of Parquet.
pub const PARQUET: &str = "application/vnd.apache.parquet";

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Format {
    /// A line of JSON for each.
    #[default]
    Ndjson,
    /// A line of values for each, behind a line of names.
    Csv,
    /// Typed columns, which can be read when all of it is there.
    Parquet,
}

impl Format {
    /// Every format, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The format as the API writes it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => NDJSON,
            Self::Csv => CSV_IN_UTF_8,
            Self::Parquet => PARQUET,
        }
    }

    fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let format = parse_parameter("format", text, |text| text.parse().ok())?;
        Ok(format.unwrap_or_default())
    }
}

/// Which incidents to export.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IncidentExportQuery {
    /// As in the list, like the others.
    #[param(value_type = Option<Vec<IncidentStatus>>, style = Form, explode = false)]
    status: Option<String>,
    #[param(value_type = Option<Severity>)]
    severity: Option<String>,
    service: Option<String>,
    assignee: Option<String>,
    #[param(max_length = 500)]
    q: Option<String>,
    #[param(format = DateTime)]
    since: Option<String>,
    #[param(format = DateTime)]
    until: Option<String>,
    /// Lines of JSON if absent.
    #[param(value_type = Option<ExportFormat>)]
    format: Option<String>,
    /// Of a row: only what follows it.
    cursor: Option<String>,
}

impl IncidentExportQuery {
    /// What it asks for, for a reader with this restriction.
    pub fn selection(self, restriction: Restriction) -> Result<(Selection, Format), Problem> {
        let format = Format::parse(self.format.as_deref())?;
        let before = self.cursor.as_deref().map(parse_list_cursor).transpose()?;
        let query = IncidentQuery {
            status: self.status,
            severity: self.severity,
            service: self.service,
            assignee: self.assignee,
            q: self.q,
            since: self.since,
            until: self.until,
            sort: None,
            limit: None,
            cursor: None,
        };
        let filter = query.filter(restriction)?;
        Ok((Selection::Incidents { filter, before }, format))
    }
}

/// Which deliveries to export.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeliveryExportQuery {
    /// As in the list, like the others.
    webhook: Option<String>,
    incident: Option<String>,
    #[param(value_type = Option<EventType>)]
    event: Option<String>,
    #[param(value_type = Option<DeliveryState>)]
    status: Option<String>,
    #[param(value_type = Option<FailureCode>)]
    cause: Option<String>,
    #[param(format = DateTime)]
    since: Option<String>,
    #[param(format = DateTime)]
    until: Option<String>,
    /// Lines of JSON if absent.
    #[param(value_type = Option<ExportFormat>)]
    format: Option<String>,
    /// Of a row: only what follows it.
    cursor: Option<String>,
}

impl DeliveryExportQuery {
    /// What it asks for, for a reader with this restriction.
    pub fn selection(self, restriction: Restriction) -> Result<(Selection, Format), Problem> {
        let format = Format::parse(self.format.as_deref())?;
        let before = self.cursor.as_deref().map(parse_list_cursor).transpose()?;
        let query = DeliveryQuery {
            webhook: self.webhook,
            incident: self.incident,
            event: self.event,
            status: self.status,
            cause: self.cause,
            since: self.since,
            until: self.until,
            limit: None,
            cursor: None,
        };
        let filter = query.filter(restriction)?;
        Ok((Selection::Deliveries { filter, before }, format))
    }
}

/// Which attempts to export.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttemptExportQuery {
    /// Only of deliveries made since.
    #[param(format = DateTime)]
    since: Option<String>,
    #[param(format = DateTime)]
    until: Option<String>,
    /// Lines of JSON if absent.
    #[param(value_type = Option<ExportFormat>)]
    format: Option<String>,
    /// Of a row: only what follows it.
    cursor: Option<String>,
}

impl AttemptExportQuery {
    /// What it asks for, for a reader with this restriction.
    pub fn selection(&self, restriction: Restriction) -> Result<(Selection, Format), Problem> {
        let (since, until) = period(self.since.as_deref(), self.until.as_deref())?;
        let before = self.cursor.as_deref().map(parse_attempt_cursor).transpose()?;
        let selection = Selection::Attempts {
            since,
            until,
            restriction,
            before,
        };
        Ok((selection, Format::parse(self.format.as_deref())?))
    }
}

/// Which events to export.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventExportQuery {
    #[param(format = DateTime)]
    since: Option<String>,
    #[param(format = DateTime)]
    until: Option<String>,
    /// Lines of JSON if absent.
    #[param(value_type = Option<ExportFormat>)]
    format: Option<String>,
    /// Of a row: only what follows it.
    cursor: Option<String>,
}

impl EventExportQuery {
    /// What it asks for, up to a place in the feed, for a reader with this restriction.
    pub fn selection(&self, restriction: Restriction, up_to: i64) -> Result<(Selection, Format), Problem> {
        let (since, until) = period(self.since.as_deref(), self.until.as_deref())?;
        let after = self.cursor.as_deref().map(parse_feed_cursor).transpose()?;
        let selection = Selection::Events {
            since,
            until,
            restriction,
            after,
            up_to,
        };
        Ok((selection, Format::parse(self.format.as_deref())?))
    }
}

type Period = (Option<Timestamp>, Option<Timestamp>);

fn period(since: Option<&str>, until: Option<&str>) -> Result<Period, Problem> {
    let since = parse_parameter("since", since, |text| text.parse().ok())?;
    let until = parse_parameter("until", until, |text| text.parse().ok())?;
    Ok((since, until))
}
