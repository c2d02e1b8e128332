//! One route of the pages: where it is, whom it admits, and the function behind it.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, any, on};

use crate::guard::{GuardedRoute, guard};
use crate::state::WebState;
use model::access::Scope;

/// What a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageVerb {
    /// Shows something.
    Get,
    /// A form: does something.
    Post,
    /// Takes whatever comes, as it comes.
    Any,
}

/// Whom a route admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutePolicy {
    /// Everybody.
    Public,
    /// Who is signed in.
    SignedIn,
    /// Who is signed in with a role that has this right.
    Requires(Scope),
    /// Who holds a link to the receiver's page of a webhook.
    ReceiverLink,
}

/// One route.
pub struct PageRoute {
    /// What it is for.
    pub verb: PageVerb,
    /// The path, with `{id}` where an id stands.
    pub path: &'static str,
    /// Whom it admits.
    pub policy: RoutePolicy,
    handler: MethodRouter<WebState>,
}

impl PageRoute {
    /// A page.
    pub fn page<H: Handler<T, WebState>, T: 'static>(
        path: &'static str,
        policy: RoutePolicy,
        handler: H,
    ) -> Self {
        Self {
            verb: PageVerb::Get,
            path,
            policy,
            handler: on(MethodFilter::GET, handler),
        }
    }

    /// A form.
    pub fn form<H: Handler<T, WebState>, T: 'static>(
        path: &'static str,
        policy: RoutePolicy,
        handler: H,
    ) -> Self {
        Self {
            verb: PageVerb::Post,
            path,
            policy,
            handler: on(MethodFilter::POST, handler),
        }
    }

    /// An address that takes any method from anybody: it must not act on a session's behalf.
    pub fn anything<H: Handler<T, WebState>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self {
            verb: PageVerb::Any,
            path,
            policy: RoutePolicy::Public,
            handler: any(handler),
        }
    }

    /// Adds the route to a router, behind its guard.
    pub fn add_to(self, router: Router<WebState>, state: &WebState) -> Router<WebState> {
        let rule = GuardedRoute {
            verb: self.verb,
            policy: self.policy,
        };
        let layer = from_fn_with_state((state.clone(), rule), guard);
        router.route(self.path, self.handler.layer(layer))
    }
}
