//! What somebody filled in: the fields of a form, read once by the guard, which has also checked the form's token.

use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use http::request::Parts;
use http_body_util::{BodyExt, Limited};

use crate::layout::error::PageError;

/// The largest form, in bytes.
pub const MAX_FORM_BYTES: usize = 256 * 1024;
/// The largest form of somebody who is not signed in, in bytes.
pub const MAX_OPEN_FORM_BYTES: usize = 8 * 1024;
/// The most fields of a form.
const MAX_FIELDS: usize = 1000;
/// How long a browser may take to send a form.
const FORM_DEADLINE: Duration = Duration::from_secs(15);

/// The field that carries the form's token.
pub const CSRF_FIELD: &str = "csrf";

/// The fields of a form, in their order.
#[derive(Debug, Clone, Default)]
pub struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads a form out of a request's body.
    pub async fn read(body: Body, max_bytes: usize) -> Result<Self, PageError> {
        let collected = Limited::new(body, max_bytes).collect();
        let Ok(collected) = tokio::time::timeout(FORM_DEADLINE, collected).await else {
            return Err(PageError::bad_request(
                "the form did not arrive in time; send it again",
            ));
        };
        let bytes = collected
            .map_err(|_| PageError::bad_request("the form broke off or is too large"))?
            .to_bytes();
        let fields: Vec<_> = url::form_urlencoded::parse(&bytes)
            .take(MAX_FIELDS + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        if fields.len() > MAX_FIELDS {
            return Err(PageError::bad_request("the form has too many fields"));
        }
        Ok(Self { fields })
    }

    /// A form with these fields.
    #[cfg(test)]
    pub fn new(fields: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            fields: fields.iter().map(owned).collect(),
        }
    }

    /// Puts a text into a field that was left empty, or is not there.
    pub fn fill(&mut self, name: &str, text: &str) {
        match self.fields.iter_mut().find(|(field, _)| field == name) {
            Some((_, value)) if value.trim().is_empty() => text.clone_into(value),
            Some(_) => {}
            None => self.fields.push((name.to_owned(), text.to_owned())),
        }
    }

    /// Puts a text into the empty field of a row whose other field, the one before it, has a value.
    pub fn fill_beside(&mut self, other: &str, other_value: &str, name: &str, text: &str) {
        let is_row = |(field, value): &(String, String)| field == other && value.trim() == other_value;
        let Some(row) = self.fields.iter().position(is_row) else {
            return;
        };
        if let Some((field, value)) = self.fields.get_mut(row + 1)
            && field == name
            && value.trim().is_empty()
        {
            text.clone_into(value);
        }
    }

    /// A field as it was typed; empty if it is not there.
    pub fn raw(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(field, _)| field == name);
        field.map_or("", |(_, value)| value)
    }

    /// A field without the white space around it.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// A field that may be left empty.
    pub fn optional(&self, name: &str) -> Option<String> {
        let text = self.text(name);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A text of several lines, with line breaks as everybody but browsers writes them.
    pub fn lines(&self, name: &str) -> String {
        self.raw(name).replace("\r\n", "\n").trim().to_owned()
    }

    /// Every value of a field that may stand there several times.
    pub fn all(&self, name: &str) -> Vec<String> {
        let fields = self.fields.iter().filter(|(field, _)| field == name);
        fields.map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// Whether a box is ticked.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }
}

impl<S: Sync> FromRequestParts<S> for Form {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.remove::<Self>().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fields_are_read_as_browsers_send_them() {
        let body = Body::from("name=+My+%E2%9C%93+&events=a&events=b&text=one%0D%0Atwo&empty=");
        let form = Form::read(body, MAX_FORM_BYTES).await.unwrap();
        assert_eq!((form.text("name"), form.raw("name")), ("My ✓", " My ✓ "));
        assert_eq!(form.all("events"), ["a", "b"]);
        assert_eq!(form.lines("text"), "one\ntwo");
        assert_eq!(
            (form.optional("empty"), form.has("empty"), form.has("absent")),
            (None, true, false)
        );
    }

    #[tokio::test]
    async fn too_large_a_form_is_refused() {
        let at_limit = Form::read(Body::from("a".repeat(MAX_FORM_BYTES)), MAX_FORM_BYTES).await;
        assert!(at_limit.is_ok());
        assert!(
            Form::read(Body::from("a".repeat(MAX_FORM_BYTES + 1)), MAX_FORM_BYTES)
                .await
                .is_err()
        );
        assert!(
            Form::read(Body::from("a&".repeat(MAX_FIELDS + 1)), MAX_FORM_BYTES)
                .await
                .is_err()
        );
    }
}
