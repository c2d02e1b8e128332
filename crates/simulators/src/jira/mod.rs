//! Jira, simulated: Cloud and Data Center at once. What is asked tells them apart and nothing else. The third version of
//! the API is Cloud's, with documents for long texts and without user names; the second is served by both, so it shows
//! what either shows and takes what either takes, with wiki text. All of it answers below `/ex/jira/{cloudId}` too,
//! where Atlassian's gateway is, and `/oauth/token` gives out the tokens for it.
//!
//! Written after what is published, not after our adapter. Paths, members and statuses are those that Atlassian's REST
//! references (Cloud v2 and v3, Data Center) give to the clients made from them: jira.js, and the PyPI packages `jira`
//! 3.10.5 and `atlassian-python-api` 5.0.5, which also judge this simulator (`tests/judges`). How a real site behaves beyond
//! that comes from the live tests of jira.js, Cloud and Data Center 10.3: both kinds of links, properties, comments,
//! the search with tokens, a token that is not known and is served as nobody's. The words of refusals were seen in
//! public recordings and in clients' tests; where none was found they are ours, and nobody may depend on them.
//! Webhooks follow Atlassian's page about them and the payloads that jira.js collected; a 429, the page about rate
//! limiting; a 409, the change notice about simultaneous transitions.
//!
//! It is stricter than some of Jira where a program gains from it: JQL that names what does not exist is always
//! refused (Cloud may find nothing instead), and a document must follow its schema.

mod access;
mod answer;
mod comments;
mod create;
mod createmeta;
mod edit;
mod faults;
mod fields;
mod hooks;
mod issue;
mod jql;
mod links;
mod meta;
mod people;
mod properties;
mod read;
mod remote_links;
mod request;
mod rich;
mod routes;
mod search;
mod setting;
mod site;
#[cfg(test)]
mod tests;
mod values;
mod workflow;
mod world;

use crate::jira::answer::{Answer, Refusal};
use crate::jira::faults::{Effect, FAULTS, Waiting};
use crate::jira::issue::Issue;
use crate::jira::request::{Asked, Entrance};
use crate::jira::world::World;
use crate::message::Message;
use crate::simulator::{Fault, Request, Response, Simulator};

/// Jira with two projects, OPS and WEB.
#[derive(Default)]
pub struct Jira {
    world: World,
    waiting: Waiting,
}

impl Simulator for Jira {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        let mut asked = Asked::read(request);
        let done = self.come_in(request, &mut asked);
        let effect = done.map(|()| self.waiting.meet(&mut self.world, &asked).unwrap_or(Effect::GoOn));
        let (result, is_lost) = match effect {
            Err(refusal) | Ok(Effect::Refuse(refusal)) => (Err(refusal), false),
            Ok(Effect::BreakBefore) => (
                Ok(Answer::empty(
                    503,
                    "broke the connection before anything was done",
                )),
                true,
            ),
            Ok(Effect::BreakAfter) => (routes::serve(&mut self.world, &asked), true),
            Ok(Effect::GoOn) => (routes::serve(&mut self.world, &asked), false),
        };
        self.world.finds_everything = false;
        let answer = match result {
            Ok(answer) => self.taken(answer),
            Err(refusal) => refused(refusal),
        };
        Response {
            is_lost,
            callbacks: std::mem::take(&mut self.world.calls),
            ..answer
        }
    }

    fn faults(&self) -> &'static [Fault] {
        FAULTS
    }

    fn fail_next(&mut self, fault: &str) -> bool {
        self.waiting.take(&mut self.world, fault)
    }

    fn messages(&self) -> Vec<Message> {
        self.world.issues.iter().map(Issue::seen).collect()
    }

    fn url(&self, address: &str) -> String {
        address.to_owned()
    }
}

impl Jira {
    /// Finds out who asks, where that matters.
    fn come_in(&mut self, request: &Request<'_>, asked: &mut Asked<'_>) -> Result<(), Refusal> {
        if matches!(asked.door, Entrance::Rest | Entrance::Hooks) {
            if let Some(refusal) = self.world.lasting.nobody(request.headers, asked) {
                return Err(refusal);
            }
            asked.caller = access::caller(&self.world, request.headers, asked)?;
            self.world.meet(&asked.caller);
            self.world.may_touch(asked)?;
        }
        Ok(())
    }

    fn taken(&self, answer: Answer) -> Response {
        let message = answer
            .issue_id
            .and_then(|id| self.world.issue(id))
            .map(Issue::seen);
        let json = answer
            .body
            .map(|body| Response::json(answer.status, &body, answer.sentence.clone()));
        let empty = Response {
            status: answer.status,
            headers: Vec::new(),
            body: String::new(),
            sentence: answer.sentence,
            ..Response::default()
        };
        Response {
            message,
            ..json.unwrap_or(empty)
        }
    }
}

fn refused(refusal: Refusal) -> Response {
    Response {
        status: refusal.status,
        headers: refusal.headers,
        body: refusal.body,
        sentence: refusal.sentence,
        ..Response::default()
    }
}
