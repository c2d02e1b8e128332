//! A node that has its file for itself: there is nobody to hear of.

use async_trait::async_trait;

use model::time::Timestamp;
use store::StoreResult;
use store::events::Events;
use store::fleet::{Fleet, FleetNews};

use super::database::Database;

#[async_trait]
impl Fleet for Database {
    async fn news(&self, _now: Timestamp) -> StoreResult<FleetNews> {
        Ok(FleetNews {
            latest_sequence: self.latest_sequence().await?,
            ..FleetNews::default()
        })
    }
}
