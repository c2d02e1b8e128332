//! A forgotten password: a link by mail, if the server sends mail. The answer is the same whoever has the address.

use askama::Template;
use axum::extract::State;

use crate::layout::error::{PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::{Layout, render};
use crate::people::sign_in::SignInOrigin;
use crate::session::RequestContext;
use crate::state::WebState;
use store::budgets::Budget;

#[derive(Template)]
#[template(path = "people/forgot.html")]
struct ForgotPage {
    layout: Layout,
    is_asked: bool,
}

/// `GET /forgot`
pub async fn page(State(state): State<WebState>, context: RequestContext) -> PageResult {
    expect_mail(&state)?;
    render(&ForgotPage {
        layout: Layout::open("Forgotten password", &context),
        is_asked: false,
    })
}

/// `POST /forgot`
pub async fn ask(
    State(state): State<WebState>,
    origin: SignInOrigin,
    context: RequestContext,
    form: Form,
) -> PageResult {
    expect_mail(&state)?;
    let network = origin.address.network().to_string();
    let budget = Budget::new("network", &network, state.settings.failure_limit);
    if state
        .store
        .budgets
        .spend(vec![budget], context.now)
        .await?
        .is_some()
    {
        return Err(PageError::too_many(
            "too many links were asked for from this address",
        ));
    }
    state.actions.forgot_password(form.text("email").to_owned());
    render(&ForgotPage {
        layout: Layout::open("Forgotten password", &context),
        is_asked: true,
    })
}

fn expect_mail(state: &WebState) -> Result<(), PageError> {
    match state.actions.sends_mail() {
        true => Ok(()),
        false => Err(PageError::not_found("page")),
    }
}
