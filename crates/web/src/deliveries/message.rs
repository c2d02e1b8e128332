//! A chat message on a page, roughly as its platform shows it, and the preview of one that is still being set up.

use askama::Template;
use askama::filters::Safe;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::layout::error::PageError;
use crate::layout::form::Form;
use crate::layout::render;
use crate::layout::show::sentence_case;
use crate::layout::show::{self, Markup};
use crate::state::WebState;
use crate::webhooks::options::options_draft;
use actions::ActionError;
use actions::webhooks::message_preview::{MessagePreview, PreviewDraft};
use destination::preview::{Part, Preview};
use model::event::EventName;
use model::webhook::WebhookKind;

/// A message on a page.
pub struct MessageView {
    /// The platform's name.
    pub platform: &'static str,
    /// The colour of its bar, as `#rrggbb`.
    pub accent: String,
    pub parts: Vec<Part>,
}

impl MessageView {
    /// The view of a message.
    pub fn new(platform: &'static str, shown: Preview) -> Self {
        Self {
            platform,
            accent: shown
                .accent
                .map_or(String::new(), |colour| format!("#{colour:06x}")),
            parts: shown.parts,
        }
    }

    /// What a body shows on its platform; nothing if the kind has no form of its own.
    pub fn of_body(kind: WebhookKind, body: &[u8]) -> Option<Self> {
        let adapter = kinds::adapter(kind)?;
        let shown = adapter.previews()?.preview(body)?;
        Some(Self::new(adapter.description().name, shown))
    }
}

/// A preview: the message, or why there is none.
#[derive(Template)]
#[template(path = "deliveries/message_preview.html")]
pub struct PreviewView {
    /// What it is about.
    pub caption: String,
    /// Method and URL.
    pub request_line: String,
    /// The message as its platform shows it.
    pub message: Option<MessageView>,
    /// The body, with line breaks if it is JSON.
    pub body: String,
    /// Why there is no message.
    pub refusal: String,
    /// What keeps the webhook from being saved.
    pub problems: Vec<String>,
    /// Whether the server does not know where links shall lead.
    pub lacks_links: bool,
}

impl PreviewView {
    /// The piece of a page.
    pub fn markup(&self) -> Result<Markup, PageError> {
        let html = self.render();
        let html = html.map_err(|error| PageError::internal(&format!("a template failed: {error}")))?;
        Ok(Safe(html))
    }

    /// The view of a preview.
    pub fn new(
        kind: WebhookKind,
        has_links: bool,
        preview: Result<MessagePreview, ActionError>,
    ) -> Result<Self, PageError> {
        let about = kinds::adapter_or_unknown(kind).description();
        let platform = about.name;
        let lacks_links = !has_links && about.offers_actions();
        match preview {
            Ok(preview) => Ok(Self {
                caption: match preview.is_sample {
                    true => format!("A sample of {}", preview.event.as_str()),
                    false => format!("The latest event, {}", preview.event.as_str()),
                },
                request_line: preview.request_line,
                message: preview.shown.map(|shown| MessageView::new(platform, shown)),
                body: show::pretty_json(preview.body.as_bytes()).unwrap_or(preview.body),
                refusal: String::new(),
                problems: preview
                    .problems
                    .iter()
                    .map(|problem| sentence_case(problem))
                    .collect(),
                lacks_links,
            }),
            Err(ActionError::Invalid(errors)) => Ok(Self {
                caption: String::new(),
                request_line: String::new(),
                message: None,
                body: String::new(),
                refusal: errors
                    .into_iter()
                    .map(|error| error.detail)
                    .collect::<Vec<_>>()
                    .join("; "),
                problems: Vec::new(),
                lacks_links,
            }),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a form previews.
pub fn preview_draft(kind: WebhookKind, form: &Form) -> PreviewDraft {
    let about = kinds::adapter_or_unknown(kind).description();
    PreviewDraft {
        url: form.text("url").to_owned(),
        options: options_draft(about, form),
        event: EventName::parse(form.text("previewEvent")),
    }
}

/// `POST /settings/integrations/preview/{kind}`: a piece of a page, for the script.
pub async fn preview(
    State(state): State<WebState>,
    Path(kind): Path<String>,
    form: Form,
) -> Result<Response, PageError> {
    let kind = WebhookKind::parse(&kind).ok_or_else(|| PageError::not_found("kind of webhook"))?;
    let id = form.text("webhook").parse().ok();
    let draft = preview_draft(kind, &form);
    let base = state.message_base();
    let preview = state
        .actions
        .preview_message(kind, id, draft, base.as_deref())
        .await;
    render(&PreviewView::new(kind, base.is_some(), preview)?)
}
