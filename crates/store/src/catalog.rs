//! Services, users and escalation policies: what incidents refer to.

use async_trait::async_trait;

use crate::Page;
use crate::StoreResult;
use model::audit::Change;
use model::display::TimeDisplay;
use model::escalation::EscalationPolicy;
use model::id::{PolicyId, ServiceId, UserId};
use model::service::Service;
use model::user::User;

/// Services. Names are unique; one that has incidents cannot be deleted.
#[async_trait]
pub trait Services: Send + Sync {
    /// Creates a service.
    async fn create(&self, service: Service, change: Change) -> StoreResult<Service>;
    /// Services, newest first.
    async fn list(&self, page: Page) -> StoreResult<Vec<Service>>;
    /// One service.
    async fn get(&self, id: ServiceId) -> StoreResult<Service>;
    /// Replaces everything but id and creation time.
    async fn update(&self, service: Service, change: Change) -> StoreResult<Service>;
    /// Deletes a service without incidents and without webhooks that name it.
    async fn delete(&self, id: ServiceId, change: Change) -> StoreResult<()>;
}

/// Users. Addresses are unique without regard to ASCII case; one that has incidents or steps of a policy cannot be deleted.
#[async_trait]
pub trait Users: Send + Sync {
    /// Creates a user.
    async fn create(&self, user: User, change: Change) -> StoreResult<User>;
    /// Users, newest first.
    async fn list(&self, page: Page) -> StoreResult<Vec<User>>;
    /// One user.
    async fn get(&self, id: UserId) -> StoreResult<User>;
    /// Sets how a user wants times to be shown.
    async fn set_display(&self, id: UserId, display: TimeDisplay, change: Change) -> StoreResult<()>;
    /// Replaces name, address and role.
    async fn update(&self, user: User, change: Change) -> StoreResult<User>;
    /// Deletes a user whom nothing refers to.
    async fn delete(&self, id: UserId, change: Change) -> StoreResult<()>;
}

/// Escalation policies. Names are unique; one that a service uses cannot be deleted. Of a step's assignee only the id
/// is read; its name comes from the users.
#[async_trait]
pub trait Policies: Send + Sync {
    /// Creates a policy.
    async fn create(&self, policy: EscalationPolicy, change: Change) -> StoreResult<EscalationPolicy>;
    /// Policies, newest first.
    async fn list(&self, page: Page) -> StoreResult<Vec<EscalationPolicy>>;
    /// One policy.
    async fn get(&self, id: PolicyId) -> StoreResult<EscalationPolicy>;
    /// Replaces everything but id and creation time.
    async fn update(&self, policy: EscalationPolicy, change: Change) -> StoreResult<EscalationPolicy>;
    /// Deletes a policy that no service uses.
    async fn delete(&self, id: PolicyId, change: Change) -> StoreResult<()>;
}
