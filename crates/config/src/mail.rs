//! The settings of sending mail to people of this server.

use serde::{Deserialize, Serialize};

use super::values;
use model::secret::SecretText;

/// Sending invitations and links for forgotten passwords, if a server is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// `smtps://user:password@host:port`, or `smtp://` for STARTTLS; no mail is sent if it is empty.
    #[serde(with = "values::secret")]
    pub server: SecretText,
    /// Who sends: an address, or a name with the address in angle brackets.
    pub from: String,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            server: SecretText::new(""),
            from: String::new(),
        }
    }
}
