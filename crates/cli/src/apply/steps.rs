//! What a plan of `apply` consists of, and how it is shown.

use serde_json::{Map, Value, json};

use crate::output;

/// What is called how in a plan.
pub struct Words {
    /// The title of the column of names.
    pub title: &'static str,
    /// What the server never tells.
    pub not_compared: &'static str,
}

/// What has to be done for one of the things that a file lists.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Create {
        name: String,
        body: Map<String, Value>,
    },
    Change {
        id: String,
        name: String,
        body: Map<String, Value>,
        differences: Vec<Difference>,
    },
    Delete {
        id: String,
        name: String,
    },
}

/// A field that is not as the file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    pub field: String,
    pub from: String,
    pub to: String,
}

impl Step {
    /// The same for programs.
    pub fn json(&self) -> Value {
        match self {
            Self::Create { name, .. } => json!({ "do": "create", "name": name }),
            Self::Delete { id, name } => json!({ "do": "delete", "name": name, "id": id }),
            Self::Change {
                id,
                name,
                differences,
                ..
            } => {
                let differences: Vec<Value> = differences
                    .iter()
                    .map(|d| json!({ "field": d.field, "from": d.from, "to": d.to }))
                    .collect();
                json!({ "do": "change", "name": name, "id": id, "differences": differences })
            }
        }
    }
}

/// A plan for people.
pub fn in_words(steps: &[Step], words: &Words) -> String {
    if steps.is_empty() {
        let not_compared = words.not_compared;
        return format!("nothing to do: the server is as the file says ({not_compared} cannot be compared)");
    }
    let rows = steps.iter().flat_map(|step| match step {
        Step::Create { name, .. } => vec![row("create", name, "", "", "")],
        Step::Delete { name, .. } => vec![row("delete", name, "", "", "")],
        Step::Change {
            name, differences, ..
        } => {
            let rows = differences.iter();
            rows.map(|d| row("change", name, &d.field, &d.from, &d.to))
                .collect()
        }
    });
    output::table(&["DO", words.title, "FIELD", "FROM", "TO"], rows.collect())
}

fn row(action: &str, name: &str, field: &str, from: &str, to: &str) -> Vec<String> {
    [action, name, field, from, to].map(str::to_owned).into()
}
