//! Import: a file of webhooks is pasted, what it would change is shown, and only what was shown is done. Between the two the file lies
//! sealed in the page: it may hold secrets.

use askama::Template;
use axum::extract::State;
use model::digest::sha256;

use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::typed_secrets::{self, Place, TypedSecrets};
use crate::layout::{Layout, Nav, render, render_refused};
use crate::session::UserSession;
use crate::state::WebState;
use actions::webhooks::has_use_for_secret;
use actions::webhooks::import::ImportStep;
use model::id::WebhookId;

/// Where the form goes, for which the file is sealed.
const PATH: &str = "/settings/integrations/import";
const FILE: &str = "file";

/// A webhook that was imported.
struct Done {
    id: WebhookId,
    name: String,
    /// The secret of one that was made, if its receiver needs it.
    secret: Option<String>,
}

#[derive(Template)]
#[template(path = "webhooks/import.html")]
struct ImportPage {
    layout: Layout,
    typed: TypedSecrets,
    /// What was planned; nothing before a file was read.
    plan: Option<Vec<ImportStep>>,
    /// Names the plan, so that nothing else is done.
    digest: String,
    /// Whether the plan is another one than the one that was confirmed.
    is_anew: bool,
    done: Vec<Done>,
    errors: FieldErrors,
}

impl ImportPage {
    fn empty(session: &UserSession) -> Self {
        Self {
            layout: Layout::new(session, "Import webhooks", Nav::Integrations),
            typed: TypedSecrets::default(),
            plan: None,
            digest: String::new(),
            is_anew: false,
            done: Vec::new(),
            errors: FieldErrors::default(),
        }
    }

    /// How many webhooks would be made or changed.
    fn to_do(plan: &[ImportStep]) -> usize {
        plan.iter().filter(|step| !step.changes.is_empty()).count()
    }
}

/// `GET /settings/integrations/import`
pub async fn page(session: UserSession) -> PageResult {
    render(&ImportPage::empty(&session))
}

/// `POST /settings/integrations/import`: shows the plan first, then, confirmed, carries it out.
pub async fn import(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    let form = typed_secrets::restore(&session, PATH, form, ("", ""));
    let text = form.raw(FILE).to_owned();
    let mut page = ImportPage::empty(&session);
    let plan = match state.actions.plan_import(&text).await {
        Ok(plan) => plan,
        Err(error) => {
            page.errors = FieldErrors::of(error)?;
            return render_refused(&page);
        }
    };
    let digest = digest_of(&plan);
    if form.has("confirmed") && form.text("plan") == digest {
        page.done = carry_out(&state, &session, plan).await?;
        return render(&page);
    }
    page.typed = TypedSecrets::keep(&session, PATH, [(Place::field(FILE), text)]);
    if !page.typed.any() {
        page.errors = FieldErrors::one(FILE, "the file is too long: import it in parts");
        return render_refused(&page);
    }
    page.is_anew = form.has("confirmed");
    page.digest = digest;
    page.plan = Some(plan);
    render(&page)
}

async fn carry_out(
    state: &WebState,
    session: &UserSession,
    plan: Vec<ImportStep>,
) -> Result<Vec<Done>, PageError> {
    let imported = state.actions.import(session.actor(), plan).await?;
    let done = imported.into_iter().map(|imported| Done {
        id: imported.webhook.id,
        secret: imported
            .secret
            .filter(|_| has_use_for_secret(&imported.webhook))
            .map(|secret| secret.reveal().to_owned()),
        name: imported.webhook.settings.name,
    });
    Ok(done.collect())
}

/// Names what a plan would do, as it was shown.
fn digest_of(plan: &[ImportStep]) -> String {
    let mut shown = String::new();
    for step in plan {
        let id = step.id.map_or("new".to_owned(), |id| id.to_string());
        shown.push_str(&format!("{id} {:?} {:?}\n", step.name, step.changes));
    }
    hex::encode(sha256([shown.as_bytes()]))
}
