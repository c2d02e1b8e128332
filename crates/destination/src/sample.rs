//! A made-up webhook and event, for previews before anything happened and for tests of adapters.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::task::{IncidentContext, Links, Target, Task, Token};
use crate::template::Templates;
use model::audit::Actor;
use model::event::{Event, EventName, EventSet};
use model::id::{DeliveryId, EventId, IncidentId, ServiceId, UserId, WebhookId};
use model::incident::{Incident, IncidentStatus, Severity};
use model::outage::AfterOutage;
use model::retry::RetrySchedule;
use model::secret::SecretText;
use model::service::ServiceRef;
use model::ticket::TicketLink;
use model::time::Timestamp;
use model::user::UserRef;
use model::webhook::{Ordering, Webhook, WebhookKind, WebhookSettings, WebhookState, WhenDisabled};

/// For kinds whose texts need no templates.
static NO_TEMPLATES: Templates = Templates::none();

/// Everything that a task borrows.
#[derive(Debug, Clone)]
pub struct Sample {
    pub webhook: Webhook,
    pub target: Target,
    pub event: Event,
    pub links: Links,
    /// What is remembered.
    pub memory: Option<String>,
    /// What an earlier attempt left.
    pub progress: Option<String>,
    /// The incident's ticket.
    pub ticket: Option<TicketLink>,
    /// What the workflow of tickets knows beyond it.
    pub workflow: Option<String>,
    /// What the incident says beyond the event.
    pub beyond: Option<IncidentContext>,
    /// The access token.
    pub token: Option<Token>,
    pub now: Timestamp,
}

impl Sample {
    /// A webhook of a kind with this URL, and an event about a sample incident that happened at a time.
    pub fn new(kind: WebhookKind, url: Url, name: EventName, at: Timestamp) -> Self {
        Self {
            webhook: webhook(kind, url.clone(), at),
            target: Target {
                url,
                options: BTreeMap::new(),
                secrets: BTreeMap::new(),
                headers: Vec::new(),
                discovered_settings: None,
            },
            event: event(name, at),
            links: Links::default(),
            memory: None,
            progress: None,
            ticket: None,
            workflow: None,
            beyond: None,
            token: None,
            now: at,
        }
    }

    /// The same with an option.
    pub fn with_option(mut self, name: &str, value: &str) -> Self {
        self.target.options.insert(name.to_owned(), value.to_owned());
        self.webhook
            .settings
            .options
            .insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same with a secret option.
    pub fn with_secret(mut self, name: &str, value: &str) -> Self {
        self.target
            .secrets
            .insert(name.to_owned(), SecretText::new(value));
        self
    }

    /// The same with another incident in its event.
    pub fn about(mut self, change: impl FnOnce(&mut Incident)) -> Self {
        let mut incident = incident(self.event.name, self.event.at);
        change(&mut incident);
        let (id, name, at) = (self.event.id, self.event.name, self.event.at);
        self.event = Event::new(id, name, &incident, self.event.actor.clone(), at);
        self
    }

    /// The task, for kinds without templates.
    pub fn task(&self) -> Task<'_> {
        self.task_with(&NO_TEMPLATES)
    }

    /// What comes of the task, its templates rendered where they stand: for templates that are known to end.
    pub fn settle<T>(&self, work: impl Fn(&Task<'_>) -> T) -> T {
        let mut templates = Templates::default();
        loop {
            let result = work(&self.task_with(&templates));
            let ordered = templates.take_ordered();
            if ordered.is_empty() {
                return result;
            }
            for order in ordered {
                let made = order.fill();
                templates.put(order, made);
            }
        }
    }

    /// The task, with the texts that were made for it.
    pub fn task_with<'a>(&'a self, templates: &'a Templates) -> Task<'a> {
        Task {
            webhook: &self.webhook,
            target: &self.target,
            event: &self.event,
            delivery_id: DeliveryId::new(self.event.at, [5; 10]),
            attempt: 1,
            message_ref: self.memory.as_deref(),
            continuation: self.progress.as_deref(),
            ticket: self.ticket.as_ref(),
            workflow: self.workflow.as_deref(),
            incident_context: self.beyond.as_ref(),
            token: self.token.as_ref(),
            links: &self.links,
            templates,
            now: self.now,
        }
    }
}

/// An event about a sample incident that happens at a time.
pub fn event(name: EventName, at: Timestamp) -> Event {
    Event::new(
        EventId::new(at, [4; 10]),
        name,
        &incident(name, at),
        Actor::System,
        at,
    )
}

fn incident(name: EventName, at: Timestamp) -> Incident {
    let status = match name {
        EventName::Triggered | EventName::Escalated | EventName::Reopened => IncidentStatus::Triggered,
        EventName::Acknowledged => IncidentStatus::Acknowledged,
        EventName::Resolved => IncidentStatus::Resolved,
    };
    Incident {
        id: IncidentId::new(at, [1; 10]),
        number: None,
        title: "Database connection timeout".into(),
        description: None,
        status,
        severity: Severity::Critical,
        service: ServiceRef {
            id: ServiceId::new(at, [2; 10]),
            name: "API Gateway".into(),
        },
        assignee: (status != IncidentStatus::Triggered).then(|| UserRef {
            id: UserId::new(at, [3; 10]),
            name: "Ada Lovelace".into(),
        }),
        dedup_key: None,
        escalation_steps_fired: 0,
        escalate_at: None,
        created_at: at,
        updated_at: at,
        acknowledged_at: None,
        resolved_at: (status == IncidentStatus::Resolved).then_some(at),
    }
}

fn webhook(kind: WebhookKind, url: Url, at: Timestamp) -> Webhook {
    Webhook {
        id: WebhookId::new(at, [6; 10]),
        settings: WebhookSettings {
            name: "Sample".into(),
            kind,
            url,
            options: BTreeMap::new(),
            events: EventSet::new(EventName::ALL),
            services: Vec::new(),
            severities: Vec::new(),
            filter: None,
            retry_schedule: RetrySchedule::default(),
            timeout: Duration::from_secs(10),
            concurrency: 16,
            rate: None,
            ordering: Ordering::Incident,
            when_disabled: WhenDisabled::Hold,
            after_outage: AfterOutage::Everything,
            fallback: None,
            canary_hours: None,
        },
        state: WebhookState::Enabled,
        degraded: None,
        last_canary: None,
        header_names: Vec::new(),
        secret_option_names: Vec::new(),
        has_tls_identity: false,
        has_extra_ca: false,
        previous_secret_until: None,
        created_at: at,
        updated_at: at,
    }
}
