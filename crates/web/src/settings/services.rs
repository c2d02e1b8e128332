//! Services: the list, and one of them with its policy and its open incidents.

use askama::Template;
use axum::extract::State;
use http::StatusCode;

use crate::incidents::list::IncidentRow;
use crate::layout::choices::Choice;
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::paging::{Pager, page_of};
use crate::layout::query::{PathId, Query};
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, render, render_refused, render_with};
use crate::session::UserSession;
use crate::state::WebState;
use actions::catalog::{PolicyChoice, ServiceDraft};
use actions::{ActionError, Patch};
use model::id::{PolicyId, ServiceId};
use store::Page;

/// Open incidents of one service that its page shows: the most urgent.
const SHOWN_INCIDENTS: u32 = 5;
/// Policies that can be chosen.
const MAX_LISTED: u32 = Page::MAX_LIMIT;

/// An escalation policy as other pages name it.
struct PolicyLink {
    id: PolicyId,
    name: String,
}

/// One service in the list.
struct ServiceRow {
    id: ServiceId,
    name: String,
    description: String,
    policy: Option<PolicyLink>,
    /// How many open incidents it has, if it has any.
    open: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/services.html")]
struct ServicesPage {
    layout: Layout,
    services: Vec<ServiceRow>,
    name: String,
    description: String,
    policies: Vec<Choice>,
    pager: Pager,
    errors: FieldErrors,
}

impl ServicesPage {
    async fn load(
        state: &WebState,
        session: &UserSession,
        before: &str,
        form: &Form,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let page = page_of(before);
        let services = state.store.services.list(page).await?;
        let policies = policy_choices(state, form.text("policy")).await?;
        let open = state.store.overview.open_by_service().await?;
        let last_id = services.last().map(|service| service.id.as_bytes());
        Ok(Self {
            layout: Layout::new(session, "Services", Nav::Services),
            pager: Pager::new("/services", &[], page, services.len(), last_id),
            services: services
                .iter()
                .map(|service| ServiceRow {
                    id: service.id,
                    name: service.name.clone(),
                    description: service.description.clone().unwrap_or_default(),
                    policy: service.policy_id.map(|id| policy_link(id, &policies)),
                    open: open.get(&service.id).map(|count| show::count(*count)),
                })
                .collect(),
            name: form.text("name").to_owned(),
            description: form.lines("description"),
            policies,
            errors,
        })
    }
}

#[derive(Template)]
#[template(path = "settings/service.html")]
struct ServicePage {
    layout: Layout,
    id: ServiceId,
    name: String,
    description: String,
    created: Markup,
    policy: Option<PolicyLink>,
    policies: Vec<Choice>,
    incidents: Vec<IncidentRow>,
    /// Why it was not deleted.
    refusal: Option<&'static str>,
    errors: FieldErrors,
}

impl ServicePage {
    async fn load(state: &WebState, session: &UserSession, id: ServiceId) -> Result<Self, PageError> {
        let now = session.context.now;
        let service = state.store.services.get(id).await?;
        let incidents = state
            .store
            .overview
            .most_urgent(Some(id), SHOWN_INCIDENTS)
            .await?;
        let chosen = service.policy_id.map(|id| id.to_string()).unwrap_or_default();
        let policies = policy_choices(state, &chosen).await?;
        Ok(Self {
            layout: Layout::new(session, service.name.clone(), Nav::Services),
            id,
            name: service.name,
            description: service.description.unwrap_or_default(),
            created: show::when(service.created_at, now),
            policy: service.policy_id.map(|id| policy_link(id, &policies)),
            policies,
            incidents: incidents
                .iter()
                .map(|incident| IncidentRow::new(incident, now))
                .collect(),
            refusal: None,
            errors: FieldErrors::default(),
        })
    }
}

fn latest() -> Page {
    Page {
        limit: MAX_LISTED,
        before: None,
    }
}

/// The policies by name, behind a choice of none. The chosen one is among them, however many there are: a form that is
/// only saved must not change it.
async fn policy_choices(state: &WebState, chosen: &str) -> Result<Vec<Choice>, PageError> {
    let mut policies = state.store.policies.list(latest()).await?;
    let chosen_id: Option<PolicyId> = chosen.parse().ok();
    if let Some(id) = chosen_id
        && !policies.iter().any(|policy| policy.id == id)
    {
        policies.extend(state.store.policies.get(id).await.ok());
    }
    policies.sort_by_key(|policy| policy.name.to_lowercase());
    let policies = policies
        .into_iter()
        .map(|policy| Choice::new(policy.id.to_string(), policy.name, chosen));
    let none = Choice::new("", "Nobody is called", chosen);
    Ok(std::iter::once(none).chain(policies).collect())
}

/// A policy that is not among the choices is named by its id.
fn policy_link(id: PolicyId, choices: &[Choice]) -> PolicyLink {
    let text = id.to_string();
    let choice = choices.iter().find(|choice| choice.value == text);
    PolicyLink {
        id,
        name: choice.map_or(text, |choice| choice.name.clone()),
    }
}

/// The service that a form describes; nothing if its policy is none.
fn draft_of(form: &Form) -> Result<ServiceDraft, FieldErrors> {
    let description = form.lines("description");
    let escalation_policy = match form.text("policy") {
        "" => Patch::Clear,
        text => match text.parse() {
            Ok(id) => Patch::Set(PolicyChoice { id }),
            Err(_) => return Err(FieldErrors::one("policy", "this is no escalation policy")),
        },
    };
    Ok(ServiceDraft {
        name: Patch::Set(form.text("name").to_owned()),
        description: if description.is_empty() {
            Patch::Clear
        } else {
            Patch::Set(description)
        },
        escalation_policy,
    })
}

/// What is wrong with the form; the error itself if it is about something else.
fn mistakes(error: ActionError) -> Result<FieldErrors, PageError> {
    match error {
        ActionError::Unknown { .. } => Ok(FieldErrors::one("policy", "this policy is gone: choose another")),
        other => FieldErrors::of(other),
    }
}

/// `GET /services`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let before = query.text("before");
    render(&ServicesPage::load(&state, &session, before, &Form::default(), FieldErrors::default()).await?)
}

/// `POST /services`
pub async fn create(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    let errors = match draft_of(&form) {
        Ok(draft) => match state.actions.create_service(session.actor(), draft).await {
            Ok(service) => return go(&format!("/services/{}", service.id), "created"),
            Err(error) => mistakes(error)?,
        },
        Err(errors) => errors,
    };
    render_refused(&ServicesPage::load(&state, &session, "", &form, errors).await?)
}

/// `GET /services/{id}`
pub async fn one(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<ServiceId>,
) -> PageResult {
    render(&ServicePage::load(&state, &session, id).await?)
}

/// `POST /services/{id}`
pub async fn change(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<ServiceId>,
    form: Form,
) -> PageResult {
    let errors = match draft_of(&form) {
        Ok(draft) => match state.actions.change_service(session.actor(), id, draft).await {
            Ok(_) => return go(&format!("/services/{id}"), "saved"),
            Err(error) => mistakes(error)?,
        },
        Err(errors) => errors,
    };
    let mut page = ServicePage::load(&state, &session, id).await?;
    page.name = form.text("name").to_owned();
    page.description = form.lines("description");
    page.policies = policy_choices(&state, form.text("policy")).await?;
    page.errors = errors;
    render_refused(&page)
}

/// `POST /services/{id}/delete`
pub async fn delete(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<ServiceId>,
) -> PageResult {
    let error = match state.actions.delete_service(session.actor(), id).await {
        Ok(()) => return go("/services", "deleted"),
        Err(error) => error,
    };
    let ActionError::InUse { used_by, .. } = error else {
        return Err(error.into());
    };
    let mut page = ServicePage::load(&state, &session, id).await?;
    page.refusal = Some(refusal_of(used_by));
    Ok(render_with(StatusCode::CONFLICT, &page))
}

/// Why a service that something uses stays, and what to do instead.
fn refusal_of(used_by: &str) -> &'static str {
    match used_by {
        "incidents" => {
            "The service stays: it has incidents, and their history tells of it. If it is out of use, say so in its name."
        }
        "webhooks" => {
            "The service stays for now: a webhook sends its events only. Change or delete the webhook first."
        }
        _ => "The service stays for now: something uses it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_describes_a_service_and_what_is_left_empty_is_cleared() {
        let form = Form::new(&[("name", " API "), ("description", ""), ("policy", "")]);
        let Ok(draft) = draft_of(&form) else {
            panic!("the form is fine");
        };
        assert_eq!(draft.name, Patch::Set("API".to_owned()));
        assert_eq!(
            (draft.description, draft.escalation_policy),
            (Patch::Clear, Patch::Clear)
        );
    }

    #[test]
    fn a_policy_that_is_none_is_told_beside_its_field() {
        let errors = draft_of(&Form::new(&[("name", "API"), ("policy", "svc_1")]))
            .err()
            .unwrap();
        assert!(errors.any_of(&["policy"]));
    }

    #[test]
    fn a_policy_beyond_the_choices_is_named_by_its_id() {
        let id = PolicyId::from_bytes([1; 16]);
        assert_eq!(policy_link(id, &[]).name, id.to_string());
        let choices = [Choice::new(id.to_string(), "Night shift", "")];
        assert_eq!(policy_link(id, &choices).name, "Night shift");
    }
}
