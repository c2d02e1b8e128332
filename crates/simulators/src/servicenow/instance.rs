//! What the simulated instance holds: the records of every table and the settings that faults change. Ids come from a
//! counter, so that the same requests make the same instance.

use std::collections::BTreeMap;

use crate::servicenow::schema::{self, Field, Kind, Table};
use crate::servicenow::seed;
use crate::simulator::MAX_MESSAGES;

/// The most fields in a row that a path such as `caller_id.name` walks through.
const MAX_STEPS: usize = 4;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its table.
    pub table: &'static str,
    /// Its id.
    pub sys_id: String,
    /// The values that are not empty.
    values: BTreeMap<&'static str, String>,
}

impl Record {
    /// A record without values.
    pub fn new(table: &'static str, sys_id: &str) -> Self {
        let values = BTreeMap::from([("sys_id", sys_id.to_owned())]);
        Self {
            table,
            sys_id: sys_id.to_owned(),
            values,
        }
    }

    /// A value; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Sets a value.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        if value.is_empty() {
            self.values.remove(name);
        } else {
            self.values.insert(name, value);
        }
    }

    /// Counts a value up.
    pub fn count(&mut self, name: &'static str) {
        let before: u64 = self.get(name).parse().unwrap_or(0);
        self.set(name, before.saturating_add(1).to_string());
    }
}

/// A value of a record, found by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What its field holds.
    pub kind: Kind,
    /// The value as the database has it.
    pub value: String,
    /// The value as people see it.
    pub display: String,
}

/// The close codes that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CloseCodes {
    /// All that the base system has.
    #[default]
    All,
    /// Just this one.
    Only(&'static str),
}

/// The language in which refusals are worded that are shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

/// Whether journal entries can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Journals {
    /// They can.
    #[default]
    Readable,
    /// No entry of `sys_journal_field` is shown.
    Hidden,
}

/// The instance.
#[derive(Debug)]
pub struct Instance {
    records: Vec<Record>,
    seeded: usize,
    counter: u64,
    numbers: BTreeMap<&'static str, u64>,
    /// Fields that nobody may read: blank in answers, unknown to queries.
    pub unreadable: Vec<&'static str>,
    /// Fields that nobody may write: passed over without a word.
    pub unwritable: Vec<&'static str>,
    /// The user from whom access rules hide every task.
    pub hidden_from: Option<&'static str>,
    /// The language of the callers.
    pub language: Language,
    /// Whether a list without records is refused, as in the first version.
    pub refuses_empty_lists: bool,
    /// The close codes that are accepted.
    pub close_codes: CloseCodes,
    /// Whether journal entries can be read.
    pub journals: Journals,
    /// The contents of attachments, by id.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The records that the present request made or changed.
    pub changed: Vec<String>,
}

impl Default for Instance {
    fn default() -> Self {
        let mut instance = Self {
            records: Vec::new(),
            seeded: 0,
            counter: 0,
            numbers: BTreeMap::new(),
            unreadable: Vec::new(),
            unwritable: Vec::new(),
            hidden_from: None,
            language: Language::default(),
            refuses_empty_lists: false,
            close_codes: CloseCodes::default(),
            journals: Journals::default(),
            files: BTreeMap::new(),
            changed: Vec::new(),
        };
        seed::fill(&mut instance);
        instance.seeded = instance.records.len();
        instance
    }
}

impl Instance {
    /// The next id.
    pub fn next_id(&mut self) -> String {
        self.counter = self.counter.saturating_add(1);
        format!("5e{:030x}", self.counter)
    }

    /// The next number of a kind of task.
    pub fn next_number(&mut self, table: &Table) -> Option<String> {
        let numbers = table.task.as_ref()?;
        let last = self.numbers.entry(table.name).or_insert(numbers.before);
        *last = last.saturating_add(1);
        Some(format!("{}{last:07}", numbers.prefix))
    }

    /// Adds a record; the oldest of its table that somebody made goes if there are too many.
    pub fn add(&mut self, record: Record) {
        let table = record.table;
        self.records.push(record);
        let mut made = self
            .records
            .iter()
            .enumerate()
            .skip(self.seeded)
            .filter(|(_, record)| record.table == table);
        let oldest = made.next().map(|(place, _)| place);
        if let Some(oldest) = oldest.filter(|_| made.count() >= MAX_MESSAGES) {
            let gone = self.records.remove(oldest);
            self.files.remove(&gone.sys_id);
        }
    }

    /// The records of a table, oldest first.
    pub fn records<'a>(&'a self, table: &str) -> impl Iterator<Item = &'a Record> + use<'a> {
        let table = schema::table(table);
        let is_hidden = self.journals == Journals::Hidden;
        self.records.iter().filter(move |record| match table {
            Some(table) if table.name == "sys_journal_field" && is_hidden => false,
            Some(table) => table.holds(record.table),
            None => false,
        })
    }

    /// One record.
    pub fn find(&self, table: &str, sys_id: &str) -> Option<&Record> {
        self.records(table).find(|record| record.sys_id == sys_id)
    }

    /// Puts a record in the place of its former self.
    pub fn replace(&mut self, record: Record) {
        if let Some(place) = self
            .records
            .iter_mut()
            .find(|before| before.sys_id == record.sys_id)
        {
            *place = record;
        }
    }

    /// Takes just one close code from now on, and marks the other choices as inactive.
    pub fn take_only(&mut self, code: &'static str) {
        self.close_codes = CloseCodes::Only(code);
        let is_of_code =
            |choice: &&mut Record| choice.table == "sys_choice" && choice.get("element") == "close_code";
        for choice in self.records.iter_mut().filter(is_of_code) {
            let is_inactive = choice.get("value") != code;
            choice.set("inactive", is_inactive.to_string());
        }
    }

    /// Removes a record; says whether it was there.
    pub fn remove(&mut self, table: &str, sys_id: &str) -> bool {
        let is_it = |record: &Record| record.table == table && record.sys_id == sys_id;
        let Some(place) = self.records.iter().position(is_it) else {
            return false;
        };
        self.records.remove(place);
        self.seeded = self.seeded.saturating_sub(usize::from(place < self.seeded));
        self.files.remove(sys_id);
        true
    }

    /// What a record is called.
    pub fn name_of(&self, table: &str, sys_id: &str) -> Option<&str> {
        let display = schema::table(table)?.display;
        self.find(table, sys_id).map(|record| record.get(display))
    }

    /// The value of a record at a path such as `number` or `caller_id.name`; nothing if there is no such field, or none
    /// that may be read.
    pub fn cell(&self, record: &Record, path: &str) -> Option<Cell> {
        let mut table = schema::table(record.table)?;
        let mut record = Some(record);
        let mut steps = path.split('.').take(MAX_STEPS).peekable();
        while let Some(step) = steps.next() {
            let field = table
                .field(step)
                .filter(|field| !self.unreadable.contains(&field.name))?;
            if steps.peek().is_none() {
                let value = record.map_or("", |record| record.get(field.name)).to_owned();
                let display = record.map_or_else(String::new, |record| self.display(record, field));
                return Some(Cell {
                    kind: field.kind,
                    value,
                    display,
                });
            }
            let Kind::Reference(next) = field.kind else {
                return None;
            };
            let sys_id = record.map_or("", |record| record.get(field.name));
            record = self.find(next, sys_id);
            table = schema::table(next)?;
        }
        None
    }

    /// A value as people see it.
    fn display(&self, record: &Record, field: &Field) -> String {
        let value = record.get(field.name);
        let label = field
            .kind
            .choices()
            .iter()
            .find(|(choice, _)| *choice == value)
            .map(|(_, label)| *label);
        match field.kind {
            Kind::IntegerChoice(_) | Kind::TextChoice(_) => label.unwrap_or(value).to_owned(),
            Kind::Reference(table) => self.name_of(table, value).unwrap_or_default().to_owned(),
            Kind::Journal => self.history(record, field.name),
            Kind::Text if field.name == "sys_class_name" => {
                schema::table(value).map_or(value, |table| table.label).to_owned()
            }
            Kind::Text | Kind::Integer | Kind::Boolean | Kind::DateTime => value.to_owned(),
        }
    }
}
