//! What the way from an incident to its deliveries needs of a store.
//!
//! A case gets a [`World`]: a fresh store with two webhooks, and bystanders (a service, a webhook and an
//! incident of their own) that no case may touch; afterwards it is checked that none did.

use std::sync::Arc;

use crate::Backend;

mod bystanders;
pub mod canaries;
pub mod deliveries;
pub mod events;
pub mod incidents;
pub mod insights;
pub mod lanes;
pub mod lists;
pub mod memories;
pub mod operational;
pub mod outages;
pub mod overview;
pub mod queue;
pub mod recording;
pub mod repeated_requests;
pub mod replays;
mod rows;
pub mod sequences;
pub mod sources;
pub mod ticket_telling;
pub mod tickets;
mod world;

pub use world::{RecordingHandOver, World};

/// Runs a case on a new store.
pub fn run(backend: Arc<dyn Backend>, case: impl AsyncFnOnce(&mut World)) {
    crate::block_on(async {
        let mut world = World::new(backend).await;
        case(&mut world).await;
        world.expect_bystanders_untouched().await;
    });
}
