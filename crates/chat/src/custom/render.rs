//! The request for a task: address, headers and body, each made by its template.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use crate::custom::presets::{Preset, preset};
use destination::task::{Rendered, Target, Task};
use destination::template::context::Context;
use destination::template::{self, Broken, Escape, Made};
use destination::text::one_line;
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;
use model::webhook::MAX_URL_BYTES;

/// The longest value of a header that a template makes, in bytes.
const MAX_HEADER_BYTES: usize = 4096;

/// A part of a request that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field of the form that it is made from.
    pub(super) field: &'static str,
    /// What is wrong, for people.
    pub(super) detail: String,
    /// What helps.
    disposition: Disposition,
}

impl Fault {
    fn new(field: &'static str, part: &str, what: impl std::fmt::Display) -> Self {
        Self {
            field,
            detail: format!("{part} cannot be made {what}"),
            disposition: Disposition::Permanent,
        }
    }

    fn with(self, disposition: Disposition) -> Self {
        Self { disposition, ..self }
    }
}

/// The request for a task.
pub(super) fn render(task: &Task<'_>) -> Result<Rendered, Failure> {
    let maker = Maker::new(task)?;
    let failed =
        |fault: Fault| Failure::new(FailureCode::TemplateFailed, fault.detail).with(fault.disposition);
    let (url, headers, body) = (maker.url(), maker.headers(), maker.body());
    let rendered = Rendered::new(
        method(task.target),
        url.map_err(failed)?,
        headers.map_err(failed)?,
        body.map_err(failed)?,
    );
    Ok(rendered.shown_as(shown_url(task.target)))
}

/// What is wrong with each part of a task's request.
pub(super) fn faults(task: &Task<'_>) -> Vec<Fault> {
    let Ok(maker) = Maker::new(task) else {
        return Vec::new();
    };
    let parts = [maker.url().err(), maker.headers().err(), maker.body().err()];
    parts.into_iter().flatten().collect()
}

/// Makes the parts of one request.
struct Maker<'a> {
    target: &'a Target,
    preset: &'static Preset,
    templates: &'a template::Templates,
    context: Arc<Context>,
}

impl<'a> Maker<'a> {
    fn new(task: &Task<'a>) -> Result<Self, Failure> {
        Ok(Self {
            target: task.target,
            preset: preset(task.target.option("preset")),
            templates: task.templates,
            context: Arc::new(Context::new(task)?),
        })
    }

    /// The text of a template of ours.
    fn ours(&self, source: &'static str, escape: Escape) -> Made {
        template::render(source, self.context.values(escape), escape)
    }

    /// The text of a template of the user's.
    fn theirs(&self, source: &str, escape: Escape) -> Made {
        self.templates.render(source, &self.context, escape)
    }

    /// Where to. Templates stand in path and query only, and what they make cannot leave the path that was typed.
    fn url(&self) -> Result<Url, Fault> {
        let fault = |what: &str| Fault::new("url", "the address", what);
        let typed = typed_url(self.target);
        let (origin, rest) = split_url(typed);
        if template::is_template(origin) {
            return Err(fault("because templates may stand in path and query only"));
        }
        let mut whole = typed.to_owned();
        if template::is_template(rest) {
            // The rest is made within the whole, so that columns count from its beginning.
            let made = self.theirs(typed, Escape::Percent);
            whole = made.map_err(|broken| fault(&without_source(&broken)).with(broken.disposition))?;
            if has_dots(&whole) {
                return Err(fault("because a value would lead out of its path"));
            }
        }
        if whole.len() > MAX_URL_BYTES {
            return Err(fault(&format!("because it is longer than {MAX_URL_BYTES} bytes")));
        }
        let mut url = Url::parse(&whole).map_err(|_| fault("because it is no URL"))?;
        url.set_fragment(None);
        Ok(url)
    }

    fn headers(&self) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(content_type(self.target, self.preset)).map_err(|_| {
            Fault::new(
                "contentType",
                "the content type",
                "because it is no header's value",
            )
        })?;
        headers.insert(CONTENT_TYPE, value);
        let own = &self.target.headers;
        for (name, source) in self.preset.headers {
            let is_own = own.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
            let escape = if name.starts_with("ce-") {
                Escape::Attribute
            } else {
                Escape::Nothing
            };
            let (name, value) = header(name, self.ours(source, escape))?;
            if !value.is_empty() && !is_own {
                headers.insert(name, value);
            }
        }
        // All are made before one fails, so that all are ordered at once.
        let templates = own
            .iter()
            .filter(|(_, source)| template::is_template(source.reveal()));
        let made: Vec<_> = templates
            .map(|(name, source)| header(name, self.theirs(source.reveal(), Escape::Nothing)))
            .collect();
        for made in made {
            let (name, mut value) = made?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    fn body(&self) -> Result<Bytes, Fault> {
        let fault = |what: &str| Fault::new("template", "the body", what);
        let escape = Escape::new(content_type(self.target, self.preset));
        let own = self.target.option("template");
        let made = match own.trim().is_empty() {
            true => self.ours(self.preset.body, escape),
            false => self.theirs(own, escape),
        };
        let text = made.map_err(|broken| fault(&broken.to_string()).with(broken.disposition))?;
        if escape == Escape::Json {
            // Only whether it can be read: it is sent as it was made.
            let read: Result<serde_json::Value, _> = serde_json::from_str(&text);
            read.map_err(|error| fault(&format!("because what comes out is no JSON: {error}")))?;
        }
        Ok(Bytes::from(self.with_form_fields(text)))
    }

    /// A form with the fields of the settings before its own.
    fn with_form_fields(&self, form: String) -> String {
        match self.target.secret("formFields").trim() {
            "" => form,
            fields if form.is_empty() => fields.to_owned(),
            fields => format!("{fields}&{form}"),
        }
    }
}

/// Whether what a target sends is a form.
pub(super) fn is_form(target: &Target) -> bool {
    let content_type = content_type(target, preset(target.option("preset")));
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn method(target: &Target) -> Method {
    match target.option("method") {
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        _ => Method::POST,
    }
}

/// The content type: the one in the settings, or the preset's.
fn content_type<'a>(target: &'a Target, preset: &Preset) -> &'a str {
    match target.option("contentType").trim() {
        "" => preset.content_type,
        own => own,
    }
}

/// The URL as it was typed.
fn typed_url(target: &Target) -> &str {
    match target.secret("url") {
        "" => target.url.as_str(),
        typed => typed,
    }
}

/// Scheme, host and port as they were typed, and the rest.
fn split_url(typed: &str) -> (&str, &str) {
    let after_scheme = typed.find("://").map_or(0, |at| at + 3);
    let rest = typed.get(after_scheme..).unwrap_or_default();
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    typed.split_at(after_scheme + end)
}

/// Whether a step of the path is `.` or `..`.
fn has_dots(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let mut steps = path.split(['/', '\\']);
    steps.any(|step| matches!(step.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

/// The address as logs may show it.
fn shown_url(target: &Target) -> String {
    let origin = target.url.origin();
    format!("{}/***", origin.ascii_serialization())
}

fn header(name: &str, made: Made) -> Result<(HeaderName, HeaderValue), Fault> {
    let fault = |what: &str| Fault::new("headers", &format!("the header {name}"), what);
    let made = made.map_err(|broken| fault(&without_source(&broken)).with(broken.disposition))?;
    let text = one_line(&made);
    if text.len() > MAX_HEADER_BYTES {
        return Err(fault(&format!(
            "because it is longer than {MAX_HEADER_BYTES} bytes"
        )));
    }
    let name = HeaderName::try_from(name).map_err(|_| fault("because this is no name of a header"))?;
    let value =
        HeaderValue::from_bytes(text.as_bytes()).map_err(|_| fault("because it is no header's value"))?;
    Ok((name, value))
}

/// What is wrong with an address or a header, without a word of it: it may be a secret.
fn without_source(broken: &Broken) -> String {
    let kind = broken.sentence.split(':').next().unwrap_or_default();
    let sentence = match broken.sentence.starts_with('`') {
        true => "a value is not defined",
        false => kind,
    };
    let sentence = sentence.to_owned();
    Broken {
        sentence,
        ..broken.clone()
    }
    .to_string()
}

#[cfg(test)]
mod tests;
