//! Whether the settings work: who we are, what we may do, and whether what the settings name is there.

use serde_json::Value;

use crate::jira::access::{self, PERMISSIONS};
use crate::jira::answer::{self, Purpose};
use crate::jira::api::{Api, with_large_answer};
use crate::jira::create_screen;
use crate::jira::issue::{name_of, short};
use crate::jira::settings::Settings;
use crate::jira::{account, screen};
use crate::workflow::action::Trouble;
use destination::task::Rendered;
use destination::ticketing::{Finding, QueryContext, QueryResult, QueryStep};
use model::attempt::{Disposition, Failure};
use model::exchange::{Exchange, FailureCode, MAX_BODY_CAP_BYTES};

mod statuses;

/// How many types or fields are asked for at once; whoever has more is told that not all was looked at.
const PAGE: &str = "200";
/// The longest name that a finding repeats, in characters.
const MAX_NAME: usize = 80;

/// What follows, or why it comes to nothing.
type Next = Result<QueryStep, Trouble>;

/// Where requests go.
fn api<'a>(asking: &QueryContext<'a>) -> Api<'a> {
    Api {
        target: asking.target,
        token: asking.token,
    }
}

/// A request as what follows.
fn send(request: Result<Rendered, Failure>) -> Next {
    Ok(match request {
        Ok(rendered) => QueryStep::send(rendered),
        Err(failure) => QueryStep::Failed(failure, None),
    })
}

/// See [`destination::ticketing::TicketQuery::Check`].
pub(super) fn check(asking: &QueryContext<'_>) -> Next {
    let mut findings = Vec::new();
    let project = Settings(asking.target).project();
    let [who, where_to] = [0, 1].map(|index| asking.answers.get(index));
    let Some(who) = who else {
        return send(account::request(api(asking)));
    };
    match answered(asking, who, account::PURPOSE)? {
        Ok(person) => findings.push(signed_in(asking, &person)),
        Err(failure) => return done(vec![Finding::bad(sentence(&failure.detail))]),
    }
    let Some(where_to) = where_to else {
        return send(api(asking).get(&["project", project], &[]).map(with_large_answer));
    };
    let missing = "this account sees no such project: put its key right, or give the account Browse Projects";
    match answered(asking, where_to, purpose("see the project", missing))? {
        Ok(found) => findings.push(Finding::good(format!(
            "Project {} is {}.",
            short(found["key"].as_str().unwrap_or(project), MAX_NAME),
            short(found["name"].as_str().unwrap_or_default(), MAX_NAME)
        ))),
        Err(failure) => {
            findings.push(Finding::bad(sentence(&failure.detail)));
            return done(findings);
        }
    }
    in_project(asking, project, findings)
}

/// The rest of the check, once the project is there.
fn in_project(asking: &QueryContext<'_>, project: &str, mut findings: Vec<Finding>) -> Next {
    let [rights, types, screen] = [2, 3, 4].map(|index| asking.answers.get(index));
    let Some(rights) = rights else {
        return send(access::request(api(asking)));
    };
    match answered(asking, rights, access::PURPOSE)? {
        Ok(told) => findings.extend(permissions(&told)),
        Err(failure) => findings.push(Finding::unsure(sentence(&failure.detail))),
    }
    let Some(types) = types else {
        return send(create_meta(
            asking,
            &["issue", "createmeta", project, "issuetypes"],
        ));
    };
    let issue_type = match answered(
        asking,
        types,
        purpose("see issue types", "this Jira does not tell issue types"),
    )? {
        Ok(told) => issue_type(asking, &told, &mut findings),
        Err(failure) => {
            findings.push(Finding::unsure(sentence(&failure.detail)));
            None
        }
    };
    if let Some(id) = &issue_type {
        let Some(screen) = screen else {
            return send(create_meta(
                asking,
                &["issue", "createmeta", project, "issuetypes", id],
            ));
        };
        match answered(
            asking,
            screen,
            purpose(
                "see the create screen",
                "this Jira does not tell its create screen",
            ),
        )? {
            Ok(told) => findings.extend(create_screen::findings(
                Settings(asking.target),
                &listed(&told, "fields"),
            )),
            Err(failure) => findings.push(Finding::unsure(sentence(&failure.detail))),
        }
    }
    let asked = if issue_type.is_some() { 5 } else { 4 };
    statuses::check(asking, project, asked, findings)
}

fn done(findings: Vec<Finding>) -> Next {
    Ok(QueryStep::Done(QueryResult::Findings(findings)))
}

fn purpose<'a>(act: &'a str, missing: &'a str) -> Purpose<'a> {
    Purpose { act, missing }
}

/// What Jira tells, or what it refuses. A Jira that does not answer now tells nothing about the settings.
fn answered(
    asking: &QueryContext<'_>,
    exchange: &Exchange,
    purpose: Purpose<'_>,
) -> Result<Result<Value, Failure>, Trouble> {
    let response = answer::good(asking.target, exchange, purpose, asking.now);
    match response.and_then(answer::json) {
        Ok(told) => Ok(Ok(told)),
        // Too large to be read, or not Jira's: that will not change.
        Err(trouble)
            if matches!(
                trouble.failure.code,
                FailureCode::ResponseInvalid | FailureCode::ClientError
            ) =>
        {
            Ok(Err(trouble.failure))
        }
        Err(trouble) => match trouble.failure.disposition {
            Disposition::NeedsOperator | Disposition::Permanent | Disposition::Harmful => {
                Ok(Err(trouble.failure))
            }
            Disposition::Backoff
            | Disposition::Immediate
            | Disposition::RateLimited
            | Disposition::VerifyFirst => Err(trouble),
        },
    }
}

/// A failure's words as a sentence of its own.
fn sentence(detail: &str) -> String {
    let mut signs = detail.chars();
    let first = signs.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), signs.as_str())
}

fn signed_in(asking: &QueryContext<'_>, person: &Value) -> Finding {
    let name = name_of(person).unwrap_or_else(|| "an account without a name".to_owned());
    match account::read(Settings(asking.target), person) {
        Some(_) => Finding::good(format!("Signed in as {name}.")),
        None => Finding::bad(
            "The address answers, but does not say who this account is: check that it is Jira's.",
        ),
    }
}

fn permissions(told: &Value) -> Vec<Finding> {
    let of = |(key, name): (&str, &str)| match access::has(told, key) {
        Some(true) => None,
        Some(false) => Some(Finding::bad(format!(
            "The permission {name} is missing: give it to this account in the project's permission scheme."
        ))),
        None => Some(Finding::unsure(format!(
            "Whether this account has the permission {name} is not told."
        ))),
    };
    let findings: Vec<_> = PERMISSIONS.into_iter().filter_map(of).collect();
    match findings.is_empty() {
        true => vec![Finding::good(
            "This account has every permission that tickets need.",
        )],
        false => findings,
    }
}

fn create_meta(asking: &QueryContext<'_>, path: &[&str]) -> Result<Rendered, Failure> {
    let request = api(asking).get(path, &[("maxResults", PAGE)])?;
    Ok(Rendered {
        body_cap: MAX_BODY_CAP_BYTES,
        ..request
    })
}

/// A page of something: under its own name on Cloud, under `values` on Data Center.
fn listed(told: &Value, name: &str) -> create_screen::Page {
    let items = [name, "values"]
        .into_iter()
        .find_map(|name| told[name].as_array());
    let items = items.cloned().unwrap_or_default();
    let total = told["total"]
        .as_u64()
        .and_then(|total| usize::try_from(total).ok());
    let is_last = told["isLast"].as_bool();
    let is_whole = is_last.unwrap_or_else(|| total.is_none_or(|total| total <= items.len()));
    create_screen::Page { items, is_whole }
}

/// The id of the settings' issue type.
fn issue_type(asking: &QueryContext<'_>, told: &Value, findings: &mut Vec<Finding>) -> Option<String> {
    let wanted = Settings(asking.target).issue_type();
    let page = listed(told, "issueTypes");
    let is_wanted = |one: &&Value| {
        let name = one["name"]
            .as_str()
            .is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        name || one["id"].as_str() == Some(wanted)
    };
    let found = page.items.iter().find(is_wanted);
    let shown = short(wanted, MAX_NAME);
    let finding = match (found, page.is_whole) {
        (Some(_), _) => Finding::good(format!("Issue type {shown} is there.")),
        (None, false) => Finding::unsure(format!(
            "Issue type {shown} is not among the first {PAGE}: whether it is there is not known."
        )),
        (None, true) => {
            let names = page.items.iter().filter_map(|one| one["name"].as_str()).take(10);
            let names = names
                .map(|name| short(name, MAX_NAME))
                .collect::<Vec<_>>()
                .join(", ");
            Finding::bad(format!(
                "Issue type {shown} is not there for this account; there are {names}."
            ))
        }
    };
    findings.push(finding);
    let id = found?["id"].as_str().filter(|id| screen::is_field_id(id))?;
    Some(id.to_owned())
}
