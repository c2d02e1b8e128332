//! What stands around every page: title, navigation, who is signed in, light or dark, and what was just done.

pub mod assets;
pub mod choices;
pub mod error;
pub mod error_page;
pub mod export;
pub mod form;
pub mod linked;
pub mod live;
pub mod not_found;
pub mod paging;
pub mod query;
pub mod show;
pub mod typed_secrets;

use std::borrow::Cow;

use askama::Template;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::StatusCode;

use crate::incidents::bulk::BulkTally;
use crate::layout::error::{PageError, PageResult};
use crate::session::{RequestContext, UserSession};
use model::access::{Scope, ScopeSet};
use model::display::ClockFormat;

/// A place in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nav {
    /// Nowhere in it.
    Nowhere,
    /// Everything at a glance.
    Dashboard,
    Incidents,
    Services,
    Users,
    /// Escalation policies.
    Policies,
    Insights,
    Deliveries,
    /// Dead deliveries.
    Dead,
    /// Webhooks.
    Integrations,
    /// Inboxes.
    Inbox,
    ApiKeys,
    /// The audit log.
    Audit,
    /// The installation.
    System,
    /// The API's reference.
    Api,
    /// The documents.
    Help,
}

/// A link of the navigation.
pub struct NavLink {
    /// Where it leads.
    pub path: &'static str,
    /// What it says.
    pub name: &'static str,
    /// Its mark, by name.
    pub icon: &'static str,
    /// Whether the page lies there.
    pub is_here: bool,
}

/// A group of links.
pub struct NavGroup {
    /// What stands above it.
    pub name: &'static str,
    pub links: Vec<NavLink>,
}

/// Who is signed in, as pages show it.
#[derive(Debug, Clone)]
pub struct LayoutPerson {
    pub name: String,
    /// The first letters of their name.
    pub initials: String,
    pub role: &'static str,
}

/// A sentence about what was just done.
#[derive(Debug, Clone)]
pub struct Flash {
    /// `success`, `info` or `warning`.
    pub tone: &'static str,
    pub sentence: Cow<'static, str>,
}

/// What stands around a page.
#[derive(Debug, Clone)]
pub struct Layout {
    /// What the page is about.
    pub title: String,
    /// Where it lies.
    pub nav: Nav,
    /// Who is signed in.
    pub person: Option<LayoutPerson>,
    /// The token that every form carries.
    pub csrf: String,
    /// `system`, `light` or `dark`.
    pub theme: &'static str,
    /// `wide` or `narrow`.
    pub sidebar: &'static str,
    /// The time zone in which times are shown; the browser's if empty.
    pub zone: String,
    /// By which clock, in the words of `Intl`: `h23`, `h12`, or empty for the language's.
    pub hour_cycle: &'static str,
    /// What was just done.
    pub flash: Option<Flash>,
    /// Whether this is a server for development.
    pub is_dev: bool,
    /// A token for a form that must not act twice.
    pub form_nonce: String,
    /// Path and query of the page.
    pub target: String,
    /// When the page was made: relative times count from the server's clock, not the viewer's.
    pub served_at: String,
    scopes: ScopeSet,
}

impl Layout {
    /// The layout of a page for somebody who is signed in.
    pub fn new(session: &UserSession, title: impl Into<String>, nav: Nav) -> Self {
        let mut layout = Self::open(title, &session.context);
        layout.nav = nav;
        layout.csrf.clone_from(&session.csrf);
        layout.scopes = session.user.role.scopes();
        let display = &session.user.display;
        layout.zone = display
            .zone
            .as_ref()
            .map_or_else(String::new, |zone| zone.as_str().to_owned());
        layout.hour_cycle = match display.clock {
            ClockFormat::Language => "",
            ClockFormat::Hours24 => "h23",
            ClockFormat::Hours12 => "h12",
        };
        layout.person = Some(LayoutPerson {
            initials: initials(&session.user.name),
            name: session.user.name.clone(),
            role: session.user.role.as_str(),
        });
        layout
    }

    /// The layout of a page that lies nowhere.
    pub fn bare(session: &UserSession) -> Self {
        Self::new(session, "", Nav::Nowhere)
    }

    /// The layout of a page for everybody.
    pub fn open(title: impl Into<String>, context: &RequestContext) -> Self {
        Self {
            title: title.into(),
            nav: Nav::Nowhere,
            person: None,
            csrf: String::new(),
            theme: context.theme.as_str(),
            sidebar: context.sidebar.as_str(),
            zone: String::new(),
            hour_cycle: "",
            flash: context.flash.as_deref().and_then(note_of),
            is_dev: context.is_dev,
            form_nonce: context.form_nonce.clone(),
            target: context.target.clone(),
            served_at: context.now.to_string(),
            scopes: ScopeSet::default(),
        }
    }

    /// The same with another title.
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Whether the session has a right, by its name.
    pub fn may(&self, scope: &str) -> bool {
        Scope::parse(scope).is_some_and(|scope| self.scopes.contains(scope))
    }

    /// Where a file of ours is.
    pub fn asset(&self, name: &str) -> String {
        assets::path_of(name)
    }

    /// The links that the session may follow, in groups.
    pub fn navigation(&self) -> Vec<NavGroup> {
        let link = |nav: Nav, path, name, icon| NavLink {
            path,
            name,
            icon,
            is_here: self.nav == nav,
        };
        let is_admin = self.may("admin");
        let mut settings = vec![
            link(
                Nav::Integrations,
                "/settings/integrations",
                "Integrations",
                "plug",
            ),
            link(Nav::Inbox, "/settings/inbox", "Inbox", "inbox"),
        ];
        if is_admin {
            settings.push(link(Nav::ApiKeys, "/settings/api-keys", "API Keys", "key"));
            settings.push(link(Nav::Audit, "/settings/audit-log", "Audit Log", "list"));
        }
        settings.push(link(Nav::System, "/settings/system", "System", "server"));
        let help = vec![
            link(Nav::Api, "/docs/api", "API Reference", "code"),
            link(Nav::Help, "/docs", "Documentation", "book"),
        ];
        let group = |name, links| NavGroup { name, links };
        vec![
            group(
                "",
                vec![
                    link(Nav::Dashboard, "/", "Dashboard", "home"),
                    link(Nav::Incidents, "/incidents", "Incidents", "alert"),
                    link(Nav::Services, "/services", "Services", "box"),
                ],
            ),
            group(
                "Operations",
                vec![
                    link(Nav::Users, "/users", "Users", "users"),
                    link(
                        Nav::Policies,
                        "/escalation-policies",
                        "Escalation Policies",
                        "steps",
                    ),
                ],
            ),
            group(
                "Insights",
                vec![
                    link(Nav::Insights, "/insights", "Insights", "bars"),
                    link(Nav::Deliveries, "/deliveries", "Deliveries", "send"),
                    link(Nav::Dead, "/dead", "Dead", "cross"),
                ],
            ),
            group("Settings", settings),
            group("Help", help),
        ]
    }
}

/// The first letters of the first and the last word of a name.
pub fn initials(name: &str) -> String {
    let words: Vec<_> = name.split_whitespace().collect();
    let first = words.first();
    let last = words.last().filter(|_| words.len() > 1);
    let letters = first
        .into_iter()
        .chain(last)
        .filter_map(|word| word.chars().next());
    letters.flat_map(char::to_uppercase).collect()
}

/// What a code in the address says was done. Only these sentences can be shown so.
fn note_of(code: &str) -> Option<Flash> {
    let (tone, sentence) = match code {
        "saved" => ("success", "Saved."),
        "noted" => ("success", "Noted."),
        "created" => ("success", "Created."),
        "deleted" => ("success", "Deleted."),
        "acknowledged" => (
            "success",
            "Acknowledged. Every webhook that wants to know is told.",
        ),
        "resolved" => ("success", "Resolved. Every webhook that wants to know is told."),
        "escalated" => ("success", "Escalated. Every webhook that wants to know is told."),
        "reopened" => ("success", "Reopened. Every webhook that wants to know is told."),
        "triggered" => ("success", "Triggered. Every webhook that wants to know is told."),
        "was-open" => (
            "info",
            "An open incident has this deduplication key: here it is. No event was made.",
        ),
        "unchanged" => (
            "info",
            "It was so already: nothing was changed, no event was made.",
        ),
        "refused" => (
            "warning",
            "That does not apply to the incident's present status. Somebody may have been faster.",
        ),
        "replayed" => (
            "success",
            "Replayed: a fresh schedule has begun. The history stays.",
        ),
        "some-replayed" => ("info", "Replayed, but for those that are still open or gone."),
        "none-chosen" => ("warning", "Nothing was chosen."),
        "inbox-in-use" => ("info", "This webhook leads to the inbox already."),
        "retried" => ("success", "The next attempt is due now. This page follows it."),
        "not-waiting" => ("info", "It does not wait for its time: nothing was changed."),
        "given-up" => ("success", "Given up: it is not sent any more."),
        "not-given-up" => ("info", "It does not wait any more: nothing was changed."),
        "still-open" => ("info", "The delivery is still open: there is nothing to replay."),
        "recovered" => (
            "success",
            "Recovered: every dead delivery of that time has a fresh schedule.",
        ),
        "recovering" => (
            "info",
            "Recovering: part of it has a fresh schedule. Recover again for the rest.",
        ),
        "enabled" => ("success", "Enabled. What was held is being sent, in order."),
        "disabled" => ("success", "Disabled."),
        "revoked" => ("success", "Revoked. The key opens nothing any more."),
        "cleared" => ("success", "Emptied."),
        "inbox-used" => (
            "success",
            "Created. Its secret is the inbox's, so signatures are checked there: press Send Test and look into the inbox.",
        ),
        "backed-up" => ("success", "The backup is written."),
        _ => return ticket_note_of(code),
    };
    Some(flash(tone, sentence))
}

/// The same about people and how they come in.
fn people_note_of(code: &str) -> Option<Flash> {
    let (tone, sentence) = match code {
        "session-ended" => ("info", "Your session has ended. Sign in and do it again."),
        "signed-out" => ("info", "You are signed out."),
        "password-changed" => (
            "success",
            "The password is changed and every session has ended. Sign in anew.",
        ),
        "invited" => (
            "success",
            "A sign-in link is on its way by mail. It works once, for three days.",
        ),
        "second-factor-removed" => (
            "success",
            "The second factor is removed: the password alone is enough.",
        ),
        "passkey-added" => (
            "success",
            "The passkey is added. Next time, press Sign in with a passkey.",
        ),
        "passkey-removed" => (
            "success",
            "The passkey is removed: it opens nothing here any more.",
        ),
        "passkeys-removed" => (
            "success",
            "The person's passkeys are removed: they sign in with their password.",
        ),
        "connected" => (
            "success",
            "Connected. You may sign in by the provider from now on; your role follows your groups there.",
        ),
        "disconnected" => (
            "success",
            "Disconnected. The person cannot sign in by the provider any more, and their sessions have ended.",
        ),
        "ended" => ("success", "The session has ended."),
        "all-ended" => (
            "success",
            "The sessions have ended: those browsers have to sign in anew.",
        ),
        _ => return BulkTally::parse(code).map(BulkTally::flash),
    };
    Some(flash(tone, sentence))
}

/// The same about tickets.
fn ticket_note_of(code: &str) -> Option<Flash> {
    let (tone, sentence) = match code {
        "ticket-asked" => ("success", "A ticket is on its way. This page follows it."),
        "ticket-linked" => ("success", "Linked. The ticket is told of the incident."),
        "ticket-unlinked" => ("success", "Unlinked. The ticket stays as it is."),
        "ticket-telling" => ("info", "The ticket is being told what it was not told yet."),
        "ticket-followed" => ("success", "The incident is now as the ticket says."),
        "ticket-in-line" => ("info", "Incident and ticket are in sync."),
        "ticket-busy" => (
            "info",
            "An event is on its way to the ticket. Look again in a moment.",
        ),
        _ => return source_note_of(code),
    };
    Some(flash(tone, sentence))
}

/// The same about alert sources.
fn source_note_of(code: &str) -> Option<Flash> {
    let (tone, sentence) = match code {
        "cloned" => ("success", "Cloned. It is disabled: look at it, then enable it."),
        "link-revoked" => ("success", "Revoked. The link opens nothing any more."),
        "key-rotated" => (
            "success",
            "The key is new, and the one before opens nothing any more: change it at the sender.",
        ),
        "tested" => (
            "success",
            "A sample went through the sender's own door. Below is what became of it.",
        ),
        _ => return people_note_of(code),
    };
    Some(flash(tone, sentence))
}

fn flash(tone: &'static str, sentence: &'static str) -> Flash {
    Flash {
        tone,
        sentence: Cow::Borrowed(sentence),
    }
}

/// A page.
pub fn render(page: &impl Template) -> PageResult {
    Ok(render_with(StatusCode::OK, page))
}

/// A form that was not accepted, with what is wrong.
pub fn render_refused(page: &impl Template) -> PageResult {
    Ok(render_with(StatusCode::UNPROCESSABLE_ENTITY, page))
}

/// A page with a status.
pub fn render_with(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => PageError::internal(&format!("a template failed: {error}")).into_response(),
    }
}

/// Leads to a page of ours after something was done.
pub fn go(path: &str, did: &str) -> PageResult {
    let joint = if path.contains('?') { '&' } else { '?' };
    Ok(Redirect::to(&format!("{path}{joint}did={did}")).into_response())
}

/// A path on this server out of a form, or the given one: never another site.
pub fn local_path<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    let is_local = text.starts_with('/')
        && !text.starts_with("//")
        && !text.contains('\\')
        && !text.chars().any(char::is_control);
    if is_local { text } else { otherwise }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_site() {
        let foreign = [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\nb",
            "javascript:x",
        ];
        assert_eq!(foreign.map(|text| local_path(text, "/")), ["/"; 6]);
        assert_eq!(
            local_path("/incidents?status=triggered", "/"),
            "/incidents?status=triggered"
        );
    }

    #[test]
    fn initials_are_the_first_letters_of_first_and_last_name() {
        assert_eq!(["Ada King Lovelace", "zoë", "  "].map(initials), ["AL", "Z", ""]);
    }
}
