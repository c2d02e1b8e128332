//! What the server may connect to although it is internal: what an administrator allows (`[outbound] allow`), and its
//! own inboxes.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::url_rules::is_localhost;
use model::id::InboxId;
use model::network::Network;

/// What the path of an inbox begins with; its id follows.
const INBOX_PATH: &str = "/in/";

/// The networks and host names an administrator allows although they are internal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    networks: Vec<Network>,
    hosts: Vec<HostPattern>,
    own_inboxes: Option<SocketAddr>,
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

    /// The list with the inboxes of a server that listens on this address, so that a webhook to one of them works
    /// without any settings. Nothing else at the address is allowed.
    pub fn with_own_inboxes(self, own_inboxes: Option<SocketAddr>) -> Self {
        Self { own_inboxes, ..self }
    }

    /// The address to dial if a URL is that of one of the server's own inboxes. Names other than `localhost` are not
    /// looked at: where they lead may change between two looks.
    pub(super) fn own_inbox(&self, url: &Url) -> Option<SocketAddr> {
        let own = self.own_inboxes?;
        let is_own_host = match url.host()? {
            Host::Ipv4(address) => own.ip() == address,
            Host::Ipv6(address) => own.ip() == address,
            Host::Domain(name) => own.ip().is_loopback() && is_localhost(name),
        };
        let is_own_port = url.port_or_known_default() == Some(own.port());
        let id = url.path().strip_prefix(INBOX_PATH)?;
        let is_inbox = url.scheme() == "http" && id.parse::<InboxId>().is_ok();
        (is_own_host && is_own_port && is_inbox).then_some(own)
    }

    /// Whether a host name is allowed, wherever it leads.
    pub(super) fn names(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(host))
    }

    /// Whether an address, to which `host` resolved, is allowed although it is internal.
    pub(super) fn allows(&self, address: IpAddr, host: &str) -> bool {
        self.networks.iter().any(|network| network.contains(address)) || self.names(host)
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

    const INBOX: &str = "/in/inb_0190b6c88f3e7d2a8e4c5f6a7b8c9d0e";

    fn own_inbox(listen: &str, url: &str) -> Option<SocketAddr> {
        let list = AllowList::default().with_own_inboxes(Some(listen.parse().unwrap()));
        list.own_inbox(&Url::parse(url).unwrap())
    }

    #[test]
    fn an_own_inbox_is_known_by_address_and_port() {
        let v4 = "127.0.0.1:8080";
        let dialled = [
            own_inbox(v4, &format!("http://127.0.0.1:8080{INBOX}")),
            own_inbox(v4, &format!("http://127.0.0.1:8080{INBOX}?case=1")),
            own_inbox(v4, &format!("http://LOCALHOST:8080{INBOX}")),
            own_inbox("127.0.0.1:80", &format!("http://127.0.0.1{INBOX}")),
            own_inbox("[::1]:8080", &format!("http://[::1]:8080{INBOX}")),
        ];
        assert!(dialled.iter().all(Option::is_some), "{dialled:?}");
        assert_eq!(dialled[2], Some(v4.parse().unwrap()));
    }

    #[test]
    fn nothing_beside_own_inboxes_is_taken_for_one() {
        let own = |url: &str| own_inbox("127.0.0.1:8080", url);
        let others = [
            format!("https://127.0.0.1:8080{INBOX}"),
            format!("http://127.0.0.1:8081{INBOX}"),
            format!("http://127.0.0.1{INBOX}"),
            format!("http://127.0.0.2:8080{INBOX}"),
            format!("http://[::1]:8080{INBOX}"),
            format!("http://[::ffff:127.0.0.1]:8080{INBOX}"),
            format!("http://inbox.example:8080{INBOX}"),
            "http://127.0.0.1:8080/".to_owned(),
            "http://127.0.0.1:8080/in/".to_owned(),
            "http://127.0.0.1:8080/in/inb_".to_owned(),
            "http://127.0.0.1:8080/in/req_0190b6c88f3e7d2a8e4c5f6a7b8c9d0e".to_owned(),
            "http://127.0.0.1:8080/api/v1/incidents".to_owned(),
            format!("http://127.0.0.1:8080/x{INBOX}"),
            format!("http://127.0.0.1:8080/{INBOX}"),
            format!("http://127.0.0.1:8080{INBOX}/"),
            format!("http://127.0.0.1:8080{INBOX}/../../api/v1/incidents"),
            format!("http://127.0.0.1:8080{INBOX}/%2e%2e/%2e%2e/metrics"),
            format!("http://127.0.0.1:8080{INBOX}%2f..%2f..%2fmetrics"),
        ];
        let dialled: Vec<_> = others.iter().filter(|url| own(url).is_some()).collect();
        assert_eq!(dialled, [""; 0]);
        let nobody = AllowList::default();
        let url = Url::parse(&format!("http://127.0.0.1:8080{INBOX}")).unwrap();
        assert_eq!(nobody.own_inbox(&url), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_allow_list_panic(entry in ".*") {
            let _ = AllowList::parse([entry]);
        }
    }
}
