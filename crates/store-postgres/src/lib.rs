//! The backend for many nodes: the contracts on PostgreSQL.
//!
//! The files here have the names of the contracts they fulfil, as in `store-sqlite`; each statement stands beside the
//! function that runs it. Any number of nodes use one database: whatever two of them must not do at once is decided by
//! row locks and unique indexes. Nothing lives in a session but prepared statements.

mod access;
mod activity;
mod address;
mod answers;
mod attempt_partitions;
mod attempt_rows;
mod audit;
mod backup;
mod balances;
mod budgets;
mod canaries;
mod claims;
mod columns;
mod commit_outcome;
mod condition;
mod connection;
mod cross_checks;
mod database;
mod deliveries;
mod delivery_lists;
mod delivery_rows;
mod delivery_stats;
mod endpoints;
mod errors;
mod events;
mod examine;
mod fallbacks;
mod fleet;
mod giving_up;
mod group_commit;
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
mod operational;
mod outages;
mod outbox;
mod overview;
mod parameter_types;
mod passkeys;
mod policies;
mod prune;
mod queue;
mod receipts;
mod receiver_links;
mod recording;
mod rekey;
mod replays;
mod replication;
mod restrictions;
mod second_factors;
mod services;
mod sessions;
mod sign_in;
mod source_arrivals;
mod source_rows;
mod sources;
mod subscriptions;
mod terms;
mod ticket_changes;
mod ticket_polls;
mod ticket_requests;
mod ticket_rows;
mod tickets;
mod timelines;
mod tls;
mod transfer;
mod transitions;
mod unanswered;
mod unwell_webhooks;
mod upkeep;
mod users;
mod webhook_watch;
mod webhooks;
mod writer;

use std::sync::Arc;

use store::Store;

pub use address::place_of;
pub use database::{Database, Settings};
pub use migrate::known as known_schema;
pub use transfer::KnownTransfer;

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
            second_factors: Arc::clone(&database) as _,
            identities: Arc::clone(&database) as _,
            passkeys: Arc::clone(&database) as _,
            inboxes: Arc::clone(&database) as _,
            receiver_links: Arc::clone(&database) as _,
            sources: Arc::clone(&database) as _,
            overview: Arc::clone(&database) as _,
            upkeep: database,
        }
    }
}
