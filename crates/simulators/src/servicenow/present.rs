//! Records as answers show them: values, what people see, or both; references with or without their links.

use serde_json::{Map, Value, json};

use crate::servicenow::call::{Call, Parameters};
use crate::servicenow::instance::{Cell, Instance, Record};
use crate::servicenow::schema::{self, Kind};

/// How records are shown.
#[derive(Debug)]
pub struct View {
    shows: Shows,
    links: Links,
    /// The paths of the fields that are wanted; none for all.
    fields: Vec<String>,
    base: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Values,
    Displays,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Shown,
    LeftOut,
}

impl View {
    /// What a call asks to see.
    pub fn of(call: &Call<'_>) -> Self {
        Self::read(&call.parameters, call.base())
    }

    fn read(parameters: &Parameters, base: String) -> Self {
        let shows = match parameters
            .get("sysparm_display_value")
            .to_ascii_lowercase()
            .as_str()
        {
            "true" => Shows::Displays,
            "all" => Shows::Both,
            _ => Shows::Values,
        };
        let links = if parameters.is_set("sysparm_exclude_reference_link") {
            Links::LeftOut
        } else {
            Links::Shown
        };
        let names = parameters.get("sysparm_fields").split(',').map(str::trim);
        let fields = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Self {
            shows,
            links,
            fields,
            base,
        }
    }

    /// A record as it is shown. Fields that do not exist are left out; those that may not be read are blank.
    pub fn show(&self, instance: &Instance, record: &Record) -> Value {
        let Some(table) = schema::table(record.table) else {
            return json!({});
        };
        let all = || table.fields().map(|field| field.name.to_owned()).collect();
        let paths: Vec<String> = if self.fields.is_empty() {
            all()
        } else {
            self.fields.clone()
        };
        let mut shown = Map::new();
        for path in paths {
            if let Some(cell) = instance.cell(record, &path) {
                shown.insert(path, self.value(&cell));
            } else if instance.unreadable.contains(&path.as_str()) {
                shown.insert(path, self.blank());
            }
        }
        Value::Object(shown)
    }

    fn value(&self, cell: &Cell) -> Value {
        let value = if cell.kind == Kind::Journal {
            ""
        } else {
            cell.value.as_str()
        };
        let display = cell.display.as_str();
        let Some(link) = self.link(cell) else {
            return match self.shows {
                Shows::Values => json!(value),
                Shows::Displays => json!(display),
                Shows::Both => json!({ "display_value": display, "value": value }),
            };
        };
        match self.shows {
            Shows::Values => json!({ "link": link, "value": value }),
            Shows::Displays => json!({ "display_value": display, "link": link }),
            Shows::Both => json!({ "display_value": display, "link": link, "value": value }),
        }
    }

    fn blank(&self) -> Value {
        match self.shows {
            Shows::Values | Shows::Displays => json!(""),
            Shows::Both => json!({ "display_value": "", "value": "" }),
        }
    }

    /// The link of a reference that has one.
    fn link(&self, cell: &Cell) -> Option<String> {
        match cell.kind {
            Kind::Reference(table) if self.links == Links::Shown && !cell.value.is_empty() => {
                Some(format!("{}/api/now/table/{table}/{}", self.base, cell.value))
            }
            Kind::Reference(_)
            | Kind::Text
            | Kind::Integer
            | Kind::Boolean
            | Kind::DateTime
            | Kind::IntegerChoice(_)
            | Kind::TextChoice(_)
            | Kind::Journal => None,
        }
    }
}
