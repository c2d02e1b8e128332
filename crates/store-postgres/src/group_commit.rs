//! Group commit: what is asked of incidents while a transaction is on its way to disk goes into the next one, together. So
//! many requests cost as many round trips as one.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use model::id::IncidentId;
use store::StoreError;
use store::StoreResult;
use store::incidents::Committed;

use super::database::Shared;
use super::transitions::{self, Request};
use super::writer::{Undone, try_write};

/// The most requests in one transaction.
const MAX_BATCH: usize = 256;
/// The most requests that wait; beyond it, callers wait.
const MAX_WAITING: usize = 4096;

struct Waiting {
    request: Request,
    reply: oneshot::Sender<StoreResult<Committed>>,
}

/// The way into the next transaction.
pub struct GroupCommit {
    waiting: mpsc::Sender<Waiting>,
}

impl GroupCommit {
    /// Begins to take requests; ends once nobody can ask any more.
    pub fn start(shared: &Arc<Shared>) -> Self {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        tokio::spawn(run(Arc::clone(shared), receiver));
        Self { waiting: sender }
    }

    /// Does what is asked, and answers once it is on disk. It is done even if the caller goes away.
    pub async fn commit(&self, request: Request) -> StoreResult<Committed> {
        let closed = || StoreError::Unavailable("the store is closed".into());
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { request, reply };
        self.waiting.send(waiting).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

async fn run(shared: Arc<Shared>, mut receiver: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::new();
    loop {
        let room = MAX_BATCH.saturating_sub(waiting.len());
        if waiting.is_empty() {
            if receiver.recv_many(&mut waiting, room).await == 0 {
                return;
            }
        } else {
            while waiting.len() < MAX_BATCH
                && let Ok(next) = receiver.try_recv()
            {
                waiting.push(next);
            }
        }
        let (batch, later) = split(std::mem::take(&mut waiting));
        waiting = later;
        commit(&shared, batch).await;
    }
}

/// What can go into one transaction, and what has to wait for the next: of one incident, and of one idempotency key, only
/// the first request.
fn split(waiting: Vec<Waiting>) -> (Vec<Waiting>, Vec<Waiting>) {
    let mut incidents: HashSet<IncidentId> = HashSet::new();
    let mut keys: HashSet<(String, String)> = HashSet::new();
    waiting.into_iter().partition(|waiting| {
        let incident_id = waiting.request.incident_id();
        let is_first_of_incident = incident_id.is_none_or(|id| incidents.insert(id));
        let key = waiting
            .request
            .receipt()
            .map(|of| (of.owner.clone(), of.key.clone()));
        let is_first_of_key = key.is_none_or(|key| keys.insert(key));
        is_first_of_incident && is_first_of_key
    })
}

async fn commit(shared: &Arc<Shared>, batch: Vec<Waiting>) {
    let (requests, replies): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|waiting| (waiting.request, waiting.reply))
        .unzip();
    let requests = Arc::new(requests);
    let all = 0..requests.len();
    match commit_range(shared, &requests, all).await {
        Ok(results) => {
            for (reply, result) in replies.into_iter().zip(results) {
                // The caller may have gone away; what it asked for is done all the same.
                let _ = reply.send(result);
            }
        }
        Err(Undone::Finally(error @ StoreError::Unavailable(_))) => {
            for reply in replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
        // What one of them met undid the others' work too: each by itself, then.
        Err(_) if replies.len() > 1 => {
            for (index, reply) in replies.into_iter().enumerate() {
                let result = commit_range(shared, &requests, index..index + 1).await;
                let none = || Err(StoreError::Corrupt("a request has no result".into()));
                let result = result.map_err(Undone::into_error);
                let _ = reply.send(result.and_then(|mut results| results.pop().unwrap_or_else(none)));
            }
        }
        Err(undone) => {
            let error = undone.into_error();
            for reply in replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}

async fn commit_range(
    shared: &Arc<Shared>,
    requests: &Arc<Vec<Request>>,
    range: std::ops::Range<usize>,
) -> Result<Vec<StoreResult<Committed>>, Undone> {
    let input = (Arc::clone(requests), range);
    try_write(shared, input, |context, (requests, range)| {
        Box::pin(transitions::commit_last(context, &requests[range.clone()]))
    })
    .await
}
