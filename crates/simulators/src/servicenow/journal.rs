//! Notes and comments: entries of `sys_journal_field`, appended by each write that carries one, and the history text
//! that a record shows in their place, newest first.

use crate::servicenow::instance::{Instance, Record};

/// The fields that take notes, with what the history calls them.
pub const NOTES: [(&str, &str); 2] = [("comments", "Additional comments"), ("work_notes", "Work notes")];

impl Instance {
    /// Appends a note to a record.
    pub fn append_note(&mut self, record: &Record, element: &str, text: &str, by: &str, at: &str) {
        let sys_id = self.next_id();
        let mut entry = Record::new("sys_journal_field", &sys_id);
        entry.set("name", record.table);
        entry.set("element", element);
        entry.set("element_id", record.sys_id.as_str());
        entry.set("value", text);
        entry.set("sys_created_on", at);
        entry.set("sys_created_by", by);
        self.add(entry);
    }

    /// The notes of a record, oldest first.
    pub fn notes<'a>(&'a self, record: &'a Record) -> impl DoubleEndedIterator<Item = &'a Record> {
        let entries: Vec<&Record> = self.records("sys_journal_field").collect();
        entries
            .into_iter()
            .filter(|entry| entry.get("element_id") == record.sys_id)
    }

    /// The history that a journal field shows.
    pub fn history(&self, record: &Record, element: &str) -> String {
        let mut history = String::new();
        for note in self.notes(record).rev() {
            let name = NOTES
                .iter()
                .find(|(name, _)| *name == note.get("element"))
                .map_or("", |(_, label)| *label);
            if element != "comments_and_work_notes" && element != note.get("element") {
                continue;
            }
            let by = self.person(note.get("sys_created_by"));
            history.push_str(&format!(
                "{} - {by} ({name})\n{}\n\n",
                note.get("sys_created_on"),
                note.get("value")
            ));
        }
        history
    }

    /// The name of a user, or the user name if nobody is called so.
    pub fn person<'a>(&'a self, user_name: &'a str) -> &'a str {
        let user = self
            .records("sys_user")
            .find(|user| user.get("user_name") == user_name);
        user.map(|user| user.get("name"))
            .filter(|name| !name.is_empty())
            .unwrap_or(user_name)
    }
}
