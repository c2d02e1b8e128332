//! The OpenAPI document against what the server really answers, judged by a JSON Schema validator from outside.

use api::ApiSettings;
use limit::Limit;
use serde_json::{Map, Value, json};

use super::server::{Answer, Server};
use crate::support::documented::response;

/// The document, made strict: an answer with a member that its schema does not name is a mistake here, though clients
/// should bear with it.
struct Document(Value);

impl Document {
    async fn load(server: &Server) -> Self {
        let mut document = server.get("/api/v1/openapi.json").await.json();
        let schemas = document["components"]["schemas"].as_object_mut().unwrap();
        // These two are parts of larger ones, which are strict as a whole.
        let is_whole = |name: &str| !["Incident", "Delivery"].contains(&name);
        schemas
            .iter_mut()
            .filter(|(name, schema)| is_whole(name) && schema.is_object())
            .for_each(|(_, schema)| schema["unevaluatedProperties"] = json!(false));
        Self(document)
    }

    /// What is wrong with an answer to a request.
    fn mistakes(&self, method: &str, path: &str, answer: &Answer) -> Vec<String> {
        let status = answer.status.as_str();
        let media_type = answer.header("content-type");
        let response = response(&self.0, &self.0["paths"][path][method]["responses"][status]);
        let schema = &response["content"][media_type]["schema"];
        assert!(
            schema.is_object(),
            "{method} {path} {status} {media_type} is not in the document"
        );
        let mistakes = self.mistakes_in(schema, &answer.json()).into_iter();
        mistakes
            .map(|mistake| format!("{method} {path}: {mistake}"))
            .collect()
    }

    /// What is wrong with a value by a schema of the document.
    fn mistakes_in(&self, schema: &Value, value: &Value) -> Vec<String> {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "unevaluatedProperties": false,
            "components": self.0["components"],
        });
        let validator = jsonschema::draft202012::new(&schema).expect("the schema is one");
        let errors = validator.iter_errors(value);
        errors
            .map(|error| format!("{} {error}", error.instance_path()))
            .collect()
    }

    fn schema(&self, name: &str) -> &Value {
        &self.0["components"]["schemas"][name]
    }

    /// A query parameter of a route that reads.
    fn parameter(&self, path: &str, name: &str) -> &Value {
        let parameters = self.0["paths"][path]["get"]["parameters"].as_array().unwrap();
        parameters
            .iter()
            .find(|parameter| parameter["name"] == name)
            .unwrap()
    }
}

const NONE: [String; 0] = [];

#[tokio::test]
async fn reading_answers_as_the_document_says() {
    let server = Server::start().await;
    let document = Document::load(&server).await;
    server.service("API").await;
    server.webhook().await;
    server.post("/api/v1/users", json!({ "name": "Ada" })).await;
    let policy = json!({ "name": "Night", "steps": [{ "waitMinutes": 1 }] });
    server.post("/api/v1/escalation-policies", policy).await;
    server.incident("Down").await;
    let lists = [
        "incidents",
        "services",
        "users",
        "escalation-policies",
        "webhooks",
        "deliveries",
        "api-keys",
        "audit",
        "events",
        "system",
        "insights",
    ];
    let mut mistakes = Vec::new();
    for name in lists {
        let path = format!("/api/v1/{name}");
        let answer = server.get(&path).await;
        mistakes.extend(document.mistakes("get", &path, &answer));
    }
    for name in [
        "incidents",
        "services",
        "users",
        "escalation-policies",
        "webhooks",
        "deliveries",
    ] {
        let list = server.get(&format!("/api/v1/{name}")).await.json();
        let id = list["items"][0]["id"].as_str().unwrap().to_owned();
        let answer = server.get(&format!("/api/v1/{name}/{id}")).await;
        mistakes.extend(document.mistakes("get", &format!("/api/v1/{name}/{{id}}"), &answer));
    }
    assert_eq!(mistakes, NONE);
}

#[tokio::test]
async fn creating_and_acting_answers_as_the_document_says() {
    let server = Server::start().await;
    let document = Document::load(&server).await;
    server.service("API").await;
    let webhook = server.webhook().await["id"].as_str().unwrap().to_owned();
    let incident = server.incident("Down").await;
    let key = server.with_scopes(&["admin"]).await.0;
    let trigger = json!({ "title": "Up", "service": { "name": "API" } });
    let subscribe = json!({ "name": "x", "url": "https://example.com", "events": ["incident.resolved"] });
    let requests = [
        ("/api/v1/incidents", "", trigger),
        ("/api/v1/services", "", json!({ "name": "Web" })),
        ("/api/v1/users", "", json!({ "name": "Ada" })),
        ("/api/v1/escalation-policies", "", json!({ "name": "Day" })),
        ("/api/v1/webhooks", "", subscribe),
        (
            "/api/v1/api-keys",
            "",
            json!({ "name": "x", "scopes": ["admin"] }),
        ),
        ("/api/v1/incidents/{id}/acknowledge", &incident, json!({})),
        ("/api/v1/incidents/{id}/reopen", &incident, json!({})),
        ("/api/v1/webhooks/{id}/test", &webhook, json!({})),
        ("/api/v1/webhooks/{id}/rotate-secret", &webhook, json!({})),
        ("/api/v1/webhooks/{id}/disable", &webhook, json!({})),
        ("/api/v1/webhooks/{id}/enable", &webhook, json!({})),
        (
            "/api/v1/webhooks/{id}/recover",
            &webhook,
            json!({ "since": "2020-01-01T00:00:00Z" }),
        ),
        ("/api/v1/webhooks/{id}/recover", &webhook, json!({ "since": 1 })),
        ("/api/v1/api-keys/{id}/revoke", &key, json!({})),
        ("/api/v1/system/backup", "", json!({ "name": "x.db" })),
        ("/api/v1/system/rekey", "", json!({})),
        ("/api/v1/system/accept-loss", "", json!({})),
        ("/api/v1/setup", "", json!({ "token": "wrong" })),
    ];
    let mut mistakes = Vec::new();
    for (path, id, body) in requests {
        let answer = server.post(&path.replace("{id}", id), body).await;
        mistakes.extend(document.mistakes("post", path, &answer));
    }
    assert_eq!(mistakes, NONE);
}

#[tokio::test]
async fn every_route_of_the_document_exists_and_wants_the_key_that_it_says() {
    let failure_limit = Limit {
        per_second: 1.0,
        burst: 1000.0,
    };
    let mut server = Server::start_with(ApiSettings {
        failure_limit,
        ..ApiSettings::default()
    })
    .await;
    let document = Document::load(&server).await;
    server.key = "ok_wrong".into();
    let is_open = |operation: &Value| operation["security"].as_array().is_none_or(Vec::is_empty);
    let mut wrong = Vec::new();
    for (path, operations) in document.0["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_ascii_uppercase().parse().unwrap();
            let answer = server.send(server.request(method, path), "").await;
            let (is_refused, is_missing) = (answer.status == 401, answer.status == 404);
            if is_missing || is_refused == is_open(operation) {
                wrong.push(format!("{path}: {}", answer.status));
            }
        }
    }
    assert_eq!(wrong, NONE);
}

#[tokio::test]
async fn the_document_is_openapi_3_1_with_unique_names_and_no_dangling_reference() {
    let server = Server::start().await;
    let document = server.get("/api/v1/openapi.json").await;
    let text = document.text();
    let document = document.json();
    assert_eq!(document["openapi"], "3.1.0");
    let schemas: &Map<String, Value> = document["components"]["schemas"].as_object().unwrap();
    let references = text.split("#/components/schemas/").skip(1);
    let dangling: Vec<_> = references
        .map(|rest| rest.split('"').next().unwrap())
        .filter(|name| !schemas.contains_key(*name))
        .collect();
    assert_eq!(dangling, [""; 0]);
    let operations = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values());
    let mut ids: Vec<_> = operations
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[tokio::test]
async fn every_example_fits_its_schema() {
    let server = Server::start().await;
    let document = Document::load(&server).await;
    let mut mistakes = Vec::new();
    for (name, schema) in document.0["components"]["schemas"].as_object().unwrap() {
        let examples = schema["examples"].as_array().into_iter().flatten();
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        let found = examples.flat_map(|example| document.mistakes_in(&schema, example));
        mistakes.extend(found.map(|mistake| format!("{name}: {mistake}")));
    }
    for (name, item) in document.0["webhooks"].as_object().unwrap() {
        let body = &item["post"]["requestBody"]["content"]["application/json"];
        let found = document
            .mistakes_in(&body["schema"], &body["example"])
            .into_iter();
        mistakes.extend(found.map(|mistake| format!("{name}: {mistake}")));
    }
    assert_eq!(mistakes, NONE);
}

#[tokio::test]
async fn every_body_that_is_taken_has_an_example() {
    let server = Server::start().await;
    let document = Document::load(&server).await;
    let items = document.0["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let bodies = operations
        .map(|operation| &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]);
    let names = bodies.filter_map(|reference| reference.as_str()?.rsplit('/').next());
    let bare: Vec<_> = names
        .filter(|name| *name != "Nothing" && document.schema(name)["examples"].is_null())
        .collect();
    assert_eq!(bare, [""; 0]);
}

#[tokio::test]
async fn words_numbers_and_what_must_be_there_are_described_as_such() {
    let server = Server::start().await;
    let document = Document::load(&server).await;
    let words = |name: &str| document.schema(name)["enum"].clone();
    assert_eq!(words("Severity"), json!(["critical", "error", "warning", "info"]));
    assert_eq!(
        words("IncidentStatus"),
        json!(["triggered", "acknowledged", "resolved"])
    );
    assert_eq!(words("WhenDisabled"), json!(["hold", "drop"]));
    assert_eq!(words("EventName").as_array().unwrap().len(), 5);
    assert!(
        words("FailureCode")
            .as_array()
            .unwrap()
            .contains(&json!("connect_refused"))
    );
    let severity = &document.schema("Incident")["properties"]["severity"];
    assert_eq!(severity["$ref"], "#/components/schemas/Severity");
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 });
    for path in [
        "/api/v1/incidents",
        "/api/v1/webhooks",
        "/api/v1/deliveries",
        "/api/v1/events",
    ] {
        assert_eq!(document.parameter(path, "limit")["schema"], limit, "{path}");
    }
    let status = document.parameter("/api/v1/incidents", "status");
    assert_eq!(
        (&status["schema"]["type"], &status["explode"]),
        (&json!("array"), &json!(false))
    );
    let required = |name: &str| document.schema(name)["required"].clone();
    assert_eq!(required("NewWebhook"), json!(["name", "events"]));
    assert_eq!(required("NewIncident"), json!(["title", "service"]));
    let others = ["NewService", "NewUser", "NewEscalationPolicy"].map(required);
    assert!(
        others.iter().all(|required| *required == json!(["name"])),
        "{others:?}"
    );
    assert_eq!(required("WebhookChange"), Value::Null);
}

#[tokio::test]
async fn no_parameter_is_null_and_no_route_names_every_problem() {
    let server = Server::start().await;
    let document = Document::load(&server).await;
    let text = document.0["paths"].to_string();
    let parameters = text.split("\"parameters\":").skip(1);
    let nullable = parameters.filter(|part| part.split("\"responses\"").next().unwrap().contains("\"null\""));
    assert_eq!(nullable.count(), 0);
    let codes = |path: &str, method: &str, status: &str| {
        let response = response(
            &document.0,
            &document.0["paths"][path][method]["responses"][status],
        );
        response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
            .clone()
    };
    let one = "/api/v1/incidents/{id}";
    assert_eq!(codes(one, "get", "404"), json!(["not_found"]));
    assert_eq!(codes(one, "get", "409"), Value::Null);
    assert_eq!(codes("/api/v1/services/{id}", "delete", "409"), json!(["in_use"]));
    assert_eq!(
        codes("/api/v1/events/stream", "get", "400"),
        json!(["invalid_cursor"])
    );
    assert_eq!(codes("/healthz", "get", "500"), json!(["internal_error"]));
    let acknowledge = "/api/v1/incidents/{id}/acknowledge";
    assert_eq!(codes(acknowledge, "post", "409"), json!(["wrong_status"]));
}
