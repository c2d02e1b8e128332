//! What the sender of alerts speaks, and what is set for one source beside its key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

/// What the sender of a source speaks. Those from `UptimeKuma` to `Healthchecks` are presets of `Generic`: the same reading
/// with fields filled in.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SourceKind {
    /// Prometheus Alertmanager's webhook, version 4.
    Alertmanager,
    /// Prometheus itself, which posts to the API of an Alertmanager.
    Prometheus,
    /// Grafana's alerting.
    Grafana,
    /// PagerDuty's Events API v2.
    Pagerduty,
    /// Opsgenie's Alert API.
    Opsgenie,
    /// Uptime Kuma's webhook.
    UptimeKuma,
    /// Datadog's webhooks.
    Datadog,
    /// Sentry's internal integrations.
    Sentry,
    /// A media type of Zabbix.
    Zabbix,
    /// A webhook of Healthchecks.
    Healthchecks,
    /// Amazon SNS, as CloudWatch's alarms use it.
    Sns,
    /// Any JSON, read by expressions.
    Generic,
}

impl SourceKind {
    /// Every kind, in the order in which people choose.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The same in the API's words.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The kind as the API and the store write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The kind read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// What one alert of a sender that groups its alerts is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AlertUnit {
    /// Each alert by itself.
    #[default]
    Alert,
    /// Each group as the sender makes them.
    Group,
}

impl AlertUnit {
    /// Both, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The unit as the API and the store write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What is set for one source: how its requests are read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SourceOptions {
    /// What one alert is, for senders that group.
    pub alert_unit: AlertUnit,
    /// For what is read by expressions: those that differ from the kind's own, by name of the field. An empty one says that
    /// nothing is read.
    pub mapping: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_options_read_back_and_what_is_left_out_is_the_default() {
        for kind in SourceKind::ALL {
            assert_eq!(SourceKind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(SourceKind::UptimeKuma.as_str(), "uptime_kuma");
        assert_eq!(SourceKind::parse("Grafana"), None);
        let options: SourceOptions = serde_json::from_str(r#"{"alertUnit":"group"}"#).unwrap();
        assert_eq!(options.alert_unit, AlertUnit::Group);
        assert_eq!(
            serde_json::from_str::<SourceOptions>("{}").unwrap(),
            SourceOptions::default()
        );
    }
}
