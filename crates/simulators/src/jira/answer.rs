//! What Jira answers, and how it refuses: nearly always `{"errorMessages":[…],"errors":{…}}`.

use http::Method;
use serde_json::{Map, Value, json};

use crate::jira::request::{Api, Asked};

const JSON: &str = "application/json;charset=UTF-8";
const PROBLEM: &str = "application/problem+json;charset=UTF-8";
const PAGE: &str = "text/html;charset=UTF-8";

/// An answer to a request that was taken.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, if it has one.
    pub body: Option<Value>,
    /// What happened, for the terminal.
    pub sentence: String,
    /// The issue that it made or changed.
    pub issue_id: Option<u64>,
}

/// An answer to a request that was not.
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The headers, all in small letters.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// Why, for the terminal.
    pub sentence: String,
}

impl Answer {
    /// With a body.
    pub fn new(status: u16, body: Value, sentence: impl Into<String>) -> Self {
        Self {
            status,
            body: Some(body),
            sentence: sentence.into(),
            issue_id: None,
        }
    }

    /// Without one.
    pub fn empty(status: u16, sentence: impl Into<String>) -> Self {
        Self {
            status,
            body: None,
            sentence: sentence.into(),
            issue_id: None,
        }
    }

    /// The same, having changed an issue.
    pub fn about(self, issue_id: u64) -> Self {
        Self {
            issue_id: Some(issue_id),
            ..self
        }
    }
}

impl Refusal {
    /// With one sentence about the whole.
    pub fn said(status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::json(
            status,
            &json!({ "errorMessages": [message], "errors": {} }),
            message,
        )
    }

    /// With one sentence about a field.
    pub fn field(status: u16, field: &str, message: impl Into<String>) -> Self {
        let errors = Map::from_iter([(field.to_owned(), Value::String(message.into()))]);
        Self::fields(status, &errors)
    }

    /// With sentences about fields.
    pub fn fields(status: u16, errors: &Map<String, Value>) -> Self {
        let sentence = errors
            .iter()
            .map(|(field, message)| format!("{field}: {}", message.as_str().unwrap_or_default()));
        let sentence = sentence.collect::<Vec<_>>().join(", ");
        Self::json(
            status,
            &json!({ "errorMessages": [], "errors": errors }),
            sentence,
        )
    }

    /// Without the object of fields: how Jira refuses a body that it cannot read.
    pub fn bare(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "errorMessages": [message] }), message)
    }

    /// With a body of its own form.
    pub fn json(status: u16, body: &Value, sentence: impl Into<String>) -> Self {
        Self::with(status, JSON, body.to_string(), sentence)
    }

    /// With a page for people.
    pub fn page(status: u16, title: &str) -> Self {
        let body =
            format!("<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>");
        Self::with(status, PAGE, body, format!("answered with a page: {title}"))
    }

    /// With plain text.
    pub fn text(status: u16, text: &str) -> Self {
        Self::with(status, "text/plain;charset=UTF-8", text.to_owned(), text)
    }

    /// The same with another header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// There is no such issue, or it is hidden: Jira never says which.
    pub fn no_issue(api: Api) -> Self {
        let message = match api {
            Api::Two => "Issue Does Not Exist",
            Api::Three => "Issue does not exist or you do not have permission to see it.",
        };
        Self::said(404, message)
    }

    /// There is no such project.
    pub fn no_project(id_or_key: &str) -> Self {
        let is_id = id_or_key.bytes().all(|byte| byte.is_ascii_digit());
        let name = if is_id { "id" } else { "key" };
        Self::said(
            404,
            format!("No project could be found with {name} '{id_or_key}'."),
        )
    }

    /// The body has another form than the operation takes.
    pub fn invalid_payload() -> Self {
        Self::bare(
            400,
            "Invalid request payload. Refer to the REST API documentation and try again.",
        )
    }

    /// The body is of no type that Jira reads.
    pub fn unsupported_media() -> Self {
        let body = json!({ "type": "about:blank", "title": "Unsupported Media Type", "status": 415 });
        Self::with(
            415,
            PROBLEM,
            body.to_string(),
            "the Content-Type is missing or not application/json",
        )
    }

    /// There is nothing at this path.
    pub fn nothing_there(asked: &Asked<'_>) -> Self {
        let path = asked.path.join("/");
        let sentence = format!("there is no {} {path}", asked.method);
        match asked.view.api {
            Api::Two => {
                let message = format!("null for uri: {}", asked.view.link(&path));
                Self::json(404, &json!({ "message": message, "status-code": 404 }), sentence)
            }
            Api::Three => {
                let detail = format!("No endpoint {} /rest/api/3/{path}.", asked.method);
                Self::problem(404, "Not Found", &detail, sentence)
            }
        }
    }

    /// The path is there, but not for this method.
    pub fn no_such_method(method: &Method) -> Self {
        let detail = format!("Method '{method}' is not supported.");
        Self::problem(405, "Method Not Allowed", &detail, detail.clone())
    }

    fn problem(status: u16, title: &str, detail: &str, sentence: impl Into<String>) -> Self {
        let body = json!({ "type": "about:blank", "title": title, "status": status, "detail": detail });
        Self::with(status, PROBLEM, body.to_string(), sentence)
    }

    fn with(status: u16, content_type: &str, body: String, sentence: impl Into<String>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self {
            status,
            headers,
            body,
            sentence: format!("refused with {status}: {}", sentence.into()),
        }
    }
}
