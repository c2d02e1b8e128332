//! Lists of incidents in an order that people choose, page by page in both directions, and what a text names exactly.
//!
//! The store reads by age. By severity means one severity after the other, each by age: no index puts all incidents in that
//! order, and none is needed, since a page looks at four times as many rows at most.

use strum::{EnumString, IntoStaticStr, VariantNames};

use crate::{ActionError, Actions};
use model::incident::{Incident, Severity};
use model::incident_number::IncidentNumber;
use store::incident_search::Direction;
use store::incidents::IncidentFilter;
use store::{Page, StoreError};

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum IncidentOrder {
    /// The latest first.
    #[default]
    Newest,
    /// The earliest first.
    Oldest,
    /// The worst first, and of each severity the latest.
    Severity,
}

impl IncidentOrder {
    /// Every order, in the API's words.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The order read back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn direction(self) -> Direction {
        match self {
            Self::Newest | Self::Severity => Direction::NewestFirst,
            Self::Oldest => Direction::OldestFirst,
        }
    }
}

model::word_schemas! {
    IncidentOrder, "IncidentOrder", "The order of a list.", IncidentOrder::NAMES;
}

/// A place in a list: behind an incident, or where the looking stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Of a list by severity: in which part.
    pub severity: Option<Severity>,
    pub id: [u8; 16],
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its beginning.
    First,
    /// What follows a place.
    After(Place),
    /// What goes before a place.
    Before(Place),
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentsPage {
    /// In the order of the list, whichever way they were read.
    pub rows: Vec<Incident>,
    /// Where the part ends, and a further one begins in the same direction; nothing if there is none.
    pub next: Option<Place>,
}

impl Place {
    /// The place one further on, so that what goes before it ends with what stood at this one.
    pub fn onward(self, order: IncidentOrder) -> Self {
        self.moved(opposite(order.direction()))
    }

    /// The place one back.
    pub fn back(self, order: IncidentOrder) -> Self {
        self.moved(order.direction())
    }

    fn moved(self, direction: Direction) -> Self {
        Self {
            id: direction.bound_before(self.id),
            ..self
        }
    }
}

impl Actions {
    /// A part of a list. What a text names exactly, by its number or as the open incident with that dedup key, comes first,
    /// however long ago it was.
    pub async fn list_incidents(
        &self,
        filter: IncidentFilter,
        order: IncidentOrder,
        part: Part,
        limit: u32,
    ) -> Result<IncidentsPage, ActionError> {
        let named = match &filter.text {
            Some(text) => self.named(&filter, text).await?,
            None => None,
        };
        let filter = IncidentFilter {
            except: named.as_ref().map(|incident| incident.id),
            ..filter
        };
        let named = named.filter(|_| part == Part::First);
        let rest = limit.saturating_sub(u32::from(named.is_some()));
        let mut page = match rest {
            0 => IncidentsPage {
                rows: Vec::new(),
                next: Some(start(&filter, order)),
            },
            _ => self.read_part(filter, order, part, rest).await?,
        };
        page.rows.splice(0..0, named);
        Ok(page)
    }

    /// The incident that a text names, if the filter admits it.
    async fn named(&self, filter: &IncidentFilter, text: &str) -> Result<Option<Incident>, ActionError> {
        let incidents = &self.store.incidents;
        let by_number = match text.parse::<IncidentNumber>() {
            Ok(number) => found(incidents.find(number).await)?,
            Err(_) => None,
        };
        let id = match by_number {
            Some(id) => Some(id),
            None => incidents.find_open(text.to_owned()).await?,
        };
        let Some(id) = id else {
            return Ok(None);
        };
        let incident = found(incidents.get(id).await)?;
        Ok(incident.filter(|incident| filter.admits(incident)))
    }

    async fn read_part(
        &self,
        filter: IncidentFilter,
        order: IncidentOrder,
        part: Part,
        limit: u32,
    ) -> Result<IncidentsPage, ActionError> {
        let (place, direction) = match part {
            Part::First => (None, order.direction()),
            Part::After(place) => (Some(place), order.direction()),
            Part::Before(place) => (Some(place), opposite(order.direction())),
        };
        let is_backward = matches!(part, Part::Before(_));
        let mut page = IncidentsPage {
            rows: Vec::new(),
            next: None,
        };
        for severity in severities(&filter, order, place, is_backward) {
            let begins_here =
                place.filter(|place| order != IncidentOrder::Severity || place.severity == severity);
            let filter = IncidentFilter {
                severity,
                direction,
                ..filter.clone()
            };
            let read = u32::try_from(page.rows.len()).unwrap_or(limit);
            let wanted = Page {
                limit: limit.saturating_sub(read),
                before: begins_here.map(|place| place.id),
            };
            let listed = self.store.incidents.list(filter, wanted).await?;
            page.rows.extend(listed.rows);
            if let Some(id) = listed.next {
                let severity = severity.filter(|_| order == IncidentOrder::Severity);
                page.next = Some(Place { severity, id });
                break;
            }
        }
        if is_backward {
            page.rows.reverse();
        }
        Ok(page)
    }
}

/// The severities that are read one after the other; nothing stands for all of them at once.
fn severities(
    filter: &IncidentFilter,
    order: IncidentOrder,
    place: Option<Place>,
    is_backward: bool,
) -> Vec<Option<Severity>> {
    if order != IncidentOrder::Severity || filter.severity.is_some() {
        return vec![filter.severity];
    }
    let mut all: Vec<_> = Severity::ALL.iter().copied().map(Some).collect();
    if is_backward {
        all.reverse();
    }
    let begins = place.and_then(|place| all.iter().position(|severity| *severity == place.severity));
    all.split_off(begins.unwrap_or(0))
}

/// The place before everything.
fn start(filter: &IncidentFilter, order: IncidentOrder) -> Place {
    let severity = filter.severity.or(Severity::ALL.first().copied());
    Place {
        severity: severity.filter(|_| order == IncidentOrder::Severity),
        id: match order.direction() {
            Direction::NewestFirst => [0xff; 16],
            Direction::OldestFirst => [0; 16],
        },
    }
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::NewestFirst => Direction::OldestFirst,
        Direction::OldestFirst => Direction::NewestFirst,
    }
}

fn found<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(severity: Option<Severity>) -> Place {
        Place {
            severity,
            id: [7; 16],
        }
    }

    #[test]
    fn severities_are_read_from_the_place_on_in_either_direction() {
        let all = IncidentFilter::default();
        let read = |order, severity, is_backward| severities(&all, order, Some(place(severity)), is_backward);
        let (error, warning) = (Some(Severity::Error), Some(Severity::Warning));
        assert_eq!(read(IncidentOrder::Newest, None, false), [None]);
        assert_eq!(
            read(IncidentOrder::Severity, warning, false),
            [warning, Some(Severity::Info)]
        );
        assert_eq!(
            read(IncidentOrder::Severity, error, true),
            [error, Some(Severity::Critical)]
        );
    }

    #[test]
    fn what_goes_before_a_place_that_was_moved_on_ends_with_it() {
        let place = place(None);
        for order in [
            IncidentOrder::Newest,
            IncidentOrder::Oldest,
            IncidentOrder::Severity,
        ] {
            assert_ne!(place.onward(order), place);
            assert_eq!(place.onward(order).back(order), place);
        }
        assert!(place.onward(IncidentOrder::Newest).id < place.id);
        assert!(place.onward(IncidentOrder::Oldest).id > place.id);
    }
}
