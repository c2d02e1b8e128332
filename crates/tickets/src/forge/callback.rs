//! Calls: an issue has changed, or somebody commented on it. Only hints; what counts is read again. Their secret is made from the
//! webhook's signing secret, so that nothing more has to be kept; whoever rotates that fills in the new one.

use http::HeaderMap;
use serde_json::Value;

use crate::forge::account::is_us;
use crate::forge::issue::{Person, number};
use crate::forge::markdown::markers_in;
use crate::forge::{Forge, Vendor};
use destination::callback::{Call, ChangeNotification, Received, Refused};
use model::digest::hmac_sha256;

/// The longest receipt, in bytes.
const MAX_RECEIPT_BYTES: usize = 128;

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'v> {
    /// The issue.
    pub(crate) issue: &'v Value,
    /// The name of its place.
    pub(crate) place: &'v Value,
    /// Who did it.
    pub(crate) by: &'v Value,
    /// Whether the issue was only now made.
    pub(crate) is_new: bool,
}

/// What a call wants, if it may be believed.
pub(crate) fn receive<V: Vendor>(vendor: V, call: &Call<'_>) -> Result<Received, Refused> {
    let forge = vendor.forge();
    if !vendor.is_believed(call, &secret(forge, call)) {
        return Err(Refused::NotBelieved);
    }
    let body: Value = serde_json::from_slice(call.body).map_err(|_| Refused::Unreadable)?;
    let Some(subject) = vendor.subject(call.headers, &body)? else {
        return Ok(Received::Nothing);
    };
    let name = subject.place.as_str().ok_or(Refused::Unreadable)?;
    if !vendor.place(call.target).is_called(name) {
        return Ok(Received::Nothing);
    }
    let ticket_id = number(&subject.issue[forge.number]).ok_or(Refused::Unreadable)?;
    let markers = markers_in(subject.issue[forge.text].as_str().unwrap_or_default());
    // Our own creation is told on: it is the fastest answer to whether a ticket was made.
    let confirms = subject.is_new && !markers.is_empty();
    if !confirms && is_us(call.target, Person::read(subject.by, forge.login).as_ref()) {
        return Ok(Received::Nothing);
    }
    let mut receipts = forge.receipts.iter();
    Ok(Received::Ticket(ChangeNotification {
        ticket_id,
        markers,
        receipt: receipts.find_map(|name| receipt(call.headers, name)),
    }))
}

/// What an administrator fills in. Its purpose is part of it, so that it can be mistaken for nothing else.
pub(crate) fn secret(forge: &Forge, call: &Call<'_>) -> String {
    let purpose = format!("opsknight {} callback 1", forge.kind);
    hex::encode(hmac_sha256(
        call.signing.reveal().as_bytes(),
        [purpose.as_bytes()],
    ))
}

/// A header's text; empty if there is none.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().trim()
}

fn receipt(headers: &HeaderMap, name: &str) -> Option<String> {
    let receipt = header(headers, name);
    let is_plain = receipt.bytes().all(|byte| byte.is_ascii_graphic());
    (is_plain && (1..=MAX_RECEIPT_BYTES).contains(&receipt.len())).then(|| receipt.to_owned())
}
