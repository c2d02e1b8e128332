//! A node hears of webhooks that another one changes.

use std::sync::Arc;

use model::exchange::FailureCode;
use model::webhook::Degraded;
use store::Store;
use store_conformance::engine::World;
use store_conformance::settings::samples;
use store_conformance::{Backend, Opening};

use super::backend::{PostgresBackend, open_database};

#[tokio::test]
async fn the_dispatcher_hears_of_webhooks_that_other_nodes_change_when_it_asks_what_is_due() {
    let backend = Arc::new(PostgresBackend::new());
    let world = World::new(Arc::clone(&backend) as Arc<dyn Backend>).await;
    let opening = Opening {
        node: 100,
        ..Opening::default()
    };
    let other: Store = open_database(&backend.url(), &opening).await.unwrap().into();
    let source = samples::source();
    let change = || source.change(samples::actor(&source));
    let heard = || std::mem::take(&mut *world.dispatcher.changed.lock().unwrap());

    world.store().queue.next_due().await.unwrap();
    assert_eq!(heard().len(), 3, "a node that is new knows none");
    let disabled = samples::disabled();
    other
        .webhooks
        .set_state(world.loose, disabled, change())
        .await
        .unwrap();
    other.webhooks.delete(world.ordered, change()).await.unwrap();
    assert!(heard().is_empty(), "another node's commits are not this one's");
    world.store().queue.next_due().await.unwrap();
    let mut changed = heard();
    changed.sort_unstable();
    assert_eq!(changed, [world.ordered, world.loose]);
    world.store().queue.next_due().await.unwrap();
    assert!(heard().is_empty(), "told once");

    let degraded = Degraded {
        since: samples::now(),
        code: FailureCode::ServerError,
        detail: None,
    };
    for (degraded, why) in [(Some(degraded), "degraded"), (None, "well again")] {
        other
            .endpoints
            .set_degraded(world.loose, degraded, world.at(1))
            .await
            .unwrap();
        world.store().queue.next_due().await.unwrap();
        assert_eq!(heard(), [world.loose], "{why}");
    }
}
