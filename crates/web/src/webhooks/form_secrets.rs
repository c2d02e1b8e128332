//! The secrets of a webhook's form: which of its fields hold some, and how they come to the form's next try.

use crate::layout::error::FieldErrors;
use crate::layout::form::Form;
use crate::layout::typed_secrets::{self, Place, TypedSecrets};
use crate::session::UserSession;
use crate::webhooks::options::secret_options;
use destination::about::{KindDescription, UrlField};

/// Empty rows for headers that a form without a script offers.
const SPARE_HEADERS: usize = 3;

/// A header being typed. Its value is a secret, and never shown.
#[derive(Default)]
pub struct HeaderRow {
    pub name: String,
    /// Whether its value was typed already.
    pub is_kept: bool,
}

/// Empty rows to type more into.
pub fn spare_headers() -> impl Iterator<Item = HeaderRow> {
    std::iter::repeat_with(HeaderRow::default).take(SPARE_HEADERS)
}

/// The fields of headers in a form: the name, and beside it the value.
const HEADER_ROWS: (&str, &str) = ("headerName", "headerValue");

/// The form of a webhook with the secrets that were typed before.
pub fn with_typed_secrets(session: &UserSession, path: &str, form: Form) -> Form {
    typed_secrets::restore(session, path, form, HEADER_ROWS)
}

/// The secrets of a form of a webhook, for its next try.
pub fn keep_secrets(
    session: &UserSession,
    path: &str,
    form: Option<&Form>,
    about: &KindDescription,
    errors: &FieldErrors,
) -> TypedSecrets {
    let Some(form) = form else {
        return TypedSecrets::default();
    };
    let field = |name: &str, fault: &str| (Place::field(name), form.raw(name).to_owned(), fault.to_owned());
    let mut typed = vec![
        field("secret", "secret"),
        field("caPem", "tls.caPem"),
        field("identityPem", "tls.identityPem"),
    ];
    if matches!(about.url, UrlField::Secret { .. }) {
        typed.push(field("url", "url"));
    }
    typed.extend(secret_options(about).map(|(name, fault)| field(&name, &fault)));
    typed.extend(headers_of(form).map(|(name, value)| {
        let fault = format!("headers.{name}");
        (Place::Beside(name), value, fault)
    }));
    // One that is wrong itself is typed anew.
    let right = typed
        .into_iter()
        .filter(|(.., fault)| errors.at(fault).is_empty());
    TypedSecrets::keep(session, path, right.map(|(place, secret, _)| (place, secret)))
}

/// The headers of a form: rows of name and value, the empty ones left out.
pub fn headers_of(form: &Form) -> impl Iterator<Item = (String, String)> {
    let names = form.all(HEADER_ROWS.0).into_iter();
    let rows = names.zip(form.all(HEADER_ROWS.1));
    rows.filter(|(name, value)| !name.is_empty() || !value.is_empty())
}
