//! What a person types to name a ticket: its key, or the address of its page on this very site.

use url::Url;

use crate::jira::issue::is_key;
use crate::jira::settings::Settings;
use destination::task::Target;

/// The longest text that is looked at, in bytes.
const MAX_TEXT_BYTES: usize = 2048;

/// See [`destination::ticketing::Ticketing::reference`].
pub(super) fn reference(target: &Target, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > MAX_TEXT_BYTES {
        return Err("this is too long for a ticket's key or address".to_owned());
    }
    let key = text.to_uppercase();
    if is_key(&key) {
        return Ok(key);
    }
    let Some(url) = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
    else {
        return Err("give a ticket's key such as OPS-12, or the address of its page".to_owned());
    };
    let site = Settings(target).site();
    let is_here = Url::parse(&site).is_ok_and(|site| leads_into(&url, &site));
    if !is_here {
        return Err(format!(
            "this address leads elsewhere: tickets of this webhook are at {site}"
        ));
    }
    key_in(&url)
        .ok_or_else(|| "this address names no ticket: open the ticket itself and copy its address".to_owned())
}

fn leads_into(url: &Url, site: &Url) -> bool {
    let base = site.path().trim_end_matches('/');
    let rest = url.path().strip_prefix(base);
    url.origin() == site.origin() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The key in an address: the ticket that is selected on a board, or the last key of the path.
fn key_in(url: &Url) -> Option<String> {
    let selected = url.query_pairs().find(|(name, _)| name == "selectedIssue");
    let selected = selected
        .map(|(_, key)| key.to_uppercase())
        .filter(|key| is_key(key));
    let segments = url.path_segments().into_iter().flatten();
    selected.or_else(|| segments.rev().map(str::to_uppercase).find(|part| is_key(part)))
}
