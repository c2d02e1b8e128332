//! Comments: ours, each with a key that is not seen, and those of people.

use serde_json::Value;

use crate::forge::Forge;
use crate::forge::account::{is_another, is_us};
use crate::forge::issue::{Person, short, time};
use crate::forge::markdown::{COMMENT_BREAK, COMMENT_END};
use crate::workflow::action::Presence;
use crate::workflow::comments::{KEY_START, mark};
use destination::task::Target;
use destination::text::{Unit, cut, one_line};
use destination::ticketing::{Comment, MAX_COMMENTS};
use model::exchange::Response;
use model::ticket::MAX_COMMENT_LENGTH;
use model::time::Timestamp;

/// How many comments a page holds, and how many if they are too large together.
pub(crate) const LENGTHS: [usize; 2] = [50, 10];
/// The longest name of a person that is kept, in characters.
const MAX_NAME: usize = 100;
/// Whoever is not named.
const SOMEBODY: &str = "somebody";

/// How a forge tells comments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape(pub(crate) &'static Forge);

impl Shape {
    fn author(self, comment: &Value) -> Option<Person> {
        Person::read(&comment[self.0.author], self.0.login)
    }

    /// Whether a comment with a key is on a page. One that somebody else wrote is none of ours.
    pub(crate) fn presence(self, target: &Target, response: &Response, key: &str) -> Presence {
        let hidden = format!("{}{}{COMMENT_END}", COMMENT_BREAK.trim_start(), mark(key));
        let Ok(Value::Array(listed)) = serde_json::from_slice(&response.body) else {
            let start = String::from_utf8_lossy(&response.body);
            return match start.contains(&mark(key)) {
                true => Presence::There,
                false => Presence::Unseen,
            };
        };
        let has_key = |comment: &&Value| comment["body"].as_str().unwrap_or_default().contains(&hidden);
        let is_ours = |comment: &Value| !is_another(target, self.author(comment).as_ref());
        let keyed: Vec<_> = listed.iter().filter(has_key).collect();
        match keyed.iter().any(|comment| is_ours(comment)) {
            true => Presence::There,
            // Its account may have been ours until lately.
            false if !keyed.is_empty() => Presence::Unseen,
            false if listed.len() >= LENGTHS[0] => Presence::Unseen,
            false => Presence::Absent,
        }
    }

    /// What people wrote since, of these comments.
    pub(crate) fn of_people(self, target: &Target, listed: &Value, since: Timestamp) -> Vec<Comment> {
        let listed = listed.as_array().into_iter().flatten();
        let comments = listed.filter_map(|comment| self.of_person(target, comment));
        let mut comments: Vec<Comment> = comments.filter(|comment| comment.at > since).collect();
        comments.sort_by_key(|comment| comment.at);
        // Of more than are read at once, the oldest are left where they are.
        comments.truncate(MAX_COMMENTS);
        comments
    }

    fn of_person(self, target: &Target, comment: &Value) -> Option<Comment> {
        let author = self.author(comment);
        let text = comment["body"].as_str()?;
        let hidden = format!("{}{KEY_START}", COMMENT_BREAK.trim_start());
        let is_ours = is_us(target, author.as_ref()) || text.contains(&hidden);
        let is_by_system = comment["system"].as_bool().unwrap_or_default();
        let lines: Vec<String> = text.lines().map(one_line).collect();
        let text = cut(lines.join("\n").trim(), MAX_COMMENT_LENGTH, Unit::Characters);
        (!is_ours && !is_by_system && !text.is_empty()).then_some(Comment {
            at: time(&comment["created_at"])?,
            author: author.map_or(SOMEBODY.to_owned(), |author| short(&author.login, MAX_NAME)),
            text,
        })
    }
}
