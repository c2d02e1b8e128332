//! What happens around every page: who looks, may they, is a form really theirs; and the headers that keep pages safe.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERER, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method};

use crate::form_nonce::{self, FORM_NONCE_FIELD};
use crate::layout::Layout;
use crate::layout::error::PageError;
use crate::layout::error_page::error_page;
use crate::layout::form::{CSRF_FIELD, Form, MAX_FORM_BYTES, MAX_OPEN_FORM_BYTES};
use crate::receiver;
use crate::route::{PageVerb, RoutePolicy};
use crate::session::{
    RequestContext, Transport, UserSession, cookie, csrf_token, is_csrf_token, preferences, typed_key,
};
use crate::state::WebState;
use config::{base_path, without_base_path};
use model::access::KeyHash;
use model::session::SESSION_TOUCH_INTERVAL;
use model::time::Timestamp;

/// Scripts and styles come from our own files only, nothing is framed, forms go nowhere else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// Whether the browser says that a request comes from our own pages.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The longest path that a session is led back to after signing in, in bytes.
const MAX_NEXT_BYTES: usize = 500;

/// What the guard does for one route.
#[derive(Debug, Clone, Copy)]
pub struct GuardedRoute {
    /// What the route is for.
    pub verb: PageVerb,
    /// Whom it admits.
    pub policy: RoutePolicy,
}

/// Guards one route.
pub async fn guard(
    State((state, rule)): State<(WebState, GuardedRoute)>,
    request: Request,
    next: Next,
) -> Response {
    if rule.verb == PageVerb::Any {
        return next.run(request).await;
    }
    if rule.policy == RoutePolicy::ReceiverLink {
        return receiver::guard::guard(state, rule.verb, request, next).await;
    }
    let context = look_of(&state, &request);
    let session = match find_session(&state, request.headers(), &context).await {
        Ok(session) => session,
        Err(error) => return error_page(&error, &Layout::open("Something went wrong", &context)),
    };
    let context = session
        .as_ref()
        .map_or(context, |session| session.context.clone());
    let layout = layout_for(session.as_ref(), &context);
    let response = match authorize(&state, rule, request, context, session).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal,
    };
    // A page that failed is shown in the layout of the others.
    match response.extensions().get::<PageError>() {
        Some(error) => error_page(error, &layout),
        None => response,
    }
}

/// What stands around a page at an address that no route has: who is signed in keeps their menu.
pub async fn layout_without_route(state: &WebState, request: Request) -> Layout {
    let context = look_of(state, &request);
    let headers = request.into_parts().0.headers;
    let session = find_session(state, &headers, &context).await;
    layout_for(session.ok().flatten().as_ref(), &context)
}

fn layout_for(session: Option<&UserSession>, context: &RequestContext) -> Layout {
    match session {
        Some(session) => Layout::bare(session),
        None => Layout::open("", context),
    }
}

/// The request with all that its page needs to know, or what the session is told instead.
async fn authorize(
    state: &WebState,
    rule: GuardedRoute,
    request: Request,
    context: RequestContext,
    session: Option<UserSession>,
) -> Result<Request, Response> {
    match (rule.policy, &session) {
        (RoutePolicy::Public, _) | (RoutePolicy::SignedIn, Some(_)) => {}
        (RoutePolicy::SignedIn | RoutePolicy::Requires(_), None) => {
            return Err(to_sign_in(rule.verb, &context));
        }
        // Has a guard of its own.
        (RoutePolicy::ReceiverLink, _) => return Err(PageError::link_ended().into_response()),
        (RoutePolicy::Requires(scope), Some(session)) => {
            if !session.may(scope) {
                return Err(PageError::not_allowed(session.user.role).into_response());
            }
        }
    }
    let (mut parts, body) = request.into_parts();
    let mut body = body;
    if rule.verb == PageVerb::Post {
        check_site(state, &parts.headers).map_err(IntoResponse::into_response)?;
        let limit = match session {
            None => MAX_OPEN_FORM_BYTES,
            Some(_) => MAX_FORM_BYTES,
        };
        let form = read_form(&parts.headers, body, limit)
            .await
            .map_err(IntoResponse::into_response)?;
        body = Body::empty();
        if let Some(session) = &session
            && rule.policy != RoutePolicy::Public
            && !is_csrf_token(form.raw(CSRF_FIELD), &session.csrf)
        {
            return Err(PageError::stale_form().into_response());
        }
        // Nothing is kept of what somebody sends who is not signed in: their pages issue no such tokens.
        if let Some(session) = &session {
            let owner = session.session.id.to_string();
            let nonce = form.text(FORM_NONCE_FIELD);
            use_up_nonce(state, &session.csrf, owner, nonce, session.context.now)
                .await
                .map_err(IntoResponse::into_response)?;
        }
        parts.extensions.insert(form);
    }
    remember(&mut parts.extensions, context, session);
    Ok(Request::from_parts(parts, body))
}

/// Reads a form that is no larger than a limit, and is not packed.
pub async fn read_form(headers: &HeaderMap, body: Body, limit: usize) -> Result<Form, PageError> {
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return Err(PageError::packed_form());
    }
    Form::read(body, limit).await
}

/// Lets a form act that has not acted before, on whatever node. `csrf` is the token of the forms of its owner.
pub async fn use_up_nonce(
    state: &WebState,
    csrf: &str,
    owner: String,
    token: &str,
    now: Timestamp,
) -> Result<(), PageError> {
    if token.is_empty() {
        return Ok(());
    }
    if !form_nonce::is_valid(csrf, token, now) {
        return Err(PageError::old_form());
    }
    match state.store.receipts.use_up(owner, token.to_owned(), now).await? {
        true => Ok(()),
        false => Err(PageError::used_form()),
    }
}

fn remember(extensions: &mut Extensions, context: RequestContext, session: Option<UserSession>) {
    extensions.insert(context);
    if let Some(session) = session {
        extensions.insert(session);
    }
}

/// How a request's page shall look.
pub fn look_of(state: &WebState, request: &Request) -> RequestContext {
    let (theme, sidebar) = preferences(request.headers());
    let uri = request.uri();
    let did = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "did")
        .map(|(_, value)| value.into_owned());
    RequestContext {
        theme,
        sidebar,
        flash: did,
        now: state.source.now(),
        is_dev: state.settings.is_dev,
        target: match *request.method() {
            Method::GET | Method::HEAD => uri.path_and_query().map_or_else(String::new, ToString::to_string),
            _ => page_of_form(request.headers(), base_path(state.settings.public_url.as_ref())),
        },
        form_nonce: String::new(),
    }
}

/// Path and query of the page that a form stands on; the first page if the browser does not tell.
fn page_of_form(headers: &HeaderMap, base: &str) -> String {
    let text = headers.get(REFERER).and_then(|value| value.to_str().ok());
    let url = text.and_then(|text| url::Url::parse(text).ok());
    url.map_or_else(
        || "/".to_owned(),
        |url| without_base_path(&url[url::Position::BeforePath..url::Position::AfterQuery], base).to_owned(),
    )
}

/// Who the session cookie belongs to.
async fn find_session(
    state: &WebState,
    headers: &HeaderMap,
    context: &RequestContext,
) -> Result<Option<UserSession>, PageError> {
    let Some(token) = cookie(headers, transport(state).session_cookie()) else {
        return Ok(None);
    };
    let found = state
        .store
        .sessions
        .find(KeyHash::new(token), context.now)
        .await?;
    let Some((session, user)) = found else {
        return Ok(None);
    };
    if context.now.since(session.last_seen_at) >= SESSION_TOUCH_INTERVAL {
        state.store.sessions.touch(session.id, context.now).await?;
    }
    let csrf = csrf_token(token);
    let typed_key = typed_key(token);
    let form_nonce = form_nonce::issue(&csrf, context.now, state.source.random());
    Ok(Some(UserSession {
        user,
        session,
        csrf,
        typed_key,
        context: RequestContext {
            form_nonce,
            ..context.clone()
        },
    }))
}

/// How this server is reached.
pub fn transport(state: &WebState) -> Transport {
    let public_url = state.settings.public_url.as_ref();
    Transport {
        is_secure: public_url.is_some_and(|url| url.scheme() == "https"),
        base_path: base_path(public_url).to_owned(),
    }
}

/// Refuses forms that sign in, if the browser would drop the session's cookie. Browsers trust this machine without TLS.
pub fn check_keeps_cookies(state: &WebState, headers: &HeaderMap) -> Result<(), PageError> {
    let public = state
        .settings
        .public_url
        .as_ref()
        .filter(|url| url.scheme() == "https");
    let origin = headers.get(ORIGIN).and_then(|value| value.to_str().ok());
    let origin = origin.and_then(|origin| url::Url::parse(origin).ok());
    let is_plain = origin.is_some_and(|origin| origin.scheme() == "http" && !is_this_machine(&origin));
    match public {
        Some(public) if is_plain => Err(PageError::plain_http(public)),
        _ => Ok(()),
    }
}

fn is_this_machine(origin: &url::Url) -> bool {
    match origin.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The same for pages that send no referrer: over plain HTTP browsers then hide the origin of their own forms too, so that the
/// form's token alone must do.
pub fn check_link_site(state: &WebState, headers: &HeaderMap) -> Result<(), PageError> {
    let is_hidden = headers.get(ORIGIN).is_some_and(|origin| origin == "null");
    match is_hidden && !headers.contains_key(FETCH_SITE) {
        true => Ok(()),
        false => check_site(state, headers),
    }
}

/// Refuses forms that another site made the browser send. The form's token is checked besides.
fn check_site(state: &WebState, headers: &HeaderMap) -> Result<(), PageError> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(&FETCH_SITE) {
        return match site {
            "same-origin" | "none" => Ok(()),
            _ => Err(PageError::foreign_form()),
        };
    }
    let Some(origin) = text(&ORIGIN) else {
        return Ok(());
    };
    let public = state.settings.public_url.as_ref();
    let is_public = public.is_some_and(|url| url.origin().ascii_serialization() == origin);
    let is_asked =
        text(&HOST).is_some_and(|host| origin.split_once("://").is_some_and(|(_, name)| name == host));
    if is_public || is_asked {
        Ok(())
    } else {
        Err(PageError::foreign_form())
    }
}

/// Leads to the sign-in page, and back to a page that was asked for; a form cannot be sent again by itself.
fn to_sign_in(verb: PageVerb, context: &RequestContext) -> Response {
    match verb {
        PageVerb::Get if context.target.len() <= MAX_NEXT_BYTES && context.target != "/" => {
            let next: String = url::form_urlencoded::byte_serialize(context.target.as_bytes()).collect();
            Redirect::to(&format!("/sign-in?next={next}")).into_response()
        }
        PageVerb::Get | PageVerb::Any => Redirect::to("/sign-in").into_response(),
        PageVerb::Post => Redirect::to("/sign-in?did=session-ended").into_response(),
    }
}

/// Adds what keeps pages safe to every answer, unless it says otherwise itself.
pub async fn add_security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let defaults = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(value);
    }
    response
}
