//! The Table API: lists, records, and what is written to them.

use http::Method;
use serde_json::Value;

use crate::servicenow::answer::{self, Refusal};
use crate::servicenow::call::{self, Call, Conditions, Version};
use crate::servicenow::instance::{Instance, Record};
use crate::servicenow::present::View;
use crate::servicenow::query::Query;
use crate::servicenow::schema::{self, Table, Writers};
use crate::servicenow::write::{Input, Write};
use crate::simulator::Response;

/// How many records a list has unless it is told otherwise.
const DEFAULT_LIMIT: usize = 10_000;

/// The table of a name, or the refusal that there is none.
pub fn named(name: &str) -> Result<&'static Table, Refusal> {
    schema::table(name).ok_or_else(|| Refusal::plain(400, format!("Invalid table {name}")))
}

/// Answers a request to a table.
pub fn serve_table(instance: &mut Instance, call: &Call<'_>, name: &str) -> Result<Response, Refusal> {
    let table = named(name)?;
    match *call.method {
        Method::GET => list(instance, call, table),
        Method::POST => create(instance, call, table),
        _ => Err(call::no_method()),
    }
}

/// Answers a request to one record.
pub fn serve_record(
    instance: &mut Instance,
    call: &Call<'_>,
    name: &str,
    sys_id: &str,
) -> Result<Response, Refusal> {
    let table = named(name)?;
    match *call.method {
        Method::GET => {
            let record = instance
                .find(name, sys_id)
                .filter(|_| !is_hidden(instance, call, table));
            let record = record.ok_or_else(Refusal::no_record)?;
            let shown = View::of(call).show(instance, record);
            Ok(answer::result(200, &shown, format!("read {}", title(record))))
        }
        Method::PUT | Method::PATCH => {
            let fields = call.fields()?;
            may_write(instance, call, table, "Update")?;
            let write = Write {
                fields: &fields,
                input: input(call),
                user: &call.user,
                now: &call.now,
            };
            instance.update(table, sys_id, &write)?;
            let record = instance.find(name, sys_id).ok_or_else(Refusal::no_record)?;
            let shown = View::of(call).show(instance, record);
            Ok(answer::result(200, &shown, format!("changed {}", title(record))))
        }
        Method::DELETE => {
            may_write(instance, call, table, "Delete")?;
            let gone = instance
                .find(name, sys_id)
                .map(title)
                .ok_or_else(Refusal::no_record)?;
            instance.remove(name, sys_id);
            Ok(answer::nothing(format!("deleted {gone}")))
        }
        _ => Err(call::no_method()),
    }
}

/// The records that a call's query selects, in its order.
pub fn selected<'a>(instance: &'a Instance, call: &Call<'_>, table: &'static Table) -> Vec<&'a Record> {
    let encoded = call.parameters.get("sysparm_query");
    let mut query = Query::read(encoded);
    if encoded.is_empty() {
        for (field, value) in call.parameters.fields() {
            query.require(field, value);
        }
    }
    match call.conditions {
        Conditions::Count => {}
        Conditions::AreIgnored => query.forget_conditions(),
    }
    query.select(instance, table.name)
}

/// What people call a record: its number, or its id.
pub fn title(record: &Record) -> String {
    match record.get("number") {
        "" => format!("{} {}", record.table, record.sys_id),
        number => number.to_owned(),
    }
}

fn list(instance: &Instance, call: &Call<'_>, table: &'static Table) -> Result<Response, Refusal> {
    let records = selected(instance, call, table);
    let limit = call.parameters.number("sysparm_limit").unwrap_or(DEFAULT_LIMIT);
    let offset = call.parameters.number("sysparm_offset").unwrap_or(0);
    let total = records.len();
    let view = View::of(call);
    let page: Vec<Value> = records
        .iter()
        .skip(offset)
        .take(limit)
        .filter(|_| !is_hidden(instance, call, table))
        .map(|record| view.show(instance, record))
        .collect();
    if page.is_empty() && (call.version == Version::First || instance.refuses_empty_lists) {
        return Err(Refusal::no_record());
    }
    let sentence = format!("listed {} of {total} in {}", page.len(), table.name);
    let mut answer = answer::result(200, &Value::Array(page), sentence);
    if !call.parameters.is_set("sysparm_no_count") {
        answer.headers.push(("x-total-count", total.to_string()));
        let links = links(call, limit, offset, total);
        let is_wanted = !links.is_empty() && !call.parameters.is_set("sysparm_suppress_pagination_header");
        answer.headers.extend(is_wanted.then_some(("link", links)));
    }
    Ok(answer)
}

/// The pages before and after this one; empty if this is all.
fn links(call: &Call<'_>, limit: usize, offset: usize, total: usize) -> String {
    if limit == 0 || (offset == 0 && total <= limit) {
        return String::new();
    }
    let last = total.saturating_sub(1) / limit * limit;
    let pages = [
        ("first", Some(0)),
        ("prev", (offset > 0).then(|| offset.saturating_sub(limit))),
        ("next", offset.checked_add(limit).filter(|next| *next < total)),
        ("last", Some(last)),
    ];
    let link = |(rel, offset): (&str, Option<usize>)| {
        let query = call.parameters.with("sysparm_offset", &offset?.to_string());
        Some(format!("<{}{}?{query}>;rel=\"{rel}\"", call.base(), call.path))
    };
    pages.into_iter().filter_map(link).collect::<Vec<_>>().join(",")
}

fn create(instance: &mut Instance, call: &Call<'_>, table: &'static Table) -> Result<Response, Refusal> {
    let fields = call.fields()?;
    may_write(instance, call, table, "Insert")?;
    let write = Write {
        fields: &fields,
        input: input(call),
        user: &call.user,
        now: &call.now,
    };
    let sys_id = instance.insert(table, &write)?;
    let record = instance
        .find(table.name, &sys_id)
        .ok_or_else(Refusal::no_record)?;
    let shown = View::of(call).show(instance, record);
    let mut answer = answer::result(201, &shown, format!("made {}", title(record)));
    answer.headers.push((
        "location",
        format!("{}/api/now/table/{}/{sys_id}", call.base(), table.name),
    ));
    Ok(answer)
}

/// Whether access rules hide the records of a table from a caller. They do so after the query: its number still counts them.
fn is_hidden(instance: &Instance, call: &Call<'_>, table: &Table) -> bool {
    table.task.is_some() && instance.hidden_from == Some(call.user.name.as_str())
}

fn may_write(instance: &Instance, call: &Call<'_>, table: &Table, what: &str) -> Result<(), Refusal> {
    call.user.may_write(what)?;
    match table.writers {
        Writers::Everybody if !is_hidden(instance, call, table) => Ok(()),
        Writers::Everybody | Writers::Platform => Err(Refusal::acl(what)),
    }
}

fn input(call: &Call<'_>) -> Input {
    if call.parameters.is_set("sysparm_input_display_value") {
        Input::DisplayValues
    } else {
        Input::Values
    }
}
