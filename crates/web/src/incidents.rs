//! The list of incidents, with filters, live.

use askama::Template;
use axum::extract::State;

use crate::error::{PageError, PageResult};
use crate::layout::{Layout, Nav, render};
use crate::paging::{Pager, page_of};
use crate::query::Query;
use crate::session::UserSession;
use crate::show::{self, Markup};
use crate::state::WebState;
use model::id::{IncidentId, ServiceId};
use model::incident::{Incident, IncidentStatus, Severity};
use model::service::Service;
use model::time::Timestamp;
use model::user::User;
use store::Page;
use store::incidents::IncidentFilter;

/// One incident in a list.
pub struct IncidentRow {
    /// Its id.
    pub id: IncidentId,
    /// Its title.
    pub title: String,
    /// Its status.
    pub status: Markup,
    /// Its severity.
    pub severity: Markup,
    /// Its service.
    pub service: String,
    /// Who has it; a dash if nobody.
    pub assignee: String,
    /// When it was triggered.
    pub created: Markup,
}

impl IncidentRow {
    /// The row of an incident.
    pub fn of(incident: &Incident, now: Timestamp) -> Self {
        Self {
            id: incident.id,
            title: show::listed(&incident.title),
            status: show::status_badge(incident.status),
            severity: show::severity_badge(incident.severity),
            service: incident.service.name.clone(),
            assignee: incident
                .assignee
                .as_ref()
                .map_or("–".to_owned(), |user| user.name.clone()),
            created: show::when(incident.created_at, now),
        }
    }
}

/// A choice of a filter.
pub struct Choice {
    /// What the address says.
    pub value: String,
    /// What people read.
    pub name: String,
    /// Whether it is chosen.
    pub is_chosen: bool,
}

impl Choice {
    /// A choice.
    pub fn new(value: impl Into<String>, name: impl Into<String>, chosen: &str) -> Self {
        let value = value.into();
        Self {
            is_chosen: value == chosen,
            value,
            name: name.into(),
        }
    }
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    layout: Layout,
    incidents: Vec<IncidentRow>,
    statuses: Vec<Choice>,
    severities: Vec<Choice>,
    services: Vec<Choice>,
    text: String,
    is_filtered: bool,
    pager: Pager,
}

/// `GET /incidents`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let (status, severity) = (query.text("status"), query.text("severity"));
    let service_id = query.parsed("service", |text| text.parse::<ServiceId>().ok());
    let text = query.search("q");
    let filter = IncidentFilter {
        statuses: statuses_of(status),
        severity: Severity::parse(severity),
        service_id,
        text: text.clone(),
    };
    let page = page_of(query.text("before"));
    let incidents = state.store.incidents.list(filter, page).await?;
    let text = text.unwrap_or_default();
    let filters = [
        ("status", status),
        ("severity", severity),
        ("service", query.text("service")),
        ("q", &text),
    ];
    let last_id = incidents.last().map(|incident| incident.id.as_bytes());
    render(&IncidentsPage {
        layout: Layout::of(&session, "Incidents", Nav::Incidents),
        incidents: incidents
            .iter()
            .map(|incident| IncidentRow::of(incident, session.context.now))
            .collect(),
        statuses: [
            ("", "Any status"),
            ("open", "Open"),
            ("triggered", "Triggered"),
            ("acknowledged", "Acknowledged"),
            ("resolved", "Resolved"),
        ]
        .map(|(value, name)| Choice::new(value, name, status))
        .into(),
        severities: severity_choices("Any severity", severity),
        services: service_choices(&state, "Any service", query.text("service")).await?,
        is_filtered: filters.iter().any(|(_, value)| !value.is_empty()),
        pager: Pager::new("/incidents", &filters, page, incidents.len(), last_id),
        text,
    })
}

fn statuses_of(text: &str) -> Vec<IncidentStatus> {
    match text {
        "open" => vec![IncidentStatus::Triggered, IncidentStatus::Acknowledged],
        other => IncidentStatus::parse(other).into_iter().collect(),
    }
}

/// Every severity, behind a choice of none.
pub fn severity_choices(none: &str, chosen: &str) -> Vec<Choice> {
    let names = [
        ("", none),
        ("critical", "Critical"),
        ("error", "Error"),
        ("warning", "Warning"),
        ("info", "Info"),
    ];
    names.map(|(value, name)| Choice::new(value, name, chosen)).into()
}

/// The most services or users that a form offers.
const MAX_CHOICES: usize = 1000;

/// All services, or as many as a form offers, by name.
pub async fn all_services(state: &WebState) -> Result<Vec<Service>, PageError> {
    let mut services: Vec<Service> = Vec::new();
    let mut page = Page {
        limit: Page::MAX_LIMIT,
        before: None,
    };
    while services.len() < MAX_CHOICES {
        let rows = state.store.services.list(page).await?;
        page.before = rows.last().map(|service| *service.id.as_bytes());
        let is_last = rows.len() < page.limit as usize;
        services.extend(rows);
        if is_last {
            break;
        }
    }
    services.sort_by_key(|service| service.name.to_lowercase());
    Ok(services)
}

/// The services by name, behind a choice of none (unless that is empty). The chosen one is among them in any case.
pub async fn service_choices(state: &WebState, none: &str, chosen: &str) -> Result<Vec<Choice>, PageError> {
    let mut services = all_services(state).await?;
    if let Ok(id) = chosen.parse()
        && !services.iter().any(|service| service.id == id)
    {
        services.extend(state.store.services.get(id).await.ok());
    }
    let none = (!none.is_empty()).then(|| Choice::new("", none, chosen));
    let services = services
        .into_iter()
        .map(|service| Choice::new(service.id.to_string(), service.name, chosen));
    Ok(none.into_iter().chain(services).collect())
}

/// The users by name, behind a choice of none. The chosen one is among them in any case.
pub async fn user_choices(state: &WebState, none: &str, chosen: &str) -> Result<Vec<Choice>, PageError> {
    let mut users: Vec<User> = Vec::new();
    let mut page = Page {
        limit: Page::MAX_LIMIT,
        before: None,
    };
    while users.len() < MAX_CHOICES {
        let rows = state.store.users.list(page).await?;
        page.before = rows.last().map(|user| *user.id.as_bytes());
        let is_last = rows.len() < page.limit as usize;
        users.extend(rows);
        if is_last {
            break;
        }
    }
    if let Ok(id) = chosen.parse()
        && !users.iter().any(|user| user.id == id)
    {
        users.extend(state.store.users.get(id).await.ok());
    }
    users.sort_by_key(|user| user.name.to_lowercase());
    let users = users
        .into_iter()
        .map(|user| Choice::new(user.id.to_string(), user.name, chosen));
    Ok(std::iter::once(Choice::new("", none, chosen))
        .chain(users)
        .collect())
}
