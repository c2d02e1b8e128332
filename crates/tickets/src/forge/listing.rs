//! Looking for our issue in pages of those that carry our label, the latest first.

use crate::forge::account::is_another;
use crate::forge::issue::Issue;
use crate::forge::place::Place;
use crate::forge::settings::LABEL;
use crate::forge::{CLOCKS, Forge, MAX_PAGES, PAGE_LENGTH};
use crate::workflow::action::{Facts, Observation, Sighting, Trouble};
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
///
/// That none of them carries it is no answer while a request may have made one: not where others made a marked one, nor where the
/// pages end before the time of that request.
pub(crate) fn marked(ask: &Ask<'_>, issues: Vec<Issue>, entries: usize, page: usize) -> Observation {
    let until = ask.intended_at().map(|at| at.minus(CLOCKS));
    let is_older = |issue: &Issue| {
        issue
            .created
            .zip(until)
            .is_some_and(|(created, until)| created < until)
    };
    let is_whole = entries < PAGE_LENGTH || issues.last().is_some_and(is_older);
    let is_last = is_whole || page + 1 >= MAX_PAGES;
    let is_by_another = |issue: &&Issue| {
        let is_anothers = is_another(ask.target, issue.author.as_ref());
        issue.carries(ask.marker) && is_anothers && !issue.has_our_duplicate_label()
    };
    let anothers = issues
        .iter()
        .find(is_by_another)
        .map(|issue| issue.ticket(ask).key);
    let ours = issues.into_iter().filter(|issue| {
        let is_by_us = !is_another(ask.target, issue.author.as_ref());
        issue.carries(ask.marker) && is_by_us && !issue.has_our_duplicate_label()
    });
    let mut found: Vec<Sighting> = ours.map(|issue| issue.sighting(ask)).collect();
    found.sort_by_key(|sighting| sighting.ticket.id.parse::<u64>().unwrap_or(u64::MAX));
    if let (true, Some(key), Some(_)) = (found.is_empty(), anothers, until) {
        return Err(Trouble::undecided(format!(
            "{key} carries the incident's mark and was made by another account: if it is the incident's, link it by hand"
        )));
    }
    if found.is_empty() && is_last && !is_whole && until.is_some() {
        return Err(Trouble::undecided(
            "whether the issue was made is not known: too many were made since then; look for it, and link it by hand",
        ));
    }
    Ok(match is_last {
        true => Facts::Tickets(found),
        false => Facts::Page(found),
    })
}
