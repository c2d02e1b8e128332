//! The one-time link that an administrator hands to somebody: choose a password, and be signed in.

use askama::Template;
use axum::extract::State;

use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::query::Query;
use crate::layout::{Layout, render, render_refused};
use crate::people::sign_in::{KeepsCookies, SignInOrigin, go_on};
use crate::session::RequestContext;
use crate::state::WebState;
use actions::people::{NewPassword, SignInError};

#[derive(Template)]
#[template(path = "people/welcome.html")]
struct WelcomePage {
    layout: Layout,
    token: String,
    /// Whose link it is; nothing if it does not work.
    name: Option<String>,
    errors: FieldErrors,
}

/// `GET /welcome`
pub async fn page(
    State(state): State<WebState>,
    origin: SignInOrigin,
    context: RequestContext,
    query: Query,
) -> PageResult {
    let token = query.text("token").to_owned();
    let user = state.actions.find_sign_in_link(&token).await?;
    if user.is_none() {
        count_failure(&state, &origin)?;
    }
    render(&WelcomePage {
        layout: Layout::open("Welcome", &context),
        token,
        name: user.map(|user| user.name),
        errors: FieldErrors::default(),
    })
}

/// `POST /welcome`
pub async fn set_password(
    State(state): State<WebState>,
    _: KeepsCookies,
    origin: SignInOrigin,
    context: RequestContext,
    form: Form,
) -> PageResult {
    let token = form.text("token").to_owned();
    let password = NewPassword {
        password: form.raw("password").to_owned(),
        again: form.raw("passwordAgain").to_owned(),
    };
    let mut page = WelcomePage {
        layout: Layout::open("Welcome", &context),
        token,
        name: None,
        errors: FieldErrors::default(),
    };
    let using = state.actions.use_sign_in_link(&page.token, password, origin.of());
    match using.await {
        Ok(proven) => go_on(&state, &context, proven, "/"),
        Err(SignInError::Refused) => {
            count_failure(&state, &origin)?;
            render_refused(&page)
        }
        Err(SignInError::Failed(error)) => {
            page.errors = FieldErrors::of(error)?;
            let user = state.actions.find_sign_in_link(&page.token).await?;
            page.name = user.map(|user| user.name);
            render_refused(&page)
        }
    }
}

/// Counts a link that does not work; refuses if its client tried too many. Links cannot be guessed, and one that works is
/// never refused for others that did not: looking one up costs little.
pub fn count_failure(state: &WebState, origin: &SignInOrigin) -> Result<(), PageError> {
    let now_ms = state.source.monotonic_millis();
    let limited = state.link_failures.take(origin.address.network(), now_ms);
    limited.map_err(|_| PageError::too_many("too many links were tried from this address"))
}
