//! Whose request it is: the address by which every limit counts, and which logs, sessions and inboxes name. The listener
//! works it out; whoever needs it reads what the listener found.
//!
//! Limits count by [`ClientNetwork`]: whoever has one IPv6 address has 2⁶⁴ of them.
//!
//! The peer of the connection counts, unless it is one of the proxies that the settings trust. Then the right-most
//! address of `X-Forwarded-For` or `Forwarded` (RFC 7239) counts that is no such proxy itself: what stands further left
//! is what somebody outside wrote. Must never believe these headers from anybody else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use http::header::FORWARDED;
use http::{Extensions, HeaderMap, HeaderName};

use crate::network::Network;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The part of an IPv6 address that names the subscriber.
const SUBSCRIBER_MASK: u128 = !(u64::MAX as u128);
/// How many proxies in a row are looked at.
const MAX_HOPS: usize = 32;

/// The proxies whose word on whom they ask for is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[Network]>);

impl TrustedProxies {
    /// Those in these networks.
    pub fn new(networks: &[Network]) -> Self {
        Self(networks.into())
    }

    /// Whether a peer is such a proxy: many clients come from its address.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// The address of the client behind a peer. What cannot be read ends the search at the proxy that sent it. So does a
    /// request whose two headers disagree: one of them is the client's own, which the proxy let through.
    pub fn client_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let found = [
            (X_FORWARDED_FOR, plain as Reader),
            (FORWARDED, forwarded as Reader),
        ]
        .into_iter()
        .filter(|(name, _)| headers.contains_key(name))
        .map(|(name, read)| self.right_most(peer, &hops(headers, &name, read)));
        let found: Vec<IpAddr> = found.collect();
        match found[..] {
            [client] => client,
            [client, other] if client == other => client,
            _ => peer,
        }
    }

    /// Notes with a request whose it is.
    pub fn note_client<B>(&self, peer: IpAddr, request: &mut http::Request<B>) {
        let client = self.client_of(peer, request.headers());
        request.extensions_mut().insert(ClientAddress(client));
    }

    fn right_most(&self, peer: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
        let mut client = peer;
        for hop in hops.iter().rev().take(MAX_HOPS) {
            if !self.trusts(client) {
                break;
            }
            let Some(address) = hop else { break };
            client = *address;
        }
        client
    }
}

/// Reads one element of a list of hops.
type Reader = fn(&str) -> Option<IpAddr>;

/// Every hop that a header names, over all of its lines; nothing in place of what cannot be read.
fn hops(headers: &HeaderMap, name: &HeaderName, read: Reader) -> Vec<Option<IpAddr>> {
    let line = |text: &str| match elements(text, name) {
        Some(elements) => elements.into_iter().map(|element| read(element.trim())).collect(),
        None => vec![None],
    };
    let lines = headers.get_all(name).iter();
    lines
        .flat_map(|value| value.to_str().map_or_else(|_| vec![None], line))
        .collect()
}

/// The elements of one line; nothing if they cannot be told apart. `X-Forwarded-For` knows no quotes: what a client writes
/// into it must not hide what the proxy adds.
fn elements<'a>(text: &'a str, name: &HeaderName) -> Option<Vec<&'a str>> {
    match *name == X_FORWARDED_FOR {
        true => Some(text.split(',').collect()),
        false => split(text, ','),
    }
}

/// The parts of a text between separators outside of quotes; nothing if a quote does not end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if character == separator && !is_quoted => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!is_quoted).then_some(parts)
}

/// An element of `X-Forwarded-For`, whose addresses may have a port.
fn plain(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
        None => text.parse().ok(),
    };
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
}

/// An element of `Forwarded`: the address of its only `for`.
fn forwarded(text: &str) -> Option<IpAddr> {
    let pairs = split(text, ';')?;
    let mut named = pairs.iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let (value, None) = (named.next()?, named.next()) else {
        return None;
    };
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    plain(quoted.unwrap_or(value))
}

/// The address of the client of the request at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// What the listener found out. Without it (in tests of a router alone), all clients count as one.
    pub fn of(extensions: &Extensions) -> Self {
        let found = extensions.get::<Self>().copied();
        found.unwrap_or(Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }

    /// What limits count it by.
    pub fn network(self) -> ClientNetwork {
        ClientNetwork(match self.0 {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & SUBSCRIBER_MASK)),
        })
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one subscriber holds: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientNetwork(IpAddr);

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    /// The client of a request from 10.0.0.1, where 10.0.0.0/8 and 2001:db8:ffff::/48 are trusted.
    fn client(lines: &[(&'static str, &str)]) -> String {
        client_from("10.0.0.1", lines)
    }

    fn client_from(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let networks = ["10.0.0.0/8", "2001:db8:ffff::/48"].map(|text| Network::parse(text).unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        let proxies = TrustedProxies::new(&networks);
        proxies.client_of(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_but_a_trusted_proxy_is_believed() {
        let lines = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(client_from("203.0.113.5", &lines), "203.0.113.5");
        assert_eq!(client_from("2001:db8::1", &lines), "2001:db8::1");
        assert_eq!(client_from("::ffff:10.0.0.1", &lines), "192.0.2.1");
        assert_eq!(client(&[]), "10.0.0.1");
    }

    #[test]
    fn a_quote_that_a_client_writes_hides_nothing_that_the_proxy_adds() {
        assert_eq!(client(&[("x-forwarded-for", "\", 192.0.2.1")]), "192.0.2.1");
    }

    #[test]
    fn the_right_most_address_that_is_no_proxy_counts_over_all_lines() {
        let forged = ("x-forwarded-for", "198.51.100.9, 192.0.2.1");
        assert_eq!(client(&[forged]), "192.0.2.1");
        assert_eq!(client(&[forged, ("x-forwarded-for", "10.9.9.9")]), "192.0.2.1");
        let lines = [
            ("forwarded", "for=198.51.100.9"),
            ("forwarded", "for=192.0.2.1, for=10.1.1.1"),
        ];
        assert_eq!(client(&lines), "192.0.2.1");
        assert_eq!(client(&[("x-forwarded-for", "10.3.3.3, 10.2.2.2")]), "10.3.3.3");
    }

    #[test]
    fn addresses_are_read_with_ports_brackets_and_quotes() {
        let plain = |text: &str| client(&[("x-forwarded-for", text)]);
        assert_eq!(plain("192.0.2.1:4711"), "192.0.2.1");
        assert_eq!(plain("2001:db8::7"), "2001:db8::7");
        assert_eq!(plain("[2001:db8::7]"), "2001:db8::7");
        assert_eq!(plain("[2001:db8::7]:443"), "2001:db8::7");
        assert_eq!(plain("::ffff:192.0.2.1"), "192.0.2.1");
        let forwarded = |text: &str| client(&[("forwarded", text)]);
        assert_eq!(forwarded("For=\"[2001:db8::7]:4711\";proto=https"), "2001:db8::7");
        assert_eq!(forwarded("by=\"a, b\"; for=192.0.2.1"), "192.0.2.1");
        assert_eq!(forwarded("proto=http;for=\"192.0.2.1:80\";host=x"), "192.0.2.1");
    }

    #[test]
    fn what_cannot_be_read_ends_the_search_at_the_proxy_that_sent_it() {
        let plain = [
            "unknown",
            "",
            "192.0.2.1, x",
            "192.0.2.1,",
            "[192.0.2.1]",
            "192.0.2.1\u{e9}",
        ];
        assert_eq!(
            plain.map(|text| client(&[("x-forwarded-for", text)])),
            ["10.0.0.1"; 6]
        );
        let forwarded = [
            "for=_hidden",
            "for=unknown",
            "proto=https",
            "for=192.0.2.1;for=192.0.2.2",
            "for=\"192.0.2.1",
            "host=\"a, for=192.0.2.1;x=y\"",
        ];
        assert_eq!(
            forwarded.map(|text| client(&[("forwarded", text)])),
            ["10.0.0.1"; 6]
        );
        assert_eq!(
            client(&[("x-forwarded-for", "192.0.2.1, x, 10.2.2.2")]),
            "10.2.2.2"
        );
    }

    #[test]
    fn headers_that_disagree_are_both_disbelieved() {
        let same = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(client(&same), "192.0.2.1");
        let different = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")];
        assert_eq!(client(&different), "10.0.0.1");
    }

    #[test]
    fn an_ipv6_subscriber_counts_as_one_and_an_ipv4_address_as_itself() {
        let network = |text: &str| ClientAddress(text.parse().unwrap()).network().to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.77"), "192.0.2.77");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ -~]*") {
            let _ = (client(&[("x-forwarded-for", &text)]), client(&[("forwarded", &text)]));
        }
    }
}
