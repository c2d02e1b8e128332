//! The view of the list that stands in its address: filters, order, and which part of it is shown.

use crate::incidents::list::Tab;
use crate::layout::paging::{Pager, address};
use crate::layout::query::Query;
use crate::layout::show;
use actions::incident_lists::{IncidentOrder, Part, Place};
use model::incident::{IncidentStatus, Severity};
use store::incidents::StatusCounts;

/// Where the list is.
const PATH: &str = "/incidents";
/// What its address says for every status.
const ANY: &str = "any";
/// The parameters of its address that choose and order incidents.
const NAMES: [&str; 7] = ["status", "severity", "service", "assignee", "since", "q", "sort"];

/// What an address asks for, parameter by parameter; what goes without saying is empty.
pub struct Filters<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Filters<'a> {
    /// What a query asks for, in an order.
    pub fn new(query: &'a Query, order: IncidentOrder) -> Self {
        let said = |name| match (name, query.text(name)) {
            ("status", text) => status_of(text),
            ("sort", _) => in_address(order),
            (_, text) => text,
        };
        Self(NAMES.map(|name| (name, said(name))).into())
    }

    /// One parameter.
    pub fn get(&self, name: &str) -> &'a str {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether something else than a status or an order is asked for.
    pub fn is_filtered(&self) -> bool {
        let others = self
            .0
            .iter()
            .filter(|(name, _)| !["status", "sort"].contains(name));
        others.into_iter().any(|(_, value)| !value.is_empty())
    }

    /// The statuses to choose from, each with how many incidents have it.
    pub fn statuses(&self, counts: Option<StatusCounts>) -> Vec<Tab> {
        let shown = |count, is_cut| match is_cut {
            true => format!("{}+", show::count(count)),
            false => show::count(count),
        };
        let tab = |value, name, count: Option<String>| Tab {
            name,
            count: count.unwrap_or_default(),
            address: self.with("status", value),
            is_here: self.get("status") == value,
        };
        let of_open =
            |count: fn(StatusCounts) -> u64| counts.map(|counts| shown(count(counts), counts.open_is_cut));
        vec![
            tab("", "Open", of_open(|of| of.triggered + of.acknowledged)),
            tab("triggered", "Triggered", of_open(|of| of.triggered)),
            tab("acknowledged", "Acknowledged", of_open(|of| of.acknowledged)),
            tab(
                "resolved",
                "Resolved",
                counts.map(|of| shown(of.resolved, of.resolved_is_cut)),
            ),
            tab(
                ANY,
                "All",
                counts.map(|of| {
                    let all = of.triggered + of.acknowledged + of.resolved;
                    shown(all, of.open_is_cut || of.resolved_is_cut)
                }),
            ),
        ]
    }

    /// The orders to choose from.
    pub fn orders(&self, order: IncidentOrder) -> Vec<Tab> {
        let orders = [
            (IncidentOrder::Newest, "Newest"),
            (IncidentOrder::Oldest, "Oldest"),
            (IncidentOrder::Severity, "Severity"),
        ];
        let tab = |(of, name)| Tab {
            name,
            count: String::new(),
            address: self.with("sort", in_address(of)),
            is_here: of == order,
        };
        orders.map(tab).into()
    }

    /// Where a part of the list is.
    pub fn address_of(&self, part: Part) -> String {
        let (name, place) = match part {
            Part::First => return address(PATH, &self.0, None),
            Part::After(place) => ("before", place_text(place)),
            Part::Before(place) => ("after", place_text(place)),
        };
        let mut filters: Vec<(&str, &str)> = self.0.clone();
        filters.push((name, &place));
        address(PATH, &filters, None)
    }

    /// Where the list goes on from a part that ends at `next`, in the direction in which it was read.
    pub fn pager(&self, order: IncidentOrder, part: Part, next: Option<Place>) -> Pager {
        let (newer, older) = match part {
            Part::First => (None, next.map(Part::After)),
            Part::After(place) => (Some(Part::Before(place.onward(order))), next.map(Part::After)),
            Part::Before(place) => (next.map(Part::Before), Some(Part::After(place.back(order)))),
        };
        Pager {
            first: (part != Part::First).then(|| self.address_of(Part::First)),
            newer: newer.map(|part| self.address_of(part)),
            older: older.map(|part| self.address_of(part)),
            is_sorted: order != IncidentOrder::Newest,
        }
    }

    /// The address of the same with another value, from the beginning.
    fn with(&self, name: &str, value: &str) -> String {
        let changed = self.0.iter().map(|(known, old)| match *known == name {
            true => (*known, value),
            false => (*known, *old),
        });
        address(PATH, &changed.collect::<Vec<_>>(), None)
    }
}

/// The part that a query asks for. Nonsense begins at the start.
pub fn part_of(query: &Query, order: IncidentOrder) -> Part {
    let place = |name| parse_place(order, query.text(name));
    match (place("before"), place("after")) {
        (Some(place), _) => Part::After(place),
        (None, Some(place)) => Part::Before(place),
        (None, None) => Part::First,
    }
}

/// The status that a text asks for; open ones, which go without saying, if it is none.
pub fn status_of(text: &str) -> &str {
    let is_known = text == ANY || IncidentStatus::parse(text).is_some();
    if is_known { text } else { "" }
}

fn in_address(order: IncidentOrder) -> &'static str {
    match order {
        IncidentOrder::Newest => "",
        IncidentOrder::Oldest | IncidentOrder::Severity => order.as_str(),
    }
}

/// A place as an address has it: an id in hexadecimal digits; of a list by severity, the severity stands before it.
pub fn place_text(place: Place) -> String {
    let id = hex::encode(place.id);
    match place.severity {
        Some(severity) => format!("{}-{id}", severity.as_str()),
        None => id,
    }
}

/// The place that a text stands for in a list of this order.
pub fn parse_place(order: IncidentOrder, text: &str) -> Option<Place> {
    let (severity, digits) = match (order, text.split_once('-')) {
        (IncidentOrder::Severity, Some((severity, digits))) => (Some(Severity::parse(severity)?), digits),
        (IncidentOrder::Newest | IncidentOrder::Oldest, None) => (None, text),
        (IncidentOrder::Severity, None) | (IncidentOrder::Newest | IncidentOrder::Oldest, Some(_)) => {
            return None;
        }
    };
    let mut id = [0; 16];
    hex::decode_to_slice(digits, &mut id).ok()?;
    Some(Place { severity, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters() -> Filters<'static> {
        Filters(vec![("status", "resolved"), ("severity", ""), ("sort", "")])
    }

    #[test]
    fn a_page_leads_to_the_one_before_and_the_one_behind() {
        let place = |last: u8| {
            let mut id = [0; 16];
            id[15] = last;
            Place { severity: None, id }
        };
        let newest = IncidentOrder::Newest;
        let pager = filters().pager(newest, Part::After(place(9)), Some(place(5)));
        let at = |name: &str, last: &str| {
            Some(format!(
                "/incidents?status=resolved&{name}={}{last}",
                "0".repeat(31)
            ))
        };
        assert_eq!(pager.first.as_deref(), Some("/incidents?status=resolved"));
        assert_eq!((pager.newer, pager.older), (at("after", "8"), at("before", "5")));
        let back = filters().pager(newest, Part::Before(place(8)), Some(place(12)));
        assert_eq!((back.newer, back.older), (at("after", "c"), at("before", "9")));
        let first = filters().pager(newest, Part::First, None);
        assert_eq!((first.first, first.newer, first.older), (None, None, None));
    }

    #[test]
    fn each_status_tells_how_many_there_are_as_far_as_they_were_counted() {
        let counts = StatusCounts {
            triggered: 2,
            acknowledged: 1,
            resolved: 40,
            resolved_is_cut: true,
            ..StatusCounts::default()
        };
        let told = filters().statuses(Some(counts));
        let told: Vec<_> = told.iter().map(|tab| (tab.name, tab.count.as_str())).collect();
        let expected = [
            ("Open", "3"),
            ("Triggered", "2"),
            ("Acknowledged", "1"),
            ("Resolved", "40+"),
            ("All", "43+"),
        ];
        assert_eq!(told, expected);
        assert!(filters().statuses(None).iter().all(|tab| tab.count.is_empty()));
    }

    #[test]
    fn places_read_back_in_their_order_only() {
        let by_age = Place {
            severity: None,
            id: [7; 16],
        };
        let worst = Place {
            severity: Some(Severity::Critical),
            ..by_age
        };
        for (order, place) in [(IncidentOrder::Oldest, by_age), (IncidentOrder::Severity, worst)] {
            assert_eq!(parse_place(order, &place_text(place)), Some(place));
        }
        assert_eq!(parse_place(IncidentOrder::Newest, &place_text(worst)), None);
        assert_eq!(parse_place(IncidentOrder::Severity, &place_text(by_age)), None);
        for nonsense in ["", "zz", "critical-", "07", "fatal-07"] {
            assert_eq!(parse_place(IncidentOrder::Severity, nonsense), None);
        }
    }
}
