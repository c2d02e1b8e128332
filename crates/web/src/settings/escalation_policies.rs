//! Escalation policies: the list, and one of them with its steps and the services that use it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use http::StatusCode;

use crate::layout::choices::all_services;
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::paging::{Pager, page_of};
use crate::layout::query::{PathId, Query};
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, render, render_refused, render_with};
use crate::session::UserSession;
use crate::state::WebState;
use actions::catalog::{PolicyDraft, StepDraft};
use actions::incidents::UserChoice;
use actions::{ActionError, Patch};
use model::escalation::{EscalationPolicy, EscalationStep, MAX_STEPS, MAX_WAIT_MINUTES};
use model::id::{PolicyId, ServiceId};
use model::service::Service;
use model::user::UserRef;
use store::Page;

/// Empty rows for further steps: enough to go on without JavaScript.
const SPARE_ROWS: usize = 3;

/// A service as other pages name it.
struct ServiceLink {
    id: ServiceId,
    name: String,
}

/// One row of the form's steps, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct StepRow {
    wait_minutes: String,
    assignee: String,
    is_removed: bool,
}

impl StepRow {
    fn new(step: &EscalationStep) -> Self {
        Self {
            wait_minutes: step.wait_minutes.to_string(),
            assignee: step
                .assignee
                .as_ref()
                .map(|user| user.id.to_string())
                .unwrap_or_default(),
            is_removed: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.wait_minutes.is_empty() && self.assignee.is_empty()
    }
}

/// One step in words.
struct StepLine {
    after: String,
    who: String,
}

/// One policy in the list.
struct PolicyRow {
    id: PolicyId,
    name: String,
    steps: Vec<StepLine>,
    services: Vec<ServiceLink>,
}

/// What is typed into the form of a policy, and what can be chosen there.
struct PolicyForm {
    name: String,
    rows: Vec<StepRow>,
    users: Vec<UserRef>,
    errors: FieldErrors,
}

impl PolicyForm {
    /// The form with so many rows typed, and room for more.
    async fn load(
        state: &WebState,
        name: String,
        mut rows: Vec<StepRow>,
        assignees: &[UserRef],
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let spare = SPARE_ROWS.min(MAX_STEPS.saturating_sub(rows.len()));
        rows.resize(rows.len() + spare, StepRow::default());
        Ok(Self {
            name,
            rows,
            users: users_to_choose(state, assignees).await?,
            errors,
        })
    }

    async fn typed(
        state: &WebState,
        form: &Form,
        assignees: &[UserRef],
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let mut rows = rows_of(form);
        rows.retain(|row| !row.is_empty());
        Self::load(state, form.text("name").to_owned(), rows, assignees, errors).await
    }

    /// What is wrong with the steps as a whole, and with each.
    fn wrong_steps(&self) -> String {
        self.errors.at("steps")
    }
}

#[derive(Template)]
#[template(path = "settings/escalation_policies.html")]
struct PoliciesPage {
    layout: Layout,
    policies: Vec<PolicyRow>,
    form: PolicyForm,
    pager: Pager,
}

impl PoliciesPage {
    async fn load(
        state: &WebState,
        session: &UserSession,
        before: &str,
        form: PolicyForm,
    ) -> Result<Self, PageError> {
        let page = page_of(before);
        let policies = state.store.policies.list(page).await?;
        let mut services = services_by_policy(state).await?;
        let last_id = policies.last().map(|policy| policy.id.as_bytes());
        let pager = Pager::new("/escalation-policies", &[], page, policies.len(), last_id);
        let row = |policy: EscalationPolicy| PolicyRow {
            id: policy.id,
            steps: lines_of(&policy.steps),
            services: services.remove(&policy.id).unwrap_or_default(),
            name: policy.name,
        };
        Ok(Self {
            layout: Layout::new(session, "Escalation policies", Nav::Policies),
            policies: policies.into_iter().map(row).collect(),
            form,
            pager,
        })
    }
}

#[derive(Template)]
#[template(path = "settings/escalation_policy.html")]
struct PolicyPage {
    layout: Layout,
    id: PolicyId,
    created: Markup,
    steps: Vec<StepLine>,
    services: Vec<ServiceLink>,
    form: PolicyForm,
    /// Why it was not deleted.
    refusal: Option<&'static str>,
}

impl PolicyPage {
    /// The page of a policy; with what was typed into its form, if that was not accepted.
    async fn load(
        state: &WebState,
        session: &UserSession,
        id: PolicyId,
        refused: Option<(&Form, FieldErrors)>,
    ) -> Result<Self, PageError> {
        let policy = state.store.policies.get(id).await?;
        let assignees: Vec<_> = policy
            .steps
            .iter()
            .filter_map(|step| step.assignee.clone())
            .collect();
        let form = match refused {
            Some((form, errors)) => PolicyForm::typed(state, form, &assignees, errors).await?,
            None => {
                let rows = policy.steps.iter().map(StepRow::new).collect();
                PolicyForm::load(
                    state,
                    policy.name.clone(),
                    rows,
                    &assignees,
                    FieldErrors::default(),
                )
                .await?
            }
        };
        Ok(Self {
            layout: Layout::new(session, policy.name.clone(), Nav::Policies),
            id,
            created: show::when(policy.created_at, session.context.now),
            steps: lines_of(&policy.steps),
            services: services_by_policy(state).await?.remove(&id).unwrap_or_default(),
            form,
            refusal: None,
        })
    }
}

fn latest() -> Page {
    Page {
        limit: Page::MAX_LIMIT,
        before: None,
    }
}

/// The services of each policy, by name.
async fn services_by_policy(state: &WebState) -> Result<HashMap<PolicyId, Vec<ServiceLink>>, PageError> {
    let services = all_services(state).await?;
    let mut by_policy: HashMap<PolicyId, Vec<ServiceLink>> = HashMap::new();
    for Service {
        id, name, policy_id, ..
    } in services
    {
        if let Some(policy_id) = policy_id {
            by_policy
                .entry(policy_id)
                .or_default()
                .push(ServiceLink { id, name });
        }
    }
    Ok(by_policy)
}

/// The users by name. Those who are called already are among them, however many there are: a form that is only saved
/// must not change them.
async fn users_to_choose(state: &WebState, assignees: &[UserRef]) -> Result<Vec<UserRef>, PageError> {
    let users = state.store.users.list(latest()).await?;
    let mut users: Vec<_> = users
        .into_iter()
        .map(|user| UserRef {
            id: user.id,
            name: user.name,
        })
        .collect();
    for assignee in assignees {
        if !users.iter().any(|user| user.id == assignee.id) {
            users.push(assignee.clone());
        }
    }
    users.sort_by_key(|user| user.name.to_lowercase());
    Ok(users)
}

/// The steps in words, each counted from the trigger.
fn lines_of(steps: &[EscalationStep]) -> Vec<StepLine> {
    let mut minutes: u64 = 0;
    let mut line = |step: &EscalationStep| {
        minutes += u64::from(step.wait_minutes);
        StepLine {
            after: match minutes {
                0 => "at once".to_owned(),
                _ => format!(
                    "after {}",
                    show::long(std::time::Duration::from_secs(minutes * 60))
                ),
            },
            who: step
                .assignee
                .as_ref()
                .map_or_else(|| "nobody new".to_owned(), |user| user.name.clone()),
        }
    };
    steps.iter().map(&mut line).collect()
}

/// The rows of the form, in their order.
fn rows_of(form: &Form) -> Vec<StepRow> {
    let assignees = form.all("assignee");
    let removed = form.all("remove");
    let waits = form.all("waitMinutes").into_iter().enumerate();
    waits
        .map(|(index, wait_minutes)| StepRow {
            wait_minutes,
            assignee: assignees.get(index).cloned().unwrap_or_default(),
            is_removed: removed.contains(&index.to_string()),
        })
        .collect()
}

/// The policy that a form describes: empty rows and removed ones are no steps.
fn draft_of(form: &Form) -> Result<PolicyDraft, FieldErrors> {
    let rows = rows_of(form);
    let rows = rows.iter().filter(|row| !row.is_removed && !row.is_empty());
    let steps = rows.enumerate().map(|(index, row)| step_of(index, row));
    Ok(PolicyDraft {
        name: Patch::Set(form.text("name").to_owned()),
        steps: Patch::Set(steps.collect::<Result<_, _>>()?),
    })
}

fn step_of(index: usize, row: &StepRow) -> Result<StepDraft, FieldErrors> {
    let wrong = |detail: String| FieldErrors::one("steps", &format!("step {}: {detail}", index + 1));
    let wait_minutes = row
        .wait_minutes
        .parse()
        .ok()
        .filter(|minutes| *minutes <= MAX_WAIT_MINUTES);
    let assignee = match row.assignee.as_str() {
        "" => None,
        text => match text.parse() {
            Ok(id) => Some(UserChoice { id }),
            Err(_) => return Err(wrong("this is no user".to_owned())),
        },
    };
    let range = || wrong(format!("say how many minutes to wait, 0 to {MAX_WAIT_MINUTES}"));
    Ok(StepDraft {
        wait_minutes: wait_minutes.ok_or_else(range)?,
        assignee,
    })
}

/// What is wrong with the form; the error itself if it is about something else.
fn mistakes(error: ActionError) -> Result<FieldErrors, PageError> {
    match error {
        ActionError::Unknown { .. } => Ok(FieldErrors::one(
            "steps",
            "one of these users is gone: choose another",
        )),
        other => FieldErrors::of(other),
    }
}

/// `GET /escalation-policies`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let form = PolicyForm::load(&state, String::new(), Vec::new(), &[], FieldErrors::default()).await?;
    render(&PoliciesPage::load(&state, &session, query.text("before"), form).await?)
}

/// `POST /escalation-policies`
pub async fn create(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    let errors = match draft_of(&form) {
        Ok(draft) => match state.actions.create_policy(session.actor(), draft).await {
            Ok(policy) => return go(&format!("/escalation-policies/{}", policy.id), "created"),
            Err(error) => mistakes(error)?,
        },
        Err(errors) => errors,
    };
    let form = PolicyForm::typed(&state, &form, &[], errors).await?;
    render_refused(&PoliciesPage::load(&state, &session, "", form).await?)
}

/// `GET /escalation-policies/{id}`
pub async fn one(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<PolicyId>,
) -> PageResult {
    render(&PolicyPage::load(&state, &session, id, None).await?)
}

/// `POST /escalation-policies/{id}`
pub async fn change(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<PolicyId>,
    form: Form,
) -> PageResult {
    let errors = match draft_of(&form) {
        Ok(draft) => match state.actions.change_policy(session.actor(), id, draft).await {
            Ok(_) => return go(&format!("/escalation-policies/{id}"), "saved"),
            Err(error) => mistakes(error)?,
        },
        Err(errors) => errors,
    };
    render_refused(&PolicyPage::load(&state, &session, id, Some((&form, errors))).await?)
}

/// `POST /escalation-policies/{id}/delete`
pub async fn delete(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<PolicyId>,
) -> PageResult {
    match state.actions.delete_policy(session.actor(), id).await {
        Ok(()) => go("/escalation-policies", "deleted"),
        Err(ActionError::InUse { .. }) => {
            let mut page = PolicyPage::load(&state, &session, id, None).await?;
            page.refusal = Some("The policy stays for now: services use it. Give them another one first.");
            Ok(render_with(StatusCode::CONFLICT, &page))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::UserId;

    fn step(wait_minutes: u32, name: Option<&str>) -> EscalationStep {
        EscalationStep {
            wait_minutes,
            assignee: name.map(|name| UserRef {
                id: UserId::from_bytes([1; 16]),
                name: name.to_owned(),
            }),
        }
    }

    fn waits(form: &Form) -> Option<Vec<u32>> {
        let steps = draft_of(form).ok()?.steps.set()?;
        Some(steps.iter().map(|step| step.wait_minutes).collect())
    }

    #[test]
    fn empty_rows_and_removed_ones_are_no_steps() {
        let form = Form::new(&[
            ("waitMinutes", "5"),
            ("assignee", ""),
            ("waitMinutes", "10"),
            ("assignee", ""),
            ("remove", "1"),
            ("waitMinutes", ""),
            ("assignee", ""),
            ("waitMinutes", "15"),
            ("assignee", ""),
        ]);
        assert_eq!(waits(&form), Some(vec![5, 15]));
    }

    #[test]
    fn a_row_with_a_person_needs_its_minutes() {
        let id = UserId::from_bytes([1; 16]).to_string();
        let form = Form::new(&[("waitMinutes", ""), ("assignee", &id)]);
        let errors = draft_of(&form).err().unwrap();
        assert!(errors.at("steps").starts_with("Step 1: say how many minutes"));
        let too_long = Form::new(&[("waitMinutes", "10081"), ("assignee", "")]);
        assert_eq!(waits(&too_long), None);
    }

    #[test]
    fn steps_in_words_count_from_the_trigger() {
        let lines = lines_of(&[step(0, Some("Ada")), step(5, None), step(55, Some("Grace"))]);
        let lines: Vec<_> = lines
            .iter()
            .map(|line| (line.after.as_str(), line.who.as_str()))
            .collect();
        let expected = [
            ("at once", "Ada"),
            ("after 5 min", "nobody new"),
            ("after 1 h", "Grace"),
        ];
        assert_eq!(lines, expected);
    }
}
