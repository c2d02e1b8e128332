//! Triggering an incident by hand.

use askama::Template;
use axum::extract::State;

use crate::layout::choices::{Choice, service_choices, severity_choices, user_choices};
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::Query;
use crate::layout::{Layout, Nav, go, render, render_refused};
use crate::session::UserSession;
use crate::state::WebState;
use actions::ActionError;
use actions::incidents::{IncidentDraft, ServiceChoice, UserChoice};
use model::incident::Severity;
use store::incidents::Committed;

#[derive(Template)]
#[template(path = "incidents/new.html")]
struct NewIncidentPage {
    layout: Layout,
    title: String,
    description: String,
    dedup_key: String,
    severities: Vec<Choice>,
    services: Vec<Choice>,
    users: Vec<Choice>,
    errors: FieldErrors,
}

impl NewIncidentPage {
    async fn load(
        state: &WebState,
        session: &UserSession,
        form: &Form,
        service: &str,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let severity = form.text("severity");
        let severity = if severity.is_empty() { "error" } else { severity };
        let mut severities = severity_choices("", severity);
        severities.remove(0);
        Ok(Self {
            layout: Layout::new(session, "Trigger an incident", Nav::Incidents),
            title: form.text("title").to_owned(),
            description: form.lines("description"),
            dedup_key: form.text("dedupKey").to_owned(),
            severities,
            services: service_choices(state, "", service).await?,
            users: user_choices(state, "Nobody yet", form.text("assignee")).await?,
            errors,
        })
    }
}

/// `GET /incidents/new`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let empty = Form::default();
    let page = NewIncidentPage::load(
        &state,
        &session,
        &empty,
        query.text("service"),
        FieldErrors::default(),
    );
    render(&page.await?)
}

/// `POST /incidents/new`
pub async fn trigger(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    let service_id = form.text("service").parse().ok();
    let draft = IncidentDraft {
        title: form.text("title").to_owned(),
        description: Some(form.lines("description")).filter(|text| !text.is_empty()),
        severity: Severity::parse(form.text("severity")),
        service: ServiceChoice {
            id: service_id,
            name: None,
        },
        assignee: form.text("assignee").parse().ok().map(|id| UserChoice { id }),
        dedup_key: form.optional("dedupKey"),
    };
    let refused = match state.actions.trigger(session.actor(), draft, None).await {
        Ok(Committed::Created(incident)) => return go(&format!("/incidents/{}", incident.id), "triggered"),
        Ok(Committed::Unchanged(incident)) => return go(&format!("/incidents/{}", incident.id), "was-open"),
        // Only a request with an idempotency key of its own comes to one of these.
        Ok(
            Committed::Changed(_) | Committed::Refused(_) | Committed::Repeated(_) | Committed::KeyMisused,
        ) => {
            return Err(PageError::internal("triggering came to something else"));
        }
        Err(ActionError::Unknown { what: "user" }) => {
            FieldErrors::one("assignee", "this user is gone: choose another")
        }
        Err(ActionError::Unknown { .. }) => {
            FieldErrors::one("service", "this service is gone: choose another")
        }
        Err(error) => FieldErrors::of(error)?,
    };
    let page = NewIncidentPage::load(&state, &session, &form, form.text("service"), refused).await?;
    render_refused(&page)
}
