//! "Add alert source": choose the sender, the service and a name.

use askama::Template;
use axum::extract::{Path, State};

use crate::layout::choices::{Choice, service_choices};
use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::{Layout, Nav, go, render, render_refused};
use crate::session::UserSession;
use crate::state::WebState;
use actions::ActionError;
use actions::alert_sources::{SourceDraft, SourceSettingsDraft};
use model::source_kind::SourceKind;
use sources::about::SourceDescription;

#[derive(Template)]
#[template(path = "alert_sources/kinds.html")]
struct KindsPage {
    layout: Layout,
    kinds: Vec<&'static SourceDescription>,
}

#[derive(Template)]
#[template(path = "alert_sources/new.html")]
struct NewSourcePage {
    layout: Layout,
    about: &'static SourceDescription,
    name: String,
    services: Vec<Choice>,
    errors: FieldErrors,
}

/// `GET /settings/sources/new`
pub async fn choose_kind(session: UserSession) -> PageResult {
    render(&KindsPage {
        layout: Layout::new(&session, "Add alert source", Nav::Integrations),
        kinds: sources::all().iter().map(|format| format.description()).collect(),
    })
}

impl NewSourcePage {
    async fn load(
        state: &WebState,
        session: &UserSession,
        kind: &str,
        typed: &Form,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let about = description(kind)?;
        let name = typed.optional("name").unwrap_or_else(|| about.name.to_owned());
        Ok(Self {
            layout: Layout::new(session, format!("Add {}", about.name), Nav::Integrations),
            services: service_choices(state, "Choose a service", typed.text("service")).await?,
            about,
            name,
            errors,
        })
    }
}

fn description(kind: &str) -> Result<&'static SourceDescription, PageError> {
    let format = SourceKind::parse(kind).and_then(sources::format);
    let format = format.ok_or_else(|| PageError::not_found("kind of alert source"))?;
    Ok(format.description())
}

/// `GET /settings/sources/new/{kind}`
pub async fn page(
    State(state): State<WebState>,
    session: UserSession,
    Path(kind): Path<String>,
) -> PageResult {
    render(&NewSourcePage::load(&state, &session, &kind, &Form::default(), FieldErrors::default()).await?)
}

/// `POST /settings/sources/new/{kind}`
pub async fn create(
    State(state): State<WebState>,
    session: UserSession,
    Path(kind): Path<String>,
    form: Form,
) -> PageResult {
    let about = description(&kind)?;
    let errors = match form.text("service").parse() {
        Err(_) => FieldErrors::one("serviceId", "choose the service whose incidents its alerts open"),
        Ok(service_id) => {
            let draft = SourceDraft {
                service_id,
                kind: about.kind,
                name: form.text("name").to_owned(),
                secret: form.optional("secret"),
                settings: SourceSettingsDraft::default(),
            };
            match state.actions.create_source(session.actor(), draft).await {
                Ok(source) => return go(&format!("/settings/sources/{}", source.id), "created"),
                Err(ActionError::Unknown { .. }) => {
                    FieldErrors::one("serviceId", "there is no such service any more")
                }
                Err(error) => FieldErrors::of(error)?,
            }
        }
    };
    render_refused(&NewSourcePage::load(&state, &session, &kind, &form, errors).await?)
}
