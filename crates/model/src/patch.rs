//! A field of a change: absent, null, or set. JSON tells the three apart, `Option` does not.

use serde::{Deserialize, Deserializer};

/// What a request says about one field. Creating treats `Keep` and `Clear` alike: the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// The field is absent: it stays as it is.
    #[default]
    Keep,
    /// The field is null: it goes back to its default, or to nothing.
    Clear,
    /// The field has a new value.
    Set(T),
}

impl<T> Patch<T> {
    /// The new value, if there is one.
    pub fn set(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// What a field that may be empty becomes: nothing if it stays as it is.
    pub fn into_change(self) -> Option<Option<T>> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sample {
        #[serde(default)]
        field: Patch<u8>,
    }

    fn field(json: &str) -> Patch<u8> {
        serde_json::from_str::<Sample>(json).unwrap().field
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        let read = ["{}", r#"{"field":null}"#, r#"{"field":7}"#].map(field);
        assert_eq!(read, [Patch::Keep, Patch::Clear, Patch::Set(7)]);
    }
}
