//! What a webhook's URL must be like, checked when it is saved. Pure: names are not looked up here, because what they
//! resolve to may change; the connector tests that again at every dial.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use super::address::{self, AddressRefusal, LoopbackRule};
use super::allow_list::AllowList;
use super::connector::failure;
use model::exchange::{FailureCode, SendFailure};
use model::transport::{address_of, host_of, server_port, server_ports};

/// Ports on which something other than HTTP listens: the Fetch standard's bad ports, plus mail, file sharing,
/// databases, queues and remote desktops. A request sent there could be read as that protocol's commands.
const REFUSED_PORTS: [u16; 100] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103,
    104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 138, 139, 143, 161, 162, 179, 389, 427, 445, 465,
    512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 873, 989, 990, 993, 995,
    1433, 1521, 1719, 1720, 1723, 1883, 2049, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5672, 5900,
    6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042, 9092, 10080, 11211, 27017,
];

/// Why a URL cannot be a webhook's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefusal {
    /// None that requests go by.
    #[error(
        "the URL must begin with https:// or http://, that of a mail server with smtps:// or smtp://, that of a broker with \
         tls://, nats://, amqps://, amqp://, kafka+ssl:// or kafka://"
    )]
    Scheme,
    /// A user name or a password in the URL, where logs and pages would show it.
    #[error("the URL must not hold a user name or a password: use a header of the webhook instead")]
    Credentials,
    /// No host.
    #[error("the URL must name a host")]
    NoHost,
    /// A port of another protocol.
    #[error("port {0} belongs to another protocol")]
    Port(u16),
    /// The host is an internal address.
    #[error("{0}")]
    Address(AddressRefusal),
}

impl UrlRefusal {
    /// The stable code that the API shows.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Scheme => "url_scheme_not_allowed",
            Self::Credentials => "url_credentials_not_allowed",
            Self::NoHost => "url_host_missing",
            Self::Port(_) => "url_port_not_allowed",
            Self::Address(_) => "address_not_allowed",
        }
    }
}

/// Checks a webhook's URL as far as that is possible without a look-up.
pub fn check_url(url: &Url, allow: &AllowList, loopback: LoopbackRule) -> Result<(), UrlRefusal> {
    let own_ports = match url.scheme() {
        "http" | "https" => None,
        scheme => Some(server_ports(scheme).ok_or(UrlRefusal::Scheme)?),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlRefusal::Credentials);
    }
    let host = host_of(url).ok_or(UrlRefusal::NoHost)?;
    let port = match own_ports {
        Some(_) => server_port(url),
        None => url.port_or_known_default().unwrap_or(0),
    };
    if REFUSED_PORTS.contains(&port) && !own_ports.is_some_and(|ports| ports.contains(&port)) {
        return Err(UrlRefusal::Port(port));
    }
    if allow.own_inbox(url).is_some() {
        return Ok(());
    }
    let Some(address) = known_address(&host) else {
        return Ok(());
    };
    address::check(address, &host.to_string(), allow, loopback).map_err(UrlRefusal::Address)
}

/// The URL of a server that is no web server as it is dialled and tested: with the host as a browser reads it, and always with
/// its port.
pub(super) fn dialled(url: &Url) -> Result<Url, SendFailure> {
    let invalid = |detail| failure(FailureCode::RequestInvalid, detail);
    if server_ports(url.scheme()).is_none() {
        return Err(invalid("the URL's scheme is none that requests go by"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("the URL holds a user name or a password"));
    }
    let host = host_of(url).ok_or_else(|| invalid("the URL names no host"))?;
    let dialled = Url::parse(&format!("http://{host}:{}/", server_port(url)));
    dialled.map_err(|_| invalid("the host of the URL cannot be used"))
}

/// The address of a host that needs no look-up: an IP literal, or `localhost` (RFC 6761).
fn known_address(host: &Host<String>) -> Option<IpAddr> {
    match host {
        Host::Domain(name) => is_localhost(name).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Host::Ipv4(_) | Host::Ipv6(_) => address_of(host),
    }
}

/// Whether a name is `localhost` or below it, with or without the final dot.
pub(super) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last_label = name.rsplit('.').next().unwrap_or(name);
    last_label.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(url: &str) -> Option<&'static str> {
        let url = Url::parse(url).unwrap();
        let verdict = check_url(&url, &AllowList::default(), LoopbackRule::Refused);
        verdict.err().map(|refusal| refusal.code())
    }

    #[test]
    fn ordinary_receivers_are_accepted() {
        let accepted = [
            "https://hooks.example.com/services/T0/B0?x=1",
            "http://receiver.example:8080/",
            "https://93.184.216.34/",
            "https://[2606:4700::1111]:8443/",
            "https://localhost.example.com/",
        ];
        assert_eq!(accepted.map(judge), [None; 5]);
    }

    #[test]
    fn every_spelling_of_loopback_is_refused() {
        let refused = [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0x7f000001/",
            "http://017700000001/",
            "http://127.1/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://%31%32%37.0.0.1/",
            "http://１２７.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[0:0:0:0:0:ffff:127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
        ];
        assert_eq!(refused.map(judge), [Some("address_not_allowed"); 18]);
    }

    #[test]
    fn a_mail_server_has_ports_of_its_own_and_no_other_address() {
        let accepted = [
            "smtp://mail.example",
            "smtps://mail.example:465/",
            "smtp://mail.example:25",
            "smtp://mail.example:2525",
        ];
        assert_eq!(accepted.map(judge), [None; 4]);
        let refused = [
            "smtp://127.1",
            "smtp://0x7f000001:25",
            "smtp://[::1]",
            "smtps://10.0.0.7",
            "smtp://LOCALHOST.:587",
        ];
        assert_eq!(refused.map(judge), [Some("address_not_allowed"); 5]);
        assert_eq!(judge("smtp://mail.example:6379"), Some("url_port_not_allowed"));
        assert_eq!(
            judge("smtp://ada:pw@mail.example"),
            Some("url_credentials_not_allowed")
        );
        assert_eq!(judge("smtp:mail.example"), Some("url_host_missing"));
    }

    #[test]
    fn a_broker_has_a_port_of_its_own_and_no_other_address() {
        let accepted = [
            "nats://queue.example",
            "tls://queue.example:4222",
            "amqp://queue.example:5672/events",
            "kafka://queue.example:9092",
        ];
        assert_eq!(accepted.map(judge), [None; 4]);
        assert_eq!(judge("kafka://127.1:9092"), Some("address_not_allowed"));
        assert_eq!(judge("nats://queue.example:6379"), Some("url_port_not_allowed"));
        assert_eq!(judge("https://queue.example:9092"), Some("url_port_not_allowed"));
        assert_eq!(judge("mqtt://queue.example"), Some("url_scheme_not_allowed"));
    }

    #[test]
    fn internal_literals_are_refused_and_can_be_allowed() {
        let url = Url::parse("http://10.0.0.7:9000/hook").unwrap();
        let allow = AllowList::parse(["10.0.0.0/8"]).unwrap();
        assert_eq!(
            judge("http://169.254.169.254/latest/meta-data/"),
            Some("address_not_allowed")
        );
        assert_eq!(judge(url.as_str()), Some("address_not_allowed"));
        assert_eq!(check_url(&url, &allow, LoopbackRule::Refused), Ok(()));
    }

    #[test]
    fn the_servers_own_inboxes_are_accepted_and_nothing_else_on_its_address() {
        let allow = AllowList::default().with_own_inboxes(Some(([127, 0, 0, 1], 8080).into()));
        let judge = |path: &str| {
            let url = Url::parse(&format!("http://127.0.0.1:8080{path}")).unwrap();
            check_url(&url, &allow, LoopbackRule::Refused).is_ok()
        };
        assert!(judge("/in/inb_0190b6c88f3e7d2a8e4c5f6a7b8c9d0e"));
        assert!(!judge("/in/") && !judge("/api/v1/incidents"));
    }

    #[test]
    fn dev_mode_accepts_localhost() {
        let url = Url::parse("http://localhost:3000/hook").unwrap();
        assert_eq!(
            check_url(&url, &AllowList::default(), LoopbackRule::Allowed),
            Ok(())
        );
    }

    #[test]
    fn other_schemes_credentials_and_ports_of_other_protocols_are_refused() {
        assert_eq!(judge("ftp://receiver.example/"), Some("url_scheme_not_allowed"));
        assert_eq!(judge("file:///etc/passwd"), Some("url_scheme_not_allowed"));
        assert_eq!(
            judge("https://user@receiver.example/"),
            Some("url_credentials_not_allowed")
        );
        assert_eq!(
            judge("https://:secret@receiver.example/"),
            Some("url_credentials_not_allowed")
        );
        let ports = [0, 22, 25, 110, 143, 445, 3306, 5432, 6379, 11211];
        let verdicts = ports.map(|port| judge(&format!("http://receiver.example:{port}/")));
        assert_eq!(verdicts, [Some("url_port_not_allowed"); 10]);
    }

    proptest! {
        #[test]
        fn no_url_makes_the_check_panic(host in ".{0,40}", port: u16) {
            let url = Url::parse(&format!("http://{host}:{port}/"));
            let _ = url.map(|url| check_url(&url, &AllowList::default(), LoopbackRule::Refused));
        }

        #[test]
        fn every_number_form_of_a_loopback_address_is_refused(low in 0u32..(1 << 24)) {
            let number = (127 << 24) | low;
            let decimal = judge(&format!("http://{number}/"));
            let hexadecimal = judge(&format!("http://{number:#x}/"));
            let octal = judge(&format!("http://0{number:o}/"));
            prop_assert_eq!([decimal, hexadecimal, octal], [Some("address_not_allowed"); 3]);
        }
    }
}
