//! The two mutations of GraphQL that people need and REST has not: `deleteIssue` and `transferIssue`, with their input in the
//! variable `input`.

use serde_json::{Value, json};

use super::hooks::News;
use super::{Response, Site, view};
use crate::code_host::call::Call;
use crate::code_host::people::Access;
use crate::code_host::store::Project;

impl Site {
    /// `POST /api/graphql`.
    pub fn mutate(&mut self, call: &Call<'_>) -> Response {
        let query = call.text("query").unwrap_or_default();
        let input = call
            .body
            .get("variables")
            .and_then(|variables| variables.get("input"));
        let id = |name: &str| {
            let id = input.and_then(|input| input.get(name)).and_then(Value::as_str);
            id.and_then(|id| id.split_once('_'))
                .map(|(_, id)| id.to_owned())
                .unwrap_or_default()
        };
        let there = id("issueId")
            .parse()
            .ok()
            .and_then(|id| self.store.by_id(id))
            .filter(|issue| !issue.is_gone);
        let Some(issue) = there.map(|issue| issue.clone()) else {
            return failed("NOT_FOUND", "Could not resolve to a node with the global id");
        };
        if call.caller.access < Access::Admin {
            return failed("FORBIDDEN", "You do not have the permission to do this");
        }
        if query.contains("deleteIssue") {
            self.tell(call, &issue, &News::issue("deleted"));
            self.store
                .by_id(issue.id)
                .into_iter()
                .for_each(|issue| issue.is_gone = true);
            let data =
                json!({ "deleteIssue": { "repository": { "id": format!("R_{}", issue.project.id) } } });
            return Response::json(
                200,
                &json!({ "data": data }),
                format!("deleted issue {}", issue.number),
            );
        }
        match self.transfer(issue.id, &id("repositoryId"), call) {
            Some(made) if query.contains("transferIssue") => {
                let data = json!({ "transferIssue": { "issue": { "id": format!("I_{made}") } } });
                Response::json(
                    200,
                    &json!({ "data": data }),
                    format!("transferred issue {}", issue.number),
                )
            }
            _ => failed("NOT_FOUND", "There is no such mutation or repository here"),
        }
    }

    /// Makes an issue one of another repository; its id there.
    pub fn transfer(&mut self, id: u64, repository: &str, call: &Call<'_>) -> Option<u64> {
        let to = Project::named(repository)?;
        let before = self.store.by_id(id)?.clone();
        let mut copy = before.copy(self.store.next_id(), to);
        copy.updated_at = call.now;
        let made = self.store.add(copy);
        let gone = self.store.by_id(id)?;
        gone.is_gone = true;
        gone.moved_to = Some(made.id);
        let changes = json!({
            "new_issue": view::issue(call, &made), "new_repository": view::repository(call, to, self),
        });
        let news = News::issue("transferred").with(vec![("changes", changes)]);
        self.tell(call, &before, &news);
        let changes = json!({
            "old_issue": view::issue(call, &before), "old_repository": view::repository(call, before.project, self),
        });
        let news = News::issue("opened").with(vec![("changes", changes)]);
        self.tell(call, &made, &news);
        Some(made.id)
    }
}

fn failed(kind: &str, message: &str) -> Response {
    let errors = json!([{ "type": kind, "message": message, "path": [] }]);
    Response::json(
        200,
        &json!({ "data": null, "errors": errors }),
        format!("refused: {message}"),
    )
}
