//! API keys: what programs may do here. A key is shown once, in the answer to the form that makes it.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use http::HeaderMap;

use crate::layout::choices::{Choice, all_services};
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::paging::{Pager, page_of};
use crate::layout::query::{PathId, Query};
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, render, render_refused};
use crate::session::UserSession;
use crate::state::WebState;
use actions::access::KeyDraft;
use config::base_url;
use model::access::{ApiKey, Scope, ScopeSet};
use model::event::EventName;
use model::id::{KeyId, ServiceId};
use model::restriction::Restriction;
use model::secret::SecretText;
use model::service::Service;
use model::time::Timestamp;
use store::Page;

/// How long a key may work, as the form offers it: the value, the words, the days.
const LIFETIMES: [(&str, &str, Option<u64>); 4] = [
    ("never", "Never expires", None),
    ("30d", "Expires in 30 days", Some(30)),
    ("90d", "Expires in 90 days", Some(90)),
    ("1y", "Expires in a year", Some(365)),
];
/// What every key may read, as everybody may.
const PUBLIC_PATH: &str = "/api/v1/openapi.json";
const DAY_SECONDS: u64 = 24 * 3600;

/// One key in the list.
struct KeyRow {
    id: KeyId,
    name: String,
    hint: String,
    scopes: Vec<&'static str>,
    /// The names of the services and events that it is restricted to.
    only: Vec<String>,
    created: Markup,
    expires: Option<Markup>,
    revoked: Option<Markup>,
    used: Option<Markup>,
    state: KeyState,
}

/// Whether a key opens anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyState {
    Usable,
    Expired,
    Revoked,
}

impl KeyState {
    fn new(key: &ApiKey, now: Timestamp) -> Self {
        if key.revoked_at.is_some() {
            Self::Revoked
        } else if key.is_usable(now) {
            Self::Usable
        } else {
            Self::Expired
        }
    }

    fn badge(self) -> Markup {
        match self {
            Self::Usable => show::badge("success", "Works"),
            Self::Expired => show::badge("warning", "Expired"),
            Self::Revoked => show::badge("neutral", "Revoked"),
        }
    }

    fn is_usable(self) -> bool {
        self == Self::Usable
    }
}

/// A scope that can be chosen.
struct ScopeChoice {
    value: &'static str,
    may: &'static str,
    is_chosen: bool,
}

/// A key that was just made.
struct MadeKey {
    name: String,
    key: String,
    example: String,
}

#[derive(Template)]
#[template(path = "settings/api_keys.html")]
struct ApiKeysPage {
    layout: Layout,
    keys: Vec<KeyRow>,
    made: Option<MadeKey>,
    name: String,
    scopes: Vec<ScopeChoice>,
    services: Vec<Choice>,
    events: Vec<Choice>,
    /// Whether some of those are chosen.
    is_restricted: bool,
    lifetimes: Vec<Choice>,
    pager: Pager,
    errors: FieldErrors,
}

impl ApiKeysPage {
    async fn load(
        state: &WebState,
        session: &UserSession,
        before: &str,
        form: &Form,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let now = session.context.now;
        let page = page_of(before);
        let keys = state.store.access.list_keys(page).await?;
        let last_id = keys.last().map(|key| key.id.as_bytes());
        let pager = Pager::new("/settings/api-keys", &[], page, keys.len(), last_id);
        let services = all_services(state).await?;
        let row = |key: ApiKey| KeyRow {
            only: only(&key.restriction, &services),
            id: key.id,
            state: KeyState::new(&key, now),
            scopes: names_of(key.scopes),
            created: show::when(key.created_at, now),
            expires: key.expires_at.map(|at| show::when(at, now)),
            revoked: key.revoked_at.map(|at| show::when(at, now)),
            used: key.last_used_at.map(|at| show::when(at, now)),
            name: key.name,
            hint: key.hint,
        };
        let [chosen, chosen_services, chosen_events] =
            ["scopes", "services", "events"].map(|field| form.all(field));
        let lifetime = form.text("lifetime");
        let scope = |scope: Scope| ScopeChoice {
            value: scope.as_str(),
            may: words_of(scope),
            is_chosen: chosen.iter().any(|name| name == scope.as_str()),
        };
        Ok(Self {
            layout: Layout::new(session, "API keys", Nav::ApiKeys),
            keys: keys.into_iter().map(row).collect(),
            made: None,
            name: form.text("name").to_owned(),
            scopes: Scope::ALL.iter().copied().map(scope).collect(),
            is_restricted: !chosen_services.is_empty() || !chosen_events.is_empty(),
            services: services
                .iter()
                .map(|service| choice(service.id.to_string(), &service.name, &chosen_services))
                .collect(),
            events: EventName::NAMES
                .iter()
                .map(|name| choice((*name).to_owned(), name, &chosen_events))
                .collect(),
            lifetimes: LIFETIMES
                .map(|(value, name, _)| Choice::new(value, name, lifetime))
                .into(),
            pager,
            errors,
        })
    }
}

fn choice(value: String, name: &str, chosen: &[String]) -> Choice {
    Choice {
        is_chosen: chosen.contains(&value),
        value,
        name: name.to_owned(),
    }
}

/// What a key is restricted to, by name; a service that is gone by its id.
fn only(restriction: &Restriction, services: &[Service]) -> Vec<String> {
    let name = |id: &ServiceId| {
        let service = services.iter().find(|service| service.id == *id);
        service.map_or_else(|| id.to_string(), |service| service.name.clone())
    };
    let events = restriction.event_names().into_iter().map(str::to_owned);
    restriction.services().iter().map(name).chain(events).collect()
}

/// What was ticked; nothing ticked is no restriction.
fn ticked(form: &Form, field: &str) -> Option<Vec<String>> {
    Some(form.all(field)).filter(|values| !values.is_empty())
}

/// The names of scopes; all of them together have a name of their own.
fn names_of(scopes: ScopeSet) -> Vec<&'static str> {
    if scopes.includes(ScopeSet::all()) {
        return vec!["everything"];
    }
    scopes.iter().map(Scope::as_str).collect()
}

/// What a scope allows.
fn words_of(scope: Scope) -> &'static str {
    match scope {
        Scope::IncidentsRead => "See incidents, services, users and policies",
        Scope::IncidentsWrite => "Trigger, acknowledge, resolve and change incidents",
        Scope::CatalogWrite => "Change services, users and policies",
        Scope::WebhooksRead => "See webhooks and what they did",
        Scope::WebhooksWrite => "Create, change and delete webhooks",
        Scope::WebhooksTest => "Send a test event to a webhook",
        Scope::DeliveriesRead => "See deliveries with every attempt",
        Scope::DeliveriesReplay => "Replay and recover deliveries",
        Scope::EventsRead => "Read and follow the event feed",
        Scope::SystemRead => "Read metrics and the state of the system",
        Scope::Admin => "Keys, audit log and backups: gives everything away",
    }
}

/// Something harmless that a key may ask, to see that it works.
fn example_path(scopes: ScopeSet) -> &'static str {
    let paths = [
        (Scope::IncidentsRead, "/api/v1/incidents?limit=1"),
        (Scope::WebhooksRead, "/api/v1/webhooks?limit=1"),
        (Scope::DeliveriesRead, "/api/v1/deliveries?limit=1"),
        (Scope::EventsRead, "/api/v1/events?limit=1"),
        (Scope::SystemRead, "/api/v1/system"),
        (Scope::Admin, "/api/v1/audit?limit=1"),
    ];
    let path = paths.iter().find(|(scope, _)| scopes.contains(*scope));
    path.map_or(PUBLIC_PATH, |(_, path)| path)
}

/// A command that uses a key. One that only triggers incidents does that, if there is a service for it.
fn example(base: &str, key: &str, scopes: ScopeSet, service: Option<ServiceId>) -> String {
    let header = format!("-H 'Authorization: Bearer {key}'");
    match service {
        Some(id) if triggers_only(scopes) => {
            let incident = format!(r#"{{"title":"A test","severity":"info","service":{{"id":"{id}"}}}}"#);
            format!("curl {base}/api/v1/incidents \\\n  {header} \\\n  --json '{incident}'")
        }
        Some(_) | None => format!("curl '{base}{}' \\\n  {header}", example_path(scopes)),
    }
}

/// Whether a key triggers incidents but may read nothing that the example could show.
fn triggers_only(scopes: ScopeSet) -> bool {
    scopes.contains(Scope::IncidentsWrite) && example_path(scopes) == PUBLIC_PATH
}

/// When a key made now stops working; nothing if the choice is none of the form's.
fn expiry(lifetime: &str, now: Timestamp) -> Result<Option<Timestamp>, FieldErrors> {
    let chosen = LIFETIMES.iter().find(|(value, _, _)| *value == lifetime);
    let (_, _, days) = chosen.ok_or_else(|| FieldErrors::one("expiresAt", "choose when the key expires"))?;
    Ok(days.map(|days| now.plus(Duration::from_secs(days * DAY_SECONDS))))
}

/// `GET /settings/api-keys`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let before = query.text("before");
    render(&ApiKeysPage::load(&state, &session, before, &Form::default(), FieldErrors::default()).await?)
}

/// `POST /settings/api-keys`: the answer shows the key, once.
pub async fn create(
    State(state): State<WebState>,
    session: UserSession,
    headers: HeaderMap,
    form: Form,
) -> PageResult {
    let errors = match expiry(form.text("lifetime"), session.context.now) {
        Ok(expires_at) => {
            let draft = KeyDraft {
                name: form.text("name").to_owned(),
                scopes: form.all("scopes"),
                services: ticked(&form, "services"),
                events: ticked(&form, "events"),
                expires_at,
            };
            let held = session.user.role.scopes();
            match state.actions.create_key(session.actor(), held, draft).await {
                Ok((key, secret)) => return made(&state, &session, &headers, key, &secret).await,
                Err(error) => FieldErrors::of(error)?,
            }
        }
        Err(errors) => errors,
    };
    render_refused(&ApiKeysPage::load(&state, &session, "", &form, errors).await?)
}

/// The page that shows a key, once.
async fn made(
    state: &WebState,
    session: &UserSession,
    headers: &HeaderMap,
    key: ApiKey,
    secret: &SecretText,
) -> PageResult {
    let one = Page {
        limit: 1,
        before: None,
    };
    let services = state.store.services.list(one).await?;
    let service = services.first().map(|service| service.id);
    let errors = FieldErrors::default();
    let mut page = ApiKeysPage::load(state, session, "", &Form::default(), errors).await?;
    page.made = Some(MadeKey {
        example: example(
            &base_url(state.settings.public_url.as_ref(), headers),
            secret.reveal(),
            key.scopes,
            service,
        ),
        name: key.name,
        key: secret.reveal().to_owned(),
    });
    render(&page)
}

/// `POST /settings/api-keys/{id}/revoke`
pub async fn revoke(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<KeyId>,
) -> PageResult {
    state.actions.revoke_key(session.actor(), id).await?;
    go("/settings/api-keys", "revoked")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::access::KeyHash;
    use model::event::EventSet;

    fn key(expires_at: Option<Timestamp>, revoked_at: Option<Timestamp>) -> ApiKey {
        ApiKey {
            id: KeyId::from_bytes([1; 16]),
            name: "ci".to_owned(),
            hash: KeyHash::new("ok_x"),
            hint: "ok_x".to_owned(),
            scopes: ScopeSet::all(),
            restriction: Restriction::default(),
            created_at: Timestamp::EPOCH,
            expires_at,
            revoked_at,
            last_used_at: None,
        }
    }

    #[test]
    fn a_key_that_is_revoked_is_not_called_expired() {
        let now = Timestamp::from_millis(1000);
        let states = [
            KeyState::new(&key(None, None), now),
            KeyState::new(&key(Some(now), None), now),
            KeyState::new(&key(Some(now), Some(now)), now),
        ];
        assert_eq!(states, [KeyState::Usable, KeyState::Expired, KeyState::Revoked]);
    }

    #[test]
    fn a_lifetime_counts_from_now_and_must_be_one_of_those_offered() {
        let month = expiry("30d", Timestamp::EPOCH).ok().flatten();
        assert_eq!(month, Some(Timestamp::from_millis(30 * 24 * 3600 * 1000)));
        assert!(expiry("never", Timestamp::EPOCH).is_ok_and(|at| at.is_none()));
        assert!(expiry("", Timestamp::EPOCH).is_err());
    }

    #[test]
    fn the_example_is_something_that_the_key_may_do() {
        let path = |scopes: &[Scope]| example_path(ScopeSet::new(scopes));
        assert_eq!(path(&[Scope::EventsRead]), "/api/v1/events?limit=1");
        assert_eq!(path(&[Scope::WebhooksTest]), "/api/v1/openapi.json");
        let service = Some(ServiceId::from_bytes([1; 16]));
        let command = |scopes: &[Scope]| example("http://x", "ok_1", ScopeSet::new(scopes), service);
        assert!(command(&[Scope::IncidentsWrite]).contains("--json"));
        let reads_too = command(&[Scope::IncidentsWrite, Scope::IncidentsRead]);
        assert_eq!(
            reads_too,
            "curl 'http://x/api/v1/incidents?limit=1' \\\n  -H 'Authorization: Bearer ok_1'"
        );
    }

    #[test]
    fn a_restriction_is_told_by_name_and_by_id_where_the_service_is_gone() {
        let (known, gone) = (ServiceId::from_bytes([1; 16]), ServiceId::from_bytes([2; 16]));
        let service = Service {
            id: known,
            name: "API".to_owned(),
            description: None,
            policy_id: None,
            created_at: Timestamp::EPOCH,
        };
        let events = EventSet::new(&[EventName::Resolved]);
        let restriction = Restriction::new(vec![known, gone], Some(events));
        let told = only(&restriction, &[service]);
        assert_eq!(
            told,
            ["API".to_owned(), gone.to_string(), "incident.resolved".to_owned()]
        );
    }

    #[test]
    fn all_scopes_together_are_everything() {
        assert_eq!(names_of(ScopeSet::all()), ["everything"]);
        assert_eq!(names_of(ScopeSet::new(&[Scope::Admin])), ["admin"]);
    }
}
