//! Renders users' templates in processes that can be ended: nothing within a process can stop such a template, nor bound
//! the memory that it takes.
//!
//! The server starts its own program again as a worker, when there is the first template to render. `worker` is the
//! server's end of one, `process` the other end, `frame` what goes between them. A template that takes too long or too
//! much ends its worker and nothing else; whoever waits for other templates does not wait for it for long.

mod frame;
pub mod process;
mod worker;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use destination::template::{Broken, Made, Order, Templates};
use model::attempt::Disposition;
use model::id::WebhookId;

use worker::{Ended, Worker};

/// How many templates are rendered at once.
const MAX_WORKERS: usize = 2;
/// How many pieces of work may wait for their texts; more are turned away.
const MAX_WAITING: usize = 1024;
/// How often a piece of work may ask for further texts.
const MAX_ROUNDS: usize = 16;
/// How long one text may take, waiting for a processor included. A template is at fault only if it used the processor
/// itself; see [`process`].
const MAX_WAIT: Duration = Duration::from_secs(60);
/// How often a worker is replaced that ended for a reason of its own.
const MAX_REPLACED: usize = 2;

/// Whose templates are rendered. One at a time of each, so that nobody keeps all workers busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Turn {
    /// Deliveries of a webhook.
    Webhook(WebhookId),
    /// People who preview or save.
    People,
}

/// Why nothing was rendered: no fault of the template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server cannot render templates now: {0}")]
pub struct Unavailable(String);

/// Renders templates. Clones share the workers.
#[derive(Clone)]
pub struct Renderer(Arc<Parts>);

struct Parts {
    program: PathBuf,
    idle: Mutex<Vec<Worker>>,
    workers: Semaphore,
    waiting: Semaphore,
    turns: Mutex<HashMap<Turn, Arc<InTurn>>>,
    is_failing: AtomicBool,
}

/// Those who wait for the same turn. What harmed one of them harms the others, too.
struct InTurn {
    room: Semaphore,
    harmful: Mutex<Option<(String, Broken)>>,
}

impl InTurn {
    fn new() -> Self {
        Self {
            room: Semaphore::new(1),
            harmful: Mutex::default(),
        }
    }

    fn harmful(&self) -> MutexGuard<'_, Option<(String, Broken)>> {
        self.harmful.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Renderer {
    /// Workers are made by starting this program, the server's own. None is started before there is something to render.
    pub fn new(program: PathBuf) -> Self {
        Self(Arc::new(Parts {
            program,
            idle: Mutex::default(),
            workers: Semaphore::new(MAX_WORKERS),
            waiting: Semaphore::new(MAX_WAITING),
            turns: Mutex::default(),
            is_failing: AtomicBool::new(false),
        }))
    }

    /// Does work that may need texts of templates: again and again, until all that it asks for was made. Says what came of
    /// it, with the texts.
    pub async fn settle<T>(
        &self,
        turn: Turn,
        work: impl Fn(&Templates) -> T + Send,
    ) -> Result<(T, Templates), Unavailable> {
        let mut templates = Templates::none();
        for _ in 0..MAX_ROUNDS {
            let result = work(&templates);
            let ordered = templates.take_ordered();
            if ordered.is_empty() {
                return Ok((result, templates));
            }
            self.make_all(turn, ordered, &mut templates).await?;
        }
        Err(Unavailable("one asks for texts without an end".into()))
    }

    async fn make_all(
        &self,
        turn: Turn,
        orders: Vec<Order>,
        templates: &mut Templates,
    ) -> Result<(), Unavailable> {
        let too_many = |_| Unavailable("too many wait already".into());
        let _waiting = self.0.waiting.try_acquire().map_err(too_many)?;
        let turn = self.turn(turn);
        for order in orders {
            let made = self.make(&turn, &order).await?;
            templates.put(order, made);
        }
        Ok(())
    }

    async fn make(&self, turn: &InTurn, order: &Order) -> Result<Made, Unavailable> {
        let closed = |_| Unavailable("the server is stopping".into());
        let _turn = turn.room.acquire().await.map_err(closed)?;
        if let Some((source, broken)) = &*turn.harmful()
            && *source == order.source
        {
            return Ok(Err(broken.clone()));
        }
        let _worker = self.0.workers.acquire().await.map_err(closed)?;
        let mut reason = String::new();
        for _ in 0..=MAX_REPLACED {
            let mut worker = match self.worker() {
                Ok(worker) => worker,
                Err(error) => return Err(self.failing(format!("no worker can be started: {error}"))),
            };
            match tokio::time::timeout(MAX_WAIT, worker.make(order)).await {
                Ok(Ok(made)) => {
                    self.idle().push(worker);
                    self.0.is_failing.store(false, Ordering::Relaxed);
                    return Ok(made);
                }
                Ok(Err(Ended::ByTemplate(sentence))) => {
                    let broken = Broken {
                        disposition: Disposition::Harmful,
                        ..Broken::new(None, sentence)
                    };
                    *turn.harmful() = Some((order.source.clone(), broken.clone()));
                    return Ok(Err(broken));
                }
                Ok(Err(Ended::Otherwise(sentence))) => reason = sentence,
                Err(_) => reason = format!("a worker did not answer within {} s", MAX_WAIT.as_secs()),
            }
        }
        Err(self.failing(reason))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn worker(&self) -> std::io::Result<Worker> {
        let idle = self.idle().pop();
        idle.map_or_else(|| Worker::start(&self.0.program), Ok)
    }

    /// The one at whose head the next of this turn stands. Those that nobody waits for are let go.
    fn turn(&self, turn: Turn) -> Arc<InTurn> {
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, in_turn| Arc::strong_count(in_turn) > 1);
        let in_turn = turns.entry(turn).or_insert_with(|| Arc::new(InTurn::new()));
        Arc::clone(in_turn)
    }

    /// Told in the log once, until a template is rendered again.
    fn failing(&self, reason: String) -> Unavailable {
        if !self.0.is_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                reason,
                "users' templates cannot be rendered; deliveries that need them wait"
            );
        }
        Unavailable(reason)
    }
}
