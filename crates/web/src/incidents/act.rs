//! Where a link in a chat message leads: asks for confirmation, then acts, once. Opening the page changes nothing, since
//! chats open links by themselves to preview them. Whoever holds the link may act; who is signed in acts by name.

use askama::Template;
use axum::extract::{Path, State};

use crate::layout::error::{PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, render};
use crate::people::sign_in::SignInOrigin;
use crate::people::welcome::count_failure;
use crate::session::{Anybody, RequestContext, UserSession};
use crate::state::WebState;
use actions::ActionError;
use actions::chat::{Acted, LinkState};
use destination::card::act_label;
use model::access::Scope;
use model::id::{IncidentId, WebhookId};
use model::incident::{Incident, IncidentAction, IncidentStatus};

/// The incident, as far as whoever holds the link may see it: what the message said.
struct Subject {
    id: IncidentId,
    title: String,
    service: String,
    status: Markup,
    severity: Markup,
}

#[derive(Template)]
#[template(path = "incidents/act.html")]
struct ActPage {
    layout: Layout,
    path: String,
    subject: Option<Subject>,
    label: &'static str,
    webhook_name: String,
    /// What happened, or why nothing can be done; empty while it is still to be confirmed.
    told: String,
    is_done: bool,
    person: Option<String>,
}

impl ActPage {
    fn new(context: &RequestContext, path: &str, session: Option<&UserSession>) -> Self {
        Self {
            layout: Layout::open("Confirm", context),
            path: path.to_owned(),
            subject: None,
            label: "",
            webhook_name: String::new(),
            told: String::new(),
            is_done: false,
            person: session.map(|session| session.user.name.clone()),
        }
    }

    fn about(mut self, incident: &Incident) -> Self {
        self.subject = Some(Subject {
            id: incident.id,
            title: incident.title.clone(),
            service: incident.service.name.clone(),
            status: show::status_badge(incident.status),
            severity: show::severity_badge(incident.severity),
        });
        self
    }
}

/// `GET /act/{webhook}/{token}`
pub async fn page(
    State(state): State<WebState>,
    context: RequestContext,
    origin: SignInOrigin,
    Anybody(session): Anybody,
    Path((webhook, token)): Path<(String, String)>,
) -> PageResult {
    let path = format!("/act/{webhook}/{token}");
    let page = ActPage::new(&context, &path, session.as_ref());
    let webhook_id = webhook_of(&webhook)?;
    let found = state.actions.look_at_link(webhook_id, &token).await;
    let link = found.map_err(|error| no_link(&state, &origin, error))?;
    let works = link.incident.filter(|_| link.state == LinkState::Works);
    let mut page = match &works {
        Some(incident) => page.about(incident),
        None => page,
    };
    page.label = act_label(link.action);
    page.webhook_name = link.webhook_name;
    page.told = match &works {
        Some(incident) => standing(link.action, incident),
        None => Acted::Over(link.state).sentence(link.action),
    };
    render(&page)
}

/// `POST /act/{webhook}/{token}`
pub async fn act(
    State(state): State<WebState>,
    context: RequestContext,
    origin: SignInOrigin,
    Anybody(session): Anybody,
    Path((webhook, token)): Path<(String, String)>,
    form: Form,
) -> PageResult {
    let path = format!("/act/{webhook}/{token}");
    let page = ActPage::new(&context, &path, session.as_ref());
    let webhook_id = webhook_of(&webhook)?;
    // Somebody signed in who may do it does it as themselves; for everybody else it is the link that permits it.
    let entitled = session
        .as_ref()
        .filter(|session| session.may(Scope::IncidentsWrite));
    let person = match &session {
        Some(session) => &session.user.name,
        None => form.text("person"),
    };
    let actor = entitled.map(UserSession::actor);
    let acted = state.actions.act_by_link(webhook_id, &token, actor, person).await;
    let (action, acted) = acted.map_err(|error| no_link(&state, &origin, error))?;
    let mut page = match &acted {
        Acted::Done(incident) | Acted::AlreadySo(incident) | Acted::DoesNotApply(incident) => {
            page.about(incident)
        }
        Acted::Used | Acted::Over(_) => page,
    };
    page.told = acted.sentence(action);
    page.is_done = matches!(acted, Acted::Done(_));
    render(&page)
}

/// What cannot be done any more, since others were faster; empty if the action still makes sense.
fn standing(action: IncidentAction, incident: &Incident) -> String {
    let is_open = incident.status != IncidentStatus::Resolved;
    match action {
        IncidentAction::Acknowledge if incident.status == IncidentStatus::Triggered => String::new(),
        IncidentAction::Resolve | IncidentAction::Escalate if is_open => String::new(),
        IncidentAction::Reopen if !is_open => String::new(),
        IncidentAction::Acknowledge
        | IncidentAction::Resolve
        | IncidentAction::Escalate
        | IncidentAction::Reopen => Acted::AlreadySo(incident.clone()).sentence(action),
    }
}

/// The webhook that a link names.
fn webhook_of(text: &str) -> Result<WebhookId, PageError> {
    text.parse().map_err(|_| PageError::not_found("link"))
}

fn no_link(state: &WebState, origin: &SignInOrigin, error: ActionError) -> PageError {
    let is_unknown = matches!(error, ActionError::NotFound { .. });
    let too_many = is_unknown.then(|| count_failure(state, origin).err()).flatten();
    too_many.unwrap_or_else(|| error.into())
}
