//! Calls of the instance: a business rule tells that a ticket has changed. It repeats a secret in a header, which is made
//! from the webhook's signing secret, so that nothing more has to be kept; whoever rotates that secret puts the new
//! script into the rule.

use model::digest::hmac_sha256;
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::servicenow::record::is_id;
use crate::servicenow::settings::account;
use destination::callback::{Call, ChangeNotification, Received, Refused};
use model::secret::SecretText;
use model::ticket::MAX_TICKET_ID_BYTES;

/// Where the rule repeats the secret.
pub(super) const SECRET_HEADER: &str = "X-OpsKnight-Secret";
/// What the secret is made from beside the signing secret, so that it can be mistaken for nothing else.
const PURPOSE: &[u8] = b"opsknight servicenow callback 1";
/// The longest count of a record's changes, in digits.
const MAX_COUNT_BYTES: usize = 20;

/// What the rule tells.
#[derive(Deserialize)]
struct Told {
    sys_id: String,
    #[serde(default)]
    correlation_id: Option<String>,
    #[serde(default)]
    sys_mod_count: Value,
    #[serde(default)]
    updated_by: Option<String>,
}

/// What a call wants, if it may be believed.
pub(super) fn receive(call: &Call<'_>) -> Result<Received, Refused> {
    let proof = call.headers.get(SECRET_HEADER).map(http::HeaderValue::as_bytes);
    let expected = secret(call.signing);
    let is_believed: bool = proof.unwrap_or_default().ct_eq(expected.as_bytes()).into();
    if !is_believed {
        return Err(Refused::NotBelieved);
    }
    let told: Told = serde_json::from_slice(call.body).map_err(|_| Refused::Unreadable)?;
    if !is_id(&told.sys_id) {
        return Err(Refused::Unreadable);
    }
    let account = account(call.target);
    let is_ours = !account.is_empty() && told.updated_by.as_deref() == Some(account);
    if is_ours {
        return Ok(Received::Nothing);
    }
    Ok(Received::Ticket(ChangeNotification {
        receipt: count(&told.sys_mod_count).map(|count| format!("{}:{count}", told.sys_id)),
        markers: told
            .correlation_id
            .into_iter()
            .filter(|text| text.len() <= MAX_TICKET_ID_BYTES)
            .collect(),
        ticket_id: told.sys_id,
    }))
}

/// How often the record was changed: the same when the rule repeats its call.
fn count(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let is_count =
        (1..=MAX_COUNT_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_count.then_some(text)
}

/// What the rule repeats with every call.
pub(super) fn secret(signing: &SecretText) -> String {
    hex::encode(hmac_sha256(signing.reveal().as_bytes(), [PURPOSE]))
}
