//! Comments of issues.

use http::Method;
use serde_json::{Value, json};

use super::fields::MAX_TEXT;
use super::hooks::News;
use super::issues::paged;
use super::{Response, Served, Site, invalid, not_found, refusal, view};
use crate::code_host::call::{Call, Page, Refusal};
use crate::code_host::pings::Dialect;
use crate::code_host::store::{Comment, Project};

const PAGE: usize = 30;

impl Site {
    /// `GET issues/{number}/comments`, oldest first.
    pub fn list_comments(&mut self, call: &Call<'_>, project: Project, number: &str) -> Served {
        let since = call.moment("since").map_err(|()| refusal(422, "Invalid since"))?;
        let issue = self.store.find(project, number).ok_or_else(not_found)?;
        let fits = |comment: &&Comment| since.is_none_or(|since| comment.updated_at >= since);
        let found: Vec<&Comment> = issue.comments.iter().filter(fits).collect();
        let page = Page::read(call, PAGE, found.len());
        let shown: Value = page
            .cut(found)
            .into_iter()
            .map(|comment| view::comment(call, issue, comment))
            .collect();
        Ok(paged(call, page, &shown, "listed comments"))
    }

    /// `POST issues/{number}/comments`.
    pub fn comment(&mut self, call: &Call<'_>, project: Project, number: &str) -> Served {
        let body = read_body(call)?;
        let id = self.store.next_id();
        let issue = self.store.find(project, number).ok_or_else(not_found)?;
        issue.hear(&body, Dialect::GitHub);
        let comment = Comment {
            id,
            author: call.caller,
            body,
            is_internal: false,
            created_at: call.now,
            updated_at: call.now,
        };
        issue.comments.push(comment.clone());
        issue.updated_at = call.now;
        let issue = issue.clone();
        let shown = view::comment(call, &issue, &comment);
        self.tell(
            call,
            &issue,
            &News::comment("created", vec![("comment", shown.clone())]),
        );
        self.changed = Some(issue.id);
        Ok(Response::json(
            201,
            &shown,
            format!("commented on issue {number}"),
        ))
    }

    /// `GET` and `PATCH` of `issues/comments/{id}`.
    pub fn one_comment(&mut self, call: &Call<'_>, project: Project, id: &str, method: &Method) -> Served {
        let may_push = self.may_push(call);
        let issue = self.store.of_comment(project, id).ok_or_else(not_found)?;
        let place = issue
            .comments
            .iter()
            .position(|comment| comment.id.to_string() == id);
        let place = place.ok_or_else(not_found)?;
        if method == Method::GET {
            return Ok(shown(call, issue, place));
        }
        if method != Method::PATCH {
            return Err(not_found());
        }
        let body = read_body(call)?;
        let comment = issue.comments.get_mut(place).ok_or_else(not_found)?;
        if comment.author != call.caller && !may_push {
            return Err(refusal(403, "Must have admin rights to Repository."));
        }
        let from = std::mem::replace(&mut comment.body, body.clone());
        comment.updated_at = call.now;
        issue.updated_at = call.now;
        issue.hear(&body, Dialect::GitHub);
        let issue = issue.clone();
        let answer = shown(call, &issue, place);
        let comment = serde_json::from_str(&answer.body).unwrap_or_default();
        let more = vec![
            ("comment", comment),
            ("changes", json!({ "body": { "from": from } })),
        ];
        self.tell(call, &issue, &News::comment("edited", more));
        self.changed = Some(issue.id);
        Ok(answer)
    }
}

fn shown(call: &Call<'_>, issue: &crate::code_host::store::Issue, place: usize) -> Response {
    let comment = issue
        .comments
        .get(place)
        .map(|comment| view::comment(call, issue, comment));
    Response::json(200, &comment.unwrap_or_default(), "showed a comment")
}

fn read_body(call: &Call<'_>) -> Result<String, Refusal> {
    let refused = |message: String| {
        let error = json!({ "resource": "IssueComment", "field": "data", "code": "unprocessable", "message": message });
        Err(invalid(&error))
    };
    match call.body.get("body") {
        None => Err(refusal(422, "Invalid request.\n\n\"body\" wasn't supplied.")),
        Some(Value::String(text)) if text.trim().is_empty() => refused("Body cannot be blank".to_owned()),
        Some(Value::String(text)) if text.chars().count() > MAX_TEXT => {
            refused(format!("Body is too long (maximum is {MAX_TEXT} characters)"))
        }
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(super::faults::wrong_type("body", other, "a string")),
    }
}
