//! What lists of incidents look for, and between which ids: the pure part, the same for every store.

use crate::Page;
use crate::incidents::IncidentFilter;
use crate::page::{above, below};
use model::id::IncidentId;
use model::incident::{Incident, IncidentStatus};
use model::incident_number::IncidentNumber;

/// The statuses of open incidents.
pub const OPEN: [IncidentStatus; 2] = [IncidentStatus::Triggered, IncidentStatus::Acknowledged];

/// In which order rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// The latest first; a page goes on below its bound.
    #[default]
    NewestFirst,
    /// The earliest first; a page goes on above its bound.
    OldestFirst,
}

impl Direction {
    /// As a statement says it.
    pub fn as_sql(self) -> &'static str {
        match self {
            Self::NewestFirst => "DESC",
            Self::OldestFirst => "ASC",
        }
    }

    /// The bound behind which a page begins that has the row itself for its first.
    pub fn bound_before(self, id: [u8; 16]) -> [u8; 16] {
        match self {
            Self::NewestFirst => above(id),
            Self::OldestFirst => below(id),
        }
    }
}

/// Ids that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdPrefix {
    lowest: [u8; 16],
    highest: [u8; 16],
}

impl IdPrefix {
    /// The ids of incidents that begin with a text such as `inc_0190b6`; nothing if none can.
    pub fn parse(text: &str) -> Option<Self> {
        const DIGITS: usize = 32;
        let digits = text.strip_prefix(IncidentId::PREFIX)?.strip_prefix('_')?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.is_empty() || digits.len() > DIGITS || !digits.bytes().all(is_hex) {
            return None;
        }
        let filled = |with: &str| {
            let mut bytes = [0; 16];
            let text = format!("{digits}{}", with.repeat(DIGITS - digits.len()));
            hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
        };
        Some(Self {
            lowest: filled("0")?,
            highest: filled("f")?,
        })
    }

    fn has(&self, id: IncidentId) -> bool {
        (self.lowest..=self.highest).contains(id.as_bytes())
    }
}

/// A text that is looked for in what people call an incident by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSearch {
    lowered: String,
    number: Option<i64>,
}

impl TextSearch {
    /// Looks for this text, whatever the case.
    pub fn new(text: &str) -> Self {
        Self {
            lowered: text.to_lowercase(),
            number: text.parse().ok().map(IncidentNumber::get),
        }
    }

    /// Whether the number is it, or a title, a service's name or a dedup key contains it.
    pub fn finds(&self, texts: [&str; 3], number: Option<i64>) -> bool {
        let contains = |text: &str| text.to_lowercase().contains(&self.lowered);
        texts.into_iter().any(contains) || (number.is_some() && number == self.number)
    }
}

impl IncidentFilter {
    /// The same, and only those that a text finds: by how their id begins, or else as [`TextSearch`] does.
    pub fn searched(self, text: Option<&str>) -> Self {
        let id_prefix = text.and_then(IdPrefix::parse);
        let text = text.filter(|_| id_prefix.is_none()).map(str::to_owned);
        Self {
            id_prefix,
            text,
            ..self
        }
    }

    /// The same for counting incidents of these statuses.
    pub fn of_statuses(&self, statuses: &[IncidentStatus]) -> Self {
        Self {
            statuses: statuses.to_vec(),
            text: None,
            except: None,
            ..self.clone()
        }
    }

    /// Between which ids a page lies: from the first on, below the second. One of each is enough for an index to be walked from
    /// one to the other. `walked_to` is the last row that is looked at.
    pub fn id_bounds(&self, page: Page, walked_to: Option<[u8; 16]>) -> [Option<[u8; 16]>; 2] {
        let at = |time| *IncidentId::lower_bound(time).as_bytes();
        let (behind, last) = match self.direction {
            Direction::NewestFirst => (walked_to, page.before),
            Direction::OldestFirst => (page.before.map(above), walked_to.map(above)),
        };
        let prefix = self.id_prefix.as_ref();
        let lowest = [self.since.map(at), behind, prefix.map(|prefix| prefix.lowest)];
        let highest = [
            self.until.map(at),
            last,
            prefix.map(|prefix| above(prefix.highest)),
        ];
        [
            lowest.into_iter().flatten().max(),
            highest.into_iter().flatten().min(),
        ]
    }

    /// Whether it asks for this incident, whatever its text.
    pub fn admits(&self, incident: &Incident) -> bool {
        let id = incident.id;
        let at = |time| IncidentId::lower_bound(time);
        let has_status = self.statuses.is_empty() || self.statuses.contains(&incident.status);
        let has_severity = self.severity.is_none_or(|severity| severity == incident.severity);
        let is_of_service = self
            .service_id
            .is_none_or(|service| service == incident.service.id);
        let has_assignee = self
            .assignee
            .is_none_or(|user| incident.assignee.as_ref().is_some_and(|of| of.id == user));
        let is_in_time =
            self.since.is_none_or(|since| at(since) <= id) && self.until.is_none_or(|until| id < at(until));
        let has_prefix = self.id_prefix.is_none_or(|prefix| prefix.has(id));
        has_status
            && has_severity
            && is_of_service
            && has_assignee
            && is_in_time
            && has_prefix
            && self.restriction.admits_service(incident.service.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(before: Option<u8>) -> Page {
        Page {
            limit: 50,
            before: before.map(|id| [id; 16]),
        }
    }

    #[test]
    fn an_id_is_found_by_its_beginning() {
        let prefix = IdPrefix::parse("inc_0190b").unwrap();
        assert_eq!(prefix.lowest[..3], [0x01, 0x90, 0xb0]);
        assert_eq!((prefix.highest[2], prefix.highest[15]), (0xbf, 0xff));
        let whole = format!("inc_{}", "ab".repeat(16));
        let prefix = IdPrefix::parse(&whole).unwrap();
        assert_eq!((prefix.lowest, prefix.highest), ([0xab; 16], [0xab; 16]));
        for nonsense in [
            "inc_",
            "inc_0190B",
            "inc_xyz",
            "whk_0190",
            "0190",
            &format!("{whole}a"),
        ] {
            assert_eq!(IdPrefix::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_text_is_found_in_title_service_and_dedup_key_and_a_number_only_whole() {
        let finds = |text: &str| TextSearch::new(text).finds(["Disk full", "Ärger", "db-1042"], Some(17));
        assert!(finds("DISK") && finds("äRG") && finds("1042") && finds("17") && finds("#17"));
        assert!(!finds("18") && !finds("#1042") && !finds("#1"));
    }

    #[test]
    fn a_page_lies_between_two_ids_in_either_direction() {
        let newest = IncidentFilter::default();
        let oldest = IncidentFilter {
            direction: Direction::OldestFirst,
            ..IncidentFilter::default()
        };
        let walked_to = Some([3; 16]);
        assert_eq!(newest.id_bounds(page(None), None), [None, None]);
        assert_eq!(
            newest.id_bounds(page(Some(9)), walked_to),
            [walked_to, Some([9; 16])]
        );
        let (from, to) = (above([1; 16]), above([3; 16]));
        assert_eq!(oldest.id_bounds(page(Some(1)), walked_to), [Some(from), Some(to)]);
    }
}
