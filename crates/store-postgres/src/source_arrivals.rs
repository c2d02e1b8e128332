//! What comes to alert sources: load, let the pure rules decide, write incidents, events and deliveries, alerts and the
//! request's record, in one transaction.
//!
//! The source is locked first and its alerts' incidents next, so that two nodes that hear of one alert make one incident, and
//! nobody waits for an incident while holding the feed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use model::id::{IncidentId, SourceId};
use model::source::RequestResult;
use store::StoreError;
use store::StoreResult;
use store::incidents::{Committed, IncidentEdit};
use store::source_plan::{Before, Effect, Plan, Raise, plan};
use store::sources::Arrival;

use super::incident_edits;
use super::incident_rows::{self, StoredIncident};
use super::source_rows::{
    count_firing, insert_request, load_alerts, load_storm, lock_source, write_alerts, write_storm,
};
use super::ticket_changes::write_note;
use super::transitions::{Request, commit_all};
use super::writer::WriteContext;

/// Where this node's requests of one source wait for each other: at its row, each would take a connection away meanwhile.
#[derive(Default)]
pub struct SourceTurns(Mutex<HashMap<SourceId, Arc<tokio::sync::Mutex<()>>>>);

impl SourceTurns {
    /// Whoever is before at a source, while it is held.
    pub fn of(&self, id: SourceId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(id).or_default())
    }
}

/// Does what is said of alerts and keeps the request.
pub async fn receive(context: &mut WriteContext, arrival: &Arrival) -> StoreResult<RequestResult> {
    let id = arrival.source_id;
    let (before, incidents) = load(context, arrival).await?;
    let mut plan = plan(before, &arrival.signals, arrival.at);
    if let Some((incident_id, text)) = plan.storm_description.take() {
        describe(context, incidents, incident_id, text).await?;
    }
    run_effects(context, &mut plan).await?;
    for raise in &plan.raises {
        raise_severity(context, raise).await?;
    }
    let connection = &context.connection;
    for note in &plan.notes {
        let change = &note.change;
        let (audit_id, at, actor) = (change.audit_id, change.at, &change.actor);
        write_note(connection, note.incident_id, audit_id, at, actor, &note.sentence).await?;
    }
    write_alerts(connection, id, &plan.alerts).await?;
    write_storm(connection, id, &plan.storm).await?;
    let result = plan.result();
    if let Some(request) = &arrival.request {
        let mut request = request.clone();
        if request.result.refusal.is_none() {
            request.result = result.clone();
        }
        insert_request(connection, &request).await?;
        let sql = "UPDATE sources SET last_request_at = $2 WHERE id = $1";
        connection
            .execute(sql, &[&&id.as_bytes()[..], &arrival.at.as_millis()])
            .await?;
    }
    Ok(result)
}

async fn load(context: &WriteContext, arrival: &Arrival) -> StoreResult<(Before, Vec<StoredIncident>)> {
    let (connection, id) = (&context.connection, arrival.source_id);
    let source = lock_source(context, id).await?;
    let storm = load_storm(connection, id).await?;
    let keys: HashSet<&str> = arrival.signals.iter().map(|signal| signal.what.key()).collect();
    let keys: Vec<&str> = keys.into_iter().collect();
    let alerts = load_alerts(connection, id, &keys).await?;
    let mut ids: BTreeSet<IncidentId> = alerts.iter().map(|alert| alert.incident_id).collect();
    ids.extend(storm.incident_id.filter(|_| !arrival.signals.is_empty()));
    let ids: Vec<IncidentId> = ids.into_iter().collect();
    let incidents = incident_rows::lock(connection, &ids).await?;
    let firing = count_firing(connection, &ids).await?;
    let status = |stored: &StoredIncident| (stored.incident.id, stored.incident.status);
    let before = Before {
        source,
        storm,
        alerts,
        statuses: incidents.iter().map(status).collect(),
        firing,
    };
    Ok((before, incidents))
}

async fn describe(
    context: &WriteContext,
    incidents: Vec<StoredIncident>,
    incident_id: IncidentId,
    text: String,
) -> StoreResult<()> {
    let found = incidents
        .into_iter()
        .find(|stored| stored.incident.id == incident_id);
    let mut incident = found.ok_or(StoreError::NotFound { what: "incident" })?.incident;
    incident.description = Some(text);
    incident_rows::update(&context.connection, &[&incident], &[incident.status]).await
}

/// An incident that is as bad already stays as it is. It is locked since it was read, or new.
async fn raise_severity(context: &mut WriteContext, raise: &Raise) -> StoreResult<()> {
    let id = raise.incident_id;
    let found = incident_rows::lock(&context.connection, &[id]).await?.pop();
    let incident = found.ok_or(StoreError::NotFound { what: "incident" })?.incident;
    let edit = IncidentEdit {
        severity: Some(raise.severity.worst(incident.severity)),
        ..IncidentEdit::default()
    };
    incident_edits::edit(context, id, &edit, &raise.change)
        .await
        .map(|_| ())
}

/// Runs effects in as few rounds as there can be. No round is about an incident twice, or both resolves and triggers: new
/// incidents are written first, and would meet the dedup key of what is resolved only then.
async fn run_effects(context: &mut WriteContext, plan: &mut Plan) -> StoreResult<()> {
    let mut next = 0;
    while let Some(first) = plan.effects.get(next) {
        let mut seen = HashSet::new();
        let round: Vec<Effect> = plan.effects[next..]
            .iter()
            .take_while(|effect| is_trigger(effect) == is_trigger(first) && seen.insert(effect.incident_id()))
            .cloned()
            .collect();
        next += round.len();
        let planned: Vec<IncidentId> = round.iter().map(Effect::incident_id).collect();
        let requests: Vec<Request> = round.into_iter().map(request).collect();
        let results = commit_all(context, &requests).await?;
        for (planned, result) in planned.into_iter().zip(results) {
            if let Committed::Unchanged(open) = result?
                && open.id != planned
            {
                plan.found(planned, open.id);
            }
        }
    }
    Ok(())
}

fn is_trigger(effect: &Effect) -> bool {
    match effect {
        Effect::Trigger(_) => true,
        Effect::Transition(_) => false,
    }
}

fn request(effect: Effect) -> Request {
    match effect {
        Effect::Trigger(trigger) => Request::Trigger(trigger),
        Effect::Transition(request) => Request::Transition(request),
    }
}
