//! A period of days in a reader's zone, and the steps in which it is shown. Days begin at midnight of the zone, whatever its
//! clocks do on them.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::time::Timestamp;

const DAYS_OF_WEEK: u8 = 7;
/// The most steps of a period.
pub const MAX_STEPS: usize = 366;
/// How many days a period has of which nothing is said.
pub const DEFAULT_DAYS: i64 = 30;
/// The longest name of a zone, in bytes.
const MAX_ZONE_BYTES: usize = 64;
/// The most days whose steps are days unless somebody asks for it.
const MAX_DAYS_BY_DAY: usize = 92;

/// How long a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsightStep {
    Day,
    /// From Monday to Sunday.
    Week,
}

/// A period as an address names it: texts that nobody has read yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeriodText<'a> {
    /// The last so many days, unless a first day is named.
    pub days: &'a str,
    pub from: &'a str,
    /// Today if it is empty.
    pub to: &'a str,
    /// A name of the IANA's list; UTC if it is empty.
    pub zone: &'a str,
    /// `day` or `week`; what suits the period if it is empty.
    pub step: &'a str,
}

/// Why there is no such period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeriod {
    #[error("there is no such time zone; use a name such as Europe/Berlin")]
    Zone,
    #[error("days is a number from 1 to {MAX_STEPS}")]
    Days,
    #[error("this is no day in the form 2026-01-31")]
    Date(&'static str),
    #[error("a step is a day or a week")]
    Step,
    #[error("the period ends before it begins")]
    Reversed,
    #[error("the period has more than {MAX_STEPS} steps; take a shorter one, or weeks")]
    TooLong,
}

impl InvalidPeriod {
    /// The part of the period that is wrong, as addresses name it.
    pub fn field(self) -> &'static str {
        match self {
            Self::Zone => "zone",
            Self::Days => "days",
            Self::Date(field) => field,
            Self::Step | Self::TooLong => "step",
            Self::Reversed => "to",
        }
    }
}

/// Where a quarter of an hour belongs: its step, its weekday from Monday on, its hour.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    pub step: usize,
    pub weekday: usize,
    pub hour: usize,
}

/// Days in a zone, and the steps that they are shown in.
#[derive(Debug, Clone)]
pub struct InsightPeriod {
    zone: TimeZone,
    first: Date,
    last: Date,
    step: InsightStep,
}

impl InsightPeriod {
    /// The days from the first to the last, both included. A long period has weeks as its steps, unless days are asked for.
    pub fn new(
        zone: TimeZone,
        first: Date,
        last: Date,
        step: Option<InsightStep>,
    ) -> Result<Self, InvalidPeriod> {
        if last < first {
            return Err(InvalidPeriod::Reversed);
        }
        let days = days_between(first, last) + 1;
        let step = step.unwrap_or(match days <= MAX_DAYS_BY_DAY {
            true => InsightStep::Day,
            false => InsightStep::Week,
        });
        let period = Self {
            zone,
            first,
            last,
            step,
        };
        match period.step_of(last) < MAX_STEPS {
            true => Ok(period),
            false => Err(InvalidPeriod::TooLong),
        }
    }

    /// The period that an address names. The last days end today.
    pub fn parse(text: PeriodText<'_>, now: Timestamp) -> Result<Self, InvalidPeriod> {
        let zone = parse_zone(text.zone)?;
        let today = local(&zone, now).date();
        let step = match text.step {
            "" => None,
            "day" => Some(InsightStep::Day),
            "week" => Some(InsightStep::Week),
            _ => return Err(InvalidPeriod::Step),
        };
        let last = match text.to {
            "" => today,
            to => parse_date("to", to)?,
        };
        let first = match (text.from, text.days) {
            ("", "") => first_of(last, DEFAULT_DAYS),
            ("", days) => first_of(last, parse_days(days)?),
            (from, _) => parse_date("from", from)?,
        };
        Self::new(zone, first, last, step)
    }

    /// The zone in which its days begin.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Its first day.
    pub fn first(&self) -> Date {
        self.first
    }

    /// Its last day.
    pub fn last(&self) -> Date {
        self.last
    }

    /// How long its steps are.
    pub fn step(&self) -> InsightStep {
        self.step
    }

    /// When it begins.
    pub fn starts_at(&self) -> Timestamp {
        self.start_of(self.first)
    }

    /// When it is over.
    pub fn ends_at(&self) -> Timestamp {
        self.last
            .tomorrow()
            .map_or(self.start_of(self.last), |day| self.start_of(day))
    }

    /// The first day of each step; of weeks, the Monday.
    pub fn steps(&self) -> Vec<Date> {
        let (first, days) = match self.step {
            InsightStep::Day => (self.first, 1),
            InsightStep::Week => (monday_of(self.first), DAYS_OF_WEEK),
        };
        let mut steps = Vec::new();
        let mut next = Some(first);
        while let Some(date) = next.filter(|date| *date <= self.last && steps.len() < MAX_STEPS) {
            steps.push(date);
            next = date.checked_add(jiff::Span::new().days(i64::from(days))).ok();
        }
        steps
    }

    fn start_of(&self, date: Date) -> Timestamp {
        let start = self.zone.to_zoned(date.at(0, 0, 0, 0));
        Timestamp::from_millis(start.map_or(0, |start| start.timestamp().as_millisecond()))
    }

    fn step_of(&self, date: Date) -> usize {
        match self.step {
            InsightStep::Day => days_between(self.first, date),
            InsightStep::Week => {
                days_between(monday_of(self.first), monday_of(date)) / usize::from(DAYS_OF_WEEK)
            }
        }
    }

    /// Where a quarter of an hour belongs; nowhere if it lies outside.
    pub fn slot_of(&self, at: Timestamp) -> Option<Slot> {
        let local = local(&self.zone, at);
        let date = local.date();
        if date < self.first || date > self.last {
            return None;
        }
        Some(Slot {
            step: self.step_of(date),
            weekday: usize::try_from(date.weekday().to_monday_zero_offset()).ok()?,
            hour: usize::try_from(local.hour()).ok()?,
        })
    }
}

fn parse_zone(name: &str) -> Result<TimeZone, InvalidPeriod> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/');
    match name {
        "" => Ok(TimeZone::UTC),
        name if name.len() <= MAX_ZONE_BYTES && name.bytes().all(is_plain) => {
            TimeZone::get(name).map_err(|_| InvalidPeriod::Zone)
        }
        _ => Err(InvalidPeriod::Zone),
    }
}

fn parse_days(text: &str) -> Result<i64, InvalidPeriod> {
    let days = text.parse().ok().filter(|days| (1..=366).contains(days));
    days.ok_or(InvalidPeriod::Days)
}

/// A day on which a time can lie.
fn parse_date(field: &'static str, text: &str) -> Result<Date, InvalidPeriod> {
    let date = text.parse().ok();
    date.filter(|date: &Date| (1971..9999).contains(&date.year()))
        .ok_or(InvalidPeriod::Date(field))
}

fn first_of(last: Date, days: i64) -> Date {
    let back = jiff::Span::new().days(days - 1);
    last.checked_sub(back).unwrap_or(last)
}

fn local(zone: &TimeZone, at: Timestamp) -> jiff::civil::DateTime {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    zone.to_datetime(at)
}

fn monday_of(date: Date) -> Date {
    let back = i64::from(date.weekday().since(Weekday::Monday));
    date.checked_sub(jiff::Span::new().days(back)).unwrap_or(date)
}

fn days_between(first: Date, last: Date) -> usize {
    let days = (last - first).get_days();
    usize::try_from(days).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn a_day_on_which_clocks_change_has_its_own_length() {
        let berlin = zone("Europe/Berlin");
        let period = InsightPeriod::new(berlin, date(2026, 3, 29), date(2026, 3, 29), None).unwrap();
        assert_eq!(period.ends_at().since(period.starts_at()).as_secs(), 23 * 3600);
    }

    #[test]
    fn long_periods_are_shown_by_weeks_and_too_many_days_are_refused() {
        let utc = || TimeZone::UTC;
        let (first, last) = (date(2025, 1, 1), date(2026, 1, 1));
        let period = |step| InsightPeriod::new(utc(), first, last, step);
        let by_week = period(None).unwrap();
        assert_eq!((by_week.step(), by_week.steps().len()), (InsightStep::Week, 53));
        assert_eq!(by_week.steps()[0], date(2024, 12, 30));
        assert_eq!(period(Some(InsightStep::Day)).unwrap().steps().len(), 366);
        let longer = InsightPeriod::new(utc(), first, date(2026, 1, 2), Some(InsightStep::Day));
        assert_eq!(longer.unwrap_err(), InvalidPeriod::TooLong);
        let reversed = InsightPeriod::new(utc(), last, first, None);
        assert_eq!(reversed.unwrap_err(), InvalidPeriod::Reversed);
    }

    fn parse(text: PeriodText<'_>) -> Result<(Date, Date), InvalidPeriod> {
        let now: Timestamp = "2026-03-01T20:00:00Z".parse().unwrap();
        InsightPeriod::parse(text, now).map(|period| (period.first(), period.last()))
    }

    #[test]
    fn the_last_days_end_today_in_the_zone() {
        let text = PeriodText {
            days: "7",
            zone: "Asia/Tokyo",
            ..PeriodText::default()
        };
        assert_eq!(parse(text), Ok((date(2026, 2, 24), date(2026, 3, 2))));
        let nothing_said = parse(PeriodText::default());
        assert_eq!(nothing_said, Ok((date(2026, 1, 31), date(2026, 3, 1))));
    }

    #[test]
    fn what_names_no_period_is_refused_with_the_part_that_is_wrong() {
        let none = PeriodText::default();
        for (text, wrong) in [
            (
                PeriodText {
                    zone: "../etc/passwd",
                    ..none
                },
                "zone",
            ),
            (
                PeriodText {
                    zone: "Europe/Nowhere",
                    ..none
                },
                "zone",
            ),
            (PeriodText { days: "0", ..none }, "days"),
            (PeriodText { days: "-1", ..none }, "days"),
            (
                PeriodText {
                    from: "2026-02-30",
                    ..none
                },
                "from",
            ),
            (
                PeriodText {
                    to: "1969-12-31",
                    ..none
                },
                "to",
            ),
            (
                PeriodText {
                    from: "2026-03-02",
                    ..none
                },
                "to",
            ),
            (PeriodText { step: "year", ..none }, "step"),
            (
                PeriodText {
                    from: "2025-01-01",
                    step: "day",
                    ..none
                },
                "step",
            ),
        ] {
            let refused = parse(text).map_err(InvalidPeriod::field);
            assert_eq!(refused, Err(wrong), "{text:?}");
        }
    }
}
