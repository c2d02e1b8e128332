//! Invitations and forgotten passwords by mail, if the server sends mail. Who asks for a mail is never told whether anybody has
//! the address: what is done about it is done afterwards.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::{ActionError, Actions};
use limit::Limit;
use model::audit::Actor;
use model::id::UserId;
use model::secret::SecretText;
use model::user::User;
use store::budgets::Budget;

/// How long a link works that somebody has asked for themselves.
const RESET_LINK_LIFETIME: Duration = Duration::from_secs(3600);
/// How many such mails one person gets.
const RESET_LIMIT: Limit = Limit {
    per_second: 1.0 / 1200.0,
    burst: 3.0,
};
/// How many are sent at once; what is asked for beyond is dropped, and may be asked for again.
const MAX_MAILS_AT_ONCE: usize = 4;

/// A mail to somebody.
#[derive(Debug, Clone)]
pub struct Letter {
    pub to: String,
    pub subject: String,
    /// Plain text; it holds a secret.
    pub text: SecretText,
}

/// Sends mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends a mail; a sentence if it was not taken.
    async fn send(&self, letter: Letter) -> Result<(), String>;

    /// Where links in mails lead, without a slash at the end.
    fn base(&self) -> &str;
}

/// A mailer, and room for what it sends.
pub struct Mail {
    pub(crate) mailer: Arc<dyn Mailer>,
    room: Arc<Semaphore>,
}

impl Mail {
    /// Mail by way of this.
    pub fn new(mailer: Arc<dyn Mailer>) -> Self {
        Self {
            mailer,
            room: Arc::new(Semaphore::new(MAX_MAILS_AT_ONCE)),
        }
    }

    /// Sends somebody a one-time link, with words before and behind it.
    async fn send_link(
        &self,
        user: User,
        subject: &str,
        words: &str,
        token: &SecretText,
        end: &str,
    ) -> Result<(), ActionError> {
        let (name, base) = (user.name, self.mailer.base());
        let link = format!("{base}/welcome?token={}", token.reveal());
        let letter = Letter {
            to: user.email.unwrap_or_default(),
            subject: subject.into(),
            text: SecretText::new(format!("{name},\n\n{words}\n\n{link}\n{end}")),
        };
        let sent = self.mailer.send(letter).await;
        sent.map_err(|why| ActionError::Unavailable(format!("the mail was not sent: {why}")))
    }
}

impl Actions {
    /// Whether this server sends mail.
    pub fn sends_mail(&self) -> bool {
        self.mail.is_some()
    }

    /// Sends a user the one-time link with which they choose a password, instead of any earlier one.
    pub async fn invite(&self, actor: Actor, user_id: UserId) -> Result<(), ActionError> {
        let mail = self.mail.as_ref();
        let mail = mail.ok_or_else(|| ActionError::Conflict("this server sends no mail".into()))?;
        let inviter = actor.name().to_owned();
        let (token, expires_at) = self.create_sign_in_link(actor, user_id).await?;
        let user = self.store.users.get(user_id).await?;
        let words = format!(
            "{inviter} invites you to OpsKnight. Choose a password here; the link works once, until {expires_at}:"
        );
        let sent = mail.send_link(user, "Your invitation to OpsKnight", &words, &token, "");
        sent.await
    }

    /// Somebody has forgotten the password of this address. Whoever has it, and a password, gets a link by mail; nothing tells
    /// whoever asks whether that is so.
    pub fn forgot_password(self: &Arc<Self>, email: String) {
        let Some(mail) = &self.mail else { return };
        let Ok(permit) = Arc::clone(&mail.room).try_acquire_owned() else {
            tracing::warn!("too many mails are on their way: one that was asked for is dropped");
            return;
        };
        let actions = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = actions.send_reset(email).await {
                tracing::warn!(%error, "a link that somebody asked for was not sent");
            }
            drop(permit);
        });
    }

    async fn send_reset(&self, email: String) -> Result<(), ActionError> {
        let record = self.store.sign_in.find_by_email(email).await?;
        let Some(record) = record.filter(|record| record.password.is_some()) else {
            return Ok(());
        };
        let (user, Some(mail)) = (record.user, &self.mail) else {
            return Ok(());
        };
        let budget = Budget::new("reset", &user.id.to_string(), RESET_LIMIT);
        let spent = self.store.budgets.spend(vec![budget], self.source.now());
        if !self.password_rule.admits(&user) || spent.await?.is_some() {
            return Ok(());
        }
        let (token, _) = self
            .make_link(Actor::System, user.id, RESET_LINK_LIFETIME)
            .await?;
        let words = "somebody, probably you, has forgotten your password for OpsKnight. Choose another one here; the link works once, for an hour:";
        let end = "\nIf it was not you, do nothing: your password stays as it is.\n";
        let sent = mail.send_link(user, "Your password for OpsKnight", words, &token, end);
        sent.await
    }
}
