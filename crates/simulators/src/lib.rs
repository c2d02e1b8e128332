//! The platforms, simulated: for `opsknight listen --as …` and for tests. A folder per kind, pure, written against what
//! the vendor publishes and not against the product: what the vendor refuses, a simulator refuses. No crate of the
//! product may use this one, but for the command line.

mod alertmanager;
mod aws;
mod batch;
mod code_host;
mod custom;
mod discord;
mod email;
mod form;
mod github;
mod gitlab;
mod google_chat;
mod jira;
mod message;
mod ntfy;
mod opsgenie;
mod pagerduty;
mod s3;
mod servicenow;
mod simulator;
mod slack;
mod sqs;
mod teams;
mod telegram;

pub use crate::message::Message;
pub use crate::simulator::{Callback, Dialogue, Fault, Request, Response, Simulator, Turn};

/// The kinds that can be simulated, in the order in which people choose.
const KINDS: [&str; 18] = [
    "slack",
    "teams",
    "google_chat",
    "discord",
    "telegram",
    "jira",
    "servicenow",
    "github",
    "gitlab",
    "pagerduty",
    "opsgenie",
    "alertmanager",
    "ntfy",
    "email",
    "batch",
    "s3",
    "sqs",
    "custom",
];

/// The kinds that can be simulated, in the order in which people choose.
pub fn kinds() -> &'static [&'static str] {
    &KINDS
}

/// A fresh platform of a kind; nothing if it cannot be simulated.
pub fn simulator(kind: &str) -> Option<Box<dyn Simulator>> {
    Some(match kind {
        "slack" => Box::<slack::Slack>::default(),
        "teams" => Box::<teams::Teams>::default(),
        "google_chat" => Box::<google_chat::GoogleChat>::default(),
        "discord" => Box::<discord::Discord>::default(),
        "telegram" => Box::<telegram::Telegram>::default(),
        "jira" => Box::<jira::Jira>::default(),
        "servicenow" => Box::<servicenow::ServiceNow>::default(),
        "github" => Box::<github::GitHub>::default(),
        "gitlab" => Box::<gitlab::GitLab>::default(),
        "pagerduty" => Box::<pagerduty::PagerDuty>::default(),
        "opsgenie" => Box::<opsgenie::Opsgenie>::default(),
        "alertmanager" => Box::<alertmanager::Alertmanager>::default(),
        "ntfy" => Box::<ntfy::Ntfy>::default(),
        "email" => Box::<email::Email>::default(),
        "batch" => Box::<batch::Batch>::default(),
        "s3" => Box::<s3::S3>::default(),
        "sqs" => Box::<sqs::Sqs>::default(),
        "custom" => Box::<custom::Custom>::default(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_simulator_and_nothing_else_has() {
        assert!(kinds().iter().all(|kind| simulator(kind).is_some()));
        assert!(simulator("generic").is_none());
    }

    #[test]
    fn the_faults_that_a_platform_names_are_known_and_others_are_not() {
        for kind in kinds() {
            let mut platform = simulator(kind).unwrap();
            assert!(!platform.fail_next("nonsense"), "{kind}");
            let are_known = platform
                .faults()
                .iter()
                .all(|fault| platform.fail_next(fault.name));
            assert!(are_known, "{kind}");
        }
    }
}
