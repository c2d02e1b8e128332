//! Looking for our issue in pages of those that carry our label, the latest first.

use crate::forge::account::is_another;
use crate::forge::issue::Issue;
use crate::forge::place::Place;
use crate::forge::settings::LABEL;
use crate::forge::{CLOCKS, Forge, MAX_PAGES, PAGE_LENGTH};
use crate::workflow::action::{Facts, Sighting};
use crate::workflow::system::Ask;
use destination::task::Rendered;
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;

/// The request for a page. Lists are read from the database, searches from an index that lags.
pub(crate) fn request(forge: &Forge, place: &Place, marker: &str, page: usize) -> Result<Rendered, Failure> {
    if marker.is_empty() {
        let detail = "the ticket has no marker to look for";
        return Err(Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::Permanent));
    }
    let (length, page) = (PAGE_LENGTH.to_string(), (page + 1).to_string());
    let which = [("labels", LABEL), ("state", "all")];
    let part = [("per_page", length.as_str()), ("page", page.as_str())];
    let query: Vec<_> = which
        .iter()
        .chain(forge.latest_first)
        .chain(&part)
        .copied()
        .collect();
    Ok(place.get_own(&["issues"], &query))
}

/// Which issues of a page with so many entries carry the marker, were made by us and are no closed duplicates, the oldest first.
pub(crate) fn marked(ask: &Ask<'_>, issues: Vec<Issue>, entries: usize, page: usize) -> Facts {
    let until = ask.intended_at().map(|at| at.minus(CLOCKS));
    let is_older = |issue: &Issue| {
        issue
            .created
            .zip(until)
            .is_some_and(|(created, until)| created < until)
    };
    let is_last = entries < PAGE_LENGTH || page + 1 >= MAX_PAGES || issues.last().is_some_and(is_older);
    let ours = issues.into_iter().filter(|issue| {
        let is_by_us = !is_another(ask.target, issue.author.as_ref());
        issue.carries(ask.marker) && is_by_us && !issue.is_closed_duplicate()
    });
    let mut found: Vec<Sighting> = ours.map(|issue| issue.sighting(ask)).collect();
    found.sort_by_key(|sighting| sighting.ticket.id.parse::<u64>().unwrap_or(u64::MAX));
    match is_last {
        true => Facts::Tickets(found),
        false => Facts::Page(found),
    }
}
