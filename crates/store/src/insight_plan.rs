//! What a change of an incident adds to what is counted, and how changes become days: pure, from the rows that are there to
//! the rows to write. Whatever an incident counts follows from its row, so that a late change takes back what it replaces.

use std::collections::BTreeMap;

use model::event::EventName;
use model::id::ServiceId;
use model::incident::Incident;
use model::insight::{InsightChange, InsightDay, Measure, day_of};
use model::time::Timestamp;

/// The most changes that are folded into days in one transaction.
pub const FOLD_BATCH: u32 = 1000;

/// What a new incident counts.
pub fn of_new(incident: &Incident) -> Vec<InsightChange> {
    counted(incident)
}

/// What a transition adds and takes back.
pub fn of_transition(
    before: &Incident,
    after: &Incident,
    event: EventName,
    at: Timestamp,
) -> Vec<InsightChange> {
    let mut changes = of_edit(before, after);
    if event == EventName::Escalated {
        changes.push(InsightChange {
            at,
            service_id: after.service.id,
            measure: Measure::Escalated,
            count: 1,
        });
    }
    changes
}

/// What an edit adds and takes back.
pub fn of_edit(before: &Incident, after: &Incident) -> Vec<InsightChange> {
    let (had, has) = (counted(before), counted(after));
    let new = has.iter().filter(|change| !had.contains(change)).cloned();
    let gone = had.iter().filter(|change| !has.contains(change));
    let taken_back = gone.map(|change| InsightChange {
        count: -change.count,
        ..change.clone()
    });
    taken_back.chain(new).collect()
}

fn counted(incident: &Incident) -> Vec<InsightChange> {
    let since_opened = |at: Timestamp| at.since(incident.created_at);
    let acknowledged = incident.acknowledged_at.map(since_opened);
    let resolved = incident.resolved_at.map(since_opened);
    let measures = std::iter::once(Measure::Opened(incident.severity))
        .chain(acknowledged.map(Measure::Acknowledged))
        .chain(resolved.map(Measure::Resolved));
    let change = |measure| InsightChange {
        at: incident.created_at,
        service_id: incident.service.id,
        measure,
        count: 1,
    };
    measures.map(change).collect()
}

/// The days that changes belong to.
pub fn days_of(changes: &[InsightChange]) -> Vec<(Timestamp, ServiceId)> {
    let mut days: Vec<_> = changes
        .iter()
        .map(|change| (day_of(change.at), change.service_id))
        .collect();
    days.sort_unstable();
    days.dedup();
    days
}

/// Days with changes counted into them, by day and service.
pub fn fold(days: Vec<InsightDay>, changes: &[InsightChange]) -> Vec<InsightDay> {
    let mut folded: BTreeMap<(Timestamp, ServiceId), InsightDay> = days
        .into_iter()
        .map(|day| ((day.day_at, day.service_id), day))
        .collect();
    for change in changes {
        let (day_at, service_id) = (day_of(change.at), change.service_id);
        let day = folded.entry((day_at, service_id)).or_insert_with(|| InsightDay {
            day_at,
            service_id,
            counts: Default::default(),
        });
        day.counts.add(change);
    }
    folded.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::IncidentId;
    use model::incident::{IncidentAction, IncidentStatus, Severity, Transition};
    use model::service::ServiceRef;
    use std::time::Duration;

    fn incident() -> Incident {
        let now = Timestamp::EPOCH;
        Incident {
            id: IncidentId::new(now, [1; 10]),
            title: "Disk full".into(),
            description: None,
            status: IncidentStatus::Triggered,
            severity: Severity::Warning,
            service: ServiceRef {
                id: ServiceId::new(now, [2; 10]),
                name: "Search".into(),
            },
            assignee: None,
            dedup_key: None,
            escalation_steps_fired: 0,
            escalate_at: None,
            created_at: now,
            updated_at: now,
            acknowledged_at: None,
            resolved_at: None,
        }
    }

    fn after(incident: &Incident, action: IncidentAction, seconds: u64) -> Incident {
        let at = Timestamp::EPOCH.plus(Duration::from_secs(seconds));
        match incident.after(action, None, at) {
            Transition::Changed { incident, .. } => *incident,
            Transition::Unchanged | Transition::Refused => panic!("expected a change"),
        }
    }

    #[test]
    fn whatever_happens_in_which_order_what_is_counted_is_what_the_incident_is() {
        let mut incident = incident();
        let mut changes = of_new(&incident);
        for (action, seconds) in [
            (IncidentAction::Acknowledge, 60),
            (IncidentAction::Resolve, 90),
            (IncidentAction::Reopen, 100),
            (IncidentAction::Resolve, 500),
        ] {
            let next = after(&incident, action, seconds);
            changes.extend(of_edit(&incident, &next));
            incident = next;
        }
        let mut worse = incident.clone();
        worse.severity = Severity::Critical;
        changes.extend(of_edit(&incident, &worse));
        assert_eq!(fold(Vec::new(), &changes), fold(Vec::new(), &of_new(&worse)));
    }

    #[test]
    fn an_edit_of_the_title_counts_nothing() {
        let mut renamed = incident();
        renamed.title = "Disk is full".into();
        assert_eq!(of_edit(&incident(), &renamed), []);
    }
}
