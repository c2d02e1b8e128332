//! The outbound proxy, for networks that have no other way out: `[outbound] proxy = "http://…"`. Every connection is a tunnel
//! that is asked for with CONNECT (RFC 9110, 9.3.6), to receivers with and without TLS alike.
//!
//! What the proxy is asked for was tested before: see [`super::connector`], and decision 0006.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::allow_list::AllowList;
use super::connector::failure;
use super::head;
use model::exchange::{FailureCode, SendFailure};

/// The most that a proxy may answer to a CONNECT, in bytes.
const ANSWER_CAP_BYTES: usize = 16 * 1024;

/// Where the proxy is, and what it wants to be told. Its user name and password never show.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Url,
    authorization: Option<String>,
    /// What is reached without it.
    direct: AllowList,
}

/// A text that names no proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a proxy: write http://host:port, or http://user:password@host:port")]
pub struct InvalidProxy;

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.url.as_str()).finish()
    }
}

impl Proxy {
    /// Reads `http://user:password@host:port`.
    pub fn parse(text: &str) -> Result<Self, InvalidProxy> {
        let mut url = Url::parse(text.trim()).map_err(|_| InvalidProxy)?;
        let has_more = url.path() != "/" || url.query().is_some() || url.fragment().is_some();
        if url.scheme() != "http" || !url.has_host() || has_more {
            return Err(InvalidProxy);
        }
        let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        let has_user = !url.username().is_empty() || url.password().is_some();
        let authorization = has_user.then(|| {
            let mut pair = decoded(url.username());
            pair.push(b':');
            pair.extend(decoded(url.password().unwrap_or_default()));
            format!("Basic {}", STANDARD.encode(pair))
        });
        url.set_username("").map_err(|()| InvalidProxy)?;
        url.set_password(None).map_err(|()| InvalidProxy)?;
        Ok(Self {
            url,
            authorization,
            direct: AllowList::default(),
        })
    }

    /// The same, but for these networks and hosts, which are reached without it.
    pub fn but_for(self, direct: AllowList) -> Self {
        Self { direct, ..self }
    }

    /// Whether a host is reached through it, whatever its address.
    pub(super) fn takes_host(&self, host: &str) -> bool {
        !self.direct.names(host)
    }

    /// Whether an address to which a host resolved is reached through it.
    pub(super) fn takes(&self, address: IpAddr, host: &str) -> bool {
        !self.direct.allows(address, host)
    }

    /// The proxy's address, without user name and password.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Asks on a connection to the proxy for a tunnel to `target`, `host:port`.
    pub(super) async fn connect(&self, stream: &mut TcpStream, target: &str) -> Result<(), SendFailure> {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
        }
        request.push_str("\r\n");
        let broken = |_| failed("the proxy closed the connection before it answered");
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        let answer = read_head(stream).await.map_err(broken)?;
        match head::status(&answer) {
            Some(200..=299) => Ok(()),
            Some(407) => Err(failure(
                FailureCode::ProxyRefused,
                "the proxy answered 407: it wants a user name and a password, or other ones",
            )),
            Some(status @ 400..=499) => Err(failure(
                FailureCode::ProxyRefused,
                format!("the proxy answered {status}: it does not connect to {target}"),
            )),
            Some(status) => Err(failed(format!(
                "the proxy answered {status}: it could not connect to {target}"
            ))),
            None => Err(failed("what answers at the proxy's address is no HTTP proxy")),
        }
    }
}

fn failed(detail: impl Into<String>) -> SendFailure {
    failure(FailureCode::ProxyFailed, detail)
}

/// Reads the head of an answer and not a byte more, for what follows is the receiver's.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut seen = [0; 1024];
    while answer.len() < ANSWER_CAP_BYTES {
        let count = stream.peek(&mut seen).await?;
        let before = answer.len();
        answer.extend_from_slice(&seen[..count]);
        let end = head::find_end(&answer, 0);
        let taken = end.unwrap_or(answer.len()) - before;
        stream.read_exact(&mut seen[..taken]).await?;
        answer.truncate(before + taken);
        if end.is_some() || count == 0 {
            break;
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_by_an_address_whose_password_never_shows() {
        let proxy = Proxy::parse("http://user:p%40ss@proxy.example:3128").unwrap();
        assert_eq!(proxy.url().as_str(), "http://proxy.example:3128/");
        assert_eq!(proxy.authorization.as_deref(), Some("Basic dXNlcjpwQHNz"));
        assert!(!format!("{proxy:?}").contains("ss"));
        let invalid = [
            "",
            "proxy:3128",
            "https://proxy:3128",
            "socks5://proxy",
            "http://proxy/path",
        ];
        assert!(invalid.iter().all(|text| Proxy::parse(text).is_err()));
    }
}
