//! What a person types to name a ticket: its number, its sys_id, or the address of its page in one of the instance's
//! several forms.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::servicenow::settings::{is_sys_id, table};
use destination::task::Target;

/// The longest number of a record.
const MAX_NUMBER_BYTES: usize = 40;
/// How many bytes a sys_id has.
const SYS_ID_BYTES: usize = 32;
/// The longest address that is looked through.
const MAX_ADDRESS_BYTES: usize = 4096;

/// See [`destination::ticketing::Ticketing::reference`].
pub(super) fn reference(target: &Target, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > MAX_ADDRESS_BYTES {
        return Err("this is too long for a ticket's number or address".into());
    }
    if is_sys_id(text) {
        return Ok(text.to_owned());
    }
    match Url::parse(text) {
        Ok(url) if url.has_host() => of_page(target, &url),
        _ if is_number(text) => Ok(text.to_ascii_uppercase()),
        _ => Err("this is neither a ticket's number such as INC0010001 nor the address of its page".into()),
    }
}

fn is_number(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=MAX_NUMBER_BYTES).contains(&text.len()) && text.bytes().all(is_part)
}

fn of_page(target: &Target, url: &Url) -> Result<String, String> {
    if url.origin() != target.url.origin() {
        let host = target.url.host_str().unwrap_or_default();
        return Err(format!(
            "this page is elsewhere: tickets of this webhook are at {host}"
        ));
    }
    // The classic pages stand within others, their address encoded once or twice.
    let once = percent_decode_str(url.as_str()).decode_utf8_lossy().into_owned();
    let twice = percent_decode_str(&once).decode_utf8_lossy().into_owned();
    let table = table(target);
    let marks = [format!("{table}.do?sys_id="), format!("/record/{table}/")];
    let found = marks.iter().find_map(|mark| {
        let id = twice.split_once(mark.as_str())?.1.get(..SYS_ID_BYTES)?;
        is_sys_id(id).then(|| id.to_owned())
    });
    found.ok_or_else(|| {
        format!("this address does not lead to a record of the table {table}: use the ticket's number")
    })
}
