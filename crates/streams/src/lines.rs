//! Events as lines of JSON, and bodies packed by gzip: what kinds that send many events at once share.
//!
//! An event is the default format's body with the event's id in front: an id that comes again is a repeat.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use destination::task::Task;
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// An event as JSON, with further members in front.
pub(crate) fn record(task: &Task<'_>, members: &str) -> Result<String, Failure> {
    let body = std::str::from_utf8(&task.event.body).ok();
    let rest = body.and_then(|body| body.strip_prefix('{'));
    let rest = rest.filter(|rest| !rest.contains('\n')).ok_or_else(unreadable)?;
    Ok(format!("{{\"id\":\"{}\",{members}{rest}", task.event.id))
}

pub(crate) fn unreadable() -> Failure {
    Failure::new(FailureCode::RequestInvalid, "the event cannot be read").with(Disposition::Permanent)
}

/// What a request without a task fails with.
pub(crate) fn no_event() -> Failure {
    Failure::new(FailureCode::RequestInvalid, "there is no event to send").with(Disposition::Permanent)
}

/// Each text as a line.
pub(crate) fn lines(written: &[String]) -> String {
    written.join("\n") + "\n"
}

/// The same bytes give the same bytes: the head holds no time.
pub(crate) fn gzip(body: &[u8]) -> Result<Bytes, Failure> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::default());
    let packed = encoder.write_all(body).and_then(|()| encoder.finish());
    let failure = |_| Failure::new(FailureCode::RequestInvalid, "the batch cannot be packed");
    packed.map(Bytes::from).map_err(failure)
}
