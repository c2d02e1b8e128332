//! ServiceNow, by the Table API: which request an action is, and what its answer says. The order of things is the workflow's.
//!
//! `look_up`, `access`, `create`, `find`, `mark`, `change`, `assign`, `comments` and `duplicate` each know one sort of request. `record` reads a
//! record, `request` makes addresses and headers, `answer` reads errors, `texts` renders the templates. `form` and `settings` say
//! what is asked for, `problems` what is wrong with it. `check` is what *Check connection* looks at.

mod access;
mod answer;
mod assign;
mod callback;
mod change;
mod check;
mod comments;
mod create;
mod duplicate;
mod find;
mod form;
mod look_up;
mod mark;
mod preview;
mod problems;
mod record;
mod reference;
mod request;
mod rule;
mod settings;
mod tables;
#[cfg(test)]
mod tests;
mod texts;
mod token;

use std::time::Duration;

use crate::servicenow::request::Caller;
use crate::servicenow::settings::is_sys_id;
use crate::workflow::Workflow;
use crate::workflow::action::{Action, Observation, Trouble, TroubleKind};
use crate::workflow::system::{AccessCheck, Ask, Capabilities, TicketSystem};
use destination::Adapter;
use destination::about::{KindDescription, Problem};
use destination::callback::{Call, Received, Refused};
use destination::preview::Preview;
use destination::task::{Rendered, Target, Task};
use destination::template::Templates;
use destination::ticketing::{QueryContext, QueryStep, Tokens};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};

/// How long an answer is waited for: instances are known to take longer than most receivers.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a ticket whose making got no answer may take until it is found: a create that outlived our timeout is still
/// being worked on, and its record is there once its business rules have run.
const FIND_LAG: Duration = Duration::from_secs(120);

/// Tickets in a table of ServiceNow.
pub const ADAPTER: &dyn Adapter = &Workflow(ServiceNow);

/// ServiceNow as the workflow sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServiceNow;

impl TicketSystem for ServiceNow {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "the instance",
            find_lag: FIND_LAG,
            links_back: false,
            comment_places: comments::PLACES,
            duplicate_parts: 1,
            headline_parts: |_| 1,
            comment_break: "\n",
            escape: comments::quiet,
            page: |target, id, _| record::page(target, id),
            must_look_up: |account| !is_sys_id(account),
        }
    }

    fn request(&self, ask: &Ask<'_>, action: &Action) -> Result<Rendered, Failure> {
        let caller = Caller {
            target: ask.target,
            token: ask.token,
        };
        match action {
            Action::LookUp(reference) => look_up::request(caller, reference),
            Action::Create => create::request(caller, ask),
            Action::FindByKey { .. } => find::request(caller, ask.marker),
            Action::CheckAccess(doubt) => access::request(caller, ask, doubt),
            Action::Read { id, .. } => caller.record(id, request::RECORD_FIELDS),
            Action::ReadNamed { reference, .. } => find::named_request(caller, reference),
            Action::ReadComments { id, .. } => comments::read_request(caller, id),
            Action::Mark(name) => mark::request(caller, &name.id, ask.marker),
            Action::Move(moving) => change::request(caller, ask, moving),
            Action::Retitle { name, .. } => create::retitle(caller, ask, &name.id),
            Action::Assign { name, account } => assign::request(caller, &name.id, account),
            Action::Comment { name, comment } => comments::request(caller, &name.id, &comment.text),
            Action::FindComment { name, key, searched } => {
                comments::find_request(caller, &name.id, key, *searched)
            }
            Action::MarkDuplicate { name, marker, .. } => duplicate::request(caller, &name.id, marker),
            Action::Identify | Action::LinkBack(_) => Err(unknown(action)),
        }
    }

    fn observe(&self, ask: &Ask<'_>, action: &Action, exchange: &Exchange) -> Observation {
        match action {
            Action::LookUp(reference) => look_up::observe(ask, reference, exchange),
            Action::Create => create::observe(ask, exchange),
            Action::FindByKey { .. } => find::observe(ask, exchange),
            Action::CheckAccess(doubt) => access::observe(ask, doubt, exchange),
            Action::Read { view, .. } => find::read(ask, *view, exchange),
            Action::ReadNamed { reference, .. } => find::named(ask, reference, exchange),
            Action::ReadComments { since, .. } => comments::read_observe(ask, *since, exchange),
            Action::Mark(name) => assign::observe(ask, &name.id, exchange),
            Action::Move(moving) => change::observe(ask, moving, exchange),
            Action::Retitle { name, .. } | Action::Assign { name, .. } => {
                assign::observe(ask, &name.id, exchange)
            }
            Action::Comment { .. } => comments::observe(ask, exchange),
            Action::FindComment { key, searched, .. } => {
                comments::find_observe(ask, key, *searched, exchange)
            }
            Action::MarkDuplicate { .. } => duplicate::observe(ask, exchange),
            Action::Identify | Action::LinkBack(_) => {
                Err(Trouble::new(TroubleKind::Refused, unknown(action)))
            }
        }
    }

    fn access_check(&self) -> AccessCheck {
        AccessCheck::Sight
    }

    fn group(&self, task: &Task<'_>) -> Option<String> {
        texts::group(task).filter(|name| !is_sys_id(name))
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        problems::check(target)
    }

    fn try_templates(&self, target: &Target, templates: &Templates) -> Vec<Problem> {
        problems::try_templates(target, templates)
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    fn bucket(&self, target: &Target) -> String {
        settings::bucket(target)
    }

    fn tokens(&self, target: &Target) -> Option<&dyn Tokens> {
        settings::Auth::of(target).takes_token().then_some(self)
    }

    fn check_connection(&self, asking: &QueryContext<'_>) -> QueryStep {
        check::check(asking)
    }

    fn place(&self, target: &Target) -> String {
        let root = target.url.as_str().trim_end_matches('/');
        format!("{root} {}", settings::table(target))
    }

    fn reference(&self, target: &Target, text: &str) -> Result<String, String> {
        reference::reference(target, text)
    }

    fn receive(&self, call: &Call<'_>) -> Result<Received, Refused> {
        callback::receive(call)
    }

    fn callback_help(&self, call: &Call<'_>, callback: &str) -> Option<String> {
        rule::help(call, callback)
    }

    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(body)
    }
}

/// An action that this system is never asked for, given its capabilities.
fn unknown(action: &Action) -> Failure {
    let detail = format!("ServiceNow knows nothing like {action:?}: tell us, it is a mistake of ours");
    Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::Permanent)
}
