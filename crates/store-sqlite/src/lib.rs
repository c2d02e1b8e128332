//! The embedded backend: one SQLite file, one writer thread that commits in groups, a few readers.
//!
//! The files here have the names of the contracts they fulfil; each statement stands beside the function that runs it.

mod access;
mod activity;
mod answers;
mod attempt_rows;
mod audit;
mod backup;
mod balances;
mod budgets;
mod canaries;
mod claims;
mod columns;
mod condition;
mod cross_checks;
mod database;
mod deliveries;
mod delivery_lists;
mod delivery_rows;
mod delivery_stats;
mod directory;
mod endpoints;
mod events;
mod examine;
mod fallbacks;
mod fleet;
mod giving_up;
pub mod history;
mod identities;
mod inboxes;
mod incident_edits;
mod incident_lists;
mod incident_numbers;
mod incident_references;
mod incident_rows;
mod incidents;
mod insights;
mod lanes;
mod mark;
mod migrate;
mod nodes;
mod opening;
mod operational;
mod outages;
mod outbox;
mod overview;
mod passkeys;
mod policies;
mod prune;
mod queue;
mod readers;
mod receipts;
mod receiver_links;
mod recording;
mod refusals;
mod rekey;
mod replays;
mod restrictions;
mod second_factors;
mod services;
mod sessions;
mod sign_in;
mod source_arrivals;
mod source_rows;
mod sources;
mod statements;
mod subscriptions;
mod ticket_changes;
mod ticket_polls;
mod ticket_requests;
mod ticket_rows;
mod tickets;
mod transfer;
mod transitions;
mod unwell_webhooks;
mod upkeep;
mod users;
mod wal;
mod watched_files;
mod webhooks;
mod writer;

use std::sync::Arc;

use store::Store;
use store::StoreResult;

pub use database::{Database, FILE_NAME, Settings};
pub use transfer::{KnownTransfer, take_back};

/// The size of a page of the file, in bytes.
const PAGE_BYTES: u64 = 4096;

/// How many pages fit into so many bytes.
pub fn pages_of(bytes: u64) -> u32 {
    u32::try_from(bytes / PAGE_BYTES).unwrap_or(u32::MAX)
}

/// Opens (or creates) the store in a folder, for a server.
pub fn open(settings: Settings) -> StoreResult<Store> {
    Ok(Database::open_as_server(settings)?.into())
}

impl From<Database> for Store {
    fn from(database: Database) -> Self {
        Arc::new(database).to_store()
    }
}

impl Database {
    /// A handle to each contract.
    pub fn to_store(self: &Arc<Self>) -> Store {
        Store {
            incidents: Arc::clone(self) as _,
            events: Arc::clone(self) as _,
            queue: Arc::clone(self) as _,
            deliveries: Arc::clone(self) as _,
            webhooks: Arc::clone(self) as _,
            endpoints: Arc::clone(self) as _,
            operational: Arc::clone(self) as _,
            canaries: Arc::clone(self) as _,
            tickets: Arc::clone(self) as _,
            ticket_polls: Arc::clone(self) as _,
            services: Arc::clone(self) as _,
            users: Arc::clone(self) as _,
            policies: Arc::clone(self) as _,
            access: Arc::clone(self) as _,
            receipts: Arc::clone(self) as _,
            budgets: Arc::clone(self) as _,
            fleet: Arc::clone(self) as _,
            sign_in: Arc::clone(self) as _,
            sessions: Arc::clone(self) as _,
            second_factors: Arc::clone(self) as _,
            identities: Arc::clone(self) as _,
            passkeys: Arc::clone(self) as _,
            inboxes: Arc::clone(self) as _,
            receiver_links: Arc::clone(self) as _,
            sources: Arc::clone(self) as _,
            overview: Arc::clone(self) as _,
            upkeep: Arc::clone(self) as _,
        }
    }
}
