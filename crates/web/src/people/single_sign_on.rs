//! Signing in by an OpenID provider: off to it, and back with an answer. What must come back to the same browser is made from
//! a secret in a cookie of its own, which lives for minutes; see `crates/oidc/src/flow.rs`.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use crate::guard::transport;
use crate::layout::error::{PageError, PageResult};
use crate::layout::query::Query;
use crate::layout::{Layout, Nav, go, local_path, render};
use crate::people::sign_in::{NetworkAttempt, SignInOrigin, SignInPage, signed_in, without_flow};
use crate::session::{Anybody, RequestContext, UserSession, cookie};
use crate::state::{SingleSignOn, WebState};
use actions::people::{AdmissionError, SignedIn};
use model::id::SessionId;
use model::identity::role_of;
use model::time::Timestamp;
use oidc::{Claims, OidcError, SignInFlow};

/// How long somebody may take at the provider.
const FLOW_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// The longest page that is led back to, in bytes; the first page if it is longer.
const MAX_NEXT_BYTES: usize = 500;
/// The longest reason of a provider that is shown, in characters.
const MAX_REASON_LENGTH: usize = 60;
/// Whose receipts say that an answer was used.
const RECEIPT_OWNER: &str = "single sign-on";

/// What somebody went to the provider for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    /// To sign in, and be led to this page.
    SignIn(String),
    /// To have the user of this session sign in so in future.
    Connect(SessionId),
}

/// A way to the provider that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Begun {
    secret: [u8; 32],
    at: Timestamp,
    purpose: Purpose,
}

impl Begun {
    /// What the flow's state is made for besides the secret: so none of it can be changed on the way.
    fn context(&self) -> String {
        let purpose = match &self.purpose {
            Purpose::SignIn(next) => format!("sign-in.{}", hex::encode(next)),
            Purpose::Connect(session) => format!("connect.{}", hex::encode(session.to_string())),
        };
        format!("{}.{purpose}", self.at.as_millis())
    }

    fn to_cookie(&self) -> String {
        format!("{}.{}", hex::encode(self.secret), self.context())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let mut secret = [0; 32];
        hex::decode_to_slice(parts.next()?, &mut secret).ok()?;
        let at = Timestamp::from_millis(parts.next()?.parse().ok()?);
        let purpose = parts.next()?;
        let about = String::from_utf8(hex::decode(parts.next()?).ok()?).ok()?;
        let purpose = match purpose {
            "sign-in" => Purpose::SignIn(local_path(&about, "/").to_owned()),
            "connect" => Purpose::Connect(about.parse().ok()?),
            _ => return None,
        };
        Some(Self { secret, at, purpose })
    }

    fn flow(&self) -> SignInFlow {
        SignInFlow::new(&self.secret, self.context().as_bytes())
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.at <= now && now.since(self.at) < FLOW_LIFETIME
    }
}

/// Why nobody was signed in: a status, and a sentence for them.
struct Refusal(StatusCode, String);

impl Refusal {
    fn unauthorized(sentence: impl Into<String>) -> Self {
        Self(StatusCode::UNAUTHORIZED, sentence.into())
    }
}

/// What came of an answer.
enum Finished {
    SignedIn(SignedIn, String),
    Connected,
}

#[derive(Template)]
#[template(path = "people/connect.html")]
struct ConnectPage {
    layout: Layout,
    name: String,
    /// Where the provider asks.
    address: String,
}

fn settings(state: &WebState) -> Result<&SingleSignOn, PageError> {
    let settings = state.single_sign_on.as_ref();
    settings.ok_or_else(|| PageError::not_found("page"))
}

/// `GET /sign-in/oidc`: off to the provider.
pub async fn begin(
    State(state): State<WebState>,
    Anybody(session): Anybody,
    context: RequestContext,
    query: Query,
) -> PageResult {
    settings(&state)?;
    let next = local_path(query.text("next"), "/");
    if session.is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    let next = if next.len() <= MAX_NEXT_BYTES { next } else { "/" };
    match leave(&state, Purpose::SignIn(next.to_owned())).await {
        Ok((address, cookie)) => {
            let onwards = [(LOCATION, address), (SET_COOKIE, cookie)];
            Ok((StatusCode::SEE_OTHER, onwards).into_response())
        }
        Err(error) => Ok(refused(&state, &context, explain(&error))),
    }
}

/// `POST /account/connect`: a page with the way to the provider, since forms lead to no other site.
pub async fn connect(State(state): State<WebState>, session: UserSession) -> PageResult {
    let name = settings(&state)?.name.clone();
    match leave(&state, Purpose::Connect(session.session.id)).await {
        Ok((address, cookie)) => {
            let page = render(&ConnectPage {
                layout: Layout::new(&session, "Connect", Nav::Nowhere),
                name,
                address,
            })?;
            Ok((AppendHeaders([(SET_COOKIE, cookie)]), page).into_response())
        }
        Err(error) => Err(PageError::provider_failed(explain(&error).1)),
    }
}

/// The provider's address for a new way there, and the cookie of the browser that goes it.
async fn leave(state: &WebState, purpose: Purpose) -> Result<(String, String), OidcError> {
    let begun = Begun {
        secret: state.source.random(),
        at: state.source.now(),
        purpose,
    };
    let Some(settings) = &state.single_sign_on else {
        return Err(OidcError::Unreachable("there is none".into()));
    };
    let address = settings.provider.authorization_url(&begun.flow()).await?;
    let cookie = transport(state).set_flow(&begun.to_cookie(), FLOW_LIFETIME.as_secs());
    Ok((address.into(), cookie))
}

/// `GET /sign-in/oidc/callback`: back from the provider.
pub async fn finish(
    State(state): State<WebState>,
    Anybody(session): Anybody,
    origin: SignInOrigin,
    context: RequestContext,
    headers: HeaderMap,
    query: Query,
) -> PageResult {
    let settings = settings(&state)?;
    let attempt = match NetworkAttempt::begin(&state, &origin).await? {
        Ok(attempt) => attempt,
        Err(sentence) => {
            let refusal = Refusal(StatusCode::TOO_MANY_REQUESTS, sentence);
            return Ok(refused(&state, &context, refusal));
        }
    };
    let given = Answer {
        begun: cookie(&headers, transport(&state).flow_cookie()).and_then(Begun::parse),
        query: &query,
        now: context.now,
    };
    match answered(&state, settings, &given, session, &origin).await? {
        Ok(finished) => {
            attempt.give_back(&state).await;
            let response = match finished {
                Finished::SignedIn(tokens, next) => signed_in(&state, &tokens, &next),
                Finished::Connected => go("/account", "connected")?,
            };
            Ok(without_flow(&state, response))
        }
        Err(refusal) => {
            tracing::info!(address = %origin.address, "a sign-in by the provider was refused");
            Ok(refused(&state, &context, refusal))
        }
    }
}

/// What came back, and to what.
struct Answer<'a> {
    begun: Option<Begun>,
    query: &'a Query,
    now: Timestamp,
}

/// Finishes what was begun, or says why not.
async fn answered(
    state: &WebState,
    settings: &SingleSignOn,
    answer: &Answer<'_>,
    session: Option<UserSession>,
    origin: &SignInOrigin,
) -> Result<Result<Finished, Refusal>, PageError> {
    let begun = answer.begun.as_ref().filter(|begun| begun.is_fresh(answer.now));
    let begun = begun.filter(|begun| begun.flow().is_state(answer.query.text("state")));
    let Some(begun) = begun else {
        let sentence = "This sign-in was begun in another browser, or too long ago. Begin again.";
        return Ok(Err(Refusal::unauthorized(sentence)));
    };
    let claims = match proven(settings, begun, answer.query).await {
        Ok(claims) => claims,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let receipts = &state.store.receipts;
    let state_text = begun.flow().state;
    if !receipts
        .use_up(RECEIPT_OWNER.to_owned(), state_text, answer.now)
        .await?
    {
        return Ok(Err(Refusal::unauthorized(
            "This sign-in was finished already. Begin again.",
        )));
    }
    match &begun.purpose {
        Purpose::SignIn(next) => admit(state, settings, &claims, next, origin).await,
        Purpose::Connect(id) => match session.filter(|session| session.session.id == *id) {
            Some(session) => {
                let identity = claims.person().identity;
                state.actions.connect_identity(&session.user, identity).await?;
                Ok(Ok(Finished::Connected))
            }
            None => Ok(Err(Refusal::unauthorized(
                "Your session has ended meanwhile. Sign in and connect again.",
            ))),
        },
    }
}

/// What the provider says of whoever is back, or why nothing is believed.
async fn proven(settings: &SingleSignOn, begun: &Begun, query: &Query) -> Result<Claims, Refusal> {
    let reason = query.text("error");
    if !reason.is_empty() {
        let is_plain = |character: &char| character.is_ascii_alphanumeric() || *character == '_';
        let reason: String = reason.chars().filter(is_plain).take(MAX_REASON_LENGTH).collect();
        let sentence = format!("The provider did not let you in ({reason}).");
        return Err(Refusal::unauthorized(sentence));
    }
    let issuer = Some(query.text("iss")).filter(|issuer| !issuer.is_empty());
    let flow = begun.flow();
    let redeemed = settings.provider.redeem(&flow, query.text("code"), issuer);
    redeemed.await.map_err(|error| explain(&error))
}

async fn admit(
    state: &WebState,
    settings: &SingleSignOn,
    claims: &Claims,
    next: &str,
    origin: &SignInOrigin,
) -> Result<Result<Finished, Refusal>, PageError> {
    let groups = claims.groups(&settings.groups_claim);
    let role = role_of(&groups, &settings.roles, settings.fallback_role);
    match state.actions.admit(claims.person(), role, origin.of()).await {
        Ok(tokens) => Ok(Ok(Finished::SignedIn(tokens, next.to_owned()))),
        Err(AdmissionError::NoRole) => Ok(Err(Refusal(
            StatusCode::FORBIDDEN,
            "You are known there, but none of your groups has a role here. Ask an administrator.".into(),
        ))),
        Err(AdmissionError::AddressTaken) => Ok(Err(Refusal(
            StatusCode::CONFLICT,
            format!(
                "A user here has your address, which proves nothing by itself. Sign in with their password and connect {} on \
                 the page Your account, or ask an administrator.",
                settings.name
            ),
        ))),
        Err(AdmissionError::Failed(error)) => Err(error.into()),
    }
}

/// What is told of a failure, after it was logged.
fn explain(error: &OidcError) -> Refusal {
    tracing::warn!(%error, "nobody could be signed in by the provider");
    match error {
        OidcError::Unreachable(_) => Refusal(
            StatusCode::BAD_GATEWAY,
            "The provider cannot be asked at this moment. The server's log says why.".into(),
        ),
        OidcError::NotBelieved(_) => Refusal::unauthorized(
            "The provider's answer is not believed. The server's log says why. Begin again.",
        ),
        OidcError::Busy => Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many people sign in at this moment. Begin again.".into(),
        ),
    }
}

/// The sign-in page with the reason; what was begun has ended.
fn refused(state: &WebState, context: &RequestContext, refusal: Refusal) -> Response {
    let Refusal(status, sentence) = refusal;
    let page = SignInPage::refused(state, context, "/".to_owned(), sentence);
    without_flow(state, page.answer(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(purpose: Purpose) -> Begun {
        Begun {
            secret: [7; 32],
            at: Timestamp::from_millis(1_000_000),
            purpose,
        }
    }

    #[test]
    fn what_was_begun_reads_back_and_nothing_of_it_can_be_changed() {
        let purposes = [
            Purpose::SignIn("/incidents?status=triggered&q=ü;".into()),
            Purpose::Connect(SessionId::from_bytes([1; 16])),
        ];
        for purpose in purposes {
            let begun = begun(purpose);
            let text = begun.to_cookie();
            assert!(
                text.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            );
            assert_eq!(Begun::parse(&text), Some(begun.clone()));
            let later = Begun::parse(&text.replace(".1000000.", ".1000001.")).unwrap();
            assert!(!later.flow().is_state(&begun.flow().state));
        }
        for text in ["", ".", "00.1.sign-in.", "x", &"0".repeat(64)] {
            assert_eq!(Begun::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_begun_ends_and_leads_nowhere_else() {
        let begun = begun(Purpose::SignIn("//evil.example".into()));
        let read = Begun::parse(&begun.to_cookie()).unwrap();
        assert_eq!(read.purpose, Purpose::SignIn("/".into()));
        assert!(begun.is_fresh(begun.at) && !begun.is_fresh(begun.at.plus(FLOW_LIFETIME)));
        assert!(!begun.is_fresh(begun.at.minus(Duration::from_millis(1))));
    }
}
