//! Users: people that incidents are assigned to and that may sign in.

use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::display::TimeDisplay;
use crate::id::UserId;
use crate::time::Timestamp;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// The name that is shown.
    pub name: String,
    /// The address to sign in with, unique.
    pub email: Option<String>,
    /// What the person may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// How they want times to be shown.
    pub display: TimeDisplay,
}

/// A person as an incident and an event name them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRef {
    pub id: UserId,
    /// The name at that time.
    pub name: String,
}
