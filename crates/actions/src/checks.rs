//! Collects everything that is wrong with a request, so that its sender hears of all mistakes at once.

use crate::{ActionError, FieldError};
use model::display::ZoneName;

/// The mistakes found so far.
#[derive(Debug, Default)]
pub struct Checks {
    errors: Vec<FieldError>,
}

impl Checks {
    /// Nothing is wrong yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a mistake.
    pub fn fail(&mut self, field: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        self.errors.push(FieldError {
            field: field.into(),
            code,
            detail: detail.into(),
        });
    }

    /// Notes that a required field is absent.
    pub fn missing(&mut self, field: &str) {
        self.fail(field, "missing", format!("{field} is required"));
    }

    /// The name of a time zone, if there is one of that name.
    pub fn time_zone(&mut self, field: impl Into<String>, text: &str) -> Option<ZoneName> {
        let zone = ZoneName::parse(text);
        if zone.is_none() {
            let detail =
                "there is no such time zone; write one like Europe/Berlin or America/New_York, or nothing";
            self.fail(field, "invalid_value", detail);
        }
        zone
    }

    /// A text of people: 1 to `max` characters, not blank, without NUL (PostgreSQL cannot keep it).
    pub fn text(&mut self, field: &str, text: &str, max: usize) {
        if text.trim().is_empty() {
            self.fail(field, "empty", format!("{field} must not be empty"));
        }
        self.optional_text(field, text, max);
    }

    /// A text that may be empty.
    pub fn optional_text(&mut self, field: &str, text: &str, max: usize) {
        // Bytes are never fewer than characters: counting is only needed for long texts.
        if text.len() > max && text.chars().count() > max {
            self.fail(
                field,
                "too_long",
                format!("{field} has more than {max} characters"),
            );
        }
        if text.contains('\0') {
            self.fail(
                field,
                "invalid_character",
                format!("{field} contains a NUL character"),
            );
        }
    }

    /// A name: a text in one line.
    pub fn name(&mut self, field: &str, name: &str, max: usize) {
        self.text(field, name, max);
        if name
            .chars()
            .any(|character| character.is_control() && character != '\0')
        {
            self.fail(
                field,
                "invalid_character",
                format!("{field} contains a control character"),
            );
        }
    }

    /// The value, if nothing was wrong.
    pub fn finish<T>(self, value: impl FnOnce() -> T) -> Result<T, ActionError> {
        if self.errors.is_empty() {
            Ok(value())
        } else {
            Err(ActionError::Invalid(self.errors))
        }
    }

    /// Whether something is wrong already.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The mistakes, as an error.
    pub fn into_error(self) -> ActionError {
        ActionError::Invalid(self.errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(check: impl FnOnce(&mut Checks)) -> Vec<&'static str> {
        let mut checks = Checks::new();
        check(&mut checks);
        checks.errors.iter().map(|error| error.code).collect()
    }

    #[test]
    fn texts_are_counted_in_characters() {
        assert_eq!(
            codes(|checks| checks.text("title", &"ü".repeat(500), 500)),
            [""; 0]
        );
        assert_eq!(
            codes(|checks| checks.text("title", &"ü".repeat(501), 500)),
            ["too_long"]
        );
    }

    #[test]
    fn blank_texts_nul_and_line_breaks_in_names_are_refused() {
        assert_eq!(codes(|checks| checks.text("title", " \n", 500)), ["empty"]);
        assert_eq!(
            codes(|checks| checks.text("title", "a\0", 500)),
            ["invalid_character"]
        );
        assert_eq!(
            codes(|checks| checks.name("name", "a\nb", 100)),
            ["invalid_character"]
        );
        assert_eq!(codes(|checks| checks.text("title", "a\nb", 100)), [""; 0]);
    }
}
