//! Reads what is exported, one page of the store at a time, along the same indexes as the lists. Between two pages nothing is
//! held; where the next one begins is all that is known.

use serde::Serialize;
use serde_json::Value;

use crate::cursor::{attempt_cursor, feed_cursor, list_cursor};
use crate::deliveries::{AttemptView, DeliveryView};
use crate::events::line;
use crate::incidents::IncidentView;
use crate::problem::{Code, Problem};
use model::attempt::Attempt;
use model::event::Event;
use model::id::{AttemptId, DeliveryId};
use model::restriction::Restriction;
use model::time::Timestamp;
use store::deliveries::{AttemptPage, DeliveryFilter};
use store::incidents::IncidentFilter;
use store::{Listed, Page, Store};
use tables::columns::{self, Column};

/// How many rows are read at once.
const PAGE_ROWS: u32 = Page::MAX_LIMIT;
/// How many attempts are read at once: each may have 80 KiB of bodies.
const PAGE_ATTEMPTS: u32 = 50;

/// What is exported, and how far it has come.
pub enum Selection {
    /// Incidents, newest first.
    Incidents {
        filter: IncidentFilter,
        before: Option<[u8; 16]>,
    },
    /// Deliveries, newest first.
    Deliveries {
        filter: DeliveryFilter,
        before: Option<[u8; 16]>,
    },
    /// Attempts, those of the newest delivery first.
    Attempts {
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        restriction: Restriction,
        before: Option<(DeliveryId, AttemptId)>,
    },
    /// Events, oldest first as in the feed, up to what was the latest at the beginning.
    Events {
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        restriction: Restriction,
        after: Option<i64>,
        up_to: i64,
    },
}

/// Some rows, and whether none follow.
pub struct Rows {
    /// As JSON, each with its `cursor`.
    pub rows: Vec<Value>,
    pub is_last: bool,
}

impl Selection {
    /// What files of it are called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Incidents { .. } => "incidents",
            Self::Deliveries { .. } => "deliveries",
            Self::Attempts { .. } => "attempts",
            Self::Events { .. } => "events",
        }
    }

    /// Its columns in CSV and in Parquet.
    pub fn columns(&self) -> &'static [Column] {
        match self {
            Self::Incidents { .. } => columns::INCIDENTS,
            Self::Deliveries { .. } => columns::DELIVERIES,
            Self::Attempts { .. } => columns::ATTEMPTS,
            Self::Events { .. } => columns::EVENTS,
        }
    }

    /// Whether it begins with the first row, rather than going on behind one that was read before.
    pub fn is_from_the_beginning(&self) -> bool {
        match self {
            Self::Incidents { before, .. } | Self::Deliveries { before, .. } => before.is_none(),
            Self::Attempts { before, .. } => before.is_none(),
            Self::Events { after, .. } => after.is_none(),
        }
    }

    /// Reads the next rows.
    pub async fn next(&mut self, store: &Store) -> Result<Rows, Problem> {
        match self {
            Self::Incidents { filter, before } => {
                let page = page(*before);
                let listed = store.incidents.list(filter.clone(), page).await?;
                *before = listed.next.or(*before);
                rows_of(&listed, |row| {
                    with_cursor(&IncidentView::from(row), list_cursor(row.id.as_bytes()))
                })
            }
            Self::Deliveries { filter, before } => {
                let page = page(*before);
                let listed = store.deliveries.list(filter.clone(), page).await?;
                *before = listed.next.or(*before);
                rows_of(&listed, |row| {
                    with_cursor(&DeliveryView::from(row), list_cursor(row.id.as_bytes()))
                })
            }
            Self::Attempts {
                since,
                until,
                restriction,
                before,
            } => {
                let page = AttemptPage {
                    since: *since,
                    until: *until,
                    before: *before,
                    restriction: restriction.clone(),
                    limit: PAGE_ATTEMPTS,
                };
                let listed = store.deliveries.list_attempts(page).await?;
                *before = listed.next.or(*before);
                let rows = listed.rows.into_iter();
                let rows = rows.map(|(id, attempt)| attempt_row(id, attempt, restriction));
                Ok(Rows {
                    rows: rows.collect::<Result<_, _>>()?,
                    is_last: listed.next.is_none(),
                })
            }
            Self::Events {
                since,
                until,
                restriction,
                after,
                up_to,
            } => {
                let rows = store.events.list_after(after.unwrap_or(0), PAGE_ROWS).await?;
                let is_last = rows.last().is_none_or(|row| row.sequence >= *up_to);
                *after = rows.last().map(|row| row.sequence).or(*after);
                let is_wanted = |row: &&Event| {
                    row.sequence <= *up_to
                        && since.is_none_or(|since| row.at >= since)
                        && until.is_none_or(|until| row.at < until)
                        && restriction.admits(row)
                };
                let rows = rows.iter().filter(is_wanted).map(event_row);
                let rows = rows.collect::<Result<_, _>>()?;
                Ok(Rows { rows, is_last })
            }
        }
    }
}

/// An attempt, and the delivery that it belongs to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportedAttempt<'a> {
    delivery_id: DeliveryId,
    #[serde(flatten)]
    attempt: AttemptView<'a>,
}

fn page(before: Option<[u8; 16]>) -> Page {
    Page {
        limit: PAGE_ROWS,
        before,
    }
}

fn rows_of<T>(listed: &Listed<T>, view: impl Fn(&T) -> Result<Value, Problem>) -> Result<Rows, Problem> {
    Ok(Rows {
        rows: listed.rows.iter().map(view).collect::<Result<_, _>>()?,
        is_last: listed.next.is_none(),
    })
}

fn with_cursor(view: &impl Serialize, cursor: String) -> Result<Value, Problem> {
    let mut value = serde_json::to_value(view).map_err(|error| unwritable(&error))?;
    value["cursor"] = Value::String(cursor);
    Ok(value)
}

/// An attempt, without what a restricted reader may not see in it.
fn attempt_row(
    delivery_id: DeliveryId,
    attempt: Attempt,
    restriction: &Restriction,
) -> Result<Value, Problem> {
    let attempt = match restriction.is_none() {
        true => attempt,
        false => attempt.for_restricted_reader(),
    };
    let view = ExportedAttempt {
        delivery_id,
        attempt: AttemptView::from(&attempt),
    };
    with_cursor(
        &view,
        attempt_cursor(delivery_id.as_bytes(), attempt.id.as_bytes()),
    )
}

/// The event as the feed gives it, with the cursor at the end as everywhere here.
fn event_row(event: &Event) -> Result<Value, Problem> {
    let mut value: Value = serde_json::from_str(&line(event)).map_err(|error| unwritable(&error))?;
    if let Some(members) = value.as_object_mut() {
        members.shift_remove("cursor");
        members.insert("cursor".to_owned(), feed_cursor(event.sequence).into());
    }
    Ok(value)
}

fn unwritable(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "a row of an export could not be written as JSON");
    Problem::plain(Code::Internal)
}
