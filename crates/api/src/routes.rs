//! All routes, in one list: the router and the OpenAPI document are both made from it.

use crate::api_keys::{KeyView, SetupBody};
use crate::audit::{AuditQuery, AuditView};
use crate::body::Nothing;
use crate::deliveries::{DeliveryDetailView, DeliveryQuery, DeliveryView};
use crate::escalation_policies::PolicyView;
use crate::events::{FeedQuery, FeedView, NDJSON};
use crate::guard::Access;
use crate::insights::{InsightsQuery, InsightsView};
use crate::problem::Code::{
    self, AlreadyExists, Conflict, InUse, InvalidFields, NotWaiting, SetupRefused, StillOpen, TooManyStreams,
    UnknownPolicy, UnknownService, UnknownUser,
};
use crate::recovery::{RecoverBody, RecoveredView, SelectionBody, SelectionView};
use crate::route::Route;
use crate::route::Verb::{Delete, Get, Patch, Post, Put};
use crate::services::{PageQuery, ServiceView};
use crate::stream::StreamQuery;
use crate::stream_tokens::{StreamTokenBody, StreamTokenView};
use crate::users::{SignInLinkView, UserView};
use crate::webhook_view::WebhookView;
use crate::webhooks::{DisableBody, StatsQuery, StatsView, TestBody, WebhooksQuery};
use crate::{
    api_keys, audit, deliveries, escalation_policies, events, export_routes, incident_routes, insights,
    receiver_links, recovery, services, source_routes, stream, stream_tokens, system_routes, ticket_routes,
    users, webhooks,
};
use actions::access::KeyDraft;
use actions::catalog::{PolicyDraft, ServiceDraft, UserDraft};
use actions::webhooks::RotationDraft;
use actions::webhooks::draft::WebhookDraft;
use model::access::Scope;

/// Every route.
pub fn all() -> Vec<Route> {
    let groups = [
        incident_routes::all(),
        insight_routes(),
        ticket_routes::all(),
        receiver_links::all(),
        service_routes(),
        user_routes(),
        policy_routes(),
        webhook_routes(),
        webhook_action_routes(),
        source_routes::all(),
        delivery_routes(),
        event_routes(),
        export_routes::all(),
        access_routes(),
        system_routes::all(),
    ];
    groups.into_iter().flatten().collect()
}

fn insight_routes() -> Vec<Route> {
    let summary = "What was counted of incidents in a period";
    let route = Route::new(
        Get,
        "/api/v1/insights",
        Scope::IncidentsRead,
        summary,
        insights::get,
    );
    vec![
        route
            .filtered()
            .asks::<InsightsQuery>()
            .gives::<InsightsView>(200),
    ]
}

fn service_routes() -> Vec<Route> {
    const READ: Scope = Scope::IncidentsRead;
    const WRITE: Scope = Scope::CatalogWrite;
    const ALL: &str = "/api/v1/services";
    const ONE: &str = "/api/v1/services/{id}";
    const FAILS: &[Code] = &[InvalidFields, AlreadyExists, UnknownPolicy];
    let change = |route: Route| {
        let route = route.takes::<ServiceDraft>().fails(FAILS);
        route.gives::<ServiceView<'_>>(200)
    };
    vec![
        Route::new(Get, ALL, READ, "List services", services::list)
            .asks::<PageQuery>()
            .lists::<ServiceView<'_>>(),
        Route::new(Post, ALL, WRITE, "Create a service", services::create)
            .creates_by::<ServiceDraft>("NewService", &["name"])
            .fails(FAILS)
            .gives::<ServiceView<'_>>(201),
        Route::new(Get, ONE, READ, "See a service", services::get).gives::<ServiceView<'_>>(200),
        change(Route::new(
            Patch,
            ONE,
            WRITE,
            "Change a service",
            services::change,
        )),
        change(Route::new(Put, ONE, WRITE, "The same as PATCH", services::change)),
        Route::new(Delete, ONE, WRITE, "Delete a service", services::delete)
            .fails(&[InUse])
            .gives_nothing(),
    ]
}

fn user_routes() -> Vec<Route> {
    const READ: Scope = Scope::IncidentsRead;
    const WRITE: Scope = Scope::CatalogWrite;
    const ALL: &str = "/api/v1/users";
    const ONE: &str = "/api/v1/users/{id}";
    const FAILS: &[Code] = &[InvalidFields, AlreadyExists];
    let change = |route: Route| {
        let route = route.takes::<UserDraft>().fails(FAILS);
        route.gives::<UserView<'_>>(200)
    };
    vec![
        Route::new(Get, ALL, READ, "List users", users::list)
            .asks::<PageQuery>()
            .lists::<UserView<'_>>(),
        Route::new(Post, ALL, WRITE, "Create a user", users::create)
            .creates_by::<UserDraft>("NewUser", &["name"])
            .fails(FAILS)
            .gives::<UserView<'_>>(201),
        Route::new(Get, ONE, READ, "See a user", users::get).gives::<UserView<'_>>(200),
        change(Route::new(Patch, ONE, WRITE, "Change a user", users::change)),
        change(Route::new(Put, ONE, WRITE, "The same as PATCH", users::change)),
        Route::new(Delete, ONE, WRITE, "Delete a user", users::delete)
            .fails(&[InUse])
            .gives_nothing(),
        Route::new(
            Post,
            "/api/v1/users/{id}/sign-in-link",
            Scope::Admin,
            "Make a one-time link with which a user chooses a password; earlier links end",
            users::create_sign_in_link,
        )
        .may_take::<Nothing>()
        .fails(&[Conflict])
        .gives::<SignInLinkView>(201),
        Route::new(
            Delete,
            "/api/v1/users/{id}/second-factor",
            Scope::Admin,
            "Take a user's second factor away, as when they have lost it; nothing happens if there is none",
            users::delete_second_factor,
        )
        .gives_nothing(),
        Route::new(
            Delete,
            "/api/v1/users/{id}/passkeys",
            Scope::Admin,
            "Take all of a user's passkeys away, as when they have lost them; nothing happens if there are none",
            users::delete_passkeys,
        )
        .gives_nothing(),
    ]
}

fn policy_routes() -> Vec<Route> {
    use escalation_policies as policies;
    const READ: Scope = Scope::IncidentsRead;
    const WRITE: Scope = Scope::CatalogWrite;
    const ALL: &str = "/api/v1/escalation-policies";
    const ONE: &str = "/api/v1/escalation-policies/{id}";
    const FAILS: &[Code] = &[InvalidFields, AlreadyExists, UnknownUser];
    let change = |route: Route| {
        let route = route.takes::<PolicyDraft>().fails(FAILS);
        route.gives::<PolicyView<'_>>(200)
    };
    vec![
        Route::new(Get, ALL, READ, "List escalation policies", policies::list)
            .asks::<PageQuery>()
            .lists::<PolicyView<'_>>(),
        Route::new(Post, ALL, WRITE, "Create an escalation policy", policies::create)
            .creates_by::<PolicyDraft>("NewEscalationPolicy", &["name"])
            .fails(FAILS)
            .gives::<PolicyView<'_>>(201),
        Route::new(Get, ONE, READ, "See an escalation policy", policies::get).gives::<PolicyView<'_>>(200),
        change(Route::new(
            Patch,
            ONE,
            WRITE,
            "Change an escalation policy",
            policies::change,
        )),
        change(Route::new(Put, ONE, WRITE, "The same as PATCH", policies::change)),
        Route::new(
            Delete,
            ONE,
            WRITE,
            "Delete an escalation policy",
            policies::delete,
        )
        .fails(&[InUse])
        .gives_nothing(),
    ]
}

fn webhook_routes() -> Vec<Route> {
    const READ: Scope = Scope::WebhooksRead;
    const WRITE: Scope = Scope::WebhooksWrite;
    const ALL: &str = "/api/v1/webhooks";
    const ONE: &str = "/api/v1/webhooks/{id}";
    let change = |route: Route| {
        let route = route.takes::<WebhookDraft>();
        let route = route.fails(&[InvalidFields, UnknownService, Conflict]);
        route.gives::<WebhookView<'_>>(200)
    };
    vec![
        Route::new(Get, ALL, READ, "List webhooks", webhooks::list)
            .asks::<WebhooksQuery>()
            .lists::<WebhookView<'_>>(),
        Route::new(
            Post,
            ALL,
            WRITE,
            "Create a webhook; its secret is shown once",
            webhooks::create,
        )
        .creates_by::<WebhookDraft>("NewWebhook", &["name", "events"])
        .fails(&[Conflict, InvalidFields, UnknownService])
        .gives::<WebhookView<'_>>(201),
        Route::new(Get, ONE, READ, "See a webhook", webhooks::get).gives::<WebhookView<'_>>(200),
        change(Route::new(
            Patch,
            ONE,
            WRITE,
            "Change a webhook",
            webhooks::change,
        )),
        change(Route::new(Put, ONE, WRITE, "The same as PATCH", webhooks::change)),
        Route::new(Delete, ONE, WRITE, "Delete a webhook", webhooks::delete)
            .fails(&[Conflict])
            .gives_nothing(),
        Route::new(
            Get,
            "/api/v1/webhooks/{id}/stats",
            READ,
            "What a webhook did since a time",
            webhooks::stats,
        )
        .asks::<StatsQuery>()
        .gives::<StatsView>(200),
    ]
}

fn webhook_action_routes() -> Vec<Route> {
    const WRITE: Scope = Scope::WebhooksWrite;
    vec![
        Route::new(
            Post,
            "/api/v1/webhooks/{id}/test",
            Scope::WebhooksTest,
            "Send a test event, once, and see what comes of it",
            webhooks::test,
        )
        .may_take::<TestBody>()
        .fails(&[InvalidFields])
        .gives::<DeliveryDetailView<'_>>(200),
        Route::new(
            Post,
            "/api/v1/webhooks/{id}/rotate-secret",
            WRITE,
            "Give a webhook a new secret, shown once; the old one signs too for a while",
            webhooks::rotate_secret,
        )
        .may_take::<RotationDraft>()
        .fails(&[InvalidFields, Conflict])
        .gives::<WebhookView<'_>>(200),
        Route::new(
            Post,
            "/api/v1/webhooks/{id}/clone",
            WRITE,
            "Make a webhook like another one, disabled, with a secret of its own, shown once",
            webhooks::clone,
        )
        .may_take::<Nothing>()
        .gives::<WebhookView<'_>>(201),
        Route::new(
            Post,
            "/api/v1/webhooks/{id}/enable",
            WRITE,
            "Enable a webhook; what was held is sent",
            webhooks::enable,
        )
        .may_take::<Nothing>()
        .gives::<WebhookView<'_>>(200),
        Route::new(
            Post,
            "/api/v1/webhooks/{id}/disable",
            WRITE,
            "Disable a webhook",
            webhooks::disable,
        )
        .may_take::<DisableBody>()
        .fails(&[InvalidFields])
        .gives::<WebhookView<'_>>(200),
        Route::new(
            Post,
            "/api/v1/webhooks/{id}/recover",
            Scope::DeliveriesReplay,
            "Replay everything dead that was made in a period",
            recovery::recover,
        )
        .takes::<RecoverBody>()
        .fails(&[InvalidFields])
        .gives::<RecoveredView>(200),
    ]
}

fn delivery_routes() -> Vec<Route> {
    const READ: Scope = Scope::DeliveriesRead;
    const REPLAY: Scope = Scope::DeliveriesReplay;
    vec![
        Route::new(
            Get,
            "/api/v1/deliveries",
            READ,
            "List deliveries",
            deliveries::list,
        )
        .filtered()
        .asks::<DeliveryQuery>()
        .lists::<DeliveryView>(),
        Route::new(
            Get,
            "/api/v1/deliveries/{id}",
            READ,
            "See a delivery with every attempt",
            deliveries::get,
        )
        .filtered()
        .gives::<DeliveryDetailView<'_>>(200),
        Route::new(
            Post,
            "/api/v1/deliveries/{id}/replay",
            REPLAY,
            "Start a fresh schedule for a delivery",
            recovery::replay,
        )
        .may_take::<Nothing>()
        .fails(&[StillOpen, Conflict])
        .gives::<DeliveryView>(200),
        Route::new(
            Post,
            "/api/v1/deliveries/{id}/give-up",
            REPLAY,
            "Give up a delivery that waits or is held",
            recovery::give_up,
        )
        .may_take::<Nothing>()
        .fails(&[NotWaiting])
        .gives::<DeliveryView>(200),
        Route::new(
            Post,
            "/api/v1/deliveries/replay",
            REPLAY,
            "Start a fresh schedule for each of a selection",
            recovery::replay_selection,
        )
        .takes::<SelectionBody>()
        .fails(&[InvalidFields])
        .gives::<SelectionView>(200),
    ]
}

fn event_routes() -> Vec<Route> {
    const READ: Scope = Scope::EventsRead;
    vec![
        Route::new(
            Get,
            "/api/v1/events",
            READ,
            "Read the event feed, oldest first",
            events::list,
        )
        .filtered()
        .asks::<FeedQuery>()
        .gives::<FeedView>(200)
        .gives_text(NDJSON),
        Route::new(
            Get,
            "/api/v1/events/stream",
            READ,
            "Follow the event feed; resumes from Last-Event-ID without a gap",
            stream::stream,
        )
        .filtered()
        .takes_stream_tokens(READ)
        .asks::<StreamQuery>()
        .fails(&[TooManyStreams])
        .gives_text("text/event-stream"),
        Route::new(
            Post,
            "/api/v1/stream-tokens",
            READ,
            "Make a token for the stream, for browsers",
            stream_tokens::create,
        )
        .filtered()
        .not_kept()
        .may_take::<StreamTokenBody>()
        .fails(&[InvalidFields])
        .gives::<StreamTokenView<'_>>(201),
    ]
}

fn access_routes() -> Vec<Route> {
    const ADMIN: Scope = Scope::Admin;
    vec![
        Route::new(Get, "/api/v1/api-keys", ADMIN, "List API keys", api_keys::list)
            .asks::<PageQuery>()
            .lists::<KeyView<'_>>(),
        Route::new(
            Post,
            "/api/v1/api-keys",
            ADMIN,
            "Make an API key, shown once",
            api_keys::create,
        )
        .takes::<KeyDraft>()
        .fails(&[InvalidFields, UnknownService])
        .gives::<KeyView<'_>>(201),
        Route::new(
            Post,
            "/api/v1/api-keys/{id}/revoke",
            ADMIN,
            "Revoke an API key",
            api_keys::revoke,
        )
        .may_take::<Nothing>()
        .gives::<KeyView<'_>>(200),
        Route::new(
            Post,
            "/api/v1/setup",
            ADMIN,
            "Make the first API key with the set-up token",
            api_keys::set_up,
        )
        .open_to(Access::OwnToken)
        .takes::<SetupBody>()
        .fails(&[SetupRefused, InvalidFields])
        .gives::<KeyView<'_>>(201),
        Route::new(Get, "/api/v1/audit", ADMIN, "Read the audit log", audit::list)
            .asks::<AuditQuery>()
            .lists::<AuditView<'_>>(),
    ]
}
