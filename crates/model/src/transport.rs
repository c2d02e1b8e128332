//! By what a request goes: HTTP, mail, or a broker. What only one of them needs stands here and in [`crate::broker`]; method and
//! headers of a request are HTTP's alone.

use std::net::IpAddr;

use http::HeaderName;
use strum::IntoStaticStr;
use url::{Host, Url};

use crate::broker::BrokerMessage;
use crate::secret::SecretText;

/// By what a request goes.
#[derive(Debug, Clone, Default)]
pub enum Transport {
    /// As almost all do.
    #[default]
    Http,
    /// A mail: the request's body is the message as RFC 5322 writes it. Without a body nothing is sent; the server is only asked
    /// whether it would take one.
    Smtp(Box<Envelope>),
    /// A message to a broker, whose protocol the scheme of the request's URL names.
    Broker(Box<BrokerMessage>),
}

/// Who sends a mail to whom, and how the server is spoken to. The host and port are those of the request's URL.
#[derive(Debug, Clone)]
pub struct Envelope {
    pub security: MailSecurity,
    /// Whom it signs in as; nobody if the server takes mails as they come.
    pub account: Option<MailAccount>,
    /// An address, its domain in ASCII.
    pub sender: String,
    /// The same, at least one.
    pub recipients: Vec<String>,
}

/// Who signs in at a mail server. The password never travels without TLS.
#[derive(Debug, Clone)]
pub struct MailAccount {
    pub name: String,
    pub password: SecretText,
}

/// When a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// From its first byte (`smtps`).
    Implicit,
    /// By STARTTLS, or there is no mail.
    Required,
    /// By STARTTLS where it is offered.
    WhereOffered,
}

/// How far a mail came when the server gave the answer that counts; see [`STAGE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum MailStage {
    /// The server's first words, and the greeting.
    Greeting,
    SignIn,
    Sender,
    /// No recipient was taken.
    Recipients,
    /// The message itself.
    Message,
}

impl MailStage {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Where the response to a mail says how far it came. Its status is the code of the server's reply, its body the dialogue.
pub const STAGE: HeaderName = HeaderName::from_static("stage");
/// Where it says what the server replied.
pub const REPLY: HeaderName = HeaderName::from_static("reply");
/// Where it names a recipient that was not taken: address and reply, one header each.
pub const REFUSED_RECIPIENT: HeaderName = HeaderName::from_static("refused-recipient");

/// Servers that are no web servers: the schemes of their URLs, each with the ports that it may name though they belong to other
/// protocols than HTTP. The first is meant where a URL names none.
const SERVERS: [(&str, &[u16]); 8] = [
    // By STARTTLS from a program, with TLS from the first byte, and between servers.
    ("smtp", &[587, 465, 25]),
    ("smtps", &[465, 587, 25]),
    ("nats", &[4222]),
    ("tls", &[4222]),
    ("amqp", &[5672]),
    ("amqps", &[5671]),
    ("kafka", &[9092]),
    ("kafka+ssl", &[9093, 9092]),
];

/// The ports that belong to a scheme; nothing if no server that is none of the web's has it.
pub fn server_ports(scheme: &str) -> Option<&'static [u16]> {
    let (_, ports) = SERVERS.iter().find(|(name, _)| *name == scheme)?;
    Some(ports)
}

/// The port of a URL of such a server.
pub fn server_port(url: &Url) -> u16 {
    let ports = server_ports(url.scheme()).unwrap_or_default();
    url.port().or(ports.first().copied()).unwrap_or_default()
}

/// The host of a URL whatever its scheme, read as a browser would: of a scheme that it does not know, the library leaves the host
/// as it was typed, and `127.1` would pass for a name.
pub fn host_of(url: &Url) -> Option<Host<String>> {
    Host::parse(url.host_str()?).ok()
}

/// The address that a host is, if it is one.
pub fn address_of(host: &Host<String>) -> Option<IpAddr> {
    match host {
        Host::Ipv4(address) => Some((*address).into()),
        Host::Ipv6(address) => Some((*address).into()),
        Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_mail_is_read_like_one_of_the_web() {
        let read = |text: &str| host_of(&Url::parse(text).unwrap());
        for text in [
            "smtp://127.1",
            "smtp://0x7f.1:25",
            "smtp://2130706433",
            "smtp://127.0.0.1/",
        ] {
            let host = read(text).unwrap();
            assert_eq!(address_of(&host), Some(IpAddr::from([127, 0, 0, 1])), "{text}");
        }
        assert_eq!(
            read("smtp://MAIL.example"),
            Some(Host::Domain("mail.example".to_owned()))
        );
        assert!(address_of(&read("smtps://[::1]").unwrap()).is_some());
    }

    #[test]
    fn each_scheme_has_its_port() {
        let port = |text: &str| server_port(&Url::parse(text).unwrap());
        let urls = [
            "smtp://a",
            "smtps://a",
            "smtp://a:25",
            "nats://a",
            "amqps://a/b",
            "kafka+ssl://a",
        ];
        assert_eq!(urls.map(port), [587, 465, 25, 4222, 5671, 9093]);
    }
}
