//! The list of incidents, with filters, live.

use askama::Template;
use axum::extract::State;

use crate::deliveries::list::{since_choices, since_of};
use crate::layout::choices::{Choice, service_choices, severity_choices, user_choices};
use crate::layout::error::{PageError, PageResult};
use crate::layout::paging::{Pager, address, page_of};
use crate::layout::query::Query;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, render};
use crate::session::UserSession;
use crate::state::WebState;
use model::id::{IncidentId, ServiceId};
use model::incident::{Incident, IncidentStatus, Severity};
use model::incident_number::IncidentNumber;
use model::time::Timestamp;
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

#[derive(Template)]
#[template(path = "incidents/list.html")]
struct IncidentsPage {
    layout: Layout,
    incidents: Vec<IncidentRow>,
    statuses: Vec<Choice>,
    severities: Vec<Choice>,
    services: Vec<Choice>,
    assignees: Vec<Choice>,
    times: Vec<Choice>,
    /// To whom those chosen can be given; the reader first.
    users: Vec<Choice>,
    /// This page's own address.
    here: String,
    text: String,
    is_filtered: bool,
    /// Where what is listed can be had as a file.
    export: String,
    export_parquet: String,
    pager: Pager,
}

/// `GET /incidents`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let (status, severity) = (query.text("status"), query.text("severity"));
    let (assignee, since) = (query.text("assignee"), query.text("since"));
    let service_id = query.parsed("service", |text| text.parse::<ServiceId>().ok());
    let text = query.search("q");
    let filter = IncidentFilter {
        statuses: statuses_of(status),
        severity: Severity::parse(severity),
        service_id,
        assignee: (assignee == MINE).then_some(session.user.id),
        text: text.clone(),
        since: since_of(since, session.context.now),
        ..IncidentFilter::default()
    };
    let page = page_of(query.text("before"));
    let [export, export_parquet] = ["csv", "parquet"].map(|format| export_address(format, &filter));
    let listed = state.store.incidents.list(filter, page).await?;
    let text = text.unwrap_or_default();
    let filters = [
        ("status", status),
        ("severity", severity),
        ("service", query.text("service")),
        ("assignee", assignee),
        ("since", since),
        ("q", &text),
    ];
    // Addresses of before say it aloud.
    let chosen_status = if status == "open" { "" } else { status };
    render(&IncidentsPage {
        layout: Layout::new(&session, "Incidents", Nav::Incidents),
        incidents: listed
            .rows
            .iter()
            .map(|incident| IncidentRow::new(incident, session.context.now))
            .collect(),
        statuses: [
            ("", "Open"),
            ("any", "Any status"),
            ("triggered", "Triggered"),
            ("acknowledged", "Acknowledged"),
            ("resolved", "Resolved"),
        ]
        .map(|(value, name)| Choice::new(value, name, chosen_status))
        .into(),
        severities: severity_choices("Any severity", severity),
        services: service_choices(&state, "Any service", query.text("service")).await?,
        assignees: [("", "Anybody"), (MINE, "Me")]
            .map(|(value, name)| Choice::new(value, name, assignee))
            .into(),
        times: since_choices(since),
        is_filtered: filters.iter().any(|(_, value)| !value.is_empty()),
        export,
        export_parquet,
        users: assignees(&state, &session).await?,
        here: address("/incidents", &filters, page.before.map(hex::encode).as_deref()),
        pager: Pager::of_listed("/incidents", &filters, page, &listed),
        text,
    })
}

/// To whom incidents can be given: the reader, nobody, and then everybody else by name.
async fn assignees(state: &WebState, session: &UserSession) -> Result<Vec<Choice>, PageError> {
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
fn export_address(format: &str, filter: &IncidentFilter) -> String {
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
        ("q", filter.text.as_deref().unwrap_or_default()),
    ];
    address("/incidents/export", &filters, None)
}

/// The statuses that a choice stands for: open ones unless something else is asked for.
fn statuses_of(text: &str) -> Vec<IncidentStatus> {
    match text {
        "" | "open" => vec![IncidentStatus::Triggered, IncidentStatus::Acknowledged],
        other => IncidentStatus::parse(other).into_iter().collect(),
    }
}
