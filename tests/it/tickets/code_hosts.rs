//! What Ada does in a simulated GitHub or GitLab, by their own APIs, and that it has the effects that it has there.

use serde_json::{Value, json};

use crate::support::api_client::{ApiAnswer, ApiClient};
use crate::support::platform::Platform;

/// A code host with its project `acme/operations`.
pub struct CodeHost<'a> {
    pub kind: &'static str,
    pub system: &'a Platform,
}

impl CodeHost<'_> {
    /// What Ada asks of the project's API.
    pub async fn ada(&self, method: &str, path: &str, body: Value) -> ApiAnswer {
        let project = match self.kind {
            "github" => "/api/v3/repos/acme/operations",
            _ => "/api/v4/projects/acme%2Foperations",
        };
        self.ask(method, &format!("{project}{path}"), body).await
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> ApiAnswer {
        let client = ApiClient::new(&self.system.address, "");
        let headers = [
            ("authorization", "Bearer ada-lovelace-token"),
            ("user-agent", "ada"),
        ];
        let body = (!body.is_null()).then_some(body);
        client.send_as(method, path, body, &headers).await.unwrap()
    }

    /// Makes an issue; its number.
    pub async fn make(&self, title: &str) -> String {
        let made = self
            .ada("POST", "/issues", json!({"title": title}))
            .await
            .expect(201)
            .json();
        let number = if self.kind == "github" {
            &made["number"]
        } else {
            &made["iid"]
        };
        number.to_string()
    }

    pub async fn read(&self, number: &str) -> ApiAnswer {
        self.ada("GET", &format!("/issues/{number}"), Value::Null).await
    }

    pub async fn close(&self, number: &str) {
        let body = if self.kind == "github" {
            json!({"state": "closed"})
        } else {
            json!({"state_event": "close"})
        };
        self.change(number, body).await;
    }

    pub async fn reopen(&self, number: &str) {
        let body = if self.kind == "github" {
            json!({"state": "open"})
        } else {
            json!({"state_event": "reopen"})
        };
        self.change(number, body).await;
    }

    /// Gives an issue to Grace.
    pub async fn assign(&self, number: &str) {
        let body = if self.kind == "github" {
            json!({"assignees": ["grace-hopper"]})
        } else {
            json!({"assignee_ids": [103]})
        };
        self.change(number, body).await;
    }

    async fn change(&self, number: &str, body: Value) {
        let method = if self.kind == "github" { "PATCH" } else { "PUT" };
        self.ada(method, &format!("/issues/{number}"), body)
            .await
            .expect(200);
    }

    pub async fn comment(&self, number: &str, text: &str) {
        let comments = if self.kind == "github" {
            "comments"
        } else {
            "notes"
        };
        let path = format!("/issues/{number}/{comments}");
        self.ada("POST", &path, json!({"body": text})).await.expect(201);
    }

    pub async fn delete(&self, number: &str) {
        if self.kind == "github" {
            return self.mutate("deleteIssue", number).await;
        }
        self.ada("DELETE", &format!("/issues/{number}"), Value::Null)
            .await
            .expect(204);
    }

    /// Makes an issue one of `acme/website`.
    pub async fn transfer(&self, number: &str) {
        if self.kind == "github" {
            return self.mutate("transferIssue", number).await;
        }
        let path = format!("/issues/{number}/move");
        self.ada("POST", &path, json!({"to_project_id": 502}))
            .await
            .expect(201);
    }

    async fn mutate(&self, name: &str, number: &str) {
        let issue = self.read(number).await.expect(200).json();
        let query = format!("mutation($input: Input!) {{ {name}(input: $input) {{ clientMutationId }} }}");
        let mut input = json!({"issueId": issue["node_id"]});
        if name == "transferIssue" {
            input["repositoryId"] = json!("R_502");
        }
        let body = json!({"query": query, "variables": {"input": input}});
        let answer = self.ask("POST", "/api/graphql", body).await.expect(200).json();
        assert!(answer["errors"].is_null(), "{answer}");
    }

    /// Lets the system call somebody for every change.
    pub async fn let_it_call(&self, url: &str, secret: &str) {
        let hook = match self.kind {
            "github" => json!({"name": "web", "events": ["issues", "issue_comment"],
                               "config": {"url": url, "content_type": "json", "secret": secret}}),
            _ => {
                json!({"url": url, "token": secret, "push_events": false, "issues_events": true, "note_events": true,
                        "confidential_issues_events": true, "confidential_note_events": true})
            }
        };
        self.ada("POST", "/hooks", hook).await.expect(201);
    }
}

#[tokio::test]
async fn a_person_can_do_to_an_issue_what_people_do() {
    for kind in ["github", "gitlab"] {
        let system = Platform::start(kind).await;
        let host = CodeHost {
            kind,
            system: &system,
        };
        host.let_it_call("http://127.0.0.1:9/nobody", "a secret").await;
        let first = host.make("first").await;
        host.close(&first).await;
        assert_eq!(host.read(&first).await.expect(200).json()["state"], "closed");
        host.reopen(&first).await;
        host.assign(&first).await;
        host.comment(&first, "look, @grace-hopper").await;
        let shown = &system.messages()[0];
        assert!(
            shown.text().contains("Assignee: Grace Hopper"),
            "{}",
            shown.text()
        );
        assert!(shown.text().contains("ada-lovelace: look"), "{}", shown.text());
        assert_eq!(shown.mentions, ["@grace-hopper"]);
        host.transfer(&first).await;
        let (status, moved_to) = (
            host.read(&first).await.status,
            host.read(&first).await.json()["moved_to_id"].clone(),
        );
        assert!(status == 301 || !moved_to.is_null(), "{kind}");
        let second = host.make("second").await;
        host.delete(&second).await;
        let expected = if kind == "github" { 410 } else { 404 };
        assert_eq!(host.read(&second).await.status, expected);
    }
}

#[tokio::test]
async fn what_a_vendor_does_not_describe_is_not_taken() {
    for (kind, misspelt) in [
        ("github", json!({"title": "t", "label": ["a"]})),
        ("gitlab", json!({"title": "t", "label": "a"})),
    ] {
        let system = Platform::start(kind).await;
        let host = CodeHost {
            kind,
            system: &system,
        };
        let answer = host.ada("POST", "/issues", misspelt).await.expect(422);
        assert!(
            answer.text.contains("the member label is not described"),
            "{}",
            answer.text
        );
    }
}
