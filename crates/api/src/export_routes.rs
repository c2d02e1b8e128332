//! The routes of [`super::exports`], a part of the one list in [`super::routes`].

use crate::events::NDJSON;
use crate::exports::{
    self, AttemptExportQuery, CSV, DeliveryExportQuery, EventExportQuery, IncidentExportQuery, PARQUET,
};
use crate::problem::Code::TooManyExports;
use crate::route::Route;
use crate::route::Verb::Get;
use model::access::Scope;

/// Every route of exports.
pub fn all() -> Vec<Route> {
    let export = |route: Route| {
        let route = route.filtered().fails(&[TooManyExports]);
        route.gives_text(NDJSON).gives_text(CSV).gives_text(PARQUET)
    };
    vec![
        export(
            Route::new(
                Get,
                "/api/v1/export/incidents",
                Scope::IncidentsRead,
                "Export incidents",
                exports::incidents,
            )
            .asks::<IncidentExportQuery>(),
        ),
        export(
            Route::new(
                Get,
                "/api/v1/export/events",
                Scope::EventsRead,
                "Export events",
                exports::events,
            )
            .asks::<EventExportQuery>(),
        ),
        export(
            Route::new(
                Get,
                "/api/v1/export/deliveries",
                Scope::DeliveriesRead,
                "Export deliveries",
                exports::deliveries,
            )
            .asks::<DeliveryExportQuery>(),
        ),
        export(
            Route::new(
                Get,
                "/api/v1/export/attempts",
                Scope::DeliveriesRead,
                "Export attempts; secrets are masked",
                exports::attempts,
            )
            .asks::<AttemptExportQuery>(),
        ),
    ]
}
