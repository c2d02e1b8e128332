//! Which action is next, given the state and what the delivery is about: the one place where their order stands.

use std::time::Duration;

use crate::workflow::action::{Action, Comment, Move, Reference, View};
use crate::workflow::comments;
use crate::workflow::headline;
use crate::workflow::state::{Blocked, Chore, Link, LookedUp, Name, Route, Sight, TicketState};
use crate::workflow::system::{AccessCheck, Capabilities};
use destination::mapping;
use destination::task::Task;
use model::event::EventName;
use model::incident::IncidentStatus;
use model::ticket::{TicketPhase, wanted_phase};
use model::user::UserRef;

/// The longest account of the settings that tickets are given to, in bytes.
const MAX_ACCOUNT_BYTES: usize = 200;

/// What a delivery does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// This.
    Act(Action),
    /// Nothing: there is no ticket and none is wanted. Says why.
    Rest(&'static str),
    /// Nothing: a test whose ticket may be there already.
    TestedAlready,
    /// Nothing more, but the ticket is not where it is to be.
    Blocked(Blocked),
    /// Nothing more.
    Done,
}

/// What a delivery is about, beside its ticket's state.
#[derive(Debug, Clone)]
pub(crate) struct Inputs<'a> {
    /// The delivery.
    pub(crate) task: Task<'a>,
    /// What the system can do.
    pub(crate) capabilities: Capabilities,
    /// What the system can tell of our account.
    pub(crate) access: AccessCheck,
    /// It is known who we are.
    pub(crate) is_identified: bool,
    /// The name of a group that has to be looked up before the ticket is made.
    pub(crate) group: Option<String>,
}

/// Which events are noted on tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notes {
    /// Escalations, and who has the incident.
    Escalations,
    /// All.
    All,
    /// None.
    Off,
}

impl Inputs<'_> {
    /// Which events are noted.
    pub(crate) fn notes(&self) -> Notes {
        match self.task.target.option("notes").trim() {
            "all" => Notes::All,
            "off" => Notes::Off,
            _ => Notes::Escalations,
        }
    }

    /// Who has the incident: now if that is known, or else when the event happened.
    pub(crate) fn assignee(&self) -> Option<UserRef> {
        let then = || self.task.event.incident().and_then(|incident| incident.assignee);
        self.task
            .incident_context
            .map_or_else(then, |now| now.assignee.clone())
    }

    /// The same as it is kept; empty if nobody has it.
    pub(crate) fn assignee_id(&self) -> String {
        self.assignee().map_or(String::new(), |user| user.id.to_string())
    }

    /// The account that the settings name for whoever has the incident.
    pub(crate) fn account(&self) -> Option<String> {
        let (user, table) = (self.assignee()?, self.task.target.option("assignees"));
        let by_id = mapping::value(table, &user.id.to_string());
        let account = by_id.or_else(|| mapping::value(table, &user.name))?;
        (1..=MAX_ACCOUNT_BYTES)
            .contains(&account.len())
            .then(|| account.to_owned())
    }

    fn status(&self) -> Option<IncidentStatus> {
        self.task.event.incident().map(|incident| incident.status)
    }

    /// Whether the incident is resolved, as the event says.
    pub(crate) fn is_resolved(&self) -> bool {
        self.status() == Some(IncidentStatus::Resolved)
    }

    /// Where a ticket that stands here has to go; nothing if it stays.
    pub(crate) fn goal(&self, state: &TicketState, here: TicketPhase) -> Option<TicketPhase> {
        wanted_phase(self.event(state), state.seen(), here)
    }

    /// The event that counts for the ticket's status. A ticket that was only now made is brought to where its incident stands.
    fn event(&self, state: &TicketState) -> EventName {
        let name = self.task.event.name;
        match (state.delivery.is_fresh, self.status()) {
            (true, Some(IncidentStatus::Acknowledged)) => EventName::Acknowledged,
            (true, Some(IncidentStatus::Resolved)) => EventName::Resolved,
            // Should the acknowledgement itself not have come through, this one makes up for it.
            (false, Some(IncidentStatus::Acknowledged)) if name == EventName::Escalated => {
                EventName::Acknowledged
            }
            (true | false, _) => name,
        }
    }
}

/// How long what was read of a ticket is acted on: others work on it too.
const MAX_SIGHT_AGE: Duration = Duration::from_secs(60);
/// How often a ticket is read again for that. Where a delivery's turns are further apart than that, by its webhook's rate or many
/// others, every one of them would come to nothing else.
const MAX_LATE_READS: u32 = 2;

/// What is next.
pub(crate) fn next(state: &TicketState, inputs: &Inputs<'_>) -> Next {
    match (&state.link, inputs.task.event.is_test) {
        (Link::Unlinked, _) => Next::Rest("the ticket was unlinked by hand"),
        (Link::There { .. }, true) => Next::Done,
        (Link::Unknown { .. }, true) => Next::TestedAlready,
        (Link::None | Link::Wanted, true) => before_create(state, inputs),
        (Link::None | Link::Wanted | Link::Unknown { .. } | Link::There { .. }, false) => {
            match state.name() {
                Some(name) => with_ticket(state, inputs, name),
                None => without_ticket(state, inputs),
            }
        }
    }
}

fn without_ticket(state: &TicketState, inputs: &Inputs<'_>) -> Next {
    if state.link == Link::None && inputs.task.event.name == EventName::Resolved {
        return Next::Rest("there is no ticket to close");
    }
    if must_identify(state, inputs) {
        return Next::Act(Action::Identify);
    }
    match &state.link {
        Link::Unknown { hinted, .. } if state.delivery.doubt.is_none() => match hinted {
            Some(id) if !state.delivery.has_given_up(Chore::Hint) => Next::Act(Action::Read {
                id: id.clone(),
                view: View::Hint,
            }),
            Some(_) | None => Next::Act(Action::FindByKey {
                page: state.delivery.pages,
            }),
        },
        Link::None | Link::Wanted | Link::Unknown { .. } | Link::There { .. } | Link::Unlinked => {
            before_create(state, inputs)
        }
    }
}

fn must_identify(state: &TicketState, inputs: &Inputs<'_>) -> bool {
    !inputs.is_identified && !state.delivery.has_given_up(Chore::Account)
}

fn before_create(state: &TicketState, inputs: &Inputs<'_>) -> Next {
    if let Some(doubt) = &state.delivery.doubt {
        return Next::Act(Action::CheckAccess(doubt.clone()));
    }
    match &inputs.group {
        Some(name) if !is_looked_up(state.delivery.group.as_ref(), name) => {
            Next::Act(Action::LookUp(Reference::Group(name.clone())))
        }
        Some(_) | None => Next::Act(Action::Create),
    }
}

fn is_looked_up(known: Option<&LookedUp>, name: &str) -> bool {
    known.is_some_and(|known| known.name == name)
}

fn with_ticket(state: &TicketState, inputs: &Inputs<'_>, name: &Name) -> Next {
    let delivery = &state.delivery;
    if must_identify(state, inputs) {
        return Next::Act(Action::Identify);
    }
    if let Some(doubt) = &delivery.doubt {
        return Next::Act(Action::CheckAccess(doubt.clone()));
    }
    let Some(sight) = delivery
        .sight
        .as_ref()
        .filter(|sight| sight.known.name.id == name.id)
        .filter(|sight| delivery.late_reads >= MAX_LATE_READS || sight.age(inputs.task.now) <= MAX_SIGHT_AGE)
    else {
        let view = match delivery.has_given_up(Chore::Screens) {
            true => View::MovesOnly,
            false => View::Moves,
        };
        return Next::Act(Action::Read {
            id: name.id.clone(),
            view,
        });
    };
    let name = || sight.known.name.clone();
    let is_new_here = delivery.is_fresh || matches!(state.link, Link::There { is_by_hand: true, .. });
    if sight.is_unmarked && is_new_here && !delivery.has_given_up(Chore::Mark) {
        return Next::Act(Action::Mark(name()));
    }
    let must_link_back = must_link_back(state, inputs);
    if must_link_back && state.told.link_is_resolved.is_none() {
        return Next::Act(Action::LinkBack(name()));
    }
    if let Some(Route::Undecided(name)) = &sight.route {
        return Next::Act(Action::LookUp(Reference::Habit(name.clone())));
    }
    if let Some(moving) = moving(state, inputs, sight) {
        return Next::Act(Action::Move(moving));
    }
    if let Some(account) = account(state, inputs, sight) {
        return assigning(state, inputs, name(), account);
    }
    if headline::is_news(state, inputs) {
        return Next::Act(Action::Retitle {
            name: name(),
            part: headline::part(state, inputs),
        });
    }
    if let Some(comment) = commenting(state, inputs, name()) {
        return Next::Act(comment);
    }
    if must_link_back {
        return Next::Act(Action::LinkBack(name()));
    }
    match &sight.route {
        Some(Route::Blocked(blocked)) => Next::Blocked(blocked.clone()),
        Some(Route::Through { .. } | Route::Undecided(_)) | None => Next::Done,
    }
}

/// Whether the ticket has no link back, or one that tells an old story.
fn must_link_back(state: &TicketState, inputs: &Inputs<'_>) -> bool {
    let has_page = inputs.capabilities.links_back && inputs.task.links.incident.is_some();
    let is_told = state.told.link_is_resolved == Some(inputs.is_resolved());
    has_page && !is_told && !state.delivery.has_given_up(Chore::LinkBack)
}

fn moving(state: &TicketState, inputs: &Inputs<'_>, sight: &Sight) -> Option<Move> {
    let Some(Route::Through { to, plan }) = &sight.route else {
        return None;
    };
    Some(Move {
        name: sight.known.name.clone(),
        from: sight.known.phase.0,
        status: sight.known.status.clone(),
        goal: inputs.goal(state, sight.known.phase.0)?,
        to: to.clone(),
        plan: plan.clone(),
        duplicate_of: None,
    })
}

/// The account that is to have the ticket, if the settings name one and another has it. What is over is nobody's work.
fn account(state: &TicketState, inputs: &Inputs<'_>, sight: &Sight) -> Option<String> {
    let here = sight.known.phase.0;
    let is_over = inputs.goal(state, here).unwrap_or(here) == TicketPhase::Done;
    let account = inputs.account()?;
    let has_it = is_theirs(&sight.assignee, &account);
    (!is_over && !has_it && !state.delivery.has_given_up(Chore::Assignee)).then_some(account)
}

/// Whether somebody who is known by these names is an account.
pub(crate) fn is_theirs(names: &[String], account: &str) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(account))
}

fn assigning(state: &TicketState, inputs: &Inputs<'_>, name: Name, account: String) -> Next {
    if !(inputs.capabilities.must_look_up)(&account) {
        return Next::Act(Action::Assign { name, account });
    }
    let known = state.delivery.user.as_ref().filter(|known| known.name == account);
    match known.and_then(|known| known.id.clone()) {
        Some(account) => Next::Act(Action::Assign { name, account }),
        None => Next::Act(Action::LookUp(Reference::User(account))),
    }
}

/// A comment that is to be written, or that may be there.
fn commenting(state: &TicketState, inputs: &Inputs<'_>, name: Name) -> Option<Action> {
    if let Some(sending) = &state.delivery.sending {
        return Some(Action::FindComment {
            name,
            key: sending.key.clone(),
            searched: sending.searched,
        });
    }
    let comment: Comment = comments::due(state, inputs)?;
    Some(Action::Comment { name, comment })
}
