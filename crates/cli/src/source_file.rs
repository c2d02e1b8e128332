//! The file of `opsknight sources apply` and `export`: a list of `[[source]]`. The key of a source is never in it.
//!
//! Pure but for the environment, which comes in as a function.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use toml::Table;

use model::webhook_file::revealed;

use super::output::text;

/// What is set of a source beside its name: in the file and in the API.
const SETTINGS: [(&str, &str); 8] = [
    ("alert_unit", "alertUnit"),
    ("storm_alerts", "stormAlerts"),
    ("storm_window_seconds", "stormWindowSeconds"),
    ("flap_changes", "flapChanges"),
    ("flap_window_seconds", "flapWindowSeconds"),
    ("silent_after_seconds", "silentAfterSeconds"),
    ("enabled", "enabled"),
    // Last: in the file it is a table of its own.
    ("mapping", "mapping"),
];

/// A source as the file wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Its name, by which it is found on the server.
    pub name: String,
    pub kind: String,
    /// The name or id of its service.
    pub service: String,
    pub secret: Option<String>,
    /// The settings that the file mentions, as the API writes them.
    pub settings: Map<String, Value>,
}

/// Reads the file. `environment` tells the value of a name.
pub fn read(
    text: &str,
    environment: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<Declared>, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    if let Some(name) = table.keys().find(|name| *name != "source") {
        return Err(format!("unknown {name:?}: the file is a list of [[source]]"));
    }
    let list = match table.get("source") {
        None => return Ok(Vec::new()),
        Some(toml::Value::Array(list)) => list,
        Some(_) => return Err("write [[source]], with two brackets: it is a list".into()),
    };
    let mut declared: Vec<Declared> = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let read = item.as_table().ok_or_else(|| "it is not a table".to_owned());
        let read = read.and_then(|table| read_source(table, &environment));
        let source = read.map_err(|reason| format!("source {}: {reason}", index + 1))?;
        if declared.iter().any(|other| other.name == source.name) {
            let name = source.name;
            return Err(format!("two sources are called {name:?}; names tell them apart"));
        }
        declared.push(source);
    }
    Ok(declared)
}

fn read_source(
    table: &Table,
    environment: &impl Fn(&str) -> Result<String, String>,
) -> Result<Declared, String> {
    let said = |name: &str| {
        let value = table.get(name).and_then(toml::Value::as_str);
        value
            .map(str::to_owned)
            .ok_or_else(|| format!("it has no {name}"))
    };
    let mut declared = Declared {
        name: said("name")?,
        kind: said("kind")?,
        service: said("service")?,
        secret: None,
        settings: Map::new(),
    };
    for (written, value) in table {
        let setting = SETTINGS
            .iter()
            .find(|(snake, camel)| snake == written || camel == written);
        match (written.as_str(), setting) {
            ("name" | "kind" | "service", _) => {}
            ("secret", _) => declared.secret = revealed(value, environment)?.as_str().map(str::to_owned),
            (_, Some((_, camel))) => {
                let value = serde_json::to_value(value).map_err(|error| error.to_string())?;
                declared.settings.insert((*camel).to_owned(), never(camel, value));
            }
            (other, None) => {
                let known = SETTINGS.map(|(snake, _)| snake).join(", ");
                return Err(format!(
                    "there is no field {other:?}; there are name, kind, service, secret, {known}"
                ));
            }
        }
    }
    Ok(declared)
}

/// TOML has no null: a source that may be silent for ever says 0.
fn never(setting: &str, value: Value) -> Value {
    match setting == "silentAfterSeconds" && value == json!(0) {
        true => Value::Null,
        false => value,
    }
}

/// The file that says what the server has.
pub fn write(sources: &[Value]) -> String {
    let mut file = String::new();
    for source in sources {
        let _ = writeln!(file, "[[source]]");
        for (name, pointer) in [("name", "/name"), ("kind", "/kind"), ("service", "/service/name")] {
            let _ = writeln!(file, "{name} = {}", quoted(&text(source, pointer)));
        }
        if source["hasSecret"] == true {
            let _ = writeln!(
                file,
                "# secret = {{ env = \"NAME\" }}  it has one, which is never shown"
            );
        }
        for (snake, camel) in SETTINGS {
            match &source["settings"][camel] {
                Value::Null if snake == "silent_after_seconds" => {
                    let _ = writeln!(file, "{snake} = 0");
                }
                Value::Null => {}
                Value::Object(mapping) if mapping.is_empty() => {}
                Value::Object(mapping) => {
                    let _ = writeln!(file, "[source.{snake}]");
                    for (field, expression) in mapping {
                        let expression = expression.as_str().unwrap_or_default();
                        let _ = writeln!(file, "{} = {}", quoted(field), quoted(expression));
                    }
                }
                Value::String(word) => {
                    let _ = writeln!(file, "{snake} = {}", quoted(word));
                }
                other => {
                    let _ = writeln!(file, "{snake} = {other}");
                }
            }
        }
        file.push('\n');
    }
    file
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_environment(name: &str) -> Result<String, String> {
        Err(format!("the environment has no {name}"))
    }

    fn present() -> Value {
        json!({
            "name": "Prod \"1\"", "kind": "generic", "service": {"name": "API"}, "key": "hush", "hasSecret": true,
            "settings": {"alertUnit": "alert", "mapping": {"title": "body.a + \"\\n\""}, "stormAlerts": 30,
                "stormWindowSeconds": 60, "flapChanges": 6, "flapWindowSeconds": 900, "silentAfterSeconds": null,
                "enabled": true},
        })
    }

    #[test]
    fn what_is_exported_reads_back_as_it_was_and_holds_no_key() {
        let file = write(&[
            present(),
            json!({"name": "b", "kind": "sns", "service": {"name": "API"}, "settings": {}}),
        ]);
        assert!(!file.contains("hush"), "{file}");
        let read = read(&file, no_environment).unwrap();
        assert_eq!((read.len(), read[0].name.as_str()), (2, "Prod \"1\""));
        assert_eq!(Value::from(read[0].settings.clone()), present()["settings"]);
        assert_eq!((read[0].service.as_str(), &read[0].secret), ("API", &None));
    }

    #[test]
    fn mistakes_say_where_they_are() {
        let said = |text: &str| read(text, no_environment).unwrap_err();
        assert!(said("[[webhook]]").contains("[[source]]"));
        assert!(said("[[source]]\nname = \"x\"").contains("source 1: it has no kind"));
        let all = "[[source]]\nname = \"x\"\nkind = \"sns\"\nservice = \"y\"\n";
        assert!(said(&format!("{all}key = \"k\"")).contains("no field \"key\""));
        assert!(said(&format!("{all}{all}")).contains("two sources"));
        assert!(said(&format!("{all}secret = {{ env = \"NOWHERE\" }}")).contains("NOWHERE"));
    }
}
