//! The deep check over HTTP, as lines of JSON: how far it has come, and at last what was found. Nobody has to wait in the dark, no
//! proxy takes it for hung, and a reader that goes away ends it.

use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::IntoResponse;
use futures_util::stream::unfold;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::answer::ApiResult;
use crate::events::NDJSON;
use crate::problem::{Code, Problem};
use crate::state::ApiState;
use crate::system::FindingView;
use actions::deep_check::DeepCheck;
use store::upkeep::{CheckListener, CheckProgress};

/// Lines that wait for the reader; further ones are left out, but for the last.
const LINES_AHEAD: usize = 16;
/// How long who is refused should wait, in seconds.
const RETRY_AFTER_SECONDS: u32 = 30;

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
    let deep_check = begin(&state)?;
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    tokio::spawn(async move {
        let examined = tokio::select! {
            examined = deep_check.run(listener(&state, sender.clone())) => examined,
            // What waits for a database's answer hears nobody.
            () = sender.closed() => return,
        };
        match examined {
            Ok(examined) => {
                let findings = examined.findings.into_iter().map(FindingView::from).collect();
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

/// Room for a deep check, whichever way it was asked for.
pub fn begin(state: &ApiState) -> Result<DeepCheck, Problem> {
    let refusal = || Problem::plain(Code::DeepCheckRuns).retry_after(RETRY_AFTER_SECONDS);
    state.actions.deep_check().ok_or_else(refusal)
}

/// Sends on what it hears, each thing once; ends the check with its reader, or with the server.
fn listener(state: &ApiState, sender: mpsc::Sender<Option<Bytes>>) -> CheckListener {
    let stopping = state.stopping.clone();
    let last = Mutex::new(None);
    Arc::new(move |progress: CheckProgress| {
        if sender.is_closed() || *stopping.borrow() {
            return ControlFlow::Break(());
        }
        let told = last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(progress);
        if told != Some(progress) {
            let CheckProgress { step, done, of } = progress;
            // Of lines that a reader does not take in time, later ones tell.
            let _ = sender.try_send(Some(line(&ProgressLine { step, done, of })));
        }
        ControlFlow::Continue(())
    })
}

fn line(value: &impl Serialize) -> Bytes {
    // Serialising texts and numbers into memory has no way to fail.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
