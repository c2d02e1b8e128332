//! The schemas of the API's own description, read for people: what a field holds, which members a body has, an example.

use serde_json::Value;

/// How deep references are followed for an example.
const MAX_DEPTH: usize = 4;
/// A schema with no more members than this, all of them texts that explain themselves, is said in place.
const SMALL_MEMBERS: usize = 2;
/// Words that a text may be, no longer than this together, are said in place.
const MAX_WORDS_BYTES: usize = 60;
/// A description up to this length, in bytes, says no more than the name.
const IDLE_WORDS: usize = 10;
/// What stands before the name in a reference.
const SCHEMAS: &str = "#/components/schemas/";

/// A sentence, in which some words are code.
pub struct Sentence(pub Vec<Part>);

/// A part of a sentence.
pub struct Part {
    /// The words.
    pub text: String,
    /// Whether they are code.
    pub is_code: bool,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kind {
    /// In words: `string or null`.
    pub text: String,
    /// The schema that says more.
    pub schema: Option<String>,
}

/// A member of a body, or a parameter.
pub struct Field {
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it must be there.
    pub is_required: bool,
    /// More about it.
    pub about: Sentence,
}

/// A schema that others refer to.
pub struct Schema {
    pub name: String,
    /// What it is.
    pub about: Sentence,
    /// The schema whose members it has too.
    pub extends: Option<String>,
    /// Its members.
    pub fields: Vec<Field>,
    /// The words that it may be, if it is a text.
    pub words: Vec<String>,
}

/// The members of an object; none of anything else.
pub fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The elements of a list; none of anything else.
pub fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text; empty if it is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The texts of a list; none of anything else.
pub fn texts(value: &Value) -> impl Iterator<Item = String> {
    elements(value).map(text)
}

/// What a schema describes, in words.
pub fn kind_of(document: &Value, schema: &Value) -> Kind {
    if let Some(name) = reference(schema) {
        let schema = resolve(document, schema);
        let is_known = ["properties", "allOf", "enum"]
            .iter()
            .any(|part| !schema[part].is_null());
        return match in_place(schema) {
            Some(text) => Kind { text, schema: None },
            None if !is_known => Kind {
                text: "any".to_owned(),
                schema: None,
            },
            None => Kind {
                text: name.to_owned(),
                schema: Some(name.to_owned()),
            },
        };
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = choices.iter().find(|choice| choice["type"] != "null");
        let kind = choice.map(|choice| kind_of(document, choice)).unwrap_or_default();
        return Kind {
            text: format!("{} or null", kind.text),
            ..kind
        };
    }
    let (name, or_null) = match &schema["type"] {
        Value::Array(names) => {
            let name = names.iter().find(|name| *name != "null");
            (name.and_then(Value::as_str).unwrap_or("any"), " or null")
        }
        name => (name.as_str().unwrap_or("any"), ""),
    };
    let of_items = kind_of_items(document, schema, name);
    let name = match (&of_items, schema["format"].as_str()) {
        (Some(items), _) => items.text.as_str(),
        (None, Some("date-time")) => "time",
        (None, _) => name,
    };
    Kind {
        text: format!("{name}{or_null}"),
        schema: of_items.as_ref().and_then(|items| items.schema.clone()),
    }
}

/// A small schema in its own words: `{id, name}`, `hold | drop`.
fn in_place(schema: &Value) -> Option<String> {
    let words = texts(&schema["enum"]).collect::<Vec<_>>().join(" | ");
    if !words.is_empty() {
        return (words.len() <= MAX_WORDS_BYTES).then_some(words);
    }
    let is_plain = |(_, member): &(&String, &Value)| {
        member["type"] == "string" && text(&member["description"]).len() <= IDLE_WORDS
    };
    let fields: Vec<_> = members(&schema["properties"]).collect();
    let is_small = (1..=SMALL_MEMBERS).contains(&fields.len()) && fields.iter().all(is_plain);
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    is_small.then(|| format!("{{{}}}", names.join(", ")))
}

fn kind_of_items(document: &Value, schema: &Value, name: &str) -> Option<Kind> {
    let (before, items) = match name {
        "array" => ("list of", &schema["items"]),
        "object" if schema["additionalProperties"].is_object() => {
            ("object of", &schema["additionalProperties"])
        }
        _ => return None,
    };
    let kind = kind_of(document, items);
    Some(Kind {
        text: format!("{before} {}", kind.text),
        ..kind
    })
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix(SCHEMAS)
}

/// The schema behind a reference; one that is none is itself.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match reference(schema) {
        Some(name) => &document["components"]["schemas"][name],
        None => schema,
    }
}

/// The schema itself and those whose members it has too.
fn layers<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolve(document, schema);
    let more = elements(&schema["allOf"]).map(|layer| resolve(document, layer));
    std::iter::once(schema).chain(more).collect()
}

/// The members of a body, with those that it shares with other schemas.
pub fn fields_of(document: &Value, schema: &Value) -> Vec<Field> {
    let layers = layers(document, schema);
    let required: Vec<_> = layers
        .iter()
        .flat_map(|layer| elements(&layer["required"]))
        .collect();
    let properties = layers.iter().flat_map(|layer| members(&layer["properties"]));
    properties
        .map(|(name, schema)| Field {
            name: name.clone(),
            kind: kind_of(document, schema),
            is_required: required.iter().any(|required| *required == name),
            about: sentence_of(about(schema)),
        })
        .collect()
}

/// The description of a field may stand beside its reference.
fn about(schema: &Value) -> &Value {
    match &schema["description"] {
        Value::Null => &schema["oneOf"][0]["description"],
        description => description,
    }
}

/// Words between backticks are code.
pub fn sentence_of(description: &Value) -> Sentence {
    let text = description.as_str().unwrap_or_default();
    let parts = text.split('`').enumerate().filter(|(_, part)| !part.is_empty());
    let part = |(index, part): (usize, &str)| Part {
        text: part.to_owned(),
        is_code: index % 2 == 1,
    };
    Sentence(parts.map(part).collect())
}

/// The example of a body. Without one, what must be in it; of what only has optional members, the first.
pub fn example_of(document: &Value, schema: &Value) -> Value {
    match &resolve(document, schema)["examples"][0] {
        Value::Null => example_within(document, schema, MAX_DEPTH),
        example => example.clone(),
    }
}

fn example_within(document: &Value, schema: &Value, depth: usize) -> Value {
    let layers = layers(document, schema);
    let properties: Vec<_> = layers
        .iter()
        .flat_map(|layer| members(&layer["properties"]))
        .collect();
    if !properties.is_empty() && depth > 0 {
        let required: Vec<_> = layers
            .iter()
            .flat_map(|layer| elements(&layer["required"]))
            .collect();
        let is_shown = |name: &String| match required.is_empty() {
            true => *name == *properties[0].0,
            false => required.iter().any(|required| *required == name),
        };
        let shown = properties.iter().filter(|(name, _)| is_shown(name));
        return shown
            .map(|(name, schema)| ((*name).clone(), example_within(document, schema, depth - 1)))
            .collect();
    }
    let schema = resolve(document, schema);
    match kind_of(document, schema).text.trim_end_matches(" or null") {
        "integer" | "number" => 1.into(),
        "boolean" => true.into(),
        "time" => "2026-01-05T12:00:00Z".into(),
        _ if schema["items"].is_object() => {
            let depth = depth.saturating_sub(1);
            Value::Array(vec![example_within(document, &schema["items"], depth)])
        }
        _ => match &schema["enum"][0] {
            Value::Null => "…".into(),
            word => word.clone(),
        },
    }
}

/// The schemas with these names, and those that they refer to, in the order of the document.
pub fn schemas_of(document: &Value, mut wanted: Vec<String>) -> Vec<Schema> {
    let described = members(&document["components"]["schemas"]);
    let all: Vec<_> = described
        .map(|(name, schema)| schema_of(document, name, schema))
        .collect();
    let mut next = 0;
    // It ends: what is wanted already is not wanted again.
    while let Some(name) = wanted.get(next).cloned() {
        next += 1;
        let Some(schema) = all.iter().find(|schema| schema.name == name) else {
            continue;
        };
        let fields = schema.fields.iter().filter_map(|field| field.kind.schema.clone());
        for name in fields.chain(schema.extends.clone()) {
            if !wanted.contains(&name) {
                wanted.push(name);
            }
        }
    }
    let says_something = |schema: &Schema| !schema.fields.is_empty() || !schema.words.is_empty();
    let is_shown = |schema: &Schema| says_something(schema) && wanted.contains(&schema.name);
    all.into_iter().filter(is_shown).collect()
}

fn schema_of(document: &Value, name: &str, described: &Value) -> Schema {
    let extends = elements(&described["allOf"]).find_map(reference);
    let own = elements(&described["allOf"]).find(|part| part["properties"].is_object());
    Schema {
        name: name.to_owned(),
        about: sentence_of(&described["description"]),
        extends: extends.map(str::to_owned),
        fields: fields_of(document, own.unwrap_or(described)),
        words: texts(&described["enum"]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pets() -> Value {
        let pet = json!({ "properties": { "age": { "type": "integer" } } });
        json!({ "components": { "schemas": { "Pet": pet } } })
    }

    fn kind(schema: &Value) -> String {
        kind_of(&pets(), schema).text
    }

    #[test]
    fn kinds_are_said_in_words() {
        let pet = json!({ "$ref": "#/components/schemas/Pet" });
        assert_eq!(kind(&json!({ "type": ["string", "null"] })), "string or null");
        assert_eq!(
            kind(&json!({ "type": ["string", "null"], "format": "date-time" })),
            "time or null"
        );
        assert_eq!(kind(&json!({ "type": "array", "items": pet })), "list of Pet");
        assert_eq!(
            kind(&json!({ "oneOf": [pet, { "type": "null" }] })),
            "Pet or null"
        );
        assert_eq!(
            kind_of(&pets(), &json!({ "oneOf": [pet] })).schema.as_deref(),
            Some("Pet")
        );
        let texts = json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" } });
        assert_eq!(
            (kind(&texts), kind(&json!({}))),
            ("object of string or null".to_owned(), "any".to_owned())
        );
    }

    #[test]
    fn a_small_schema_is_said_in_place() {
        let document = json!({ "components": { "schemas": {
            "Ref": { "properties": { "id": { "type": "string", "description": "Its id." }, "name": { "type": "string" } } },
            "Actor": { "properties": { "kind": { "type": "string", "description": "`system` or `key`." } } },
        } } });
        let kind = |name: &str| kind_of(&document, &json!({ "$ref": format!("{SCHEMAS}{name}") }));
        assert_eq!(
            (kind("Ref").text.as_str(), kind("Ref").schema),
            ("{id, name}", None)
        );
        assert_eq!(kind("Actor").schema.as_deref(), Some("Actor"));
    }

    #[test]
    fn a_few_words_are_said_in_place_and_many_have_a_place_of_their_own() {
        let many: Vec<_> = (0..30).map(|number| format!("word_{number}")).collect();
        let document = json!({ "components": { "schemas": {
            "Few": { "type": "string", "enum": ["hold", "drop"] },
            "Many": { "type": "string", "enum": many },
        } } });
        let kind = |name: &str| kind_of(&document, &json!({ "$ref": format!("{SCHEMAS}{name}") }));
        assert_eq!(
            (kind("Few").text.as_str(), kind("Few").schema),
            ("hold | drop", None)
        );
        assert_eq!(kind("Many").schema.as_deref(), Some("Many"));
        let shown = schemas_of(&document, vec!["Many".to_owned()]);
        assert_eq!(shown[0].words, many);
        let few = json!({ "$ref": format!("{SCHEMAS}Few") });
        assert_eq!(example_of(&document, &few), json!("hold"));
    }

    #[test]
    fn members_come_from_all_layers_and_each_may_require_some() {
        let document = json!({ "components": { "schemas": { "Draft": { "properties": {
            "name": { "type": "string" }, "url": { "type": "string" } } } } } });
        let body = json!({ "allOf": [{ "$ref": "#/components/schemas/Draft" }, { "required": ["url"] }] });
        let fields = fields_of(&document, &body);
        let fields: Vec<_> = fields
            .iter()
            .map(|field| (field.name.as_str(), field.is_required))
            .collect();
        assert_eq!(fields, [("name", false), ("url", true)]);
        assert_eq!(example_of(&document, &body), json!({ "url": "…" }));
    }

    #[test]
    fn words_between_backticks_are_code() {
        let sentence = sentence_of(&json!("`error` if absent"));
        let parts: Vec<_> = sentence
            .0
            .iter()
            .map(|part| (part.text.as_str(), part.is_code))
            .collect();
        assert_eq!(parts, [("error", true), (" if absent", false)]);
    }

    #[test]
    fn a_schema_that_refers_to_itself_has_an_end() {
        let document = json!({ "components": { "schemas": { "Tree": { "required": ["child"], "properties": {
            "child": { "$ref": "#/components/schemas/Tree" } } } } } });
        let schemas = schemas_of(&document, vec!["Tree".to_owned()]);
        assert_eq!(schemas.len(), 1);
        assert!(example_of(&document, &json!({ "$ref": "#/components/schemas/Tree" })).is_object());
    }
}
