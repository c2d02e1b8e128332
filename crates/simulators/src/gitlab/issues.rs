//! Issues: made, listed, read, changed, deleted, moved, linked.

use serde_json::json;

use super::fields::{MAX_TEXT, MAX_TITLE, assignees, boolean, check_length, list, text};
use super::{Served, Site, forbidden, invalid, paged, refused, view, wrong_value};
use crate::code_host::call::{Call, Refusal};
use crate::code_host::people::Access;
use crate::code_host::pings::Dialect;
use crate::code_host::store::{Issue, Project};
use crate::gitlab::actions::extract;
use crate::simulator::Response;

/// Of these a change needs one.
const CHANGES: [&str; 16] = [
    "title",
    "description",
    "assignee_id",
    "assignee_ids",
    "confidential",
    "created_at",
    "discussion_locked",
    "due_date",
    "labels",
    "add_labels",
    "remove_labels",
    "milestone_id",
    "state_event",
    "issue_type",
    "weight",
    "epic_id",
];

impl Site {
    /// `POST issues`.
    pub fn create(&mut self, call: &Call<'_>, project: Project) -> Served {
        if !call.body.contains_key("title") {
            return Err(invalid("title is missing"));
        }
        let mut draft = Issue::new(self.store.next_id(), project, call.caller, call.now);
        self.set(call, &mut draft)?;
        let issue = self.store.add(draft);
        self.tell(call, &issue, "open", &json!({}));
        Ok(self.show(call, 201, &issue, "opened"))
    }

    /// `GET issues`.
    pub fn list(&mut self, call: &Call<'_>, project: Project) -> Served {
        let one_of = |name: &'static str, known: &[&str]| {
            let fits = call.query(name).is_none_or(|value| known.contains(&value));
            if fits {
                Ok(())
            } else {
                Err(invalid(&format!("{name} does not have a valid value")))
            }
        };
        one_of("state", &["opened", "closed", "all"])?;
        one_of("sort", &["asc", "desc"])?;
        one_of(
            "order_by",
            &[
                "created_at",
                "updated_at",
                "title",
                "priority",
                "due_date",
                "relative_position",
                "label_priority",
                "milestone_due",
                "popularity",
                "weight",
            ],
        )?;
        let after = call
            .moment("updated_after")
            .map_err(|()| invalid("updated_after is invalid"))?;
        let (labels, iids) = (call.list("labels"), call.list("iids"));
        let search = call.query("search").unwrap_or_default().to_lowercase();
        let everything = self.lists_everything;
        let mut found = self.store.listed();
        found.retain(|issue| {
            let state = match call.query("state") {
                Some("opened") => issue.closed.is_none(),
                Some("closed") => issue.closed.is_some(),
                _ => true,
            };
            let text =
                format!("{}\n{}", issue.title, issue.body.as_deref().unwrap_or_default()).to_lowercase();
            let is_seen = !issue.is_confidential || call.caller.access >= Access::Write;
            let fits = state
                && has_labels(issue, &labels)
                && (iids.is_empty() || iids.iter().any(|iid| *iid == issue.number.to_string()))
                && search.split_whitespace().all(|word| text.contains(word))
                && after.is_none_or(|after| issue.updated_at >= after);
            issue.project.id == project.id && project.has_issues && is_seen && (everything || fits)
        });
        if call.query("order_by") == Some("updated_at") {
            found.sort_by_key(|issue| (issue.updated_at, issue.id));
        }
        if call.query("sort") != Some("asc") {
            found.reverse();
        }
        paged(
            call,
            found.iter().map(|issue| view::issue(call, issue)).collect(),
            "listed issues",
        )
    }

    /// `GET issues/{iid}`.
    pub fn read(&mut self, call: &Call<'_>, project: Project, iid: &str) -> Served {
        let issue = self.store.find(project, iid).ok_or_else(not_found)?;
        Ok(Response::json(
            200,
            &view::issue(call, issue),
            format!("showed issue {iid}"),
        ))
    }

    /// `PUT issues/{iid}`.
    pub fn edit(&mut self, call: &Call<'_>, project: Project, iid: &str) -> Served {
        let before = self.store.find(project, iid).ok_or_else(not_found)?.clone();
        if call.caller.access < Access::Write && before.author != call.caller {
            return Err(forbidden());
        }
        if !CHANGES.iter().any(|name| call.body.contains_key(*name)) {
            return Err(invalid(&format!(
                "{} are missing, at least one parameter must be provided",
                CHANGES.join(", ")
            )));
        }
        let mut issue = before.clone();
        match call
            .body
            .get("state_event")
            .map(|event| event.as_str().unwrap_or_default())
        {
            Some("close") => issue.set_closed(true, call.now, call.caller),
            Some("reopen") => issue.set_closed(false, call.now, call.caller),
            Some(_) => return Err(invalid("state_event does not have a valid value")),
            None => false,
        };
        self.set(call, &mut issue)?;
        Ok(self.keep(call, &before, issue))
    }

    /// Keeps a changed issue and tells of the change.
    pub fn keep(&mut self, call: &Call<'_>, before: &Issue, mut issue: Issue) -> Response {
        issue.updated_at = call.now;
        self.store
            .by_id(issue.id)
            .into_iter()
            .for_each(|place| place.clone_from(&issue));
        let (old, new) = (view::issue(call, before), view::issue(call, &issue));
        let mut changes =
            json!({ "updated_at": { "previous": old["updated_at"], "current": new["updated_at"] } });
        for name in [
            "title",
            "description",
            "labels",
            "assignees",
            "confidential",
            "closed_at",
        ] {
            if old[name] != new[name] {
                changes[name] = json!({ "previous": old[name], "current": new[name] });
            }
        }
        let action = match (before.closed.is_some(), issue.closed.is_some()) {
            (false, true) => "close",
            (true, false) => "reopen",
            _ => "update",
        };
        self.tell(call, &issue, action, &changes);
        self.show(call, 200, &issue, "changed")
    }

    /// `DELETE issues/{iid}`: for owners, and nobody is told.
    pub fn delete(&mut self, call: &Call<'_>, project: Project, iid: &str) -> Served {
        if call.caller.access < Access::Admin {
            return Err(forbidden());
        }
        self.store.find(project, iid).ok_or_else(not_found)?.is_gone = true;
        let sentence = format!("deleted issue {iid}");
        Ok(Response {
            status: 204,
            sentence,
            ..Response::default()
        })
    }

    /// `POST issues/{iid}/move`.
    pub fn relocate(&mut self, call: &Call<'_>, project: Project, iid: &str) -> Served {
        if call.caller.access < Access::Write {
            return Err(refused(400, "Cannot move issue due to insufficient permissions!"));
        }
        let to = call
            .body
            .get("to_project_id")
            .ok_or_else(|| invalid("to_project_id is missing"))?;
        let to = to
            .as_u64()
            .map_or_else(|| to.as_str().unwrap_or_default().to_owned(), |id| id.to_string());
        let made = self
            .transfer(call, project, iid, &to)
            .ok_or_else(|| refused(404, "404 Project Not Found"))?;
        Ok(self.show(call, 201, &made, "moved to"))
    }

    /// Makes an issue one of another project; the old one stays, closed.
    pub fn transfer(&mut self, call: &Call<'_>, project: Project, iid: &str, to: &str) -> Option<Issue> {
        let to = Project::named(to)?;
        let before = self.store.find(project, iid)?.clone();
        let copy = before.copy(self.store.next_id(), to);
        let made = self.store.add(copy);
        let mut left = before.clone();
        left.moved_to = Some(made.id);
        left.set_closed(true, call.now, call.caller);
        self.keep(call, &before, left);
        self.tell(call, &made, "open", &json!({}));
        Some(made)
    }

    /// `GET issues/{iid}/links`.
    pub fn list_links(&mut self, call: &Call<'_>, project: Project, iid: &str) -> Served {
        let links = self.store.find(project, iid).ok_or_else(not_found)?.links.clone();
        let linked = links
            .iter()
            .filter_map(|id| self.store.by_id(*id).map(|issue| view::issue(call, issue)));
        Ok(Response::json(200, &linked.collect(), "listed links"))
    }

    /// `POST issues/{iid}/links`.
    pub fn link(&mut self, call: &Call<'_>, project: Project, iid: &str) -> Served {
        let text = |name: &str| {
            let value = call
                .body
                .get(name)
                .ok_or_else(|| invalid(&format!("{name} is missing")))?;
            Ok::<_, Refusal>(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        let kind = call.text("link_type").unwrap_or("relates_to");
        if !matches!(kind, "relates_to" | "blocks" | "is_blocked_by") {
            return Err(invalid("link_type does not have a valid value"));
        }
        let (to, number) = (text("target_project_id")?, text("target_issue_iid")?);
        let to = Project::named(&to).ok_or_else(|| refused(404, "404 Project Not Found"))?;
        let target = self
            .store
            .find(to, &number)
            .filter(|issue| !issue.is_gone)
            .ok_or_else(not_found)?
            .clone();
        let source = self.store.find(project, iid).ok_or_else(not_found)?;
        if source.links.contains(&target.id) {
            return Err(refused(409, "Issue(s) already assigned"));
        }
        if source.id == target.id {
            return Err(refused(
                404,
                "No matching issue found. Make sure that you are adding a valid issue URL.",
            ));
        }
        source.links.push(target.id);
        let source = source.clone();
        self.store
            .by_id(target.id)
            .into_iter()
            .for_each(|issue| issue.links.push(source.id));
        let body = json!({
            "source_issue": view::issue(call, &source), "target_issue": view::issue(call, &target), "link_type": kind,
        });
        Ok(Response::json(
            201,
            &body,
            format!("linked issue {iid} with {number}"),
        ))
    }

    /// Sets what a body holds; quick actions in the description are carried out.
    fn set(&mut self, call: &Call<'_>, issue: &mut Issue) -> Result<(), Refusal> {
        let may_label = call.caller.access >= Access::Write && !self.lasting.is_labelling_forbidden;
        if let Some(title) = text(call, "title")? {
            check_length("title", title, MAX_TITLE)?;
            if title.trim().is_empty() {
                return Err(wrong_value("title", "can't be blank"));
            }
            issue.title = title.trim().to_owned();
            issue.hear(title, Dialect::GitLab);
        }
        for (name, keeps, adds) in [
            ("labels", false, true),
            ("add_labels", true, true),
            ("remove_labels", true, false),
        ] {
            let Some(labels) = list(call, name)?.filter(|_| may_label) else {
                continue;
            };
            issue.labels.retain(|label| keeps && !labels.contains(label));
            issue.labels.extend(if adds { labels } else { Vec::new() });
        }
        let assignees = assignees(call)?;
        if let Some(assignees) = assignees.filter(|_| may_label) {
            issue.assignees = assignees.into_iter().take(1).collect();
        }
        if let Some(is_confidential) = call.body.get("confidential") {
            issue.is_confidential =
                boolean(is_confidential).ok_or_else(|| invalid("confidential is invalid"))?;
        }
        if let Some(description) = text(call, "description")? {
            check_length("description", description, MAX_TEXT)?;
            let (kept, commands) = extract(description);
            issue.hear(&kept, Dialect::GitLab);
            issue.body = Some(kept);
            self.carry_out(call, issue, &commands);
        }
        issue.labels.sort();
        issue.labels.dedup();
        Ok(())
    }

    /// An answer with an issue that was made or changed.
    fn show(&mut self, call: &Call<'_>, status: u16, issue: &Issue, what: &str) -> Response {
        self.changed = Some(issue.id);
        let sentence = format!("{what} issue {} of {}", issue.number, issue.project.path());
        Response::json(status, &view::issue(call, issue), sentence)
    }
}

/// No such issue.
pub fn not_found() -> Refusal {
    refused(404, "404 Not found")
}

fn has_labels(issue: &Issue, labels: &[&str]) -> bool {
    labels
        .iter()
        .all(|label| match label.to_ascii_lowercase().as_str() {
            "any" => !issue.labels.is_empty(),
            "none" => issue.labels.is_empty(),
            _ => issue.labels.iter().any(|known| known == label),
        })
}
