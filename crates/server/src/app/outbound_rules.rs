//! Which receivers the settings allow.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;

use actions::UrlRules;
use config::Config;
use outbound::{
    AllowList, LoopbackRule, OutboundSettings, PhaseLimits, Proxy, Resolve, UrlRefusal, check_url,
};

use super::address_from_here;

/// Which receivers may be reached, for saving a webhook and for sending.
pub struct OutboundRules {
    allow: AllowList,
    loopback: LoopbackRule,
    proxy: Option<Proxy>,
}

impl OutboundRules {
    /// As the settings say, for a server that listens here.
    pub fn new(config: &Config, address: SocketAddr) -> anyhow::Result<Self> {
        let allow = AllowList::parse(&config.outbound.allow).context("the setting outbound.allow")?;
        let allow = allow.with_own_inboxes(config.inbox.enabled.then(|| address_from_here(address)));
        let loopback = if config.dev {
            LoopbackRule::Allowed
        } else {
            LoopbackRule::Refused
        };
        let proxy = proxy_of(config, &allow, loopback)?;
        Ok(Self {
            allow,
            loopback,
            proxy,
        })
    }

    /// The same for the client that sends.
    pub fn settings(&self, resolver: Arc<dyn Resolve>, idle_connections: usize) -> OutboundSettings {
        OutboundSettings {
            allow: self.allow.clone(),
            loopback: self.loopback,
            resolver,
            limits: PhaseLimits::default(),
            proxy: self.proxy.clone(),
            idle_connections,
        }
    }
}

/// The outbound proxy of the settings, if they name one. It is tested like any receiver, now and at each connection.
fn proxy_of(config: &Config, allow: &AllowList, loopback: LoopbackRule) -> anyhow::Result<Option<Proxy>> {
    let text = config.outbound.proxy.reveal();
    if text.is_empty() {
        return Ok(None);
    }
    let proxy = Proxy::parse(text).context("the setting outbound.proxy")?;
    let direct = AllowList::parse(&config.outbound.no_proxy).context("the setting outbound.no_proxy")?;
    let proxy = proxy.but_for(direct);
    let verdict = check_url(proxy.url(), allow, loopback);
    verdict.context(
        "the setting outbound.proxy: allow the proxy's address under outbound.allow, or name another",
    )?;
    Ok(Some(proxy))
}

impl UrlRules for OutboundRules {
    fn check(&self, url: &url::Url) -> Result<(), String> {
        check_url(url, &self.allow, self.loopback).map_err(|refusal| match refusal {
            UrlRefusal::Address(_) => {
                format!("{refusal}; an administrator can allow it in the settings: [outbound] allow")
            }
            UrlRefusal::Scheme | UrlRefusal::Credentials | UrlRefusal::NoHost | UrlRefusal::Port(_) => {
                refusal.to_string()
            }
        })
    }
}
