//! Services: what incidents are about.

use serde::{Deserialize, Serialize};

use crate::id::{PolicyId, ServiceId};
use crate::time::Timestamp;

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub id: ServiceId,
    /// Its name, unique.
    pub name: String,
    /// More about it, if given.
    pub description: Option<String>,
    /// Who is called when nobody acknowledges.
    pub policy_id: Option<PolicyId>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A service as an incident and an event name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRef {
    pub id: ServiceId,
    /// Its name at that time.
    pub name: String,
}
