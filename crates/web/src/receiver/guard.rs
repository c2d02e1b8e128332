//! Who holds a link to a receiver's page: the guard of those routes. A link opens one webhook, until it ends or is revoked; it is
//! looked up anew for each request, and no session of a person counts here.

use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::REFERRER_POLICY;
use http::request::Parts;
use http::{HeaderName, HeaderValue};

use crate::form_nonce::{self, FORM_NONCE_FIELD};
use crate::guard::{check_link_site, look_of, read_form, use_up_nonce};
use crate::layout::Layout;
use crate::layout::error::PageError;
use crate::layout::error_page::error_page;
use crate::layout::form::{CSRF_FIELD, MAX_OPEN_FORM_BYTES};
use crate::people::sign_in::SignInOrigin;
use crate::people::welcome::count_failure;
use crate::route::PageVerb;
use crate::session::{RECEIVER_COOKIE, RequestContext, cookie, csrf_token, is_csrf_token};
use crate::state::WebState;
use model::receiver_link::ReceiverLink;

/// Tells search engines to leave a page alone.
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
/// The parameter of routes that names a link.
const LINK_PARAMETER: &str = "link";

/// Somebody who holds a link.
#[derive(Debug, Clone)]
pub struct LinkHolder {
    pub link: ReceiverLink,
    /// The token that every form of theirs carries.
    csrf: String,
    pub context: RequestContext,
}

impl LinkHolder {
    /// The layout of their pages.
    pub fn layout(&self, title: impl Into<String>) -> Layout {
        let mut layout = Layout::open(title, &self.context);
        layout.csrf.clone_from(&self.csrf);
        layout
    }

    /// Where their pages lie.
    pub fn path(&self) -> String {
        format!("/receiver/{}", self.link.id)
    }
}

impl<S: Sync> FromRequestParts<S> for LinkHolder {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        let holder = parts.extensions.get::<Self>().cloned();
        holder.ok_or_else(PageError::link_ended)
    }
}

/// Guards one route.
pub async fn guard(state: WebState, verb: PageVerb, request: Request, next: Next) -> Response {
    let context = look_of(&state, &request);
    let layout = Layout::open("", &context);
    let response = match admit(&state, verb, request, context).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let mut response = match response.extensions().get::<PageError>() {
        Some(error) => error_page(error, &layout),
        None => response,
    };
    keep_private(&mut response);
    response
}

/// Neither search engines nor the sites behind links hear of the page.
pub fn keep_private(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex, nofollow"));
}

async fn admit(
    state: &WebState,
    verb: PageVerb,
    request: Request,
    context: RequestContext,
) -> Result<Request, PageError> {
    let (mut parts, body) = request.into_parts();
    let (link, token) = find_link(state, &mut parts).await?;
    let csrf = csrf_token(&token);
    if verb == PageVerb::Post {
        check_link_site(state, &parts.headers)?;
        let form = read_form(&parts.headers, body, MAX_OPEN_FORM_BYTES).await?;
        if !is_csrf_token(form.raw(CSRF_FIELD), &csrf) {
            return Err(PageError::stale_form());
        }
        let nonce = form.text(FORM_NONCE_FIELD);
        use_up_nonce(state, &csrf, link.id.to_string(), nonce, context.now).await?;
        parts.extensions.insert(form);
    }
    let form_nonce = form_nonce::issue(&csrf, context.now, state.source.random());
    parts.extensions.insert(LinkHolder {
        link,
        csrf,
        context: RequestContext {
            form_nonce,
            ..context
        },
    });
    Ok(Request::from_parts(parts, axum::body::Body::empty()))
}

/// The link that the request's cookie opens, if it is the one that the path names, and its token.
async fn find_link(state: &WebState, parts: &mut Parts) -> Result<(ReceiverLink, String), PageError> {
    let origin = SignInOrigin::from_request_parts(parts, state).await?;
    let params = RawPathParams::from_request_parts(parts, state).await;
    let named = params.ok().and_then(|params| {
        let named = params.iter().find(|(name, _)| *name == LINK_PARAMETER);
        named.map(|(_, id)| id.to_owned())
    });
    let Some(token) = cookie(&parts.headers, RECEIVER_COOKIE).map(str::to_owned) else {
        return Err(PageError::link_ended());
    };
    let link = state.actions.use_receiver_link(&token).await?;
    match link.filter(|link| named.is_some_and(|named| named == link.id.to_string())) {
        Some(link) => Ok((link, token)),
        None => {
            count_failure(state, &origin)?;
            Err(PageError::link_ended())
        }
    }
}
