//! What a person types to name an issue: its number, with or without its place before it, or its page.

use url::Url;

use crate::forge::issue::is_number;
use crate::forge::place::{Place, segments};

/// The longest text that is looked at, in bytes.
const MAX_TEXT_BYTES: usize = 2048;
/// What an address without an issue is answered with.
const NO_ISSUE: &str = "this address names no issue: open the issue itself and copy its address";

/// See [`destination::ticketing::Ticketing::reference`].
pub(crate) fn reference(place: &Place, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > MAX_TEXT_BYTES {
        return Err("this is too long for an issue's number or address".to_owned());
    }
    if let Some(url) = Url::parse(text).ok().filter(Url::has_host) {
        return of_page(place, &url);
    }
    let (name, number) = text.rsplit_once('#').unwrap_or(("", text));
    if !name.is_empty() && !place.is_called(name) {
        return Err(format!(
            "this webhook's issues are in {}, not in {name}",
            place.name
        ));
    }
    match is_number(number) {
        true => Ok(number.to_owned()),
        false => Err("give an issue's number such as #12, or the address of its page".to_owned()),
    }
}

/// GitLab has issues behind a dash, and in new versions among `work_items`.
fn of_page(place: &Place, url: &Url) -> Result<String, String> {
    let elsewhere = || {
        format!(
            "this page is elsewhere: issues of this webhook are at {}",
            place.home
        )
    };
    let home = Url::parse(&place.home).map_err(|_| elsewhere())?;
    let (home_parts, parts) = (segments(&home), segments(url));
    let (start, rest) = parts.split_at_checked(home_parts.len()).ok_or_else(elsewhere)?;
    let is_here = start.join("/").to_lowercase() == home_parts.join("/").to_lowercase();
    if home.origin() != url.origin() || !is_here {
        return Err(elsewhere());
    }
    let mut rest = rest.iter().map(String::as_str).skip_while(|part| *part == "-");
    let number = match rest.next() {
        Some("issues" | "work_items") => rest.next(),
        Some(_) | None => None,
    };
    let number = number.filter(|number| is_number(number)).ok_or(NO_ISSUE)?;
    Ok(number.to_owned())
}
