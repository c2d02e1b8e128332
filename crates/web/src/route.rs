//! One route of the pages: where it is, whom it admits, and the function behind it.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, any, on};

use crate::guard::{Rule, guard};
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
pub enum Door {
    /// Everybody.
    Open,
    /// Who is signed in.
    SignedIn,
    /// Who is signed in with a role that has this right.
    Right(Scope),
}

/// One route.
pub struct PageRoute {
    /// What it is for.
    pub verb: PageVerb,
    /// The path, with `{id}` where an id stands.
    pub path: &'static str,
    /// Whom it admits.
    pub door: Door,
    handler: MethodRouter<WebState>,
}

impl PageRoute {
    /// A page.
    pub fn page<H: Handler<T, WebState>, T: 'static>(path: &'static str, door: Door, handler: H) -> Self {
        Self {
            verb: PageVerb::Get,
            path,
            door,
            handler: on(MethodFilter::GET, handler),
        }
    }

    /// A form.
    pub fn form<H: Handler<T, WebState>, T: 'static>(path: &'static str, door: Door, handler: H) -> Self {
        Self {
            verb: PageVerb::Post,
            path,
            door,
            handler: on(MethodFilter::POST, handler),
        }
    }

    /// An address that takes any method from anybody: it must not act on a visitor's behalf.
    pub fn anything<H: Handler<T, WebState>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self {
            verb: PageVerb::Any,
            path,
            door: Door::Open,
            handler: any(handler),
        }
    }

    /// Adds the route to a router, behind its guard.
    pub fn add_to(self, router: Router<WebState>, state: &WebState) -> Router<WebState> {
        let rule = Rule {
            verb: self.verb,
            door: self.door,
        };
        let layer = from_fn_with_state((state.clone(), rule), guard);
        router.route(self.path, self.handler.layer(layer))
    }
}
