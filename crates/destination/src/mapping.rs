//! Fields of a form that hold a table: a line for each entry, name and value with `=` between them.

use crate::about::Problem;

/// The most lines of a table.
pub const MAX_LINES: usize = 100;

/// The entries of a table, in order. Empty lines and lines that begin with `#` say nothing.
pub fn entries(text: &str) -> impl Iterator<Item = (&str, &str)> {
    lines(text).filter_map(|(_, line)| {
        let (name, value) = line.split_once('=')?;
        Some((name.trim(), value.trim()))
    })
}

/// The value of a name, whatever its case.
pub fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    entries(text)
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// What is wrong with a table; `known` are the names that it may hold, all if empty.
pub fn problems(field: &'static str, text: &str, known: &[&str]) -> Vec<Problem> {
    let problem = |detail: String| Problem {
        field,
        code: "invalid_value",
        detail,
    };
    if lines(text).count() > MAX_LINES {
        return vec![problem(format!("has more than {MAX_LINES} lines"))];
    }
    let wrong = |(number, line): (usize, &str)| {
        let Some((name, value)) = line.split_once('=') else {
            return Some(problem(format!("line {number} has no = between name and value")));
        };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || value.is_empty() {
            return Some(problem(format!(
                "line {number} lacks what stands before or behind the ="
            )));
        }
        let is_known = known.is_empty() || known.iter().any(|known| known.eq_ignore_ascii_case(name));
        (!is_known).then(|| {
            problem(format!(
                "line {number} begins with {name:?}; it takes {}",
                known.join(", ")
            ))
        })
    };
    lines(text).filter_map(wrong).collect()
}

/// Lines that say something, with their numbers from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_line_by_line() {
        let text = "critical = Highest\r\n# a comment\n\nError=High = very\n";
        assert_eq!(
            entries(text).collect::<Vec<_>>(),
            [("critical", "Highest"), ("Error", "High = very")]
        );
        assert_eq!(value(text, "error"), Some("High = very"));
        assert_eq!(value(text, "info"), None);
        assert_eq!(problems("priority", text, &["critical", "error"]), []);
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_with_its_number() {
        let detail = |text: &str| problems("x", text, &["a"])[0].detail.clone();
        assert_eq!(detail("a=1\nb"), "line 2 has no = between name and value");
        assert_eq!(detail("a="), "line 1 lacks what stands before or behind the =");
        assert_eq!(detail("b=1"), "line 1 begins with \"b\"; it takes a");
    }
}
