//! Whom pages and forms admit. These tests walk the list of all routes, so that no form can be added that they miss.

use std::collections::BTreeSet;

use model::access::Role;
use web::{PageVerb, RoutePolicy, routes};

use super::sample::{Sample, reported};
use crate::support::page_client::{Page, PageClient, SAME_ORIGIN};

const NOTHING: [String; 0] = [];

/// A page or a form.
struct Route {
    verb: PageVerb,
    path: &'static str,
    door: RoutePolicy,
}

fn routes_that(are_wanted: impl Fn(&Route) -> bool) -> Vec<Route> {
    let routes = routes::all().into_iter().map(|route| Route {
        verb: route.verb,
        path: route.path,
        door: route.policy,
    });
    routes.filter(are_wanted).collect()
}

/// Whether a door is for people with a session. Those for holders of a link have tests of their own.
fn is_closed(door: RoutePolicy) -> bool {
    match door {
        RoutePolicy::Public | RoutePolicy::ReceiverLink => false,
        RoutePolicy::SignedIn | RoutePolicy::Requires(_) => true,
    }
}

fn closed_forms() -> Vec<Route> {
    routes_that(|route| route.verb == PageVerb::Post && is_closed(route.door))
}

fn closed_pages() -> Vec<Route> {
    routes_that(|route| route.verb == PageVerb::Get && is_closed(route.door))
}

/// Pages or forms that a role lacks the right for.
fn beyond(role: Role, verb: PageVerb) -> Vec<Route> {
    let is_beyond = |door| matches!(door, RoutePolicy::Requires(scope) if !role.scopes().contains(scope));
    routes_that(|route| route.verb == verb && is_beyond(route.door))
}

fn paths(routes: &[Route]) -> BTreeSet<&str> {
    routes.iter().map(|route| route.path).collect()
}

/// The essence of an answer: its status, and why it was refused or where it leads.
fn essence(page: &Page) -> String {
    let reason = [page.error_code(), page.location()].concat();
    let reason = reason.split('?').next().unwrap_or_default();
    format!("{} {reason}", page.status)
}

/// Asks every route, and says which answered otherwise than expected, and what.
async fn answered_unlike(
    expected: &str,
    sample: &Sample,
    routes: Vec<Route>,
    ask: impl AsyncFn(String) -> Page,
) -> Vec<String> {
    troubles(sample, routes, |page| essence(page) != expected, ask).await
}

/// Asks every route, and says which answers mean trouble.
async fn troubles(
    sample: &Sample,
    routes: Vec<Route>,
    is_trouble: impl Fn(&Page) -> bool,
    ask: impl AsyncFn(String) -> Page,
) -> Vec<String> {
    assert!(!routes.is_empty(), "nothing would be tested");
    let mut troubles = Vec::new();
    for route in routes {
        let page = ask(sample.address(route.path)).await;
        troubles.extend(reported(
            is_trouble(&page),
            format!("{}: {}", route.path, essence(&page)),
        ));
    }
    troubles
}

#[test]
fn only_these_forms_and_pages_are_open_to_everybody() {
    let open = |verb| routes_that(|route| route.verb == verb && route.door == RoutePolicy::Public);
    assert_eq!(
        paths(&open(PageVerb::Post)),
        BTreeSet::from([
            "/act/{webhook}/{token}",
            "/appearance",
            "/forgot",
            "/docs/events",
            "/setup",
            "/sign-in",
            "/sign-in/code",
            "/sign-in/passkey",
            "/sign-in/passkey/options",
            "/welcome"
        ])
    );
    assert_eq!(
        paths(&open(PageVerb::Get)),
        BTreeSet::from([
            "/act/{webhook}/{token}",
            "/assets/{version}/{name}",
            "/badges/{file}",
            "/docs",
            "/docs/errors",
            "/docs/events",
            "/docs/events/{file}",
            "/docs/{*path}",
            "/forgot",
            "/receiver/open/{token}",
            "/setup",
            "/sign-in",
            "/sign-in/oidc",
            "/sign-in/oidc/callback",
            "/wall",
            "/wall/live",
            "/welcome"
        ])
    );
    assert_eq!(paths(&open(PageVerb::Any)), BTreeSet::from(["/in/{id}"]));
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_sign_in_page() {
    let sample = Sample::start().await;
    let nobody = PageClient::new(&sample.app.base());
    let ask = async |path: String| nobody.get(&path).await;
    let unlike = answered_unlike("303 /sign-in", &sample, closed_pages(), ask).await;
    assert_eq!(unlike, NOTHING);
}

#[tokio::test]
async fn without_a_session_no_form_does_anything() {
    let sample = Sample::start().await;
    let nobody = PageClient::new(&sample.app.base());
    let before = sample.everything().await;
    let ask = async |path: String| nobody.submit(&path, &[]).await;
    let unlike = answered_unlike("303 /sign-in", &sample, closed_forms(), ask).await;
    assert_eq!(unlike, NOTHING);
    assert_eq!(sample.everything().await, before);
}

#[tokio::test]
async fn every_form_without_its_token_is_refused() {
    let sample = Sample::start().await;
    let admin = sample.admin().await;
    let before = sample.everything().await;
    let ask = async |path: String| admin.post(&path, &[], &[SAME_ORIGIN]).await;
    let unlike = answered_unlike("403 stale_form", &sample, closed_forms(), ask).await;
    assert_eq!(unlike, NOTHING);
    assert_eq!(sample.everything().await, before);
}

#[tokio::test]
async fn every_form_with_the_token_of_another_session_is_refused() {
    let sample = Sample::start().await;
    let (admin, other) = (sample.admin().await, sample.admin().await);
    let before = sample.everything().await;
    let fields = [("csrf", other.csrf())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let ask = async |path: String| admin.post(&path, &fields, &[SAME_ORIGIN]).await;
    let unlike = answered_unlike("403 stale_form", &sample, closed_forms(), ask).await;
    assert_eq!(unlike, NOTHING);
    assert_eq!(sample.everything().await, before);
}

#[tokio::test]
async fn every_form_that_another_site_sends_is_refused_even_with_its_token() {
    let sample = Sample::start().await;
    let admin = sample.admin().await;
    let before = sample.everything().await;
    let csrf = admin.csrf();
    let from = async |path: String, header: (&'static str, &'static str)| {
        admin.post(&path, &[("csrf", csrf.as_str())], &[header]).await
    };
    let cross_site = async |path| from(path, ("sec-fetch-site", "cross-site")).await;
    let same_site = async |path| from(path, ("sec-fetch-site", "same-site")).await;
    let foreign = async |path| from(path, ("origin", "https://evil.example")).await;
    let hidden = async |path| from(path, ("origin", "null")).await;
    let forms =
        || routes_that(|route| route.verb == PageVerb::Post && route.door != RoutePolicy::ReceiverLink);
    let refused = "403 foreign_form";
    assert_eq!(
        answered_unlike(refused, &sample, forms(), cross_site).await,
        NOTHING
    );
    assert_eq!(
        answered_unlike(refused, &sample, forms(), same_site).await,
        NOTHING
    );
    assert_eq!(answered_unlike(refused, &sample, forms(), foreign).await, NOTHING);
    assert_eq!(answered_unlike(refused, &sample, forms(), hidden).await, NOTHING);
    assert_eq!(sample.everything().await, before);
}

#[tokio::test]
async fn a_viewer_is_refused_every_form_and_page_that_needs_a_right() {
    let sample = Sample::start().await;
    refuses_what_is_beyond(Role::Viewer, &sample).await;
}

#[tokio::test]
async fn a_responder_is_refused_what_only_administrators_may() {
    let sample = Sample::start().await;
    refuses_what_is_beyond(Role::Responder, &sample).await;
}

async fn refuses_what_is_beyond(role: Role, sample: &Sample) {
    let person = sample.person(role).await;
    let before = sample.everything().await;
    let send = async |path: String| person.submit(&path, &[]).await;
    let look = async |path: String| person.get(&path).await;
    let forms = beyond(role, PageVerb::Post);
    let pages = beyond(role, PageVerb::Get);
    assert_eq!(
        answered_unlike("403 forbidden", sample, forms, send).await,
        NOTHING
    );
    assert_eq!(
        answered_unlike("403 forbidden", sample, pages, look).await,
        NOTHING
    );
    assert_eq!(sample.everything().await, before);
}

#[tokio::test]
async fn looking_at_pages_changes_nothing_even_if_another_site_asks_for_them() {
    let sample = Sample::start().await;
    let admin = sample.admin().await;
    let before = sample.everything().await;
    let look = async |path: &str| {
        admin.get_with(path, &[("sec-fetch-site", "cross-site")]).await;
        Vec::new()
    };
    sample.on_every_page(look).await;
    assert_eq!(sample.everything().await, before);
}

#[tokio::test]
async fn an_empty_form_never_breaks_the_server_and_never_shuts_an_administrator_out() {
    let sample = Sample::start().await;
    let send = async |path: String| {
        // Anew every time: some of these forms end sessions.
        sample.admin().await.submit(&path, &[]).await
    };
    let is_trouble = |page: &Page| page.status == 403 || page.status >= 500;
    assert_eq!(troubles(&sample, closed_forms(), is_trouble, send).await, NOTHING);
}
