//! Triggers and transitions, many in one transaction: load, let the pure state machine decide, write the incidents, publish
//! their events. What is wrong with one request is its own answer; the others go on.
//!
//! Rows are locked in this order: idempotency keys, incidents, heads of lanes, the feed, the ledger.

use model::audit::Change;
use model::event::{Event, EventName};
use model::id::{EventId, IncidentId};
use model::incident::{Incident, IncidentAction, Transition};
use model::time::Timestamp;
use store::StoreError;
use store::StoreResult;
use store::incident_plan::{audited, new_incident};
use store::incidents::{Committed, TransitionRequest, Trigger};
use store::insight_plan;
use store::receipts::Receipt;

use super::answers::Receipts;
use super::audit::{self, Line};
use super::incident_numbers::{self, Numbers};
use super::incident_references::References;
use super::incident_rows;
use super::outbox::{LaneHistory, Outbox, Publication, Subscribers};
use super::writer::WriteContext;

/// How often a trigger is tried anew whose dedup key's incident is resolved meanwhile.
const MAX_TRIES: u32 = 3;

/// What is asked of an incident.
pub enum Request {
    Trigger(Trigger),
    Transition(TransitionRequest),
    /// The escalation timer fires, if it is still due.
    Escalation {
        incident_id: IncidentId,
        event_id: EventId,
        change: Change,
    },
}

impl Request {
    /// The idempotency key under which it is asked, if there is one.
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Trigger(trigger) => trigger.receipt.as_ref(),
            Self::Transition(request) => request.receipt.as_ref(),
            Self::Escalation { .. } => None,
        }
    }

    /// The incident that it is about, if it is there already.
    pub fn incident_id(&self) -> Option<IncidentId> {
        match self {
            Self::Trigger(_) => None,
            Self::Transition(request) => Some(request.incident_id),
            Self::Escalation { incident_id, .. } => Some(*incident_id),
        }
    }

    fn change(&self) -> &Change {
        match self {
            Self::Trigger(trigger) => &trigger.change,
            Self::Transition(request) => &request.change,
            Self::Escalation { change, .. } => change,
        }
    }

    fn event_id(&self) -> EventId {
        match self {
            Self::Trigger(trigger) => trigger.event_id,
            Self::Transition(request) => request.event_id,
            Self::Escalation { event_id, .. } => *event_id,
        }
    }

    fn at(&self) -> Timestamp {
        self.change().at
    }
}

/// What is to be done for a request, as far as it is known.
enum Step {
    Answered(StoreResult<Committed>),
    Create(Incident),
    Change {
        before: Box<Incident>,
        incident: Incident,
        event: EventName,
    },
}

/// Applies an action, within a transaction of more.
pub async fn transition(context: &mut WriteContext, request: TransitionRequest) -> StoreResult<Committed> {
    let mut results = commit_all(context, &[Request::Transition(request)]).await?;
    let none = || StoreError::Corrupt("a transition has no result".into());
    results.pop().unwrap_or_else(|| Err(none()))
}

/// Does what is asked, and answers in the order of the requests. No two may be about one incident, or have the same
/// idempotency key. More may follow in the transaction.
pub async fn commit_all(
    context: &mut WriteContext,
    requests: &[Request],
) -> StoreResult<Vec<StoreResult<Committed>>> {
    let (results, outbox) = Box::pin(prepare_all(context, requests)).await?;
    outbox.write(context).await?;
    Ok(results)
}

/// The same as the end of a transaction: the events are sent together with the COMMIT, so that other nodes wait for the feed no
/// longer than PostgreSQL itself takes.
pub async fn commit_last(
    context: &mut WriteContext,
    requests: &[Request],
) -> StoreResult<Vec<StoreResult<Committed>>> {
    let (results, outbox) = Box::pin(prepare_all(context, requests)).await?;
    context.write_last(outbox);
    Ok(results)
}

/// Does all but writing events, and the new incidents that nothing can be in the way of.
async fn prepare_all(
    context: &mut WriteContext,
    requests: &[Request],
) -> StoreResult<(Vec<StoreResult<Committed>>, Outbox)> {
    let with_receipt = requests.iter().filter_map(|of| Some((of.receipt()?, of.at())));
    let mut receipts = Receipts::reserve(context, with_receipt.collect()).await?;
    let mut answered = Vec::with_capacity(requests.len());
    for request in requests {
        answered.push(match request.receipt() {
            Some(receipt) => receipts.earlier(context, receipt, request.at())?,
            None => None,
        });
    }
    let is_repeated: Vec<bool> = answered.iter().map(Option::is_some).collect();
    let new = requests
        .iter()
        .zip(&answered)
        .filter(|(_, answer)| answer.is_none());
    let new: Vec<&Request> = new.map(|(request, _)| request).collect();
    let (references, numbers, subscriptions) = tokio::try_join!(
        biased;
        References::load(&context.connection, new.iter().copied()),
        incident_numbers::draw(&context.connection, new.iter().copied()),
        context.subscriptions(),
    )?;
    let mut steps: Vec<Step> = requests
        .iter()
        .zip(answered)
        .map(|(request, answer)| match answer {
            Some(answer) => Step::Answered(Ok(answer)),
            None => decide(request, &references, &numbers),
        })
        .collect();
    let are_plain = steps.iter().all(Step::is_plain);
    if !are_plain {
        insert(context, &mut steps).await?;
        learn_numbers(context, &mut steps).await?;
        update(context, &mut steps).await?;
        let lines: Vec<_> = requests.iter().zip(&steps).filter_map(line).collect();
        audit::write_all(&context.connection, &lines).await?;
    }
    let results: Vec<_> = steps.iter().map(Step::result).collect();
    let done = requests.iter().zip(&results).zip(is_repeated);
    let done = done.filter_map(|((request, result), is_repeated)| {
        let answer = result.as_ref().ok().filter(|_| !is_repeated)?;
        Some((request.receipt()?, answer, request.at()))
    });
    receipts.keep(context, &done.collect::<Vec<_>>()).await?;
    count(context, requests, &steps);
    let outbox = Outbox::fill(context, &subscriptions, publications(requests, &steps)).await?;
    let incidents = match are_plain {
        true => steps.into_iter().filter_map(Step::into_new_incident).collect(),
        false => Vec::new(),
    };
    Ok((results, outbox.with_new(incidents)))
}

fn decide(request: &Request, references: &References, numbers: &Numbers) -> Step {
    let step = match request {
        Request::Trigger(trigger) => create(trigger, references, numbers),
        Request::Transition(request) => references.incident(request.incident_id).map(|stored| {
            let policy = match request.action {
                IncidentAction::Escalate | IncidentAction::Reopen => references.policy(stored.policy_id),
                IncidentAction::Acknowledge | IncidentAction::Resolve => None,
            };
            let transition = stored.incident.after(request.action, policy, request.change.at);
            after(&stored.incident, transition)
        }),
        Request::Escalation {
            incident_id, change, ..
        } => references.incident(*incident_id).map(|stored| {
            let policy = references.policy(stored.policy_id);
            after(
                &stored.incident,
                stored.incident.after_escalation_timer(policy, change.at),
            )
        }),
    };
    step.unwrap_or_else(|error| Step::Answered(Err(error)))
}

fn create(trigger: &Trigger, references: &References, numbers: &Numbers) -> StoreResult<Step> {
    let (service, policy_id) = references.service(&trigger.service)?;
    let assignee = trigger.assignee.map(|id| references.user(id)).transpose()?;
    let policy = references.policy(policy_id);
    let incident = new_incident(trigger, service, assignee, policy);
    let number = numbers.get(&incident.id).copied();
    Ok(Step::Create(Incident { number, ..incident }))
}

/// What the state machine decided.
fn after(before: &Incident, transition: Transition) -> Step {
    match transition {
        Transition::Unchanged => Step::Answered(Ok(Committed::Unchanged(before.clone()))),
        Transition::Refused => Step::Answered(Ok(Committed::Refused(before.clone()))),
        Transition::Changed { incident, event } => Step::Change {
            before: Box::new(before.clone()),
            incident: *incident,
            event,
        },
    }
}

/// Writes the new incidents. One whose dedup key an open incident has comes to that one instead.
async fn insert(context: &WriteContext, steps: &mut [Step]) -> StoreResult<()> {
    let mut missing: Vec<usize> = (0..steps.len())
        .filter(|index| steps[*index].new_incident().is_some())
        .collect();
    for _ in 0..MAX_TRIES {
        if missing.is_empty() {
            return Ok(());
        }
        let mut new: Vec<&Incident> = missing
            .iter()
            .filter_map(|index| steps[*index].new_incident())
            .collect();
        // In everybody's order: an insert waits for another node's of the same key.
        new.sort_by_key(|incident| &incident.dedup_key);
        let inserted = incident_rows::insert(&context.connection, &new).await?;
        missing.retain(|index| {
            let new = steps[*index].new_incident();
            new.is_some_and(|incident| !inserted.contains(&incident.id))
        });
        let keys: Vec<&str> = missing
            .iter()
            .filter_map(|index| steps[*index].new_incident()?.dedup_key.as_deref())
            .collect();
        if keys.is_empty() {
            break;
        }
        let open = incident_rows::load_open(&context.connection, &keys).await?;
        for index in std::mem::take(&mut missing) {
            let key = steps[index].new_incident().map(|new| &new.dedup_key);
            match open.iter().find(|open| Some(&open.dedup_key) == key) {
                Some(open) => steps[index] = Step::Answered(Ok(Committed::Unchanged(open.clone()))),
                None => missing.push(index),
            }
        }
    }
    for index in missing {
        let error = "the incidents with this dedup key are opened and resolved over and over";
        steps[index] = Step::Answered(Err(StoreError::Unavailable(error.into())));
    }
    Ok(())
}

/// Asks for the numbers of incidents whose dedup key an open one had when numbers were drawn, but none when they were written.
async fn learn_numbers(context: &WriteContext, steps: &mut [Step]) -> StoreResult<()> {
    let unnumbered = |step: &Step| {
        step.new_incident()
            .filter(|new| new.number.is_none())
            .map(|new| new.id)
    };
    let ids: Vec<IncidentId> = steps.iter().filter_map(unnumbered).collect();
    let numbers = incident_numbers::of(&context.connection, &ids).await?;
    for step in steps {
        if let Step::Create(incident) = step {
            incident.number = incident.number.or_else(|| numbers.get(&incident.id).copied());
        }
    }
    Ok(())
}

/// Writes what changed. A resolved incident's dedup key may have been taken by a newer incident: then it cannot be open again.
async fn update(context: &WriteContext, steps: &mut [Step]) -> StoreResult<()> {
    let keys: Vec<&str> = steps.iter().filter_map(Step::reopened_key).collect();
    if !keys.is_empty() {
        let open = incident_rows::load_open(&context.connection, &keys).await?;
        for step in steps.iter_mut() {
            let key = step.reopened_key();
            let open = open
                .iter()
                .find(|open| key.is_some() && open.dedup_key.as_deref() == key);
            if let Some(open) = open {
                let error = format!("the open incident {} has the same dedup key", open.id);
                *step = Step::Answered(Err(StoreError::Conflict(error)));
            }
        }
    }
    let changes = steps.iter().filter_map(|step| match step {
        Step::Change { before, incident, .. } => Some((incident, before.status)),
        Step::Answered(_) | Step::Create(_) => None,
    });
    let (incidents, before): (Vec<_>, Vec<_>) = changes.unzip();
    incident_rows::update(&context.connection, &incidents, &before).await
}

/// What the audit log says of what was decided.
fn line<'a>((request, step): (&'a Request, &Step)) -> Option<Line<'a>> {
    match step {
        Step::Answered(_) | Step::Create(_) => None,
        Step::Change {
            before,
            incident,
            event,
        } => {
            let change = request.change();
            let (action, detail) = audited(before, incident, *event, &change.actor)?;
            Some(Line {
                change,
                action,
                subject: incident.id.to_string(),
                detail,
            })
        }
    }
}

/// Counts what was decided, for insights.
fn count(context: &mut WriteContext, requests: &[Request], steps: &[Step]) {
    for (request, step) in requests.iter().zip(steps) {
        let changes = match step {
            Step::Answered(_) => continue,
            Step::Create(incident) => insight_plan::of_new(incident),
            Step::Change {
                before,
                incident,
                event,
            } => insight_plan::of_transition(before, incident, *event, request.at()),
        };
        context.count_insights(*request.event_id().as_bytes(), changes);
    }
}

fn publications<'a>(requests: &[Request], steps: &'a [Step]) -> Vec<Publication<'a>> {
    let publication = |(request, step): (&Request, &'a Step)| {
        let (name, incident, history) = match step {
            Step::Answered(_) => return None,
            Step::Create(incident) => (EventName::Triggered, incident, LaneHistory::None),
            Step::Change { incident, event, .. } => (*event, incident, LaneHistory::Possible),
        };
        let change = request.change();
        let event = Event::new(
            request.event_id(),
            name,
            incident,
            change.actor.clone(),
            change.at,
        );
        Some(Publication {
            event,
            subscribers: Subscribers::OfIncident(incident),
            history,
        })
    };
    requests.iter().zip(steps).filter_map(publication).collect()
}

impl Step {
    /// Whether what it writes can be written with its event, without waiting for an answer in between.
    fn is_plain(&self) -> bool {
        match self {
            Self::Create(incident) => incident.dedup_key.is_none(),
            Self::Answered(_) => true,
            Self::Change { .. } => false,
        }
    }

    fn new_incident(&self) -> Option<&Incident> {
        match self {
            Self::Create(incident) => Some(incident),
            Self::Answered(_) | Self::Change { .. } => None,
        }
    }

    fn into_new_incident(self) -> Option<Incident> {
        match self {
            Self::Create(incident) => Some(incident),
            Self::Answered(_) | Self::Change { .. } => None,
        }
    }

    /// The dedup key of an incident that is to be open again.
    fn reopened_key(&self) -> Option<&str> {
        match self {
            Self::Change { incident, event, .. } if *event == EventName::Reopened => {
                incident.dedup_key.as_deref()
            }
            Self::Change { .. } | Self::Create(_) | Self::Answered(_) => None,
        }
    }

    fn result(&self) -> StoreResult<Committed> {
        match self {
            Self::Answered(result) => result.clone(),
            Self::Create(incident) => Ok(Committed::Created(incident.clone())),
            Self::Change { incident, .. } => Ok(Committed::Changed(incident.clone())),
        }
    }
}
