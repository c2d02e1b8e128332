//! Whether the settings work: who the token is, whether it sees the place, whether issues are on and may be labelled, and whether
//! those may have them whom the settings name.

use serde_json::Value;

use crate::forge::answer::{About, Judge, Purpose};
use crate::forge::issue::{Person, people};
use crate::forge::place::Place;
use crate::forge::{Forge, Vendor};
use crate::workflow::action::{Trouble, TroubleKind};
use destination::mapping;
use destination::task::{Rendered, Target};
use destination::ticketing::{Finding, QueryContext, QueryResult, QueryStep};
use model::exchange::Exchange;

/// How many of those who may have issues are read.
const MAX_PEOPLE: &str = "100";
/// The same as a number.
const MAX_PEOPLE_READ: usize = 100;
/// The most names that one sentence lists.
const MAX_LISTED: usize = 12;

/// What a place tells of itself and of us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlaceSeen<'v> {
    /// Its name now.
    pub(crate) name: &'v Value,
    /// Whether it has no issues.
    pub(crate) is_off: bool,
    /// Whether our account may label, close and assign issues, if that is told.
    pub(crate) may_label: Option<bool>,
}

/// What a check read: JSON, or that this may not be read.
type Seen = Result<Value, Trouble>;
/// A question that needs an answer first, or that has come to its end.
type Stop = Box<QueryStep>;

/// The next request, or the findings.
pub(crate) fn check<V: Vendor>(vendor: V, asking: &QueryContext<'_>) -> Result<QueryStep, Stop> {
    let (forge, target) = (vendor.forge(), asking.target);
    let place = vendor.place(target).signed(forge, target);
    let place = place.map_err(|failure| Box::new(QueryStep::Failed(failure, None)))?;
    let mut reader = Reader {
        judge: Judge {
            forge,
            target,
            now: asking.now,
        },
        answers: asking.answers.iter(),
    };
    let (identified, me) = reader.read(place.get(&["user"], &[]), "see who it is")?;
    let mut findings = vec![of_account(me.ok().and_then(|me| Person::read(&me, forge.login)))];
    let told = match forge.token {
        [] => None,
        path => reader.read(place.get(path, &[]), "see its token")?.1.ok(),
    };
    findings.extend(vendor.of_token(identified, told.as_ref()));
    match reader.read(place.get_own(&[], &[]), "see this place")?.1 {
        Ok(seen) => findings.extend(of_place(forge, &place, &seen, vendor.place_seen(&seen))),
        Err(trouble) => return Ok(only(Finding::bad(trouble.failure.detail))),
    }
    let issues = place.get_own(&["issues"], &[("per_page", "1"), ("state", "all")]);
    findings.push(match reader.read(issues, "read issues")?.1 {
        Ok(_) => Finding::good("issues may be read"),
        Err(trouble) => Finding::bad(trouble.failure.detail),
    });
    if !assignees(target).is_empty() {
        let request = place.get_own(forge.people, &[("per_page", MAX_PEOPLE)]);
        let seen = reader.read(request, "see who may have issues")?.1;
        findings.push(of_assignees(
            target,
            seen.ok().map(|seen| people(&seen, forge.login)),
        ));
    }
    findings.push(Finding::unsure(
        "whether this token itself may write issues is known once it is tried: use Send Test",
    ));
    Ok(QueryStep::Done(QueryResult::Findings(findings)))
}

/// Reads the answers so far, one for each request.
struct Reader<'a> {
    judge: Judge<'a>,
    answers: std::slice::Iter<'a, Exchange>,
}

impl<'a> Reader<'a> {
    /// What a request brought; a stop if it has still to be made, or if there is no use in going on.
    fn read(&mut self, request: Rendered, act: &'static str) -> Result<(&'a Exchange, Seen), Stop> {
        let Some(exchange) = self.answers.next() else {
            return Err(Box::new(QueryStep::send(request)));
        };
        let purpose = Purpose {
            about: About::Place,
            act,
        };
        match self.judge.json(exchange, purpose) {
            Err(trouble) if trouble.kind == TroubleKind::Credentials => {
                Err(Box::new(only(Finding::bad(trouble.failure.detail))))
            }
            Err(trouble) if !trouble.is_about_this() => {
                Err(Box::new(QueryStep::Failed(trouble.failure, trouble.pause)))
            }
            seen => Ok((exchange, seen)),
        }
    }
}

fn only(finding: Finding) -> QueryStep {
    QueryStep::Done(QueryResult::Findings(vec![finding]))
}

fn of_account(person: Option<Person>) -> Finding {
    match person {
        Some(person) => Finding::good(format!("the token is taken; issues are made by {}", person.login)),
        None => Finding::unsure(
            "the token belongs to no user: its own changes are not told from those of people, so that some come back as if \
             somebody had made them",
        ),
    }
}

fn of_place(forge: &Forge, place: &Place, seen: &Value, told: PlaceSeen<'_>) -> Vec<Finding> {
    let name = &place.name;
    let called = told.name.as_str().unwrap_or_default();
    let mut findings = vec![match place.is_called(called) {
        true => Finding::good(format!("the token sees {name}")),
        false => Finding::bad(format!("{name} is called {called} now: put its new address in")),
    }];
    if seen["archived"] == true {
        findings.push(Finding::bad(format!(
            "{name} is archived: nothing can be written there"
        )));
    }
    findings.push(match told.is_off {
        true => Finding::bad(format!(
            "issues are switched off in {name}: switch them on in its settings"
        )),
        false => Finding::good("issues are switched on"),
    });
    let role = forge.role;
    findings.push(match told.may_label {
        Some(true) => Finding::good("the account may label, close and assign issues"),
        Some(false) => Finding::bad(format!(
            "the account may not label issues, and would not find again one whose making got no answer: give it the role {role}"
        )),
        None => Finding::unsure(format!(
            "whether the account may label issues is not told: it needs the role {role}"
        )),
    });
    findings
}

/// The accounts that the settings name.
fn assignees(target: &Target) -> Vec<&str> {
    let named = mapping::entries(target.option("assignees")).take(mapping::MAX_LINES);
    let accounts = named.map(|(_, account)| account);
    accounts.filter(|account| !account.is_empty()).collect()
}

fn of_assignees(target: &Target, known: Option<Vec<Person>>) -> Finding {
    let is_all = known.as_ref().is_some_and(|known| known.len() < MAX_PEOPLE_READ);
    let known = known.unwrap_or_default();
    let is_known = |name: &&str| {
        let is_it = |person: &Person| person.login.eq_ignore_ascii_case(name) || person.id == **name;
        known.iter().any(is_it)
    };
    let wrong: Vec<&str> = assignees(target)
        .into_iter()
        .filter(|name| !is_known(name))
        .collect();
    let listed = wrong
        .iter()
        .take(MAX_LISTED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match (wrong.is_empty(), is_all) {
        (true, _) => Finding::good("the users under Assignees may have issues"),
        (false, true) => Finding::bad(format!(
            "these users under Assignees cannot have issues here: {listed}"
        )),
        (false, false) => Finding::unsure(format!(
            "whether these users under Assignees may have issues cannot be told: {listed}"
        )),
    }
}
