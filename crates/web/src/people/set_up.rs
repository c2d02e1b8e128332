//! Set-up: the one-time link of a new installation makes its first administrator.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};

use crate::layout::error::{FieldErrors, PageResult};
use crate::layout::form::Form;
use crate::layout::query::Query;
use crate::layout::{Layout, render, render_refused};
use crate::people::sign_in::{KeepsCookies, SignInOrigin, signed_in};
use crate::people::welcome::count_failure;
use crate::session::RequestContext;
use crate::state::WebState;
use actions::ActionError;
use actions::people::{FirstAdmin, NewPassword};

#[derive(Template)]
#[template(path = "people/set_up.html")]
struct SetUpPage {
    layout: Layout,
    token: String,
    name: String,
    email: String,
    errors: FieldErrors,
    mistake: Option<String>,
}

/// `GET /setup`
pub async fn page(State(state): State<WebState>, context: RequestContext, query: Query) -> PageResult {
    if !state.actions.needs_first_admin().await? {
        return Ok(Redirect::to("/sign-in").into_response());
    }
    render(&SetUpPage {
        layout: Layout::open("Set up", &context),
        token: query.text("token").to_owned(),
        name: String::new(),
        email: String::new(),
        errors: FieldErrors::default(),
        mistake: None,
    })
}

/// `POST /setup`
pub async fn create(
    State(state): State<WebState>,
    _: KeepsCookies,
    origin: SignInOrigin,
    context: RequestContext,
    form: Form,
) -> PageResult {
    let draft = FirstAdmin {
        name: form.text("name").to_owned(),
        email: form.text("email").to_owned(),
        password: NewPassword {
            password: form.raw("password").to_owned(),
            again: form.raw("passwordAgain").to_owned(),
        },
    };
    let mut page = SetUpPage {
        layout: Layout::open("Set up", &context),
        token: form.text("token").to_owned(),
        name: draft.name.clone(),
        email: draft.email.clone(),
        errors: FieldErrors::default(),
        mistake: None,
    };
    let made = state
        .actions
        .create_first_admin(&state.setup, &page.token, draft)
        .await;
    match made {
        Ok(user) => {
            let tokens = state.actions.begin_session(&user, origin.of()).await?;
            Ok(signed_in(&state, &tokens, "/"))
        }
        Err(ActionError::SetupRefused) => {
            count_failure(&state, &origin)?;
            let advice = "This link does not work. Use the one that the server printed at its last start.";
            page.mistake = Some(advice.to_owned());
            render_refused(&page)
        }
        Err(error) => {
            page.errors = FieldErrors::of(error)?;
            render_refused(&page)
        }
    }
}
