//! What a Jira webhook's settings mean.

pub(super) mod problems;

use model::digest::sha256;
use url::Url;

use destination::mapping;
use destination::task::Target;
use model::incident::Severity;
use model::ticket::TicketPhase;

/// The issue type of tickets unless the settings name another.
const DEFAULT_ISSUE_TYPE: &str = "Task";
/// The resolution of tickets unless the settings name another.
const DEFAULT_RESOLUTION: &str = "Done";
/// How much of an account's hash tells buckets apart, in bytes.
const BUCKET_HASH_BYTES: usize = 6;

/// Which Jira it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edition {
    /// At Atlassian.
    Cloud,
    /// On somebody's own servers.
    DataCenter,
}

/// How we prove who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auth {
    /// Account and token.
    Basic,
    /// A token alone.
    Bearer,
    /// A token that is handed out for a while.
    ClientCredentials,
}

/// A target, read as the settings of a Jira webhook.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a>(pub(super) &'a Target);

impl<'a> Settings<'a> {
    fn trimmed(self, name: &str) -> &'a str {
        self.0.option(name).trim()
    }

    /// Which Jira it is.
    pub(super) fn edition(self) -> Edition {
        match self.trimmed("edition") {
            "data_center" => Edition::DataCenter,
            _ => Edition::Cloud,
        }
    }

    /// How we prove who we are.
    pub(super) fn auth(self) -> Auth {
        match self.trimmed("auth") {
            "bearer" => Auth::Bearer,
            "oauth" => Auth::ClientCredentials,
            _ => Auth::Basic,
        }
    }

    /// The account's name.
    pub(super) fn account(self) -> &'a str {
        self.trimmed("account")
    }

    /// The project's key or id.
    pub(super) fn project(self) -> &'a str {
        self.trimmed("project")
    }

    /// The issue type's name or id.
    pub(super) fn issue_type(self) -> &'a str {
        match self.trimmed("issueType") {
            "" => DEFAULT_ISSUE_TYPE,
            name => name,
        }
    }

    /// The resolution where a transition asks for one.
    pub(super) fn resolution(self) -> &'a str {
        match self.trimmed("resolution") {
            "" => DEFAULT_RESOLUTION,
            name => name,
        }
    }

    /// The status that a ticket shall have in a phase, or the transition that leads there, by name or id; empty if any will do.
    pub(super) fn status_for(self, phase: TicketPhase) -> &'a str {
        self.trimmed(match phase {
            TicketPhase::New => "statusReopened",
            TicketPhase::InProgress => "statusAcknowledged",
            TicketPhase::Done => "statusResolved",
        })
    }

    /// Whether customers of a service project see what is noted.
    pub(super) fn notes_are_public(self) -> bool {
        self.trimmed("noteVisibility") == "public"
    }

    /// The priority for a severity.
    pub(super) fn priority(self, severity: Severity) -> Option<&'a str> {
        mapping::value(self.0.option("priority"), severity.as_str()).filter(|name| !name.is_empty())
    }

    /// The page of Jira that people open, without a slash at its end.
    pub(super) fn site(self) -> String {
        let own = Url::parse(self.trimmed("site")).ok();
        let mut site = own.unwrap_or_else(|| self.0.url.clone());
        site.set_query(None);
        site.set_fragment(None);
        site.as_str().trim_end_matches('/').to_owned()
    }

    /// The account that requests are made by, in words that hold no secret.
    pub(super) fn identity(self) -> String {
        let who = match self.auth() {
            Auth::Basic => self.account(),
            Auth::Bearer => "",
            Auth::ClientCredentials => self.trimmed("clientId"),
        };
        let hash = sha256([who.as_bytes()]);
        let short = hex::encode(hash.iter().take(BUCKET_HASH_BYTES).copied().collect::<Vec<_>>());
        let (url, auth) = (&self.0.url, self.trimmed("auth"));
        let port = url.port().map_or(String::new(), |port| format!(":{port}"));
        let host = url.host_str().unwrap_or_default();
        format!("{host}{port}{}:{auth}:{short}", url.path().trim_end_matches('/'))
    }

    /// See [`destination::Adapter::buckets`].
    pub(super) fn bucket(self) -> String {
        format!("jira:{}", self.identity())
    }
}

/// Whether a text is an id of Jira rather than a name.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
