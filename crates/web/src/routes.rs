//! Every page and every form, in one list: the router is made of it, and the tests walk it.

use crate::layout::{assets, export, live};
use crate::route::{PageRoute, RoutePolicy};
use crate::{
    alert_sources, deliveries, events, inboxes, incidents, insights, overview, people, receiver, reference,
    settings, webhooks,
};
use model::access::Scope;

/// Every route of the pages.
pub fn all() -> Vec<PageRoute> {
    [
        entrance(),
        account_pages(),
        incident_pages(),
        catalog_pages(),
        delivery_pages(),
        webhook_pages(),
        webhook_actions(),
        source_pages(),
        inbox_pages(),
        receiver_pages(),
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
        Route::page("/setup", RoutePolicy::Public, people::set_up::page),
        Route::form("/setup", RoutePolicy::Public, people::set_up::create),
        Route::page("/sign-in", RoutePolicy::Public, people::sign_in::page),
        Route::form("/sign-in", RoutePolicy::Public, people::sign_in::sign_in),
        Route::page("/forgot", RoutePolicy::Public, people::forgot::page),
        Route::form("/forgot", RoutePolicy::Public, people::forgot::ask),
        Route::form("/sign-in/code", RoutePolicy::Public, people::code::sign_in),
        Route::form(
            "/sign-in/passkey/options",
            RoutePolicy::Public,
            people::passkey_sign_in::begin,
        ),
        Route::form(
            "/sign-in/passkey",
            RoutePolicy::Public,
            people::passkey_sign_in::sign_in,
        ),
        Route::page(
            "/sign-in/oidc",
            RoutePolicy::Public,
            people::single_sign_on::begin,
        ),
        Route::page(
            "/sign-in/oidc/callback",
            RoutePolicy::Public,
            people::single_sign_on::finish,
        ),
        Route::form("/sign-out", RoutePolicy::SignedIn, people::sign_in::sign_out),
        Route::page("/welcome", RoutePolicy::Public, people::welcome::page),
        Route::form("/welcome", RoutePolicy::Public, people::welcome::set_password),
        Route::form(
            "/appearance",
            RoutePolicy::Public,
            people::account::set_appearance,
        ),
        Route::page("/assets/{version}/{name}", RoutePolicy::Public, assets::file),
        Route::page("/live", RoutePolicy::SignedIn, live::stream),
        Route::page(
            "/act/{webhook}/{token}",
            RoutePolicy::Public,
            incidents::act::page,
        ),
        Route::form("/act/{webhook}/{token}", RoutePolicy::Public, incidents::act::act),
        Route::page("/badges/{file}", RoutePolicy::Public, overview::badges::badge),
        Route::page("/wall", RoutePolicy::Public, overview::wall::page),
        Route::page("/wall/live", RoutePolicy::Public, overview::wall::stream),
    ]
}

fn account_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/account", RoutePolicy::SignedIn, people::account::page),
        Route::form(
            "/account/password",
            RoutePolicy::SignedIn,
            people::account::change_password,
        ),
        Route::page(
            "/account/second-factor",
            RoutePolicy::SignedIn,
            people::second_factor::page,
        ),
        Route::form(
            "/account/second-factor",
            RoutePolicy::SignedIn,
            people::second_factor::create,
        ),
        Route::form(
            "/account/second-factor/delete",
            RoutePolicy::SignedIn,
            people::second_factor::delete,
        ),
        Route::page("/account/passkeys", RoutePolicy::SignedIn, people::passkeys::page),
        Route::form(
            "/account/passkeys",
            RoutePolicy::SignedIn,
            people::passkeys::create,
        ),
        Route::form(
            "/account/passkeys/options",
            RoutePolicy::SignedIn,
            people::passkeys::begin,
        ),
        Route::form(
            "/account/passkeys/delete",
            RoutePolicy::SignedIn,
            people::passkeys::delete,
        ),
        Route::form(
            "/account/times",
            RoutePolicy::SignedIn,
            people::account::set_times,
        ),
        Route::form(
            "/account/connect",
            RoutePolicy::SignedIn,
            people::single_sign_on::connect,
        ),
        Route::form(
            "/account/sessions/{id}/end",
            RoutePolicy::SignedIn,
            people::account::end_session,
        ),
    ]
}

fn incident_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/", RoutePolicy::SignedIn, overview::dashboard::page),
        Route::page("/incidents", RoutePolicy::SignedIn, incidents::list::page),
        Route::page("/incidents/export", RoutePolicy::SignedIn, export::incidents),
        Route::page("/incidents/new", INCIDENTS, incidents::new::page),
        Route::form("/incidents/new", INCIDENTS, incidents::new::trigger),
        Route::form("/incidents/bulk", INCIDENTS, incidents::bulk::change),
        Route::page("/incidents/{id}", RoutePolicy::SignedIn, incidents::page::page),
        Route::form(
            "/incidents/{id}/acknowledge",
            INCIDENTS,
            incidents::page::acknowledge,
        ),
        Route::form("/incidents/{id}/resolve", INCIDENTS, incidents::page::resolve),
        Route::form("/incidents/{id}/escalate", INCIDENTS, incidents::page::escalate),
        Route::form("/incidents/{id}/reopen", INCIDENTS, incidents::page::reopen),
        Route::form("/incidents/{id}/assign", INCIDENTS, incidents::page::assign),
        Route::form("/incidents/{id}/edit", INCIDENTS, incidents::page::edit),
        Route::form("/incidents/{id}/notes", INCIDENTS, incidents::page::add_note),
        Route::form("/incidents/{id}/tickets", INCIDENTS, incidents::tickets::add),
        Route::form(
            "/incidents/{id}/tickets/{webhook}/unlink",
            INCIDENTS,
            incidents::tickets::unlink,
        ),
        Route::form(
            "/incidents/{id}/tickets/{webhook}/sync",
            INCIDENTS,
            incidents::tickets::sync,
        ),
    ]
}

fn catalog_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/services", RoutePolicy::SignedIn, settings::services::page),
        Route::form("/services", CATALOG, settings::services::create),
        Route::page("/services/{id}", RoutePolicy::SignedIn, settings::services::one),
        Route::form("/services/{id}", CATALOG, settings::services::change),
        Route::form("/services/{id}/delete", CATALOG, settings::services::delete),
        Route::page("/users", RoutePolicy::SignedIn, people::users::page),
        Route::form("/users", CATALOG, people::users::create),
        Route::page("/users/{id}", RoutePolicy::SignedIn, people::users::one),
        Route::form("/users/{id}", CATALOG, people::users::change),
        Route::form("/users/{id}/delete", CATALOG, people::users::delete),
        Route::form("/users/{id}/sign-in-link", ADMIN, people::users::create_link),
        Route::form(
            "/users/{id}/second-factor/delete",
            ADMIN,
            people::users::reset_second_factor,
        ),
        Route::form(
            "/users/{id}/passkeys/delete",
            ADMIN,
            people::users::reset_passkeys,
        ),
        Route::form("/users/{id}/disconnect", ADMIN, people::users::disconnect),
        Route::form("/users/{id}/invite", ADMIN, people::users::invite),
        Route::form("/users/{id}/sessions/end", ADMIN, people::users::end_sessions),
        Route::page(
            "/escalation-policies",
            RoutePolicy::SignedIn,
            settings::escalation_policies::page,
        ),
        Route::form(
            "/escalation-policies",
            CATALOG,
            settings::escalation_policies::create,
        ),
        Route::page(
            "/escalation-policies/{id}",
            RoutePolicy::SignedIn,
            settings::escalation_policies::one,
        ),
        Route::form(
            "/escalation-policies/{id}",
            CATALOG,
            settings::escalation_policies::change,
        ),
        Route::form(
            "/escalation-policies/{id}/delete",
            CATALOG,
            settings::escalation_policies::delete,
        ),
    ]
}

fn delivery_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/insights", RoutePolicy::SignedIn, insights::page::page),
        Route::page("/insights/{file}", RoutePolicy::SignedIn, insights::file::page),
        Route::page("/deliveries", RoutePolicy::SignedIn, deliveries::list::page),
        Route::page("/deliveries/export", RoutePolicy::SignedIn, export::deliveries),
        Route::page("/deliveries/{id}", RoutePolicy::SignedIn, deliveries::page::page),
        Route::form("/deliveries/{id}/replay", REPLAY, deliveries::page::replay),
        Route::form("/deliveries/{id}/retry-now", REPLAY, deliveries::page::retry_now),
        Route::form("/deliveries/{id}/give-up", REPLAY, deliveries::page::give_up),
        Route::page("/dead", RoutePolicy::SignedIn, deliveries::dead::page),
        Route::form("/dead/replay", REPLAY, deliveries::dead::replay),
    ]
}

fn webhook_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page(
            "/settings/integrations",
            RoutePolicy::SignedIn,
            webhooks::list::page,
        ),
        Route::page("/settings/integrations/new", WEBHOOKS, webhooks::new::choose_kind),
        Route::page("/settings/integrations/new/{kind}", WEBHOOKS, webhooks::new::page),
        Route::form(
            "/settings/integrations/new/{kind}",
            WEBHOOKS,
            webhooks::new::create,
        ),
        Route::page(
            "/settings/integrations/export",
            WEBHOOKS,
            webhooks::copies::export_all,
        ),
        Route::page("/settings/integrations/import", WEBHOOKS, webhooks::import::page),
        Route::form(
            "/settings/integrations/import",
            WEBHOOKS,
            webhooks::import::import,
        ),
        Route::form(
            "/settings/integrations/check-filter",
            WEBHOOKS,
            webhooks::form::check_filter,
        ),
        Route::form(
            "/settings/integrations/find-services",
            WEBHOOKS,
            webhooks::service_picker::find,
        ),
        Route::form(
            "/settings/integrations/preview/{kind}",
            WEBHOOKS,
            deliveries::message::preview,
        ),
        Route::page(
            "/settings/integrations/{id}",
            RoutePolicy::SignedIn,
            webhooks::page::page,
        ),
        Route::page("/settings/integrations/{id}/edit", WEBHOOKS, webhooks::form::page),
        Route::form(
            "/settings/integrations/{id}/edit",
            WEBHOOKS,
            webhooks::form::change,
        ),
    ]
}

fn webhook_actions() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::form(
            "/settings/integrations/{id}/test",
            TEST,
            webhooks::page::send_test,
        ),
        Route::form("/settings/integrations/{id}/check", TEST, webhooks::page::check),
        Route::form(
            "/settings/integrations/{id}/rotate-secret",
            WEBHOOKS,
            webhooks::page::rotate_secret,
        ),
        Route::form(
            "/settings/integrations/{id}/enable",
            WEBHOOKS,
            webhooks::page::enable,
        ),
        Route::form(
            "/settings/integrations/{id}/disable",
            WEBHOOKS,
            webhooks::page::disable,
        ),
        Route::form(
            "/settings/integrations/{id}/recover",
            REPLAY,
            webhooks::page::recover,
        ),
        Route::page(
            "/settings/integrations/{id}/export",
            WEBHOOKS,
            webhooks::copies::export_one,
        ),
        Route::form(
            "/settings/integrations/{id}/clone",
            WEBHOOKS,
            webhooks::copies::clone,
        ),
        Route::form(
            "/settings/integrations/{id}/receiver-links",
            WEBHOOKS,
            webhooks::receiver_links::create,
        ),
        Route::form(
            "/settings/integrations/{id}/receiver-links/{link}/revoke",
            WEBHOOKS,
            webhooks::receiver_links::revoke,
        ),
        Route::form(
            "/settings/integrations/{id}/delete",
            WEBHOOKS,
            webhooks::page::delete,
        ),
    ]
}

fn source_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/settings/sources", ADMIN, alert_sources::list::page),
        Route::page("/settings/sources/new", ADMIN, alert_sources::new::choose_kind),
        Route::page("/settings/sources/new/{kind}", ADMIN, alert_sources::new::page),
        Route::form("/settings/sources/new/{kind}", ADMIN, alert_sources::new::create),
        Route::page("/settings/sources/{id}", ADMIN, alert_sources::page::page),
        Route::page("/settings/sources/{id}/edit", ADMIN, alert_sources::edit::page),
        Route::form("/settings/sources/{id}/edit", ADMIN, alert_sources::edit::change),
        Route::form(
            "/settings/sources/{id}/preview",
            ADMIN,
            alert_sources::edit::preview,
        ),
        Route::form("/settings/sources/{id}/test", ADMIN, alert_sources::page::test),
        Route::form(
            "/settings/sources/{id}/rotate-key",
            ADMIN,
            alert_sources::page::rotate_key,
        ),
        Route::form(
            "/settings/sources/{id}/enable",
            ADMIN,
            alert_sources::page::enable,
        ),
        Route::form(
            "/settings/sources/{id}/disable",
            ADMIN,
            alert_sources::page::disable,
        ),
        Route::form(
            "/settings/sources/{id}/delete",
            ADMIN,
            alert_sources::page::delete,
        ),
    ]
}

fn inbox_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/settings/inbox", RoutePolicy::SignedIn, inboxes::list::page),
        Route::form("/settings/inbox", WEBHOOKS, inboxes::list::create),
        Route::page("/settings/inbox/{id}", WEBHOOKS, inboxes::page::page),
        Route::form("/settings/inbox/{id}/answer", WEBHOOKS, inboxes::page::set_answer),
        Route::form("/settings/inbox/{id}/secret", WEBHOOKS, inboxes::page::set_secret),
        Route::form("/settings/inbox/{id}/clear", WEBHOOKS, inboxes::page::clear),
        Route::form("/settings/inbox/{id}/delete", WEBHOOKS, inboxes::page::delete),
        Route::form(
            "/settings/inbox/{id}/use",
            WEBHOOKS,
            inboxes::page::use_as_webhook,
        ),
        Route::anything("/in/{id}", inboxes::receiver::receive),
    ]
}

fn receiver_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    const LINK: RoutePolicy = RoutePolicy::ReceiverLink;
    vec![
        Route::page(
            "/receiver/open/{token}",
            RoutePolicy::Public,
            receiver::open::open,
        ),
        Route::page("/receiver/{link}", LINK, receiver::page::page),
        Route::form("/receiver/{link}/test", LINK, receiver::page::send_test),
        Route::form(
            "/receiver/{link}/rotate-secret",
            LINK,
            receiver::page::rotate_secret,
        ),
        Route::page("/receiver/{link}/deliveries/{id}", LINK, receiver::delivery::page),
        Route::form(
            "/receiver/{link}/deliveries/{id}/replay",
            LINK,
            receiver::delivery::replay,
        ),
    ]
}

fn settings_pages() -> Vec<PageRoute> {
    use PageRoute as Route;
    vec![
        Route::page("/settings/api-keys", ADMIN, settings::api_keys::page),
        Route::form("/settings/api-keys", ADMIN, settings::api_keys::create),
        Route::form(
            "/settings/api-keys/{id}/revoke",
            ADMIN,
            settings::api_keys::revoke,
        ),
        Route::page("/settings/audit-log", ADMIN, settings::audit::page),
        Route::page("/settings/system", RoutePolicy::SignedIn, settings::system::page),
        Route::form("/settings/system/check", ADMIN, settings::system::check),
        Route::form("/settings/system/backup", ADMIN, settings::system::back_up),
        Route::page("/docs/api", RoutePolicy::SignedIn, reference::api_docs::page),
        Route::page("/docs/api/try", RoutePolicy::SignedIn, reference::try_api::page),
        Route::page(
            "/docs/schemas",
            RoutePolicy::SignedIn,
            reference::api_docs::schemas,
        ),
        Route::page("/docs/errors", RoutePolicy::Public, reference::error_codes::page),
        Route::page("/docs/events", RoutePolicy::Public, events::catalog::page),
        Route::form("/docs/events", RoutePolicy::Public, events::catalog::check),
        Route::page(
            "/docs/events/{file}",
            RoutePolicy::Public,
            events::schema_file::page,
        ),
        Route::page("/docs", RoutePolicy::Public, reference::documents::start),
        Route::page("/docs/{*path}", RoutePolicy::Public, reference::documents::page),
    ]
}
