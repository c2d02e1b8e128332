//! The second factor: set up by its person, asked for behind every password, taken away by its person or an administrator.

use crate::checks::Checks;
use crate::password::Asker;
use crate::people::{Origin, SignInError, SignedIn, actor_of};
use crate::{ActionError, Actions};
use model::audit::Actor;
use model::id::UserId;
use model::second_factor::{
    TotpSecret, is_second_step_of, recovery_codes, recovery_hash, second_step_token, second_step_user,
};
use model::secret::SecretText;
use model::user::User;

/// What somebody who has shown their password is given.
pub enum Proven {
    /// They have no second factor.
    SignedIn(SignedIn),
    /// A code is needed: the token says that the password was shown.
    NeedsCode(SecretText),
}

impl Actions {
    /// A secret for somebody who wants a second factor.
    pub fn new_totp_secret(&self) -> TotpSecret {
        TotpSecret::new(self.source.random())
    }

    /// Lets in whoever has shown a password or a link, unless they have a second factor.
    pub(crate) async fn after_password(&self, user: &User, origin: Origin) -> Result<Proven, ActionError> {
        if self.store.second_factors.get(user.id).await?.is_none() {
            return Ok(Proven::SignedIn(self.begin_session(user, origin).await?));
        }
        let password = self.store.sign_in.find_by_id(user.id).await?.password;
        let password = password.ok_or_else(|| ActionError::Internal("a password is gone".into()))?;
        Ok(Proven::NeedsCode(second_step_token(
            user.id,
            &password,
            self.source.now(),
        )))
    }

    /// Whose second step a token is, if it is one that holds.
    pub async fn second_step_user(&self, token: &str) -> Result<Option<User>, ActionError> {
        let Some(id) = second_step_user(token) else {
            return Ok(None);
        };
        let record = match self.store.sign_in.find_by_id(id).await {
            Ok(record) => record,
            Err(store::StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let now = self.source.now();
        let is_theirs = |password| is_second_step_of(id, password, token, now);
        let holds = record.password.as_ref().is_some_and(is_theirs);
        Ok(holds.then_some(record.user))
    }

    /// Lets somebody in who has shown their password before, with a code of their device or a recovery code. Each is good once.
    pub async fn sign_in_with_code(
        &self,
        user: &User,
        code: &str,
        origin: Origin,
    ) -> Result<SignedIn, SignInError> {
        if !self.use_code(user, code).await? || !self.password_rule.admits(user) {
            let why = format!(
                "the code of \"{}\" behind the right password was wrong",
                user.name
            );
            self.note_refusal(Some(user), &why, &origin.address).await;
            return Err(SignInError::Refused);
        }
        Ok(self.begin_session(user, origin).await?)
    }

    async fn use_code(&self, user: &User, code: &str) -> Result<bool, ActionError> {
        let Some(factor) = self.store.second_factors.get(user.id).await? else {
            // It was taken away meanwhile: the password alone is enough.
            return Ok(true);
        };
        if let Some(step) = factor.secret.step_of(code, self.source.now(), factor.last_step) {
            return Ok(self.store.second_factors.use_step(user.id, step).await?);
        }
        let Some(hash) = recovery_hash(code) else {
            return Ok(false);
        };
        let change = self.source.change(actor_of(user));
        Ok(self
            .store
            .second_factors
            .use_recovery_code(user.id, hash, change)
            .await?)
    }

    /// Gives somebody a second factor who shows their password and a first code of it. Answers with the recovery codes, which are
    /// shown once.
    pub async fn add_second_factor(
        &self,
        user: &User,
        present: String,
        secret: &str,
        code: &str,
    ) -> Result<Vec<SecretText>, ActionError> {
        self.expect_password(user, present).await?;
        let mut checks = Checks::new();
        let wrong = "this is not the code that the device shows now; is its clock right?";
        let fitting = TotpSecret::parse(secret).and_then(|secret| {
            let step = secret.step_of(code, self.source.now(), 0)?;
            Some((secret, step))
        });
        let Some((secret, step)) = fitting else {
            checks.fail("code", "wrong", wrong);
            return Err(checks.into_error());
        };
        let codes = recovery_codes(std::array::from_fn(|_| self.source.random()));
        let hashes = codes
            .iter()
            .filter_map(|code| recovery_hash(code.reveal()))
            .collect();
        let change = self.source.change(actor_of(user));
        let factors = &self.store.second_factors;
        factors.create(user.id, secret, step, hashes, change).await?;
        Ok(codes)
    }

    /// Takes the second factor of somebody away who shows their password.
    pub async fn remove_second_factor(&self, user: &User, present: String) -> Result<(), ActionError> {
        self.expect_password(user, present).await?;
        self.reset_second_factor(actor_of(user), user.id).await
    }

    /// Takes somebody's second factor away, as when they have lost it. Doing so twice changes nothing.
    pub async fn reset_second_factor(&self, actor: Actor, user_id: UserId) -> Result<(), ActionError> {
        let change = self.source.change(actor);
        self.store.second_factors.delete(user_id, change).await?;
        Ok(())
    }

    /// An error at the field `present` unless this is somebody's password.
    pub(crate) async fn expect_password(&self, user: &User, present: String) -> Result<(), ActionError> {
        let record = self.store.sign_in.find_by_id(user.id).await?;
        let verified = self.passwords.verify(present, record.password, Asker::Known);
        if verified.await? {
            return Ok(());
        }
        let mut checks = Checks::new();
        checks.fail("present", "wrong", "this is not your present password");
        Err(checks.into_error())
    }
}
