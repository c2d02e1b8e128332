//! Asks for the id of a group or user that the settings name. A reference takes an id; what else it takes depends on the
//! instance.

use crate::servicenow::answer::result;
use crate::servicenow::record::{Record, is_id};
use crate::servicenow::request::{Caller, query_value};
use crate::workflow::action::{Facts, Observation, Reference};
use crate::workflow::system::Ask;
use destination::task::Rendered;
use model::attempt::Failure;
use model::exchange::Exchange;

/// Several groups may have one name; then the first is as good as any. A second user would only say that the query was ignored.
const LIMIT: usize = 2;

/// The request.
pub(super) fn request(caller: Caller<'_>, reference: &Reference) -> Result<Rendered, Failure> {
    let (table, field, name) = place(reference);
    let query = format!("{field}={}", query_value(name));
    caller.list(table, &query, &format!("sys_id,{field}"), LIMIT)
}

fn place(reference: &Reference) -> (&'static str, &'static str, &str) {
    match reference {
        // Nobody asks: a ticket goes one way here.
        Reference::Habit(name) => ("sys_choice", "value", name),
        Reference::Group(name) => ("sys_user_group", "name", name),
        Reference::User(name) => ("sys_user", "user_name", name),
    }
}

/// Which it is. An instance that does not let us read that does not tell.
pub(super) fn observe(ask: &Ask<'_>, reference: &Reference, exchange: &Exchange) -> Observation {
    let records = match result(ask, exchange) {
        Ok(result) => Record::list(&result).unwrap_or_default(),
        Err(refusal) if refusal.is_about_this() => Vec::new(),
        Err(refusal) => return Err(refusal.into()),
    };
    let (_, field, name) = place(reference);
    let is_name = |found: &str| match reference {
        Reference::Group(_) => found == name,
        Reference::User(_) | Reference::Habit(_) => found.eq_ignore_ascii_case(name),
    };
    let is_it = |record: &&Record| is_name(record.value(field)) && is_id(record.value("sys_id"));
    let found = records.iter().find(is_it);
    Ok(Facts::Id(found.map(|record| record.value("sys_id").to_owned())))
}
