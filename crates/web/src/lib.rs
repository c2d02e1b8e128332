//! The pages: HTML rendered on the server, forms that work without JavaScript, and a stream that says when to look
//! again. All routes stand in one list (`routes.rs`). Nothing here decides: actions do, and the store is only read.
//!
//! A page is a file in the folder of its subject, and a template of the same name in `templates/`. The guard (`guard.rs`) lets nobody through whom the list does
//! not admit, and no form without its token.

mod alert_sources;
mod deliveries;
mod events;
mod form_nonce;
mod guard;
mod inboxes;
mod incidents;
mod insights;
mod layout;
mod overview;
mod people;
mod receiver;
mod reference;
mod route;
pub mod routes;
mod session;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod webhooks;

use axum::Router;
use axum::middleware::from_fn;

pub use layout::export::PageExports;
pub use reference::try_api::ApiReads;
pub use route::{PageVerb, RoutePolicy};
pub use state::{SingleSignOn, WebParts, WebSettings, WebState};

/// The pages as a router, ready to be served with connect info (the client's address). What it does not know it answers
/// with a page that says so.
pub fn router(state: WebState) -> Router {
    let mut router = Router::new();
    for route in routes::all() {
        router = route.add_to(router, &state);
    }
    router
        .fallback(layout::not_found::page)
        .method_not_allowed_fallback(layout::not_found::wrong_method)
        .with_state(state)
        .layer(from_fn(guard::add_security_headers))
}
