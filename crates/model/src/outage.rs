//! What an outage of a receiver does to what waits for it: which events it still gets afterwards, and who gets them meanwhile.

use std::time::Duration;

use strum::{EnumString, IntoStaticStr, VariantNames};

use crate::delivery::DeliveryState;
use crate::id::WebhookId;

/// What has waited for longer has waited through an outage.
pub const OUTAGE_GRACE: Duration = Duration::from_secs(5 * 60);
/// The shortest time after which a webhook may let events expire.
pub const MIN_EXPIRY: Duration = Duration::from_secs(60);
/// The longest.
pub const MAX_EXPIRY: Duration = Duration::from_secs(7 * 24 * 3600);
/// The shortest time after which a fallback may take over what is late: longer than clocks differ and commits take.
pub const MIN_FALLBACK_AFTER: Duration = Duration::from_secs(30);
/// The longest.
pub const MAX_FALLBACK_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most webhooks that take over from one another.
pub const MAX_FALLBACKS: usize = 5;

/// Which of the events that waited through an outage a webhook still gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterOutage {
    /// All of them, in order.
    Everything,
    /// Of each incident the newest; older ones are superseded.
    Newest,
    /// Those that are no older than this; others expire.
    Expire { after: Duration },
}

/// The same without the time, as the API and the store write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum AfterOutageName {
    Everything,
    Newest,
    Expire,
}

impl AfterOutageName {
    /// Every choice, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The choice read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// The choice with its time; nothing if it lacks one.
    pub fn with(self, expire_after: Option<Duration>) -> Option<AfterOutage> {
        match self {
            Self::Everything => Some(AfterOutage::Everything),
            Self::Newest => Some(AfterOutage::Newest),
            Self::Expire => expire_after.map(|after| AfterOutage::Expire { after }),
        }
    }
}

impl AfterOutage {
    /// Its name.
    pub fn name(self) -> AfterOutageName {
        match self {
            Self::Everything => AfterOutageName::Everything,
            Self::Newest => AfterOutageName::Newest,
            Self::Expire { .. } => AfterOutageName::Expire,
        }
    }

    /// Its name as the API and the store write it.
    pub fn as_str(self) -> &'static str {
        self.name().into()
    }

    /// After how long events expire, if they do.
    pub fn expire_after(self) -> Option<Duration> {
        match self {
            Self::Everything | Self::Newest => None,
            Self::Expire { after } => Some(after),
        }
    }

    /// How long a delivery must have waited before it can end without having been sent; nothing if it never does.
    pub fn shortest_wait(self) -> Option<Duration> {
        match self {
            Self::Everything => None,
            Self::Newest => Some(OUTAGE_GRACE),
            Self::Expire { after } => Some(after),
        }
    }

    /// How a delivery ends that has waited for so long: `has_newer` tells whether a newer event of its incident waits too.
    pub fn end_of(self, waited: Duration, has_newer: bool) -> Option<EndedAs> {
        if self.shortest_wait().is_none_or(|shortest| waited < shortest) {
            return None;
        }
        match self {
            Self::Everything => None,
            Self::Newest => has_newer.then_some(EndedAs::Superseded),
            Self::Expire { .. } => Some(EndedAs::Expired),
        }
    }
}

/// How a delivery ended that its webhook wants no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum EndedAs {
    /// A newer event of the incident is sent in its place.
    Superseded,
    /// It was too old.
    Expired,
}

impl EndedAs {
    /// As the store writes it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// The state that it shows as.
    pub fn state(self) -> DeliveryState {
        match self {
            Self::Superseded => DeliveryState::Superseded,
            Self::Expired => DeliveryState::Expired,
        }
    }
}

/// The webhook that takes over from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    pub webhook_id: WebhookId,
    /// It also takes over what was not delivered after this time, and not only what is dead.
    pub late_after: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICIES: [AfterOutage; 3] = [
        AfterOutage::Everything,
        AfterOutage::Newest,
        AfterOutage::Expire { after: MIN_EXPIRY },
    ];

    #[test]
    fn a_policy_reads_back_from_its_name_and_time() {
        for policy in POLICIES {
            let name = AfterOutageName::parse(policy.as_str()).unwrap();
            assert_eq!(name.with(policy.expire_after()), Some(policy));
        }
        assert_eq!(AfterOutageName::Expire.with(None), None);
    }

    #[test]
    fn what_waited_through_an_outage_gives_way_to_the_newest_and_what_did_not_is_sent() {
        let newest = AfterOutage::Newest;
        let short = OUTAGE_GRACE - Duration::from_secs(1);
        assert_eq!(newest.end_of(OUTAGE_GRACE, true), Some(EndedAs::Superseded));
        assert_eq!(newest.end_of(OUTAGE_GRACE, false), None);
        assert_eq!(newest.end_of(short, true), None);
    }

    proptest! {
        #[test]
        fn nothing_ends_before_its_shortest_wait(seconds in 0u64..1_000_000, has_newer: bool, index in 0usize..3) {
            let (policy, waited) = (POLICIES[index], Duration::from_secs(seconds));
            let ended = policy.end_of(waited, has_newer);
            let may_end = policy.shortest_wait().is_some_and(|shortest| waited >= shortest);
            prop_assert!(may_end || ended.is_none());
            prop_assert!(ended != Some(EndedAs::Superseded) || has_newer);
        }
    }
}
