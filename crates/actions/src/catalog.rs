//! Services, users and escalation policies: creating, changing, deleting.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::access::expect_held;
use crate::checks::Checks;
use crate::incidents::{MAX_DESCRIPTION_LENGTH, UserChoice};
use crate::{ActionError, Actions, Patch};
use model::access::{Role, Scope, ScopeSet};
use model::audit::Actor;
use model::display::TimeDisplay;
use model::escalation::{EscalationPolicy, EscalationStep, MAX_STEPS, MAX_WAIT_MINUTES};
use model::id::{PolicyId, ServiceId, UserId};
use model::service::Service;
use model::user::{User, UserRef};

/// The longest name of a service, user or policy, in characters.
pub const MAX_NAME_LENGTH: usize = 200;
/// The longest email address, in bytes (RFC 5321).
pub const MAX_EMAIL_BYTES: usize = 254;

/// A service as somebody wants it. Creating needs a name; changing keeps what is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ServiceChange)]
pub struct ServiceDraft {
    /// Its name, unique.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    #[serde(default)]
    pub name: Patch<String>,
    /// More about it.
    #[schema(value_type = Option<String>, max_length = 10000)]
    #[serde(default)]
    pub description: Patch<String>,
    /// Who is called when nobody acknowledges.
    #[schema(value_type = Option<PolicyChoice>)]
    #[serde(default)]
    pub escalation_policy: Patch<PolicyChoice>,
}

/// An escalation policy, by id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyChoice {
    /// Its id.
    #[schema(value_type = String)]
    pub id: PolicyId,
}

/// A user as somebody wants it. Creating needs a name; changing keeps what is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UserChange)]
pub struct UserDraft {
    /// The name that is shown.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    #[serde(default)]
    pub name: Patch<String>,
    /// The address to sign in with, unique.
    #[schema(value_type = Option<String>, max_length = 254)]
    #[serde(default)]
    pub email: Patch<String>,
    /// `responder` if absent.
    #[schema(value_type = Option<Role>)]
    #[serde(default)]
    pub role: Patch<Role>,
}

/// An escalation policy as somebody wants it. Creating needs a name; changing keeps what is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EscalationPolicyChange)]
pub struct PolicyDraft {
    /// Its name, unique.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    #[serde(default)]
    pub name: Patch<String>,
    /// What happens, in order.
    #[schema(value_type = Option<Vec<StepDraft>>)]
    #[serde(default)]
    pub steps: Patch<Vec<StepDraft>>,
}

/// One step: after so long without an acknowledgement, this person.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewEscalationStep)]
pub struct StepDraft {
    /// Minutes since the step before (or since the trigger), at most a week.
    #[schema(maximum = 10080)]
    pub wait_minutes: u32,
    /// Who becomes the assignee; nobody new if absent.
    pub assignee: Option<UserChoice>,
}

impl Actions {
    /// Creates a service.
    pub async fn create_service(&self, actor: Actor, draft: ServiceDraft) -> Result<Service, ActionError> {
        let change = self.source.change(actor);
        let blank = Service {
            id: self.source.new_service_id(),
            name: String::new(),
            description: None,
            policy_id: None,
            created_at: change.at,
        };
        let service = apply_service(blank, draft)?;
        Ok(self.store.services.create(service, change).await?)
    }

    /// Changes a service.
    pub async fn change_service(
        &self,
        actor: Actor,
        id: ServiceId,
        draft: ServiceDraft,
    ) -> Result<Service, ActionError> {
        let service = apply_service(self.store.services.get(id).await?, draft)?;
        let change = self.source.change(actor);
        Ok(self.store.services.update(service, change).await?)
    }

    /// Deletes a service that nothing uses.
    pub async fn delete_service(&self, actor: Actor, id: ServiceId) -> Result<(), ActionError> {
        Ok(self.store.services.delete(id, self.source.change(actor)).await?)
    }

    /// Creates a user. Only administrators make administrators.
    pub async fn create_user(
        &self,
        actor: Actor,
        held: ScopeSet,
        draft: UserDraft,
    ) -> Result<User, ActionError> {
        let change = self.source.change(actor);
        let blank = User {
            id: self.source.new_user_id(),
            name: String::new(),
            email: None,
            role: Role::Responder,
            created_at: change.at,
            display: TimeDisplay::default(),
        };
        let user = apply_user(blank, draft)?;
        may_touch(held, user.role)?;
        Ok(self.store.users.create(user, change).await?)
    }

    /// Changes a user. Only administrators make administrators, and change those that there are; and an address, to which links to a
    /// new password go, only who may do all that its person may.
    pub async fn change_user(
        &self,
        actor: Actor,
        held: ScopeSet,
        id: UserId,
        draft: UserDraft,
    ) -> Result<User, ActionError> {
        let before = self.store.users.get(id).await?;
        may_touch(held, before.role)?;
        let user = apply_user(before.clone(), draft)?;
        may_touch(held, user.role)?;
        if before.email.is_some() && user.email != before.email {
            expect_held(held, before.role.scopes())?;
        }
        let change = self.source.change(actor);
        Ok(self.store.users.update(user, change).await?)
    }

    /// Deletes a user whom nothing refers to.
    pub async fn delete_user(&self, actor: Actor, held: ScopeSet, id: UserId) -> Result<(), ActionError> {
        may_touch(held, self.store.users.get(id).await?.role)?;
        Ok(self.store.users.delete(id, self.source.change(actor)).await?)
    }

    /// Creates an escalation policy.
    pub async fn create_policy(
        &self,
        actor: Actor,
        draft: PolicyDraft,
    ) -> Result<EscalationPolicy, ActionError> {
        let change = self.source.change(actor);
        let blank = EscalationPolicy {
            id: self.source.new_policy_id(),
            name: String::new(),
            steps: Vec::new(),
            created_at: change.at,
        };
        let policy = apply_policy(blank, draft)?;
        Ok(self.store.policies.create(policy, change).await?)
    }

    /// Changes an escalation policy.
    pub async fn change_policy(
        &self,
        actor: Actor,
        id: PolicyId,
        draft: PolicyDraft,
    ) -> Result<EscalationPolicy, ActionError> {
        let policy = apply_policy(self.store.policies.get(id).await?, draft)?;
        let change = self.source.change(actor);
        Ok(self.store.policies.update(policy, change).await?)
    }

    /// Deletes an escalation policy that no service uses.
    pub async fn delete_policy(&self, actor: Actor, id: PolicyId) -> Result<(), ActionError> {
        Ok(self.store.policies.delete(id, self.source.change(actor)).await?)
    }
}

/// Whoever may do everything must not be made, changed or removed by somebody who may do less.
fn may_touch(held: ScopeSet, role: Role) -> Result<(), ActionError> {
    if role == Role::Admin && !held.contains(Scope::Admin) {
        return Err(ActionError::ScopeNotHeld(Scope::Admin));
    }
    Ok(())
}

fn apply_service(mut service: Service, draft: ServiceDraft) -> Result<Service, ActionError> {
    let mut checks = Checks::new();
    apply_name(&mut checks, &mut service.name, draft.name);
    if let Some(description) = draft.description.into_change() {
        let text = description.as_deref().unwrap_or_default();
        checks.optional_text("description", text, MAX_DESCRIPTION_LENGTH);
        service.description = description.filter(|text| !text.is_empty());
    }
    if let Some(policy) = draft.escalation_policy.into_change() {
        service.policy_id = policy.map(|policy| policy.id);
    }
    checks.finish(|| service)
}

fn apply_user(mut user: User, draft: UserDraft) -> Result<User, ActionError> {
    let mut checks = Checks::new();
    apply_name(&mut checks, &mut user.name, draft.name);
    if let Some(email) = draft.email.into_change() {
        if let Some(email) = &email {
            check_email(&mut checks, email);
        }
        user.email = email;
    }
    match draft.role {
        Patch::Set(role) => user.role = role,
        Patch::Clear => user.role = Role::Responder,
        Patch::Keep => {}
    }
    checks.finish(|| user)
}

fn apply_policy(mut policy: EscalationPolicy, draft: PolicyDraft) -> Result<EscalationPolicy, ActionError> {
    let mut checks = Checks::new();
    apply_name(&mut checks, &mut policy.name, draft.name);
    if let Some(steps) = draft.steps.into_change() {
        policy.steps = checked_steps(&mut checks, steps.unwrap_or_default());
    }
    checks.finish(|| policy)
}

fn apply_name(checks: &mut Checks, name: &mut String, patch: Patch<String>) {
    match patch {
        Patch::Set(new) => {
            checks.name("name", &new, MAX_NAME_LENGTH);
            *name = new;
        }
        Patch::Clear => checks.missing("name"),
        Patch::Keep if name.is_empty() => checks.missing("name"),
        Patch::Keep => {}
    }
}

fn checked_steps(checks: &mut Checks, steps: Vec<StepDraft>) -> Vec<EscalationStep> {
    if steps.len() > MAX_STEPS {
        checks.fail("steps", "too_many", format!("at most {MAX_STEPS} steps"));
    }
    for (index, step) in steps.iter().enumerate() {
        if step.wait_minutes > MAX_WAIT_MINUTES {
            let detail = format!("a step waits at most {MAX_WAIT_MINUTES} minutes");
            checks.fail(format!("steps[{index}].waitMinutes"), "out_of_range", detail);
        }
    }
    // The store reads only the assignee's id and takes the name from its users.
    let assignee = |user: UserChoice| UserRef {
        id: user.id,
        name: String::new(),
    };
    let step = |step: StepDraft| EscalationStep {
        wait_minutes: step.wait_minutes,
        assignee: step.assignee.map(assignee),
    };
    steps.into_iter().map(step).collect()
}

/// Catches slips, not every impossible address: only sending tells.
/// Notes that a text is no email address.
pub(super) fn check_email(checks: &mut Checks, text: &str) {
    if !is_email(text) {
        let detail = "email must be an address such as ada@example.com";
        checks.fail("email", "invalid_value", detail);
    }
}

fn is_email(text: &str) -> bool {
    let is_plain = !text
        .chars()
        .any(|character| character.is_whitespace() || character.is_control());
    let has_both_sides = text
        .rsplit_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    text.len() <= MAX_EMAIL_BYTES && is_plain && has_both_sides
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::Timestamp;

    fn blank() -> Service {
        Service {
            id: ServiceId::new(Timestamp::EPOCH, [1; 10]),
            name: String::new(),
            description: None,
            policy_id: None,
            created_at: Timestamp::EPOCH,
        }
    }

    fn draft(json: &str) -> ServiceDraft {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn creating_needs_a_name_and_changing_keeps_what_is_absent() {
        assert!(apply_service(blank(), draft("{}")).is_err());
        let named = apply_service(blank(), draft(r#"{"name":"API","description":"x"}"#)).unwrap();
        let kept = apply_service(named.clone(), draft("{}")).unwrap();
        let cleared = apply_service(named.clone(), draft(r#"{"description":null}"#)).unwrap();
        assert_eq!(kept, named);
        assert_eq!(cleared.description, None);
        assert!(apply_service(named, draft(r#"{"name":null}"#)).is_err());
    }

    #[test]
    fn slips_in_addresses_are_caught() {
        assert!(is_email("ada@example.com"));
        assert!(
            !["ada", "@example.com", "ada@", "a b@c", ""]
                .iter()
                .any(|text| is_email(text))
        );
    }
}
