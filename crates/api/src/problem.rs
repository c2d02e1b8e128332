//! Every problem that the API answers with, in one table: code, status, sentence, and what to do next (RFC 9457).
//! `docs/errors.md` is this table; a test keeps it so.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use actions::{ActionError, FieldError};
use model::exchange::FailureCode;
use store::StoreError;

macro_rules! define_problems {
    ($($name:ident $code:literal $status:ident $title:literal $advice:literal)+) => {
        /// What went wrong, as a stable code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($name),+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as it is sent.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The HTTP status that it comes with.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),+ }
            }

            /// What happened, in one sentence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            /// What to do next.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice),+ }
            }
        }
    };
}

define_problems! {
    InvalidJson "invalid_json" BAD_REQUEST "the body is not JSON"
        "correct the body at the line and column that detail names"
    InvalidCursor "invalid_cursor" BAD_REQUEST "the cursor is none of ours"
        "send back nextCursor exactly as it came, or begin without one"
    InvalidIdempotencyKey "invalid_idempotency_key" BAD_REQUEST "the idempotency key cannot be used"
        "send 1 to 255 visible ASCII characters"
    InvalidHost "invalid_host" BAD_REQUEST "the request names no host, or several"
        "send one Host header"
    UnreadableBody "unreadable_body" BAD_REQUEST "the body broke off while it was read"
        "send the request again"
    Unauthorized "unauthorized" UNAUTHORIZED "the request has no usable API key"
        "send the header Authorization: Bearer ok_… with a key that is neither revoked nor expired"
    Forbidden "forbidden" FORBIDDEN "the API key lacks a scope"
        "use a key with the scope that detail names"
    RestrictedKey "restricted_key" FORBIDDEN "the API key is restricted to services or events, and this tells of more"
        "use a key without such a restriction"
    SetupRefused "setup_refused" FORBIDDEN "the set-up token is wrong, or the first key exists already"
        "use the token that the server printed at its start, or ask someone with an admin key"
    NotFound "not_found" NOT_FOUND "there is no such thing"
        "check the id; it may have been deleted"
    UnknownRoute "unknown_route" NOT_FOUND "there is no such route"
        "compare method and path with /api/v1/openapi.json"
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "the route does not take this method"
        "use one of the methods in the Allow header"
    BodyTooSlow "body_too_slow" REQUEST_TIMEOUT "the body did not arrive within 15 seconds"
        "send the request again, in one go"
    WrongStatus "wrong_status" CONFLICT "the action does not apply to the incident's present status"
        "look at the incident's status (incidentStatus in the API's answer) and decide anew"
    AlreadyExists "already_exists" CONFLICT "a field that must be unique is taken"
        "choose another value, or use what exists"
    InUse "in_use" CONFLICT "it cannot be deleted while something uses it"
        "remove what uses it first"
    Conflict "conflict" CONFLICT "the change does not fit the present state"
        "read the present state and decide anew"
    StillOpen "still_open" CONFLICT "the delivery is still open"
        "wait until it is delivered or dead"
    NotWaiting "not_waiting" CONFLICT "the delivery neither waits nor is held"
        "wait until it is no longer being sent; one that is delivered or dead needs no giving up"
    IdempotencyInProgress "idempotency_in_progress" CONFLICT "a request with this idempotency key is being worked on"
        "wait a second and send the same request again"
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "the body is larger than 256 KiB"
        "send less"
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "the body is not declared as JSON"
        "send the header Content-Type: application/json"
    InvalidBody "invalid_body" UNPROCESSABLE_ENTITY "the body has a missing, unknown or mistyped field"
        "correct the fields that errors names"
    InvalidFields "invalid_fields" UNPROCESSABLE_ENTITY "fields of the body cannot be accepted"
        "correct the fields that errors names"
    InvalidQuery "invalid_query" UNPROCESSABLE_ENTITY "a query parameter cannot be accepted"
        "correct the parameter that errors names"
    InvalidLimit "invalid_limit" UNPROCESSABLE_ENTITY "limit is not a number from 1 to 200"
        "send a limit from 1 to 200, or none"
    UnknownService "unknown_service" UNPROCESSABLE_ENTITY "there is no such service"
        "create the service first, or name another"
    UnknownUser "unknown_user" UNPROCESSABLE_ENTITY "there is no such user"
        "create the user first, or name another"
    UnknownPolicy "unknown_escalation_policy" UNPROCESSABLE_ENTITY "there is no such escalation policy"
        "create the escalation policy first, or name another"
    UnknownReference "unknown_reference" UNPROCESSABLE_ENTITY "the request names something that does not exist"
        "create it first, or name another"
    IdempotencyKeyReused "idempotency_key_reused" UNPROCESSABLE_ENTITY
        "the idempotency key was used for another request"
        "use a new key for a new request"
    RateLimited "rate_limited" TOO_MANY_REQUESTS "the API key sends more requests than it may"
        "wait as long as Retry-After says"
    TooManyFailures "too_many_failures" TOO_MANY_REQUESTS "too many requests from this address had no usable key"
        "wait as long as Retry-After says, and check the key"
    TooManyStreams "too_many_streams" TOO_MANY_REQUESTS "the server has as many event streams open as it may"
        "close a stream, or wait as long as Retry-After says"
    TooManyExports "too_many_exports" SERVICE_UNAVAILABLE "the server writes as many exports as it may"
        "wait as long as Retry-After says, or until another export has ended"
    DeepCheckRuns "deep_check_runs" TOO_MANY_REQUESTS "a deep check runs already, and there is one at a time"
        "wait until it has ended, or as long as Retry-After says"
    Internal "internal_error" INTERNAL_SERVER_ERROR "something went wrong in the server"
        "try again; if it stays, look at the server's log"
    StoreUnavailable "store_unavailable" SERVICE_UNAVAILABLE "the store cannot be used now"
        "try again as Retry-After says; if it stays, look at the server's disk or database"
    StoreReplaced "store_files_replaced" SERVICE_UNAVAILABLE
        "the store's files were deleted or replaced under the server"
        "run `opsknight backup`, which copies what the server still holds; then stop it and put the files in place"
    TicketSystem "ticket_system_failed" BAD_GATEWAY "the ticket system did not answer as it should"
        "do what detail says, or try again later"
    Unavailable "unavailable" SERVICE_UNAVAILABLE "this cannot be done now"
        "try again as Retry-After says"
}

/// Seconds to wait after a 503.
const RETRY_AFTER_UNAVAILABLE: u32 = 1;
/// What the content type of every problem is.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The page of this server that says more about every code (`docs/errors.md`).
const PAGE: &str = "/docs/errors";
/// What the body of every problem begins with.
const BEGINNING: &str = "{\"type\":\"";

/// A problem, ready to be answered.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    incident_status: Option<&'static str>,
    retry_after_seconds: Option<u32>,
}

/// A problem as it is sent (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemView<'a> {
    /// Leads to what this server says of such problems.
    #[schema(format = "uri-reference")]
    r#type: String,
    /// What happened, in one sentence.
    title: &'a str,
    /// The HTTP status; for `wrong_status`, see `incidentStatus`.
    status: u16,
    /// A stable code for programs.
    #[schema(value_type = Code)]
    code: &'a str,
    /// What happened this time.
    detail: &'a str,
    /// What to do next.
    advice: &'a str,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Option<Vec<FieldError>>)]
    errors: &'a [FieldError],
    /// The incident's present status, for `wrong_status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident_status: Option<&'a str>,
}

impl Problem {
    /// A problem with what happened this time.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            incident_status: None,
            retry_after_seconds: None,
        }))
    }

    /// A problem about which its title says all.
    pub fn plain(code: Code) -> Self {
        Self::new(code, code.title())
    }

    /// Adds what is wrong with which field.
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Adds how long to wait.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds.max(1));
        self
    }

    /// Adds the incident's present status.
    pub fn with_incident_status(mut self, status: &'static str) -> Self {
        self.0.incident_status = Some(status);
        self
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The body, whose `type` leads to a path of this server.
    pub fn to_body(&self) -> Vec<u8> {
        let parts = &self.0;
        let view = ProblemView {
            r#type: format!("{PAGE}#{}", parts.code.as_str()),
            title: parts.code.title(),
            status: parts.code.status().as_u16(),
            code: parts.code.as_str(),
            detail: &parts.detail,
            advice: parts.code.advice(),
            errors: &parts.errors,
            incident_status: parts.incident_status,
        };
        serde_json::to_vec(&view).unwrap_or_default()
    }
}

/// The body of a problem with the address under which people reach this server before its `type`.
pub fn with_address(address: &str, body: &[u8]) -> Option<Vec<u8>> {
    let rest = body.strip_prefix(BEGINNING.as_bytes())?;
    let is_path = rest.starts_with(PAGE.as_bytes());
    is_path.then(|| [BEGINNING.as_bytes(), address.as_bytes(), rest].concat())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.0.code;
        let mut response = (code.status(), self.to_body()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if code == Code::Unauthorized {
            let challenge = HeaderValue::from_static("Bearer realm=\"OpsKnight\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.0.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        let detail = error.to_string();
        match error {
            ActionError::Invalid(errors) => Self::new(Code::InvalidFields, detail).with_errors(errors),
            ActionError::Unknown { what } => Self::new(unknown_code(what), detail),
            ActionError::NotFound { .. } => Self::new(Code::NotFound, detail),
            ActionError::Taken { .. } => Self::new(Code::AlreadyExists, detail),
            ActionError::InUse { .. } => Self::new(Code::InUse, detail),
            ActionError::Conflict(_) => Self::new(Code::Conflict, detail),
            ActionError::TicketSystem { .. } => Self::new(Code::TicketSystem, detail),
            ActionError::ScopeNotHeld(_) => Self::new(Code::Forbidden, detail),
            ActionError::SetupRefused => Self::new(Code::SetupRefused, detail),
            ActionError::StoreReplaced(_) => Self::new(Code::StoreReplaced, detail),
            ActionError::Unavailable(_) => {
                Self::new(Code::StoreUnavailable, detail).retry_after(RETRY_AFTER_UNAVAILABLE)
            }
            ActionError::Internal(_) => {
                tracing::error!(error = %detail, "an action failed");
                Self::plain(Code::Internal)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        ActionError::from(error).into()
    }
}

fn unknown_code(what: &str) -> Code {
    match what {
        "service" => Code::UnknownService,
        "user" => Code::UnknownUser,
        "escalation policy" => Code::UnknownPolicy,
        _ => Code::UnknownReference,
    }
}

/// The text of `docs/errors.md`.
pub fn document() -> String {
    let mut text = String::from(
        "# Errors of the API\n\n\
         Every error is `application/problem+json` (RFC 9457) with the members `type`, `title`, `status`, `code`, `detail`\n\
         and `advice`; `errors` lists fields, `incidentStatus` comes with `wrong_status`. Programs should look at `code`:\n\
         codes are stable, sentences are not. `type` leads to this page, as the server itself shows it (`/docs/errors`). It is\n\
         made from `crates/api/src/problem.rs`.\n\n\
         | code | status | what happened | what to do |\n|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let status = code.status().as_u16();
        text.push_str(&format!(
            "| `{}` | {status} | {} | {} |\n",
            code.as_str(),
            code.title(),
            code.advice()
        ));
    }
    text.push_str(&failure_codes());
    text
}

/// Why attempts fail, beside why the API does.
fn failure_codes() -> String {
    let mut text = String::from(
        "\n## Why an attempt failed\n\n\
         A delivery's attempts carry a code of their own (`failure.code` in the API), made from `crates/model/src/exchange.rs`.\n\n\
         | code | what to do |\n|---|---|\n",
    );
    for code in FailureCode::ALL {
        text.push_str(&format!("| `{}` | {} |\n", code.as_str(), code.advice()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_about_errors_is_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
        if std::env::var_os("OPSKNIGHT_WRITE_DOCS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            page,
            document(),
            "run `OPSKNIGHT_WRITE_DOCS=1 cargo test the_page_about_errors`"
        );
    }

    #[test]
    fn a_type_leads_to_the_page_of_its_code_under_whatever_address() {
        let body = Problem::plain(Code::NotFound).to_body();
        let whole = with_address("https://ops.example", &body).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(value["type"], "https://ops.example/docs/errors#not_found");
        assert_eq!(with_address("https://ops.example", &whole), None);
        assert_eq!(with_address("https://ops.example", b"{\"id\":1}"), None);
    }

    #[test]
    fn every_code_is_used_once() {
        let mut codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
    }
}
