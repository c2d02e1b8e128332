//! The routes of [`super::incidents`], a part of the one list in [`super::routes`].

use crate::body::Nothing;
use crate::incident_bulk::{self, BulkView};
use crate::incidents::{self, IncidentDetail, IncidentQuery, IncidentView, TimelineView};
use crate::problem::Code::{Conflict, InvalidFields, UnknownService, UnknownUser, WrongStatus};
use crate::route::Route;
use crate::route::Verb::{Get, Patch, Post, Put};
use actions::bulk::BulkChange;
use actions::incidents::{IncidentChange, IncidentDraft, NoteDraft};
use model::access::Scope;

/// Every route of incidents.
pub fn all() -> Vec<Route> {
    let mut routes = reading_and_editing();
    routes.extend(transitions());
    routes
}

fn reading_and_editing() -> Vec<Route> {
    const READ: Scope = Scope::IncidentsRead;
    const WRITE: Scope = Scope::IncidentsWrite;
    const ONE: &str = "/api/v1/incidents/{id}";
    let edit = |route: Route| {
        let route = route
            .takes::<IncidentChange>()
            .fails(&[InvalidFields, UnknownUser]);
        route.gives::<IncidentView<'_>>(200)
    };
    vec![
        Route::new(Get, "/api/v1/incidents", READ, "List incidents", incidents::list)
            .filtered()
            .asks::<IncidentQuery>()
            .lists::<IncidentView<'_>>(),
        Route::new(
            Post,
            "/api/v1/incidents",
            WRITE,
            "Trigger an incident",
            incidents::trigger,
        )
        .kept_by_store()
        .takes::<IncidentDraft>()
        .fails(&[InvalidFields, UnknownService, UnknownUser])
        .gives::<IncidentView<'_>>(201)
        .gives::<IncidentView<'_>>(200),
        Route::new(
            Get,
            ONE,
            READ,
            "See an incident with its timeline",
            incidents::get,
        )
        .filtered()
        .gives::<IncidentDetail<'_>>(200),
        edit(Route::new(
            Patch,
            ONE,
            WRITE,
            "Change what is no transition",
            incidents::edit,
        )),
        Route::new(
            Post,
            "/api/v1/incidents/{id}/notes",
            WRITE,
            "Write a note on its timeline",
            incidents::add_note,
        )
        .takes::<NoteDraft>()
        .fails(&[InvalidFields])
        .gives::<TimelineView<'_>>(201),
        edit(Route::new(Put, ONE, WRITE, "The same as PATCH", incidents::edit)),
    ]
}

fn transitions() -> Vec<Route> {
    const WRITE: Scope = Scope::IncidentsWrite;
    let transition = |route: Route| {
        let route = route.kept_by_store().may_take::<Nothing>().fails(&[WrongStatus]);
        route.gives::<IncidentView<'_>>(200)
    };
    vec![
        transition(Route::new(
            Post,
            "/api/v1/incidents/{id}/acknowledge",
            WRITE,
            "Take an incident",
            incidents::acknowledge,
        )),
        transition(Route::new(
            Post,
            "/api/v1/incidents/{id}/resolve",
            WRITE,
            "Close an incident",
            incidents::resolve,
        )),
        transition(Route::new(
            Post,
            "/api/v1/incidents/{id}/escalate",
            WRITE,
            "Call the next one of the escalation policy",
            incidents::escalate,
        )),
        transition(Route::new(
            Post,
            "/api/v1/incidents/{id}/reopen",
            WRITE,
            "Open a resolved incident again",
            incidents::reopen,
        ))
        .fails(&[Conflict]),
        Route::new(
            Post,
            "/api/v1/incidents/bulk",
            WRITE,
            "Acknowledge, resolve or assign many",
            incident_bulk::change,
        )
        .takes::<BulkChange>()
        .fails(&[InvalidFields, UnknownUser])
        .gives::<BulkView<'_>>(200),
    ]
}
