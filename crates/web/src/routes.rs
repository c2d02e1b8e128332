//! Every page and every form, in one list: the router is made of it, and the tests walk it.

use crate::route::{Door, PageRoute};
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

const INCIDENTS: Door = Door::Right(Scope::IncidentsWrite);
const CATALOG: Door = Door::Right(Scope::CatalogWrite);
const WEBHOOKS: Door = Door::Right(Scope::WebhooksWrite);
const TEST: Door = Door::Right(Scope::WebhooksTest);
const REPLAY: Door = Door::Right(Scope::DeliveriesReplay);
const ADMIN: Door = Door::Right(Scope::Admin);

fn entrance() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/setup", Door::Open, set_up::page),
        Route::form("/setup", Door::Open, set_up::create),
        Route::page("/sign-in", Door::Open, sign_in::page),
        Route::form("/sign-in", Door::Open, sign_in::sign_in),
        Route::form("/sign-out", Door::SignedIn, sign_in::sign_out),
        Route::page("/welcome", Door::Open, welcome::page),
        Route::form("/welcome", Door::Open, welcome::set_password),
        Route::form("/appearance", Door::Open, account::set_appearance),
        Route::page("/account", Door::SignedIn, account::page),
        Route::form("/account/password", Door::SignedIn, account::change_password),
        Route::form("/account/sessions/{id}/end", Door::SignedIn, account::end_session),
        Route::page("/assets/{version}/{name}", Door::Open, assets::file),
        Route::page("/live", Door::SignedIn, live::stream),
        Route::page("/act/{webhook}/{token}", Door::Open, act::page),
        Route::form("/act/{webhook}/{token}", Door::Open, act::act),
        Route::page("/wall", Door::Open, wall::page),
        Route::page("/wall/live", Door::Open, wall::stream),
    ]
}

fn incident_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/", Door::SignedIn, dashboard::page),
        Route::page("/incidents", Door::SignedIn, incidents::page),
        Route::page("/incidents/new", INCIDENTS, incident_new::page),
        Route::form("/incidents/new", INCIDENTS, incident_new::trigger),
        Route::page("/incidents/{id}", Door::SignedIn, incident::page),
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
        Route::page("/services", Door::SignedIn, services::page),
        Route::form("/services", CATALOG, services::create),
        Route::page("/services/{id}", Door::SignedIn, services::one),
        Route::form("/services/{id}", CATALOG, services::change),
        Route::form("/services/{id}/delete", CATALOG, services::delete),
        Route::page("/users", Door::SignedIn, users::page),
        Route::form("/users", CATALOG, users::create),
        Route::page("/users/{id}", Door::SignedIn, users::one),
        Route::form("/users/{id}", CATALOG, users::change),
        Route::form("/users/{id}/delete", CATALOG, users::delete),
        Route::form("/users/{id}/sign-in-link", ADMIN, users::create_link),
        Route::form("/users/{id}/sessions/end", ADMIN, users::end_sessions),
        Route::page("/escalation-policies", Door::SignedIn, escalation_policies::page),
        Route::form("/escalation-policies", CATALOG, escalation_policies::create),
        Route::page(
            "/escalation-policies/{id}",
            Door::SignedIn,
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
        Route::page("/deliveries", Door::SignedIn, deliveries::page),
        Route::page("/deliveries/{id}", Door::SignedIn, delivery::page),
        Route::form("/deliveries/{id}/replay", REPLAY, delivery::replay),
        Route::form("/deliveries/{id}/retry-now", REPLAY, delivery::retry_now),
        Route::form("/deliveries/{id}/give-up", REPLAY, delivery::give_up),
        Route::page("/dead", Door::SignedIn, dead::page),
        Route::form("/dead/replay", REPLAY, dead::replay),
    ]
}

fn webhook_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/settings/integrations", Door::SignedIn, integrations::page),
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
        Route::page("/settings/integrations/{id}", Door::SignedIn, webhook::page),
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
        Route::page("/settings/inbox", Door::SignedIn, inboxes::page),
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
        Route::page("/settings/system", Door::SignedIn, system::page),
        Route::form("/settings/system/check", ADMIN, system::check),
        Route::form("/settings/system/backup", ADMIN, system::back_up),
        Route::page("/docs/api", Door::SignedIn, api_docs::page),
        Route::page("/docs/schemas", Door::SignedIn, api_docs::schemas),
        Route::page("/docs/errors", Door::Open, error_codes::page),
    ]
}
