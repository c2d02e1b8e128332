//! The short number of an incident, for people who say it: `#1042`. It names the same as the id. Which number comes next,
//! says the store.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::id::IncidentId;

/// The number of an incident: ascending in the order in which they are made, never used twice, with gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentNumber(i64);

/// A text that is no number of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a number of an incident, such as #1042")]
pub struct InvalidNumber;

impl IncidentNumber {
    /// The number as the store keeps it; nothing if it is below one.
    pub fn new(number: i64) -> Option<Self> {
        (number >= 1).then_some(Self(number))
    }

    /// The number as the store keeps it.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for IncidentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl FromStr for IncidentNumber {
    type Err = InvalidNumber;

    /// With or without `#` in front.
    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        let digits = text.strip_prefix('#').unwrap_or(text);
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| is_plain);
        number.and_then(Self::new).ok_or(InvalidNumber)
    }
}

impl Serialize for IncidentNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

/// How a door names an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncidentKey {
    Id(IncidentId),
    Number(IncidentNumber),
}

impl FromStr for IncidentKey {
    type Err = InvalidNumber;

    /// An id, or a number with or without `#` in front.
    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_read_with_and_without_its_mark_and_nothing_else_is() {
        let number = IncidentNumber::new(1042).unwrap();
        assert_eq!("1042".parse(), Ok(number));
        assert_eq!(number.to_string().parse(), Ok(number));
        for text in [
            "",
            "#",
            "##1",
            "0",
            "-1",
            "+1",
            " 1",
            "1.0",
            "#١",
            "9223372036854775808",
        ] {
            assert_eq!(text.parse::<IncidentNumber>(), Err(InvalidNumber), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_incident_is_named_by_its_id_or_its_number(number in 1i64.., bytes: [u8; 16]) {
            let (id, number) = (IncidentId::from_bytes(bytes), IncidentNumber::new(number).unwrap());
            prop_assert_eq!(id.to_string().parse(), Ok(IncidentKey::Id(id)));
            prop_assert_eq!(number.to_string().parse(), Ok(IncidentKey::Number(number)));
        }
    }
}
