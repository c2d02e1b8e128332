//! The forms of answers: a result, a refusal with ServiceNow's words, a page.

use serde_json::{Value, json};

use crate::simulator::Response;

/// A refusal, as ServiceNow words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The message.
    pub message: String,
    /// The detail, if it gives one.
    pub detail: Option<String>,
}

impl Refusal {
    /// A refusal with a detail.
    pub fn new(status: u16, message: &str, detail: &str) -> Self {
        Self {
            status,
            message: message.to_owned(),
            detail: Some(detail.to_owned()),
        }
    }

    /// A refusal that says no more than its message.
    pub fn plain(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            detail: None,
        }
    }

    /// There is no such record, or it may not be read.
    pub fn no_record() -> Self {
        Self::new(
            404,
            "No Record found",
            "Record doesn't exist or ACL restricts the record retrieval",
        )
    }

    /// The caller may not do that.
    pub fn acl(what: &str) -> Self {
        Self::new(
            403,
            "Operation Failed",
            &format!("ACL Exception {what} Failed due to security constraints"),
        )
    }

    /// The refusal as an answer.
    pub fn answer(&self) -> Response {
        let error = json!({ "message": self.message, "detail": self.detail });
        let words = self.detail.as_deref().unwrap_or(&self.message);
        let body = json!({ "error": error, "status": "failure" });
        Response::json(self.status, &body, format!("refused: {words}"))
    }
}

/// An answer with a result.
pub fn result(status: u16, result: &Value, sentence: impl Into<String>) -> Response {
    Response::json(status, &json!({ "result": result }), sentence)
}

/// An answer without a body.
pub fn nothing(sentence: impl Into<String>) -> Response {
    Response {
        headers: Vec::new(),
        body: String::new(),
        ..Response::json(204, &Value::Null, sentence)
    }
}

/// An answer with a page instead of JSON.
pub fn page(status: u16, title: &str, text: &str) -> Response {
    Response {
        headers: vec![("content-type", "text/html;charset=UTF-8".to_owned())],
        body: format!("<html><head><title>{title}</title></head><body>{text}</body></html>"),
        ..Response::json(
            status,
            &Value::Null,
            format!("answered {status} with a page: {title}"),
        )
    }
}
