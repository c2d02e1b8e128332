//! "+ Add Webhook": choose the kind, fill the fields in, see the secret once.

use askama::Template;
use axum::extract::{Path, State};

use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::typed_secrets::TypedSecrets;
use crate::layout::{Layout, Nav, go, render, render_refused};
use crate::session::UserSession;
use crate::state::WebState;
use crate::webhooks::form::{WebhookFields, draft_of, field_errors, is_no_attempt};
use crate::webhooks::form_secrets::{keep_secrets, with_typed_secrets};
use crate::webhooks::marks::kind_mark;
use crate::webhooks::options::{KindFields, Shown};
use actions::Patch;
use destination::Adapter;
use destination::about::Signature;
use model::id::WebhookId;
use model::webhook::WebhookKind;

/// A kind to choose.
struct KindChoice {
    key: &'static str,
    name: &'static str,
    mark: String,
    description: &'static str,
}

#[derive(Template)]
#[template(path = "webhooks/kinds.html")]
struct KindsPage {
    layout: Layout,
    kinds: Vec<KindChoice>,
    has_inboxes: bool,
}

#[derive(Template)]
#[template(path = "webhooks/new.html")]
struct NewWebhookPage {
    layout: Layout,
    kind: KindFields,
    fields: WebhookFields,
    typed: TypedSecrets,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "webhooks/secret.html")]
struct SecretPage<'a> {
    layout: Layout,
    id: WebhookId,
    name: String,
    secret: &'a str,
    is_new: bool,
}

/// `GET /settings/integrations/new`
pub async fn choose_kind(State(state): State<WebState>, session: UserSession) -> PageResult {
    let choice = |adapter: &&dyn Adapter| {
        let about = adapter.description();
        KindChoice {
            key: about.kind,
            name: about.name,
            mark: kind_mark(about),
            description: about.summary,
        }
    };
    render(&KindsPage {
        layout: Layout::new(&session, "Add Webhook", Nav::Integrations),
        kinds: kinds::all().iter().map(choice).collect(),
        has_inboxes: state.settings.has_inboxes,
    })
}

impl NewWebhookPage {
    /// The form of a kind, with what was typed and what is wrong with it.
    async fn load(
        state: &WebState,
        session: &UserSession,
        kind: WebhookKind,
        typed: Option<&Form>,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let about = kinds::adapter_or_unknown(kind).description();
        let kept = keep_secrets(session, &new_path(kind), typed, about, &errors);
        let shown = Shown {
            saved: None,
            typed,
            kept: &kept,
            errors: &errors,
        };
        let fields = typed.map_or_else(
            || WebhookFields::empty(kind),
            |form| WebhookFields::typed(form, kind, None, &kept),
        );
        let kind = KindFields::load(state, kind, shown).await?;
        Ok(Self {
            layout: Layout::new(session, add_title(&kind), Nav::Integrations),
            kind,
            fields: fields.with_choices(state, None).await?,
            typed: kept,
            errors,
        })
    }
}

/// `GET /settings/integrations/new/{kind}`
pub async fn page(
    State(state): State<WebState>,
    session: UserSession,
    Path(kind): Path<String>,
) -> PageResult {
    let kind = parse_kind(&kind)?;
    let errors = FieldErrors::default();
    render(&NewWebhookPage::load(&state, &session, kind, None, errors).await?)
}

/// `POST /settings/integrations/new/{kind}`
pub async fn create(
    State(state): State<WebState>,
    session: UserSession,
    Path(kind): Path<String>,
    form: Form,
) -> PageResult {
    let kind = parse_kind(&kind)?;
    let about = kinds::adapter_or_unknown(kind).description();
    let form = with_typed_secrets(&session, &new_path(kind), form);
    if is_no_attempt(&form) {
        let errors = FieldErrors::default();
        return render(&NewWebhookPage::load(&state, &session, kind, Some(&form), errors).await?);
    }
    let mut draft = draft_of(&form, true, about);
    draft.kind = Patch::Set(kind.as_str().to_owned());
    match state.actions.create_webhook(session.actor(), draft).await {
        // A platform that knows no signatures has no use for the secret.
        Ok((webhook, _)) if about.signature == Signature::None => {
            go(&format!("/settings/integrations/{}", webhook.id), "created")
        }
        Ok((webhook, secret)) => show_secret(
            &session,
            webhook.id,
            &webhook.settings.name,
            secret.reveal(),
            true,
        ),
        Err(error) => {
            let errors = field_errors(error)?;
            let page = NewWebhookPage::load(&state, &session, kind, Some(&form), errors);
            render_refused(&page.await?)
        }
    }
}

fn new_path(kind: WebhookKind) -> String {
    format!("/settings/integrations/new/{}", kind.as_str())
}

fn parse_kind(text: &str) -> Result<WebhookKind, PageError> {
    let kind = WebhookKind::parse(text).filter(|kind| kinds::adapter(*kind).is_some());
    kind.ok_or_else(|| PageError::not_found("kind of webhook"))
}

fn add_title(kind: &KindFields) -> String {
    match kind.about.fields.is_empty() {
        true => "Add Webhook".to_owned(),
        false => format!("Add {}", kind.about.name),
    }
}

/// The one page that shows a secret.
pub fn show_secret(
    session: &UserSession,
    id: WebhookId,
    name: &str,
    secret: &str,
    is_new: bool,
) -> PageResult {
    let title = if is_new { "Webhook added" } else { "Secret rotated" };
    render(&SecretPage {
        layout: Layout::new(session, title, Nav::Integrations),
        id,
        name: name.to_owned(),
        secret,
        is_new,
    })
}
