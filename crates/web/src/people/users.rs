//! Users: the list, and one of them with their role, their sessions, and the link with which they sign in.

use askama::Template;
use axum::extract::State;
use http::{HeaderMap, StatusCode};

use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::paging::{Pager, page_of};
use crate::layout::query::{PathId, Query};
use crate::layout::show::{self, Markup};
use crate::layout::{Layout, Nav, go, initials, render, render_refused, render_with};
use crate::people::account::{IdentityRow, SessionRow};
use crate::session::UserSession;
use crate::state::WebState;
use actions::catalog::UserDraft;
use actions::{ActionError, Patch};
use config::base_url;
use model::access::{Role, Scope};
use model::id::UserId;
use model::user::User;

/// One person in the list.
struct UserRow {
    id: UserId,
    name: String,
    initials: String,
    email: String,
    role: Markup,
    created: Markup,
}

/// A role that can be chosen.
struct RoleChoice {
    value: &'static str,
    name: &'static str,
    may: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "people/users.html")]
struct UsersPage {
    layout: Layout,
    users: Vec<UserRow>,
    name: String,
    email: String,
    roles: [RoleChoice; 3],
    pager: Pager,
    errors: FieldErrors,
}

impl UsersPage {
    async fn load(
        state: &WebState,
        session: &UserSession,
        before: &str,
        form: &Form,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let now = session.context.now;
        let page = page_of(before);
        let users = state.store.users.list(page).await?;
        let last_id = users.last().map(|user| user.id.as_bytes());
        let pager = Pager::new("/users", &[], page, users.len(), last_id);
        let row = |user: User| UserRow {
            id: user.id,
            initials: initials(&user.name),
            name: user.name,
            email: user.email.unwrap_or_default(),
            role: role_badge(user.role),
            created: show::when(user.created_at, now),
        };
        Ok(Self {
            layout: Layout::new(session, "Users", Nav::Users),
            users: users.into_iter().map(row).collect(),
            name: form.text("name").to_owned(),
            email: form.text("email").to_owned(),
            roles: role_choices(Role::parse(form.text("role")).unwrap_or(Role::Responder)),
            pager,
            errors,
        })
    }
}

/// How a person comes to these pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// With a password.
    Password,
    /// They have an address, and need a link to set a password.
    NeedsLink,
    /// They have no address.
    NeedsAddress,
    /// By the provider, and without a password.
    Provider,
}

impl Access {
    fn new(user: &User, has_password: bool, has_identity: bool) -> Self {
        match (&user.email, has_password, has_identity) {
            (Some(_), true, _) => Self::Password,
            (_, _, true) => Self::Provider,
            (None, _, false) => Self::NeedsAddress,
            (Some(_), false, false) => Self::NeedsLink,
        }
    }
}

/// A one-time link that was just made.
struct Link {
    address: String,
    expires: Markup,
}

#[derive(Template)]
#[template(path = "people/user.html")]
struct UserPage {
    layout: Layout,
    id: UserId,
    /// Whether the session looks at themselves.
    is_self: bool,
    name: String,
    email: String,
    role: Markup,
    roles: [RoleChoice; 3],
    created: Markup,
    access: Access,
    identities: Vec<IdentityRow>,
    has_second_factor: bool,
    /// How many passkeys they have.
    passkeys: usize,
    sends_mail: bool,
    /// Only administrators see them.
    sessions: Vec<SessionRow>,
    link: Option<Link>,
    /// Why the person was not deleted.
    refusal: Option<&'static str>,
    errors: FieldErrors,
}

impl UserPage {
    async fn load(state: &WebState, session: &UserSession, id: UserId) -> Result<Self, PageError> {
        let now = session.context.now;
        let record = state.store.sign_in.find_by_id(id).await?;
        let user = record.user;
        let sessions = if session.may(Scope::Admin) {
            state.store.sessions.list(id, now).await?
        } else {
            Vec::new()
        };
        let identities = IdentityRow::load(state, id, now).await?;
        Ok(Self {
            layout: Layout::new(session, user.name.clone(), Nav::Users),
            id,
            is_self: id == session.user.id,
            access: Access::new(&user, record.password.is_some(), !identities.is_empty()),
            identities,
            sends_mail: state.actions.sends_mail(),
            passkeys: state.store.passkeys.list(id).await?.len(),
            has_second_factor: state.store.second_factors.get(id).await?.is_some(),
            name: user.name,
            email: user.email.unwrap_or_default(),
            role: role_badge(user.role),
            roles: role_choices(user.role),
            created: show::when(user.created_at, now),
            sessions: sessions
                .into_iter()
                .map(|row| SessionRow::new(row, session))
                .collect(),
            link: None,
            refusal: None,
            errors: FieldErrors::default(),
        })
    }

    fn needs_link(&self) -> bool {
        self.access == Access::NeedsLink
    }

    fn needs_address(&self) -> bool {
        self.access == Access::NeedsAddress
    }

    fn has_password(&self) -> bool {
        self.access == Access::Password
    }
}

fn role_badge(role: Role) -> Markup {
    match role {
        Role::Admin => show::badge("info", "Admin"),
        Role::Responder => show::badge("success", "Responder"),
        Role::Viewer => show::badge("neutral", "Viewer"),
    }
}

fn role_choices(chosen: Role) -> [RoleChoice; 3] {
    let choice = |role: Role, name, may| RoleChoice {
        value: role.as_str(),
        name,
        may,
        is_chosen: role == chosen,
    };
    [
        choice(
            Role::Responder,
            "Responder",
            "Works on incidents, sends tests, replays deliveries",
        ),
        choice(Role::Viewer, "Viewer", "Looks at everything and changes nothing"),
        choice(
            Role::Admin,
            "Admin",
            "Does all of that, and changes webhooks, users and keys",
        ),
    ]
}

fn draft_of(form: &Form) -> UserDraft {
    UserDraft {
        name: Patch::Set(form.text("name").to_owned()),
        email: form.optional("email").map_or(Patch::Clear, Patch::Set),
        role: Role::parse(form.text("role")).map_or(Patch::Keep, Patch::Set),
    }
}

/// Nobody takes their own rights away by a slip, nor their own way in: so somebody who can give them back always
/// remains.
fn check_self(session: &User, id: UserId, draft: &UserDraft) -> Option<FieldErrors> {
    if session.id != id {
        return None;
    }
    if matches!(draft.role, Patch::Set(role) if role != session.role) {
        let detail = "another administrator has to change your role";
        return Some(FieldErrors::one("role", detail));
    }
    if draft.email == Patch::Clear {
        let detail = "without an address you could not sign in any more";
        return Some(FieldErrors::one("email", detail));
    }
    None
}

/// `GET /users`
pub async fn page(State(state): State<WebState>, session: UserSession, query: Query) -> PageResult {
    let before = query.text("before");
    render(&UsersPage::load(&state, &session, before, &Form::default(), FieldErrors::default()).await?)
}

/// `POST /users`
pub async fn create(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    match state
        .actions
        .create_user(session.actor(), session.user.role.scopes(), draft_of(&form))
        .await
    {
        Ok(user) => go(&format!("/users/{}", user.id), "created"),
        Err(error) => {
            let errors = FieldErrors::of(error)?;
            render_refused(&UsersPage::load(&state, &session, "", &form, errors).await?)
        }
    }
}

/// `GET /users/{id}`
pub async fn one(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<UserId>,
) -> PageResult {
    render(&UserPage::load(&state, &session, id).await?)
}

/// `POST /users/{id}`
pub async fn change(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<UserId>,
    form: Form,
) -> PageResult {
    let draft = draft_of(&form);
    let errors = match check_self(&session.user, id, &draft) {
        Some(errors) => errors,
        None => match state
            .actions
            .change_user(session.actor(), session.user.role.scopes(), id, draft)
            .await
        {
            Ok(_) => return go(&format!("/users/{id}"), "saved"),
            Err(error) => FieldErrors::of(error)?,
        },
    };
    let mut page = UserPage::load(&state, &session, id).await?;
    page.name = form.text("name").to_owned();
    page.email = form.text("email").to_owned();
    if let Some(role) = Role::parse(form.text("role")) {
        page.roles = role_choices(role);
    }
    page.errors = errors;
    render_refused(&page)
}

/// `POST /users/{id}/delete`
pub async fn delete(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<UserId>,
) -> PageResult {
    let refusal = if id == session.user.id {
        "You cannot delete yourself: another administrator has to do it."
    } else {
        match state
            .actions
            .delete_user(session.actor(), session.user.role.scopes(), id)
            .await
        {
            Ok(()) => return go("/users", "deleted"),
            Err(ActionError::InUse { used_by, .. }) => refusal_of(used_by),
            Err(error) => return Err(error.into()),
        }
    };
    let mut page = UserPage::load(&state, &session, id).await?;
    page.refusal = Some(refusal);
    Ok(render_with(StatusCode::CONFLICT, &page))
}

/// Why a person whom something names stays, and what to do instead.
fn refusal_of(used_by: &str) -> &'static str {
    match used_by {
        "incidents" => {
            "The person stays: incidents are or were theirs. To keep them out, take their address away, so that they \
             cannot sign in, and end their sessions."
        }
        "escalation policies" => {
            "The person stays for now: an escalation policy names them. Put somebody else there first."
        }
        _ => "The person stays for now: something names them.",
    }
}

/// `POST /users/{id}/sign-in-link`: the answer shows the link, once.
pub async fn create_link(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<UserId>,
    headers: HeaderMap,
) -> PageResult {
    let (token, expires_at) = state.actions.create_sign_in_link(session.actor(), id).await?;
    let mut page = UserPage::load(&state, &session, id).await?;
    page.link = Some(Link {
        address: format!(
            "{}/welcome?token={}",
            base_url(state.settings.public_url.as_ref(), &headers),
            token.reveal()
        ),
        expires: show::when_exactly(expires_at),
    });
    render(&page)
}

/// `POST /users/{id}/disconnect`: the person no longer signs in by the provider.
pub async fn disconnect(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<UserId>,
) -> PageResult {
    state.actions.disconnect_identities(session.actor(), id).await?;
    go(&format!("/users/{id}"), "disconnected")
}

/// `POST /users/{id}/second-factor/delete`: as when they have lost it.
pub async fn reset_second_factor(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<UserId>,
) -> PageResult {
    state.actions.reset_second_factor(session.actor(), id).await?;
    go(&format!("/users/{id}"), "second-factor-removed")
}

/// `POST /users/{id}/passkeys/delete`: as when they have lost them.
pub async fn reset_passkeys(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<UserId>,
) -> PageResult {
    state.actions.reset_passkeys(session.actor(), id).await?;
    go(&format!("/users/{id}"), "passkeys-removed")
}

/// `POST /users/{id}/invite`: the sign-in link goes by mail.
pub async fn invite(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<UserId>,
) -> PageResult {
    state.actions.invite(session.actor(), id).await?;
    go(&format!("/users/{id}"), "invited")
}

/// `POST /users/{id}/sessions/end`: every session of a person, but for the one that asks.
pub async fn end_sessions(
    State(state): State<WebState>,
    session: UserSession,
    PathId(id): PathId<UserId>,
) -> PageResult {
    let sessions = state.store.sessions.list(id, session.context.now).await?;
    for other in sessions {
        if other.id == session.session.id {
            continue;
        }
        match state.actions.end_session(session.actor(), id, other.id).await {
            // One that ended by itself meanwhile has ended all the same.
            Ok(()) | Err(ActionError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    go(&format!("/users/{id}"), "all-ended")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::display::TimeDisplay;
    use model::time::Timestamp;

    fn user(email: Option<&str>) -> User {
        User {
            id: UserId::from_bytes([1; 16]),
            name: "Ada".to_owned(),
            email: email.map(str::to_owned),
            role: Role::Admin,
            created_at: Timestamp::EPOCH,
            display: TimeDisplay::default(),
        }
    }

    #[test]
    fn a_person_signs_in_with_an_address_and_a_password() {
        let with_address = user(Some("ada@example.com"));
        let accesses = [
            Access::new(&with_address, true, false),
            Access::new(&with_address, false, false),
            Access::new(&user(None), true, false),
            Access::new(&user(None), false, true),
        ];
        let expected = [
            Access::Password,
            Access::NeedsLink,
            Access::NeedsAddress,
            Access::Provider,
        ];
        assert_eq!(accesses, expected);
    }

    #[test]
    fn a_form_without_an_address_takes_it_away_and_one_without_a_role_keeps_it() {
        let draft = draft_of(&Form::new(&[("name", "Ada"), ("email", " ")]));
        assert_eq!((draft.email, draft.role), (Patch::Clear, Patch::Keep));
    }

    #[test]
    fn nobody_takes_their_own_rights_or_their_own_way_in() {
        let ada = user(Some("ada@example.com"));
        let checked = |id, fields: &[(&str, &str)]| check_self(&ada, id, &draft_of(&Form::new(fields)));
        let demoted = checked(ada.id, &[("email", "a@b"), ("role", "viewer")]);
        assert!(demoted.is_some_and(|errors| errors.any_of(&["role"])));
        let locked_out = checked(ada.id, &[("role", "admin")]);
        assert!(locked_out.is_some_and(|errors| errors.any_of(&["email"])));
        assert!(checked(ada.id, &[("email", "new@b"), ("role", "admin")]).is_none());
        assert!(checked(UserId::from_bytes([2; 16]), &[("role", "viewer")]).is_none());
    }

    #[test]
    fn exactly_the_chosen_role_is_marked() {
        let chosen = role_choices(Role::Viewer).map(|choice| (choice.value, choice.is_chosen));
        assert_eq!(chosen, [("responder", false), ("viewer", true), ("admin", false)]);
    }
}
