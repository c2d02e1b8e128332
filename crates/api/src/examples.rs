//! Examples of bodies for the API's description, by the name of their schema. A test holds each against its schema.

use serde_json::{Map, Value};

/// The examples: one object, a member for each schema.
const EXAMPLES: &str = include_str!("examples.json");

/// Every example, by the name of its schema.
pub fn all() -> Map<String, Value> {
    serde_json::from_str(EXAMPLES).unwrap_or_default()
}

/// Puts examples into the schemas that they show.
pub fn show(examples: &Map<String, Value>, schemas: &mut Map<String, Value>) {
    for (name, example) in examples {
        if let Some(Value::Object(schema)) = schemas.get_mut(name) {
            schema.insert("examples".to_owned(), Value::Array(vec![example.clone()]));
        }
    }
}
