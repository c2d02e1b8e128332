//! What people configure: webhooks, services, users, policies, keys, people who sign in, inboxes; receipts; upkeep.
//!
//! A case gets a [`Fixture`]: a fresh, empty store, in which it may plant bystanders and rows that no
//! contract here can make.

use std::sync::Arc;

use crate::Backend;

pub mod access;
pub mod backups;
pub mod budgets;
pub mod catalog;
mod fixture;
pub mod fleet;
pub mod identities;
pub mod inboxes;
pub mod passkeys;
pub mod receipts;
pub mod receiver_links;
pub mod samples;
pub mod second_factors;
pub mod sessions;
pub mod sign_in;
pub mod upkeep;
pub mod webhooks;

pub use fixture::{Fixture, SettingsBystanders};

/// Runs a case on a new store.
pub fn run(backend: Arc<dyn Backend>, case: impl AsyncFnOnce(Fixture)) {
    crate::block_on(async { case(Fixture::new(backend).await).await });
}
