//! From what the store keeps to a [`TicketState`] and back. The link is a [`TicketLink`], whose rules are the store's; what the
//! ticket was told and where its deliveries stand is one text beside it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workflow::state::{
    Chore, Delivery, Known, Link, Name, Phase, Sending, TicketState, Told, VERSION,
};
use destination::task::{Classification, Task};
use model::patch::Patch;
use model::ticket::{LinkState, MAX_WORKFLOW_BYTES, TicketLink};

/// The most deliveries of one incident that are kept: those that died with notes written, beside the present one.
const MAX_DELIVERIES: usize = 8;

/// The text.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Text {
    version: u32,
    #[serde(skip_serializing_if = "is_default")]
    told: Told,
    /// The latest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deliveries: Vec<OfEvent>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where the delivery of an event stands.
#[derive(Clone, Serialize, Deserialize)]
struct OfEvent {
    /// The event's sequence.
    event: i64,
    state: Value,
}

/// A delivery with the form that it is kept in.
#[derive(Serialize, Deserialize)]
struct Versioned {
    #[serde(default)]
    version: u32,
    #[serde(flatten)]
    delivery: Delivery,
}

fn text(task: &Task<'_>) -> Text {
    let text = task.workflow.and_then(|text| serde_json::from_str(text).ok());
    text.unwrap_or_default()
}

/// What is known of a task.
pub(crate) fn load(task: &Task<'_>) -> TicketState {
    let text = text(task);
    let present = text
        .deliveries
        .into_iter()
        .find(|kept| kept.event == task.event.sequence);
    let mut state = TicketState {
        version: VERSION,
        link: task.ticket.map(link).unwrap_or_default(),
        told: Told::default(),
        delivery: present.map(|kept| delivery(kept.state)).unwrap_or_default(),
    };
    if let Some(id) = state.name().map(|name| name.id.clone()) {
        state.told = told(text.told).about(&id);
    }
    state
}

fn link(link: &TicketLink) -> Link {
    match &link.state {
        LinkState::Wanted => Link::Wanted,
        LinkState::Intended(intent) => Link::Unknown {
            at: intent.at.as_millis(),
            hinted: intent.hinted.clone(),
        },
        LinkState::Linked(ticket) => Link::There {
            ticket: Known::from(ticket),
            seen: Phase(link.seen),
            is_by_hand: link.creates == 0,
        },
        LinkState::Unlinked => Link::Unlinked,
    }
}

/// What the ticket was told. ServiceNow's did once not name the ticket, and left the assignee out if there was none.
fn told(told: Told) -> Told {
    match told.ticket.is_empty() && told != Told::default() {
        true => Told {
            assignee: Some(told.assignee.unwrap_or_default()),
            ..told
        },
        false => told,
    }
}

fn delivery(kept: Value) -> Delivery {
    match Versioned::deserialize(&kept) {
        Ok(versioned) if versioned.version == VERSION => versioned.delivery,
        Ok(_) | Err(_) => before_versions(kept),
    }
}

fn kept(delivery: Delivery) -> Value {
    let versioned = Versioned {
        version: VERSION,
        delivery,
    };
    serde_json::to_value(versioned).unwrap_or_default()
}

/// What Jira's and ServiceNow's own continuations had in common with this one: all but what had been read, which is read again.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Former {
    made: Value,
    is_fresh: bool,
    dropped: Vec<String>,
    given_up: Vec<String>,
    seen: Option<String>,
    visited: Vec<String>,
    stale_moves: u32,
    sending: Option<String>,
    sending_since: Option<i64>,
    trying: Option<String>,
    trying_since: Option<i64>,
    noted: Vec<String>,
}

fn before_versions(kept: Value) -> Delivery {
    let former: Former = serde_json::from_value(kept).unwrap_or_default();
    let (is_named, id) = (former.made.is_object(), former.made.as_str());
    let made = match id {
        Some(id) => Some(Name {
            id: id.to_owned(),
            key: id.to_owned(),
        }),
        None => serde_json::from_value(former.made.clone()).ok(),
    };
    let chores = former.given_up.into_iter().map(Value::String);
    let key = former.sending.or(former.trying);
    Delivery {
        made,
        is_fresh: former.is_fresh || is_named,
        dropped: former.dropped,
        given_up: chores
            .filter_map(|chore| serde_json::from_value::<Chore>(chore).ok())
            .collect(),
        seen: former.seen.and_then(|seen| Phase::try_from(seen).ok()),
        visited: former.visited,
        stale_moves: former.stale_moves,
        sending: key.map(|key| Sending {
            key,
            since: former.sending_since.or(former.trying_since).unwrap_or_default(),
            searched: 0,
        }),
        noted: former.noted,
        ..Delivery::default()
    }
}

/// A state as it is kept; nothing if there is nothing to keep. What would be too much loses what can be read again, and then what
/// was kept of other deliveries.
pub(crate) fn write(task: &Task<'_>, state: &TicketState) -> Option<String> {
    let mut others = text(task).deliveries;
    others.retain(|kept| kept.event != task.event.sequence);
    others.sort_by_key(|kept| std::cmp::Reverse(kept.event));
    for other in &mut others {
        let delivery = delivery(std::mem::take(&mut other.state)).only_notes();
        other.state = kept(delivery);
    }
    others.truncate(MAX_DELIVERIES - 1);
    let whole = || state.delivery.clone();
    let short = || Delivery {
        sight: None,
        dropped: Vec::new(),
        ..whole()
    };
    let forms = [(true, whole()), (true, short()), (false, short())];
    let tells = state.told.assignee.is_some()
        || state.told.headline.is_some()
        || state.told.link_is_resolved.is_some()
        || !state.told.notes.is_empty();
    let told = if tells {
        state.told.clone()
    } else {
        Told::default()
    };
    let texts = forms.into_iter().map(|(with_others, delivery)| {
        let present = (!is_default(&delivery)).then(|| OfEvent {
            event: task.event.sequence,
            state: kept(delivery),
        });
        Text {
            version: VERSION,
            told: told.clone(),
            deliveries: present
                .into_iter()
                .chain(others.iter().filter(|_| with_others).cloned())
                .collect(),
        }
    });
    let mut texts = texts.filter(|text| !is_default(&text.told) || !text.deliveries.is_empty());
    texts.find_map(|text| {
        let text = serde_json::to_string(&text).ok()?;
        (text.len() <= MAX_WORKFLOW_BYTES).then_some(text)
    })
}

/// The same classification with what is kept of a state.
pub(crate) fn keep(task: &Task<'_>, state: &TicketState, classification: Classification) -> Classification {
    let text = write(task, state);
    Classification {
        workflow: match text.as_deref() == task.workflow {
            true => Patch::Keep,
            false => text.map_or(Patch::Clear, Patch::Set),
        },
        ..classification
    }
}

/// A text that tells these two, of events without a sequence.
#[cfg(test)]
pub(crate) fn text_of(told: &str, delivery: &str) -> Option<String> {
    let told = if told.is_empty() { "{}" } else { told };
    let deliveries = match delivery.is_empty() {
        true => String::new(),
        false => format!(r#"{{"event":0,"state":{delivery}}}"#),
    };
    Some(format!(
        r#"{{"version":1,"told":{told},"deliveries":[{deliveries}]}}"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(text: &str) -> Delivery {
        super::delivery(serde_json::from_str(text).unwrap_or_default())
    }

    fn told(text: &str) -> Told {
        super::told(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn what_jira_left_before_the_workflow_is_carried_over_but_read_again() {
        let text = r#"{"made":{"id":"10012","key":"OPS-12"},"dropped":["priority"],"given_up":["account","link_back"],
            "seen":"in_progress","sight":{"id":"10012","key":"OPS-12","phase":"new","status":"x","status_id":"1"},
            "visited":["3"],"sending":"evt_1","sending_since":5,"noted":["evt_0"]}"#;
        let delivery = delivery(text);
        assert_eq!(
            delivery.made.as_ref().map(|name| name.key.as_str()),
            Some("OPS-12")
        );
        assert!(delivery.is_fresh && delivery.sight.is_none());
        assert_eq!(delivery.given_up, [Chore::Account, Chore::LinkBack]);
        assert_eq!(
            delivery
                .sending
                .as_ref()
                .map(|sending| (sending.key.as_str(), sending.since)),
            Some(("evt_1", 5))
        );
        assert_eq!(
            (
                delivery.dropped.len(),
                delivery.visited.len(),
                delivery.noted.len()
            ),
            (1, 1, 1)
        );
        assert_eq!(
            delivery.seen.map(|seen| seen.0),
            Some(model::ticket::TicketPhase::InProgress)
        );
    }

    #[test]
    fn what_servicenow_left_before_the_workflow_is_carried_over_but_read_again() {
        let text = r#"{"group":"g1","is_group_sought":true,"made":"abc","is_fresh":true,"is_read":true,"seen":"new","goal":"done",
            "trying":"evt_1","trying_since":5,"is_journal_searched":true,"noted":["evt_0"],"dropped":["u_x"]}"#;
        let delivery = delivery(text);
        assert_eq!(delivery.made.as_ref().map(|name| name.id.as_str()), Some("abc"));
        assert!(delivery.is_fresh && delivery.sight.is_none());
        assert_eq!(
            delivery
                .sending
                .as_ref()
                .map(|sending| (sending.key.as_str(), sending.searched)),
            Some(("evt_1", 0))
        );
        assert_eq!((delivery.dropped.len(), delivery.noted.len()), (1, 1));
    }

    #[test]
    fn nonsense_begins_anew() {
        assert_eq!(delivery("nonsense"), Delivery::default());
        assert_eq!(delivery(r#"{"version":99,"noted":["a"]}"#).noted, ["a"]);
    }

    #[test]
    fn what_servicenow_remembered_counts_for_the_present_ticket_and_names_nobody_as_such() {
        let nobody = told(r#"{"assignee":null,"event":"evt_1"}"#).about("abc");
        assert_eq!(
            (nobody.assignee.as_deref(), nobody.ticket.as_str()),
            (Some(""), "abc")
        );
        let jira = told(r#"{"ticket":"9","assignee":"usr_1"}"#).about("10012");
        assert_eq!((jira.assignee, jira.ticket.as_str()), (None, "10012"));
    }

    #[test]
    fn what_died_with_notes_is_kept_beside_the_present_delivery_and_all_of_it_is_bounded() {
        let mut sample = destination::sample::Sample::new(
            model::webhook::WebhookKind::new("jira"),
            "https://example.com".parse().unwrap(),
            model::event::EventName::Escalated,
            model::time::Timestamp::EPOCH,
        );
        let mut seen = Vec::new();
        for sequence in 1..=40 {
            sample.event.sequence = sequence;
            let mut state = load(&sample.task());
            seen.push(state.delivery.noted.len());
            state.delivery.noted = vec![format!("evt_{sequence}"), "x".repeat(3000)];
            sample.workflow = write(&sample.task(), &state).or(sample.workflow);
        }
        assert!(seen.iter().all(|noted| *noted == 0));
        assert!(sample.workflow.as_ref().unwrap().len() <= MAX_WORKFLOW_BYTES);
        assert_eq!(load(&sample.task()).delivery.noted[0], "evt_40");
        for small in [41, 42] {
            sample.event.sequence = small;
            let mut state = load(&sample.task());
            state.delivery.noted = vec![format!("evt_{small}")];
            sample.workflow = write(&sample.task(), &state);
        }
        sample.event.sequence = 41;
        assert_eq!(load(&sample.task()).delivery.noted, ["evt_41"]);
    }
}
