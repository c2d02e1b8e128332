//! The SSRF rules: which addresses the server may connect to. Pure; [`super::connector`] applies them at the dial.
//!
//! The rules are one table, `REFUSED`. An IPv6 address that carries an IPv4 one is judged as what it carries, for a
//! gateway would connect there. An administrator lifts the rules for networks and host names with an [`AllowList`].

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::allow_list::AllowList;
use AddressKind::{
    Broadcast, CarrierGradeNat, Documentation, LinkLocal, Loopback, Metadata, Multicast, Private, Reserved,
    Tunnel, Unspecified,
};
use model::network::{Network, v4, v6};

/// Whether receivers on this very machine may be connected to: yes in `serve --dev` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopbackRule {
    /// Loopback addresses are allowed.
    Allowed,
    /// Loopback addresses are refused like any other internal address.
    Refused,
}

/// What an internal address is, and so why it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// A cloud's metadata service, which hands out credentials.
    Metadata,
    /// This machine.
    Loopback,
    /// No address at all; many systems connect to themselves.
    Unspecified,
    /// RFC 1918 and unique local addresses.
    Private,
    /// Addresses of the local link.
    LinkLocal,
    /// RFC 6598, the inside of a provider's network.
    CarrierGradeNat,
    /// Groups of receivers.
    Multicast,
    /// Everyone on the link.
    Broadcast,
    /// Addresses for examples and benchmarks.
    Documentation,
    /// Tunnels and translators that hide where a connection ends.
    Tunnel,
    /// Reserved or discarded addresses.
    Reserved,
}

/// An address that may not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {kind}, which this server may not connect to")]
pub struct AddressRefusal {
    /// The address as it was about to be dialled.
    pub address: IpAddr,
    /// What it is.
    pub kind: AddressKind,
}

/// Decides whether an address, to which `host` resolved, may be connected to.
pub fn check(
    address: IpAddr,
    host: &str,
    allow: &AllowList,
    loopback: LoopbackRule,
) -> Result<(), AddressRefusal> {
    let carried = carried_address(address);
    let Some(kind) = kind_of(carried) else {
        return Ok(());
    };
    let loopback_is_allowed = kind == Loopback && loopback == LoopbackRule::Allowed;
    if loopback_is_allowed || allow.allows(address, host) || allow.allows(carried, host) {
        return Ok(());
    }
    Err(AddressRefusal { address, kind })
}

/// What an internal address is; none for one on the public internet.
fn kind_of(address: IpAddr) -> Option<AddressKind> {
    let rule = REFUSED.iter().find(|(network, _)| network.contains(address));
    rule.map(|(_, kind)| *kind)
}

/// The IPv4 address inside an IPv6 one, or the address itself.
fn carried_address(address: IpAddr) -> IpAddr {
    let IpAddr::V6(outer) = address else {
        return address;
    };
    let bits = outer.to_bits();
    if CARRIERS_OF_THE_LOW_BITS
        .iter()
        .any(|network| network.contains(address))
    {
        // `::` and `::1` are addresses of their own, not IPv4-compatible ones.
        return if bits <= 1 {
            address
        } else {
            Ipv4Addr::from_bits(bits as u32).into()
        };
    }
    if SIX_TO_FOUR.contains(address) {
        return Ipv4Addr::from_bits((bits >> 80) as u32).into();
    }
    address
}

/// IPv4-compatible, IPv4-mapped, IPv4-translated (RFC 2765) and NAT64 (RFC 6052).
const CARRIERS_OF_THE_LOW_BITS: [Network; 4] = [
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96),
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96),
];
const SIX_TO_FOUR: Network = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

/// Every network that is refused, the first match naming the reason. IANA's special-purpose registries, plus the
/// metadata services of the large clouds, some of which hide on addresses that look public.
const REFUSED: [(Network, AddressKind); 41] = [
    (v4([169, 254, 169, 254], 32), Metadata),
    (v4([169, 254, 170, 2], 32), Metadata),
    (v4([169, 254, 170, 23], 32), Metadata),
    (v4([100, 100, 100, 200], 32), Metadata),
    (v4([168, 63, 129, 16], 32), Metadata),
    (v4([192, 0, 0, 192], 32), Metadata),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), Metadata),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128), Metadata),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), Metadata),
    (v4([127, 0, 0, 0], 8), Loopback),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Loopback),
    (v4([0, 0, 0, 0], 32), Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), Unspecified),
    (v4([10, 0, 0, 0], 8), Private),
    (v4([172, 16, 0, 0], 12), Private),
    (v4([192, 168, 0, 0], 16), Private),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Private),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Private),
    (v4([169, 254, 0, 0], 16), LinkLocal),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), LinkLocal),
    (v4([100, 64, 0, 0], 10), CarrierGradeNat),
    (v4([224, 0, 0, 0], 4), Multicast),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Multicast),
    (v4([255, 255, 255, 255], 32), Broadcast),
    (v4([192, 0, 2, 0], 24), Documentation),
    (v4([198, 18, 0, 0], 15), Documentation),
    (v4([198, 51, 100, 0], 24), Documentation),
    (v4([203, 0, 113, 0], 24), Documentation),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Documentation),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Documentation),
    // Teredo, and NAT64 under a local prefix (RFC 8215): where in the latter the IPv4 address stands is not known.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), Tunnel),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), Tunnel),
    (v4([192, 88, 99, 0], 24), Tunnel),
    (v4([0, 0, 0, 0], 8), Reserved),
    (v4([192, 0, 0, 0], 24), Reserved),
    (v4([240, 0, 0, 0], 4), Reserved),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), Reserved),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), Reserved),
    // Global unicast addresses are all in 2000::/3, so everything around it goes.
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 3), Reserved),
    (v6([0x4000, 0, 0, 0, 0, 0, 0, 0], 2), Reserved),
    (v6([0x8000, 0, 0, 0, 0, 0, 0, 0], 1), Reserved),
];

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Metadata => "a cloud metadata address",
            Loopback => "a loopback address",
            Unspecified => "the unspecified address",
            Private => "a private address",
            LinkLocal => "a link-local address",
            CarrierGradeNat => "an address inside a provider's network",
            Multicast => "a multicast address",
            Broadcast => "the broadcast address",
            Documentation => "an address for examples and tests",
            Tunnel => "the address of a tunnel",
            Reserved => "a reserved address",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    fn judge(address: &str) -> Option<AddressKind> {
        let strict = check(
            address.parse().unwrap(),
            "host.example",
            &AllowList::default(),
            LoopbackRule::Refused,
        );
        strict.err().map(|refusal| refusal.kind)
    }

    fn is_allowed(address: &str, host: &str, entries: &[&str]) -> bool {
        let allow = AllowList::parse(entries).unwrap();
        check(address.parse().unwrap(), host, &allow, LoopbackRule::Refused).is_ok()
    }

    #[test]
    fn public_addresses_are_allowed() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2a00::1",
        ];
        assert_eq!(public.map(judge), [None; 7]);
    }

    #[test]
    fn internal_ipv4_addresses_are_refused_by_kind() {
        let refused = [
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("10.1.2.3", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.1.1", Private),
            ("169.254.1.1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("168.63.129.16", Metadata),
            ("100.100.100.200", Metadata),
            ("100.64.0.1", CarrierGradeNat),
            ("224.0.0.1", Multicast),
            ("255.255.255.255", Broadcast),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Reserved),
            ("192.0.0.1", Reserved),
            ("240.0.0.1", Reserved),
            ("192.0.2.1", Documentation),
            ("198.19.255.255", Documentation),
            ("198.51.100.7", Documentation),
            ("203.0.113.7", Documentation),
        ];
        assert_eq!(
            refused.map(|(address, _)| judge(address)),
            refused.map(|(_, kind)| Some(kind))
        );
    }

    #[test]
    fn internal_ipv6_addresses_are_refused_by_kind() {
        let refused = [
            ("::", Unspecified),
            ("::1", Loopback),
            ("fc00::1", Private),
            ("fdff::1", Private),
            ("fec0::1", Private),
            ("fe80::1", LinkLocal),
            ("fd00:ec2::254", Metadata),
            ("ff02::1", Multicast),
            ("2001:db8::1", Documentation),
            ("100::1", Reserved),
            ("2001::1", Tunnel),
            ("64:ff9b:1::1", Tunnel),
        ];
        assert_eq!(
            refused.map(|(address, _)| judge(address)),
            refused.map(|(_, kind)| Some(kind))
        );
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_one_is_judged_as_itself() {
        let loopback = [
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::",
        ];
        assert_eq!(loopback.map(judge), [Some(Loopback); 5]);
        let public = ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"];
        assert_eq!(public.map(judge), [None; 3]);
    }

    #[test]
    fn dev_mode_allows_loopback_and_nothing_else() {
        let relaxed = |address: &str| {
            let rule = LoopbackRule::Allowed;
            check(address.parse().unwrap(), "localhost", &AllowList::default(), rule).is_ok()
        };
        let allowed = ["127.0.0.1", "::1", "::ffff:127.0.0.1"];
        assert_eq!(allowed.map(relaxed), [true; 3]);
        let refused = ["0.0.0.0", "10.0.0.1", "169.254.169.254", "::"];
        assert_eq!(refused.map(relaxed), [false; 4]);
    }

    #[test]
    fn allowed_networks_and_addresses_are_connected_to() {
        let entries = ["10.0.0.0/8", "192.168.1.7", "fd12::/16"];
        let allowed = [
            "10.255.0.1",
            "192.168.1.7",
            "fd12::9",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
        ];
        assert_eq!(
            allowed.map(|address| is_allowed(address, "any.example", &entries)),
            [true; 5]
        );
        let refused = ["192.168.1.8", "172.16.0.1", "fd13::1", "127.0.0.1"];
        assert_eq!(
            refused.map(|address| is_allowed(address, "any.example", &entries)),
            [false; 4]
        );
    }

    proptest! {
        #[test]
        fn carried_addresses_are_judged_as_what_they_carry(inner: u32) {
            let inner = Ipv4Addr::from_bits(inner);
            let [a, b, c, d] = inner.octets();
            let mapped = judge(&inner.to_ipv6_mapped().to_string());
            let nat64 = judge(&format!("64:ff9b::{inner}"));
            let six_to_four = judge(&format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"));
            prop_assert_eq!([mapped, nat64, six_to_four], [judge(&inner.to_string()); 3]);
        }

        #[test]
        fn ipv6_addresses_outside_the_global_range_are_never_allowed(bits: u128) {
            let address = Ipv6Addr::from_bits(bits);
            let is_global = bits >> 125 == 1 || carried_address(address.into()).is_ipv4();
            prop_assert!(is_global || judge(&address.to_string()).is_some());
        }
    }
}
