//! One incident: what it is, what can be done, what happened, and what was sent about it.

use askama::Template;
use askama::filters::Safe;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};

use crate::incidents::sent::SentAbout;
use crate::incidents::tickets::Tickets;
use crate::layout::choices::{Choice, severity_choices, user_choices};
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::linked::linked;
use crate::layout::query::PathId;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, render, render_with};
use crate::session::UserSession;
use crate::state::WebState;
use actions::Patch;
use actions::incidents::{IncidentChange, NoteDraft, UserChoice};
use model::delivery::Delivery;
use model::event::EventName;
use model::id::IncidentId;
use model::incident::{Incident, IncidentAction, IncidentStatus, Severity};
use model::incident_number::IncidentKey;
use store::incidents::{Committed, TimelineEntry, TimelineKind};

/// The longest description, in characters, that is shown without being unfolded: the timeline is what people come for.
const MAX_UNFOLDED: usize = 600;

/// One line of the timeline.
struct Moment {
    class: &'static str,
    what: Markup,
    actor: String,
    at: Markup,
}

/// An incident with its timeline, deliveries and tickets.
#[derive(Template)]
#[template(path = "incidents/page.html")]
pub struct IncidentPage {
    layout: Layout,
    incident: Incident,
    status: Markup,
    severity: Markup,
    created: Markup,
    description: Option<Markup>,
    escalates: Option<Markup>,
    timeline: Vec<Moment>,
    sent: SentAbout,
    users: Vec<Choice>,
    /// The reader, unless they have it.
    me: Option<String>,
    severities: Vec<Choice>,
    errors: FieldErrors,
    /// A note that was refused, as it was written.
    note: String,
    /// Its tickets in other systems.
    pub tickets: Tickets,
}

impl IncidentPage {
    fn is_triggered(&self) -> bool {
        self.incident.status == IncidentStatus::Triggered
    }

    fn is_folded(&self) -> bool {
        let description = self.incident.description.as_deref();
        description.is_some_and(|text| text.chars().count() > MAX_UNFOLDED)
    }

    fn is_open(&self) -> bool {
        self.incident.status != IncidentStatus::Resolved
    }

    /// The page of an incident, with what is wrong with a form on it.
    pub async fn load(
        state: &WebState,
        session: &UserSession,
        id: IncidentId,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let now = session.context.now;
        let incident = state.store.incidents.get(id).await?;
        let timeline = state.store.incidents.timeline(id).await?;
        let sent = SentAbout::load(state, id, now).await?;
        let is_mine = incident
            .assignee
            .as_ref()
            .is_some_and(|user| user.id == session.user.id);
        let assignee = incident.assignee.as_ref().map(|user| user.id.to_string());
        let mut severities = severity_choices("", incident.severity.as_str());
        severities.remove(0);
        Ok(Self {
            layout: Layout::new(session, incident.title.clone(), Nav::Incidents),
            status: show::status_badge(incident.status),
            severity: show::severity_badge(incident.severity),
            created: show::when(incident.created_at, now),
            description: incident.description.as_deref().map(linked),
            note: String::new(),
            escalates: incident.escalate_at.map(|at| show::when(at, now)),
            timeline: timeline.iter().rev().map(moment).collect(),
            users: user_choices(state, "Nobody", &assignee.unwrap_or_default()).await?,
            tickets: Tickets::load(state, id, &sent.deliveries, now).await?,
            sent,
            me: (!is_mine).then(|| session.user.id.to_string()),
            severities,
            errors,
            incident,
        })
    }
}

fn moment(entry: &TimelineEntry) -> Moment {
    let (class, what) = match &entry.kind {
        TimelineKind::Event { name, .. } => match name {
            EventName::Triggered => ("triggered", Safe("Triggered".to_owned())),
            EventName::Acknowledged => ("acknowledged", Safe("Acknowledged".to_owned())),
            EventName::Resolved => ("resolved", Safe("Resolved".to_owned())),
            EventName::Escalated => ("escalated", Safe("Escalated".to_owned())),
            EventName::Reopened => ("reopened", Safe("Reopened".to_owned())),
        },
        TimelineKind::Note(text) => ("noted", linked(text)),
    };
    Moment {
        class,
        what,
        actor: entry.actor.name().to_owned(),
        at: show::when_exactly(entry.at),
    }
}

/// `no attempt yet`, `1 attempt`, `3 attempts`. Those for a ticket are requests: several are needed even if all goes well.
pub fn attempts_in_words(delivery: &Delivery) -> String {
    let makes_tickets = kinds::adapter_or_unknown(delivery.webhook_kind)
        .ticketing()
        .is_some();
    let noun = if makes_tickets { "request" } else { "attempt" };
    match delivery.attempts_made {
        0 => "no attempt yet".to_owned(),
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// `GET /incidents/{id}`; under its number it leads to the id.
pub async fn page(
    State(state): State<WebState>,
    session: UserSession,
    PathId(key): PathId<IncidentKey>,
) -> PageResult {
    let id = match key {
        IncidentKey::Id(id) => id,
        IncidentKey::Number(number) => {
            let id = state.store.incidents.find(number).await?;
            return Ok(Redirect::to(&format!("/incidents/{id}")).into_response());
        }
    };
    render(&IncidentPage::load(&state, &session, id, FieldErrors::default()).await?)
}

/// `POST /incidents/{id}/acknowledge`
pub async fn acknowledge(state: State<WebState>, session: UserSession, id: PathId<IncidentId>) -> PageResult {
    transition(
        state.0,
        session,
        id.0,
        IncidentAction::Acknowledge,
        "acknowledged",
    )
    .await
}

/// `POST /incidents/{id}/resolve`
pub async fn resolve(state: State<WebState>, session: UserSession, id: PathId<IncidentId>) -> PageResult {
    transition(state.0, session, id.0, IncidentAction::Resolve, "resolved").await
}

/// `POST /incidents/{id}/escalate`
pub async fn escalate(state: State<WebState>, session: UserSession, id: PathId<IncidentId>) -> PageResult {
    transition(state.0, session, id.0, IncidentAction::Escalate, "escalated").await
}

/// `POST /incidents/{id}/reopen`
pub async fn reopen(state: State<WebState>, session: UserSession, id: PathId<IncidentId>) -> PageResult {
    transition(state.0, session, id.0, IncidentAction::Reopen, "reopened").await
}

async fn transition(
    state: WebState,
    session: UserSession,
    id: IncidentId,
    action: IncidentAction,
    done: &'static str,
) -> PageResult {
    let committed = state
        .actions
        .transition(session.actor(), id, action, None)
        .await?;
    let did = match committed {
        Committed::Changed(_) | Committed::Created(_) => done,
        Committed::Unchanged(_) => "unchanged",
        Committed::Refused(_) => "refused",
        Committed::Repeated(_) | Committed::KeyMisused => {
            return Err(PageError::internal("a transition came to something else"));
        }
    };
    go(&format!("/incidents/{id}"), did)
}

/// `POST /incidents/{id}/assign`
pub async fn assign(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<IncidentId>,
    form: Form,
) -> PageResult {
    let assignee = match form.text("assignee") {
        "" => Patch::Clear,
        text => match text.parse() {
            Ok(user) => Patch::Set(UserChoice { id: user }),
            Err(_) => return Err(PageError::bad_request("this is no user")),
        },
    };
    let change = IncidentChange {
        assignee,
        ..IncidentChange::default()
    };
    state.actions.edit_incident(session.actor(), id, change).await?;
    go(&format!("/incidents/{id}"), "saved")
}

/// `POST /incidents/{id}/notes`
pub async fn add_note(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<IncidentId>,
    form: Form,
) -> PageResult {
    let text = form.lines("text");
    let draft = NoteDraft { text: text.clone() };
    match state.actions.add_note(session.actor(), id, draft).await {
        Ok(_) => go(&format!("/incidents/{id}"), "noted"),
        Err(error) => {
            let errors = FieldErrors::of(error)?;
            let page = IncidentPage::load(&state, &session, id, errors).await?;
            Ok(render_with(
                http::StatusCode::UNPROCESSABLE_ENTITY,
                &IncidentPage { note: text, ..page },
            ))
        }
    }
}

/// `POST /incidents/{id}/edit`
pub async fn edit(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<IncidentId>,
    form: Form,
) -> PageResult {
    // Only what was changed in this form: what somebody else changed meanwhile stays as it is.
    let description = form.lines("description");
    let is_changed = |field: &str| form.lines(field) != form.lines(&format!("was-{field}"));
    let change = IncidentChange {
        title: is_changed("title").then(|| form.text("title").to_owned()),
        severity: is_changed("severity")
            .then(|| Severity::parse(form.text("severity")))
            .flatten(),
        description: match (is_changed("description"), description.is_empty()) {
            (false, _) => Patch::Keep,
            (true, true) => Patch::Clear,
            (true, false) => Patch::Set(description),
        },
        assignee: Patch::Keep,
    };
    match state.actions.edit_incident(session.actor(), id, change).await {
        Ok(_) => go(&format!("/incidents/{id}"), "saved"),
        Err(error) => {
            let errors = FieldErrors::of(error)?;
            let page = IncidentPage::load(&state, &session, id, errors).await?;
            Ok(render_with(http::StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
    }
}
