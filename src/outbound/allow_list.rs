//! What an administrator lets the server connect to although it is internal: `[outbound] allow`.

use std::net::IpAddr;

use super::network::Network;

/// The networks and host names an administrator allows although they are internal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    networks: Vec<Network>,
    hosts: Vec<HostPattern>,
}

/// An entry of the allow list that is none of: a network, an address, a host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network like 10.0.0.0/8, an address, or a host name like host.example or *.example")]
pub struct InvalidAllowEntry(pub String);

impl AllowList {
    /// Reads the entries of `[outbound] allow`.
    pub fn parse<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, InvalidAllowEntry> {
        let mut list = Self::default();
        for entry in entries {
            let entry = entry.as_ref().trim();
            if let Some(network) = Network::parse(entry) {
                list.networks.push(network);
            } else if let Some(host) = HostPattern::parse(entry) {
                list.hosts.push(host);
            } else {
                return Err(InvalidAllowEntry(entry.to_owned()));
            }
        }
        Ok(list)
    }

    /// Whether an address, to which `host` resolved, is allowed although it is internal.
    pub(super) fn allows(&self, address: IpAddr, host: &str) -> bool {
        self.networks.iter().any(|network| network.contains(address))
            || self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

/// A host name of the allow list, in lower case and without a final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Exact(String),
    /// `*.example`, kept as `.example`: every name below it, but not itself.
    Below(String),
}

impl HostPattern {
    fn parse(text: &str) -> Option<Self> {
        let (name, is_wildcard) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        // The URL parser knows what a host name is, and that `127.1` is none.
        let url::Host::Domain(name) = url::Host::parse(name).ok()? else {
            return None;
        };
        let name = name.strip_suffix('.').unwrap_or(&name);
        let has_only_labels =
            !name.contains(['*', '/', ':']) && name.split('.').all(|label| !label.is_empty());
        has_only_labels.then(|| {
            if is_wildcard {
                Self::Below(format!(".{name}"))
            } else {
                Self::Exact(name.to_owned())
            }
        })
    }

    fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        match self {
            Self::Exact(name) => host == *name,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn allowed_host_names_match_whole_labels_in_any_case() {
        let entries = ["jira.corp.example", "*.lab.example"];
        let host_is_allowed = |host: &str| {
            AllowList::parse(entries)
                .unwrap()
                .allows([10, 0, 0, 1].into(), host)
        };
        let allowed = [
            "jira.corp.example",
            "JIRA.corp.example.",
            "a.lab.example",
            "a.b.lab.example",
        ];
        assert_eq!(allowed.map(host_is_allowed), [true; 4]);
        let refused = [
            "xjira.corp.example",
            "lab.example",
            "alab.example",
            "a.lab.example.evil.example",
            "",
        ];
        assert_eq!(refused.map(host_is_allowed), [false; 5]);
    }

    #[test]
    fn entries_that_are_neither_network_nor_name_are_named_in_the_error() {
        let invalid = [
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/-1",
            "host/8",
            "*",
            "*.",
            "a*.example",
            "127.1",
            "",
            "a..b",
        ];
        let errors = invalid.map(|entry| AllowList::parse([entry]));
        assert_eq!(
            errors,
            invalid.map(|entry| Err(InvalidAllowEntry(entry.to_owned())))
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_allow_list_panic(entry in ".*") {
            let _ = AllowList::parse([entry]);
        }
    }
}
