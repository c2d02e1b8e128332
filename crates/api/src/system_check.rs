//! The deep check over HTTP, as lines of JSON: how far it has come, and at last what was found. Nobody has to wait in the dark, no
//! proxy takes it for hung, and a reader that goes away ends it.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::IntoResponse;
use futures_util::stream::unfold;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::answer::ApiResult;
use crate::events::NDJSON;
use crate::state::ApiState;
use crate::system::FindingView;
use store::StoreResult;
use store::upkeep::{CheckListener, CheckProgress, Finding};

/// Lines that wait for the reader; further ones are left out, but for the last.
const LINES_AHEAD: usize = 16;

/// How far it has come.
#[derive(Serialize)]
struct ProgressLine {
    step: &'static str,
    done: u64,
    of: u64,
}

/// What came of it: the last line.
#[derive(Serialize)]
struct FindingsLine {
    findings: Vec<FindingView>,
}

/// `GET /system/check`
pub async fn check(State(state): State<ApiState>) -> ApiResult {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    tokio::spawn(async move {
        match examine(&state, sender.clone()).await {
            Ok(findings) => {
                let findings = findings.into_iter().map(FindingView::from).collect();
                // A reader that went away wants no answer.
                let _ = sender.send(Some(line(&FindingsLine { findings }))).await;
                let _ = sender.send(None).await;
            }
            Err(error) => tracing::info!(%error, "the deep check broke off"),
        }
    });
    let lines = unfold(Some(receiver), |receiver| async move {
        let mut receiver: mpsc::Receiver<Option<Bytes>> = receiver?;
        match receiver.recv().await {
            Some(Some(line)) => Some((Ok(line), Some(receiver))),
            // That was all of it.
            Some(None) => None,
            None => Some((Err(io::Error::other("the deep check broke off")), None)),
        }
    });
    Ok(([(CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response())
}

async fn examine(state: &ApiState, sender: mpsc::Sender<Option<Bytes>>) -> StoreResult<Vec<Finding>> {
    let stopping = state.stopping.clone();
    let listener: CheckListener = Arc::new(move |progress: CheckProgress| {
        let CheckProgress { step, done, of } = progress;
        match sender.try_send(Some(line(&ProgressLine { step, done, of }))) {
            Err(TrySendError::Closed(_)) => ControlFlow::Break(()),
            _ if *stopping.borrow() => ControlFlow::Break(()),
            Ok(()) | Err(TrySendError::Full(_)) => ControlFlow::Continue(()),
        }
    });
    let upkeep = &state.store.upkeep;
    let mut findings = upkeep.examine_heard(state.source.now(), listener).await?;
    findings.extend(upkeep.examine_server(state.source.now()).await?);
    Ok(findings)
}

fn line(value: &impl Serialize) -> Bytes {
    // Serialising texts and numbers into memory has no way to fail.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
