//! The table behind a chart: the same cells for people, and for programs as CSV.

use std::time::Duration;

use crate::layout::show;

/// What a cell holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Words, which users may have written.
    Text(String),
    Count(u64),
    /// How long something took, if it happened.
    Took(Option<Duration>),
    /// So many of so many.
    Share(u64, u64),
}

impl Cell {
    /// For people.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => show::count(*count),
            Self::Took(took) => took.map_or_else(|| "–".to_owned(), took_in_words),
            Self::Share(part, whole) => show::percent(*part, *whole).unwrap_or_else(|| "–".to_owned()),
        }
    }

    /// Whether it tells of something that happened.
    pub fn is_counted(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Count(count) | Self::Share(_, count) => *count > 0,
            Self::Took(took) => took.is_some(),
        }
    }

    /// For programs: durations in seconds, shares between 0 and 1, nothing where nothing is known.
    fn plain(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Count(count) => count.to_string(),
            Self::Took(took) => took.map_or_else(String::new, |took| seconds(took.as_millis())),
            Self::Share(_, 0) => String::new(),
            Self::Share(part, whole) => seconds(u128::from(*part) * 1000 / u128::from(*whole)),
        }
    }
}

/// How long something took, in words.
pub fn took_in_words(took: Duration) -> String {
    show::micros(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
}

/// Thousandths as a decimal number.
fn seconds(thousandths: u128) -> String {
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

/// A text as a cell. A spreadsheet takes one that begins like a formula for a formula, unless an apostrophe stands before it.
fn quoted(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// A heading and its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(columns: &[&str], rows: Vec<Vec<Cell>>) -> Self {
        Self {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows,
        }
    }

    /// The table as RFC 4180 has it.
    pub fn to_csv(&self) -> String {
        let heading: Vec<_> = self.columns.iter().map(|name| quoted(name)).collect();
        let mut csv = heading.join(",");
        csv.push_str("\r\n");
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(Cell::plain).collect();
            csv.push_str(&cells.join(","));
            csv.push_str("\r\n");
        }
        csv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_user_is_a_formula_or_breaks_out_of_its_cell() {
        let names = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "a \"b\", c\r\n=d"];
        let rows = names.map(|name| vec![Cell::Text(name.into()), Cell::Count(1)]);
        let csv = Table::new(&["Service", "Incidents"], rows.into()).to_csv();
        let expected = "\"Service\",\"Incidents\"\r\n\"'=1+1\",1\r\n\"'+1\",1\r\n\"'-1\",1\r\n\"'@SUM(A1)\",1\r\n\
                        \"'\t=1\",1\r\n\"a \"\"b\"\", c\r\n=d\",1\r\n";
        assert_eq!(csv, expected);
    }

    #[test]
    fn people_and_programs_read_the_same_numbers() {
        let cells = [
            Cell::Count(1234),
            Cell::Took(Some(Duration::from_millis(90_500))),
            Cell::Took(None),
            Cell::Share(999, 1000),
            Cell::Share(0, 0),
        ];
        let shown = cells.each_ref().map(Cell::shown);
        assert_eq!(shown, ["1\u{202f}234", "1 min 30 s", "–", "99.9 %", "–"]);
        assert_eq!(
            cells.each_ref().map(Cell::plain),
            ["1234", "90.500", "", "0.999", ""]
        );
    }
}
