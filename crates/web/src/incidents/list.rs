//! The list of incidents, with filters, live.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};

use crate::deliveries::list::{since_choices, since_of};
use crate::incidents::parts::{Filters, part_of, status_of};
use crate::layout::choices::{Choice, service_choices, severity_choices, user_choices};
use crate::layout::error::{PageError, PageResult};
use crate::layout::paging::{PAGE_ROWS, Pager, address};
use crate::layout::query::Query;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, render};
use crate::session::UserSession;
use crate::state::WebState;
use actions::incident_lists::{self, IncidentOrder, Part};
use model::access::Scope;
use model::id::{IncidentId, ServiceId};
use model::incident::{Incident, IncidentStatus, Severity};
use model::incident_number::{IncidentKey, IncidentNumber};
use model::time::Timestamp;
use store::StoreError;
use store::incident_search::OPEN;
use store::incidents::IncidentFilter;

/// What the address says of incidents that the reader has.
const MINE: &str = "me";

/// One incident in a list.
pub struct IncidentRow {
    pub id: IncidentId,
    pub number: Option<IncidentNumber>,
    pub title: String,
    /// What the row may clip: told when a pointer rests on it.
    pub whole: String,
    pub status: Markup,
    pub severity: Markup,
    pub service: String,
    /// Who has it; a dash if nobody.
    pub assignee: String,
    /// When it was triggered.
    pub created: Markup,
}

impl IncidentRow {
    /// The row of an incident.
    pub fn new(incident: &Incident, now: Timestamp) -> Self {
        let assignee = incident.assignee.as_ref().map(|user| user.name.clone());
        let whole = [
            incident.title.clone(),
            incident.service.name.clone(),
            assignee.clone().unwrap_or_default(),
            show::exact(incident.created_at),
        ];
        Self {
            id: incident.id,
            number: incident.number,
            title: show::listed(&incident.title),
            whole: whole
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join(" · "),
            status: show::status_badge(incident.status),
            severity: show::severity_badge(incident.severity),
            service: incident.service.name.clone(),
            assignee: assignee.unwrap_or_else(|| "–".to_owned()),
            created: show::when(incident.created_at, now),
        }
    }
}

/// A link among several, such as a status with how many incidents have it.
pub struct Tab {
    pub name: &'static str,
    /// Empty if it was not counted.
    pub count: String,
    pub address: String,
    pub is_here: bool,
}

#[derive(Template)]
#[template(path = "incidents/list.html")]
struct IncidentsPage {
    layout: Layout,
    incidents: Vec<IncidentRow>,
    statuses: Vec<Tab>,
    orders: Vec<Tab>,
    severities: Vec<Choice>,
    services: Vec<Choice>,
    assignees: Vec<Choice>,
    times: Vec<Choice>,
    /// To whom those chosen can be given; the reader first.
    users: Vec<Choice>,
    /// This page's own address.
    here: String,
    status: String,
    order: String,
    text: String,
    /// Whether something else than a status is asked for.
    is_filtered: bool,
    /// Where what is listed can be had as a file.
    export: String,
    export_parquet: String,
    pager: Pager,
}

/// `GET /incidents`; what names one incident leads to it.
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let text = query.search("q");
    if let Some(id) = named_exactly(&state, text.as_deref()).await? {
        return Ok(Redirect::to(&format!("/incidents/{id}")).into_response());
    }
    let now = session.context.now;
    let filter = filter_of(&query, &session, text.as_deref());
    let order = IncidentOrder::parse(query.text("sort")).unwrap_or_default();
    let filters = Filters::new(&query, order);
    let counts = match &text {
        None => Some(state.store.incidents.count(filter.clone()).await?),
        Some(_) => None,
    };
    let [export, export_parquet] =
        ["csv", "parquet"].map(|format| export_address(format, &filter, text.as_deref()));
    let (listed, part) = read(&state, filter, order, part_of(&query, order)).await?;
    let row = |incident: &Incident| IncidentRow::new(incident, now);
    render(&IncidentsPage {
        layout: Layout::new(&session, "Incidents", Nav::Incidents),
        incidents: listed.rows.iter().map(row).collect(),
        statuses: filters.statuses(counts),
        orders: filters.orders(order),
        severities: severity_choices("Any severity", query.text("severity")),
        services: service_choices(&state, "Any service", query.text("service")).await?,
        assignees: [("", "Anybody"), (MINE, "Me")]
            .map(|(value, name)| Choice::new(value, name, query.text("assignee")))
            .into(),
        times: since_choices(query.text("since")),
        users: assignees(&state, &session).await?,
        here: filters.address_of(part),
        is_filtered: filters.is_filtered(),
        export,
        export_parquet,
        pager: filters.pager(order, part, listed.next),
        status: filters.get("status").to_owned(),
        order: filters.get("sort").to_owned(),
        text: text.unwrap_or_default(),
    })
}

/// The incident whose number, said as one, or whose whole id a text is.
async fn named_exactly(state: &WebState, text: Option<&str>) -> Result<Option<IncidentId>, PageError> {
    let named = text.filter(|text| text.starts_with(['#', 'i']));
    let found = match named.and_then(|text| text.parse().ok()) {
        Some(IncidentKey::Number(number)) => state.store.incidents.find(number).await,
        Some(IncidentKey::Id(id)) => state.store.incidents.get(id).await.map(|incident| incident.id),
        None => return Ok(None),
    };
    match found {
        Ok(id) => Ok(Some(id)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the list asks for at an address.
pub fn filter_of(query: &Query, session: &UserSession, text: Option<&str>) -> IncidentFilter {
    let filter = IncidentFilter {
        statuses: statuses_of(query.text("status")),
        severity: Severity::parse(query.text("severity")),
        service_id: query.parsed("service", |text| text.parse::<ServiceId>().ok()),
        assignee: (query.text("assignee") == MINE).then_some(session.user.id),
        since: since_of(query.text("since"), session.context.now),
        ..IncidentFilter::default()
    };
    filter.searched(text)
}

/// Reads a part. What goes before the first whole page is that page.
async fn read(
    state: &WebState,
    filter: IncidentFilter,
    order: IncidentOrder,
    part: Part,
) -> Result<(incident_lists::IncidentsPage, Part), PageError> {
    let list = |filter, part| state.actions.list_incidents(filter, order, part, PAGE_ROWS);
    let listed = list(filter.clone(), part).await?;
    match part {
        Part::Before(_) if listed.next.is_none() => Ok((list(filter, Part::First).await?, Part::First)),
        Part::First | Part::Before(_) | Part::After(_) => Ok((listed, part)),
    }
}

/// To whom incidents can be given: the reader, nobody, and then everybody else by name.
async fn assignees(state: &WebState, session: &UserSession) -> Result<Vec<Choice>, PageError> {
    if !session.may(Scope::IncidentsWrite) {
        return Ok(Vec::new());
    }
    let me = session.user.id.to_string();
    let mut choices = vec![Choice::new(me.clone(), "Me", &me)];
    let others = user_choices(state, "Nobody", "").await?.into_iter();
    choices.extend(
        others
            .filter(|choice| choice.value != me)
            .map(|choice| Choice::new(choice.value, choice.name, &me)),
    );
    Ok(choices)
}

/// Where all of what is listed can be had as a file.
fn export_address(format: &str, filter: &IncidentFilter, text: Option<&str>) -> String {
    let statuses = filter.statuses.iter().map(|status| status.as_str());
    let statuses = statuses.collect::<Vec<_>>().join(",");
    let service = filter.service_id.map(|id| id.to_string()).unwrap_or_default();
    let assignee = filter.assignee.map(|id| id.to_string()).unwrap_or_default();
    let since = filter.since.map(|since| since.to_string()).unwrap_or_default();
    let filters = [
        ("format", format),
        ("status", &statuses),
        (
            "severity",
            filter.severity.map_or("", |severity| severity.as_str()),
        ),
        ("service", &service),
        ("assignee", &assignee),
        ("since", &since),
        ("q", text.unwrap_or_default()),
    ];
    address("/incidents/export", &filters, None)
}

/// The statuses that a choice stands for.
fn statuses_of(text: &str) -> Vec<IncidentStatus> {
    match status_of(text) {
        "" => OPEN.into(),
        chosen => IncidentStatus::parse(chosen).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_open_ones_unless_said() {
        for text in ["", "open", "nonsense"] {
            assert_eq!(statuses_of(text), OPEN);
        }
        assert_eq!(statuses_of("resolved"), [IncidentStatus::Resolved]);
        assert_eq!(statuses_of("any"), []);
    }
}
