//! The API's own description, read for people: groups of routes, what they take and give. It knows the shapes that our
//! own document has, and leaves out what it does not know. The schemas behind the routes: `openapi_schema.rs`.

use serde_json::Value;

use crate::reference::openapi_schema::{
    Field, Kind, Schema, elements, example_of, fields_of, kind_of, members, schemas_of, sentence_of, text,
    texts,
};

/// The schema of every problem.
const PROBLEM: &str = "Problem";
/// What stands before the name in a reference to a response.
const RESPONSES: &str = "#/components/responses/";
/// The problem of routes that let no restricted key in: said of the others that they do.
const RESTRICTED_KEY: &str = "restricted_key";
/// What a route answers with whose answers are kept for whoever sends the same again.
const IDEMPOTENCY_IN_PROGRESS: &str = "idempotency_in_progress";
/// What a list takes to be read page by page.
const PAGING: [&str; 2] = ["limit", "cursor"];
/// Methods in the order in which they are shown.
const METHODS: [&str; 5] = ["get", "post", "patch", "put", "delete"];

/// An answer that is no problem.
pub struct Answer {
    pub status: String,
    /// What it holds; empty without a body.
    pub kind: Kind,
}

/// One route; routes that do the same by different methods are one.
pub struct Operation {
    /// Its methods, in capitals.
    pub methods: Vec<String>,
    pub path: String,
    /// What it does.
    pub summary: String,
    /// The scope that it needs; nothing if it needs no key.
    pub scope: Option<String>,
    /// Parameters of the query.
    pub parameters: Vec<Field>,
    /// Members of the body.
    pub body: Vec<Field>,
    /// The route that takes the same members, if one stands before it: they are not said twice.
    pub body_as: Option<String>,
    /// Whether it takes a body, with members or without.
    pub takes_body: bool,
    /// What comes back if all is well.
    pub answers: Vec<Answer>,
    /// The codes of problems; without those that every such route has.
    pub problems: Vec<String>,
    /// Whether it lets keys in that are restricted.
    pub admits_restricted: bool,
    /// A command that calls it.
    pub command: String,
}

impl Operation {
    /// Whether a command says more than method and path do: a body shows how, and so does the first of all.
    pub fn is_worth_a_command(&self) -> bool {
        !self.body.is_empty() || self.body_as.is_some()
    }

    fn has_parameter(&self, name: &str) -> bool {
        self.parameters.iter().any(|parameter| parameter.name == name)
    }
}

/// Routes about the same thing.
pub struct Group {
    /// What they are about.
    pub name: String,
    /// The routes.
    pub operations: Vec<Operation>,
}

/// What one status says about a problem.
pub struct Problem {
    pub status: String,
    /// The codes that come with it.
    pub codes: Vec<String>,
}

/// The whole description.
pub struct Reference {
    /// The routes.
    pub groups: Vec<Group>,
    /// The schemas that they refer to.
    pub schemas: Vec<Schema>,
    /// The problems, by status.
    pub problems: Vec<Problem>,
    /// The codes of problems that every route with a key has.
    pub shared_problems: Vec<String>,
    /// Those that every route with an id has.
    pub id_problems: Vec<String>,
    /// Those that every route has that takes a body.
    pub body_problems: Vec<String>,
    /// Those that every POST with a key has.
    pub post_problems: Vec<String>,
    /// Those that every route with a query has.
    pub query_problems: Vec<String>,
    /// Those that every list has.
    pub list_problems: Vec<String>,
}

impl Group {
    /// Members that were said at another route of the group are not said again.
    fn push(&mut self, mut operation: Operation) {
        let names = |operation: &Operation| -> Vec<_> {
            operation.body.iter().map(|field| field.name.clone()).collect()
        };
        let same = self
            .operations
            .iter()
            .find(|other| names(other) == names(&operation));
        let is_worth_it = operation.body.len() > 1 && !operation.body.iter().any(|field| field.is_required);
        if let Some(same) = same.filter(|_| is_worth_it) {
            operation.body_as = Some(format!("{} {}", same.methods.join(" "), same.path));
            operation.body.clear();
        }
        self.operations.push(operation);
    }

    /// The name as an anchor.
    pub fn anchor(&self) -> String {
        self.name.to_lowercase().replace(' ', "-")
    }
}

impl Reference {
    /// Reads a document.
    pub fn new(document: &Value) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (path, item) in members(&document["paths"]) {
            for operation in operations_of(document, path, item) {
                let name = group_name(item);
                match groups.iter_mut().find(|group| group.name == name) {
                    Some(group) => group.push(operation),
                    None => groups.push(Group {
                        name,
                        operations: vec![operation],
                    }),
                }
            }
        }
        Self {
            shared_problems: share_problems(&mut groups, |operation| operation.scope.is_some()),
            body_problems: share_problems(&mut groups, |operation| operation.takes_body),
            post_problems: share_problems(&mut groups, |operation| {
                // All but those whose answers must not be kept.
                let codes = &operation.problems;
                codes.iter().any(|code| code == IDEMPOTENCY_IN_PROGRESS)
            }),
            query_problems: share_problems(&mut groups, |operation| !operation.parameters.is_empty()),
            list_problems: share_problems(&mut groups, |operation| {
                operation.has_parameter("limit")
                    && (operation.has_parameter("cursor") || operation.has_parameter("after"))
            }),
            id_problems: share_problems(&mut groups, |operation| operation.path.contains("{id}")),
            schemas: schemas_of(document, wanted_of(&groups)),
            problems: problems_of(document),
            groups: without_paging(groups),
        }
    }
}

/// What every list takes to be read page by page is said once for all of them.
fn without_paging(mut groups: Vec<Group>) -> Vec<Group> {
    let operations = groups.iter_mut().flat_map(|group| &mut group.operations);
    for operation in operations.filter(|operation| PAGING.iter().all(|name| operation.has_parameter(name))) {
        let is_own = |parameter: &Field| !PAGING.contains(&parameter.name.as_str());
        operation.parameters.retain(is_own);
    }
    groups
}

/// The tag of a path's first operation, with a capital: all operations of a path are about the same thing.
fn group_name(item: &Value) -> String {
    let tag = METHODS.iter().find_map(|method| item[method]["tags"][0].as_str());
    let tag = tag.unwrap_or("more");
    if tag.contains('.') {
        return tag.to_owned();
    }
    let words = tag.replace('-', " ");
    let mut letters = words.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect::<String>().replace("Api ", "API ")
}

fn operations_of(document: &Value, path: &str, item: &Value) -> Vec<Operation> {
    let mut operations: Vec<(&Value, Operation)> = Vec::new();
    for method in METHODS {
        let Some(described) = item.get(method) else {
            continue;
        };
        let same = operations.iter_mut().find(|(other, _)| is_same(other, described));
        match same {
            Some((_, operation)) => operation.methods.push(method.to_uppercase()),
            None => operations.push((described, operation_of(document, method, path, described))),
        }
    }
    operations.into_iter().map(|(_, operation)| operation).collect()
}

/// Whether two operations of one path differ only in their names.
fn is_same(one: &Value, other: &Value) -> bool {
    let parts = ["parameters", "requestBody", "responses", "security"];
    parts.iter().all(|part| one[part] == other[part])
}

fn operation_of(document: &Value, method: &str, path: &str, described: &Value) -> Operation {
    let body = &described["requestBody"];
    let schema = &body["content"]["application/json"]["schema"];
    let scope = described["security"][0]["apiKey"][0].as_str();
    let (mut answers, mut problems) = (Vec::new(), Vec::new());
    for (status, response) in members(&described["responses"]) {
        let response = response_of(document, response);
        let codes = codes_of(response);
        if codes.is_empty() {
            answers.push(answer_of(document, status, response));
        }
        problems.extend(codes);
    }
    let before = problems.len();
    problems.retain(|code| code != RESTRICTED_KEY);
    let admits_restricted = scope.is_some() && problems.len() == before;
    let example = match body["required"].as_bool() {
        Some(true) => Some(example_of(document, schema)),
        Some(false) | None => None,
    };
    Operation {
        methods: vec![method.to_uppercase()],
        path: path.to_owned(),
        summary: text(&described["summary"]),
        scope: scope.map(str::to_owned),
        parameters: elements(&described["parameters"])
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter_of(document, parameter))
            .collect(),
        body: fields_of(document, schema),
        body_as: None,
        takes_body: body.is_object(),
        answers,
        problems,
        admits_restricted,
        command: command_of(method, path, scope.is_some(), example),
    }
}

/// Nothing is said of a parameter that is any text.
fn parameter_of(document: &Value, parameter: &Value) -> Field {
    let schema = &parameter["schema"];
    let about = &parameter["description"];
    let about = match (&schema["minimum"], &schema["maximum"], &schema["default"]) {
        (Value::Number(least), Value::Number(most), Value::Number(usual)) => {
            let bounds = format!("{} {least} to {most}; {usual} if absent.", text(about));
            sentence_of(&Value::String(bounds))
        }
        _ => sentence_of(about),
    };
    let kind = kind_of(document, schema);
    Field {
        name: text(&parameter["name"]),
        kind: if kind.text == "string" {
            Kind::default()
        } else {
            kind
        },
        is_required: parameter["required"].as_bool().unwrap_or(false),
        about,
    }
}

/// The response behind a reference; one that is none is itself.
fn response_of<'a>(document: &'a Value, response: &'a Value) -> &'a Value {
    let name = response["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix(RESPONSES));
    name.map_or(response, |name| &document["components"]["responses"][name])
}

/// The codes that a response may come with; none if it is no problem.
fn codes_of(response: &Value) -> Vec<String> {
    let schema = &response["content"]["application/problem+json"]["schema"];
    let layers = elements(&schema["allOf"]);
    layers
        .flat_map(|layer| texts(&layer["properties"]["code"]["enum"]))
        .collect()
}

fn answer_of(document: &Value, status: &str, response: &Value) -> Answer {
    let content = members(&response["content"]).next();
    let kind = match content {
        None => Kind::default(),
        Some((media_type, content)) if media_type == "application/json" => {
            match &content["schema"]["properties"]["items"] {
                Value::Null => kind_of(document, &content["schema"]),
                items => Kind {
                    text: format!("a page of {}", kind_of(document, &items["items"]).text),
                    ..kind_of(document, &items["items"])
                },
            }
        }
        Some((media_type, _)) => Kind {
            text: media_type.clone(),
            schema: None,
        },
    };
    Answer {
        status: status.to_owned(),
        kind,
    }
}

/// The command stands for itself with the variables that the page names at its top.
fn command_of(method: &str, path: &str, needs_key: bool, body: Option<Value>) -> String {
    let mut command = "curl".to_owned();
    match (method, &body) {
        ("get", _) | ("post", Some(_)) => {}
        _ => command = format!("{command} -X {}", method.to_uppercase()),
    }
    if needs_key {
        command.push_str(" -H \"$KEY\"");
    }
    command = format!(
        "{command} $URL{}",
        path.replace("{id}", "$ID").replace("{webhook}", "$WEBHOOK")
    );
    match body {
        Some(body) => format!("{command} --json '{body}'"),
        None => command,
    }
}

/// Takes the problems that all of some routes have in common out of each.
fn share_problems(groups: &mut [Group], are_meant: impl Fn(&Operation) -> bool) -> Vec<String> {
    let operations = groups.iter_mut().flat_map(|group| &mut group.operations);
    let mut meant: Vec<_> = operations.filter(|operation| are_meant(operation)).collect();
    let mut shared = meant
        .first()
        .map(|operation| operation.problems.clone())
        .unwrap_or_default();
    shared.retain(|status| meant.iter().all(|operation| operation.problems.contains(status)));
    for operation in &mut meant {
        operation.problems.retain(|status| !shared.contains(status));
    }
    shared
}

/// The schemas that something on the page refers to.
fn wanted_of(groups: &[Group]) -> Vec<String> {
    let mut wanted = vec![PROBLEM.to_owned()];
    for operation in groups.iter().flat_map(|group| &group.operations) {
        let answers = operation.answers.iter().map(|answer| &answer.kind);
        let fields = operation.body.iter().chain(&operation.parameters);
        let kinds = answers.chain(fields.map(|field| &field.kind));
        wanted.extend(kinds.filter_map(|kind| kind.schema.clone()));
    }
    wanted
}

/// Every code that any route has, by status.
fn problems_of(document: &Value) -> Vec<Problem> {
    let items = members(&document["paths"]).flat_map(|(_, item)| members(item));
    let responses = items.flat_map(|(_, operation)| members(&operation["responses"]));
    let mut problems: Vec<Problem> = Vec::new();
    for (status, response) in responses {
        let found = codes_of(response_of(document, response));
        if found.is_empty() {
            continue;
        }
        match problems.iter_mut().find(|problem| problem.status == *status) {
            Some(problem) => {
                let known = problem.codes.clone();
                problem
                    .codes
                    .extend(found.into_iter().filter(|code| !known.contains(code)));
            }
            None => problems.push(Problem {
                status: status.clone(),
                codes: found,
            }),
        }
    }
    problems.sort_by(|one, other| one.status.cmp(&other.status));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        let get = json!({
            "operationId": "getPets", "summary": "List pets", "tags": ["pets"],
            "parameters": [{ "name": "limit", "in": "query", "description": "At most.",
                "schema": { "type": "integer", "minimum": 1, "maximum": 200, "default": 50 } }],
            "responses": { "200": { "content": { "application/json": { "schema": {
                "properties": { "items": { "type": "array", "items": { "$ref": "#/components/schemas/Pet" } } }
            } } } },
            "401": { "$ref": "#/components/responses/unauthorized" } },
            "security": [{ "apiKey": ["pets:read"] }],
        });
        let patch = json!({
            "operationId": "patchPets", "summary": "Change a pet", "tags": ["pets"],
            "requestBody": { "required": true, "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/Pet" } } } },
            "responses": { "204": { "description": "Done" } },
        });
        let mut put = patch.clone();
        put["summary"] = "The same as PATCH".into();
        json!({
            "paths": { "/pets": { "get": get }, "/pets/{id}": { "patch": patch, "put": put } },
            "components": { "responses": { "unauthorized": { "content": { "application/problem+json": { "schema": {
                "allOf": [{ "properties": { "code": { "enum": ["unauthorized"] } } }] } } } } }, "schemas": { "Pet": { "required": ["name"], "properties": {
                "name": { "type": "string" }, "age": { "type": ["integer", "null"] } } } } },
        })
    }

    #[test]
    fn routes_are_grouped_and_those_that_do_the_same_are_one() {
        let reference = Reference::new(&document());
        let group = &reference.groups[0];
        assert_eq!((group.name.as_str(), group.operations.len()), ("Pets", 2));
        assert_eq!(group.operations[1].methods, ["PATCH", "PUT"]);
        assert_eq!(group.operations[1].summary, "Change a pet");
    }

    #[test]
    fn a_route_says_what_it_needs_and_gives() {
        let reference = Reference::new(&document());
        let list = &reference.groups[0].operations[0];
        assert_eq!(list.scope.as_deref(), Some("pets:read"));
        assert_eq!(list.answers[0].kind.text, "a page of Pet");
        assert_eq!(reference.problems[0].codes, ["unauthorized"]);
        assert_eq!(
            list.parameters[0].about.0[0].text,
            "At most. 1 to 200; 50 if absent."
        );
        assert_eq!(
            (reference.shared_problems, list.problems.len()),
            (vec!["unauthorized".to_owned()], 0)
        );
        assert_eq!(reference.schemas[0].name, "Pet");
    }

    #[test]
    fn a_command_sends_what_must_be_there_and_a_key_where_one_is_needed() {
        let reference = Reference::new(&document());
        let [list, change] = &reference.groups[0].operations[..] else {
            panic!("two routes");
        };
        assert_eq!(list.command, r#"curl -H "$KEY" $URL/pets"#);
        let expected = r#"curl -X PATCH $URL/pets/$ID --json '{"name":"…"}'"#;
        assert_eq!(change.command, expected);
    }

    #[test]
    fn a_document_of_another_shape_is_no_trouble() {
        let reference = Reference::new(&json!({ "paths": { "/x": { "get": 3 } }, "components": [] }));
        assert_eq!((reference.groups.len(), reference.schemas.len()), (1, 0));
    }
}
