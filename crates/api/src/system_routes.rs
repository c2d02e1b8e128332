//! The routes of [`super::system`] and of what programs that watch the server ask, a part of the one list in [`super::routes`].

use crate::body::Nothing;
use crate::events::NDJSON;
use crate::guard::Access;
use crate::health::HealthView;
use crate::problem::Code::{AlreadyExists, Conflict, DeepCheckRuns, InvalidFields};
use crate::route::Route;
use crate::route::Verb::{Get, Post};
use crate::system::{BackupBody, LossView, RekeyedView, SystemQuery, SystemView};
use crate::{health, metrics, system, system_check};
use model::access::Scope;

/// Every route of the installation.
pub fn all() -> Vec<Route> {
    let mut routes = state_and_care();
    routes.extend(watching_routes());
    routes
}

fn state_and_care() -> Vec<Route> {
    const READ: Scope = Scope::SystemRead;
    const ADMIN: Scope = Scope::Admin;
    vec![
        Route::new(
            Get,
            "/api/v1/system",
            READ,
            "The state of the installation",
            system::get,
        )
        .asks::<SystemQuery>()
        .fails(&[DeepCheckRuns])
        .gives::<SystemView>(200),
        Route::new(
            Get,
            "/api/v1/system/check",
            READ,
            "The deep check, as lines",
            system_check::check,
        )
        .fails(&[DeepCheckRuns])
        .gives_text(NDJSON),
        Route::new(
            Post,
            "/api/v1/system/backup",
            ADMIN,
            "Write a backup",
            system::back_up,
        )
        .takes::<BackupBody>()
        .fails(&[InvalidFields, AlreadyExists, Conflict])
        .gives::<BackupBody>(201),
        Route::new(
            Post,
            "/api/v1/system/accept-loss",
            ADMIN,
            "Take what the database lacks of its high-water mark for known",
            system::accept_loss,
        )
        .may_take::<Nothing>()
        .gives::<LossView>(200),
        Route::new(
            Post,
            "/api/v1/system/rekey",
            ADMIN,
            "Seal every secret anew",
            system::rekey,
        )
        .may_take::<Nothing>()
        .gives::<RekeyedView>(200),
    ]
}

/// What programs that watch the server ask.
fn watching_routes() -> Vec<Route> {
    const READ: Scope = Scope::SystemRead;
    vec![
        Route::new(
            Get,
            "/api/v1/openapi.json",
            READ,
            "This document",
            health::openapi,
        )
        .open_to(Access::Open)
        .gives::<serde_json::Value>(200),
        Route::new(Get, "/healthz", READ, "Whether the server lives", health::healthz)
            .open_to(Access::Open)
            .gives::<HealthView>(200),
        Route::new(
            Get,
            "/readyz",
            READ,
            "Whether the server is ready",
            health::readyz,
        )
        .open_to(Access::Open)
        .gives::<HealthView>(200)
        .gives::<HealthView>(503),
        Route::new(Get, "/metrics", READ, "Metrics for Prometheus", metrics::metrics)
            .open_to(Access::Metrics(READ))
            .gives_text(metrics::TEXT)
            .gives_text(metrics::OPEN_METRICS),
    ]
}
