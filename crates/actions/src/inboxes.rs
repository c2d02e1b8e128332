//! Inboxes: making, changing, emptying and deleting them, and keeping what comes to them.

use std::time::Duration;

use bytes::Bytes;

use crate::checks::Checks;
use crate::webhooks::fields::check_secret;
use crate::{ActionError, Actions};
use model::audit::Actor;
use model::id::{InboxId, InboxRequestId};
use model::inbox::{
    Inbox, InboxAnswer, InboxRequest, MAX_INBOX_BODY_BYTES, MAX_INBOX_DELAY, MAX_INBOX_NAME_LENGTH,
};
use store::inboxes::InboxEdit;

/// The statuses an inbox can answer with: informational ones are no answers.
const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;
/// The longest head that is kept of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A request that came to an inbox, as a door reads it.
pub struct Arrival {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Where it came from.
    pub remote_address: String,
    /// Lines of `name: value`.
    pub head: String,
    /// The body, or its beginning.
    pub body: Bytes,
    /// Whether the body was longer than what was read.
    pub body_is_truncated: bool,
}

impl Actions {
    /// Creates an inbox that answers 200 at once.
    pub async fn create_inbox(&self, actor: Actor, name: String) -> Result<Inbox, ActionError> {
        let mut checks = Checks::new();
        checks.name("name", &name, MAX_INBOX_NAME_LENGTH);
        checks.finish(|| ())?;
        let change = self.source.change(actor);
        let inbox = Inbox {
            id: self.source.new_inbox_id(),
            name,
            answer: InboxAnswer::default(),
            secret: None,
            created_at: change.at,
        };
        Ok(self.store.inboxes.create(inbox, change).await?)
    }

    /// Says how an inbox answers: with which status, and after how many milliseconds.
    pub async fn set_inbox_answer(
        &self,
        actor: Actor,
        id: InboxId,
        status: u16,
        delay_ms: u64,
    ) -> Result<Inbox, ActionError> {
        let mut checks = Checks::new();
        let delay = Duration::from_millis(delay_ms);
        if !STATUSES.contains(&status) {
            checks.fail("status", "out_of_range", "a status is 200 to 599");
        }
        if delay > MAX_INBOX_DELAY {
            let detail = format!("an inbox waits at most {} seconds", MAX_INBOX_DELAY.as_secs());
            checks.fail("delay", "out_of_range", detail);
        }
        let edit = checks.finish(|| InboxEdit {
            answer: Some(InboxAnswer { status, delay }),
            ..InboxEdit::default()
        })?;
        let change = self.source.change(actor);
        Ok(self.store.inboxes.update(id, edit, change).await?)
    }

    /// Says what signatures of an inbox are checked against; an empty text for nothing.
    pub async fn set_inbox_secret(
        &self,
        actor: Actor,
        id: InboxId,
        secret: String,
    ) -> Result<Inbox, ActionError> {
        let mut checks = Checks::new();
        let secret = (!secret.is_empty()).then(|| check_secret(&mut checks, secret));
        let edit = checks.finish(|| InboxEdit {
            secret: Some(secret),
            ..InboxEdit::default()
        })?;
        let change = self.source.change(actor);
        Ok(self.store.inboxes.update(id, edit, change).await?)
    }

    /// Deletes an inbox with what came to it.
    pub async fn delete_inbox(&self, actor: Actor, id: InboxId) -> Result<(), ActionError> {
        let change = self.source.change(actor);
        Ok(self.store.inboxes.delete(id, change).await?)
    }

    /// Deletes one request of an inbox, or all of them.
    pub async fn clear_inbox(
        &self,
        actor: Actor,
        id: InboxId,
        request: Option<InboxRequestId>,
    ) -> Result<(), ActionError> {
        let change = self.source.change(actor);
        Ok(self.store.inboxes.clear(id, request, change).await?)
    }

    /// Keeps what came to an inbox; answers with how the inbox answers.
    pub async fn keep_in_inbox(&self, id: InboxId, arrival: Arrival) -> Result<InboxAnswer, ActionError> {
        let inbox = self.store.inboxes.get(id).await?;
        let is_long = arrival.body.len() > MAX_INBOX_BODY_BYTES;
        let mut head = arrival.head;
        head.truncate(head.floor_char_boundary(MAX_HEAD_BYTES));
        let request = InboxRequest {
            id: self.source.new_inbox_request_id(),
            inbox_id: id,
            at: self.source.now(),
            method: arrival.method,
            target: arrival.target,
            remote_address: arrival.remote_address,
            head,
            body: arrival.body.slice(..arrival.body.len().min(MAX_INBOX_BODY_BYTES)),
            body_is_truncated: is_long || arrival.body_is_truncated,
            answered_status: inbox.answer.status,
        };
        self.store.inboxes.keep(request).await?;
        Ok(inbox.answer)
    }
}
