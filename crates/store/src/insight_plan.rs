//! What a change of an incident adds to what is counted, and how changes become days: pure, from the rows that are there to
//! the rows to write. Whatever an incident counts follows from its row, so that a late change takes back what it replaces.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use model::event::EventName;
use model::id::ServiceId;
use model::incident::Incident;
use model::insight::{Cell, InsightChange, InsightDay, Measure, day_of};
use model::time::Timestamp;

/// The most changes that are folded into days in one transaction.
pub const FOLD_BATCH: u32 = 1000;

/// The changes of one transaction: those that count alike are one row.
#[derive(Default)]
pub struct InsightTally(BTreeMap<(Timestamp, ServiceId, Cell), ([u8; 16], InsightChange)>);

impl InsightTally {
    /// Counts the changes that an event makes, or an entry in the audit log: a row is named after the first.
    pub fn count(&mut self, id: &[u8; 16], changes: Vec<InsightChange>) {
        for change in changes {
            let place = (day_of(change.at), change.service_id, change.cell());
            match self.0.entry(place) {
                Entry::Vacant(vacant) => drop(vacant.insert((*id, change))),
                Entry::Occupied(mut known) => known.get_mut().1.count += change.count,
            }
        }
    }

    /// Counts what another one has counted.
    pub fn merge(&mut self, other: Self) {
        for (id, change) in other.0.into_values() {
            self.count(&id, vec![change]);
        }
    }

    /// The rows to write: the id, which of the rows it is, and what has changed.
    pub fn rows(&self) -> impl Iterator<Item = (&[u8; 16], i64, &InsightChange)> {
        let changed = self.0.values().filter(|(_, change)| change.count != 0);
        (0..).zip(changed).map(|(part, (id, change))| (id, part, change))
    }
}

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
            number: None,
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
    fn changes_that_count_alike_are_one_row_and_those_that_undo_each_other_none() {
        let acknowledged = after(&incident(), IncidentAction::Acknowledge, 60);
        let mut tally = InsightTally::default();
        for id in 0..3 {
            tally.count(&[id; 16], of_new(&incident()));
        }
        let mut later = InsightTally::default();
        later.count(&[3; 16], of_new(&incident()));
        later.count(&[3; 16], of_edit(&incident(), &acknowledged));
        later.count(&[4; 16], of_edit(&acknowledged, &incident()));
        tally.merge(later);
        let rows: Vec<_> = tally
            .rows()
            .map(|(id, part, change)| (id[0], part, change.count))
            .collect();
        assert_eq!(rows, [(0, 0, 4)]);
        let mut one_by_one = Vec::new();
        (0..4).for_each(|_| one_by_one.extend(of_new(&incident())));
        let together: Vec<_> = tally.rows().map(|(_, _, change)| change.clone()).collect();
        assert_eq!(fold(Vec::new(), &together), fold(Vec::new(), &one_by_one));
    }

    #[test]
    fn an_edit_of_the_title_counts_nothing() {
        let mut renamed = incident();
        renamed.title = "Disk is full".into();
        assert_eq!(of_edit(&incident(), &renamed), []);
    }
}
