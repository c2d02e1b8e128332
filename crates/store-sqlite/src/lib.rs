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
mod inboxes;
mod incident_edits;
mod incident_lists;
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
mod policies;
mod prune;
mod queue;
mod readers;
mod receipts;
mod recording;
mod refusals;
mod rekey;
mod replays;
mod restrictions;
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
        let database = Arc::new(database);
        Self {
            incidents: Arc::clone(&database) as _,
            events: Arc::clone(&database) as _,
            queue: Arc::clone(&database) as _,
            deliveries: Arc::clone(&database) as _,
            webhooks: Arc::clone(&database) as _,
            endpoints: Arc::clone(&database) as _,
            operational: Arc::clone(&database) as _,
            canaries: Arc::clone(&database) as _,
            tickets: Arc::clone(&database) as _,
            ticket_polls: Arc::clone(&database) as _,
            services: Arc::clone(&database) as _,
            users: Arc::clone(&database) as _,
            policies: Arc::clone(&database) as _,
            access: Arc::clone(&database) as _,
            receipts: Arc::clone(&database) as _,
            budgets: Arc::clone(&database) as _,
            fleet: Arc::clone(&database) as _,
            sign_in: Arc::clone(&database) as _,
            sessions: Arc::clone(&database) as _,
            inboxes: Arc::clone(&database) as _,
            sources: Arc::clone(&database) as _,
            overview: Arc::clone(&database) as _,
            upkeep: database,
        }
    }
}
