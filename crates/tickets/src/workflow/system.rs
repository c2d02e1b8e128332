//! What a ticket system is to the workflow: addresses, bodies and the reading of answers, and nothing of the order in which
//! things are done.

use std::time::Duration;

use crate::workflow::action::{Action, Observation};
use crate::workflow::next::Inputs;
use crate::workflow::state::{Link, LookedUp, TicketState};
use destination::about::{KindDescription, Problem};
use destination::callback::{Call, Received, Refused};
use destination::preview::Preview;
use destination::task::{Rendered, Target, Task, Token};
use destination::template::Templates;
use destination::ticketing::{QueryContext, QueryResult, QueryStep, Tokens};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::ticket::TicketPhase;
use model::time::Timestamp;
use model::webhook::DEFAULT_TIMEOUT;

/// A ticket system.
pub(crate) trait TicketSystem: Clone + Send + Sync + 'static {
    /// How it presents itself.
    fn description(&self) -> &'static KindDescription;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The request for an action.
    fn request(&self, ask: &Ask<'_>, action: &Action) -> Result<Rendered, Failure>;

    /// What came of it. Asked exactly as the request was.
    fn observe(&self, ask: &Ask<'_>, action: &Action, exchange: &Exchange) -> Observation;

    /// Whether it is known who we are.
    fn is_identified(&self, _target: &Target) -> bool {
        true
    }

    /// What it can tell of our account, by [`Action::CheckAccess`].
    fn access_check(&self) -> AccessCheck {
        AccessCheck::None
    }

    /// The name of a group that has to be looked up before the ticket is made.
    fn group(&self, _task: &Task<'_>) -> Option<String> {
        None
    }

    /// What is wrong with a target beyond what its form says.
    fn check(&self, _target: &Target) -> Vec<Problem> {
        Vec::new()
    }

    /// What is wrong with a target's templates.
    fn try_templates(&self, _target: &Target, _templates: &Templates) -> Vec<Problem> {
        Vec::new()
    }

    /// How long an answer is waited for unless the webhook says otherwise.
    fn timeout(&self) -> Duration {
        DEFAULT_TIMEOUT
    }

    /// The rate limit that requests count against.
    fn bucket(&self, target: &Target) -> String;

    /// How access tokens are had; nothing if a target needs none.
    fn tokens(&self, _target: &Target) -> Option<&dyn Tokens> {
        None
    }

    /// What *Check connection* looks at: the next request, or the findings.
    fn check_connection(&self, _asking: &QueryContext<'_>) -> QueryStep {
        QueryStep::Done(QueryResult::Findings(Vec::new()))
    }

    /// What tells one place of tickets from another.
    fn place(&self, target: &Target) -> String {
        target.url.as_str().trim_end_matches('/').to_owned()
    }

    /// What a person typed to name a ticket, as [`Action::ReadNamed`] wants it; or a sentence that says why it names none.
    fn reference(&self, target: &Target, text: &str) -> Result<String, String>;

    /// What a call of the system wants: its change notifications.
    fn receive(&self, _call: &Call<'_>) -> Result<Received, Refused> {
        Ok(Received::Nothing)
    }

    /// What an administrator does to have the system call us.
    fn callback_help(&self, _call: &Call<'_>, _callback: &str) -> Option<String> {
        None
    }

    /// A request's body as people see it.
    fn preview(&self, _body: &[u8]) -> Option<Preview> {
        None
    }
}

/// What a system can do, and how it is spoken to and about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capabilities {
    /// What sentences call it: `Jira`.
    pub(crate) name: &'static str,
    /// How long a new ticket may be missing from [`Action::FindByKey`].
    pub(crate) find_lag: Duration,
    /// Whether its tickets can be linked back to their incidents.
    pub(crate) links_back: bool,
    /// In how many places a comment is looked for.
    pub(crate) comment_places: usize,
    /// How many requests mark a duplicate.
    pub(crate) duplicate_parts: usize,
    /// How many requests give a ticket another title and severity, by the settings.
    pub(crate) headline_parts: fn(&Target) -> usize,
    /// What stands between a comment and its key.
    pub(crate) comment_break: &'static str,
    /// A text of people without any meaning in a comment.
    pub(crate) escape: fn(&str) -> String,
    /// The address of a ticket's page, by its id and key.
    pub(crate) page: fn(&Target, &str, &str) -> String,
    /// Whether an account of the settings has to be looked up before tickets are given to it.
    pub(crate) must_look_up: fn(&str) -> bool,
}

/// What a system can tell of our account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessCheck {
    /// Nothing: what it answers is believed.
    None,
    /// Whether it sees tickets at all.
    Sight,
    /// Whether it sees tickets and may work on them.
    Rights,
}

/// All that a request is made from and its answer read with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// Where to.
    pub(crate) target: &'a Target,
    /// The access token, if one is needed.
    pub(crate) token: Option<&'a Token>,
    /// Now.
    pub(crate) now: Timestamp,
    /// Our mark on the ticket.
    pub(crate) marker: &'a str,
    /// The ids of statuses that the ticket was moved out of.
    pub(crate) visited: &'a [String],
    /// On whose behalf.
    pub(crate) of: Asker<'a>,
}

/// On whose behalf something is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asker<'a> {
    /// A delivery's.
    Delivery(&'a TicketState, &'a Inputs<'a>),
    /// Somebody's who only looks.
    Reader,
    /// Whoever closes a ticket that was made twice, the other one being kept.
    Merger,
}

impl<'a> Ask<'a> {
    /// The delivery's task.
    pub(crate) fn task(&self) -> Result<&'a Task<'a>, Failure> {
        match self.of {
            Asker::Delivery(_, inputs) => Ok(&inputs.task),
            Asker::Reader | Asker::Merger => {
                let detail = "only a delivery can do this: tell us, it is a mistake of ours";
                Err(Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::Permanent))
            }
        }
    }

    /// Where a ticket has to go that stands here; nothing if it stays.
    pub(crate) fn goal(&self, here: TicketPhase) -> Option<TicketPhase> {
        match self.of {
            Asker::Delivery(state, inputs) => inputs.goal(state, here),
            Asker::Reader => None,
            Asker::Merger => (here != TicketPhase::Done).then_some(TicketPhase::Done),
        }
    }

    /// Fields that were refused.
    pub(crate) fn dropped(&self) -> &'a [String] {
        self.state().map_or(&[], |state| &state.delivery.dropped)
    }

    /// What the system knows the group by that the ticket is made for.
    pub(crate) fn group(&self) -> Option<&'a str> {
        self.state()?.delivery.group.as_ref()?.id.as_deref()
    }

    /// Where people bring their tickets in the end, if that was asked and told.
    pub(crate) fn habit(&self) -> Option<&'a LookedUp> {
        self.state()?.delivery.habit.as_ref()
    }

    /// Whether something may be looked up before the ticket is moved.
    pub(crate) fn may_look_up(&self) -> bool {
        self.state().is_some_and(|state| state.delivery.habit.is_none())
    }

    /// The account that the settings name for whoever has the incident.
    pub(crate) fn account(&self) -> Option<String> {
        match self.of {
            Asker::Delivery(_, inputs) => inputs.account(),
            Asker::Reader | Asker::Merger => None,
        }
    }

    /// When the request left that may have made the ticket.
    pub(crate) fn intended_at(&self) -> Option<Timestamp> {
        match self.state()?.link {
            Link::Unknown { at, .. } => Some(Timestamp::from_millis(at)),
            Link::None | Link::Wanted | Link::There { .. } | Link::Unlinked => None,
        }
    }

    /// When the comment was sent that may be there.
    pub(crate) fn sent_at(&self) -> Option<Timestamp> {
        let sending = self.state()?.delivery.sending.as_ref()?;
        Some(Timestamp::from_millis(sending.since))
    }

    /// How many moves were refused because the ticket had moved meanwhile.
    pub(crate) fn stale_moves(&self) -> u32 {
        self.state().map_or(0, |state| state.delivery.stale_moves)
    }

    /// Whether the ticket was made by this very delivery, and has not been read.
    pub(crate) fn was_just_made(&self) -> bool {
        self.state().is_some_and(|state| state.delivery.made.is_some())
    }

    fn state(&self) -> Option<&'a TicketState> {
        match self.of {
            Asker::Delivery(state, _) => Some(state),
            Asker::Reader | Asker::Merger => None,
        }
    }
}
