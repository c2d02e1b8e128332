//! Whether this account sees what it has to see. Access rules hide records after a query has found them: an account that has lost
//! its role is shown nothing, and gets no refusal. And they let a field be sent and not kept, the mark among them.

use std::time::Duration;

use serde_json::Value;

use crate::servicenow::answer::{list, total};
use crate::servicenow::record::Record;
use crate::servicenow::request::{Caller, RECORD_FIELDS, query_value};
use crate::servicenow::settings::{account, table};
use crate::servicenow::texts;
use crate::workflow::action::{Facts, Observation, Trouble, TroubleKind};
use crate::workflow::state::Doubt;
use crate::workflow::system::Ask;
use destination::task::{Rendered, Target};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode};
use model::time::Timestamp;

/// How many of the latest records are looked at for one that was made and not marked.
const LATEST: usize = 20;
/// How far the instance's clock and ours may be apart.
const MAX_SKEW: Duration = Duration::from_secs(15 * 60);

/// The request: for any record, or for the latest that may have been made for the incident.
pub(super) fn request(caller: Caller<'_>, ask: &Ask<'_>, doubt: &Doubt) -> Result<Rendered, Failure> {
    let table = table(caller.target);
    let Doubt::NotMade(_) = doubt else {
        return caller.list(table, "", "sys_id", 1);
    };
    let condition = match account(caller.target) {
        "" => {
            let summary = texts::of_ticket(ask.task()?)?.summary;
            format!("short_description={}", query_value(&summary))
        }
        account => format!("sys_created_by={}", query_value(account)),
    };
    let query = format!("{condition}^ORDERBYDESCsys_created_on");
    let fields = format!("{RECORD_FIELDS},sys_created_on");
    caller.list(table, &query, &fields, LATEST)
}

/// Whether a doubt about a ticket is one about this account.
pub(super) fn observe(ask: &Ask<'_>, doubt: &Doubt, exchange: &Exchange) -> Observation {
    let result = list(ask, exchange)?;
    if shows_nothing(&result, exchange) {
        return Err(shown_nothing(ask));
    }
    let Doubt::NotMade(at) = doubt else {
        return Ok(Facts::Nothing);
    };
    let earliest = Timestamp::from_millis(*at).minus(MAX_SKEW);
    let may_be_it = |record: &&Record| {
        let is_unmarked = record.value("correlation_id").is_empty();
        is_unmarked && record.time("sys_created_on").is_none_or(|made| made >= earliest)
    };
    match Record::list(&result).unwrap_or_default().iter().find(may_be_it) {
        Some(record) => Err(unmarked(ask, record)),
        None => Ok(Facts::Nothing),
    }
}

/// Whether records were found and none is shown.
pub(super) fn shows_nothing(result: &Value, exchange: &Exchange) -> bool {
    let is_empty = result.as_array().is_some_and(Vec::is_empty);
    is_empty && total(exchange) != Some(0)
}

/// What is said of an account that is shown nothing.
pub(super) fn hidden(target: &Target) -> String {
    format!(
        "the instance hides every record of the table {:?} from this account: give it back the role to read them",
        table(target)
    )
}

/// The account is shown nothing.
pub(super) fn shown_nothing(ask: &Ask<'_>) -> Trouble {
    let failure =
        Failure::new(FailureCode::SettingsRefused, hidden(ask.target)).with(Disposition::NeedsOperator);
    Trouble::new(TroubleKind::Forbidden, failure)
}

fn unmarked(ask: &Ask<'_>, record: &Record) -> Trouble {
    let detail = format!(
        "whether the ticket was made is not known: {} was made at that time and does not carry the incident's id, which this \
         account may not write into correlation_id; link it by hand if it is the incident's, or else unlink and make one",
        record.name_only(ask.target).key
    );
    let failure = Failure::new(FailureCode::TicketUnknown, detail).with(Disposition::Permanent);
    Trouble::new(TroubleKind::Refused, failure)
}
