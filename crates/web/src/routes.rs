//! Every page and every form, in one list: the router is made of it, and the tests walk it.

use crate::route::{PageRoute, RoutePolicy};
use crate::{
    account, act, api_docs, api_keys, assets, audit, dashboard, dead, deliveries, delivery, error_codes,
    escalation_policies, inbox, inbox_receiver, inboxes, incident, incident_new, incident_tickets, incidents,
    integrations, live, message, services, set_up, sign_in, system, users, wall, webhook, webhook_form,
    webhook_new, welcome,
};
use model::access::Scope;

/// Every route of the pages.
pub fn all() -> Vec<PageRoute> {
    [
        entrance(),
        incident_pages(),
        catalog_pages(),
        delivery_pages(),
        webhook_pages(),
        inbox_pages(),
        settings_pages(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const INCIDENTS: RoutePolicy = RoutePolicy::Requires(Scope::IncidentsWrite);
const CATALOG: RoutePolicy = RoutePolicy::Requires(Scope::CatalogWrite);
const WEBHOOKS: RoutePolicy = RoutePolicy::Requires(Scope::WebhooksWrite);
const TEST: RoutePolicy = RoutePolicy::Requires(Scope::WebhooksTest);
const REPLAY: RoutePolicy = RoutePolicy::Requires(Scope::DeliveriesReplay);
const ADMIN: RoutePolicy = RoutePolicy::Requires(Scope::Admin);

fn entrance() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/setup", RoutePolicy::Public, set_up::page),
        Route::form("/setup", RoutePolicy::Public, set_up::create),
        Route::page("/sign-in", RoutePolicy::Public, sign_in::page),
        Route::form("/sign-in", RoutePolicy::Public, sign_in::sign_in),
        Route::form("/sign-out", RoutePolicy::SignedIn, sign_in::sign_out),
        Route::page("/welcome", RoutePolicy::Public, welcome::page),
        Route::form("/welcome", RoutePolicy::Public, welcome::set_password),
        Route::form("/appearance", RoutePolicy::Public, account::set_appearance),
        Route::page("/account", RoutePolicy::SignedIn, account::page),
        Route::form(
            "/account/password",
            RoutePolicy::SignedIn,
            account::change_password,
        ),
        Route::form(
            "/account/sessions/{id}/end",
            RoutePolicy::SignedIn,
            account::end_session,
        ),
        Route::page("/assets/{version}/{name}", RoutePolicy::Public, assets::file),
        Route::page("/live", RoutePolicy::SignedIn, live::stream),
        Route::page("/act/{webhook}/{token}", RoutePolicy::Public, act::page),
        Route::form("/act/{webhook}/{token}", RoutePolicy::Public, act::act),
        Route::page("/wall", RoutePolicy::Public, wall::page),
        Route::page("/wall/live", RoutePolicy::Public, wall::stream),
    ]
}

fn incident_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/", RoutePolicy::SignedIn, dashboard::page),
        Route::page("/incidents", RoutePolicy::SignedIn, incidents::page),
        Route::page("/incidents/new", INCIDENTS, incident_new::page),
        Route::form("/incidents/new", INCIDENTS, incident_new::trigger),
        Route::page("/incidents/{id}", RoutePolicy::SignedIn, incident::page),
        Route::form("/incidents/{id}/acknowledge", INCIDENTS, incident::acknowledge),
        Route::form("/incidents/{id}/resolve", INCIDENTS, incident::resolve),
        Route::form("/incidents/{id}/escalate", INCIDENTS, incident::escalate),
        Route::form("/incidents/{id}/reopen", INCIDENTS, incident::reopen),
        Route::form("/incidents/{id}/assign", INCIDENTS, incident::assign),
        Route::form("/incidents/{id}/edit", INCIDENTS, incident::edit),
        Route::form("/incidents/{id}/tickets", INCIDENTS, incident_tickets::add),
        Route::form(
            "/incidents/{id}/tickets/{webhook}/unlink",
            INCIDENTS,
            incident_tickets::unlink,
        ),
        Route::form(
            "/incidents/{id}/tickets/{webhook}/sync",
            INCIDENTS,
            incident_tickets::sync,
        ),
    ]
}

fn catalog_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/services", RoutePolicy::SignedIn, services::page),
        Route::form("/services", CATALOG, services::create),
        Route::page("/services/{id}", RoutePolicy::SignedIn, services::one),
        Route::form("/services/{id}", CATALOG, services::change),
        Route::form("/services/{id}/delete", CATALOG, services::delete),
        Route::page("/users", RoutePolicy::SignedIn, users::page),
        Route::form("/users", CATALOG, users::create),
        Route::page("/users/{id}", RoutePolicy::SignedIn, users::one),
        Route::form("/users/{id}", CATALOG, users::change),
        Route::form("/users/{id}/delete", CATALOG, users::delete),
        Route::form("/users/{id}/sign-in-link", ADMIN, users::create_link),
        Route::form("/users/{id}/sessions/end", ADMIN, users::end_sessions),
        Route::page(
            "/escalation-policies",
            RoutePolicy::SignedIn,
            escalation_policies::page,
        ),
        Route::form("/escalation-policies", CATALOG, escalation_policies::create),
        Route::page(
            "/escalation-policies/{id}",
            RoutePolicy::SignedIn,
            escalation_policies::one,
        ),
        Route::form("/escalation-policies/{id}", CATALOG, escalation_policies::change),
        Route::form(
            "/escalation-policies/{id}/delete",
            CATALOG,
            escalation_policies::delete,
        ),
    ]
}

fn delivery_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/deliveries", RoutePolicy::SignedIn, deliveries::page),
        Route::page("/deliveries/{id}", RoutePolicy::SignedIn, delivery::page),
        Route::form("/deliveries/{id}/replay", REPLAY, delivery::replay),
        Route::form("/deliveries/{id}/retry-now", REPLAY, delivery::retry_now),
        Route::form("/deliveries/{id}/give-up", REPLAY, delivery::give_up),
        Route::page("/dead", RoutePolicy::SignedIn, dead::page),
        Route::form("/dead/replay", REPLAY, dead::replay),
    ]
}

fn webhook_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page(
            "/settings/integrations",
            RoutePolicy::SignedIn,
            integrations::page,
        ),
        Route::page("/settings/integrations/new", WEBHOOKS, webhook_new::choose_kind),
        Route::page("/settings/integrations/new/{kind}", WEBHOOKS, webhook_new::page),
        Route::form("/settings/integrations/new/{kind}", WEBHOOKS, webhook_new::create),
        Route::form(
            "/settings/integrations/check-filter",
            WEBHOOKS,
            webhook_form::check_filter,
        ),
        Route::form(
            "/settings/integrations/preview/{kind}",
            WEBHOOKS,
            message::preview,
        ),
        Route::page(
            "/settings/integrations/{id}",
            RoutePolicy::SignedIn,
            webhook::page,
        ),
        Route::page("/settings/integrations/{id}/edit", WEBHOOKS, webhook_form::page),
        Route::form("/settings/integrations/{id}/edit", WEBHOOKS, webhook_form::change),
        Route::form("/settings/integrations/{id}/test", TEST, webhook::send_test),
        Route::form("/settings/integrations/{id}/check", TEST, webhook::check),
        Route::form(
            "/settings/integrations/{id}/rotate-secret",
            WEBHOOKS,
            webhook::rotate_secret,
        ),
        Route::form("/settings/integrations/{id}/enable", WEBHOOKS, webhook::enable),
        Route::form("/settings/integrations/{id}/disable", WEBHOOKS, webhook::disable),
        Route::form("/settings/integrations/{id}/recover", REPLAY, webhook::recover),
        Route::form("/settings/integrations/{id}/delete", WEBHOOKS, webhook::delete),
    ]
}

fn inbox_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/settings/inbox", RoutePolicy::SignedIn, inboxes::page),
        Route::form("/settings/inbox", WEBHOOKS, inboxes::create),
        Route::page("/settings/inbox/{id}", WEBHOOKS, inbox::page),
        Route::form("/settings/inbox/{id}/answer", WEBHOOKS, inbox::set_answer),
        Route::form("/settings/inbox/{id}/secret", WEBHOOKS, inbox::set_secret),
        Route::form("/settings/inbox/{id}/clear", WEBHOOKS, inbox::clear),
        Route::form("/settings/inbox/{id}/delete", WEBHOOKS, inbox::delete),
        Route::form("/settings/inbox/{id}/use", WEBHOOKS, inbox::use_as_webhook),
        Route::anything("/in/{id}", inbox_receiver::receive),
    ]
}

fn settings_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/settings/api-keys", ADMIN, api_keys::page),
        Route::form("/settings/api-keys", ADMIN, api_keys::create),
        Route::form("/settings/api-keys/{id}/revoke", ADMIN, api_keys::revoke),
        Route::page("/settings/audit-log", ADMIN, audit::page),
        Route::page("/settings/system", RoutePolicy::SignedIn, system::page),
        Route::form("/settings/system/check", ADMIN, system::check),
        Route::form("/settings/system/backup", ADMIN, system::back_up),
        Route::page("/docs/api", RoutePolicy::SignedIn, api_docs::page),
        Route::page("/docs/schemas", RoutePolicy::SignedIn, api_docs::schemas),
        Route::page("/docs/errors", RoutePolicy::Public, error_codes::page),
    ]
}
