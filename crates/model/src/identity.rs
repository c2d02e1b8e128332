//! Who somebody is in the words of an OpenID provider: an issuer and the subject that it names them by. An address is none:
//! whoever can choose theirs could be anybody.

use crate::access::Role;
use crate::time::Timestamp;

/// The longest issuer or subject, in bytes (OpenID Connect Core 1.0, section 2, allows a subject 255).
pub const MAX_IDENTITY_BYTES: usize = 255;

/// A person at a provider. The two together never name anybody else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The provider, as it names itself: a URL, compared letter by letter.
    pub issuer: String,
    /// The person, as the provider names them: any text.
    pub subject: String,
}

/// What a provider has proven of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenPerson {
    pub identity: Identity,
    /// The name to show.
    pub name: String,
    /// Their address, unless the provider says that it is not verified.
    pub email: Option<String>,
}

/// An identity that is tied to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedIdentity {
    pub identity: Identity,
    /// When it was tied.
    pub created_at: Timestamp,
    /// When somebody last signed in with it.
    pub last_used_at: Option<Timestamp>,
}

/// A group at the provider, and the role that it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    pub group: String,
    pub role: Role,
}

impl RoleRule {
    /// Reads `group=role`; a group may hold `=` itself.
    pub fn parse(text: &str) -> Option<Self> {
        let (group, role) = text.rsplit_once('=')?;
        let (group, role) = (group.trim(), Role::parse(role.trim())?);
        (!group.is_empty()).then(|| Self {
            group: group.to_owned(),
            role,
        })
    }
}

/// The mightiest role that some groups bring, or the fallback.
pub fn role_of(groups: &[String], rules: &[RoleRule], fallback: Option<Role>) -> Option<Role> {
    let brought = rules.iter().filter(|rule| groups.contains(&rule.group));
    let mightiest = brought.map(|rule| rule.role).min_by_key(|role| match role {
        Role::Admin => 0,
        Role::Responder => 1,
        Role::Viewer => 2,
    });
    mightiest.or(fallback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mightiest_role_of_all_groups_counts_and_the_fallback_only_without_any() {
        let rules =
            ["staff=viewer", "on-call=responder", "a=b=admin"].map(|text| RoleRule::parse(text).unwrap());
        let role = |groups: &[&str], fallback| {
            let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
            role_of(&groups, &rules, fallback)
        };
        assert_eq!(role(&["staff", "on-call"], None), Some(Role::Responder));
        assert_eq!(role(&["a=b", "staff"], Some(Role::Viewer)), Some(Role::Admin));
        assert_eq!(role(&["Staff", "other"], None), None);
        assert_eq!(role(&[], Some(Role::Viewer)), Some(Role::Viewer));
    }

    #[test]
    fn a_rule_needs_a_group_and_a_role() {
        let refused = ["admin", "=admin", "ops=", "ops=owner"];
        assert_eq!(refused.map(RoleRule::parse), [const { None }; 4]);
    }
}
