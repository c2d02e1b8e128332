//! "+ Add Webhook": choose the kind, fill the fields in, see the secret once.

use askama::Template;
use axum::extract::{Path, State};

use crate::actions::Patch;
use crate::model::id::WebhookId;
use crate::model::webhook::WebhookKind;
use crate::web::error::{FieldErrors, PageError, PageResult};
use crate::web::form::Form;
use crate::web::frame::{Frame, Nav, render, render_refused};
use crate::web::integrations::kind_name;
use crate::web::state::WebState;
use crate::web::visitor::Visitor;
use crate::web::webhook_form::{WebhookFields, draft_of, field_errors};

/// A kind to choose.
struct KindChoice {
    key: &'static str,
    name: &'static str,
    description: &'static str,
}

#[derive(Template)]
#[template(path = "webhook_kinds.html")]
struct KindsPage {
    frame: Frame,
    kinds: Vec<KindChoice>,
    has_inboxes: bool,
}

#[derive(Template)]
#[template(path = "webhook_new.html")]
struct NewWebhookPage {
    frame: Frame,
    kind: &'static str,
    fields: WebhookFields,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "webhook_secret.html")]
struct SecretPage<'a> {
    frame: Frame,
    id: WebhookId,
    name: String,
    secret: &'a str,
    is_new: bool,
}

/// `GET /settings/integrations/new`
pub async fn choose_kind(State(state): State<WebState>, visitor: Visitor) -> PageResult {
    let choice = |kind: WebhookKind| KindChoice {
        key: kind.as_str(),
        name: kind_name(kind),
        description: kind_description(kind),
    };
    render(&KindsPage {
        frame: Frame::of(&visitor, "Add Webhook", Nav::Integrations),
        kinds: WebhookKind::ALL.map(choice).into(),
        has_inboxes: state.settings.has_inboxes,
    })
}

fn kind_description(kind: WebhookKind) -> &'static str {
    match kind {
        WebhookKind::Generic => {
            "Signed JSON over HTTP, for programs of your own: displays, alerting, analytics, bots, anything with an address."
        }
    }
}

/// `GET /settings/integrations/new/{kind}`
pub async fn page(State(state): State<WebState>, visitor: Visitor, Path(kind): Path<String>) -> PageResult {
    let kind = parse_kind(&kind)?;
    render(&NewWebhookPage {
        frame: Frame::of(&visitor, "Add Webhook", Nav::Integrations),
        kind: kind.as_str(),
        fields: WebhookFields::empty().with_services(&state).await?,
        errors: FieldErrors::default(),
    })
}

/// `POST /settings/integrations/new/{kind}`
pub async fn create(
    State(state): State<WebState>,
    visitor: Visitor,
    Path(kind): Path<String>,
    form: Form,
) -> PageResult {
    let kind = parse_kind(&kind)?;
    let mut draft = draft_of(&form, true);
    draft.kind = Patch::Set(kind.as_str().to_owned());
    match state.actions.create_webhook(visitor.actor(), draft).await {
        Ok((webhook, secret)) => show_secret(
            &visitor,
            webhook.id,
            &webhook.settings.name,
            secret.reveal(),
            true,
        ),
        Err(error) => {
            let errors = field_errors(error)?;
            render_refused(&NewWebhookPage {
                frame: Frame::of(&visitor, "Add Webhook", Nav::Integrations),
                kind: kind.as_str(),
                fields: WebhookFields::typed(&form, None).with_services(&state).await?,
                errors,
            })
        }
    }
}

fn parse_kind(text: &str) -> Result<WebhookKind, PageError> {
    WebhookKind::parse(text).ok_or_else(|| PageError::not_found("kind of webhook"))
}

/// The one page that shows a secret.
pub fn show_secret(visitor: &Visitor, id: WebhookId, name: &str, secret: &str, is_new: bool) -> PageResult {
    let title = if is_new { "Webhook added" } else { "Secret rotated" };
    render(&SecretPage {
        frame: Frame::of(visitor, title, Nav::Integrations),
        id,
        name: name.to_owned(),
        secret,
        is_new,
    })
}
