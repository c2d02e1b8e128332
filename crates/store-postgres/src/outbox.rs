//! The outbox: events and their deliveries, written in the transaction of the changes. The one place from which
//! events come.

use std::collections::HashSet;
use std::sync::Arc;

use tokio_postgres::Row;

use model::delivery::Claim;
use model::event::Event;
use model::id::{DeliveryId, WebhookId};
use model::incident::Incident;
use model::operational::{OperationalName, OperationalNotice};
use model::webhook::Webhook;
use store::DeliverySink;
use store::StoreError;
use store::StoreResult;
use store::cross_checks::event_digest;
pub use store::delivery_plan::{InitialState, delivery_id};
use store::delivery_plan::{NewDelivery, keeps_order};

use super::columns::{bytes, number, value};
use super::connection::{Connection, LastStatement};
use super::incident_rows;
use super::lanes::{self, Lane};
use super::timelines::Timelines;
use super::writer::WriteContext;

/// Whether an incident can have open deliveries of earlier events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneHistory {
    /// It was made just now.
    None,
    /// It may have some.
    Possible,
}

/// Who may want an event.
pub enum Subscribers<'a> {
    /// Of what happens to incidents: this one, as it is after the change.
    OfIncident(&'a Incident),
    /// Of operational events.
    OfNotice(OperationalNotice),
}

/// An event that a change makes.
pub struct Publication<'a> {
    pub event: Event,
    pub subscribers: Subscribers<'a>,
    pub history: LaneHistory,
}

/// Events with a delivery for every webhook that wants one, of which nothing is written yet.
pub struct Outbox {
    /// New incidents that nothing can be in the way of: they are written just before their events.
    incidents: Vec<Incident>,
    events: Vec<Event>,
    deliveries: Vec<(usize, NewDelivery)>,
}

impl Outbox {
    /// Decides who gets what, out of the webhooks that the transaction has read. The incidents are locked, or new.
    pub async fn fill(
        context: &mut WriteContext,
        subscriptions: &[Webhook],
        publications: Vec<Publication<'_>>,
    ) -> StoreResult<Self> {
        let wanted: Vec<Vec<&Webhook>> = publications
            .iter()
            .map(|publication| wanting(subscriptions, publication))
            .collect();
        let open = lanes::open_among(&context.connection, &lanes_of(&publications, &wanted)).await?;
        let mut deliveries = Vec::new();
        for (position, (publication, wanted)) in publications.iter().zip(&wanted).enumerate() {
            for webhook in wanted {
                let delivery = new_delivery(context, webhook, &publication.event, &open);
                context.count_accepted(webhook.id);
                deliveries.push((position, delivery));
            }
        }
        if let Some(first) = publications.first() {
            context.makes_event(first.event.id);
        }
        Ok(Self {
            incidents: Vec::new(),
            events: publications.into_iter().map(|of| of.event).collect(),
            deliveries,
        })
    }

    /// The same, with the incidents of the events, which have no dedup key.
    pub fn with_new(self, incidents: Vec<Incident>) -> Self {
        Self { incidents, ..self }
    }

    /// Writes all of it, and hands over after the commit what this node has room for. More may follow in the transaction.
    pub async fn write(mut self, context: &mut WriteContext) -> StoreResult<()> {
        if self.events.is_empty() {
            return Ok(());
        }
        if !self.incidents.is_empty() {
            let incidents: Vec<&Incident> = self.incidents.iter().collect();
            incident_rows::insert(&context.connection, &incidents).await?;
        }
        insert(context, &mut self.events, &self.deliveries).await?;
        context.announce_after_commit(self);
        Ok(())
    }

    /// The statements that write all of it; the last one says the places of the events.
    pub fn statements(&self, node: i64) -> Vec<LastStatement<'_>> {
        let incidents: Vec<&Incident> = self.incidents.iter().collect();
        let mut statements = Vec::with_capacity(2);
        if !incidents.is_empty() {
            statements.push(incident_rows::insertion(&incidents));
        }
        if !self.events.is_empty() {
            statements.push(insertion(&self.events, &self.deliveries, node));
        }
        statements
    }

    /// Takes in what those statements answered.
    pub fn take_answers(&mut self, answers: &[Vec<Row>]) -> StoreResult<()> {
        let before = usize::from(!self.incidents.is_empty());
        let row = answers.get(before).and_then(|rows| rows.first());
        match row.filter(|_| !self.events.is_empty()) {
            Some(row) => place(&mut self.events, &value::<Vec<i64>>(row, "places")?),
            None => place(&mut self.events, &[]),
        }
    }

    /// Asks where the events are in the feed: the transaction is on disk, and its answer was lost.
    pub async fn look_up_places(&mut self, connection: &Connection) -> StoreResult<()> {
        let ids: Vec<&[u8]> = self.events.iter().map(|of| &of.id.as_bytes()[..]).collect();
        let sql = "SELECT sequence FROM events WHERE id = ANY($1::bytea[]) ORDER BY sequence";
        let places = connection
            .read_all(sql, &[&ids], |row| number(row, "sequence"))
            .await?;
        place(&mut self.events, &places)
    }

    /// Tells the dispatcher and whoever reads the feed, once all is on disk.
    pub fn announce(self, delivery_sink: &dyn DeliverySink, timelines: &Timelines) {
        let events: Vec<Arc<Event>> = self.events.into_iter().map(Arc::new).collect();
        if let Some(last) = events.iter().map(|event| event.sequence).max() {
            timelines.committed(last);
        }
        for (position, delivery) in self.deliveries {
            let event = &events[position];
            if let Some(claimed) = delivery.claimed(event) {
                delivery_sink.take(claimed);
            } else if delivery.is_due {
                delivery_sink.wake(delivery.webhook_id, event.at);
            }
        }
        for event in &events {
            if event.operational.is_none() {
                delivery_sink.incident_moved(event);
            }
            delivery_sink.events_up_to(event.sequence);
        }
    }
}

/// Says each event its place: they are written in their order.
fn place(events: &mut [Event], places: &[i64]) -> StoreResult<()> {
    if places.len() != events.len() {
        return Err(StoreError::Corrupt("an event was not written".into()));
    }
    for (event, sequence) in events.iter_mut().zip(places) {
        event.sequence = *sequence;
    }
    Ok(())
}

fn wanting<'a>(subscriptions: &'a [Webhook], publication: &Publication<'_>) -> Vec<&'a Webhook> {
    let wants = |webhook: &&Webhook| match &publication.subscribers {
        Subscribers::OfIncident(incident) => webhook.wants(publication.event.name, incident),
        Subscribers::OfNotice(notice) => webhook.wants_operational(notice),
    };
    subscriptions.iter().filter(wants).collect()
}

fn lanes_of(publications: &[Publication<'_>], wanted: &[Vec<&Webhook>]) -> Vec<Lane> {
    let with_history = publications
        .iter()
        .zip(wanted)
        .filter(|(publication, _)| publication.history == LaneHistory::Possible);
    let lanes = with_history.flat_map(|(publication, wanted)| {
        let ordered = wanted.iter().filter(|webhook| keeps_order(webhook));
        ordered.map(|webhook| (publication.event.incident_id, webhook.id))
    });
    lanes.collect()
}

fn new_delivery(
    context: &mut WriteContext,
    webhook: &Webhook,
    event: &Event,
    open: &HashSet<Lane>,
) -> NewDelivery {
    let lane_is_open = open.contains(&(event.incident_id, webhook.id));
    NewDelivery::new(webhook, event, lane_is_open, || {
        let webhook_id = webhook.id;
        let has_room = context.delivery_sink().reserve(webhook_id);
        has_room.then(|| {
            context.after_rollback(move |delivery_sink| delivery_sink.cancel(webhook_id));
            Claim(context.new_claim())
        })
    })
}

/// Writes events at the end of the feed, with their deliveries, and says their places. Whoever does so holds the feed's row
/// until the commit; so nothing but the commit should follow.
pub async fn insert(
    context: &WriteContext,
    events: &mut [Event],
    deliveries: &[(usize, NewDelivery)],
) -> StoreResult<()> {
    let statement = insertion(events, deliveries, context.node());
    let values: Vec<_> = statement.values.iter().map(|value| value.as_ref() as _).collect();
    let places = context
        .connection
        .read_one(statement.sql, &values, |row| value::<Vec<i64>>(row, "places"))
        .await?;
    drop(values);
    drop(statement);
    place(events, &places.unwrap_or_default())
}

/// The statement that writes events and their deliveries, or fails. PostgreSQL has no assertions: where one is missing, it
/// divides by zero.
fn insertion<'a>(
    events: &'a [Event],
    deliveries: &'a [(usize, NewDelivery)],
    node: i64,
) -> LastStatement<'a> {
    let new = EventColumns::new(events);
    let of = DeliveryColumns::new(deliveries, node);
    let count = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    LastStatement {
        sql: "WITH place AS (SELECT id FROM feed FOR UPDATE),
             new_events AS (
                 INSERT INTO events (id, incident_id, name, at, actor, is_test, body, digest, operational)
                 SELECT e.* FROM place, unnest($1::bytea[], $2::bytea[], $3::text[], $4::bigint[], $5::text[],
                     $6::boolean[], $7::bytea[], $8::bytea[], $15::text[]) AS e
                 RETURNING sequence, id, incident_id, at, is_test),
             placed AS (
                 SELECT n.*, row_number() OVER (ORDER BY n.sequence) AS position FROM new_events n),
             new_deliveries AS (
                 INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, node, claim,
                     created_at, is_test)
                 SELECT d.id, d.webhook_id, p.incident_id, p.sequence, d.state, p.at, d.node, d.claim, p.at, p.is_test
                 FROM unnest($9::bytea[], $10::bytea[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[])
                     AS d (id, webhook_id, position, state, node, claim)
                     JOIN placed p ON p.position = d.position
                 RETURNING 1)
             SELECT array_agg(sequence ORDER BY sequence) AS places,
                 1 / (CASE WHEN count(*) = $16 AND (SELECT count(*) FROM new_deliveries) = $17 THEN 1 ELSE 0 END)
                     AS are_all_there
             FROM placed",
        values: vec![
            Box::new(new.ids),
            Box::new(new.incident_ids),
            Box::new(new.names),
            Box::new(new.at),
            Box::new(new.actors),
            Box::new(new.is_test),
            Box::new(new.bodies),
            Box::new(new.digests),
            Box::new(of.ids),
            Box::new(of.webhook_ids),
            Box::new(of.positions),
            Box::new(of.states),
            Box::new(of.nodes),
            Box::new(of.claims),
            Box::new(new.operational),
            Box::new(count(events.len())),
            Box::new(count(deliveries.len())),
        ],
    }
}

/// Events as the columns of their rows.
struct EventColumns<'a> {
    ids: Vec<&'a [u8]>,
    incident_ids: Vec<&'a [u8]>,
    names: Vec<&'static str>,
    at: Vec<i64>,
    actors: Vec<String>,
    is_test: Vec<bool>,
    bodies: Vec<&'a [u8]>,
    digests: Vec<Vec<u8>>,
    operational: Vec<Option<&'static str>>,
}

impl<'a> EventColumns<'a> {
    fn new(events: &'a [Event]) -> Self {
        let digest =
            |of: &Event| event_digest(of.incident_id, of.name.as_str(), of.at.as_millis(), &of.body).to_vec();
        Self {
            ids: events.iter().map(|of| &of.id.as_bytes()[..]).collect(),
            incident_ids: events.iter().map(|of| &of.incident_id.as_bytes()[..]).collect(),
            names: events.iter().map(|of| of.name.as_str()).collect(),
            at: events.iter().map(|of| of.at.as_millis()).collect(),
            actors: events.iter().map(|of| of.actor.encode()).collect(),
            is_test: events.iter().map(|of| of.is_test).collect(),
            bodies: events.iter().map(|of| &of.body[..]).collect(),
            digests: events.iter().map(digest).collect(),
            operational: events
                .iter()
                .map(|of| of.operational.map(OperationalName::as_str))
                .collect(),
        }
    }
}

/// Deliveries as the columns of their rows, with the places of their events among those written with them.
struct DeliveryColumns<'a> {
    ids: Vec<&'a [u8]>,
    webhook_ids: Vec<&'a [u8]>,
    positions: Vec<i64>,
    states: Vec<&'static str>,
    nodes: Vec<Option<i64>>,
    claims: Vec<Option<i64>>,
}

impl<'a> DeliveryColumns<'a> {
    fn new(deliveries: &'a [(usize, NewDelivery)], node: i64) -> Self {
        let all = || deliveries.iter().map(|(_, of)| of);
        let claim = |of: &NewDelivery| of.initial_state.claim().map(|claim| claim.0);
        let position = |(position, _): &(usize, NewDelivery)| i64::try_from(position + 1).unwrap_or(i64::MAX);
        Self {
            ids: all().map(|of| &of.id.as_bytes()[..]).collect(),
            webhook_ids: all().map(|of| &of.webhook_id.as_bytes()[..]).collect(),
            positions: deliveries.iter().map(position).collect(),
            states: all().map(|of| of.initial_state.state().as_str()).collect(),
            nodes: all().map(|of| claim(of).map(|_| node)).collect(),
            claims: all().map(claim).collect(),
        }
    }
}

/// Writes a new delivery of an event that is there already, due at the time that the event has here.
pub async fn insert_delivery(
    context: &WriteContext,
    id: DeliveryId,
    webhook_id: WebhookId,
    event: &Event,
    initial_state: InitialState,
) -> StoreResult<()> {
    let sql = "INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, node, claim, created_at,
                   is_test)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $6, $9) RETURNING id";
    let claim = initial_state.claim().map(|claim| claim.0);
    let written = context
        .connection
        .read_one(
            sql,
            &[
                &&id.as_bytes()[..],
                &&webhook_id.as_bytes()[..],
                &&event.incident_id.as_bytes()[..],
                &event.sequence,
                &initial_state.state().as_str(),
                &event.at.as_millis(),
                &claim.map(|_| context.node()),
                &claim,
                &event.is_test,
            ],
            |row| bytes::<16>(row, "id"),
        )
        .await?;
    match written {
        Some(_) => Ok(()),
        None => Err(StoreError::Corrupt("a delivery was not written".into())),
    }
}
