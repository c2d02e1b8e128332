//! What users, receivers and the machine do at random.

use std::time::Duration;

use engine::finish_attempt::{RawAttempt, finish_attempt};
use engine::prepared::Prepared;
use model::attempt::Outcome;
use model::audit::Actor;
use model::event::{Event, EventName, EventSet};
use model::filter::Filter;
use model::id::{DeliveryId, IncidentId, WebhookId};
use model::incident::{Incident, IncidentAction, Severity};
use model::outage::AfterOutage;
use model::retry::RetrySchedule;
use model::secret::SecretText;
use model::webhook::{
    Ordering, Rate, WebhookKind, WebhookSecrets, WebhookSettings, WebhookState, WhenDisabled,
};
use store::Page;
use store::StoreError;
use store::deliveries::{DeliveryFilter, Replayed};
use store::incidents::{Committed, ServiceKey, TransitionRequest, Trigger};
use store::queue::Recorded;
use store::upkeep::Retention;
use store::webhooks::WebhookEdit;
use telemetry::webhooks::WebhookMetrics;

use super::expectation::{State, Subscriber};
use super::receiver::Behaviour;
use super::world::World;

const MAX_WEBHOOKS: usize = 7;
const HOUR: Duration = Duration::from_secs(3600);

impl World {
    /// Something happens.
    pub fn act(&mut self) {
        match self.rng.below(100) {
            0..=29 => self.trigger(),
            30..=61 => self.transition(),
            62..=71 => self.change_mood(),
            72..=74 => self.create_webhook(),
            75..=78 => self.switch_webhook(),
            79 => self.delete_webhook(),
            80..=82 => self.edit_webhook(),
            83..=88 => self.replay(),
            89 => self.recover(),
            90..=91 => self.prune(),
            92..=93 => self.jump(),
            94 => self.restart(),
            95..=96 => self.crash(),
            97 => self.send_test(),
            _ => self.pass_time(Duration::from_secs(1)),
        }
    }

    /// A sample event with its one delivery, past the feed, the lanes and the ledger: the checks must not see it.
    fn send_test(&mut self) {
        let Some(webhook_id) = self.any_webhook() else {
            return;
        };
        let Some(incident_id) = self.recent_incident() else {
            return;
        };
        let incident = self.run(async |store| store.incidents.get(incident_id).await.unwrap());
        let (id, at) = (self.source.new_event_id(), self.source.now());
        let sample = Event::new(id, EventName::Triggered, &incident, Actor::System, at);
        let delivery = self.run(async |store| store.queue.begin_test(webhook_id, sample).await.unwrap());
        assert!(delivery.event.is_test);
        let endpoint = self.run(async |store| store.endpoints.load(webhook_id).await.unwrap());
        let made = RawAttempt::without_request(at, Outcome::Delivered);
        let prepared = Prepared::new(endpoint.unwrap(), None, &WebhookMetrics::default());
        let record = finish_attempt(&self.source, &prepared, &delivery, made).record;
        let results = self.run(async |store| store.queue.record([record].into(), at).await.unwrap());
        assert_eq!(results, [Recorded::Applied]);
    }

    fn trigger(&mut self) {
        let keys = ["disk", "cpu", "net"];
        let dedup_key = self.rng.one_in(3).then(|| self.rng.pick(&keys).to_owned());
        let trigger = Trigger {
            incident_id: self.source.new_incident_id(),
            event_id: self.source.new_event_id(),
            title: format!("incident {}", self.rng.below(1000)),
            description: None,
            severity: self.rng.pick(Severity::ALL),
            service: ServiceKey::Name(self.rng.pick(&["api", "shop"]).to_owned()),
            assignee: None,
            dedup_key,
            change: self.source.change(Actor::System),
            receipt: None,
        };
        let committed = self.run(async |store| store.incidents.trigger(trigger).await);
        self.note(committed);
    }

    fn transition(&mut self) {
        let Some(incident_id) = self.recent_incident() else {
            return;
        };
        let actions = [
            IncidentAction::Acknowledge,
            IncidentAction::Resolve,
            IncidentAction::Escalate,
            IncidentAction::Reopen,
        ];
        let request = TransitionRequest {
            incident_id,
            action: self.rng.pick(&actions),
            event_id: self.source.new_event_id(),
            change: self.source.change(Actor::System),
            receipt: None,
        };
        let committed = self.run(async |store| store.incidents.transition(request).await);
        self.note(committed);
    }

    fn recent_incident(&mut self) -> Option<IncidentId> {
        let events = self.expectation.events.values().rev().take(12);
        let recent: Vec<_> = events.map(|committed| committed.event.incident_id).collect();
        (!recent.is_empty()).then(|| self.rng.pick(&recent))
    }

    fn note(&mut self, committed: Result<Committed, StoreError>) {
        match committed {
            Ok(Committed::Created(_) | Committed::Changed(_)) => self.note_new_events(),
            Ok(Committed::Unchanged(_) | Committed::Refused(_)) => {
                let after = self.latest_sequence();
                let news = self.run(async |store| store.events.list_after(after, 10).await.unwrap());
                assert_eq!(news.len(), 0, "an event came out of no change");
            }
            Err(StoreError::Conflict(_)) => {}
            other => panic!("a change came to {other:?}"),
        }
    }

    fn latest_sequence(&self) -> i64 {
        let last = self.expectation.events.last_key_value();
        last.map_or(0, |(sequence, _)| *sequence)
    }

    /// Takes the next event of the feed into the expectation, and checks that it made its deliveries.
    pub fn note_new_events(&mut self) {
        let after = self.latest_sequence();
        let mut news = self.run(async |store| store.events.list_after(after, 1).await.unwrap());
        let event = news.pop().expect("a change made no event");
        let incident = self.run(async |store| store.incidents.get(event.incident_id).await.unwrap());
        self.check_deliveries(event, &incident);
    }

    fn check_deliveries(&mut self, event: Event, incident: &Incident) {
        let filter = DeliveryFilter {
            incident_id: Some(event.incident_id),
            event: Some(event.event_type()),
            ..DeliveryFilter::default()
        };
        let page = Page {
            limit: 1000,
            before: None,
        };
        let found = self.run(async |store| store.deliveries.list(filter, page).await.unwrap().rows);
        let mut made: Vec<(WebhookId, DeliveryId)> = found
            .into_iter()
            .filter(|delivery| delivery.event_sequence == event.sequence)
            .map(|delivery| (delivery.webhook_id, delivery.id))
            .collect();
        made.sort_unstable();
        let webhook_ids: Vec<_> = made.iter().map(|(webhook_id, _)| *webhook_id).collect();
        assert_eq!(webhook_ids, self.expectation.wanting(&event, incident));
        self.expectation.committed(event, made);
    }

    fn change_mood(&mut self) {
        let ids: Vec<_> = self.behaviours.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = self.rng.pick(&ids);
        let behaviour = if self.rng.one_in(2) {
            Behaviour::Healthy
        } else {
            self.rng.pick(&Behaviour::ALL)
        };
        self.behaviours.insert(id, behaviour);
    }

    pub fn create_webhook(&mut self) {
        if self.living_webhooks().len() >= MAX_WEBHOOKS {
            return;
        }
        let id = self.source.new_webhook_id();
        let settings = self.any_settings();
        let secrets = WebhookSecrets {
            signing: SecretText::new("s3cret"),
            previous: None,
            headers: Vec::new(),
            options: Default::default(),
            tls: None,
        };
        let change = self.source.change(Actor::System);
        let state = WebhookState::Enabled;
        let webhook = self.run(async |store| {
            store
                .webhooks
                .create(id, settings, secrets, state, change)
                .await
                .unwrap()
        });
        self.behaviours.insert(id, Behaviour::Healthy);
        let subscriber = Subscriber {
            webhook,
            is_deleted: false,
            accepted: 0,
            pruned: 0,
            has_open_breaker: false,
            disturbed_at: self.monotonic(),
        };
        self.expectation.subscribers.insert(id, subscriber);
    }

    fn any_settings(&mut self) -> WebhookSettings {
        let long = vec![Duration::from_secs(10), 2 * HOUR];
        let schedules = [Vec::new(), long];
        let retry_schedule = match self.rng.below(5) {
            index @ 0..=1 => RetrySchedule::new(schedules[index].clone()).unwrap(),
            _ => RetrySchedule::default(),
        };
        let ordering = if self.rng.one_in(4) {
            Ordering::None
        } else {
            Ordering::Incident
        };
        WebhookSettings {
            name: "simulated".into(),
            kind: WebhookKind::GENERIC,
            options: Default::default(),
            url: "https://receiver.example/hook".parse().unwrap(),
            events: self.any_events(),
            services: Vec::new(),
            severities: Vec::new(),
            filter: None,
            retry_schedule,
            timeout: Duration::from_secs(self.rng.pick(&[1, 10, 30])),
            concurrency: self.rng.pick(&[1, 2, 16]),
            rate: self.rng.one_in(5).then(|| Rate::parse("20/m").unwrap()),
            ordering,
            when_disabled: self
                .rng
                .pick(&[WhenDisabled::Hold, WhenDisabled::Hold, WhenDisabled::Drop]),
            after_outage: AfterOutage::Everything,
            fallback: None,
            canary_hours: None,
        }
    }

    fn any_events(&mut self) -> EventSet {
        if self.rng.one_in(4) {
            EventSet::new(&[EventName::Triggered, EventName::Resolved])
        } else {
            EventSet::new(EventName::ALL)
        }
    }

    fn living_webhooks(&self) -> Vec<WebhookId> {
        let living = self
            .expectation
            .subscribers
            .iter()
            .filter(|(_, subscriber)| !subscriber.is_deleted);
        living.map(|(id, _)| *id).collect()
    }

    fn any_webhook(&mut self) -> Option<WebhookId> {
        let living = self.living_webhooks();
        (!living.is_empty()).then(|| self.rng.pick(&living))
    }

    fn switch_webhook(&mut self) {
        let Some(id) = self.any_webhook() else { return };
        let state = if self.expectation.subscribers[&id].webhook.is_enabled() && self.rng.one_in(2) {
            WebhookState::Disabled {
                since: self.source.now(),
                reason: "at random".into(),
            }
        } else {
            WebhookState::Enabled
        };
        self.set_state(id, state);
    }

    pub fn set_state(&mut self, id: WebhookId, state: WebhookState) {
        let change = self.source.change(Actor::System);
        self.run(async |store| store.webhooks.set_state(id, state, change).await.unwrap());
        self.refresh(id);
    }

    fn delete_webhook(&mut self) {
        let Some(id) = self.any_webhook() else { return };
        let change = self.source.change(Actor::System);
        self.run(async |store| store.webhooks.delete(id, change).await.unwrap());
        self.expectation.subscribers.get_mut(&id).unwrap().is_deleted = true;
        self.refresh(id);
    }

    fn edit_webhook(&mut self) {
        let Some(id) = self.any_webhook() else { return };
        let expected = self.expectation.subscribers[&id].webhook.settings.clone();
        let mut settings = expected.clone();
        settings.events = self.any_events();
        let filter = self
            .rng
            .one_in(2)
            .then(|| Filter::parse("severity != 'info'").unwrap());
        settings.filter = filter;
        let edit = WebhookEdit {
            expected,
            settings,
            headers: None,
            secret_options: Default::default(),
            ca_pem: None,
            identity_pem: None,
        };
        let change = self.source.change(Actor::System);
        self.run(async |store| store.webhooks.update(id, edit, change).await.unwrap());
        self.refresh(id);
    }

    fn replay(&mut self) {
        let recently = self.latest_sequence() - 100;
        let all = self.expectation.deliveries.iter();
        let finished: Vec<_> = all
            .filter(|((_, sequence), expected)| *sequence > recently && expected.state != State::Open)
            .map(|(key, expected)| (*key, expected.id))
            .collect();
        if finished.is_empty() {
            return;
        }
        let (key, id) = self.rng.pick(&finished);
        let change = self.source.change(Actor::System);
        let replayed = self.run(async |store| store.deliveries.replay(id, change).await);
        match replayed {
            Ok(Replayed::Scheduled(_)) => self.expectation.replayed(key),
            Err(StoreError::Conflict(_)) => assert!(self.expectation.subscribers[&key.0].is_deleted),
            other => panic!("a replay came to {other:?}"),
        }
    }

    fn recover(&mut self) {
        let Some(webhook_id) = self.any_webhook() else {
            return;
        };
        let now = self.source.now();
        let (since, until) = (now.minus(6 * HOUR), now.plus(HOUR));
        let change = self.source.change(Actor::System);
        let step = self.run(async |store| {
            let recover = store.deliveries.recover(webhook_id, since, until, None, change);
            recover.await.unwrap()
        });
        let of_webhook = (webhook_id, 0)..=(webhook_id, i64::MAX);
        let dead: Vec<_> = self
            .expectation
            .deliveries
            .range(of_webhook)
            .filter(|(_, expected)| expected.state == State::Dead)
            .map(|(key, expected)| (*key, expected.id))
            .collect();
        let mut count = 0;
        for (key, id) in dead {
            let detail = self.run(async |store| store.deliveries.get(id).await.unwrap());
            if detail.delivery.state.is_open() {
                self.expectation.replayed(key);
                count += 1;
            }
        }
        assert_eq!(step.count, count, "recover told another count");
    }

    fn prune(&mut self) {
        let now = self.source.now();
        let retention = Retention {
            delivered_before: now.minus(12 * HOUR),
            dead_before: now.minus(24 * HOUR),
            receipts_before: now.minus(24 * HOUR),
            activity_before: now.minus(24 * HOUR),
            message_refs_before: now.minus(24 * HOUR),
            inbox_requests_before: now.minus(24 * HOUR),
            alerts_before: now.minus(24 * HOUR),
            expired_by: now,
        };
        self.run(async |store| while store.upkeep.prune(retention).await.unwrap() > 0 {});
        self.expectation
            .pruned(retention.delivered_before, retention.dead_before);
    }

    /// The wall clock is set, and the rescuer sees it. An attempt whose result is not on disk would keep the old time,
    /// which no schedule can undo.
    fn jump(&mut self) {
        let (now, monotonic) = (self.source.now(), self.source.monotonic_millis());
        assert_eq!(self.node.watch.look(now, monotonic), None);
        if self.node.has_unrecorded() {
            return;
        }
        let by_millis = self.rng.pick(&[-3_600_000, 3_600_000, -120_000, 600_000]);
        self.clock.jump(by_millis);
        let jump = self.node.watch.look(self.source.now(), monotonic).unwrap();
        assert_eq!(jump.by_ms, by_millis);
        self.run(async |store| {
            let shifted = store.queue.shift_schedule(jump.after, jump.before, jump.by_ms);
            shifted.await.unwrap();
        });
        self.beat();
    }
}
