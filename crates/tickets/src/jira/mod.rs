//! Jira, Cloud and Data Center: which request an action is, and what its answer says. The order of things is the workflow's.
//!
//! `account`, `access`, `create`, `find`, `read`, `moving`, `link_back`, `assign`, `comments` and `duplicate` each know one sort of request;
//! `answer` judges what their answers have in common. `check` is what *Check connection* looks at.

mod access;
mod account;
mod answer;
mod api;
mod assign;
mod callback;
mod check;
mod comments;
mod create;
mod create_screen;
mod duplicate;
mod find;
mod form;
mod habit;
mod issue;
mod link_back;
mod moving;
mod preference;
mod preview;
mod read;
mod reference;
mod screen;
mod settings;
#[cfg(test)]
mod tests;
mod texts;
mod token;
mod transitions;
mod wiki;

use std::time::Duration;

use crate::jira::account::Account;
use crate::jira::api::Api;
use crate::jira::settings::{Auth, Settings};
use crate::workflow::Workflow;
use crate::workflow::action::{Action, Facts, Observation, Reference, Trouble, TroubleKind};
use crate::workflow::system::{AccessCheck, Ask, Capabilities, TicketSystem};
use destination::Adapter;
use destination::about::{KindDescription, Problem};
use destination::callback::{Call, Received, Refused};
use destination::preview::Preview;
use destination::task::{Rendered, Target};
use destination::template::Templates;
use destination::ticketing::{QueryContext, QueryStep, Tokens};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::webhook::MAX_TIMEOUT;

/// How long a new ticket may be missing from searches: those of Cloud show it seconds to minutes later.
const FIND_LAG: Duration = Duration::from_secs(5 * 60);

/// Tickets in Jira.
pub const ADAPTER: &dyn Adapter = &Workflow(Jira);

/// Jira as the workflow sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jira;

impl TicketSystem for Jira {
    fn description(&self) -> &'static KindDescription {
        &form::ABOUT
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "Jira",
            find_lag: FIND_LAG,
            links_back: true,
            comment_places: 1,
            duplicate_parts: duplicate::PARTS,
            headline_parts: |_| 1,
            comment_break: "\n\n",
            escape: wiki::escape,
            page: |target, _, key| issue::page(Settings(target), key),
            must_look_up: |_| false,
        }
    }

    fn request(&self, ask: &Ask<'_>, action: &Action) -> Result<Rendered, Failure> {
        let api = Api {
            target: ask.target,
            token: ask.token,
        };
        match action {
            Action::Identify => account::request(api),
            Action::Create => create::request(api, ask),
            Action::FindByKey { .. } => find::request(api, ask.marker),
            Action::CheckAccess(_) => access::request(api),
            Action::Read { id, view } | Action::ReadNamed { reference: id, view } => {
                read::request(api, id, *view)
            }
            Action::ReadComments { id, fewer, .. } => comments::read_request(api, id, *fewer),
            Action::Move(moving) => moving::request(api, moving),
            Action::Retitle { name, .. } => create::retitle(api, ask, &name.id),
            Action::Assign { name, account } => assign::request(api, &name.id, account),
            Action::Comment { name, comment } => comments::request(api, &name.id, &comment.text),
            Action::FindComment { name, .. } => comments::find_request(api, &name.id),
            Action::LinkBack(name) => link_back::request(api, ask, &name.id),
            Action::MarkDuplicate { name, keep, part, .. } => duplicate::request(api, name, keep, *part),
            Action::LookUp(Reference::Habit(_)) => habit::request(api),
            Action::LookUp(Reference::Group(_) | Reference::User(_)) | Action::Mark(_) => {
                Err(unknown(action))
            }
        }
    }

    fn observe(&self, ask: &Ask<'_>, action: &Action, exchange: &Exchange) -> Observation {
        match action {
            Action::Identify => account::observe(ask, exchange),
            Action::Create => create::observe(ask, exchange),
            Action::FindByKey { .. } => find::observe(ask, exchange),
            Action::CheckAccess(doubt) => access::observe(ask, doubt, exchange),
            Action::Read { view, .. } | Action::ReadNamed { view, .. } => read::observe(ask, *view, exchange),
            Action::ReadComments { since, .. } => comments::read_observe(ask, *since, exchange),
            Action::Move(moving) => moving::observe(ask, moving, exchange),
            Action::Retitle { .. } => create::retitled(ask, exchange),
            Action::Assign { .. } => assign::observe(ask, exchange),
            Action::Comment { .. } => answer::done(ask, exchange, comments::PURPOSE),
            Action::FindComment { key, .. } => comments::find_observe(ask, key, exchange),
            Action::LinkBack(_) => link_back::observe(ask, exchange),
            Action::MarkDuplicate { .. } => answer::done(ask, exchange, duplicate::PURPOSE),
            Action::LookUp(Reference::Habit(_)) => habit::observe(ask, exchange),
            Action::LookUp(Reference::Group(_) | Reference::User(_)) | Action::Mark(_) => {
                Err(Trouble::new(TroubleKind::Refused, unknown(action)))
            }
        }
    }

    fn is_identified(&self, target: &Target) -> bool {
        Account::learned(target).is_some()
    }

    fn access_check(&self) -> AccessCheck {
        AccessCheck::Rights
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        settings::problems::check(target)
    }

    fn try_templates(&self, target: &Target, templates: &Templates) -> Vec<Problem> {
        settings::problems::try_templates(target, templates)
    }

    /// Making a ticket may run rules and mail before Jira answers, and one that is not waited for has to be looked for.
    fn timeout(&self) -> Duration {
        MAX_TIMEOUT
    }

    fn bucket(&self, target: &Target) -> String {
        Settings(target).bucket()
    }

    fn tokens(&self, target: &Target) -> Option<&dyn Tokens> {
        match Settings(target).auth() {
            Auth::ClientCredentials => Some(&token::ClientCredentials),
            Auth::Basic | Auth::Bearer => None,
        }
    }

    fn check_connection(&self, asking: &QueryContext<'_>) -> QueryStep {
        let next = check::check(asking);
        next.unwrap_or_else(|trouble| QueryStep::Failed(trouble.failure, trouble.pause))
    }

    fn reference(&self, target: &Target, text: &str) -> Result<String, String> {
        reference::reference(target, text)
    }

    fn receive(&self, call: &Call<'_>) -> Result<Received, Refused> {
        callback::receive(call)
    }

    fn callback_help(&self, call: &Call<'_>, callback: &str) -> Option<String> {
        callback::help(call, callback)
    }

    fn preview(&self, body: &[u8]) -> Option<Preview> {
        preview::preview(&serde_json::from_slice(body).ok()?)
    }
}

/// An action that this system is never asked for, given its capabilities.
fn unknown(action: &Action) -> Failure {
    let detail = format!("Jira knows nothing like {action:?}: tell us, it is a mistake of ours");
    Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::Permanent)
}

/// Nothing more is known.
const NOTHING: Observation = Ok(Facts::Nothing);
