//! What Jira is asked beside deliveries. Each question is a fold: all answers so far make the next request, or the end.

mod check;
mod create_screen;
mod join;
mod reading;
pub(super) mod reference;

use crate::jira::answer::{self, Trouble};
use crate::jira::api::Api;
use crate::jira::look;
use crate::jira::memory::Account;
use crate::jira::settings::Settings;
use destination::task::Rendered;
use destination::ticketing::{
    MAX_MARKED, MAX_QUERY_REQUESTS, QueryContext, QueryResult, QueryStep, TicketQuery,
};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// What follows in a question, or why it comes to nothing.
type Next = Result<QueryStep, Trouble>;

/// See [`destination::ticketing::Ticketing::ask`].
pub(super) fn ask(asking: &QueryContext<'_>) -> QueryStep {
    if asking.answers.len() >= MAX_QUERY_REQUESTS {
        let detail = "the question took more requests than any should";
        return QueryStep::Failed(
            Failure::new(FailureCode::TooManySteps, detail).with(Disposition::Permanent),
            None,
        );
    }
    let next = match asking.query {
        TicketQuery::Read {
            ticket_id,
            comments_since,
        } => reading::read(asking, ticket_id, *comments_since),
        TicketQuery::Find { reference } => reading::read(asking, reference, None),
        TicketQuery::Marked { marker } => marked(asking, marker),
        TicketQuery::Merge { keep, close } => join::join(asking, keep, close),
        TicketQuery::Check => check::check(asking),
    };
    next.unwrap_or_else(|trouble| QueryStep::Failed(trouble.failure, trouble.pause))
}

/// Where requests go.
fn api<'a>(asking: &QueryContext<'a>) -> Api<'a> {
    Api {
        target: asking.target,
        token: asking.token,
    }
}

/// A request as what follows.
fn send(request: Result<Rendered, Failure>) -> Next {
    Ok(QueryStep::send(request?))
}

fn marked(asking: &QueryContext<'_>, marker: &str) -> Next {
    let Some(exchange) = asking.answers.first() else {
        return send(look::request(api(asking), marker));
    };
    let response = answer::good(asking.target, exchange, look::PURPOSE, asking.now)?;
    let account = Account::learned(asking.target);
    let found = look::marked(Settings(asking.target), account.as_ref(), response, marker);
    let found = found.ok_or_else(|| Trouble::from(answer::strange(response)))?;
    let tickets = found.into_iter().map(|issue| issue.ticket).take(MAX_MARKED);
    Ok(QueryStep::Done(QueryResult::Tickets(tickets.collect())))
}
