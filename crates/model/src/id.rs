//! Prefixed identifiers: a UUID (version 7, so that ids sort by the time they were made) behind a short prefix
//! that says what it names. Ids are made from a time and random bits handed in by the caller.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::time::Timestamp;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_…")]
pub struct InvalidId {
    /// The prefix the id should have had.
    pub prefix: &'static str,
}

/// Makes the 16 bytes of a version 7 UUID out of a time and ten random bytes.
pub fn uuid_at(at: Timestamp, random: [u8; 10]) -> Uuid {
    let millis = u64::try_from(at.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// How long a prefix is, with its underscore, and an id as a text.
const PREFIX_LENGTH: usize = 4;
const TEXT_LENGTH: usize = PREFIX_LENGTH + 32;

macro_rules! define_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// An id made at a time, out of random bytes.
            pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
                Self(uuid_at(at, random))
            }

            /// The id as it stands in the store.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id read back from the store.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// When it was made.
            pub fn made_at(&self) -> Timestamp {
                let mut millis = [0; 8];
                millis[2..].copy_from_slice(&self.as_bytes()[..6]);
                Timestamp::from_millis(i64::from_be_bytes(millis))
            }

            /// The smallest id made at or after a time: a bound for range queries by time.
            pub fn lower_bound(at: Timestamp) -> Self {
                let mut bytes = [0; 16];
                let millis = u64::try_from(at.as_millis()).unwrap_or(0).to_be_bytes();
                bytes[..6].copy_from_slice(&millis[2..]);
                Self(Uuid::from_bytes(bytes))
            }

            /// The id as a text, in the caller's place: several are written for each delivery.
            fn write_into<'a>(&self, text: &'a mut [u8; TEXT_LENGTH]) -> &'a str {
                text[..PREFIX_LENGTH].copy_from_slice(concat!($prefix, "_").as_bytes());
                self.0.as_simple().encode_lower(&mut text[PREFIX_LENGTH..]);
                str::from_utf8(text).unwrap_or_default()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.write_into(&mut [0; TEXT_LENGTH]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { prefix: $prefix };
                let hex = text.strip_prefix(concat!($prefix, "_")).ok_or(invalid.clone())?;
                let canonical = hex.len() == 32 && !hex.bytes().any(|byte| byte.is_ascii_uppercase());
                let uuid = Uuid::try_parse(hex).ok().filter(|_| canonical);
                uuid.map(Self).ok_or(invalid)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.write_into(&mut [0; TEXT_LENGTH]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

define_id!(/** Names an incident. */ IncidentId, "inc");
define_id!(/** Names an event. */ EventId, "evt");
define_id!(/** Names a webhook. */ WebhookId, "whk");
define_id!(/** Names a delivery: the receiver's idempotency key. */ DeliveryId, "dlv");
define_id!(/** Names an attempt of a delivery. */ AttemptId, "att");
define_id!(/** Names a service. */ ServiceId, "svc");
define_id!(/** Names a user. */ UserId, "usr");
define_id!(/** Names an API key (not the key itself). */ KeyId, "key");
define_id!(/** Names an escalation policy. */ PolicyId, "pol");
define_id!(/** Names an entry of the audit log. */ AuditId, "aud");
define_id!(/** Names a session (not the token in its cookie). */ SessionId, "ses");
define_id!(/** Names an inbox. */ InboxId, "inb");
define_id!(/** Names a request that came to an inbox. */ InboxRequestId, "req");
define_id!(/** Names a link to the receiver's page of a webhook (not its token). */ ReceiverLinkId, "rlk");
define_id!(/** Names a passkey (not its credential). */ PasskeyId, "pky");
define_id!(/** Names an alert source. */ SourceId, "src");
define_id!(/** Names a request that came to an alert source. */ SourceRequestId, "srq");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back_as_it_was_printed(millis in 0i64..(1 << 47), random: [u8; 10]) {
            let id = DeliveryId::new(Timestamp::from_millis(millis), random);
            prop_assert_eq!(id.to_string().parse::<DeliveryId>(), Ok(id));
            prop_assert_eq!(id.made_at(), Timestamp::from_millis(millis));
        }

        #[test]
        fn ids_sort_by_the_time_they_were_made(early in 0i64..(1 << 46), later in 1i64..1000, a: [u8; 10], b: [u8; 10]) {
            let first = EventId::new(Timestamp::from_millis(early), a);
            let second = EventId::new(Timestamp::from_millis(early + later), b);
            prop_assert!(first < second);
            prop_assert!(EventId::lower_bound(Timestamp::from_millis(early)) <= first);
            prop_assert!(EventId::lower_bound(Timestamp::from_millis(early + later)) > first);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<IncidentId>();
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let incident = IncidentId::new(Timestamp::from_millis(1), [7; 10]);
        assert_eq!(
            incident.to_string().parse::<UserId>(),
            Err(InvalidId { prefix: "usr" })
        );
    }
}
