//! Searching: `…/search` with `startAt` and `total`, and `…/search/jql` with `nextPageToken` and `isLast`, which shows
//! nothing but ids unless fields are named. In the third version the first of them is gone, as it is in Cloud
//! (CHANGE-2046).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Map, Value, json};

use crate::jira::answer::{Answer, Refusal};
use crate::jira::issue::Issue;
use crate::jira::jql::Query;
use crate::jira::read::{Choice, expanded};
use crate::jira::request::{Api, Asked, split_words};
use crate::jira::world::World;

/// The size of a page unless it is said.
const PAGE: usize = 50;
/// The most issues of a page, with `startAt`.
const MAX_PAGE: usize = 1000;
/// The most issues of a page, with a token.
const MAX_TOKEN_PAGE: usize = 5000;
const GONE: &str = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full \
                    migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046";
const UNBOUNDED: &str =
    "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.";

/// What a search asks for, from the query or from the body.
struct Wanted {
    jql: String,
    start: usize,
    size: Option<usize>,
    token: Option<String>,
    fields: Option<Vec<String>>,
}

/// `…/search`.
pub fn by_offset(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    if asked.view.api == Api::Three || world.lasting.is_cloud {
        return Err(Refusal::said(410, GONE));
    }
    let wanted = Wanted::read(
        asked,
        &[
            "jql",
            "startAt",
            "maxResults",
            "fields",
            "expand",
            "validateQuery",
            "properties",
        ],
    )?;
    let found = found(world, &wanted)?;
    let total = found.len();
    let size = wanted.size.unwrap_or(PAGE).min(MAX_PAGE);
    let choice = Choice::of(wanted.fields, "*navigable");
    let page = found.into_iter().skip(wanted.start).take(size);
    let issues: Vec<Value> = page.map(|issue| expanded(world, issue, asked, &choice)).collect();
    let body = json!({
        "expand": "names,schema",
        "startAt": wanted.start,
        "maxResults": size,
        "total": total,
        "issues": issues,
    });
    let answer = Answer::new(200, body, format!("found {total} issues"));
    count(world);
    Ok(answer)
}

/// `…/search/jql`.
pub fn by_token(world: &mut World, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let known = [
        "jql",
        "nextPageToken",
        "maxResults",
        "fields",
        "expand",
        "properties",
        "fieldsByKeys",
        "failFast",
        "reconcileIssues",
    ];
    let wanted = Wanted::read(asked, &known)?;
    if Query::read(&wanted.jql).is_ok_and(|query| query.is_unbounded()) {
        return Err(Refusal::said(400, UNBOUNDED));
    }
    let start = wanted.token.as_deref().map_or(Ok(0), read_token)?;
    let found = found(world, &wanted)?;
    let total = found.len();
    let size = wanted.size.unwrap_or(PAGE).min(MAX_TOKEN_PAGE);
    let choice = wanted.fields.map(|fields| Choice::of(Some(fields), "*all"));
    let shown = |issue: &Issue| match &choice {
        Some(choice) => expanded(world, issue, asked, choice),
        None => json!({ "id": issue.id.to_string() }),
    };
    let issues: Vec<Value> = found.into_iter().skip(start).take(size).map(shown).collect();
    let next = start.saturating_add(issues.len());
    let is_last = next >= total;
    let mut body = Map::from_iter([("issues".to_owned(), Value::Array(issues))]);
    if !is_last {
        body.insert("nextPageToken".to_owned(), json!(token(next)));
    }
    body.insert("isLast".to_owned(), json!(is_last));
    let answer = Answer::new(200, Value::Object(body), format!("found {total} issues"));
    count(world);
    Ok(answer)
}

impl Wanted {
    fn read(asked: &Asked<'_>, known: &[&str]) -> Result<Self, Refusal> {
        if asked.method == Method::GET {
            let number = |name: &str| asked.query(name).map(|_| asked.number(name, 0)).transpose();
            return Ok(Self {
                jql: asked.query("jql").unwrap_or_default().to_owned(),
                start: asked.number("startAt", 0)?,
                size: number("maxResults")?,
                token: asked.query("nextPageToken").map(str::to_owned),
                fields: asked.words("fields"),
            });
        }
        let members = asked.members()?;
        if members.keys().any(|name| !known.contains(&name.as_str())) {
            return Err(Refusal::invalid_payload());
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| {
            members
                .get(name)
                .and_then(Value::as_u64)
                .and_then(|number| usize::try_from(number).ok())
        };
        let fields = match members.get("fields") {
            None | Some(Value::Null) => None,
            Some(Value::Array(fields)) => Some(
                fields
                    .iter()
                    .filter_map(Value::as_str)
                    .flat_map(split_words)
                    .collect(),
            ),
            Some(_) => return Err(Refusal::invalid_payload()),
        };
        Ok(Self {
            jql: text("jql").unwrap_or_default(),
            start: number("startAt").unwrap_or(0),
            size: number("maxResults"),
            token: text("nextPageToken"),
            fields,
        })
    }
}

/// The issues that a search finds, in its order, of those that it knows already.
fn found<'a>(world: &'a World, wanted: &Wanted) -> Result<Vec<&'a Issue>, Refusal> {
    let query = Query::read(&wanted.jql).map_err(|message| Refusal::said(400, message))?;
    query
        .check(world)
        .map_err(|message| Refusal::said(400, message))?;
    let is_known = |issue: &&Issue| !issue.is_unindexed;
    let is_found = |issue: &&Issue| world.finds_everything || query.matches(issue);
    let mut found: Vec<&Issue> = world.issues.iter().filter(is_known).filter(is_found).collect();
    found.sort_by(|left, right| query.order(left, right));
    Ok(found)
}

/// Counts a search that a lag delays; after the last of them, everything is found.
fn count(world: &mut World) {
    if world.issues.iter().any(|issue| issue.is_unindexed) {
        let lasting = &mut world.lasting;
        lasting.lagging_searches = lasting.lagging_searches.saturating_sub(1);
    }
    if world.lasting.lagging_searches == 0 {
        world
            .issues
            .iter_mut()
            .for_each(|issue| issue.is_unindexed = false);
    }
}

fn token(start: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("from:{start}"))
}

fn read_token(token: &str) -> Result<usize, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
    let text = String::from_utf8(bytes).unwrap_or_default();
    let start = text.strip_prefix("from:").and_then(|start| start.parse().ok());
    start.ok_or_else(|| Refusal::said(400, "The provided next page token is invalid or expired."))
}
