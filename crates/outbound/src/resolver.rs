//! Looks host names up. What comes back is not yet trusted: [`super::connector`] tests every address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{ResolverBuilder, TokioResolver};

use super::shortage;
use super::url_rules::is_localhost;

/// How long one query may take, so that a lost packet leaves time for another within the whole look-up's limit.
const QUERY_LIMIT: Duration = Duration::from_secs(2);
/// How long an answer is kept at most, so that a receiver that moves is found again soon.
const POSITIVE_ANSWER_LIMIT: Duration = Duration::from_secs(5 * 60);
/// How long it is remembered that a name does not exist, so that a mended name works at the next retry.
const NEGATIVE_ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// A way to look host names up.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Every address of a name, in the order in which they should be tried.
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError>;
}

/// Why a name has no addresses: a sentence for people, lower case and without a full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name has none, or nobody says.
    #[error("{0}")]
    Failed(String),
    /// This server lacked what it takes to ask.
    #[error("{0}")]
    Shortage(String),
}

/// Looks names up as this machine is set up to: the hosts file, then the name servers of the system.
#[derive(Clone)]
pub struct SystemResolver(TokioResolver);

impl SystemResolver {
    /// Reads the system's settings. Without name servers only the hosts file and `localhost` are known, so that a
    /// machine whose network is not there yet can start.
    pub fn new() -> Result<Self, ResolveError> {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::warn!(%error, "no name servers found: only the hosts file is used to look names up");
            without_name_servers()
        });
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = options.timeout.min(QUERY_LIMIT);
        options.positive_max_ttl = Some(POSITIVE_ANSWER_LIMIT);
        options.negative_max_ttl = Some(NEGATIVE_ANSWER_LIMIT);
        let resolver = builder.build();
        resolver
            .map(Self)
            .map_err(|error| ResolveError::Failed(error.to_string()))
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if is_localhost(host) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let answer = self.0.lookup_ip(name_of(host)?).await;
        answer
            .map(|addresses| addresses.iter().collect())
            .map_err(|error| explain(&error))
    }
}

fn without_name_servers() -> ResolverBuilder<TokioRuntimeProvider> {
    TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
}

/// A host name by its labels as they are. Read as the library reads a text, it would have to be one that a browser may show,
/// and `my_receiver` is none.
fn name_of(host: &str) -> Result<Name, ResolveError> {
    let (labels, is_absolute) = match host.strip_suffix('.') {
        Some(labels) => (labels, true),
        None => (host, false),
    };
    let name = Name::from_labels(labels.split('.').map(str::as_bytes));
    let mut name = name.map_err(|_| {
        let sentence = "the host name cannot be looked up: a label of it is empty or longer than 63 bytes, or all are \
                        longer than 253";
        ResolveError::Failed(sentence.into())
    })?;
    // Without a final dot it may lie below one of the system's search domains.
    name.set_fqdn(is_absolute);
    Ok(name)
}

fn explain(error: &NetError) -> ResolveError {
    if let Some(shortage) = shortage_of(error) {
        return ResolveError::Shortage(shortage.to_owned());
    }
    let io_kind = match error {
        NetError::Io(error) => Some(error.kind()),
        _ => None,
    };
    ResolveError::Failed(if error.is_nx_domain() {
        "the host name does not exist".to_owned()
    } else if error.is_no_records_found() {
        "the host name has no address".to_owned()
    } else if matches!(error, NetError::Timeout) {
        "the name servers did not answer".to_owned()
    } else {
        match io_kind {
            Some(kind) => format!("the host name could not be looked up: {kind}"),
            None => "the host name could not be looked up: the name servers gave no usable answer".to_owned(),
        }
    })
}

/// What this server lacked, if that is why a look-up failed.
fn shortage_of(error: &NetError) -> Option<&'static str> {
    match error {
        NetError::Io(error) => shortage::of(error),
        NetError::Busy => Some("room for another look-up"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_needs_no_name_server() {
        let resolver = SystemResolver(without_name_servers().build().unwrap());
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        assert_eq!(resolver.resolve("localhost").await, Ok(loopback.to_vec()));
        assert_eq!(resolver.resolve("app.LOCALHOST.").await, Ok(loopback.to_vec()));
    }

    #[tokio::test]
    async fn without_name_servers_other_names_fail_with_a_sentence() {
        let resolver = SystemResolver(without_name_servers().build().unwrap());
        let error = resolver.resolve("receiver.example").await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the host name could not be looked up: ")
        );
    }

    #[test]
    fn names_are_looked_up_by_their_labels_whatever_they_are() {
        let labels = |host: &str| name_of(host).unwrap().to_ascii();
        assert_eq!(labels("my_receiver"), "my_receiver");
        assert_eq!(
            labels("dis_allowed.r3---sn-a.b-.example."),
            "dis_allowed.r3---sn-a.b-.example."
        );
        assert!(name_of(&"a".repeat(64)).is_err());
        assert!(name_of("a..example").is_err());
    }
}
