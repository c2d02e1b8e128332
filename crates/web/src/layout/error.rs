//! Why a page could not be shown or a form not be accepted: a stable code, a sentence, what to do.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::layout::show::sentence_case;
use actions::{ActionError, FieldError};
use model::access::Role;
use store::StoreError;

/// What a page gives.
pub type PageResult = Result<Response, PageError>;

/// Why there is no page.
#[derive(Debug, Clone)]
pub struct PageError {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) sentence: String,
    pub(super) advice: &'static str,
}

impl PageError {
    fn new(
        status: StatusCode,
        code: &'static str,
        sentence: impl Into<String>,
        advice: &'static str,
    ) -> Self {
        Self {
            status,
            code,
            sentence: sentence.into(),
            advice,
        }
    }

    /// There is no such thing.
    pub fn not_found(what: &str) -> Self {
        let sentence = format!("there is no such {what}");
        let advice = "Check the address; what was there may have been deleted.";
        Self::new(StatusCode::NOT_FOUND, "not_found", sentence, advice)
    }

    /// The route takes another method.
    pub fn wrong_method() -> Self {
        let advice = "Go back and use the page's own buttons.";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this address is not asked like that",
            advice,
        )
    }

    /// What came is no form.
    pub fn bad_request(sentence: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_form",
            sentence,
            "Go back and send the form again.",
        )
    }

    /// The form is packed, and nothing here unpacks it.
    pub fn packed_form() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the form is packed (Content-Encoding), which this server does not unpack",
            "Send it as it is.",
        )
    }

    /// Nobody is signed in.
    pub fn not_signed_in() -> Self {
        let advice = "Sign in and try again.";
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "you are not signed in",
            advice,
        )
    }

    /// A link to a receiver's page opens nothing, or nothing any more.
    pub fn link_ended() -> Self {
        let sentence = "this link has ended, was revoked, or never was one";
        let advice = "Open the link that you were given once more, or ask for another one.";
        Self::new(StatusCode::NOT_FOUND, "link_ended", sentence, advice)
    }

    /// The role lacks the right.
    pub fn not_allowed(role: Role) -> Self {
        let sentence = format!("your role ({}) does not allow this", role.as_str());
        let advice = "Ask an administrator to do it, or to change your role.";
        Self::new(StatusCode::FORBIDDEN, "forbidden", sentence, advice)
    }

    /// The form belongs to another session.
    pub fn stale_form() -> Self {
        let sentence = "this form belongs to an earlier session; nothing was changed";
        let advice = "Go back, load the page anew and send the form again.";
        Self::new(StatusCode::FORBIDDEN, "stale_form", sentence, advice)
    }

    /// The browser asked over plain HTTP, whereas cookies are for TLS only: it would drop them, and ask again for ever.
    pub fn plain_http(public_url: &url::Url) -> Self {
        let sentence = format!(
            "this server's address is {public_url}: over plain http your browser would not keep you signed in"
        );
        let advice = "Open that address and sign in there. It is the server's setting public_url.";
        Self::new(StatusCode::BAD_REQUEST, "plain_http", sentence, advice)
    }

    /// The form was sent before.
    pub fn used_form() -> Self {
        let sentence = "this form was sent already; it was not done a second time";
        let advice =
            "What it made is there. A secret is shown once only: if you did not copy it, make another one.";
        Self::new(StatusCode::CONFLICT, "used_form", sentence, advice)
    }

    /// The form is of another session, or nearly a day old: whether it was sent before is not known.
    pub fn old_form() -> Self {
        let sentence = "this form is of another session, or nearly a day old; nothing was changed";
        let advice = "Go back, load the page anew and send the form again.";
        Self::new(StatusCode::CONFLICT, "old_form", sentence, advice)
    }

    /// Another site sent the form.
    pub fn foreign_form() -> Self {
        let sentence = "this form was sent by another site; nothing was changed";
        let advice =
            "Use the forms of these pages. Behind a proxy, set public_url to the address that people use.";
        Self::new(StatusCode::FORBIDDEN, "foreign_form", sentence, advice)
    }

    /// Too much of something.
    pub fn too_many(sentence: &str) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            sentence,
            "Wait a minute and try again.",
        )
    }

    /// The provider that people sign in by does not do its part.
    pub fn provider_failed(sentence: String) -> Self {
        let advice = "Try again in a moment; if it stays, look at the server's log.";
        Self::new(StatusCode::BAD_GATEWAY, "provider_failed", sentence, advice)
    }

    /// A bug.
    pub fn internal(sentence: &str) -> Self {
        tracing::error!(sentence, "a page failed");
        let advice = "Try again; if it stays, look at the server's log.";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "something went wrong in the server",
            advice,
        )
    }
}

/// Until the guard turns it into a page, an error is an empty answer that carries it.
impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        ActionError::from(error).into()
    }
}

impl From<ActionError> for PageError {
    fn from(error: ActionError) -> Self {
        let sentence = error.to_string();
        let (status, code, advice) = match error {
            ActionError::NotFound { what } => return Self::not_found(what),
            ActionError::Internal(sentence) => return Self::internal(&sentence),
            ActionError::Invalid(errors) => return Self::invalid(&errors),
            ActionError::Unknown { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown_reference",
                "Go back and choose another one.",
            ),
            ActionError::Taken { .. } => (
                StatusCode::CONFLICT,
                "already_exists",
                "Go back and choose another value.",
            ),
            ActionError::InUse { .. } => (StatusCode::CONFLICT, "in_use", "Remove what uses it first."),
            ActionError::Conflict(_) => (
                StatusCode::CONFLICT,
                "conflict",
                "Look at it as it is now and decide anew.",
            ),
            ActionError::TicketSystem { .. } => (
                StatusCode::BAD_GATEWAY,
                "ticket_system_failed",
                "Do what this says, or try again later. Check connection on the webhook's page tells more.",
            ),
            ActionError::ScopeNotHeld(_) => (
                StatusCode::FORBIDDEN,
                "forbidden",
                "Choose fewer scopes, or ask an administrator.",
            ),
            ActionError::SetupRefused => (
                StatusCode::FORBIDDEN,
                "setup_refused",
                "Use the link that the server printed at its last start, or sign in.",
            ),
            ActionError::StoreReplaced(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store_files_replaced",
                "Nothing can be changed until an administrator has mended it: the page System says how.",
            ),
            ActionError::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Try again in a moment; if it stays, look at the server's disk or database.",
            ),
        };
        Self::new(status, code, sentence, advice)
    }
}

impl PageError {
    /// Fields that cannot be accepted, of a form that shows no errors beside its fields.
    fn invalid(errors: &[FieldError]) -> Self {
        let sentences: Vec<_> = errors.iter().map(|error| error.detail.as_str()).collect();
        let advice = "Go back, correct it and send the form again.";
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_fields",
            sentences.join("; "),
            advice,
        )
    }
}

/// What is wrong with the fields of a form, to be shown beside them.
#[derive(Debug, Clone, Default)]
pub struct FieldErrors {
    errors: Vec<FieldError>,
}

impl FieldErrors {
    /// The mistakes in an action's error; the error itself if it is about something else.
    pub fn of(error: ActionError) -> Result<Self, PageError> {
        match error {
            ActionError::Invalid(errors) => Ok(Self { errors }),
            ActionError::Taken { what, field } => Ok(Self::one(
                field,
                &format!("there is already a {what} with this {field}"),
            )),
            other => Err(other.into()),
        }
    }

    /// One mistake.
    pub fn one(field: &str, detail: &str) -> Self {
        // The store names a user's email its address.
        let field = if field == "address" { "email" } else { field };
        Self {
            errors: vec![FieldError {
                field: field.to_owned(),
                code: "invalid_value",
                detail: detail.to_owned(),
            }],
        }
    }

    /// What is wrong with a field, or with a part of it (`retrySchedule[1]`, `headers.X`); empty if nothing is.
    pub fn at(&self, field: &str) -> String {
        let sentence = |error: &FieldError| {
            let rest = error.field.strip_prefix(field)?;
            match rest.strip_prefix('.') {
                Some(part) => Some(format!("{part}: {}", error.detail)),
                None => (rest.is_empty() || rest.starts_with('[')).then(|| sentence_case(&error.detail)),
            }
        };
        let about: Vec<_> = self.errors.iter().filter_map(sentence).collect();
        about.join("; ")
    }

    /// Whether something is wrong.
    pub fn any(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Whether something is wrong with one of these fields.
    pub fn any_of(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| !self.at(field).is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_stands_at_its_field_and_at_no_other() {
        let error = |field: &str| FieldError {
            field: field.to_owned(),
            code: "x",
            detail: format!("wrong {field}"),
        };
        let errors = ActionError::Invalid(vec![error("retrySchedule[1]"), error("headers.X"), error("name")]);
        let errors = FieldErrors::of(errors).unwrap();
        assert_eq!(errors.at("retrySchedule"), "Wrong retrySchedule[1]");
        assert_eq!(
            (errors.at("headers").as_str(), errors.at("nam").as_str()),
            ("X: wrong headers.X", "")
        );
        assert!(errors.any_of(&["url", "name"]) && !errors.any_of(&["url"]));
    }
}
