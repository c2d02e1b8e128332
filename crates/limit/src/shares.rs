//! Room for requests that are in hand at a time: so many in all, and so many of one caller, so that none takes what is there
//! for the others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// See the module; `K` tells callers apart.
pub struct Shares<K: Eq + Hash + Clone> {
    all: Arc<Semaphore>,
    each: usize,
    wait: Duration,
    callers: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// The room of one request.
pub struct Share<K: Eq + Hash + Clone> {
    shares: Arc<Shares<K>>,
    caller: K,
    permits: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// Room for so many in all, and so many of each caller; a request waits for it for so long.
    pub fn new(all: usize, each: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            all: Arc::new(Semaphore::new(all)),
            each,
            wait,
            callers: Mutex::default(),
        })
    }

    /// Room for a request of a caller; nothing if there is none in time.
    pub async fn take(self: &Arc<Self>, caller: K) -> Option<Share<K>> {
        let own = Arc::clone(
            self.callers()
                .entry(caller.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(self.each))),
        );
        let mut share = Share {
            shares: Arc::clone(self),
            caller,
            permits: None,
        };
        let both = async {
            let own = own.acquire_owned().await.ok()?;
            Some((own, Arc::clone(&self.all).acquire_owned().await.ok()?))
        };
        share.permits = tokio::time::timeout(self.wait, both).await.ok().flatten();
        share.permits.is_some().then_some(share)
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<K, Arc<Semaphore>>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> Drop for Share<K> {
    /// A caller that has nothing in hand, and waits for nothing, is forgotten.
    fn drop(&mut self) {
        let mut callers = self.shares.callers();
        self.permits = None;
        if callers
            .get(&self.caller)
            .is_some_and(|own| Arc::strong_count(own) == 1)
        {
            callers.remove(&self.caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_caller_cannot_take_the_others_room_and_is_forgotten_once_it_is_done() {
        let shares = Shares::new(4, 2, Duration::ZERO);
        let held = [shares.take("a").await, shares.take("a").await];
        assert!(held.iter().all(Option::is_some));
        assert!(shares.take("a").await.is_none());
        let other = shares.take("b").await;
        assert!(other.is_some());
        drop((held, other));
        assert!(shares.callers().is_empty());
        assert!(shares.take("a").await.is_some());
    }
}
