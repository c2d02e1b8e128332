//! Which transition brings a ticket towards a phase: by the category that it leads to; of several, the one that the settings name,
//! or else by names and by where other tickets ended.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::jira::issue::{phase, short};
use crate::jira::preference::{self, Fit};
use crate::jira::screen::{self, Answer, ScreenField};
use crate::jira::settings::Settings;
use model::ticket::TicketPhase;

/// The most transitions that are looked at.
const MAX_TRANSITIONS: usize = 200;
/// The most transitions and fields that a sentence names.
const MAX_NAMED: usize = 8;
/// The longest name that a sentence repeats, in characters.
pub(super) const MAX_NAME: usize = 60;
/// The longest id of a transition, in bytes.
const MAX_ID_BYTES: usize = 32;

/// A transition that a ticket has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transition {
    /// Its id.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// The status that it leads to, and that status's id.
    pub(super) to: String,
    /// The id of that status.
    pub(super) to_id: String,
    /// Where that is.
    pub(super) phase: TicketPhase,
    /// The fields of its screen, as far as they are known.
    pub(super) fields: Vec<ScreenField>,
}

/// A transition that was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Way {
    /// Its id.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// The status that it leads to.
    pub(super) to: String,
    /// What is filled in.
    #[serde(default)]
    pub(super) fields: Vec<Answer>,
}

/// Where a ticket is and what was tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    /// Where it is to come.
    pub(super) wanted: TicketPhase,
    /// The id of the status that it has.
    pub(super) here: &'a str,
    /// The ids of statuses that it had before in this delivery.
    pub(super) visited: &'a [String],
    /// Where other tickets ended.
    pub(super) habit: Habit<'a>,
}

/// Where other tickets ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit<'a> {
    /// That can be asked.
    Askable,
    /// In the status with this id, mostly.
    Told(&'a str),
    /// Nobody knows.
    Unknown,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// To ask where other tickets ended, for there are several ways.
    Ask,
    /// To take this one.
    Take(Way),
    /// There is one, but it asks for fields that the settings do not answer.
    Unanswered {
        /// The transition's name.
        name: String,
        /// The fields' names.
        fields: Vec<String>,
    },
    /// There is none; these are the ones there are.
    Missing(Vec<String>),
}

/// The transitions that a ticket's JSON tells of.
pub(super) fn read(issue: &Value) -> Vec<Transition> {
    let listed = issue["transitions"].as_array().into_iter().flatten();
    listed.take(MAX_TRANSITIONS).filter_map(read_one).collect()
}

fn read_one(transition: &Value) -> Option<Transition> {
    let id = transition["id"]
        .as_str()
        .filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()))?;
    let to = &transition["to"];
    let is_closed_to_us = transition["isAvailable"].as_bool() == Some(false);
    (!is_closed_to_us).then_some(Transition {
        id: id.to_owned(),
        name: short(transition["name"].as_str().unwrap_or_default(), MAX_NAME),
        to: short(to["name"].as_str().unwrap_or_default(), MAX_NAME),
        to_id: short(to["id"].as_str().unwrap_or_default(), MAX_ID_BYTES),
        phase: phase(to)?,
        fields: screen::read(&transition["fields"]),
    })
}

/// Chooses: straight to where the ticket is to come, or else one step towards it; to an end without a result only if there is no
/// other way.
pub(super) fn choose(transitions: &[Transition], wish: Wish<'_>, settings: Settings<'_>) -> Choice {
    let own = settings.status_for(wish.wanted);
    let is_new = |to: &str| to != wish.here && !wish.visited.iter().any(|status| status == to);
    for step in steps(wish.wanted) {
        let leads_there = |one: &&Transition| match step {
            Step::Straight => {
                one.phase == wish.wanted && is_named(one, own) && (!own.is_empty() || !is_bad(one))
            }
            Step::Through(phase) => one.phase == phase && is_new(&one.to_id),
            Step::AtLast => one.phase == wish.wanted && is_named(one, own),
        };
        let found: Vec<_> = transitions.iter().filter(leads_there).collect();
        if let Some(choice) = best(found, wish, settings) {
            return choice;
        }
    }
    Choice::Missing(transitions.iter().take(MAX_NAMED).map(named).collect())
}

/// Which transitions are looked at.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Those that lead there.
    Straight,
    /// Those that lead to a phase on the way.
    Through(TicketPhase),
    /// Those that lead there, whatever they are called.
    AtLast,
}

fn steps(wanted: TicketPhase) -> impl Iterator<Item = Step> {
    let between: &[TicketPhase] = match wanted {
        TicketPhase::Done => &[TicketPhase::InProgress, TicketPhase::New],
        TicketPhase::InProgress => &[TicketPhase::New],
        TicketPhase::New => &[TicketPhase::InProgress, TicketPhase::Done],
    };
    let between = between.iter().map(|phase| Step::Through(*phase));
    [Step::Straight].into_iter().chain(between).chain([Step::AtLast])
}

/// Whether a transition, or the status that it leads to, is the one of the settings; every one is if they name none.
fn is_named(transition: &Transition, own: &str) -> bool {
    let names = [
        &transition.to,
        &transition.to_id,
        &transition.name,
        &transition.id,
    ];
    own.is_empty() || names.iter().any(|name| name.to_lowercase() == own.to_lowercase())
}

fn is_bad(transition: &Transition) -> bool {
    transition.phase == TicketPhase::Done && fit(transition) == Fit::Bad
}

/// How well a transition fits where it leads: a bad name of either spoils it.
fn fit(transition: &Transition) -> Fit {
    let fits = [&transition.to, &transition.name].map(|name| preference::fit(transition.phase, name));
    match fits {
        _ if fits.contains(&Fit::Bad) => Fit::Bad,
        [status, name] => status.min(name),
    }
}

/// The best of some transitions: of those that fit best, the first whose screen the settings answer; nothing if there are none.
fn best(mut found: Vec<&Transition>, wish: Wish<'_>, settings: Settings<'_>) -> Option<Choice> {
    let is_habit = |one: &Transition| wish.habit == Habit::Told(one.to_id.as_str());
    found.sort_by_key(|one| {
        let id = (one.id.parse::<u64>().unwrap_or(u64::MAX), one.id.clone());
        (fit(one), !is_habit(one), id)
    });
    let first = found.first()?;
    let is_rival = |one: &&Transition| fit(one) == fit(first) && one.to_id != first.to_id;
    let is_open = wish.habit == Habit::Askable && settings.status_for(wish.wanted).is_empty();
    if is_open
        && first.phase == TicketPhase::Done
        && wish.wanted == TicketPhase::Done
        && found.iter().any(is_rival)
    {
        return Some(Choice::Ask);
    }
    let mut unanswered = None;
    for transition in found {
        match screen::answers(&transition.fields, settings, transition.phase) {
            Ok(fields) => {
                return Some(Choice::Take(Way {
                    id: transition.id.clone(),
                    name: transition.name.clone(),
                    to: transition.to.clone(),
                    fields,
                }));
            }
            Err(fields) => unanswered = unanswered.or(Some((transition, fields))),
        }
    }
    unanswered.map(|(transition, fields)| Choice::Unanswered {
        name: transition.name.clone(),
        fields: fields.into_iter().take(MAX_NAMED).collect(),
    })
}

fn named(transition: &Transition) -> String {
    format!("{} (to {})", transition.name, transition.to)
}
