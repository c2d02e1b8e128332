//! What every page needs, and the settings of the pages.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use url::Url;

use crate::layout::export::PageExports;
use crate::layout::live::Watchers;
use crate::overview::badges::Badges;
use crate::reference::try_api::ApiReads;
use actions::Actions;
use actions::access::SetupToken;
use clock::Env;
use limit::shared::SharedLimits;
use limit::{Limit, Limiter};
use model::access::Role;
use model::client_address::ClientNetwork;
use model::id::ReceiverLinkId;
use model::identity::RoleRule;
use oidc::Provider;
use passkeys::{RelyingParty, UnfitAddress};
use store::Store;
use store::upkeep::Audited;

/// How many addresses are counted at a time.
const MAX_COUNTED: usize = 50_000;
/// How many wrong passwords one account takes from one network address, or from one known device.
pub const ACCOUNT_LIMIT: Limit = Limit {
    per_second: 1.0 / 60.0,
    burst: 10.0,
};
/// How many it takes from everywhere: enough that a stranger does not lock its owner out.
pub const ACCOUNT_ANYWHERE_LIMIT: Limit = Limit {
    per_second: 1.0 / 6.0,
    burst: 200.0,
};
/// How many wrong codes of a second factor a person has: of a million codes, three are right at a time.
pub const CODE_LIMIT: Limit = Limit {
    per_second: 1.0 / 300.0,
    burst: 5.0,
};
/// How many links and tokens one network address may try that do not work.
const LINK_LIMIT: Limit = Limit {
    per_second: 0.5,
    burst: 30.0,
};
/// How much may be done with one link to a receiver's page.
const RECEIVER_LIMIT: Limit = Limit {
    per_second: 0.2,
    burst: 30.0,
};
/// How much inboxes take from one network address.
const INBOX_SENDER_LIMIT: Limit = Limit {
    per_second: 50.0,
    burst: 200.0,
};
/// How much all inboxes together take.
const INBOX_LIMIT: Limit = Limit {
    per_second: 250.0,
    burst: 1000.0,
};

/// Settings of the pages.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// The address under which people reach this server, if it is not the one that they asked.
    pub public_url: Option<Url>,
    /// Whether this is a server for development: every page says so.
    pub is_dev: bool,
    /// Whether there are inboxes.
    pub has_inboxes: bool,
    /// The services, by name, whose badges everybody may see.
    pub badges: Vec<String>,
    /// Where the server reaches itself: webhooks to its own inboxes go there.
    pub own_address: SocketAddr,
    /// How often one address may fail to sign in, over all accounts.
    pub failure_limit: Limit,
    /// How many pages are live at once.
    pub max_streams: usize,
    /// The folder that backups are written to; without one, there are none from the pages.
    pub backup_directory: Option<PathBuf>,
}

/// Signing in by an OpenID provider, and what it brings.
pub struct SingleSignOn {
    pub provider: Provider,
    /// What the pages call it.
    pub name: String,
    /// The claim with the groups.
    pub groups_claim: String,
    /// Which group brings which role.
    pub roles: Vec<RoleRule>,
    /// The role of those whose groups bring none.
    pub fallback_role: Option<Role>,
    /// Whether passwords are accepted of a few people only.
    pub replaces_passwords: bool,
}

/// What the pages are made of.
pub struct WebParts {
    /// What users may do.
    pub actions: Arc<Actions>,
    /// For reading.
    pub store: Store,
    /// Time and randomness.
    pub source: Env,
    /// Changes with every commit of the store.
    pub commits: watch::Receiver<u64>,
    pub settings: WebSettings,
    /// The limits that hold for all nodes together.
    pub limits: SharedLimits,
    /// Makes the first administrator; [`SetupToken::none`] if somebody can sign in.
    pub setup: SetupToken,
    /// Makes the API's own description: needed too seldom to be kept in memory.
    pub openapi: fn() -> serde_json::Value,
    /// The provider that people may sign in by.
    pub single_sign_on: Option<SingleSignOn>,
    /// This server as authenticators know it, or why there are no passkeys for it.
    pub passkeys: Result<RelyingParty, UnfitAddress>,
    /// What pages export: the API's own, which they may not know.
    pub exports: PageExports,
    /// Reads of the API, which the pages may not know.
    pub api_reads: ApiReads,
    /// What the server's own check that nothing is lost came to.
    pub audited: Box<dyn Fn() -> Option<Audited> + Send + Sync>,
    /// Becomes true when the server stops: live pages end.
    pub stopping: watch::Receiver<bool>,
}

/// What every page needs.
#[derive(Clone)]
pub struct WebState(Arc<Inner>);

/// The parts of [`WebState`] and what it counts.
pub struct Inner {
    parts: WebParts,
    /// Links and tokens that do not work, by network address.
    pub link_failures: Arc<Limiter<ClientNetwork>>,
    /// What is done with links to receivers' pages.
    pub receiver_actions: Arc<Limiter<ReceiverLinkId>>,
    /// What comes to inboxes, by network address.
    pub inbox_senders: Arc<Limiter<ClientNetwork>>,
    /// What comes to inboxes in all.
    pub inbox_arrivals: Arc<Limiter<&'static str>>,
    /// Live pages by whom they belong to.
    pub watchers: Watchers,
    /// What badges say.
    pub badges: Badges,
    /// Room for live pages.
    pub streams: Arc<Semaphore>,
}

impl WebState {
    /// The state of pages made of these parts.
    pub fn new(parts: WebParts) -> Self {
        let (settings, limits) = (&parts.settings, &parts.limits);
        Self(Arc::new(Inner {
            link_failures: limits.limiter("link failures", LINK_LIMIT, MAX_COUNTED),
            receiver_actions: limits.limiter("receiver links", RECEIVER_LIMIT, MAX_COUNTED),
            inbox_senders: limits.limiter("inbox senders", INBOX_SENDER_LIMIT, MAX_COUNTED),
            inbox_arrivals: limits.limiter("inbox arrivals", INBOX_LIMIT, 1),
            watchers: Watchers::default(),
            badges: Badges::default(),
            streams: Arc::new(Semaphore::new(settings.max_streams)),
            parts,
        }))
    }
}

impl WebState {
    /// Where the links of messages lead, without a slash at the end; nothing if the server does not know its own address.
    pub fn message_base(&self) -> Option<String> {
        let settings = &self.settings;
        let public = settings
            .public_url
            .as_ref()
            .map(|url| url.as_str().trim_end_matches('/').to_owned());
        public.or_else(|| {
            settings
                .is_dev
                .then(|| format!("http://{}", settings.own_address))
        })
    }
}

impl Deref for WebState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Deref for Inner {
    type Target = WebParts;

    fn deref(&self) -> &WebParts {
        &self.parts
    }
}
