//! One request to a receiver and what came of it: the language between adapters and the outbound client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};
use url::Url;

use crate::transport::Transport;

/// A request ready to be sent. Signing has been done; the client adds only `Host` and `Content-Length`.
#[derive(Debug, Clone)]
pub struct OutboundRequest {
    pub transport: Transport,
    /// The method, `POST` for almost every receiver.
    pub method: Method,
    /// Where to, with a scheme of its transport and no credentials.
    pub url: Url,
    /// Every header but `Host` and `Content-Length`, in the order in which they are sent.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// From the start until the response head has been read.
    pub timeout: Duration,
    /// Certificates of this webhook's own, if it has any.
    pub tls: Option<Arc<TlsProfile>>,
    /// How much of the answer's body is read, in bytes.
    pub body_cap: usize,
    /// Which connection it may take.
    pub connection: ConnectionUse,
}

/// Which connection a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionUse {
    /// An idle one. Should the receiver have closed it, the request goes out once more on a fresh one.
    Any,
    /// A fresh one: the request goes out once, whatever happens.
    Fresh,
}

/// How much of an answer's body is read unless a request asks for more, and how much of it an attempt keeps, in bytes.
pub const BODY_CAP_BYTES: usize = 16 * 1024;
/// The most that a request may ask for.
pub const MAX_BODY_CAP_BYTES: usize = 1024 * 1024;

/// TLS settings of one webhook, beyond the public certificate authorities.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TlsProfile {
    /// Additional trusted authorities, PEM.
    pub ca_pem: Option<String>,
    /// Client certificate chain and private key (mTLS), PEM, both in one text.
    pub identity_pem: Option<String>,
}

impl TlsProfile {
    /// The profile of these texts; nothing if there is neither.
    pub fn new(ca_pem: Option<String>, identity_pem: Option<String>) -> Option<Self> {
        let profile = Self { ca_pem, identity_pem };
        (profile.ca_pem.is_some() || profile.identity_pem.is_some()).then_some(profile)
    }
}

impl std::fmt::Debug for TlsProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsProfile").finish_non_exhaustive()
    }
}

/// What one attempt to send came to.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// How long each phase took.
    pub timings: PhaseTimings,
    /// The address that was connected to, when it came that far.
    pub remote_address: Option<SocketAddr>,
    /// What else people should know of how it was sent, in a sentence.
    pub notice: Option<String>,
    /// Whether the other side may know of the request. Where there is an answer, it may.
    pub reach: Reach,
    /// The answer, or why there is none.
    pub result: Result<Response, SendFailure>,
}

impl Exchange {
    /// The same without the answer's body.
    pub fn without_body(mut self) -> Self {
        if let Ok(response) = &mut self.result {
            response.body = Bytes::new();
        }
        self
    }
}

/// How far a request came: what says whether it may be repeated without a look at what became of it. The codes of
/// failures say what broke, and nothing of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Not a byte of it was written to an established connection: it was not done, and never will be.
    NotSent,
    /// A byte was, at least: it may have been done, whatever failed later.
    MaybeSent,
}

/// How long the phases of a request took, in microseconds. DNS, connect and TLS are absent on a reused connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PhaseTimings {
    /// Looking the host name up.
    pub dns_us: Option<u64>,
    /// Opening the TCP connection.
    pub connect_us: Option<u64>,
    /// The TLS handshake.
    pub tls_us: Option<u64>,
    /// From writing the request until the response head was read.
    pub first_byte_us: Option<u64>,
    /// Everything, from start to the end of the (capped) body.
    pub total_us: u64,
}

/// A response, its body cut at the cap.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status, or the code of a mail server's or broker's reply; 200 is what a broker has.
    pub status: u16,
    /// The response headers; of a mail see [`crate::transport::STAGE`].
    pub headers: HeaderMap,
    /// The first bytes of the body.
    pub body: Bytes,
    /// Whether the body was longer, or stopped coming, before its end was seen.
    pub body_is_truncated: bool,
}

/// Why a request got no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendFailure {
    /// The stable code.
    pub code: FailureCode,
    /// One sentence for people, without secrets: lower case, no full stop.
    pub detail: String,
}

/// Why an attempt failed: stable codes that the API, pages and metrics show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum FailureCode {
    /// The host name could not be looked up.
    DnsFailed,
    /// Looking the host name up took too long.
    DnsTimeout,
    /// The address is one the server may not connect to (SSRF guard); never connected.
    AddressNotAllowed,
    /// The connection was refused.
    ConnectRefused,
    /// Connecting took too long.
    ConnectTimeout,
    /// The connection could not be made for another reason.
    ConnectFailed,
    /// The TLS handshake or the certificate failed.
    TlsFailed,
    /// TLS broke after the handshake.
    TlsBroken,
    /// The receiver wants a client certificate, or another one.
    ClientCertificateRefused,
    /// The receiver speaks no HTTP/1.1, only HTTP/2.
    Http2Only,
    /// The TLS handshake took too long.
    TlsTimeout,
    /// The webhook's own TLS settings cannot be used.
    TlsSettingsInvalid,
    /// The mail server or broker offers no encryption, and the webhook wants it.
    TlsNotOffered,
    /// No response head within the timeout.
    ResponseTimeout,
    /// The connection closed before a response head came.
    ConnectionClosed,
    /// What came back is not HTTP.
    ResponseInvalid,
    /// A redirect (3xx), which is never followed.
    Redirect,
    /// 410: the receiver says it is gone for good.
    Gone,
    /// 429: the receiver asks to slow down.
    RateLimited,
    /// Any other 4xx status.
    ClientError,
    /// Any 5xx status.
    ServerError,
    /// A status outside 200–599.
    UnexpectedStatus,
    /// The other side does not take it now, and may later.
    Deferred,
    /// The request could not be built from the webhook's settings.
    RequestInvalid,
    /// The webhook was deleted while the delivery waited.
    WebhookDeleted,
    /// The platform refuses the webhook's credentials, address or permission.
    SettingsRefused,
    /// The platform refuses this very message.
    MessageRefused,
    /// The incident's earlier message can no longer be changed or answered.
    MessageLost,
    /// The chat has another address now.
    ChatMoved,
    /// A template of the webhook cannot be rendered for this event.
    TemplateFailed,
    /// No access token could be had.
    TokenFailed,
    /// Whether the incident's ticket was made is not known yet.
    TicketUnknown,
    /// The incident's ticket cannot be found any more.
    TicketLost,
    /// The ticket system's workflow has no way to where the incident stands.
    TransitionMissing,
    /// The delivery took more requests than any should.
    TooManySteps,
    /// The outbound proxy cannot be reached, or does not do its work.
    ProxyFailed,
    /// The outbound proxy refuses to connect to the receiver.
    ProxyRefused,
    /// This server itself lacked what it takes to send: descriptors, ports, memory. No attempt, and never the receiver's
    /// fault.
    ServerExhausted,
    /// A person gave the delivery up while it waited.
    GivenUp,
}

impl FailureCode {
    /// Every code, for documentation and parsing.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The same in the API's words.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The stable code as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The code read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// What a person can do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::DnsFailed | Self::DnsTimeout => "check the host name of the URL and the server's DNS",
            Self::AddressNotAllowed => {
                "the address is internal; an administrator can allow it under [outbound] allow"
            }
            Self::ConnectRefused | Self::ConnectTimeout | Self::ConnectFailed => {
                "check that the receiver is running and reachable from this server"
            }
            Self::TlsFailed | Self::TlsTimeout => {
                "check the receiver's certificate, or give the webhook its authority"
            }
            Self::TlsBroken => {
                "the handshake was fine: look at the receiver's log, and at what stands between it and this server"
            }
            Self::ClientCertificateRefused => {
                "give the webhook the client certificate and key that its receiver wants, in its TLS settings"
            }
            Self::Http2Only => "let the receiver, or the proxy before it, speak HTTP/1.1 as well",
            Self::TlsSettingsInvalid => "check the PEM texts in the webhook's TLS settings",
            Self::TlsNotOffered => {
                "let the mail server or broker offer encryption, or allow the webhook to go without, in its settings"
            }
            Self::Deferred => "nothing at first: it is sent again; if it stays, do what its sentence says",
            Self::ResponseTimeout => "answer 2xx first and work later, or raise the webhook's timeout",
            Self::ConnectionClosed | Self::ResponseInvalid => {
                "check that the receiver speaks HTTP at this URL, or its own protocol if it is a mail server or a broker"
            }
            Self::Redirect => "redirects are not followed: give the webhook the final URL",
            Self::Gone => "the receiver said 410: enable the webhook again once the receiver is back",
            Self::RateLimited => "the receiver asks for fewer requests: set the webhook's rate",
            Self::ClientError => "the receiver refused the request: check its URL, headers and secret",
            Self::ServerError => "the receiver failed: look at its own log",
            Self::UnexpectedStatus => "check that the receiver answers with a final HTTP status",
            Self::RequestInvalid => "check the webhook's URL and headers",
            Self::WebhookDeleted => "create the webhook again and recover its events",
            Self::SettingsRefused => "put right in the webhook's settings what it names, then enable it",
            Self::MessageRefused => {
                "look at what the platform answered, put right what it names, then replay the delivery"
            }
            Self::MessageLost => "nothing: a new message is posted instead",
            Self::ChatMoved => "nothing: the new address is remembered",
            Self::TemplateFailed => "correct the webhook's template, then replay the delivery",
            Self::TokenFailed => {
                "check the webhook's client id, secret and the address that hands out tokens"
            }
            Self::TicketUnknown => "nothing: the ticket is looked for before another one is made",
            Self::TicketLost => "let this account see the ticket again, or unlink it on the incident's page",
            Self::TransitionMissing => {
                "move the ticket by hand, or give its workflow a transition that this account may use"
            }
            Self::TooManySteps => {
                "replay the delivery; if it happens again, tell us: it is a mistake of ours"
            }
            Self::ProxyFailed => "check the proxy that the server's settings name under [outbound] proxy",
            Self::ProxyRefused => {
                "let the proxy under [outbound] proxy connect to this receiver, and check its user name and password"
            }
            Self::ServerExhausted => {
                "nothing at the receiver: give this server more open files (ulimit -n), processes, ports or memory, or a \
                 smaller limits.max_in_flight"
            }
            Self::GivenUp => "nothing: somebody gave it up; replay it if it is wanted after all",
        }
    }

    /// Whether the receiver was never reached: the breaker holds such deliveries back without spending attempts.
    pub fn means_unreachable(self) -> bool {
        matches!(
            self,
            Self::DnsFailed
                | Self::DnsTimeout
                | Self::ConnectRefused
                | Self::ConnectTimeout
                | Self::ConnectFailed
                | Self::TlsTimeout
                | Self::ProxyFailed
        )
    }

    /// Whether nothing was tried, for a want of this server's own: it says nothing about the receiver and costs no attempt.
    pub fn is_our_own(self) -> bool {
        self == Self::ServerExhausted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_code_reads_back_and_advises() {
        for code in FailureCode::ALL {
            assert_eq!(FailureCode::parse(code.as_str()), Some(*code));
        }
        assert!(FailureCode::ALL.iter().all(|code| !code.advice().is_empty()));
    }
}
