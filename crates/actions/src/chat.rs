//! Acting from a chat: by a link in a message, which leads to a page that asks for confirmation, or by a button, of which
//! the platform tells us. Both carry a token that holds once, for one action on one incident.

use std::time::Duration;

use http::HeaderMap;
use model::digest::sha256;

use crate::{ActionError, Actions};
use destination::Callbacks;
use destination::callback::{Call, Received, Refused, Reply};
use destination::text::{Unit, cut, one_line};
use kinds::adapter;
use model::action_link::{ActionLink, LINK_KEY};
use model::audit::Actor;
use model::event::EventName;
use model::id::WebhookId;
use model::incident::{Incident, IncidentAction, IncidentStatus};
use model::time::Timestamp;
use model::webhook::Endpoint;
use store::StoreError;
use store::incidents::{Committed, TimelineEntry, TimelineKind};
use store::receipts::{Answer, Receipt};

/// How much later a call has to come to be noted as the last one.
const CALL_NOTE_INTERVAL: Duration = Duration::from_secs(10);
/// The longest name of a person in a chat, in characters.
const MAX_PERSON_LENGTH: usize = 80;

/// What a link is for, and whether it still works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkOverview {
    /// The name of the webhook whose message carries it.
    pub webhook_name: String,
    /// What it does.
    pub action: IncidentAction,
    /// To what; nothing if the message was a test.
    pub incident: Option<Incident>,
    /// Whether it works.
    pub state: LinkState,
}

/// Whether a link works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It does.
    Works,
    /// Its time is over.
    Expired,
    /// The webhook is disabled, or no longer offers this.
    Off,
    /// It came with a sample: there is no such incident.
    Test,
}

/// What came of acting by a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acted {
    /// It is done.
    Done(Incident),
    /// It was so already.
    AlreadySo(Incident),
    /// It does not apply to the status that the incident has.
    DoesNotApply(Incident),
    /// The token was used before.
    Used,
    /// The token does not work any more.
    Over(LinkState),
}

impl Acted {
    /// What to tell whoever acted, in a sentence.
    pub fn sentence(&self, action: IncidentAction) -> String {
        let status = |incident: &Incident| match incident.status {
            IncidentStatus::Triggered => "triggered",
            IncidentStatus::Acknowledged => "acknowledged",
            IncidentStatus::Resolved => "resolved",
        };
        match self {
            Self::Done(_) => match action {
                IncidentAction::Acknowledge => "Acknowledged.".to_owned(),
                IncidentAction::Resolve => "Resolved.".to_owned(),
                IncidentAction::Escalate => "Escalated.".to_owned(),
                IncidentAction::Reopen => "Open again.".to_owned(),
            },
            Self::AlreadySo(incident) => format!("It is {} already.", status(incident)),
            Self::DoesNotApply(incident) => {
                format!("Nothing was done: the incident is {}.", status(incident))
            }
            Self::Used => "This was used before.".to_owned(),
            Self::Over(LinkState::Off) => "Acting from this chat is switched off.".to_owned(),
            Self::Over(LinkState::Test) => {
                "It works. The message was a test, so that there is nothing to do.".to_owned()
            }
            Self::Over(_) => "This has expired. A newer message has new buttons.".to_owned(),
        }
    }
}

/// Why a call of a platform is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallRefusal {
    /// There is no such webhook, or it takes no calls.
    NotFound,
    /// Its proof is missing or wrong.
    NotBelieved,
    /// It cannot be read.
    Unreadable,
    /// It cannot be worked on now; the platform tries again.
    Unavailable,
}

const NO_LINK: ActionError = ActionError::NotFound { what: "link" };

impl Actions {
    /// What a link in a message is for. Looking changes nothing.
    pub async fn look_at_link(
        &self,
        webhook_id: WebhookId,
        token: &str,
    ) -> Result<LinkOverview, ActionError> {
        let (endpoint, link) = self.find_link(webhook_id, token).await?;
        let incident = match self.store.incidents.get(link.incident_id).await {
            Ok(incident) => Some(incident),
            Err(StoreError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(LinkOverview {
            state: match incident {
                Some(_) => self.state_of(&endpoint, &link).await?,
                None => LinkState::Test,
            },
            webhook_name: endpoint.webhook.settings.name,
            action: link.action,
            incident,
        })
    }

    /// Acts by a token, once. Without an actor it is somebody in the webhook's chat, by the name that they or their
    /// platform tell.
    pub async fn act_by_link(
        &self,
        webhook_id: WebhookId,
        token: &str,
        actor: Option<Actor>,
        person: &str,
    ) -> Result<(IncidentAction, Acted), ActionError> {
        let (endpoint, link) = self.find_link(webhook_id, token).await?;
        let actor = actor.unwrap_or_else(|| chat_actor(&endpoint, person));
        let acted = self.act(&endpoint, link, token, actor).await?;
        Ok((link.action, acted))
    }

    /// Takes a call of a platform: checks its proof, acts, and says how to answer.
    pub async fn receive_call(
        &self,
        kind: &str,
        webhook_id: WebhookId,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Reply, CallRefusal> {
        let endpoint = self.load_endpoint(webhook_id).await.map_err(refusal)?;
        let adapter = adapter(endpoint.webhook.settings.kind)
            .filter(|adapter| adapter.description().kind == kind)
            .ok_or(CallRefusal::NotFound)?;
        let target = destination::task::Target::new(&endpoint);
        let call = Call {
            headers,
            body,
            target: &target,
            signing: &endpoint.secrets.signing,
            now: self.source.now(),
        };
        let callbacks = adapter.callbacks().ok_or(CallRefusal::NotFound)?;
        let previous = endpoint.secrets.previous.as_ref();
        let previous = previous
            .filter(|(_, until)| call.now < *until)
            .map(|(secret, _)| secret);
        // During a rotation, what was made from the secret before holds too.
        let received = match (callbacks.receive(&call), previous) {
            (Err(Refused::NotBelieved), Some(signing)) => callbacks.receive(&Call { signing, ..call }),
            (received, _) => received,
        };
        let received = received.map_err(|refused| match refused {
            Refused::NoCallback => CallRefusal::NotFound,
            Refused::NotBelieved => CallRefusal::NotBelieved,
            Refused::Unreadable => CallRefusal::Unreadable,
        })?;
        self.note_call(webhook_id, call.now).await.map_err(refusal)?;
        match received {
            Received::Nothing => Ok(Reply::empty()),
            Received::Ticket(hint) => self.take_notification(webhook_id, hint).await,
            Received::Act { token, person } => {
                self.answer_call(callbacks, &call, webhook_id, &token, &person)
                    .await
            }
        }
    }

    /// Keeps when a platform last called: whoever set the callback up sees that it works.
    async fn note_call(&self, webhook_id: WebhookId, now: Timestamp) -> Result<(), ActionError> {
        let last = self.store.endpoints.last_call_at(webhook_id).await?;
        if last.is_none_or(|last| now.since(last) >= CALL_NOTE_INTERVAL) {
            self.store.endpoints.record_call(webhook_id, now).await?;
        }
        Ok(())
    }

    async fn answer_call(
        &self,
        callbacks: &dyn Callbacks,
        call: &Call<'_>,
        webhook_id: WebhookId,
        token: &str,
        person: &str,
    ) -> Result<Reply, CallRefusal> {
        let acted = self.act_by_link(webhook_id, token, None, person).await;
        let sentence = match acted {
            Ok((action, acted)) => acted.sentence(action),
            Err(ActionError::NotFound { .. }) => "There is no such incident.".to_owned(),
            Err(ActionError::Conflict(sentence)) => sentence,
            Err(error) => return Err(refusal(error)),
        };
        Ok(callbacks.reply(call, &sentence))
    }

    /// What makes a platform call us for a webhook, for an administrator's eyes; nothing if its kind takes no calls.
    pub async fn callback_help(&self, id: WebhookId, base: &str) -> Result<Option<String>, ActionError> {
        let endpoint = self.load_endpoint(id).await?;
        let Some(adapter) = adapter(endpoint.webhook.settings.kind) else {
            return Ok(None);
        };
        let target = destination::task::Target::new(&endpoint);
        let call = Call {
            headers: &HeaderMap::new(),
            body: &[],
            target: &target,
            signing: &endpoint.secrets.signing,
            now: self.source.now(),
        };
        let callback = format!("{base}/inbound/{}/{id}", adapter.description().kind);
        let callbacks = adapter.callbacks();
        Ok(callbacks.and_then(|callbacks| callbacks.callback_help(&call, &callback)))
    }

    /// The webhook and the link of a token that the webhook's key has signed.
    async fn find_link(
        &self,
        webhook_id: WebhookId,
        token: &str,
    ) -> Result<(Endpoint, ActionLink), ActionError> {
        let endpoint = self
            .load_endpoint(webhook_id)
            .await
            .map_err(|error| match error {
                ActionError::NotFound { .. } => NO_LINK,
                other => other,
            })?;
        let key = endpoint.secrets.options.get(LINK_KEY);
        let link = key.and_then(|key| ActionLink::read(token, webhook_id, key));
        link.map(|link| (endpoint, link)).ok_or(NO_LINK)
    }

    async fn state_of(&self, endpoint: &Endpoint, link: &ActionLink) -> Result<LinkState, ActionError> {
        let webhook = &endpoint.webhook;
        let is_off = webhook
            .settings
            .options
            .get("actions")
            .is_some_and(|actions| actions == "off");
        Ok(match () {
            () if is_off || !webhook.is_enabled() => LinkState::Off,
            () if link.is_expired(self.source.now()) => LinkState::Expired,
            () if self.was_reopened_since(link).await? => LinkState::Expired,
            () => LinkState::Works,
        })
    }

    /// Whether the incident was opened again after the message was sent: what the message offers is about the time before.
    async fn was_reopened_since(&self, link: &ActionLink) -> Result<bool, ActionError> {
        let timeline = self.store.incidents.timeline(link.incident_id).await;
        let timeline = timeline?;
        let is_later = |entry: &TimelineEntry| match &entry.kind {
            TimelineKind::Event { name, sequence } => {
                *name == EventName::Reopened && *sequence > i64::from(link.event_sequence)
            }
            TimelineKind::Note(_) => false,
        };
        Ok(timeline.iter().any(is_later))
    }

    async fn act(
        &self,
        endpoint: &Endpoint,
        link: ActionLink,
        token: &str,
        actor: Actor,
    ) -> Result<Acted, ActionError> {
        if matches!(
            self.store.incidents.get(link.incident_id).await,
            Err(StoreError::NotFound { .. })
        ) {
            return Ok(Acted::Over(LinkState::Test));
        }
        let state = self.state_of(endpoint, &link).await?;
        if state != LinkState::Works {
            return Ok(Acted::Over(state));
        }
        let hash = sha256([token.as_bytes()]);
        // What makes it hold once: the receipt is kept in the transaction of the change.
        let receipt = Receipt {
            owner: format!("link:{}", endpoint.webhook.id),
            key: hex::encode(hash),
            request_hash: hash,
            render: |_| Answer {
                status: 200,
                body: Vec::new(),
            },
        };
        let committed = self
            .transition(actor, link.incident_id, link.action, Some(receipt))
            .await?;
        Ok(match committed {
            Committed::Created(incident) | Committed::Changed(incident) => Acted::Done(incident),
            Committed::Unchanged(incident) => Acted::AlreadySo(incident),
            Committed::Refused(incident) => Acted::DoesNotApply(incident),
            Committed::Repeated(_) | Committed::KeyMisused => Acted::Used,
        })
    }
}

/// Somebody in the chat of a webhook.
fn chat_actor(endpoint: &Endpoint, person: &str) -> Actor {
    let webhook = &endpoint.webhook.settings.name;
    let person = cut(&one_line(person), MAX_PERSON_LENGTH, Unit::Characters);
    Actor::Chat {
        webhook_id: endpoint.webhook.id,
        name: match person.is_empty() {
            true => format!("somebody in {webhook}"),
            false => format!("{person} (in {webhook})"),
        },
    }
}

fn refusal(error: ActionError) -> CallRefusal {
    match error {
        ActionError::NotFound { .. } => CallRefusal::NotFound,
        // The store says it itself, once.
        ActionError::Unavailable(_) | ActionError::StoreReplaced(_) => CallRefusal::Unavailable,
        other => {
            tracing::error!(error = %other, "a call of a chat platform could not be worked on");
            CallRefusal::Unavailable
        }
    }
}
