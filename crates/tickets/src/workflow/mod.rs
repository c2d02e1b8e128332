//! How an incident gets one ticket and the two stay in line, whatever the system: the order of requests, waiting, finding
//! before repeating, comments that are written once, tickets that were made twice.
//!
//! `next` says which action follows from a state, `apply` what an observation makes of it; both are pure. A system makes
//! the request and reads the answer. `query` and `merge` use the same actions beside deliveries. `stored` alone knows where the
//! state is kept.

pub(crate) mod action;
mod apply;
pub(crate) mod clock;
pub(crate) mod comments;
#[cfg(test)]
mod conformance;
pub(crate) mod headline;
mod merge;
pub(crate) mod next;
mod query;
pub(crate) mod state;
pub(crate) mod stored;
pub(crate) mod system;

use std::time::Duration;

use crate::workflow::action::Action;
use crate::workflow::apply::{apply, comment::may_be_written, end};
use crate::workflow::next::{Inputs, Next, next};
use crate::workflow::state::{Link, TicketState};
use crate::workflow::system::{Ask, Asker, TicketSystem};
use destination::about::{KindDescription, Problem};
use destination::callback::{Call, Received, Refused};
use destination::preview::Preview;
use destination::task::{Bucket, Classification, Intention, Rendered, Step, Target, Task};
use destination::template::Templates;
use destination::ticketing::{QueryContext, QueryStep, TicketQuery, Ticketing, Tokens};
use destination::{Adapter, Callbacks, Previews};
use model::attempt::Failure;
use model::exchange::Exchange;
use model::ticket::{TicketLink, marker};
use model::time::Timestamp;

/// A ticket system as a kind of webhook.
pub(crate) struct Workflow<S>(pub(crate) S);

impl<S: TicketSystem> Workflow<S> {
    fn inputs<'a>(&self, task: &Task<'a>, state: &TicketState) -> Inputs<'a> {
        let is_there = matches!(state.link, Link::There { .. });
        Inputs {
            task: *task,
            capabilities: self.0.capabilities(),
            access: self.0.access_check(),
            is_identified: self.0.is_identified(task.target),
            group: self.0.group(task).filter(|_| !is_there),
        }
    }

    fn ask<'a>(state: &'a TicketState, inputs: &'a Inputs<'a>, marker: &'a str, now: Timestamp) -> Ask<'a> {
        Ask {
            target: inputs.task.target,
            token: inputs.task.token,
            now,
            marker,
            visited: &state.delivery.visited,
            of: Asker::Delivery(state, inputs),
        }
    }

    fn request(
        &self,
        state: &TicketState,
        inputs: &Inputs<'_>,
        action: &Action,
    ) -> Result<Rendered, Failure> {
        let marker = marker_of(&inputs.task);
        let renewed = match action {
            // It is made as the incident is called now, and told so.
            Action::Create | Action::Retitle { .. } => headline::renewed(&inputs.task),
            _ => None,
        };
        let task = Task {
            event: renewed.as_ref().unwrap_or(inputs.task.event),
            ..inputs.task
        };
        let inputs = &Inputs {
            task,
            group: inputs.group.clone(),
            ..*inputs
        };
        let rendered = self
            .0
            .request(&Self::ask(state, inputs, &marker, inputs.task.now), action)?;
        let intent = match action {
            Action::Create => Some(Intention::MakeTicket),
            Action::Comment { comment, .. } => {
                let state = may_be_written(state.clone(), &comment.key, inputs.task.now);
                stored::write(&inputs.task, &state).map(Intention::Workflow)
            }
            _ => None,
        };
        Ok(Rendered { intent, ..rendered })
    }

    /// What the answer to an action means.
    fn classify(
        &self,
        state: TicketState,
        action: Action,
        task: &Task<'_>,
        exchange: &Exchange,
        now: Timestamp,
    ) -> Classification {
        let (inputs, marker) = (self.inputs(task, &state), marker_of(task));
        let mut expected = state.clone();
        // Where a ticket has to go that is made by this answer depends on that.
        expected.delivery.is_fresh |= action == Action::Create;
        let observation = self
            .0
            .observe(&Self::ask(&expected, &inputs, &marker, now), &action, exchange);
        let (state, classification) = apply(state, &inputs, action, observation, now);
        stored::keep(task, &state, classification)
    }
}

/// What marks the ticket of a task's incident.
fn marker_of(task: &Task<'_>) -> String {
    task.ticket.map_or_else(
        || marker(task.webhook.id, task.event.incident_id, 1),
        TicketLink::marker,
    )
}

impl<S: TicketSystem> Adapter for Workflow<S> {
    fn description(&self) -> &'static KindDescription {
        self.0.description()
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        self.0.check(target)
    }

    fn try_templates(&self, target: &Target, templates: &Templates) -> Vec<Problem> {
        self.0.try_templates(target, templates)
    }

    fn default_timeout(&self) -> Duration {
        self.0.timeout()
    }

    fn buckets(&self, target: &Target) -> Vec<Bucket> {
        vec![Bucket {
            key: self.0.bucket(target),
            rate: None,
        }]
    }

    fn step(&self, task: &Task<'_>) -> Step {
        let state = stored::load(task);
        let inputs = self.inputs(task, &state);
        let action = match next(&state, &inputs) {
            Next::Act(action) => action,
            ended => {
                let (state, classification) = end(state, &inputs, &ended, task.now);
                return Step::done(stored::keep(task, &state, classification));
            }
        };
        let request = self.request(&state, &inputs, &action);
        let workflow = Self(self.0.clone());
        Step::send(request, move |task, exchange, now| {
            workflow.classify(state, action, task, exchange, now)
        })
    }

    fn tokens(&self, target: &Target) -> Option<&dyn Tokens> {
        self.0.tokens(target)
    }

    fn ticketing(&self) -> Option<&dyn Ticketing> {
        Some(self)
    }

    fn previews(&self) -> Option<&dyn Previews> {
        Some(self)
    }

    fn callbacks(&self) -> Option<&dyn Callbacks> {
        Some(self)
    }
}

impl<S: TicketSystem> Previews for Workflow<S> {
    fn preview_request(&self, task: &Task<'_>) -> Result<Rendered, Box<Classification>> {
        let state = stored::load(task);
        let request = self.request(&state, &self.inputs(task, &state), &Action::Create);
        request.map_err(|failure| Box::new(failure.into()))
    }

    fn preview(&self, body: &[u8]) -> Option<Preview> {
        self.0.preview(body)
    }
}

impl<S: TicketSystem> Callbacks for Workflow<S> {
    fn receive(&self, call: &Call<'_>) -> Result<Received, Refused> {
        self.0.receive(call)
    }

    fn callback_help(&self, call: &Call<'_>, callback: &str) -> Option<String> {
        self.0.callback_help(call, callback)
    }
}

impl<S: TicketSystem> Ticketing for Workflow<S> {
    fn query(&self, asking: &QueryContext<'_>) -> QueryStep {
        match asking.query {
            TicketQuery::Read {
                ticket_id,
                comments_since,
            } => query::read(&self.0, asking, ticket_id, *comments_since),
            TicketQuery::Find { reference } => query::find(&self.0, asking, reference),
            TicketQuery::Marked { marker } => query::marked(&self.0, asking, marker),
            TicketQuery::Merge { keep, close } => merge::merge(&self.0, asking, keep, close),
            TicketQuery::Check => self.0.check_connection(asking),
        }
    }

    fn place(&self, target: &Target) -> String {
        self.0.place(target)
    }

    fn reference(&self, target: &Target, text: &str) -> Result<String, String> {
        self.0.reference(target, text)
    }
}
