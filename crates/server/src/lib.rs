//! A server put together: opens the store, starts what delivers and the doors, stops them in order.

pub mod app;
pub mod database_check;
pub mod master_key;
pub mod offline_export;
pub mod transfer;
