//! What GitHub and GitLab have in common: issues in Markdown that are open or closed, labels, comments, a token. Each of the two
//! says as a `Vendor`, in its own folder, where its addresses and its JSON differ; nothing here knows one from the other.
//!
//! `system` says which request an action is, `place` is where issues are and makes requests, `issue` reads one and says what
//! follows from where it stands, `listing` which of many are ours, `answer` judges answers. `markdown` writes texts of people and
//! our own marks, `texts` makes a ticket's texts, `account` is who we are, `reference` what people type. `settings`, `form` and
//! `problems` are what is asked for, `check` is what *Check connection* looks at, `callback` what a call tells.

pub(crate) mod account;
pub(crate) mod answer;
pub(crate) mod callback;
pub(crate) mod check;
mod comments;
pub(crate) mod form;
pub(crate) mod issue;
mod listing;
pub(crate) mod markdown;
pub(crate) mod place;
mod preview;
pub(crate) mod problems;
mod reference;
pub(crate) mod settings;
pub(crate) mod system;
#[cfg(test)]
pub(crate) mod test_desk;
pub(crate) mod texts;

use std::fmt::Debug;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::forge::callback::Subject;
use crate::forge::check::PlaceSeen;
use crate::forge::place::Place;
use crate::forge::texts::Texts;
use crate::workflow::system::Ask;
use destination::about::{KindDescription, Problem};
use destination::callback::{Call, Refused};
use destination::task::{Rendered, Target};
use destination::ticketing::Finding;
use model::exchange::Exchange;

/// How long a ticket whose making got no answer may take until it is listed. Lists are read from the database itself; a create
/// that outlived our timeout may still be worked on.
const FIND_LAG: Duration = Duration::from_secs(120);
/// How many issues one page holds: each with a text of the longest that we write.
const PAGE_LENGTH: usize = 20;
/// How many pages of issues are looked through for a marker: the issues of a stormy hour, of which GitHub lets one account make 500.
const MAX_PAGES: usize = 50;
/// How much clocks may differ.
const CLOCKS: Duration = Duration::from_secs(3600);

/// Where the two differ in words and names.
#[derive(Debug)]
pub(crate) struct Forge {
    /// Its kind's name.
    pub(crate) kind: &'static str,
    /// What people call it.
    pub(crate) name: &'static str,
    /// What it calls the place of issues.
    pub(crate) place: &'static str,
    /// What its requests accept.
    pub(crate) accept: &'static str,
    /// What else they carry.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
    /// The longest title that it takes, in characters.
    pub(crate) max_title: usize,
    /// The longest label that it takes, in characters.
    pub(crate) max_label: usize,
    /// The fields of a new issue that can be left out if they are refused.
    pub(crate) optional: &'static [&'static str],
    /// The field of an issue with its number.
    pub(crate) number: &'static str,
    /// The field of an issue with its text.
    pub(crate) text: &'static str,
    /// The field of an issue and of a comment with its author.
    pub(crate) author: &'static str,
    /// The field of a person with their user name.
    pub(crate) login: &'static str,
    /// What orders a list of issues, the latest first.
    pub(crate) latest_first: &'static [(&'static str, &'static str)],
    /// What an issue's comments are called in an address.
    pub(crate) comments: &'static str,
    /// What orders them, the latest first; nothing if they come the earliest first, from a time on.
    pub(crate) latest_comments: &'static [(&'static str, &'static str)],
    /// Whether an account of the settings has to be looked up before issues are given to it.
    pub(crate) must_look_up: fn(&str) -> bool,
    /// The role that an account needs.
    pub(crate) role: &'static str,
    /// Where those are listed who may have issues.
    pub(crate) people: &'static [&'static str],
    /// Where a token tells of itself; nothing if none does.
    pub(crate) token: &'static [&'static str],
    /// The headers with what is the same when a call is repeated, the best first.
    pub(crate) receipts: &'static [&'static str],
}

/// A change of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// Closing it, done.
    Close,
    /// Closing it as one that was made twice.
    CloseDuplicate,
    /// Opening it again.
    Reopen,
    /// Putting a label on it.
    Label(&'a str),
    /// Taking a label off.
    Unlabel(&'a str),
    /// Giving it another title.
    Title(&'a str),
    /// Giving it to an account and to nobody else.
    Assign(&'a str),
}

/// One of the two.
pub(crate) trait Vendor: Clone + Copy + Debug + Default + Send + Sync + 'static {
    /// Where it differs in words and names.
    fn forge(self) -> &'static Forge;

    /// How it presents itself.
    fn about(self) -> &'static KindDescription;

    /// Where a target's issues are.
    fn place(self, target: &Target) -> Place;

    /// What is wrong with a target's address.
    fn problems(self, target: &Target) -> Vec<Problem>;

    /// The body that makes an issue; for an account, if that is known.
    fn new_issue(self, ask: &Ask<'_>, texts: Texts, account: Option<String>) -> Value;

    /// The request that changes an issue. Sent twice it does the same.
    fn change(self, place: &Place, number: &str, change: Change<'_>) -> Rendered;

    /// The body that writes a comment.
    fn new_comment(self, target: &Target, text: &str) -> Value;

    /// What the place tells of itself and of us.
    fn place_seen<'v>(self, seen: &'v Value) -> PlaceSeen<'v>;

    /// What is told of the token, by the answer to who we are and by what it tells of itself.
    fn of_token(self, identified: &Exchange, told: Option<&Value>) -> Option<Finding>;

    /// Whether a call knows the secret.
    fn is_believed(self, call: &Call<'_>, secret: &str) -> bool;

    /// What a call is about; nothing if it does not concern issues.
    fn subject<'v>(self, headers: &HeaderMap, body: &'v Value) -> Result<Option<Subject<'v>>, Refused>;

    /// What an administrator fills in to be called, given the place's page and the secret.
    fn callback_help(self, home: &str, callback: &str, secret: &str) -> String;
}
