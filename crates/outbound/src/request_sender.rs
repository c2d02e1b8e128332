//! What the engine sends by, as it sees it. Of the product, only [`Client`] is one; a simulation answers in its place, with a
//! time and receivers of its own.

use async_trait::async_trait;

use super::client::Client;
use super::shortage::ShortageCounts;
use model::exchange::{Exchange, OutboundRequest};

/// Sends requests.
#[async_trait]
pub trait RequestSender: Send + Sync {
    /// Sends a request and reads the answer; see [`Client::send`].
    async fn send(&self, request: OutboundRequest) -> Exchange;

    /// How often this server itself lacked what it takes to send.
    fn shortages(&self) -> ShortageCounts;
}

#[async_trait]
impl RequestSender for Client {
    async fn send(&self, request: OutboundRequest) -> Exchange {
        Self::send(self, request).await
    }

    fn shortages(&self) -> ShortageCounts {
        Self::shortages(self)
    }
}
