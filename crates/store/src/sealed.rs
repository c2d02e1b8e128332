//! Sealed columns: where each value belongs, and what it means when one cannot be opened.
//!
//! A place names table, row and field, so that a sealed value that is moved elsewhere does not open.

use crate::StoreError;
use crate::StoreResult;
use crate::seal::{SealError, Sealer};
use model::id::{InboxId, SourceId, UserId, WebhookId};
use model::secret::SecretText;

/// The place of a webhook's field.
pub fn webhook_place(id: WebhookId, field: &str) -> String {
    format!("webhooks:{}:{field}", hex::encode(id.as_bytes()))
}

/// The place of an inbox's field.
pub fn inbox_place(id: InboxId, field: &str) -> String {
    format!("inboxes:{}:{field}", hex::encode(id.as_bytes()))
}

/// The place of a source's field.
pub fn source_place(id: SourceId, field: &str) -> String {
    format!("sources:{}:{field}", hex::encode(id.as_bytes()))
}

/// The place of the secret of a person's one-time codes.
pub fn second_factor_place(id: UserId) -> String {
    format!("second_factors:{}:secret", hex::encode(id.as_bytes()))
}

/// The place of the answer under an idempotency key.
pub fn receipt_place(owner: &str, key: &str) -> String {
    format!("receipts:{owner}:{key}")
}

/// Seals a text.
pub fn seal(sealer: &Sealer, place: &str, text: &str) -> Vec<u8> {
    sealer.seal(place.as_bytes(), text.as_bytes())
}

/// Opens bytes.
pub fn open_bytes(sealer: &Sealer, place: &str, sealed: &[u8]) -> StoreResult<Vec<u8>> {
    match sealer.open(place.as_bytes(), sealed) {
        Ok(plain) => Ok(plain.to_vec()),
        Err(error @ SealError::UnknownKey(_)) => Err(StoreError::Unavailable(error.to_string())),
        Err(error @ SealError::Damaged) => Err(StoreError::Corrupt(format!("{place}: {error}"))),
    }
}

/// Opens bytes and seals them anew under the present master key.
pub fn reseal(sealer: &Sealer, place: &str, sealed: &[u8]) -> StoreResult<Vec<u8>> {
    let plain = zeroize::Zeroizing::new(open_bytes(sealer, place, sealed)?);
    Ok(sealer.seal(place.as_bytes(), &plain))
}

/// Opens a text.
pub fn open(sealer: &Sealer, place: &str, sealed: &[u8]) -> StoreResult<SecretText> {
    String::from_utf8(open_bytes(sealer, place, sealed)?)
        .map(SecretText::new)
        .map_err(|_| StoreError::Corrupt(format!("{place}: a sealed value is no text")))
}
