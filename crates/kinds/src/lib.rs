//! Every kind of webhook, in one list. Nothing else knows one kind from another.

mod unknown;

use destination::Adapter;
use model::webhook::WebhookKind;

/// Every kind, in the order in which people choose.
const ADAPTERS: &[&dyn Adapter] = &[
    &chat::generic::Generic,
    &chat::slack::Slack,
    &chat::teams::Teams,
    &chat::google_chat::GoogleChat,
    &chat::discord::Discord,
    &chat::telegram::Telegram,
    tickets::jira::ADAPTER,
    tickets::servicenow::ADAPTER,
    tickets::github::ADAPTER,
    tickets::gitlab::ADAPTER,
    &chat::custom::Custom,
];

/// Every kind's adapter, in the order in which people choose.
pub fn all() -> &'static [&'static dyn Adapter] {
    ADAPTERS
}

/// The adapter that speaks to a kind; nothing if this version does not know it.
pub fn adapter(kind: WebhookKind) -> Option<&'static dyn Adapter> {
    let is_it = |adapter: &&&'static dyn Adapter| adapter.description().kind == kind.as_str();
    ADAPTERS.iter().find(is_it).copied()
}

/// The adapter that speaks to a kind, or one that says that it is not known.
pub fn adapter_or_unknown(kind: WebhookKind) -> &'static dyn Adapter {
    adapter(kind).unwrap_or(&unknown::Unknown)
}

/// The kind of an adapter.
pub fn kind(adapter: &dyn Adapter) -> WebhookKind {
    WebhookKind::new(adapter.description().kind)
}
