//! `GET /search/issues`: words and a few qualifiers. Like the real one it is behind: an issue is found by the third search
//! after it was made.

use serde_json::{Value, json};

use super::issues::paged;
use super::{Response, Served, Site, invalid, view};
use crate::code_host::call::{Call, Page};
use crate::code_host::people::Access;
use crate::code_host::store::{Issue, Project};

const PAGE: usize = 30;

impl Site {
    /// Finds issues.
    pub fn search(&mut self, call: &Call<'_>) -> Served {
        let query = call.query("q").map(str::trim).unwrap_or_default();
        if query.is_empty() {
            return Err(invalid(
                &json!({ "resource": "Search", "field": "q", "code": "missing" }),
            ));
        }
        let terms = terms(query);
        let mut places = terms.iter().filter_map(|term| term.strip_prefix("repo:"));
        let is_hidden = call.caller.access == Access::None;
        if places.any(|place| is_hidden || Project::named(place).is_none()) {
            let message = "The listed users and repositories cannot be searched either because the resources do not \
                           exist or you do not have permission to view them.";
            return Err(invalid(
                &json!({ "resource": "Search", "field": "q", "code": "invalid", "message": message }),
            ));
        }
        let mut found = self.store.searched();
        found.retain(|issue| !is_hidden && terms.iter().all(|term| fits(issue, term)));
        found.reverse();
        let page = Page::read(call, PAGE, found.len());
        let items: Vec<Value> = page.cut(found).iter().map(|issue| item(call, issue)).collect();
        let body = json!({ "total_count": page.total, "incomplete_results": false, "search_type": "lexical", "items": items });
        let answer: Response = paged(call, page, &body, "searched for issues");
        Ok(answer)
    }
}

fn item(call: &Call<'_>, issue: &Issue) -> Value {
    let mut item = view::issue(call, issue);
    item["score"] = json!(1.0);
    item
}

/// The terms of a query: at spaces, but for those in quotes, which go away.
fn terms(query: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut is_quoted = false;
    for sign in query.chars() {
        match sign {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => terms.push(String::new()),
            _ => terms.last_mut().into_iter().for_each(|term| term.push(sign)),
        }
    }
    terms.retain(|term| !term.is_empty());
    terms
}

fn fits(issue: &Issue, term: &str) -> bool {
    let is_closed = issue.closed.is_some();
    match term.split_once(':') {
        Some(("repo", path)) => issue.project.path().eq_ignore_ascii_case(path),
        Some(("is" | "state", "open")) => !is_closed,
        Some(("is" | "state", "closed")) => is_closed,
        Some(("is" | "type", kind)) => kind == "issue",
        Some(("label", name)) => issue.labels.iter().any(|label| label.eq_ignore_ascii_case(name)),
        Some(("author", login)) => issue.author.login == login,
        Some(("in", _)) => true,
        _ => {
            let text = format!("{}\n{}", issue.title, issue.body.as_deref().unwrap_or_default());
            text.to_lowercase().contains(&term.to_lowercase())
        }
    }
}
