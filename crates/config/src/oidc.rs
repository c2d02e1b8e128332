//! The settings of signing in by an OpenID provider.

use serde::{Deserialize, Serialize};

use super::values;
use model::access::Role;
use model::identity::RoleRule;
use model::secret::SecretText;

/// Signing in by an OpenID provider, if one is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OidcConfig {
    /// The provider, letter by letter as it names itself; nobody signs in by one if it is empty.
    #[serde(with = "values::issuer")]
    pub issuer: String,
    /// What the button on the sign-in page calls it.
    pub name: String,
    /// As what this server is registered there.
    pub client_id: String,
    /// The secret that goes with it; none for a public client.
    #[serde(with = "values::secret")]
    pub client_secret: SecretText,
    /// What the provider is asked for.
    pub scopes: Vec<String>,
    /// The claim that holds a person's groups; within objects, with a dot between the names.
    pub groups_claim: String,
    /// Which group brings which role: `group=role`.
    #[serde(with = "values::role_rules")]
    pub roles: Vec<RoleRule>,
    /// The role of everybody whom the provider lets in and none of whose groups brings one; they are refused if it is empty.
    #[serde(with = "values::optional_role")]
    pub fallback_role: Option<Role>,
    /// Whether passwords are accepted beside the provider.
    pub passwords: bool,
    /// The addresses of those whose passwords are accepted even so: for the day on which the provider fails.
    pub break_glass: Vec<String>,
}

impl Default for OidcConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            name: "single sign-on".into(),
            client_id: String::new(),
            client_secret: SecretText::new(""),
            scopes: ["openid", "profile", "email"].map(str::to_owned).into(),
            groups_claim: "groups".into(),
            roles: Vec::new(),
            fallback_role: None,
            passwords: true,
            break_glass: Vec::new(),
        }
    }
}

impl OidcConfig {
    /// Whether there is a provider.
    pub fn is_on(&self) -> bool {
        !self.issuer.is_empty()
    }

    /// Without this scope a provider says nothing of who it is.
    pub(super) fn has_open_id(&self) -> bool {
        self.scopes.iter().any(|scope| scope == "openid")
    }
}
