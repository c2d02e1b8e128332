//! Tables for people: as wide as the terminal, or 80 columns where there is none (`COLUMNS` says otherwise). Ids and other short
//! words are never broken: what finds no room beside them wraps, and columns that find none at all are left out, the last ones
//! first. Everything stands in `--json`.

use comfy_table::{CellAlignment, Column, ColumnConstraint, ContentArrangement, Table, Width, presets};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use config::environment;

/// How wide output is that goes into no terminal.
const DEFAULT_WIDTH: usize = 80;
/// The narrowest terminal that is believed.
const MIN_WIDTH: usize = 40;
/// Longer words may be broken, unless they are ids.
const LONGEST_WHOLE_WORD: usize = 24;
/// What an id has behind its prefix.
const ID_DIGITS: usize = 32;
/// The least that is left of a text that is cut.
const LEAST_CUT_WIDTH: usize = 12;
/// Blanks between two columns.
const GAP: u16 = 2;

/// How wide a column must be, and how wide it would like to be.
struct Sizes {
    least: usize,
    natural: usize,
}

impl Sizes {
    fn new<'a>(heading: &str, cells: impl Iterator<Item = &'a str>) -> Self {
        let mut sizes = Self {
            least: heading.width(),
            natural: heading.width(),
        };
        for cell in cells {
            let lines = cell.lines().map(UnicodeWidthStr::width);
            sizes.natural = lines.fold(sizes.natural, usize::max);
            sizes.least = cell.split_whitespace().map(least).fold(sizes.least, usize::max);
        }
        sizes
    }
}

/// How wide a column with this word must be.
fn least(word: &str) -> usize {
    match is_id(word.trim_end_matches(',')) {
        true => word.width(),
        false => word.width().min(LONGEST_WHOLE_WORD),
    }
}

/// Whether a word is an id: `dlv_` and 32 hexadecimal digits, or any other prefix.
pub fn is_id(word: &str) -> bool {
    let digits = word.split_once('_').map(|(_, digits)| digits);
    digits.is_some_and(|digits| {
        digits.len() == ID_DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// How many columns the terminal has; nothing if the output goes elsewhere.
pub fn terminal_width() -> Option<usize> {
    Table::new().width().map(usize::from)
}

/// How wide output may be.
pub fn width() -> usize {
    let said = || environment("COLUMNS")?.parse().ok();
    terminal_width()
        .or_else(said)
        .unwrap_or(DEFAULT_WIDTH)
        .max(MIN_WIDTH)
}

/// A table of this width.
pub fn table(headings: &[&str], rows: Vec<Vec<String>>, width: usize) -> String {
    let cells = |column: usize| {
        rows.iter()
            .map(move |row| row.get(column).map_or("", String::as_str))
    };
    let sizes: Vec<Sizes> = headings
        .iter()
        .enumerate()
        .map(|(column, heading)| Sizes::new(heading, cells(column)))
        .collect();
    let shown = fit(&sizes, width);
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(shown.iter().map(|(column, _)| headings[*column]));
    table.add_rows(rows.into_iter().map(|mut row| {
        let cell = |(column, _): &(usize, usize)| row.get_mut(*column).map(std::mem::take);
        shown
            .iter()
            .map(cell)
            .map(Option::unwrap_or_default)
            .collect::<Vec<_>>()
    }));
    for (column, (_, width)) in table.column_iter_mut().zip(&shown) {
        set_width(column, *width);
    }
    // An arrangement is needed for the widths to count.
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX).saturating_add(GAP));
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// A table of one line for each row: no column is narrower than its texts but the last, which is cut to the room that is left. Without a
/// width nothing is cut.
pub fn lines(headings: &[&str], rows: Vec<Vec<String>>, width: Option<usize>) -> String {
    let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let rows: Vec<Vec<String>> = [headings].into_iter().chain(rows).collect();
    let last = rows[0].len().saturating_sub(1);
    let widest = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..last)
        .map(|column| widest(column) + usize::from(GAP))
        .collect();
    let taken: usize = widths.iter().sum();
    let room = width.map_or(usize::MAX, |width| {
        width.saturating_sub(taken).max(LEAST_CUT_WIDTH)
    });
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths);
        let mut line: String = cells
            .map(|(text, width)| format!("{text}{:1$}", "", width - text.width()))
            .collect();
        line.push_str(&cut(&row[last], room));
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A text that is no wider than so many columns.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        if kept.width() + character.width().unwrap_or(0) >= width {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

fn set_width(column: &mut Column, width: usize) {
    let width = u16::try_from(width).unwrap_or(u16::MAX).saturating_add(GAP);
    column.set_padding((0, GAP));
    column.set_cell_alignment(CellAlignment::Left);
    column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
}

/// Which columns find room, each with its width. The first one always does.
fn fit(sizes: &[Sizes], width: usize) -> Vec<(usize, usize)> {
    let mut left = width;
    let mut shown: Vec<(usize, usize)> = Vec::with_capacity(sizes.len());
    for (column, sizes) in sizes.iter().enumerate() {
        let gap = if shown.is_empty() { 0 } else { usize::from(GAP) };
        if shown.is_empty() || sizes.least + gap <= left {
            left = left.saturating_sub(sizes.least + gap);
            shown.push((column, sizes.least));
        }
    }
    for (column, width) in &mut shown {
        let more = left.min(sizes[*column].natural - *width);
        *width += more;
        left -= more;
    }
    shown
}

/// A text in lines of a width, broken at blanks only.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "dlv_0190b6c88f3e7d2a8e4c5f6a7b8c9d04";

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn a_table_fits_its_width_and_no_id_is_broken() {
        let headings = ["ID", "STATUS", "WEBHOOK", "INCIDENT", "MADE"];
        let name = "The pager of the people who are on call";
        let rows = [row(&[ID, "delivered", name, ID, "2026-01-05T12:00:00.000Z"])];
        for width in [60, 80, 120, 200] {
            let table = table(&headings, rows.to_vec(), width);
            let widest = table.lines().map(UnicodeWidthStr::width).max().unwrap();
            assert!(widest <= width, "{widest} of {width}:\n{table}");
            assert!(table.contains(ID) && table.contains("delivered"), "{table}");
        }
        let narrow = table(&headings, rows.to_vec(), 80);
        assert!(!narrow.contains("INCIDENT"), "{narrow}");
        let wide = table(&headings, rows.to_vec(), 200);
        assert_eq!(wide.lines().count(), 2, "{wide}");
    }

    #[test]
    fn a_long_word_is_broken_only_if_it_is_no_id() {
        let url = "https://hooks.example/of/the/people/who/are/on/call";
        let table = table(&["ID", "URL"], vec![row(&[ID, url])], 66);
        assert!(table.lines().all(|line| line.width() <= 66), "{table}");
        assert!(table.contains(ID) && table.lines().count() > 2, "{table}");
    }

    #[test]
    fn what_is_wider_than_its_room_is_cut_by_columns() {
        let rows = vec![row(&["#1", "数据库连接超时了又超时"])];
        let narrow = lines(&["NUMBER", "TITLE"], rows.clone(), Some(20));
        assert_eq!(narrow, "NUMBER  TITLE\n#1      数据库连接…");
        assert!(lines(&["NUMBER", "TITLE"], rows, None).ends_with("又超时"));
    }

    #[test]
    fn text_wraps_at_blanks_and_keeps_its_words() {
        let wrapped = wrap(&format!("one two {ID} three"), 10);
        assert_eq!(wrapped, ["one two", ID, "three"]);
        assert_eq!(wrap("a\nb", 10), ["a", "b"]);
    }
}
