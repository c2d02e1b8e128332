//! Whether the settings work: what is read to find out, in order. `findings` says what it means.
//!
//! Most of these tables may be closed to an account that makes tickets well: what cannot be read is told as unsure.

mod findings;

use crate::servicenow::access::{hidden, shows_nothing};
use crate::servicenow::answer::{self, Refusal, total};
use crate::servicenow::record::{DISPLAY, Record};
use crate::servicenow::request::{Caller, query_value};
use crate::servicenow::settings::{Notes, account, close_fields, is_sys_id, table};
use crate::workflow::action::TroubleKind as Kind;
use destination::mapping;
use destination::task::{Rendered, Target};
use destination::template::is_template;
use destination::ticketing::{Finding, QueryContext, QueryResult, QueryStep};
use model::attempt::Failure;
use model::exchange::Exchange;

/// The fields of a ticket that we read and write.
pub(super) const NEEDED: [&str; 10] = [
    "sys_id",
    "number",
    "state",
    "correlation_id",
    "correlation_display",
    "short_description",
    "description",
    "assigned_to",
    "sys_updated_on",
    "sys_updated_by",
];
/// The most choices, fields or users that are read.
const LIMIT: usize = 300;
/// The most users that are looked for by one query.
const MAX_USERS: usize = 50;

/// One thing that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// A record of the table.
    Record,
    /// The latest records that we made.
    Mark,
    /// Our own account.
    Account,
    /// The choices of states and close codes.
    Choices,
    /// The fields of the table.
    Fields,
    /// The users that the settings name.
    Users,
    /// The group that the settings name.
    Group,
    /// The journal of notes.
    Journal,
}

/// The next request, or the findings.
pub(super) fn check(asking: &QueryContext<'_>) -> QueryStep {
    let mut findings = Vec::new();
    let mut answers = asking.answers.iter();
    for probe in probes(asking.target) {
        let Some(exchange) = answers.next() else {
            return send(request(asking, probe));
        };
        let records = match read(asking, probe, exchange) {
            Ok(records) => records,
            Err(asked) => return *asked,
        };
        findings.extend(judge(asking.target, probe, &records));
    }
    findings.extend(findings::of_settings(asking.target));
    QueryStep::Done(QueryResult::Findings(findings))
}

/// A request as the next of a question.
fn send(rendered: Result<Rendered, Failure>) -> QueryStep {
    match rendered {
        Ok(rendered) => QueryStep::send(rendered),
        Err(failure) => QueryStep::Failed(failure, None),
    }
}

/// The end of a question that got no answer.
fn failed(refusal: Refusal) -> QueryStep {
    QueryStep::Failed(refusal.failure, refusal.pause)
}

/// What is read for a target.
fn probes(target: &Target) -> Vec<Probe> {
    let group = target.option("assignmentGroup").trim();
    let reads_notes = Notes::of(target) != Notes::Off || target.option("comments") == "on";
    let wanted = [
        (Probe::Record, true),
        (Probe::Mark, true),
        (Probe::Account, !account(target).is_empty()),
        (Probe::Choices, true),
        (Probe::Fields, true),
        (Probe::Users, !users(target).is_empty()),
        (Probe::Group, !group.is_empty() && !is_template(group)),
        (Probe::Journal, reads_notes),
    ];
    wanted
        .into_iter()
        .filter_map(|(probe, is_wanted)| is_wanted.then_some(probe))
        .collect()
}

/// The users that the settings name.
fn users(target: &Target) -> Vec<&str> {
    let named = mapping::entries(target.option("assignees")).map(|(_, user)| user);
    // A comma separates users in the query.
    named.filter(|user| !user.contains(',')).take(MAX_USERS).collect()
}

/// The names of the fields that the settings set.
fn own_fields(target: &Target) -> Vec<&str> {
    let new = mapping::entries(target.option("fields")).map(|(name, _)| name);
    let closing = close_fields(target).map(|(name, _)| name);
    new.chain(closing).collect()
}

fn request(asking: &QueryContext<'_>, probe: Probe) -> Result<Rendered, Failure> {
    let target = asking.target;
    let table = table(target);
    let caller = Caller {
        target,
        token: asking.token,
    };
    match probe {
        Probe::Record => caller.list(table, "", &NEEDED.join(","), 1),
        Probe::Mark => {
            let by = match account(target) {
                "" => format!("correlation_display={DISPLAY}"),
                account => format!("sys_created_by={}", query_value(account)),
            };
            let query = format!("{by}^ORDERBYDESCsys_created_on");
            caller.list(table, &query, "number,correlation_id,sys_created_by", 1)
        }
        Probe::Account => {
            let query = format!("user_name={}", query_value(account(target)));
            caller.list("sys_user", &query, "user_name,name,active", 2)
        }
        Probe::Choices => {
            let query =
                format!("nameIN{table},task^elementINclose_code,resolution_code,state^inactive=false");
            caller.list("sys_choice", &query, "name,element,value,label", LIMIT)
        }
        Probe::Fields => {
            let own = own_fields(target).join(",");
            let own = if own.is_empty() {
                String::new()
            } else {
                format!("^ORelementIN{}", query_value(&own))
            };
            let query = format!("nameIN{table},task^mandatory=true{own}");
            caller.list(
                "sys_dictionary",
                &query,
                "name,element,mandatory,column_label",
                LIMIT,
            )
        }
        Probe::Users => {
            let users = query_value(&users(target).join(","));
            let query = format!("user_nameIN{users}^ORsys_idIN{users}");
            caller.list("sys_user", &query, "sys_id,user_name,active", LIMIT)
        }
        Probe::Group => {
            let group = target.option("assignmentGroup").trim();
            let field = if is_sys_id(group) { "sys_id" } else { "name" };
            let query = format!("{field}={}", query_value(group));
            caller.list("sys_user_group", &query, "sys_id,name,active", 2)
        }
        Probe::Journal => caller.list("sys_journal_field", "element=work_notes", "sys_id,value", 1),
    }
}

/// What was read, none if it may not be; an end if there is no use in going on.
fn read(asking: &QueryContext<'_>, probe: Probe, exchange: &Exchange) -> Result<Vec<Record>, Box<QueryStep>> {
    let refusal = match answer::read(asking.target, exchange, asking.now) {
        Ok(result)
            if probe == Probe::Record && total(exchange) > Some(0) && shows_nothing(&result, exchange) =>
        {
            return Err(Box::new(only(Finding::bad(hidden(asking.target)))));
        }
        Ok(result) => return Ok(Record::list(&result).unwrap_or_default()),
        Err(refusal) => refusal,
    };
    let is_about_access = matches!(
        refusal.kind,
        Kind::Forbidden | Kind::Refused | Kind::Doubtful | Kind::Missing
    );
    match probe {
        _ if refusal.kind == Kind::Credentials => Err(Box::new(only(Finding::bad(refusal.failure.detail)))),
        Probe::Record if is_about_access => Err(Box::new(only(Finding::bad(refusal.failure.detail)))),
        _ if is_about_access => Ok(Vec::new()),
        _ => Err(Box::new(failed(refusal))),
    }
}

fn only(finding: Finding) -> QueryStep {
    QueryStep::Done(QueryResult::Findings(vec![finding]))
}

fn judge(target: &Target, probe: Probe, records: &[Record]) -> Vec<Finding> {
    match probe {
        Probe::Record => findings::of_record(target, records.first()),
        Probe::Mark => vec![findings::of_mark(target, records.first())],
        Probe::Account => vec![findings::of_account(target, records)],
        Probe::Choices => findings::of_choices(target, records),
        Probe::Fields => findings::of_fields(target, &own_fields(target), records),
        Probe::Users => vec![findings::of_users(&users(target), records)],
        Probe::Group => vec![findings::of_group(target, records)],
        Probe::Journal => vec![findings::of_journal(records)],
    }
}
