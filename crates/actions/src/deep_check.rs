//! The deep check: it reads the whole store, so that one runs at a time, and none for somebody who has gone away.

use std::ops::ControlFlow;
use std::sync::Arc;

use clock::Env;
use store::upkeep::{CheckListener, Examined};
use store::{Store, StoreResult};
use tokio::sync::OwnedSemaphorePermit;

use crate::Actions;

/// How many run at once.
pub const MAX_DEEP_CHECKS: usize = 1;

/// Room for a deep check.
pub struct DeepCheck {
    store: Store,
    source: Env,
    room: Arc<OwnedSemaphorePermit>,
}

impl Actions {
    /// Room for a deep check; nothing while another one runs.
    pub fn deep_check(&self) -> Option<DeepCheck> {
        let room = Arc::clone(&self.deep_checks).try_acquire_owned().ok()?;
        Some(DeepCheck {
            store: self.store.clone(),
            source: self.source.clone(),
            room: Arc::new(room),
        })
    }
}

impl DeepCheck {
    /// Looks at everything, the database server too. Who hears it may break it off.
    pub async fn run(self, listener: CheckListener) -> StoreResult<Examined> {
        // What reads may go on for a moment after its caller has gone: the room is free when nobody can be heard any more.
        let room = Arc::clone(&self.room);
        let listener: CheckListener = Arc::new(move |progress| {
            let _room = &room;
            listener(progress)
        });
        let upkeep = &self.store.upkeep;
        let mut examined = upkeep.examine_heard(self.source.now(), listener).await?;
        let of_server = upkeep.examine_server(self.source.now()).await?;
        examined.findings.extend(of_server);
        Ok(examined)
    }

    /// The same for somebody who only waits: it ends when the wait is dropped.
    pub async fn run_awaited(self) -> StoreResult<Examined> {
        let wait = Arc::new(());
        let waits = Arc::downgrade(&wait);
        let listener: CheckListener = Arc::new(move |_| match waits.strong_count() {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        let examined = self.run(listener).await;
        drop(wait);
        examined
    }
}
