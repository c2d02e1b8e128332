//! One's own passkeys: added in two steps, since the browser's answer needs a question first, and taken away.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::layout::error::{FieldErrors, PageError, PageResult};
use crate::layout::form::Form;
use crate::layout::show::{self, Markup, sentence_case};
use crate::layout::{Layout, Nav, go, render, render_refused};
use crate::session::UserSession;
use crate::state::{ACCOUNT_LIMIT, WebState};
use actions::ActionError;
use model::id::PasskeyId;
use passkeys::{Attestation, RelyingParty};
use store::budgets::Budget;

/// What is said of a form that holds no answer of a browser.
const NO_ANSWER: &str = "no answer of an authenticator came along; passkeys take a browser that runs scripts";

/// A passkey as its person sees it.
struct PasskeyRow {
    id: PasskeyId,
    name: String,
    created: Markup,
    used: Markup,
}

/// Whether somebody can add a passkey.
enum Standing {
    /// They can, on pages of this origin.
    May { origin: String },
    /// They cannot, and why.
    MayNot { why: String },
}

#[derive(Template)]
#[template(path = "people/passkeys.html")]
struct PasskeysPage {
    layout: Layout,
    standing: Standing,
    passkeys: Vec<PasskeyRow>,
    name: String,
    errors: FieldErrors,
}

impl PasskeysPage {
    async fn load(
        state: &WebState,
        session: &UserSession,
        name: &str,
        errors: FieldErrors,
    ) -> Result<Self, PageError> {
        let now = session.context.now;
        let passkeys = state.store.passkeys.list(session.user.id).await?.into_iter();
        let may = state.actions.may_use_passkeys(&session.user).await?;
        let standing = match &state.passkeys {
            Err(why) => Standing::MayNot {
                why: format!("Passkeys do not work here. {}.", sentence_case(&why.to_string())),
            },
            Ok(_) if !may => Standing::MayNot {
                why: "A passkey stands in for a password, and you sign in with none here: the provider that you sign in by may have passkeys.".into(),
            },
            Ok(party) => Standing::May {
                origin: party.origin().to_owned(),
            },
        };
        Ok(Self {
            layout: Layout::new(session, "Passkeys", Nav::Nowhere),
            standing,
            passkeys: passkeys
                .map(|passkey| PasskeyRow {
                    id: passkey.id,
                    name: passkey.name,
                    created: show::when(passkey.created_at, now),
                    used: show::when_or_dash(passkey.last_used_at, now),
                })
                .collect(),
            name: name.to_owned(),
            errors,
        })
    }
}

/// The server as authenticators know it; not found if there are no passkeys for it.
pub fn party(state: &WebState) -> Result<&RelyingParty, PageError> {
    state.passkeys.as_ref().map_err(|_| PageError::not_found("page"))
}

/// What a script hands to the browser, as an answer.
pub fn options(options: &Value) -> Response {
    script_answer(StatusCode::OK, &json!({"publicKey": options}))
}

/// What a script says to its person instead.
pub fn mistake(status: StatusCode, sentence: &str) -> Response {
    script_answer(status, &json!({"mistake": sentence}))
}

fn script_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// `GET /account/passkeys`
pub async fn page(State(state): State<WebState>, session: UserSession) -> PageResult {
    render(&PasskeysPage::load(&state, &session, "", FieldErrors::default()).await?)
}

/// `POST /account/passkeys/options`: what the browser is asked, for the script of the page.
pub async fn begin(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    let party = party(&state)?;
    if !spend(&state, &session).await? {
        let sentence = "Too many attempts to change how you sign in. Try again in a minute.";
        return Ok(mistake(StatusCode::TOO_MANY_REQUESTS, sentence));
    }
    let who = (&session.user, session.session.id);
    let present = form.raw("present").to_owned();
    let asked = state
        .actions
        .new_passkey_options(party, who, form.text("name"), present);
    match asked.await {
        Ok(asked) => Ok(options(&asked)),
        Err(ActionError::Invalid(errors)) => {
            let details: Vec<_> = errors.iter().map(|error| error.detail.as_str()).collect();
            let sentence = sentence_case(&details.join("; "));
            Ok(mistake(StatusCode::UNPROCESSABLE_ENTITY, &sentence))
        }
        Err(ActionError::Conflict(sentence)) => Ok(mistake(StatusCode::CONFLICT, &sentence_case(&sentence))),
        Err(error) => Err(error.into()),
    }
}

/// `POST /account/passkeys`: what the browser has answered.
pub async fn create(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    let party = party(&state)?;
    let (name, who) = (form.text("name"), (&session.user, session.session.id));
    let errors = match Attestation::read(|field| form.text(field)) {
        Some(given) if form.has("attestation") => {
            match state.actions.add_passkey(party, who, name, &given).await {
                Ok(()) => return go("/account/passkeys", "passkey-added"),
                Err(ActionError::Taken { .. }) => FieldErrors::one("passkey", "this passkey is here already"),
                Err(error) => FieldErrors::of(error)?,
            }
        }
        Some(_) | None => FieldErrors::one("passkey", NO_ANSWER),
    };
    render_refused(&PasskeysPage::load(&state, &session, name, errors).await?)
}

/// `POST /account/passkeys/delete`
pub async fn delete(State(state): State<WebState>, session: UserSession, form: Form) -> PageResult {
    if !spend(&state, &session).await? {
        return Err(PageError::too_many("too many attempts to change how you sign in"));
    }
    let id = form.text("passkey").parse();
    let id = id.map_err(|_| PageError::bad_request("choose a passkey"))?;
    let present = form.raw("present").to_owned();
    match state.actions.remove_passkey(&session.user, id, present).await {
        Ok(()) => go("/account/passkeys", "passkey-removed"),
        Err(error) => {
            let errors = FieldErrors::of(error)?;
            render_refused(&PasskeysPage::load(&state, &session, "", errors).await?)
        }
    }
}

/// Both forms take the password: whoever has only a session cannot guess it here.
async fn spend(state: &WebState, session: &UserSession) -> Result<bool, PageError> {
    let budget = Budget::new("present password", &session.user.id.to_string(), ACCOUNT_LIMIT);
    let spent = state.store.budgets.spend(vec![budget], session.context.now);
    Ok(spent.await?.is_none())
}
