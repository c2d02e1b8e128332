//! Makes the store's threads take turns with the runtime's one, so that a seed repeats a run step by step: while tasks run, no
//! query and no command does. When none can go on, all that they asked of the store meanwhile is done, queries before
//! commands, and all these commands in one batch. Only when nothing was asked does time go on.

use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::Instant;

use store_sqlite::Database;

use super::chance::lock;

/// Held closed by whoever has it: what waits at it goes on when it is dropped.
type Gate = mpsc::Sender<()>;

/// See the module. Clones share everything.
#[derive(Clone, Default)]
pub struct Lockstep(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    database: Option<Arc<Database>>,
    queries: Option<Gate>,
    commands: Option<Gate>,
    /// Tasks may have run since the store was last found idle.
    is_dirty: bool,
    seen_at: Option<Instant>,
}

impl Lockstep {
    /// A runtime whose time is its own. It has one thread for queries, which run in the order in which they were asked. Tasks that
    /// other threads have woken come before those that tasks have, each time: by itself the runtime has turns for that, and counts
    /// them by how often it looked for a task, which is often or seldom as that thread ends its work late or soon.
    pub fn runtime(&self) -> Runtime {
        let (settling, unparked) = (self.clone(), self.clone());
        Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .max_blocking_threads(1)
            .global_queue_interval(1)
            .on_thread_park(move || settling.settle())
            .on_thread_unpark(move || unparked.unparked())
            .build()
            .unwrap()
    }

    /// From here on, this store takes turns with the runtime.
    pub fn hold(&self, database: Arc<Database>) {
        let mut state = lock(&self.0);
        state.commands = Some(hold_commands(&database));
        state.database = Some(database);
    }

    /// Tasks are about to run. To be called in the runtime.
    pub fn begin(&self) {
        let mut state = lock(&self.0);
        state.is_dirty = true;
        state.hold_queries();
    }

    /// Lets go of the store for good: what it was asked for is done.
    pub fn let_go(&self) {
        *lock(&self.0) = State::default();
    }

    /// No task can go on: the store's turn.
    fn settle(&self) {
        let mut state = lock(&self.0);
        let Some(database) = state.database.clone().filter(|_| state.is_dirty) else {
            return;
        };
        state.queries = None;
        let (done, all_done) = mpsc::channel();
        drop(tokio::task::spawn_blocking(move || done.send(())));
        all_done.recv().unwrap();
        state.commands = None;
        // Whether or not the batch gets to disk, its last answer is this one's.
        let _ = wait_for(database.write_checked(|_| Ok(())));
        state.commands = Some(hold_commands(&database));
        state.is_dirty = has_woken_tasks();
    }

    fn unparked(&self) {
        let mut state = lock(&self.0);
        let now = Instant::now();
        state.is_dirty |= state.seen_at.replace(now) != Some(now) || has_woken_tasks();
        if state.is_dirty {
            state.hold_queries();
        }
    }
}

impl State {
    fn hold_queries(&mut self) {
        if self.database.is_some() && self.queries.is_none() {
            let (gate, held) = mpsc::channel();
            drop(tokio::task::spawn_blocking(move || held.recv().is_ok()));
            self.queries = Some(gate);
        }
    }
}

/// Whether other threads have woken tasks.
fn has_woken_tasks() -> bool {
    Handle::current().metrics().global_queue_depth() > 0
}

/// Has the writer wait in an empty transaction; returns when it does.
fn hold_commands(database: &Database) -> Gate {
    let (gate, held) = mpsc::channel();
    let (entering, entered) = mpsc::channel();
    let mut holding = Box::pin(database.write_checked(move |_| {
        let _ = entering.send(());
        let _ = held.recv();
        Ok(())
    }));
    // Asked for once, it is done whether or not anybody waits for it.
    let sent = holding.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(sent.is_pending(), "the store is closed");
    // A transaction that cannot begin holds nothing.
    let _ = entered.recv();
    gate
}

/// Waits for what another thread does.
fn wait_for<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(result) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        std::thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
