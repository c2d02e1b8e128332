//! The contract of the store, as tests that every backend must pass unchanged.
//!
//! A test gets a [`World`]: a fresh store with two webhooks, and bystanders (a service, a webhook and an incident of
//! their own) that no test may touch; afterwards it is checked that none did.

#[path = "../backend.rs"]
mod backend;
mod bystanders;
mod deliveries;
mod events;
mod incidents;
mod lanes;
mod lists;
mod memories;
mod overview;
mod queue;
#[path = "repeated_requests.rs"]
mod receipts;
mod recording;
mod replays;
mod sequences;
#[path = "../../../store-sqlite/tests/it/backend.rs"]
mod sqlite;
mod tickets;
mod world;

/// Makes each test run on every backend.
macro_rules! contract_tests {
    ($(async fn $name:ident($world:ident) $body:block)+) => {
        $(async fn $name($world: &mut crate::contract::world::World) $body)+

        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    let backend = Box::new(crate::contract::sqlite::SqliteBackend::new());
                    let mut world = crate::contract::world::World::new(backend).await;
                    super::$name(&mut world).await;
                    world.expect_bystanders_untouched().await;
                }
            )+
        }
    };
}
use contract_tests;
