//! Watches the tasks without which a server is none. One that panics, or ends although it should go on for ever, is told
//! to whoever runs the server, which then ends: a supervisor of the system starts it anew, whereas a server without its
//! writer or its dispatcher would look alive and do nothing.
//!
//! Must never end the process itself, and never restart a task: what is left of a task that panicked is not known.

use std::fmt;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::sync::watch;

/// A vital task that is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VitalEnd {
    /// Which.
    pub task: &'static str,
    pub how: HowEnded,
}

/// How a vital task came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowEnded {
    /// A bug.
    Panicked,
    /// By itself, though it should go on for ever.
    Returned,
}

impl fmt::Display for VitalEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            HowEnded::Panicked => "panicked",
            HowEnded::Returned => "ended by itself",
        };
        write!(f, "the {} {how}", self.task)
    }
}

/// Hears of vital tasks that end. Clones report to the same place.
#[derive(Debug, Clone)]
pub struct Supervisor(watch::Sender<Option<VitalEnd>>);

impl Default for Supervisor {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Supervisor {
    /// Runs a task that goes on until it is dropped: any other end is reported.
    pub async fn watch(self, task: &'static str, future: impl Future<Output = ()>) {
        let how = match AssertUnwindSafe(future).catch_unwind().await {
            Ok(()) => HowEnded::Returned,
            Err(_) => HowEnded::Panicked,
        };
        self.report(VitalEnd { task, how });
    }

    /// Runs a task that ends when its work is done, and must not panic before.
    pub async fn watch_work(self, task: &'static str, future: impl Future<Output = ()>) {
        if AssertUnwindSafe(future).catch_unwind().await.is_err() {
            let how = HowEnded::Panicked;
            self.report(VitalEnd { task, how });
        }
    }

    /// Says that a vital task has ended. The first report counts: others may follow from it.
    pub fn report(&self, end: VitalEnd) {
        self.0.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert(end);
            is_first
        });
    }

    /// Waits until a vital task has ended.
    pub async fn ended(&self) -> VitalEnd {
        let mut reports = self.0.subscribe();
        loop {
            if let Some(end) = reports.borrow_and_update().clone() {
                return end;
            }
            // The sender is ours, so that there is always one.
            let _ = reports.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(supervisor: &Supervisor) -> Option<VitalEnd> {
        supervisor.ended().now_or_never()
    }

    #[tokio::test]
    async fn a_task_that_panics_or_returns_is_reported_and_only_the_first() {
        let supervisor = Supervisor::default();
        supervisor
            .clone()
            .watch("pruner", async { panic!("a bug") })
            .await;
        supervisor.clone().watch("auditor", async {}).await;
        let end = reported(&supervisor).unwrap();
        assert_eq!(end.to_string(), "the pruner panicked");
    }

    #[tokio::test]
    async fn work_may_end_but_not_panic() {
        let supervisor = Supervisor::default();
        supervisor.clone().watch_work("recorder", async {}).await;
        assert_eq!(reported(&supervisor), None);
        supervisor
            .clone()
            .watch_work("recorder", async { panic!("a bug") })
            .await;
        assert_eq!(reported(&supervisor).unwrap().how, HowEnded::Panicked);
    }

    #[tokio::test]
    async fn a_task_that_is_dropped_was_meant_to_end() {
        let supervisor = Supervisor::default();
        let task = tokio::spawn(supervisor.clone().watch("rescuer", std::future::pending()));
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(reported(&supervisor), None);
    }
}
