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
    &alerting::pagerduty::PagerDuty,
    &alerting::opsgenie::Opsgenie,
    &alerting::alertmanager::Alertmanager,
    &alerting::ntfy::Ntfy,
    &alerting::email::Email,
    &streams::sqs::Sqs,
    &streams::kafka::Kafka,
    &streams::nats::Nats,
    &streams::amqp::Amqp,
    &streams::batch::Batch,
    &streams::s3::S3,
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use destination::task::Target;
    use model::secret::SecretText;
    use url::Url;

    use super::*;

    const URLS: [&str; 5] = [
        "https://discord.com/api/webhooks/1100000000000000001/one",
        "https://discord.com/api/webhooks/1100000000000000002/two",
        "https://hooks.slack.com/services/T1/B1/x",
        "https://chat.googleapis.com/v1/spaces/AAQA1/messages?key=k&token=t",
        "https://api.telegram.org",
    ];

    fn target(url: &str, place: &str, bot: &str) -> Target {
        let options = ["chat", "channel", "project", "repository"];
        let option = |name: &str| (name.to_owned(), place.to_owned());
        Target {
            url: Url::parse(url).unwrap(),
            options: options.map(option).into_iter().collect(),
            secrets: BTreeMap::from([("token".to_owned(), SecretText::new(format!("{bot}:hush")))]),
            headers: Vec::new(),
            discovered_settings: None,
        }
    }

    /// Of several nodes, the broadest limit decides which one sends: a narrower one is counted there too.
    #[test]
    fn targets_of_any_kind_that_share_a_rate_limit_share_their_broadest_one() {
        let mut broadest: HashMap<String, String> = HashMap::new();
        for adapter in all() {
            for url in URLS {
                for (place, bot) in [("1", "11"), ("-1002", "11"), ("1", "22"), ("C3", "22")] {
                    let buckets = adapter.buckets(&target(url, place, bot));
                    let last = buckets.last().map(|bucket| bucket.key.clone());
                    for bucket in buckets {
                        let known = broadest
                            .entry(bucket.key)
                            .or_insert_with(|| last.clone().unwrap());
                        assert_eq!(Some(&*known), last.as_ref(), "{}", adapter.description().kind);
                    }
                }
            }
        }
        assert!(broadest.len() > URLS.len(), "{broadest:?}");
    }
}
