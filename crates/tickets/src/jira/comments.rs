//! Comments: ours, each with its key, and those of people.

use http::Method;
use serde_json::{Value, json};

use crate::jira::account::Account;
use crate::jira::answer::{self, Purpose};
use crate::jira::api::{Api, with_large_answer};
use crate::jira::issue::{account_of, name_of, time};
use crate::jira::settings::Settings;
use crate::workflow::action::{Facts, Observation, Presence};
use crate::workflow::comments::{KEY_START, mark};
use crate::workflow::system::Ask;
use destination::task::Rendered;
use destination::text::{Unit, cut};
use destination::ticketing::{Comment, MAX_COMMENTS};
use model::attempt::Failure;
use model::exchange::{Exchange, MAX_BODY_CAP_BYTES};
use model::ticket::MAX_COMMENT_LENGTH;
use model::time::Timestamp;

/// What writing is for.
pub(super) const PURPOSE: Purpose<'static> = Purpose {
    act: "comment on the ticket",
    missing: "the ticket was deleted, or this account may not see it",
};
/// What reading is for.
const READ_PURPOSE: Purpose<'static> = Purpose {
    act: "see the ticket's comments",
    missing: "the ticket was deleted, or this account may not see it",
};
/// The property by which a service project keeps a comment from its customers; other projects do not look at it.
const PUBLIC: &str = "sd.public.comment";
/// How many of the latest comments are searched for one of ours.
const SEARCHED: &str = "20";
/// How many of the latest are read, and how many if they are too large together.
const READ: [&str; 2] = ["50", "10"];
/// Whoever is not named.
const SOMEBODY: &str = "somebody";

/// The request that writes one.
pub(super) fn request(api: Api<'_>, id: &str, text: &str) -> Result<Rendered, Failure> {
    let body = match Settings(api.target).notes_are_public() {
        true => json!({ "body": text }),
        false => json!({ "body": text, "properties": [{ "key": PUBLIC, "value": { "internal": true } }] }),
    };
    api.send(Method::POST, &["issue", id, "comment"], &body)
}

/// The request that looks whether one is there.
pub(super) fn find_request(api: Api<'_>, id: &str) -> Result<Rendered, Failure> {
    Ok(with_large_answer(latest(api, id, SEARCHED)?))
}

fn latest(api: Api<'_>, id: &str, count: &str) -> Result<Rendered, Failure> {
    api.get(
        &["issue", id, "comment"],
        &[("orderBy", "-created"), ("maxResults", count)],
    )
}

/// Whether it is. The key is plain ASCII and stands in the JSON as it is, whether or not all of it came.
pub(super) fn find_observe(ask: &Ask<'_>, key: &str, exchange: &Exchange) -> Observation {
    let response = answer::of(ask, exchange, PURPOSE)?;
    let is_there = String::from_utf8_lossy(&response.body).contains(&mark(key));
    Ok(Facts::Comment(match is_there {
        true => Presence::There,
        false => Presence::Absent,
    }))
}

/// The request for what people wrote.
pub(super) fn read_request(api: Api<'_>, id: &str, fewer: usize) -> Result<Rendered, Failure> {
    let [all, few] = READ;
    let request = latest(api, id, if fewer == 0 { all } else { few })?;
    Ok(Rendered {
        body_cap: MAX_BODY_CAP_BYTES,
        ..request
    })
}

/// What they wrote since.
pub(super) fn read_observe(ask: &Ask<'_>, since: Timestamp, exchange: &Exchange) -> Observation {
    let response = answer::of(ask, exchange, READ_PURPOSE)?;
    let body = answer::json(response)?;
    let account = Account::learned(ask.target);
    let listed = body["comments"].as_array().into_iter().flatten();
    let read = listed.filter_map(|comment| comment_of(comment, account.as_ref()));
    let mut comments: Vec<Comment> = read.filter(|comment| comment.at > since).collect();
    comments.sort_by_key(|comment| std::cmp::Reverse(comment.at));
    comments.truncate(MAX_COMMENTS);
    comments.reverse();
    Ok(Facts::Comments(comments))
}

/// A comment of a person; nothing if it is ours.
fn comment_of(comment: &Value, account: Option<&Account>) -> Option<Comment> {
    let author = &comment["author"];
    let text = comment["body"].as_str()?;
    let is_ours = account.is_some_and(|account| account.is(author)) || text.contains(KEY_START);
    let text = cut(&visible(text), MAX_COMMENT_LENGTH, Unit::Characters);
    (!is_ours && !text.is_empty()).then_some(Comment {
        at: comment["created"].as_str().and_then(time)?,
        author: name_of(author)
            .or_else(|| account_of(author))
            .unwrap_or_else(|| SOMEBODY.to_owned()),
        text,
    })
}

/// The lines of a text, each without anything that is not seen.
fn visible(text: &str) -> String {
    let lines = text.lines().map(destination::text::one_line);
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
