//! A long past in a data directory: incidents with their events, deliveries and attempts, written past the server.

use std::time::Duration;

use anyhow::Context;

use clock::Env;
use model::id::{ServiceId, WebhookId};
use model::time::Timestamp;
use store_sqlite::history::{self, History};

use crate::load::{Session, past_title};
use crate::scratch::Scratch;
use crate::server::Server;

/// What the incidents of the past are spread over.
const SPAN: Duration = Duration::from_secs(30 * 24 * 3600);
/// Where the webhook of the past would deliver to: nothing listens there, and nothing is due.
const NOWHERE: &str = "http://127.0.0.1:8/";

/// What waits, and for whom.
pub struct Backlog<'a> {
    /// Of how many of the latest incidents the delivery waits.
    pub pending: u32,
    /// The receiver's URL.
    pub url: &'a str,
}

/// Writes a past in which nothing waits.
pub async fn write(folder: &Scratch, incidents: u32) -> anyhow::Result<()> {
    let nothing = Backlog {
        pending: 0,
        url: NOWHERE,
    };
    write_with(folder, incidents, &nothing).await
}

/// Writes a past of one webhook in a folder that no server has had before.
pub async fn write_with(folder: &Scratch, incidents: u32, backlog: &Backlog<'_>) -> anyhow::Result<()> {
    let server = Server::start(folder.path(), &[])?;
    let mut session = Session::connect(server.address, Some(&server.key)).await?;
    let service_id: ServiceId = session.create_service("Past").await?.parse()?;
    let webhook_id: WebhookId = session.create_webhook("past", backlog.url, None).await?.parse()?;
    drop(session);
    server.stop()?;
    let span_ms = i64::try_from(SPAN.as_millis())?;
    let history = History {
        service_id,
        webhooks: vec![webhook_id],
        incidents,
        pending: backlog.pending,
        title: past_title,
        since: Timestamp::from_millis(Env::system().now().as_millis() - span_ms),
        step_ms: (span_ms / i64::from(incidents.max(1))).max(1),
    };
    let directory = Server::data_in(folder.path());
    let written = tokio::task::spawn_blocking(move || history::write(&directory, &history));
    written.await?.context("the past could not be written")
}

#[cfg(test)]
mod tests {
    use outbound::{AllowList, LoopbackRule, check_url};
    use url::Url;

    use super::NOWHERE;

    #[test]
    fn a_webhook_may_go_nowhere() {
        let url = Url::parse(NOWHERE).unwrap();
        assert_eq!(
            check_url(&url, &AllowList::default(), LoopbackRule::Allowed),
            Ok(())
        );
    }
}
