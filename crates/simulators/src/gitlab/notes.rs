//! Notes of issues. Quick actions in one are carried out; a note of nothing else is not kept, and answered with 202.

use http::Method;
use serde_json::{Value, json};

use super::fields::{MAX_TEXT, boolean, check_length, text};
use super::issues::not_found;
use super::{Served, Site, forbidden, invalid, paged, refused, view};
use crate::code_host::call::Call;
use crate::code_host::people::Access;
use crate::code_host::pings::Dialect;
use crate::code_host::store::{Comment, Project};
use crate::gitlab::actions::extract;
use crate::simulator::Response;

impl Site {
    /// `GET issues/{iid}/notes`, newest first unless asked otherwise.
    pub fn list_notes(&mut self, call: &Call<'_>, project: Project, iid: &str) -> Served {
        let issue = self.store.find(project, iid).ok_or_else(not_found)?;
        let mut notes: Vec<&Comment> = issue.comments.iter().collect();
        notes.retain(|note| !note.is_internal || call.caller.access >= Access::Write);
        if call.query("order_by") == Some("updated_at") {
            notes.sort_by_key(|note| (note.updated_at, note.id));
        }
        if call.query("sort") != Some("asc") {
            notes.reverse();
        }
        let shown: Vec<Value> = notes
            .into_iter()
            .map(|note| view::note(call, issue, note))
            .collect();
        paged(call, shown, "listed notes")
    }

    /// `POST issues/{iid}/notes`.
    pub fn note(&mut self, call: &Call<'_>, project: Project, iid: &str) -> Served {
        let body = text(call, "body")?.ok_or_else(|| invalid("body is missing"))?;
        check_length("note", body, MAX_TEXT)?;
        let flag = |name: &str| {
            call.body
                .get(name)
                .map(|flag| boolean(flag).ok_or_else(|| invalid(&format!("{name} is invalid"))))
        };
        let is_internal = flag("internal")
            .or_else(|| flag("confidential"))
            .transpose()?
            .unwrap_or_default();
        if is_internal && call.caller.access < Access::Write {
            return Err(forbidden());
        }
        let (kept, commands) = extract(body);
        if kept.trim().is_empty() && commands.is_empty() {
            return Err(refused(
                400,
                "400 Bad request - Note {:note=>[\"can't be blank\"]}",
            ));
        }
        let id = self.store.next_id();
        let before = self.store.find(project, iid).ok_or_else(not_found)?.clone();
        let mut issue = before.clone();
        issue.hear(&kept, Dialect::GitLab);
        self.carry_out(call, &mut issue, &commands);
        let is_kept = !kept.trim().is_empty();
        let note = Comment {
            id,
            author: call.caller,
            body: kept,
            is_internal,
            created_at: call.now,
            updated_at: call.now,
        };
        if is_kept {
            issue.comments.push(note.clone());
        }
        if commands.is_empty() {
            issue.updated_at = call.now;
            self.store
                .by_id(issue.id)
                .into_iter()
                .for_each(|place| place.clone_from(&issue));
        } else {
            self.keep(call, &before, issue.clone());
        }
        self.changed = Some(issue.id);
        if !is_kept {
            let words: Vec<_> = commands.iter().map(|(word, _)| word).collect();
            let body = json!({ "commands_changes": { "commands": words }, "summary": ["Applied commands."] });
            return Ok(Response::json(202, &body, "carried out quick actions"));
        }
        self.tell_of_note(call, &issue, &note, "create");
        Ok(Response::json(
            201,
            &view::note(call, &issue, &note),
            format!("noted something on issue {iid}"),
        ))
    }

    /// `GET`, `PUT` and `DELETE` of `issues/{iid}/notes/{id}`.
    pub fn one_note(&mut self, call: &Call<'_>, project: Project, iid: &str, id: &str) -> Served {
        let before = self.store.find(project, iid).ok_or_else(not_found)?.clone();
        let is_seen = |note: &&Comment| !note.is_internal || call.caller.access >= Access::Write;
        let found = before
            .comments
            .iter()
            .find(|note| note.id.to_string() == id)
            .filter(is_seen);
        let mut note = found.ok_or_else(|| refused(404, "404 Note Not Found"))?.clone();
        if !call.is_write() {
            return Ok(Response::json(
                200,
                &view::note(call, &before, &note),
                "showed a note",
            ));
        }
        if note.author != call.caller && call.caller.access < Access::Admin {
            return Err(forbidden());
        }
        let mut issue = before.clone();
        let place = issue
            .comments
            .iter()
            .position(|other| other.id == note.id)
            .unwrap_or_default();
        if call.method == Method::DELETE {
            issue.comments.remove(place);
            self.store
                .by_id(issue.id)
                .into_iter()
                .for_each(|place| place.clone_from(&issue));
            return Ok(Response {
                status: 204,
                sentence: "deleted a note".to_owned(),
                ..Response::default()
            });
        }
        let body = text(call, "body")?
            .filter(|body| !body.trim().is_empty())
            .ok_or_else(|| invalid("body is empty"))?;
        check_length("note", body, MAX_TEXT)?;
        let (kept, commands) = extract(body);
        issue.hear(&kept, Dialect::GitLab);
        note.body = kept;
        note.updated_at = call.now;
        issue
            .comments
            .get_mut(place)
            .into_iter()
            .for_each(|place| place.clone_from(&note));
        self.carry_out(call, &mut issue, &commands);
        issue.updated_at = call.now;
        self.store
            .by_id(issue.id)
            .into_iter()
            .for_each(|place| place.clone_from(&issue));
        self.tell_of_note(call, &issue, &note, "update");
        self.changed = Some(issue.id);
        Ok(Response::json(
            200,
            &view::note(call, &issue, &note),
            "changed a note",
        ))
    }
}
