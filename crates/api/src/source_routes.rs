//! The routes of alert sources.

use crate::alert_sources::{
    self as sources, AlertQuery, AlertsView, RequestsView, SourceTestBody, SourceTestedView, SourceView,
};
use crate::body::Nothing;
use crate::problem::Code::{self, Conflict, InvalidFields, InvalidQuery, UnknownService};
use crate::route::Route;
use crate::route::Verb::{Delete, Get, Patch, Post};
use crate::services::PageQuery;
use actions::alert_sources::{SourceChange, SourceDraft};
use model::access::Scope;

/// Every one of them.
pub fn all() -> Vec<Route> {
    const ADMIN: Scope = Scope::Admin;
    const ALL: &str = "/api/v1/sources";
    const ONE: &str = "/api/v1/sources/{id}";
    const FAILS: &[Code] = &[InvalidFields, UnknownService, Conflict];
    vec![
        Route::new(Get, ALL, ADMIN, "List alert sources", sources::list)
            .asks::<PageQuery>()
            .lists::<SourceView<'_>>(),
        Route::new(Post, ALL, ADMIN, "Create an alert source", sources::create)
            .takes::<SourceDraft>()
            .fails(FAILS)
            .gives::<SourceView<'_>>(201),
        Route::new(Get, ONE, ADMIN, "See an alert source", sources::get).gives::<SourceView<'_>>(200),
        Route::new(Patch, ONE, ADMIN, "Change an alert source", sources::change)
            .takes::<SourceChange>()
            .fails(&[InvalidFields])
            .gives::<SourceView<'_>>(200),
        Route::new(
            Delete,
            ONE,
            ADMIN,
            "Delete an alert source; its incidents stay",
            sources::delete,
        )
        .gives_nothing(),
        Route::new(
            Post,
            "/api/v1/sources/{id}/rotate-key",
            ADMIN,
            "Give an alert source a new key; the one before ends at once",
            sources::rotate_key,
        )
        .may_take::<Nothing>()
        .gives::<SourceView<'_>>(200),
        Route::new(
            Post,
            "/api/v1/sources/{id}/test",
            ADMIN,
            "Have an alert source take a request as its sender makes one",
            sources::test,
        )
        .takes::<SourceTestBody>()
        .fails(&[Conflict])
        .gives::<SourceTestedView<'_>>(200),
        Route::new(
            Get,
            "/api/v1/sources/{id}/requests",
            ADMIN,
            "The latest requests of an alert source",
            sources::requests,
        )
        .gives::<RequestsView<'_>>(200),
        Route::new(
            Get,
            "/api/v1/sources/{id}/alerts",
            ADMIN,
            "The latest alerts of an alert source",
            sources::alerts,
        )
        .asks::<AlertQuery>()
        .fails(&[InvalidQuery])
        .gives::<AlertsView<'_>>(200),
    ]
}
