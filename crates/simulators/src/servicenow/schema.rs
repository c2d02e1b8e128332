//! The tables that the simulated instance has, with the fields of the base system that matter here: their labels, kinds,
//! lengths and choices. A field belongs to the table that declares it, so that `sys_dictionary` tells of an incident's
//! `short_description` under `task`, as the real one does.

use crate::servicenow::choices::{
    CATEGORIES, CHANGE_CODES, CHANGE_STATES, CLOSE_CODES, HOLD_REASONS, INCIDENT_STATES, LEVELS, PRIORITIES,
    PROBLEM_STATES, RESOLUTION_CODES, TASK_STATES,
};

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// The fields that it declares itself, the most important first.
    pub own: &'static [Field],
    /// Whether it is a kind of task, and if so, how its numbers begin.
    pub task: Option<Numbers>,
    /// The field that names a record to people.
    pub display: &'static str,
    /// Who may write to it.
    pub writers: Writers,
}

/// How the numbers of a task's kind begin.
#[derive(Debug)]
pub struct Numbers {
    /// The letters.
    pub prefix: &'static str,
    /// The number before the first.
    pub before: u64,
}

/// Who may write to a table through the Table API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Whoever may write at all.
    Everybody,
    /// Nobody: the platform does so itself.
    Platform,
}

/// A field.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its label, which refusals name.
    pub label: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The longest value, in characters; longer ones are cut without a word.
    pub max_length: usize,
    /// Who sets it.
    pub set_by: SetBy,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A time in UTC.
    DateTime,
    /// A whole number out of a list: values with their labels.
    IntegerChoice(&'static [(&'static str, &'static str)]),
    /// A text out of a list: values with their labels.
    TextChoice(&'static [(&'static str, &'static str)]),
    /// The `sys_id` of a record in a table.
    Reference(&'static str),
    /// Notes that are appended and never read back as a value.
    Journal,
}

/// Who sets a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    /// Whoever writes the record.
    Writer,
    /// The platform alone; what a writer sends is passed over.
    Platform,
}

impl Kind {
    /// The choices, if it has any.
    pub fn choices(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::IntegerChoice(choices) | Self::TextChoice(choices) => choices,
            Self::Text
            | Self::Integer
            | Self::Boolean
            | Self::DateTime
            | Self::Reference(_)
            | Self::Journal => &[],
        }
    }

    /// The kind as `sys_dictionary` writes it.
    pub fn internal_type(self) -> &'static str {
        match self {
            Self::Text | Self::TextChoice(_) => "string",
            Self::Integer | Self::IntegerChoice(_) => "integer",
            Self::Boolean => "boolean",
            Self::DateTime => "glide_date_time",
            Self::Reference(_) => "reference",
            Self::Journal => "journal_input",
        }
    }
}

impl Table {
    /// All of its fields: its own, those of a task that it does not declare anew, and those of every record.
    pub fn fields(&'static self) -> impl Iterator<Item = &'static Field> {
        let is_new = |field: &&'static Field| !self.own.iter().any(|own| own.name == field.name);
        let inherited: &'static [Field] = if self.task.is_some() { TASK } else { &[] };
        self.own
            .iter()
            .chain(inherited.iter().chain(RECORD).filter(is_new))
    }

    /// One of its fields.
    pub fn field(&'static self, name: &str) -> Option<&'static Field> {
        self.fields().find(|field| field.name == name)
    }

    /// Whether it shows the records of a table: its own, or those of every kind of task.
    pub fn holds(&self, name: &str) -> bool {
        let is_task = || table(name).is_some_and(|table| table.task.is_some());
        self.name == name || (self.name == BASE && is_task())
    }

    /// The table that declares one of its fields.
    pub fn owner(&self, field: &Field) -> &'static str {
        let is_own = self.own.iter().any(|own| own.name == field.name);
        let is_of_record = RECORD.iter().any(|common| common.name == field.name);
        if self.task.is_some() && !is_own && !is_of_record {
            BASE
        } else {
            self.name
        }
    }
}

/// The table of a name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

const fn text(name: &'static str, label: &'static str, max_length: usize) -> Field {
    let (kind, set_by) = (Kind::Text, SetBy::Writer);
    Field {
        name,
        label,
        kind,
        max_length,
        set_by,
    }
}

const fn of(kind: Kind, name: &'static str, label: &'static str) -> Field {
    let set_by = SetBy::Writer;
    Field {
        name,
        label,
        kind,
        max_length: 40,
        set_by,
    }
}

const fn kept(kind: Kind, name: &'static str, label: &'static str) -> Field {
    let set_by = SetBy::Platform;
    Field {
        name,
        label,
        kind,
        max_length: 40,
        set_by,
    }
}

const fn journal(name: &'static str, label: &'static str) -> Field {
    let (kind, set_by) = (Kind::Journal, SetBy::Writer);
    Field {
        name,
        label,
        kind,
        max_length: 4000,
        set_by,
    }
}

/// The table that every kind of task extends: it shows all of their records.
pub const BASE: &str = "task";

/// What every record has.
const RECORD: &[Field] = &[
    kept(Kind::Text, "sys_id", "Sys ID"),
    kept(Kind::DateTime, "sys_created_on", "Created"),
    kept(Kind::Text, "sys_created_by", "Created by"),
    kept(Kind::DateTime, "sys_updated_on", "Updated"),
    kept(Kind::Text, "sys_updated_by", "Updated by"),
    kept(Kind::Integer, "sys_mod_count", "Updates"),
];

/// What every task has.
const TASK: &[Field] = &[
    text("number", "Number", 40),
    of(Kind::IntegerChoice(TASK_STATES), "state", "State"),
    text("short_description", "Short description", 160),
    text("description", "Description", 4000),
    of(Kind::IntegerChoice(LEVELS), "impact", "Impact"),
    of(Kind::IntegerChoice(LEVELS), "urgency", "Urgency"),
    of(Kind::IntegerChoice(PRIORITIES), "priority", "Priority"),
    of(Kind::Boolean, "active", "Active"),
    of(Kind::Reference("sys_user"), "assigned_to", "Assigned to"),
    of(
        Kind::Reference("sys_user_group"),
        "assignment_group",
        "Assignment group",
    ),
    of(Kind::Reference("cmdb_ci"), "cmdb_ci", "Configuration item"),
    of(Kind::DateTime, "opened_at", "Opened"),
    of(Kind::Reference("sys_user"), "opened_by", "Opened by"),
    of(Kind::DateTime, "closed_at", "Closed"),
    of(Kind::Reference("sys_user"), "closed_by", "Closed by"),
    text("close_notes", "Resolution notes", 4000),
    text("correlation_id", "Correlation ID", 100),
    text("correlation_display", "Correlation display", 100),
    text("contact_type", "Channel", 40),
    of(Kind::DateTime, "due_date", "Due date"),
    journal("comments", "Additional comments"),
    journal("work_notes", "Work notes"),
    kept(
        Kind::Journal,
        "comments_and_work_notes",
        "Comments and Work notes",
    ),
    kept(Kind::Text, "sys_class_name", "Task type"),
];

const INCIDENT: &[Field] = &[
    of(Kind::IntegerChoice(INCIDENT_STATES), "state", "State"),
    kept(
        Kind::IntegerChoice(INCIDENT_STATES),
        "incident_state",
        "Incident state",
    ),
    of(Kind::Reference("sys_user"), "caller_id", "Caller"),
    of(Kind::TextChoice(CLOSE_CODES), "close_code", "Resolution code"),
    of(Kind::TextChoice(CATEGORIES), "category", "Category"),
    text("subcategory", "Subcategory", 40),
    of(Kind::IntegerChoice(HOLD_REASONS), "hold_reason", "On hold reason"),
    of(Kind::IntegerChoice(LEVELS), "severity", "Severity"),
    of(Kind::Reference("incident"), "parent_incident", "Parent Incident"),
    of(Kind::Reference("problem"), "problem_id", "Problem"),
    of(Kind::DateTime, "resolved_at", "Resolved"),
    of(Kind::Reference("sys_user"), "resolved_by", "Resolved by"),
    kept(Kind::Integer, "reopen_count", "Reopen count"),
];

const fn platform(
    name: &'static str,
    label: &'static str,
    own: &'static [Field],
    display: &'static str,
) -> Table {
    Table {
        name,
        label,
        own,
        task: None,
        display,
        writers: Writers::Platform,
    }
}

/// Every table.
pub const TABLES: &[Table] = &[
    Table {
        name: BASE,
        label: "Task",
        own: TASK,
        task: None,
        display: "number",
        writers: Writers::Platform,
    },
    Table {
        name: "incident",
        label: "Incident",
        own: INCIDENT,
        task: Some(Numbers {
            prefix: "INC",
            before: 10_000,
        }),
        display: "number",
        writers: Writers::Everybody,
    },
    Table {
        name: "problem",
        label: "Problem",
        own: &[
            of(Kind::IntegerChoice(PROBLEM_STATES), "state", "State"),
            of(
                Kind::TextChoice(RESOLUTION_CODES),
                "resolution_code",
                "Resolution code",
            ),
            text("fix_notes", "Fix notes", 4000),
            text("cause_notes", "Cause notes", 4000),
        ],
        task: Some(Numbers {
            prefix: "PRB",
            before: 40_000,
        }),
        display: "number",
        writers: Writers::Everybody,
    },
    Table {
        name: "change_request",
        label: "Change Request",
        own: &[
            of(Kind::IntegerChoice(CHANGE_STATES), "state", "State"),
            of(Kind::TextChoice(CHANGE_CODES), "close_code", "Close code"),
            text("type", "Type", 40),
        ],
        task: Some(Numbers {
            prefix: "CHG",
            before: 30_000,
        }),
        display: "number",
        writers: Writers::Everybody,
    },
    Table {
        name: "sc_task",
        label: "Catalog Task",
        own: &[],
        task: Some(Numbers {
            prefix: "SCTASK",
            before: 10_000,
        }),
        display: "number",
        writers: Writers::Everybody,
    },
    Table {
        name: "sys_user",
        label: "User",
        own: &[
            text("user_name", "User ID", 40),
            text("name", "Name", 151),
            text("first_name", "First name", 50),
            text("last_name", "Last name", 50),
            text("email", "Email", 100),
            of(Kind::Boolean, "active", "Active"),
        ],
        task: None,
        display: "name",
        writers: Writers::Everybody,
    },
    Table {
        name: "sys_user_group",
        label: "Group",
        own: &[
            text("name", "Name", 80),
            text("description", "Description", 1000),
            of(Kind::Boolean, "active", "Active"),
        ],
        task: None,
        display: "name",
        writers: Writers::Everybody,
    },
    Table {
        name: "cmdb_ci",
        label: "Configuration Item",
        own: &[text("name", "Name", 255)],
        task: None,
        display: "name",
        writers: Writers::Everybody,
    },
    platform(
        "sys_choice",
        "Choice",
        &[
            text("name", "Table", 80),
            text("element", "Element", 80),
            text("value", "Value", 40),
            text("label", "Label", 80),
            text("language", "Language", 3),
            of(Kind::Integer, "sequence", "Sequence"),
            of(Kind::Boolean, "inactive", "Inactive"),
        ],
        "label",
    ),
    platform(
        "sys_dictionary",
        "Dictionary Entry",
        &[
            text("name", "Table", 80),
            text("element", "Column name", 80),
            text("column_label", "Column label", 80),
            text("internal_type", "Type", 40),
            text("reference", "Reference", 80),
            of(Kind::Integer, "max_length", "Max length"),
            of(Kind::Boolean, "mandatory", "Mandatory"),
            of(Kind::Boolean, "read_only", "Read only"),
            of(Kind::Boolean, "active", "Active"),
        ],
        "column_label",
    ),
    platform(
        "sys_db_object",
        "Table",
        &[
            text("name", "Name", 80),
            text("label", "Label", 80),
            of(Kind::Reference("sys_db_object"), "super_class", "Extends table"),
        ],
        "label",
    ),
    platform(
        "sys_properties",
        "System Property",
        &[text("name", "Name", 100), text("value", "Value", 4000)],
        "name",
    ),
    platform(
        "sys_journal_field",
        "Journal Entry",
        &[
            text("name", "Table", 80),
            text("element", "Element", 80),
            text("element_id", "Element ID", 32),
            text("value", "Value", 4000),
        ],
        "value",
    ),
    platform(
        "sys_attachment",
        "Attachment",
        &[
            text("file_name", "File name", 100),
            text("content_type", "Content type", 255),
            text("table_name", "Table", 80),
            text("table_sys_id", "Table sys ID", 40),
            of(Kind::Integer, "size_bytes", "Size bytes"),
        ],
        "file_name",
    ),
];
