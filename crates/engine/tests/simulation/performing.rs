//! Performs actions: what users, receivers and the machine do.

use std::collections::BTreeSet;
use std::time::Duration;

use url::Url;

use clock::Env;
use model::attempt::Outcome;
use model::audit::Actor;
use model::delivery::{Delivery, DeliveryState};
use model::event::{Event, EventName};
use model::id::{EventId, IncidentId, WebhookId};
use model::incident::{Incident, IncidentAction, IncidentStatus, Severity};
use model::service::ServiceRef;
use model::webhook::WebhookState;
use store::StoreError;
use store::deliveries::Replayed;
use store::incidents::{Committed, IncidentEdit, ServiceKey, TransitionRequest, Trigger};
use store::webhooks::WebhookEdit;

use super::action::{Action, Choices, KINDS};
use super::behaviour::Behaviour;
use super::disk::{self, Fault};
use super::webhook::{self, Known};
use super::world::{AWAKE, World, folder};

const MAX_WEBHOOKS: usize = 7;
/// Where a ticket is one issue, which one request closes and opens.
pub const CODE_HOSTS: [&str; 2] = ["github", "gitlab"];
const HOUR: Duration = Duration::from_secs(3600);

impl World {
    /// Performs an action, and takes in what came of it.
    pub fn perform(&mut self, action: Action) {
        match action {
            Action::Trigger {
                service,
                severity,
                key,
            } => self.trigger(service, severity, key),
            Action::Transition { incident, to } => self.transition(incident, to),
            Action::Alert {
                key,
                fires,
                ends_in_ms,
            } => self.alert(key, fires, ends_in_ms),
            Action::EditIncident { incident, what } => self.edit_one_of_latest(incident, what),
            Action::Create(choices) => self.create(&choices),
            Action::Switch { webhook } => self.switch(webhook),
            Action::Edit { webhook, choices } => self.edit(webhook, &choices),
            Action::Delete { webhook } => self.delete(webhook),
            Action::Behave { webhook, behaviour } => self.behave(webhook, behaviour),
            Action::Replay { delivery } => self.replay(delivery),
            Action::Recover { webhook } => self.recover(webhook),
            Action::Test { webhook } => self.test(webhook),
            Action::GiveUp { delivery } => self.give_up(delivery),
            Action::MoveTicket {
                webhook,
                ticket,
                closes,
            } => self.move_ticket(webhook, ticket, closes),
            Action::Pass { ms } => self.node().pass(Duration::from_millis(ms)),
            Action::Suspend { ms } => {
                self.suspend(Duration::from_millis(ms));
                self.node().pass(AWAKE);
            }
            Action::Jump { ms } => self.jump(ms),
            Action::FailDisk {
                fault,
                after,
                calls,
                ms,
            } => self.fail_disk(fault, after, calls, Duration::from_millis(ms)),
            Action::CutPower { after, ms, pause_ms } => {
                let pause = Duration::from_millis(pause_ms);
                self.cut_power(after, Duration::from_millis(ms), pause);
            }
            Action::Restart => self.restart(),
            Action::Kill { pause_ms } => self.kill(Duration::from_millis(pause_ms)),
        }
        self.synchronise();
    }

    fn trigger(&mut self, service: usize, severity: usize, key: Option<usize>) {
        let event_id = self.source.new_event_id();
        let trigger = self.new_trigger(event_id, service, severity, key);
        let committed = self.ask(async move |store| store.incidents.trigger(trigger).await);
        self.note(event_id, committed);
    }

    fn new_trigger(&self, event_id: EventId, service: usize, severity: usize, key: Option<usize>) -> Trigger {
        let number = self.events.len();
        Trigger {
            incident_id: self.source.new_incident_id(),
            event_id,
            // No title is a part of another one, whatever a platform escapes.
            title: format!("incident {number} here"),
            description: None,
            severity: chosen(Severity::ALL, severity),
            service: ServiceKey::Name(chosen(&["api", "shop"], service).to_owned()),
            assignee: None,
            dedup_key: key.map(|key| chosen(&["disk", "cpu", "net"], key).to_owned()),
            change: self.source.change(Actor::System),
            receipt: None,
        }
    }

    /// Something happens, and goes on for a while.
    fn work(&self, time: Duration) -> (EventId, Result<Committed, StoreError>) {
        let event_id = self.source.new_event_id();
        let trigger = self.new_trigger(event_id, 0, 0, None);
        let committed = self.ask(async move |store| {
            let triggering = store.incidents.trigger(trigger);
            tokio::join!(triggering, tokio::time::sleep(time)).0
        });
        (event_id, committed)
    }

    /// What is refused must not be there, whatever happens later.
    fn fail_disk(&mut self, fault: Fault, after: u32, calls: u32, time: Duration) {
        disk::fail(self.directory.path(), after, calls, fault);
        let (event_id, committed) = self.work(time);
        disk::mend(self.directory.path());
        self.node().pass(2 * AWAKE);
        match committed {
            Err(StoreError::Unavailable(_)) => {
                self.refused.insert(event_id);
            }
            other => self.note(event_id, other),
        }
    }

    fn cut_power(&mut self, after: u32, time: Duration, pause: Duration) {
        let left = folder();
        disk::light_fuse(self.directory.path(), after, left.path());
        let (event_id, committed) = self.work(time);
        if disk::is_dark(self.directory.path()) {
            // Nobody was told anything.
            self.lose_power(left, pause);
        } else {
            disk::put_out_fuse(self.directory.path());
            self.note(event_id, committed);
        }
    }

    fn transition(&mut self, incident: usize, to: usize) {
        let incidents = self.recent_incidents();
        if incidents.is_empty() {
            return;
        }
        let actions = [
            IncidentAction::Acknowledge,
            IncidentAction::Resolve,
            IncidentAction::Escalate,
            IncidentAction::Reopen,
        ];
        let event_id = self.source.new_event_id();
        let request = TransitionRequest {
            incident_id: chosen(&incidents, incident),
            action: chosen(&actions, to),
            event_id,
            change: self.source.change(Actor::System),
            receipt: None,
        };
        let committed = self.ask(async move |store| store.incidents.transition(request).await);
        self.note(event_id, committed);
    }

    fn edit_one_of_latest(&mut self, incident: usize, what: usize) {
        let incidents = self.recent_incidents();
        if incidents.is_empty() {
            return;
        }
        let id = chosen(&incidents, incident);
        let edit = match what % 4 {
            0 => IncidentEdit {
                assignee: Some(chosen(&[self.person, None], what / 4)),
                ..IncidentEdit::default()
            },
            1 => IncidentEdit {
                severity: Some(chosen(Severity::ALL, what / 4)),
                ..IncidentEdit::default()
            },
            2 => return self.retitle(id),
            _ => {
                let change = self.source.change(Actor::System);
                let text = format!("note {what}");
                return self
                    .ask(async move |store| store.incidents.add_note(id, text, change).await.unwrap());
            }
        };
        self.edit_incident(id, edit);
    }

    /// A title that no incident had before, and by which it is still known.
    pub fn retitle(&self, id: IncidentId) {
        let incident = self.ask(async move |store| store.incidents.get(id).await.unwrap());
        let title = format!("{} at {}", known_by(&incident.title), self.monotonic_ms());
        let edit = IncidentEdit {
            title: Some(title),
            ..IncidentEdit::default()
        };
        self.edit_incident(id, edit);
    }

    fn edit_incident(&self, id: IncidentId, edit: IncidentEdit) {
        let change = self.source.change(Actor::System);
        self.ask(async move |store| store.incidents.edit(id, edit, change).await.unwrap());
    }

    fn note(&mut self, event_id: EventId, committed: Result<Committed, StoreError>) {
        match committed {
            Ok(Committed::Created(_) | Committed::Changed(_)) => self.accepted.push(event_id),
            Ok(Committed::Unchanged(_) | Committed::Refused(_)) | Err(StoreError::Conflict(_)) => {}
            other => panic!("a change came to {other:?}"),
        }
    }

    fn create(&mut self, choices: &Choices) {
        if self.living().len() >= MAX_WEBHOOKS {
            return;
        }
        let id = self.source.new_webhook_id();
        let kind = KINDS[choices.kind];
        let host = format!("{}-{}.example", kind.replace('_', "-"), self.made.len());
        let url = Url::parse(&self.receivers.add(&host, kind, choices.seed)).unwrap();
        let settings = webhook::settings(choices, &url, self.chosen_fallback(choices));
        let secrets = webhook::secrets(choices, &url);
        let change = self.source.change(Actor::System);
        let created = self.ask(async move |store| {
            let state = WebhookState::Enabled;
            let created = store.webhooks.create(id, settings, secrets, state, change);
            created.await
        });
        let webhook = match created {
            Ok(webhook) => webhook,
            // Too many would take over from one another.
            Err(StoreError::Conflict(_)) => return,
            Err(error) => panic!("a webhook came to {error}"),
        };
        let known = Known {
            host,
            kind,
            webhook,
            is_new: true,
            is_deleted: false,
            may_double: false,
            sent_ms: BTreeSet::new(),
            paced_since_ms: self.monotonic_ms(),
        };
        self.webhooks.insert(id, known);
        self.made.push(id);
    }

    fn switch(&mut self, webhook: usize) {
        let Some(id) = self.living_one(webhook) else {
            return;
        };
        let state = match self.webhooks[&id].webhook.is_enabled() {
            true => WebhookState::Disabled {
                since: self.source.now(),
                reason: "by the script".into(),
            },
            false => WebhookState::Enabled,
        };
        self.set_state(id, state);
    }

    pub fn set_state(&self, id: WebhookId, state: WebhookState) {
        let change = self.source.change(Actor::System);
        self.ask(async move |store| store.webhooks.set_state(id, state, change).await.unwrap());
    }

    fn edit(&mut self, webhook: usize, choices: &Choices) {
        let Some(id) = self.living_one(webhook) else {
            return;
        };
        let expected = self.webhooks[&id].webhook.settings.clone();
        let mut settings = expected.clone();
        settings.events = webhook::events(choices);
        settings.filter = webhook::filter(choices);
        let edit = WebhookEdit {
            expected,
            settings,
            headers: None,
            secret_options: Default::default(),
            ca_pem: None,
            identity_pem: None,
        };
        let change = self.source.change(Actor::System);
        self.ask(async move |store| store.webhooks.update(id, edit, change).await.unwrap());
    }

    fn delete(&mut self, webhook: usize) {
        let Some(id) = self.living_one(webhook) else {
            return;
        };
        let change = self.source.change(Actor::System);
        match self.ask(async move |store| store.webhooks.delete(id, change).await) {
            Ok(()) => self.webhooks.get_mut(&id).unwrap().is_deleted = true,
            Err(StoreError::Conflict(_)) if self.is_fallback(id) => {}
            Err(error) => panic!("a deletion came to {error}"),
        }
    }

    fn behave(&mut self, webhook: usize, behaviour: Behaviour) {
        let Some(id) = self.living_one(webhook) else {
            return;
        };
        let known = self.webhooks.get_mut(&id).unwrap();
        known.may_double |= behaviour.may_double();
        self.receivers.behave(&known.host, behaviour);
    }

    fn replay(&mut self, delivery: usize) {
        let finished = self.finished();
        if finished.is_empty() {
            return;
        }
        let id = finished[delivery % finished.len()].id;
        let change = self.source.change(Actor::System);
        match self.ask(async move |store| store.deliveries.replay(id, change).await) {
            Ok(Replayed::Scheduled(delivery)) => {
                self.expectation.replayed(id);
                let known = self.webhooks.get_mut(&delivery.webhook_id).unwrap();
                known.may_double = true;
            }
            Ok(Replayed::StillOpen(_)) | Err(StoreError::Conflict(_) | StoreError::NotFound { .. }) => {}
            Err(error) => panic!("a replay came to {error}"),
        }
    }

    fn recover(&mut self, webhook: usize) {
        let Some(id) = self.living_one(webhook) else {
            return;
        };
        let now = self.source.now();
        let (since, until) = (now.minus(6 * HOUR), now.plus(HOUR));
        let is_recovered = |delivery: &Delivery| {
            let is_of_then = since <= delivery.created_at && delivery.created_at < until;
            // One that died while the clock was ahead is passed over.
            let is_of_then = is_of_then && delivery.finished_at.is_some_and(|at| at <= now);
            delivery.webhook_id == id && delivery.state == DeliveryState::Dead && is_of_then
        };
        let recovered = self.all_deliveries().into_iter().filter(is_recovered);
        recovered.for_each(|delivery| self.expectation.replayed(delivery.id));
        self.webhooks.get_mut(&id).unwrap().may_double = true;
        let change = self.source.change(Actor::System);
        self.ask(async move |store| {
            let recovering = store.deliveries.recover(id, since, until, None, change);
            recovering.await.unwrap()
        });
    }

    /// A test ends, whatever its receiver does; with a plain one it is one attempt, which decides.
    fn test(&mut self, webhook: usize) {
        let Some(id) = self.living_one(webhook) else {
            return;
        };
        let tested = self.node().test(id, sample(&self.source)).unwrap();
        let (state, attempts) = (tested.delivery.state, tested.attempts);
        let last = &attempts.last().expect("an attempt").outcome;
        let expected = match last {
            Outcome::Delivered | Outcome::Accepted => DeliveryState::Delivered,
            Outcome::Step | Outcome::Gone(_) | Outcome::Failed(_) => DeliveryState::Dead,
        };
        assert_eq!(state, expected, "a test that came to {last:?}");
        assert!(
            attempts.len() == 1 || self.webhooks[&id].kind != "generic",
            "a test took {} attempts",
            attempts.len()
        );
    }

    fn give_up(&mut self, delivery: usize) {
        let open = self.all_deliveries().into_iter();
        let open: Vec<_> = open.filter(|delivery| delivery.state.is_open()).collect();
        if open.is_empty() {
            return;
        }
        let id = open[delivery % open.len()].id;
        let change = self.source.change(Actor::System);
        let given_up = self.ask(async move |store| store.deliveries.give_up(id, change).await);
        match given_up {
            Ok(_) | Err(StoreError::Conflict(_)) => {}
            Err(error) => panic!("giving up came to {error}"),
        }
    }

    /// The engine hears of it when it asks next.
    fn move_ticket(&self, webhook: usize, ticket: usize, closes: bool) {
        let mut living = self.living();
        living.retain(|id| CODE_HOSTS.contains(&self.webhooks[id].kind));
        if !living.is_empty() {
            let known = &self.webhooks[&chosen(&living, webhook)];
            self.receivers.move_issue(&known.host, known.kind, ticket, closes);
        }
    }

    /// What waits by the wall clock follows it at the rescuer's next look.
    fn jump(&mut self, by_ms: i64) {
        self.clock.jump(by_ms);
        self.expectation.clock_was_set();
        self.forget_paces();
        self.node().pass(AWAKE);
        self.synchronise();
        self.expectation.clock_was_noticed();
        self.forget_paces();
    }

    /// The latest deliveries that are delivered or dead.
    fn finished(&self) -> Vec<Delivery> {
        let is_over =
            |delivery: &Delivery| matches!(delivery.state, DeliveryState::Delivered | DeliveryState::Dead);
        let all = self.all_deliveries().into_iter().filter(is_over);
        all.take(50).collect()
    }

    pub fn living(&self) -> Vec<WebhookId> {
        let living = |id: &WebhookId| !self.webhooks[id].is_deleted;
        self.made.iter().copied().filter(living).collect()
    }

    pub fn living_one(&self, webhook: usize) -> Option<WebhookId> {
        let living = self.living();
        (!living.is_empty()).then(|| living[webhook % living.len()])
    }
}

/// What of an incident's title stays.
pub fn known_by(title: &str) -> &str {
    title.split_inclusive(" here").next().unwrap_or(title)
}

/// What a test tells of.
fn sample(source: &Env) -> Event {
    let now = source.now();
    let incident = Incident {
        id: source.new_incident_id(),
        number: None,
        title: "a test".into(),
        description: None,
        status: IncidentStatus::Triggered,
        severity: Severity::Info,
        service: ServiceRef {
            id: source.new_service_id(),
            name: "api".into(),
        },
        assignee: None,
        dedup_key: None,
        escalation_steps_fired: 0,
        escalate_at: None,
        created_at: now,
        updated_at: now,
        acknowledged_at: None,
        resolved_at: None,
    };
    let id = source.new_event_id();
    let event = Event::new(id, EventName::Triggered, &incident, Actor::System, now);
    Event {
        is_test: true,
        ..event
    }
}

fn chosen<T: Copy>(choices: &[T], number: usize) -> T {
    choices[number % choices.len()]
}
