//! Every task that a running engine has, each watched: what a server starts, and what a simulation starts.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::pruner::{self, KeepFor};
use crate::ticket_poller::TicketPoller;
use crate::{alert_timer, auditor, escalator, fallback_timer, publisher, rescuer};

use super::Dispatcher;

impl Dispatcher {
    /// Starts everything that goes on until it is dropped: sending, reading tickets, and the timers around them.
    pub fn start_tasks(&self, ticket_poller: &TicketPoller, keep_for: KeepFor) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        self.start_timers(&mut tasks, keep_for);
        let watch = || self.0.supervisor.clone();
        tasks.spawn(watch().watch("dispatcher", self.clone().run()));
        tasks.spawn(watch().watch("sender of canaries", self.clone().run_canaries()));
        tasks.spawn(watch().watch("refresher of receivers", self.clone().run_refreshes()));
        tasks.spawn(watch().watch("reader of tickets", ticket_poller.clone().run()));
        tasks
    }

    fn start_timers(&self, tasks: &mut JoinSet<()>, keep_for: KeepFor) {
        let all = &self.0;
        let watch = || all.supervisor.clone();
        let parts = || {
            let lease = Arc::clone(all.handle.lease());
            (all.store.clone(), all.source.clone(), lease)
        };
        let rescue = rescuer::run(all.store.clone(), all.source.clone(), Arc::clone(&all.handle));
        tasks.spawn(watch().watch("rescuer", rescue));
        let (to, at, lease) = parts();
        tasks.spawn(watch().watch("escalator", escalator::run(to, at, lease)));
        let (to, at, lease) = parts();
        tasks.spawn(watch().watch("alert timer", alert_timer::run(to, at, lease)));
        let (to, at, lease) = parts();
        tasks.spawn(watch().watch("fallback timer", fallback_timer::run(to, at, lease)));
        let (to, at, lease) = parts();
        tasks.spawn(watch().watch("publisher", publisher::run(to, at, lease)));
        let (to, at, lease) = parts();
        let prune = pruner::run(to, at, lease, keep_for);
        tasks.spawn(watch().watch("pruner", prune));
        let (to, at, lease) = parts();
        let reap = pruner::reap(to, at, lease);
        tasks.spawn(watch().watch("pruner of deleted webhooks", reap));
        let (to, at, lease) = parts();
        let audit = auditor::run(to, at, lease, Arc::clone(&all.metrics));
        tasks.spawn(watch().watch("auditor", audit));
    }
}
