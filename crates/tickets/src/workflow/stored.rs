//! From what the store keeps to a [`TicketState`] and back: the only place that knows in how many columns it lies.
//!
//! The link is the ticket link, what was told the message reference, where the delivery stands its continuation.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workflow::state::{
    Chore, Delivery, Known, Link, Name, Phase, Sending, TicketState, Told, VERSION,
};
use destination::task::{Classification, MAX_ADAPTER_STATE_BYTES, Task};
use model::patch::Patch;
use model::ticket::{LinkState, TicketLink};

/// A delivery with the form that it is kept in.
#[derive(Serialize, Deserialize)]
struct Versioned {
    #[serde(default)]
    version: u32,
    #[serde(flatten)]
    delivery: Delivery,
}

/// What is known of a task.
pub(crate) fn load(task: &Task<'_>) -> TicketState {
    let mut state = TicketState {
        version: VERSION,
        link: task.ticket.map(link).unwrap_or_default(),
        told: Told::default(),
        delivery: task.continuation.map(delivery).unwrap_or_default(),
    };
    if let Some(id) = state.name().map(|name| name.id.clone()) {
        state.told = told(task.message_ref).about(&id);
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

/// What the ticket was told. ServiceNow's did not name the ticket, and left the assignee out if there was none.
fn told(text: Option<&str>) -> Told {
    let told: Option<Told> = text.and_then(|text| serde_json::from_str(text).ok());
    match told {
        Some(told) if told.ticket.is_empty() => Told {
            assignee: Some(told.assignee.unwrap_or_default()),
            ..told
        },
        told => told.unwrap_or_default(),
    }
}

fn delivery(text: &str) -> Delivery {
    match serde_json::from_str::<Versioned>(text) {
        Ok(versioned) if versioned.version == VERSION => versioned.delivery,
        Ok(_) | Err(_) => before_versions(text),
    }
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

fn before_versions(text: &str) -> Delivery {
    let former: Former = serde_json::from_str(text).unwrap_or_default();
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

/// Where a delivery stands, as it is kept; nothing if there is nothing to keep. What would be too much loses what can be read
/// again.
pub(crate) fn continuation(delivery: &Delivery) -> Option<String> {
    if *delivery == Delivery::default() {
        return None;
    }
    let text = |delivery: Delivery| {
        let versioned = Versioned {
            version: VERSION,
            delivery,
        };
        serde_json::to_string(&versioned)
            .ok()
            .filter(|text| text.len() <= MAX_ADAPTER_STATE_BYTES)
    };
    text(delivery.clone()).or_else(|| {
        text(Delivery {
            sight: None,
            dropped: Vec::new(),
            ..delivery.clone()
        })
    })
}

/// The same classification with what is kept of a state.
pub(crate) fn keep(task: &Task<'_>, state: &TicketState, classification: Classification) -> Classification {
    Classification {
        continuation: continuation(&state.delivery).map_or(Patch::Clear, Patch::Set),
        message_ref: message_ref(task, &state.told),
        ..classification
    }
}

fn message_ref(task: &Task<'_>, told: &Told) -> Patch<String> {
    let text = serde_json::to_string(told).unwrap_or_default();
    let tells = told.assignee.is_some() || told.link_is_resolved.is_some();
    match tells && !task.event.is_test && task.message_ref != Some(text.as_str()) {
        true => Patch::Set(text),
        false => Patch::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let nobody = told(Some(r#"{"assignee":null,"event":"evt_1"}"#)).about("abc");
        assert_eq!(
            (nobody.assignee.as_deref(), nobody.ticket.as_str()),
            (Some(""), "abc")
        );
        let jira = told(Some(r#"{"ticket":"9","assignee":"usr_1"}"#)).about("10012");
        assert_eq!((jira.assignee, jira.ticket.as_str()), (None, "10012"));
    }
}
