//! The fields that are read by expressions, and what they make of the last request.

use std::collections::BTreeMap;

use askama::Template;
use askama::filters::Safe;
use http::{HeaderMap, Method};

use crate::layout::error::PageError;
use crate::layout::form::Form;
use crate::layout::show::{self, Markup};
use crate::state::WebState;
use model::source::{Source, SourceRequest as KeptRequest};
use model::source_kind::SourceOptions;
use model::time::Timestamp;
use sources::about::{MappingInput, SourceDescription};
use sources::mapping::{Mapping, preview};
use sources::request::SourceRequest;
use sources::{SampleContext, SampleMoment};

/// A field of the form.
pub(super) struct FieldRow {
    pub name: &'static str,
    pub label: &'static str,
    pub hint: &'static str,
    pub value: String,
    pub is_expression: bool,
    /// Its name among the mistakes.
    pub at: String,
}

/// A field with what it gives.
struct GivenRow {
    label: &'static str,
    text: String,
    is_missing: bool,
}

/// An alert that would be read.
struct AlertLine {
    action: String,
    title: String,
    key: String,
    severity: Option<Markup>,
}

#[derive(Template)]
#[template(path = "alert_sources/preview.html")]
pub(super) struct PreviewView {
    caption: String,
    problems: Vec<String>,
    given: Vec<GivenRow>,
    alerts: Vec<AlertLine>,
    more: usize,
    body: String,
}

/// How many alerts a preview lists.
const SHOWN_ALERTS: usize = 5;

/// The fields of a kind with what was typed, or what is set, or the kind's own.
pub(super) fn fields(about: &SourceDescription, options: &SourceOptions) -> Vec<FieldRow> {
    let row = |field: &'static sources::about::MappingField| FieldRow {
        name: field.name,
        label: field.label,
        hint: field.hint,
        value: options
            .mapping
            .get(field.name)
            .cloned()
            .unwrap_or_else(|| field.default.to_owned()),
        is_expression: field.input == MappingInput::Expression,
        at: format!("settings.mapping.{}", field.name),
    };
    about.mapping.iter().map(row).collect()
}

/// What was typed, as far as it differs from what the kind has itself.
pub(super) fn typed(about: &SourceDescription, form: &Form) -> BTreeMap<String, String> {
    let typed = about.mapping.iter().filter_map(|field| {
        let name = format!("mapping-{}", field.name);
        let text = form.lines(&name);
        (form.has(&name) && text != field.default).then(|| (field.name.to_owned(), text))
    });
    typed.collect()
}

impl PreviewView {
    /// What options make of the last whole request, or of a sample if there is none.
    pub async fn load(
        state: &WebState,
        source: &Source,
        about: &'static SourceDescription,
        options: &SourceOptions,
        now: Timestamp,
    ) -> Result<Self, PageError> {
        let requests = state.store.sources.requests(source.id).await?;
        let last = requests.into_iter().find(|request| !request.body_is_truncated);
        Ok(Self::new(last.as_ref(), about, options, now))
    }

    fn new(
        last: Option<&KeptRequest>,
        about: &'static SourceDescription,
        options: &SourceOptions,
        now: Timestamp,
    ) -> Self {
        let (caption, body) = match last {
            Some(request) => (
                format!(
                    "Made of the last request, {}. Headers and query are not kept: what reads them gives nothing here.",
                    show::relative(request.at, now)
                ),
                request.body.to_vec(),
            ),
            None => (
                "Made of a sample: no request has come yet.".to_owned(),
                sample_body(about, now),
            ),
        };
        let shown = show::pretty_json(&body).unwrap_or_else(|| show::body_text(&body));
        let mut view = Self {
            caption,
            problems: Vec::new(),
            given: Vec::new(),
            alerts: Vec::new(),
            more: 0,
            body: shown,
        };
        let mapping = match Mapping::parse(about, options) {
            Ok(mapping) => mapping,
            Err(problems) => {
                let problems = problems.into_iter();
                view.problems = problems
                    .map(|problem| format!("{}: {}", problem.field, problem.sentence))
                    .collect();
                return view;
            }
        };
        let headers = HeaderMap::new();
        let request = SourceRequest {
            method: &Method::POST,
            path: "",
            query: "",
            headers: &headers,
            body: &body,
            now,
            options,
            secret: None,
            certificate: None,
        };
        view.fill(preview(about, &mapping, &request));
        view
    }

    /// The preview as a part of a page.
    pub fn into_markup(self) -> Result<Markup, PageError> {
        let html = self.render();
        html.map(Safe)
            .map_err(|error| PageError::internal(&format!("a template failed: {error}")))
    }

    fn has_more(&self) -> bool {
        self.more > 0
    }

    fn fill(&mut self, preview: sources::mapping::Preview) {
        let given = preview.fields.into_iter().map(|field| {
            let (text, is_missing) = match field.result {
                Ok(text) => (text, false),
                Err(problem) => (problem, true),
            };
            GivenRow {
                label: field.field.label,
                text,
                is_missing,
            }
        });
        self.given = given.collect();
        match preview.signals {
            Err(refused) => self.problems.push(refused.sentence),
            Ok(signals) => {
                self.more = signals.len().saturating_sub(SHOWN_ALERTS);
                let line = |signal: model::signal::Signal| AlertLine {
                    action: match &signal.action {
                        model::signal::SignalAction::Ignore(why) => format!("Ignored: {why}"),
                        action => show::sentence_case(action.as_str()),
                    },
                    title: signal.title,
                    key: signal.key.as_str().to_owned(),
                    severity: signal.severity.map(show::severity_badge),
                };
                self.alerts = signals.into_iter().take(SHOWN_ALERTS).map(line).collect();
            }
        }
    }
}

fn sample_body(about: &SourceDescription, now: Timestamp) -> Vec<u8> {
    let context = SampleContext {
        key: "",
        secret: None,
        now,
    };
    let format = sources::format(about.kind);
    let sample = format.and_then(|format| format.sample(SampleMoment::Fire, &context));
    sample.map(|sample| sample.body).unwrap_or_default()
}
