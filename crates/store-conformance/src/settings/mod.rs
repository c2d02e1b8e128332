//! What every backend must do with settings: webhooks, services, users, policies, keys, people who sign in, inboxes,
//! receipts, upkeep. The tests speak to the contracts alone; `backend.rs` opens a store and plants rows that no contract
//! here can make. Beside what a test touches stand bystanders, which must be the same afterwards.

mod access;
#[path = "fixture.rs"]
mod backend;
mod catalog;
#[path = "../../../store-sqlite/tests/it/condition.rs"]
mod condition;
mod inboxes;
mod receipts;
mod samples;
mod sessions;
mod sign_in;
#[path = "../../../store-sqlite/tests/it/file.rs"]
mod sqlite_file;
mod upkeep;
mod webhooks;
