//! People: the first administrator, signing in and out, passwords, one-time links.

use std::time::Duration;

use crate::access::SetupToken;
use crate::catalog::{MAX_NAME_LENGTH, check_email};
use crate::checks::Checks;
use crate::password::{Asker, check_password};
use crate::second_factor::Proven;
use crate::{ActionError, Actions};
use model::access::{KeyHash, Role};
use model::audit::{Actor, Change};
use model::device::{device_token, is_device_of};
use model::digest::sha256;
use model::display::{ClockFormat, TimeDisplay};
use model::id::{AuditId, SessionId, UserId};
use model::identity::{Identity, ProvenPerson};
use model::secret::SecretText;
use model::session::{SIGN_IN_LINK_LIFETIME, Session};
use model::time::Timestamp;
use model::user::User;
use store::{StoreError, log_store_failure};

/// The longest address and browser name that a session keeps, in bytes.
const MAX_ORIGIN_BYTES: usize = 300;

/// How long refusals are counted together, in milliseconds.
const HOUR_MILLIS: i64 = 3_600_000;

/// Why somebody could not sign in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The address, the password or the link is wrong; which one is not told.
    #[error("the address or the password is wrong")]
    Refused,
    /// Something else.
    #[error(transparent)]
    Failed(#[from] ActionError),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Whose passwords are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PasswordRule {
    #[default]
    Everybody,
    /// Those of these addresses: for the day on which the provider that people sign in by fails.
    Only(Vec<String>),
}

impl PasswordRule {
    /// Whether somebody's password is accepted.
    pub fn admits(&self, user: &User) -> bool {
        let Self::Only(addresses) = self else {
            return true;
        };
        let own = user.email.as_deref().unwrap_or_default();
        addresses.iter().any(|address| address.eq_ignore_ascii_case(own))
    }
}

/// Why somebody whom the provider has proven is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// None of their groups brings a role.
    #[error("none of the groups brings a role")]
    NoRole,
    /// A user has their address, and is not known to be them.
    #[error("there is a user with this address who does not sign in by the provider")]
    AddressTaken,
    /// Something else.
    #[error(transparent)]
    Failed(#[from] ActionError),
}

/// A new password, typed twice.
#[derive(Clone)]
pub struct NewPassword {
    /// What was typed first.
    pub password: String,
    /// What was typed again.
    pub again: String,
}

/// The first administrator, as they describe themselves.
#[derive(Clone)]
pub struct FirstAdmin {
    pub name: String,
    /// The address to sign in with.
    pub email: String,
    pub password: NewPassword,
}

/// Where somebody signs in from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The network address.
    pub address: String,
    /// The browser, as it names itself.
    pub agent: String,
}

/// What the browser of somebody who signed in is given. Both are shown to it only.
pub struct SignedIn {
    /// The token of the new session.
    pub session: SecretText,
    /// The token by which the device is known from now on.
    pub device: Option<SecretText>,
}

impl Actions {
    /// Whether nobody can sign in yet.
    pub async fn needs_first_admin(&self) -> Result<bool, ActionError> {
        Ok(!self.store.sign_in.has_passwords().await?)
    }

    /// Makes the first person who can sign in, an administrator, by the token that the server printed at its start.
    pub async fn create_first_admin(
        &self,
        setup: &SetupToken,
        token: &str,
        draft: FirstAdmin,
    ) -> Result<User, ActionError> {
        if !setup.accepts(token) {
            return Err(ActionError::SetupRefused);
        }
        let mut checks = Checks::new();
        checks.name("name", &draft.name, MAX_NAME_LENGTH);
        check_email(&mut checks, &draft.email);
        check_password(
            &mut checks,
            "password",
            &draft.password.password,
            &draft.password.again,
        );
        checks.finish(|| ())?;
        let password = self
            .passwords
            .hash(draft.password.password, self.source.random())
            .await?;
        let change = self.source.change(Actor::System);
        let user = User {
            id: self.source.new_user_id(),
            name: draft.name,
            email: Some(draft.email),
            role: Role::Admin,
            created_at: change.at,
            display: TimeDisplay::default(),
        };
        match self
            .store
            .sign_in
            .create_first_admin(user, password, change)
            .await
        {
            Ok(user) => {
                setup.use_up();
                Ok(user)
            }
            Err(StoreError::Conflict(_)) => {
                setup.use_up();
                Err(ActionError::SetupRefused)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sets how somebody wants times to be shown; a zone that is empty is the browser's.
    pub async fn set_time_display(
        &self,
        user: &User,
        zone: &str,
        clock: ClockFormat,
    ) -> Result<(), ActionError> {
        let mut checks = Checks::new();
        let name = match zone {
            "" => None,
            zone => checks.time_zone("timeZone", zone),
        };
        checks.finish(|| ())?;
        let (change, display) = (
            self.source.change(actor_of(user)),
            TimeDisplay { zone: name, clock },
        );
        Ok(self.store.users.set_display(user.id, display, change).await?)
    }

    /// Whether somebody with this address has signed in with a device before.
    pub async fn knows_device(&self, email: String, token: &str) -> Result<bool, ActionError> {
        let Some(record) = self.store.sign_in.find_by_email(email).await? else {
            return Ok(false);
        };
        let now = self.source.now();
        let is_theirs = |password| is_device_of(record.user.id, password, token, now);
        Ok(record.password.as_ref().is_some_and(is_theirs))
    }

    /// Signs somebody in.
    pub async fn sign_in(
        &self,
        email: String,
        password: String,
        origin: Origin,
        asker: Asker,
    ) -> Result<Proven, SignInError> {
        let record = self.store.sign_in.find_by_email(email).await?;
        let address = origin.address.clone();
        let (user, expected) = match record {
            Some(record) => (Some(record.user), record.password),
            None => (None, None),
        };
        let fits = self.passwords.verify(password, expected, asker).await?;
        match user {
            Some(user) if fits && self.password_rule.admits(&user) => {
                Ok(self.after_password(&user, origin).await?)
            }
            user => {
                let why = match &user {
                    Some(user) if fits => format!("the settings accept no password of \"{}\"", user.name),
                    Some(user) => format!("the password of \"{}\" was wrong", user.name),
                    None => "nobody has the address".to_owned(),
                };
                self.note_refusal(user.as_ref(), &why, &address).await;
                Err(SignInError::Refused)
            }
        }
    }

    /// Notes in the audit log that somebody was refused: once an hour for each person and reason, with how often. That it cannot be
    /// noted lets nobody in.
    pub(crate) async fn note_refusal(&self, user: Option<&User>, why: &str, address: &str) {
        let subject = user.map_or_else(|| "nobody".to_owned(), |user| user.id.to_string());
        let change = self.source.change(Actor::System);
        let now = change.at.as_millis();
        let hour = Timestamp::from_millis(now - now.rem_euclid(HOUR_MILLIS));
        let digest = sha256([subject.as_bytes(), b"\n", why.as_bytes()]);
        let random = digest.first_chunk().copied().unwrap_or_default();
        let change = Change {
            audit_id: AuditId::new(hour, random),
            ..change
        };
        let detail = format!("refused a sign-in, last from {}: {why}", cut(address));
        if let Err(error) = self.store.access.note_refusal(subject, detail, change).await {
            log_store_failure!(error, "the audit log does not say that a sign-in was refused");
        }
    }

    /// Signs somebody in whom the provider has proven, with the role that their groups bring. Whoever has none any more is out,
    /// and their sessions end.
    pub async fn admit(
        &self,
        person: ProvenPerson,
        role: Option<Role>,
        origin: Origin,
    ) -> Result<SignedIn, AdmissionError> {
        let Some(role) = role else {
            let known = self.store.identities.find(person.identity).await;
            if let Some(user) = known.map_err(ActionError::from)? {
                let why = format!("no group of \"{}\" brings a role", user.name);
                self.note_refusal(Some(&user), &why, &origin.address).await;
                self.end_every_session(Actor::System, user.id).await?;
            }
            return Err(AdmissionError::NoRole);
        };
        let (id, change) = (self.source.new_user_id(), self.source.change(Actor::System));
        match self.store.identities.admit(person, role, id, change).await {
            Ok(user) => Ok(self.begin_session(&user, origin).await?),
            Err(StoreError::Taken { .. }) => Err(AdmissionError::AddressTaken),
            Err(error) => Err(AdmissionError::Failed(error.into())),
        }
    }

    /// Lets a user sign in by the provider from now on.
    pub async fn connect_identity(&self, user: &User, identity: Identity) -> Result<(), ActionError> {
        let change = self.source.change(actor_of(user));
        Ok(self.store.identities.link(identity, user.id, change).await?)
    }

    /// Lets a user no longer sign in by the provider, and ends their sessions.
    pub async fn disconnect_identities(&self, actor: Actor, user_id: UserId) -> Result<(), ActionError> {
        let change = self.source.change(actor);
        self.store.identities.unlink(user_id, change).await?;
        Ok(())
    }

    async fn end_every_session(&self, actor: Actor, user_id: UserId) -> Result<(), ActionError> {
        for session in self.store.sessions.list(user_id, self.source.now()).await? {
            match self.end_session(actor.clone(), user_id, session.id).await {
                // One that ended by itself meanwhile has ended all the same.
                Ok(()) | Err(ActionError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Begins a session for somebody who has proven who they are.
    pub async fn begin_session(&self, user: &User, origin: Origin) -> Result<SignedIn, ActionError> {
        let token = format!("ses_{}", hex::encode(self.source.random::<32>()));
        let change = self.source.change(actor_of(user));
        let session = Session {
            id: self.source.new_session_id(),
            user_id: user.id,
            hash: KeyHash::new(&token),
            created_at: change.at,
            last_seen_at: change.at,
            address: cut(&origin.address),
            agent: cut(&origin.agent),
        };
        let now = change.at;
        self.store.sessions.begin(session, change).await?;
        let password = self.store.sign_in.find_by_id(user.id).await?.password;
        let nonce = self.source.random();
        Ok(SignedIn {
            session: SecretText::new(token),
            device: password.map(|password| device_token(user.id, &password, now, nonce)),
        })
    }

    /// Ends one session of a person.
    pub async fn end_session(&self, actor: Actor, user_id: UserId, id: SessionId) -> Result<(), ActionError> {
        let change = self.source.change(actor);
        Ok(self.store.sessions.end(user_id, id, change).await?)
    }

    /// Gives a person who knows their password another one. All of their sessions end.
    pub async fn change_password(
        &self,
        user: &User,
        present: String,
        new: NewPassword,
    ) -> Result<(), ActionError> {
        let mut checks = Checks::new();
        check_password(&mut checks, "password", &new.password, &new.again);
        checks.finish(|| ())?;
        self.expect_password(user, present).await?;
        let password = self.passwords.hash(new.password, self.source.random()).await?;
        let change = self.source.change(actor_of(user));
        Ok(self.store.sign_in.set_password(user.id, password, change).await?)
    }

    /// Makes a one-time link with which a person sets their password, instead of any earlier one. Answers with its token,
    /// which is shown once, and when it ends.
    pub async fn create_sign_in_link(
        &self,
        actor: Actor,
        user_id: UserId,
    ) -> Result<(SecretText, Timestamp), ActionError> {
        let user = self.store.users.get(user_id).await?;
        if user.email.is_none() {
            return Err(ActionError::Conflict(
                "the user has no address to sign in with: give them one first".into(),
            ));
        }
        if !self.password_rule.admits(&user) {
            return Err(ActionError::Conflict(
                "the settings accept no password of this user (oidc.passwords): they sign in by the provider"
                    .into(),
            ));
        }
        self.make_link(actor, user_id, SIGN_IN_LINK_LIFETIME).await
    }

    /// Makes a one-time link that works for so long.
    pub(crate) async fn make_link(
        &self,
        actor: Actor,
        user_id: UserId,
        lifetime: Duration,
    ) -> Result<(SecretText, Timestamp), ActionError> {
        let token = format!("link_{}", hex::encode(self.source.random::<24>()));
        let change = self.source.change(actor);
        let expires_at = change.at.plus(lifetime);
        let links = &self.store.sign_in;
        links
            .create_link(KeyHash::new(&token), user_id, expires_at, change)
            .await?;
        Ok((SecretText::new(token), expires_at))
    }

    /// Whose one-time link this is, while it works.
    pub async fn find_sign_in_link(&self, token: &str) -> Result<Option<User>, ActionError> {
        let now = self.source.now();
        Ok(self.store.sign_in.find_link(KeyHash::new(token), now).await?)
    }

    /// Uses a one-time link up: the person has a new password, and is let in. All of their earlier sessions end.
    pub async fn use_sign_in_link(
        &self,
        token: &str,
        new: NewPassword,
        origin: Origin,
    ) -> Result<Proven, SignInError> {
        let mut checks = Checks::new();
        check_password(&mut checks, "password", &new.password, &new.again);
        checks.finish(|| ())?;
        let hash = KeyHash::new(token);
        let now = self.source.now();
        let Some(user) = self.store.sign_in.find_link(hash, now).await? else {
            return Err(SignInError::Refused);
        };
        if !self.password_rule.admits(&user) {
            return Err(SignInError::Refused);
        }
        let password = self.passwords.hash(new.password, self.source.random()).await?;
        let change = self.source.change(actor_of(&user));
        match self.store.sign_in.use_link(hash, password, change).await {
            Ok(user) => Ok(self.after_password(&user, origin).await?),
            Err(StoreError::NotFound { .. }) => Err(SignInError::Refused),
            Err(error) => Err(error.into()),
        }
    }
}

/// A person as the one who does something.
pub fn actor_of(user: &User) -> Actor {
    Actor::User {
        id: user.id,
        name: user.name.clone(),
    }
}

fn cut(text: &str) -> String {
    let mut text: String = text.chars().filter(|character| !character.is_control()).collect();
    text.truncate(text.floor_char_boundary(MAX_ORIGIN_BYTES));
    text
}
