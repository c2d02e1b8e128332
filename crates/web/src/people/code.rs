//! The second step of signing in: the code of a device, or a recovery code.

use askama::Template;
use axum::extract::State;
use http::StatusCode;

use crate::layout::error::PageResult;
use crate::layout::form::Form;
use crate::layout::{Layout, local_path, render_with};
use crate::people::sign_in::{KeepsCookies, SignInOrigin, SignInPage, signed_in};
use crate::people::welcome::count_failure;
use crate::session::RequestContext;
use crate::state::{CODE_LIMIT, WebState};
use actions::people::SignInError;
use store::budgets::Budget;
use store::log_store_failure;

/// What asks for the code.
#[derive(Template)]
#[template(path = "people/code.html")]
pub struct CodePage {
    layout: Layout,
    /// Says that the password was shown.
    token: String,
    next: String,
    mistake: Option<String>,
}

impl CodePage {
    /// The page for somebody who has shown their password.
    pub fn new(context: &RequestContext, token: &str, next: &str) -> Self {
        Self {
            layout: Layout::open("Sign in", context),
            token: token.to_owned(),
            next: next.to_owned(),
            mistake: None,
        }
    }
}

/// `POST /sign-in/code`
pub async fn sign_in(
    State(state): State<WebState>,
    _: KeepsCookies,
    origin: SignInOrigin,
    context: RequestContext,
    form: Form,
) -> PageResult {
    let next = local_path(form.text("next"), "/").to_owned();
    let mut page = CodePage::new(&context, form.text("token"), &next);
    let Some(user) = state.actions.second_step_user(&page.token).await? else {
        count_failure(&state, &origin)?;
        let mistake = "The password was shown too long ago. Sign in again.";
        let page = SignInPage::refused(&state, &context, "/".to_owned(), mistake.to_owned());
        return Ok(page.answer(StatusCode::UNAUTHORIZED));
    };
    // Whoever comes here knows the password: nobody else can close the account by wrong codes.
    let budget = vec![Budget::new("code", &user.id.to_string(), CODE_LIMIT)];
    if let Some(wait) = state.store.budgets.spend(budget.clone(), context.now).await? {
        let seconds = wait.as_millis().div_ceil(1000);
        page.mistake = Some(format!("Too many wrong codes. Try again in {seconds} seconds."));
        return Ok(render_with(StatusCode::TOO_MANY_REQUESTS, &page));
    }
    match state
        .actions
        .sign_in_with_code(&user, form.text("code"), origin.of())
        .await
    {
        Ok(tokens) => {
            let given_back = state.store.budgets.give_back(budget, context.now);
            if let Err(error) = given_back.await {
                log_store_failure!(error, "a right code counts as a wrong one");
            }
            Ok(signed_in(&state, &tokens, &next))
        }
        Err(SignInError::Refused) => {
            tracing::warn!(address = %origin.address, "a wrong code behind a right password");
            page.mistake = Some("This code is wrong, or was used already. Wait for the next one.".to_owned());
            Ok(render_with(StatusCode::UNAUTHORIZED, &page))
        }
        Err(SignInError::Failed(error)) => Err(error.into()),
    }
}
