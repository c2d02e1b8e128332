//! One's own second factor: set up, with recovery codes that are shown once, and taken away.

use askama::Template;
use axum::extract::State;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::show::Markup;
use crate::layout::{Layout, Nav, go, render, render_refused};
use crate::session::UserSession;
use crate::state::{ACCOUNT_LIMIT, WebState};
use actions::ActionError;
use askama::filters::Safe;
use model::second_factor::TotpSecret;
use store::budgets::Budget;

/// The side of the picture of a code, in pixels.
const QR_SIDE: u32 = 200;

/// Where somebody stands with their second factor.
enum Standing {
    /// They sign in by the provider only, whose matter it is.
    NoPassword,
    /// They have none: the secret of a new one, in groups of four, as it is, and as a picture.
    Without {
        groups: String,
        secret: String,
        picture: Markup,
    },
    /// They have one, with so many recovery codes left.
    With(u32),
    /// They have one now: the recovery codes, shown once.
    New(Vec<String>),
}

#[derive(Template)]
#[template(path = "people/second_factor.html")]
struct SecondFactorPage {
    layout: Layout,
    standing: Standing,
    errors: FieldErrors,
}

impl SecondFactorPage {
    /// The page; `secret` is one that was shown before.
    async fn load(
        state: &WebState,
        session: &UserSession,
        secret: Option<TotpSecret>,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let id = session.user.id;
        let record = state.store.sign_in.find_by_id(id).await?;
        let factor = state.store.second_factors.get(id).await?;
        let standing = match (record.password, factor) {
            (_, Some(factor)) => Standing::With(factor.recovery_codes),
            (None, None) => Standing::NoPassword,
            (Some(_), None) => {
                let secret = secret.unwrap_or_else(|| state.actions.new_totp_secret());
                Standing::without(&secret, session.user.email.as_deref().unwrap_or_default())?
            }
        };
        Ok(Self {
            layout: Layout::new(session, "Second factor", Nav::Nowhere),
            standing,
            errors,
        })
    }
}

impl Standing {
    fn without(secret: &TotpSecret, account: &str) -> Result<Self, PageError> {
        let code = QrCode::with_error_correction_level(secret.to_uri(account).reveal(), EcLevel::M);
        let code = code.map_err(|_| PageError::internal("a QR code cannot be made"))?;
        let picture = code
            .render::<svg::Color<'_>>()
            .min_dimensions(QR_SIDE, QR_SIDE)
            .build();
        // The picture follows from our own text alone; a page holds it without the head of a file.
        let (_, picture) = picture.split_once("<svg").unwrap_or_default();
        let text = secret.to_text();
        let letters: Vec<char> = text.reveal().chars().collect();
        let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
        Ok(Self::Without {
            groups: groups.join(" "),
            secret: text.reveal().to_owned(),
            picture: Safe(format!("<svg aria-hidden=\"true\"{picture}")),
        })
    }
}

/// `GET /account/second-factor`
pub async fn page(State(state): State<WebState>, session: UserSession) -> PageResult {
    render(&SecondFactorPage::load(&state, &session, None, FieldErrors::default()).await?)
}

/// `POST /account/second-factor`: the answer shows the recovery codes, once.
pub async fn create(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    spend(&state, &session).await?;
    let present = form.raw("present").to_owned();
    let (secret, code) = (form.text("secret"), form.text("code"));
    let made = state
        .actions
        .add_second_factor(&session.user, present, secret, code);
    match made.await {
        Ok(codes) => render(&SecondFactorPage {
            layout: Layout::new(&session, "Second factor", Nav::Nowhere),
            standing: Standing::New(codes.iter().map(|code| code.reveal().to_owned()).collect()),
            errors: FieldErrors::default(),
        }),
        Err(error) => refuse(&state, &session, TotpSecret::parse(secret), error).await,
    }
}

/// `POST /account/second-factor/delete`
pub async fn delete(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    spend(&state, &session).await?;
    let present = form.raw("present").to_owned();
    match state.actions.remove_second_factor(&session.user, present).await {
        Ok(()) => go("/account", "second-factor-removed"),
        Err(error) => refuse(&state, &session, None, error).await,
    }
}

async fn refuse(
    state: &WebState,
    session: &UserSession,
    secret: Option<TotpSecret>,
    error: ActionError,
) -> PageResult {
    let errors = FieldErrors::of(error)?;
    render_refused(&SecondFactorPage::load(state, session, secret, errors).await?)
}

/// Both forms take the password: whoever has only a session cannot guess it here.
async fn spend(state: &WebState, session: &UserSession) -> Result<(), PageError> {
    let budget = Budget::new("present password", &session.user.id.to_string(), ACCOUNT_LIMIT);
    let spent = state.store.budgets.spend(vec![budget], session.context.now);
    match spent.await? {
        Some(_) => Err(PageError::too_many("too many attempts to change how you sign in")),
        None => Ok(()),
    }
}
