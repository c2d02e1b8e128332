//! Passkeys: added behind the password, which they stand in for, signed in by, and taken away by their person or an administrator.

use crate::checks::Checks;
use crate::people::{Origin, SignedIn, actor_of};
use crate::{ActionError, Actions};
use model::audit::Actor;
use model::id::{PasskeyId, SessionId, UserId};
use model::passkey::{MAX_PASSKEY_NAME_LENGTH, Passkey};
use model::user::User;
use passkeys::{Assertion, Attestation, CredentialOwner, PasskeyError, Purpose, RelyingParty};
use serde_json::Value;
use store::StoreError;
use store::passkeys::MAX_PASSKEYS_PER_USER;
use store::sign_in::SignInRecord;

/// Whose receipts say that a challenge was answered.
const RECEIPT_OWNER: &str = "passkeys";

/// Why nobody was signed in by a passkey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasskeySignInError {
    /// What is answered was asked in another browser, or too long ago, or was answered before.
    #[error("the challenge is not one that waits for this browser")]
    Stale,
    /// The passkey is nobody's, or not believed; which of them is not told.
    #[error("the passkey is not accepted")]
    Refused,
    /// Something else.
    #[error(transparent)]
    Failed(#[from] ActionError),
}

impl From<StoreError> for PasskeySignInError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Actions {
    /// Whether somebody may sign in by a passkey: where they could sign in with their password.
    pub async fn may_use_passkeys(&self, user: &User) -> Result<bool, ActionError> {
        let record = self.store.sign_in.find_by_id(user.id).await?;
        Ok(self.refusal_of(&record).is_none())
    }

    /// What the browser of somebody is asked, who wants a passkey of this name and shows their password in a session.
    pub async fn new_passkey_options(
        &self,
        party: &RelyingParty,
        (user, session): (&User, SessionId),
        name: &str,
        present: String,
    ) -> Result<Value, ActionError> {
        check_name(name)?;
        self.expect_password(user, present).await?;
        if !self.may_use_passkeys(user).await? {
            return Err(ActionError::Conflict(
                "the settings accept no password of yours, and so no passkey (oidc.passwords)".into(),
            ));
        }
        let known = self.store.passkeys.list(user.id).await?;
        if known.len() >= MAX_PASSKEYS_PER_USER as usize {
            let sentence =
                format!("you have {MAX_PASSKEYS_PER_USER} passkeys, which is the most: remove one first");
            return Err(ActionError::Conflict(sentence));
        }
        let owner = CredentialOwner {
            handle: user.id.as_bytes(),
            email: user.email.as_deref().unwrap_or_default(),
            name: &user.name,
        };
        let known: Vec<_> = known.into_iter().map(|passkey| passkey.credential.id).collect();
        let (now, nonce) = (self.source.now(), self.source.random());
        Ok(party.creation_options(Purpose::Add { session }, now, nonce, owner, &known))
    }

    /// Gives somebody a passkey that their browser has made, when it was asked in this session.
    pub async fn add_passkey(
        &self,
        party: &RelyingParty,
        (user, session): (&User, SessionId),
        name: &str,
        given: &Attestation,
    ) -> Result<(), ActionError> {
        check_name(name)?;
        let change = self.source.change(actor_of(user));
        let registered = party.register(Purpose::Add { session }, change.at, given);
        let refused = |why: PasskeyError| {
            let mut checks = Checks::new();
            checks.fail("passkey", "not_believed", format!("nothing was added: {why}"));
            checks.into_error()
        };
        let registered = registered.map_err(refused)?;
        if !self.use_challenge(&registered.challenge).await? {
            return Err(refused(PasskeyError::Stale));
        }
        let passkey = Passkey {
            id: self.source.new_passkey_id(),
            user_id: user.id,
            name: name.to_owned(),
            credential: registered.credential,
            created_at: change.at,
            last_used_at: None,
        };
        Ok(self.store.passkeys.create(passkey, change).await?)
    }

    /// What a browser that holds this secret is asked, in which somebody wants to sign in.
    pub fn passkey_options(&self, party: &RelyingParty, browser: &str) -> Value {
        party.request_options(
            Purpose::SignIn { browser },
            self.source.now(),
            self.source.random(),
        )
    }

    /// Signs somebody in by a passkey, with what a browser that holds this secret has answered. It is two factors by itself: the
    /// authenticator, and what it knows its person by. So nobody is asked for a code.
    pub async fn sign_in_with_passkey(
        &self,
        party: &RelyingParty,
        browser: &str,
        given: &Assertion,
        origin: Origin,
    ) -> Result<SignedIn, PasskeySignInError> {
        let Some(passkey) = self.store.passkeys.find(given.credential_id.clone()).await? else {
            let why = "nobody has the passkey";
            self.note_refusal(None, why, &origin.address).await;
            return Err(PasskeySignInError::Refused);
        };
        let record = self.store.sign_in.find_by_id(passkey.user_id).await?;
        let now = self.source.now();
        let verified = party.verify(
            Purpose::SignIn { browser },
            now,
            given,
            &passkey.credential.public_key,
        );
        let why = match verified {
            Err(PasskeyError::Stale) => return Err(PasskeySignInError::Stale),
            Err(PasskeyError::NotBelieved(why)) => Some(why),
            Ok(_) if given.owner_handle != record.user.id.as_bytes() => Some("it is another person's"),
            Ok(verified) => match self.refusal_of(&record) {
                Some(why) => Some(why),
                None if !self.use_challenge(&verified.challenge).await? => {
                    return Err(PasskeySignInError::Stale);
                }
                None => {
                    let counted = self
                        .store
                        .passkeys
                        .count_use(passkey.id, verified.sign_count, now);
                    let goes_on = counted.await?;
                    (!goes_on).then_some("its counter went back, so there may be a copy of it")
                }
            },
        };
        let Some(why) = why else {
            return Ok(self.begin_session(&record.user, origin).await?);
        };
        let (name, user) = (&passkey.name, &record.user);
        let why = format!("the passkey \"{name}\" of \"{}\" was refused: {why}", user.name);
        self.note_refusal(Some(user), &why, &origin.address).await;
        Err(PasskeySignInError::Refused)
    }

    /// Takes a passkey of somebody away who shows their password.
    pub async fn remove_passkey(
        &self,
        user: &User,
        id: PasskeyId,
        present: String,
    ) -> Result<(), ActionError> {
        self.expect_password(user, present).await?;
        let change = self.source.change(actor_of(user));
        Ok(self.store.passkeys.delete(user.id, id, change).await?)
    }

    /// Takes all of somebody's passkeys away, as when they have lost them. Doing so twice changes nothing.
    pub async fn reset_passkeys(&self, actor: Actor, user_id: UserId) -> Result<(), ActionError> {
        let change = self.source.change(actor);
        self.store.passkeys.delete_all(user_id, change).await?;
        Ok(())
    }

    /// Why somebody cannot sign in here by themselves.
    fn refusal_of(&self, record: &SignInRecord) -> Option<&'static str> {
        if record.password.is_none() || record.user.email.is_none() {
            return Some("its person has no password or no address here");
        }
        (!self.password_rule.admits(&record.user)).then_some("the settings accept no password of its person")
    }

    /// Whether a challenge was not answered before, on any node; it is now.
    async fn use_challenge(&self, challenge: &[u8]) -> Result<bool, ActionError> {
        let receipts = &self.store.receipts;
        let used = receipts.use_up(
            RECEIPT_OWNER.to_owned(),
            hex::encode(challenge),
            self.source.now(),
        );
        Ok(used.await?)
    }
}

fn check_name(name: &str) -> Result<(), ActionError> {
    let mut checks = Checks::new();
    checks.name("name", name, MAX_PASSKEY_NAME_LENGTH);
    checks.finish(|| ())
}
