//! The routes of [`super::tickets`], a part of the one list in [`super::routes`].

use crate::body::Nothing;
use crate::problem::Code::{Conflict, InvalidFields, TicketSystem};
use crate::route::Route;
use crate::route::Verb::{Delete, Get, Post};
use crate::tickets::{self, CheckView, LinkView, LinksView, SyncView, TicketBody};
use model::access::Scope;

/// Every route of tickets.
pub fn all() -> Vec<Route> {
    const ALL: &str = "/api/v1/incidents/{id}/tickets";
    const WRITE: Scope = Scope::IncidentsWrite;
    vec![
        Route::new(
            Get,
            ALL,
            Scope::IncidentsRead,
            "List the tickets of an incident",
            tickets::list,
        )
        .gives::<LinksView<'_>>(200),
        Route::new(
            Post,
            ALL,
            WRITE,
            "Make a ticket for an incident, or link one that exists",
            tickets::add,
        )
        .takes::<TicketBody>()
        .fails(&[InvalidFields, Conflict, TicketSystem])
        .gives::<LinkView<'_>>(201),
        Route::new(
            Delete,
            "/api/v1/incidents/{id}/tickets/{webhook}",
            WRITE,
            "Unlink a ticket; it stays as it is",
            tickets::unlink,
        )
        .fails(&[Conflict])
        .gives_nothing(),
        Route::new(
            Post,
            "/api/v1/incidents/{id}/tickets/{webhook}/sync",
            WRITE,
            "Bring an incident and its ticket in line now",
            tickets::sync,
        )
        .may_take::<Nothing>()
        .fails(&[Conflict, TicketSystem])
        .gives::<SyncView<'_>>(200),
        Route::new(
            Post,
            "/api/v1/webhooks/{id}/check",
            Scope::WebhooksTest,
            "Say what is missing for a webhook that makes tickets",
            tickets::check,
        )
        .may_take::<Nothing>()
        .fails(&[Conflict])
        .gives::<CheckView>(200),
    ]
}
