//! Values that are right, to be changed where a test needs them to be otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering as Memory};
use std::time::Duration;

use bytes::Bytes;
use clock::{Clock, Entropy, Env};
use model::access::{ApiKey, KeyHash, Scope, ScopeSet};
use model::audit::Actor;
use model::display::TimeDisplay;
use model::escalation::{EscalationPolicy, EscalationStep};
use model::event::{EventName, EventSet};
use model::exchange::TlsProfile;
use model::id::{InboxId, InboxRequestId, PolicyId, ServiceId, UserId};
use model::inbox::{Inbox, InboxAnswer, InboxRequest};
use model::incident::Severity;
use model::outage::AfterOutage;
use model::restriction::Restriction;
use model::retry::RetrySchedule;
use model::secret::SecretText;
use model::service::{Service, ServiceRef};
use model::session::{PasswordHash, Session};
use model::source::{FlapDamping, Source, SourceSettings, StormControl};
use model::source_kind::{SourceKind, SourceOptions};
use model::time::Timestamp;
use model::user::{User, UserRef};
use model::webhook::{
    Ordering, Rate, WebhookKind, WebhookSecrets, WebhookSettings, WebhookState, WhenDisabled,
};
use store::Page;

/// The time at which tests begin.
pub fn now() -> Timestamp {
    Timestamp::from_millis(1_705_314_600_000)
}

/// So many hours before the tests begin.
pub fn hours_ago(hours: u64) -> Timestamp {
    now().minus(Duration::from_secs(3600 * hours))
}

/// A clock that moves a millisecond each time it is read, so that ids sort by the order in which they were made.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.monotonic_millis())
    }
    fn monotonic_millis(&self) -> i64 {
        self.0.fetch_add(1, Memory::Relaxed)
    }
}

/// Bytes that count up.
struct Counting(AtomicI64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer[..8].copy_from_slice(&self.0.fetch_add(1, Memory::Relaxed).to_le_bytes());
    }
}

pub fn source() -> Env {
    let ticking = Ticking(AtomicI64::new(now().as_millis()));
    Env::new(Arc::new(ticking), Arc::new(Counting(AtomicI64::new(1))))
}

pub fn actor(source: &Env) -> Actor {
    Actor::Key {
        id: source.new_key_id(),
        name: "ci: tests".into(),
    }
}

pub fn everything() -> Page {
    Page {
        limit: Page::MAX_LIMIT,
        before: None,
    }
}

pub fn enabled() -> WebhookState {
    WebhookState::Enabled
}

pub fn disabled() -> WebhookState {
    WebhookState::Disabled {
        since: now(),
        reason: "too noisy".into(),
    }
}

/// Settings in which nothing is as by default.
pub fn settings(name: &str, services: Vec<ServiceId>) -> WebhookSettings {
    WebhookSettings {
        name: name.into(),
        kind: WebhookKind::GENERIC,
        options: [("chat".to_owned(), "4711".to_owned())].into(),
        url: "https://receiver.example/hook?token=1".parse().unwrap(),
        events: EventSet::new(&[EventName::Triggered, EventName::Resolved]),
        services,
        severities: vec![Severity::Critical, Severity::Error],
        filter: None,
        retry_schedule: RetrySchedule::new(vec![Duration::from_millis(250), Duration::from_secs(60)])
            .unwrap(),
        timeout: Duration::from_secs(7),
        concurrency: 3,
        rate: Rate::parse("20/s"),
        ordering: Ordering::None,
        when_disabled: WhenDisabled::Drop,
        after_outage: AfterOutage::Expire {
            after: Duration::from_secs(3600),
        },
        fallback: None,
        canary_hours: Some(6),
    }
}

pub fn secrets(signing: &str) -> WebhookSecrets {
    WebhookSecrets {
        signing: SecretText::new(signing),
        previous: None,
        headers: vec![("X-Token".into(), SecretText::new(format!("header of {signing}")))],
        options: [("token".to_owned(), SecretText::new(format!("token of {signing}")))].into(),
        tls: Some(Arc::new(TlsProfile {
            ca_pem: Some("an authority".into()),
            identity_pem: Some(format!("identity of {signing}")),
        })),
    }
}

pub fn user(source: &Env, name: &str) -> User {
    User {
        id: source.new_user_id(),
        name: name.into(),
        email: Some(format!("{name}@example.org")),
        role: model::access::Role::Responder,
        created_at: now(),
        display: TimeDisplay::default(),
    }
}

pub fn policy(source: &Env, name: &str, assignee: Option<&User>) -> EscalationPolicy {
    let assignee = assignee.map(|user| UserRef {
        id: user.id,
        name: user.name.clone(),
    });
    let step = |wait_minutes, assignee| EscalationStep {
        wait_minutes,
        assignee,
    };
    EscalationPolicy {
        id: source.new_policy_id(),
        name: name.into(),
        steps: vec![step(5, assignee), step(0, None)],
        created_at: now(),
    }
}

pub fn service(source: &Env, name: &str, policy_id: Option<PolicyId>) -> Service {
    Service {
        id: source.new_service_id(),
        name: name.into(),
        description: Some("what it does".into()),
        policy_id,
        created_at: now(),
    }
}

pub fn key(source: &Env, name: &str) -> ApiKey {
    ApiKey {
        id: source.new_key_id(),
        name: name.into(),
        hash: KeyHash::new(name),
        hint: "ok_abcdef".into(),
        scopes: ScopeSet::new(&[Scope::IncidentsRead, Scope::WebhooksTest]),
        restriction: Restriction::default(),
        created_at: now(),
        expires_at: Some(now().plus(Duration::from_secs(60))),
        revoked_at: None,
        last_used_at: None,
    }
}

pub fn password(name: &str) -> PasswordHash {
    PasswordHash::new(format!("$argon2id$hash of {name}"))
}

/// A session that begins when the tests begin.
pub fn session(source: &Env, user_id: UserId, token: &str) -> Session {
    Session {
        id: source.new_session_id(),
        user_id,
        hash: KeyHash::new(token),
        created_at: now(),
        last_seen_at: now(),
        address: "192.0.2.7".into(),
        agent: "a browser".into(),
    }
}

pub fn alert_source(source: &Env, service: &Service) -> Source {
    Source {
        id: source.new_source_id(),
        service: ServiceRef {
            id: service.id,
            name: service.name.clone(),
        },
        kind: SourceKind::Grafana,
        settings: SourceSettings {
            name: "Prod".into(),
            options: SourceOptions::default(),
            storm: StormControl::default(),
            flapping: FlapDamping::default(),
            silent_after: None,
            is_enabled: true,
        },
        key: SecretText::new("a key of a source"),
        secret: Some(SecretText::new("a secret of a source")),
        created_at: now(),
        last_request_at: None,
    }
}

pub fn inbox(source: &Env, name: &str) -> Inbox {
    Inbox {
        id: source.new_inbox_id(),
        name: name.into(),
        answer: InboxAnswer {
            status: 503,
            delay: Duration::from_millis(250),
        },
        secret: Some(SecretText::new(format!("inbox secret of {name}"))),
        created_at: now(),
    }
}

pub fn inbox_request(source: &Env, inbox_id: InboxId, at: Timestamp) -> InboxRequest {
    InboxRequest {
        id: InboxRequestId::new(at, source.random()),
        inbox_id,
        at,
        method: "POST".into(),
        target: "/in?a=b".into(),
        remote_address: "192.0.2.7:4711".into(),
        head: "host: example.org\ncontent-type: application/json".into(),
        body: Bytes::from_static(b"\xff{}"),
        body_is_truncated: true,
        answered_status: 503,
    }
}
