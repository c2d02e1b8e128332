//! The whole store and all platforms against what is known; and the end of all faults, after which everything must end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::delivery::DeliveryState;
use model::event::EventName;
use model::id::IncidentId;
use model::incident::IncidentStatus;
use model::webhook::{Ordering, WebhookState};
use simulators::Message;
use store::Store;
use store::tickets::LinkOverview;

use super::behaviour::Behaviour;
use super::node::KEEP_FOR;
use super::performing::{CODE_HOSTS, known_by};
use super::webhook::Known;
use super::world::{FEED_PAGE, World};

/// After all faults have ended, everything open ends within this time…
const HEALING: Duration = Duration::from_secs(24 * 3600);
/// …in steps of this.
const HEALING_STEP: Duration = Duration::from_secs(600);
/// …after each of which so long is worked: a ticket takes a dozen requests.
const HEALING_WORK: Duration = Duration::from_secs(30);
/// How many steps in a row nothing is open: what people did with tickets is heard of meanwhile, and told to others.
const QUIET_STEPS: u32 = 8;
/// Where an incident is one message, which is changed.
const EDITED_KINDS: [&str; 2] = ["discord", "telegram"];
/// Where it is one ticket.
const TICKET_KINDS: [&str; 4] = ["jira", "servicenow", "github", "gitlab"];
/// How many messages a simulated platform keeps.
const MAX_MESSAGES: usize = 1000;

impl World {
    /// Compares everything.
    pub fn check(&mut self) {
        self.synchronise();
        let deliveries = self.all_deliveries();
        let mut heads: BTreeMap<_, u32> = BTreeMap::new();
        for delivery in &deliveries {
            self.expectation.compare(delivery);
            let settings = &self.webhooks[&delivery.webhook_id].webhook.settings;
            let is_head = matches!(delivery.state, DeliveryState::Scheduled | DeliveryState::Claimed);
            if is_head && settings.ordering == Ordering::Incident {
                *heads
                    .entry((delivery.webhook_id, delivery.incident_id))
                    .or_default() += 1;
            }
        }
        self.check_feed();
        self.check_endings(&deliveries);
        self.check_take_overs(&deliveries);
        let found: BTreeSet<_> = deliveries.iter().map(|delivery| delivery.id).collect();
        let kept_since = self.latest.minus(KEEP_FOR.delivered);
        self.expectation.deliveries.retain(|id, expected| {
            let may_be_pruned = expected.created_at < kept_since;
            assert!(
                found.contains(id) || may_be_pruned,
                "{id} is missing: {expected:?}"
            );
            found.contains(id)
        });
        let crowded: Vec<_> = heads.into_iter().filter(|(_, count)| *count > 1).collect();
        assert_eq!(crowded, [], "lanes with two heads");
        let now = self.source.now();
        let (balances, findings) = self.ask(async move |store| {
            let balances = store.upkeep.balance().await.unwrap();
            (balances, store.upkeep.examine(now).await.unwrap())
        });
        for balance in balances {
            assert_eq!(balance.missing(), 0, "{balance:?}");
        }
        assert_eq!(findings, [], "the store is not as it should be");
    }

    /// The feed is as it was when each event was first seen, but for what was pruned.
    fn check_feed(&self) {
        let mut found: BTreeMap<_, _> = self.ask(async move |store| {
            let events = store.events.list_after(0, FEED_PAGE).await.unwrap();
            events.into_iter().map(|event| (event.sequence, event)).collect()
        });
        let kept_since = self.latest.minus(KEEP_FOR.delivered);
        for (place, event) in &self.events {
            match found.remove(place) {
                Some(same) => assert_eq!((same.id, &same.body), (event.id, &event.body)),
                None => assert!(event.at < kept_since, "event {place} is missing"),
            }
        }
        assert!(found.is_empty(), "events out of nothing: {found:?}");
    }

    /// All faults end, and people close half of the issues and give the latest incidents other titles; then nothing may stay open, and
    /// every platform shows what it should.
    pub fn heal(&mut self) {
        for known in self.webhooks.values() {
            self.receivers.behave(&known.host, Behaviour::Healthy);
        }
        // What was under way still ends as it had to.
        self.node().pass(Duration::from_secs(60));
        for id in self.living() {
            self.set_state(id, WebhookState::Enabled);
        }
        for known in self
            .webhooks
            .values()
            .filter(|known| CODE_HOSTS.contains(&known.kind))
        {
            let issues = self.receivers.messages(&known.host).len();
            for issue in (0..issues).step_by(2) {
                self.receivers.move_issue(&known.host, known.kind, issue, true);
            }
        }
        let retitled: BTreeSet<_> = self.recent_incidents().into_iter().collect();
        for incident in &retitled {
            self.retitle(*incident);
        }
        let until_ms = self.monotonic_ms() + i64::try_from(HEALING.as_millis()).unwrap();
        let mut quiet_steps = 0;
        while quiet_steps < QUIET_STEPS {
            self.suspend(HEALING_STEP);
            self.node().pass(HEALING_WORK);
            self.synchronise();
            let open = self.all_deliveries().into_iter();
            let open: Vec<_> = open.filter(|delivery| delivery.state.is_open()).collect();
            quiet_steps = match open.is_empty() {
                true => quiet_steps + 1,
                false => 0,
            };
            assert!(
                open.is_empty() || self.monotonic_ms() < until_ms,
                "still open: {:#?}",
                &open[..open.len().min(3)]
            );
        }
        self.check();
        for known in self.webhooks.values().filter(|known| !known.is_deleted) {
            assert!(
                known.webhook.is_enabled(),
                "a healthy receiver was disabled: {:?}",
                known.webhook
            );
            self.check_platform(known);
        }
        self.check_tickets();
        self.alert_source.into_iter().for_each(|id| self.check_alerts(id));
        for incident in retitled {
            self.check_titles(incident);
        }
    }

    /// Every ticket of an incident that is open has the title that the incident was given at the end. Of one that is over, there may be
    /// nothing left to tell.
    fn check_titles(&self, id: IncidentId) {
        let (incident, links) = self.ask(async move |store| {
            let links = store.tickets.of_incident(id).await.unwrap();
            (store.incidents.get(id).await.unwrap(), links)
        });
        if incident.status == IncidentStatus::Resolved {
            return;
        }
        for LinkOverview { link, .. } in links {
            let (known, ticket) = (&self.webhooks[&link.webhook_id], link.ticket());
            // Where events expire, what is told anew does, too.
            let is_told_all = known.webhook.settings.after_outage.expire_after().is_none();
            if known.is_deleted || !TICKET_KINDS.contains(&known.kind) || ticket.is_none() || !is_told_all {
                continue;
            }
            let tickets = self.receivers.messages(&known.host);
            assert!(
                tickets
                    .iter()
                    .any(|ticket| ticket.text().contains(&incident.title)),
                "no ticket has its incident's title at {}: {incident:?} {link:?}",
                known.host
            );
        }
    }

    /// Whoever closes a ticket resolves its incident: of one that is open, and whose latest event has been told there, it is open too.
    fn check_tickets(&self) {
        let latest: BTreeMap<_, _> = self
            .events
            .values()
            .map(|event| (event.incident_id, event.sequence))
            .collect();
        let told: BTreeSet<_> = self
            .all_deliveries()
            .into_iter()
            .filter(|delivery| delivery.state == DeliveryState::Delivered)
            .filter(|delivery| latest.get(&delivery.incident_id) == Some(&delivery.event_sequence))
            .map(|delivery| (delivery.incident_id, delivery.webhook_id))
            .collect();
        // Its ticket stays closed where nobody is told that an incident is open again.
        let reopened: BTreeSet<_> = self
            .events
            .values()
            .filter(|event| event.name == EventName::Reopened)
            .map(|event| event.incident_id)
            .collect();
        for (incident_id, webhook_id) in told {
            let known = &self.webhooks[&webhook_id];
            let is_of_code_host = !known.is_deleted && CODE_HOSTS.contains(&known.kind);
            if !is_of_code_host || reopened.contains(&incident_id) {
                continue;
            }
            let get = async move |store: Store| store.incidents.get(incident_id).await.unwrap();
            let incident = self.ask(get);
            if !incident.title.contains(" here") {
                // The title of a storm is another one's, too.
                continue;
            }
            let tickets = self.receivers.messages(&known.host);
            let mut tickets = tickets.iter().map(Message::text);
            let closed = tickets
                .find(|ticket| ticket.contains(known_by(&incident.title)) && !ticket.contains("State: open"));
            assert!(
                incident.status == IncidentStatus::Resolved || closed.is_none(),
                "its ticket is closed at {}: {incident:?} {closed:?}",
                known.host
            );
        }
    }

    /// An incident is one message, or one ticket.
    fn check_platform(&self, known: &Known) {
        let is_edited = EDITED_KINDS.contains(&known.kind) && !known.may_double;
        let messages = self.receivers.messages(&known.host);
        if !(is_edited || TICKET_KINDS.contains(&known.kind)) || messages.len() >= MAX_MESSAGES {
            return;
        }
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        for message in messages {
            let text = message.text();
            let titles = text.split("incident ").skip(1);
            let titles: BTreeSet<_> = titles
                .filter_map(|rest| rest.split_once(" here"))
                .map(|(title, _)| title)
                .collect();
            for title in titles {
                *told.entry(title.to_owned()).or_default() += 1;
            }
        }
        let doubled: Vec<_> = told.iter().filter(|(_, count)| **count > 1).collect();
        assert!(
            doubled.is_empty(),
            "told more than once at {}: {doubled:?}",
            known.host
        );
    }
}
