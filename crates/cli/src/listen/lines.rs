//! One connection to a simulated platform that speaks lines, as a mail server does, and no HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use simulators::{Dialogue, Turn};

use super::Shared;
use super::connection::{SLOW, misbehave};
use super::fault::Fault;
use super::report::Report;

/// The longest line that is read at once, in bytes.
const MAX_LINE_BYTES: u64 = 8 * 1024;
/// The longest that a connection may say nothing.
const SILENCE_LIMIT: Duration = Duration::from_secs(300);

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let fault = shared.faults.next();
    let dialogue = shared
        .platform
        .as_ref()
        .and_then(|platform| platform.dialogue(fault));
    match (dialogue, fault) {
        (Some(dialogue), Fault::Ok | Fault::Platform(_)) => talk(stream, dialogue, fault, &shared).await,
        (Some(dialogue), Fault::Slow) => {
            tokio::time::sleep(SLOW).await;
            talk(stream, dialogue, fault, &shared).await;
        }
        (_, Fault::Status(status)) => {
            let mut stream = stream;
            // Who has hung up hears nothing.
            let _ = stream
                .write_all(format!("{status} asked for\r\n").as_bytes())
                .await;
        }
        (_, fault) => misbehave(stream, fault).await,
    }
}

async fn talk(stream: TcpStream, mut dialogue: Box<dyn Dialogue>, fault: Fault, shared: &Shared) {
    let mut stream = BufStream::new(stream);
    let mut stop = shared.stop.clone();
    let mut turn = dialogue.greeting();
    loop {
        let Turn {
            said,
            is_end,
            request,
        } = turn;
        if let Some((request, response)) = request {
            let (head, body) = request.into_parts();
            let mut report = Report::new(&head, Bytes::from(body), fault, None, &shared.clock);
            report.simulated = Some(response);
            // Nobody prints any more: the program is ending.
            let _ = shared.reports.send(report).await;
        }
        let is_said = stream.write_all(said.as_bytes()).await.is_ok() && stream.flush().await.is_ok();
        if is_end || !is_said {
            return;
        }
        let mut line = Vec::new();
        let mut limited = (&mut stream).take(MAX_LINE_BYTES);
        let count = tokio::select! {
            count = tokio::time::timeout(SILENCE_LIMIT, limited.read_until(b'\n', &mut line)) => count,
            Ok(_) = stop.wait_for(|stop| *stop) => return,
        };
        if !matches!(count, Ok(Ok(1..))) {
            return;
        }
        turn = dialogue.hear(&line);
    }
}
