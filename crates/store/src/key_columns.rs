//! What an API key may do as the columns of its row, the same in every backend. Programs that know of no restriction find no
//! scope in a restricted key and refuse it: what it may do stands in the restriction.

use model::access::{ApiKey, ScopeSet};
use model::event::EventSet;
use model::id::ServiceId;
use model::restriction::Restriction;
use serde::{Deserialize, Serialize};

/// The two columns.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyColumns {
    pub scopes: u32,
    /// JSON; nothing for a key without a restriction.
    pub restriction: Option<String>,
}

/// A restriction as it is kept.
#[derive(Serialize, Deserialize)]
struct Stored {
    scopes: u32,
    services: Vec<String>,
    events: Option<u8>,
}

impl KeyColumns {
    /// The columns of this key.
    pub fn new(key: &ApiKey) -> Self {
        let (scopes, restriction) = (key.scopes.bits(), &key.restriction);
        if restriction.is_none() {
            return Self {
                scopes,
                restriction: None,
            };
        }
        let stored = Stored {
            scopes,
            services: restriction.services().iter().map(ServiceId::to_string).collect(),
            events: restriction.events().map(EventSet::bits),
        };
        Self {
            scopes: ScopeSet::default().bits(),
            restriction: Some(serde_json::json!(stored).to_string()),
        }
    }

    /// What the key may do and is restricted to; nothing if that cannot be read. It is never more than was written.
    pub fn read(&self) -> Option<(ScopeSet, Restriction)> {
        let Some(text) = &self.restriction else {
            return Some((ScopeSet::from_bits(self.scopes), Restriction::default()));
        };
        let stored: Stored = serde_json::from_str(text).ok()?;
        let services: Result<Vec<ServiceId>, _> = stored.services.iter().map(|id| id.parse()).collect();
        let events = stored.events.map(|bits| EventSet::from_bits(bits, 0));
        let restriction = Restriction::new(services.ok()?, events);
        // One that restricts nothing was never written.
        (!restriction.is_none()).then(|| (ScopeSet::from_bits(stored.scopes), restriction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::access::{KeyHash, Scope};
    use model::event::EventName;
    use model::id::KeyId;
    use model::time::Timestamp;

    fn key(restriction: Restriction) -> ApiKey {
        ApiKey {
            id: KeyId::from_bytes([1; 16]),
            name: "display".into(),
            hash: KeyHash::new("ok_x"),
            hint: "ok_x".into(),
            scopes: ScopeSet::new(&[Scope::EventsRead]),
            restriction,
            created_at: Timestamp::EPOCH,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        }
    }

    #[test]
    fn a_restriction_reads_back_and_an_older_program_finds_no_scope() {
        let services = vec![ServiceId::from_bytes([1; 16]), ServiceId::from_bytes([2; 16])];
        let events = Some(EventSet::new(&[EventName::Resolved]));
        for restriction in [
            Restriction::new(services.clone(), events),
            Restriction::new(services, None),
            Restriction::new(Vec::new(), events),
        ] {
            let key = key(restriction.clone());
            let columns = KeyColumns::new(&key);
            assert_eq!(columns.scopes, 0);
            assert_eq!(columns.read(), Some((key.scopes, restriction)));
        }
        let free = key(Restriction::default());
        assert_eq!(
            KeyColumns::new(&free).read(),
            Some((free.scopes, Restriction::default()))
        );
    }

    #[test]
    fn a_restriction_that_cannot_be_read_is_none_that_shows_everything() {
        for text in [
            "",
            "{}",
            r#"{"scopes":64,"services":[],"events":null}"#,
            r#"{"scopes":64,"services":["svc_1"],"events":null}"#,
        ] {
            let columns = KeyColumns {
                scopes: 0,
                restriction: Some(text.to_owned()),
            };
            assert_eq!(columns.read(), None, "{text}");
        }
    }
}
