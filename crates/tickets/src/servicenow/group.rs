//! Asks for the id of the group that the settings name. A reference takes an id; what else it takes depends on the
//! instance.

use crate::servicenow::answer::{Heard, Kind};
use crate::servicenow::progress::Progress;
use crate::servicenow::record::{Record, is_id};
use crate::servicenow::request::{Caller, query_value};
use destination::task::{Classification, Rendered, Task};
use model::attempt::{Failure, Outcome};

/// Several groups may have one name; then the first is as good as any.
const LIMIT: usize = 2;

/// The request for a group's id.
pub(super) fn find(task: &Task<'_>, name: &str) -> Result<Rendered, Failure> {
    let caller = Caller {
        target: task.target,
        token: task.token,
    };
    let query = format!("name={}", query_value(name));
    caller.list("sys_user_group", &query, "sys_id,name", LIMIT)
}

/// Which it is. If the instance does not tell, the name is sent as it is: most instances take it.
pub(super) fn found(heard: &Heard<'_>, name: &str, progress: Progress) -> Classification {
    let records = match heard.result() {
        Ok(result) => Record::list(&result).unwrap_or_default(),
        Err(refusal) => match refusal.kind {
            Kind::Forbidden | Kind::Refused | Kind::Missing => Vec::new(),
            Kind::Unsent | Kind::Unclear | Kind::Limited | Kind::Credentials => return refusal.into(),
        },
    };
    let is_it = |record: &&Record| record.value("name") == name && is_id(record.value("sys_id"));
    let group = records
        .iter()
        .find(is_it)
        .map(|record| record.value("sys_id").to_owned());
    let note = match group {
        Some(_) => format!("{name} is a group of the instance"),
        None => format!("the instance does not tell which group {name} is: the name is sent as it is"),
    };
    let progress = Progress {
        group,
        is_group_sought: true,
        ..progress
    };
    let judgement = Classification {
        continuation: progress.keeping(),
        ..Outcome::Step.into()
    };
    judgement.noted(note)
}
