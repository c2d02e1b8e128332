//! The pages: HTML rendered on the server, forms that work without JavaScript, and a stream that says when to look
//! again. All routes stand in one list (`routes.rs`). Nothing here decides: actions do, and the store is only read.
//!
//! A page is a file here and a template of the same name. The guard (`guard.rs`) lets nobody through whom the list does
//! not admit, and no form without its token.

mod account;
mod act;
mod api_docs;
mod api_keys;
mod assets;
mod attempt;
mod audit;
mod chart;
mod dashboard;
mod dead;
mod deliveries;
mod delivery;
mod error;
mod error_codes;
mod escalation_policies;
mod form;
mod form_nonce;
mod guard;
mod inbox;
mod inbox_receiver;
mod inboxes;
mod incident;
mod incident_new;
mod incident_tickets;
mod incidents;
mod integrations;
mod layout;
mod live;
mod message;
mod not_found;
mod openapi;
mod openapi_schema;
mod paging;
mod query;
mod route;
pub mod routes;
mod services;
mod session;
mod set_up;
mod show;
mod sign_in;
mod signature_check;
mod snippets;
mod state;
mod system;
#[cfg(test)]
mod tests;
mod users;
mod wall;
mod webhook;
mod webhook_facts;
mod webhook_form;
mod webhook_new;
mod webhook_options;
mod welcome;

use axum::Router;
use axum::middleware::from_fn;

pub use route::{PageVerb, RoutePolicy};
pub use state::{WebParts, WebSettings, WebState};

/// The pages as a router, ready to be served with connect info (the client's address). What it does not know it answers
/// with a page that says so.
pub fn router(state: WebState) -> Router {
    let mut router = Router::new();
    for route in routes::all() {
        router = route.add_to(router, &state);
    }
    router
        .fallback(not_found::page)
        .method_not_allowed_fallback(not_found::wrong_method)
        .with_state(state)
        .layer(from_fn(guard::add_security_headers))
}
