//! Writes an export: a task reads a page when its reader has taken the one before, and asks each time whether the reader may have
//! more. An export that does not come to its end breaks its connection, so that nobody takes a part of it for the whole.

use std::io;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::timeout;

use super::MayRead;
use super::form::Form;
use super::pages::Selection;
use crate::problem::{Code, Problem};
use store::Store;

/// How long a page of the store may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a reader may leave a page untaken.
const READER_TIMEOUT: Duration = Duration::from_secs(60);
/// How many pages wait for the reader: one is written while one is sent.
const PAGES_AHEAD: usize = 1;

/// An export that is being written.
pub struct Writing {
    pub store: Store,
    pub selection: Selection,
    pub form: Form,
    pub may_read: MayRead,
    pub stopping: watch::Receiver<bool>,
    /// Its place among the exports.
    pub _room: OwnedSemaphorePermit,
}

/// What comes to the reader.
enum Part {
    Rows(Bytes),
    /// That was all of it.
    End,
}

/// Why an export breaks off.
type BrokenOff = &'static str;
const UNWRITABLE: BrokenOff = "its rows could not be written in its format";

impl Writing {
    /// Reads the first page, and goes on when it is taken.
    pub async fn begin(mut self) -> Result<impl Stream<Item = io::Result<Bytes>> + use<>, Problem> {
        let mut bytes = match self.selection.is_from_the_beginning() {
            true => self.form.names().into_bytes(),
            false => Vec::new(),
        };
        let is_last = self.write_page(&mut bytes).await?;
        let (sender, receiver) = mpsc::channel(PAGES_AHEAD);
        tokio::spawn(async move {
            let what = self.selection.name();
            if let Err(reason) = self.send(sender, bytes, is_last).await {
                tracing::info!(what, reason, "an export broke off");
            }
        });
        Ok(parts(receiver))
    }

    async fn send(
        mut self,
        sender: mpsc::Sender<Part>,
        first: Vec<u8>,
        is_last: bool,
    ) -> Result<(), BrokenOff> {
        let (mut bytes, mut is_last) = (first, is_last);
        loop {
            self.send_rows(&sender, bytes).await?;
            if is_last {
                let end = self.form.end().map_err(|_| UNWRITABLE)?;
                self.send_rows(&sender, end).await?;
                return self.send_part(&sender, Part::End).await;
            }
            if !(self.may_read)().await {
                return Err("its reader may not have more");
            }
            bytes = Vec::new();
            let page = self.write_page(&mut bytes).await;
            is_last = page.map_err(|_| "the store does not answer")?;
        }
    }

    /// Adds the next page to what is sent; says whether it is the last.
    async fn write_page(&mut self, bytes: &mut Vec<u8>) -> Result<bool, Problem> {
        let page = timeout(PAGE_TIMEOUT, self.selection.next(&self.store)).await;
        let page = page.map_err(|_| Problem::plain(Code::StoreUnavailable).retry_after(1))??;
        let written = self.form.write(&page.rows).map_err(|error| {
            tracing::error!(%error, "{UNWRITABLE}");
            Problem::plain(Code::Internal)
        })?;
        bytes.extend(written);
        Ok(page.is_last)
    }

    async fn send_rows(&mut self, sender: &mpsc::Sender<Part>, bytes: Vec<u8>) -> Result<(), BrokenOff> {
        match bytes.is_empty() {
            // Nothing of this page was wanted, or it waits for more. A reader that went away is noticed all the same.
            true if sender.is_closed() => Err("its reader went away"),
            true if *self.stopping.borrow() => Err("the server stops"),
            true => Ok(()),
            false => self.send_part(sender, Part::Rows(bytes.into())).await,
        }
    }

    async fn send_part(&mut self, sender: &mpsc::Sender<Part>, part: Part) -> Result<(), BrokenOff> {
        if *self.stopping.borrow() {
            return Err("the server stops");
        }
        tokio::select! {
            sent = timeout(READER_TIMEOUT, sender.send(part)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err("its reader went away"),
                Err(_) => Err("its reader takes nothing"),
            },
            Ok(()) = self.stopping.changed() => Err("the server stops"),
        }
    }
}

/// What the reader gets. Without the end it is an error, which breaks the connection.
fn parts(receiver: mpsc::Receiver<Part>) -> impl Stream<Item = io::Result<Bytes>> + use<> {
    unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Part::Rows(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Part::End) => None,
            None => Some((Err(io::Error::other("the export broke off")), None)),
        }
    })
}
