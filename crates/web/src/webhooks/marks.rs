//! The mark of each kind of webhook: two or three letters that no other kind has.

use destination::about::KindDescription;

/// What fits where a mark stands, in letters.
const LONGEST_MARK: usize = 3;

/// The mark of a kind with a form of its own; empty for the default format. The first letters of its first two words, or of the
/// parts that capitals make of one; its last word if that is an abbreviation; otherwise its first two letters.
pub fn kind_mark(about: &KindDescription) -> String {
    if about.fields.is_empty() {
        return String::new();
    }
    mark_of(about.name)
}

fn mark_of(name: &str) -> String {
    let last = name.rsplit(' ').next().unwrap_or_default();
    let is_in_abbreviation = |letter: char| letter.is_uppercase() || letter.is_ascii_digit();
    if last.len() <= LONGEST_MARK && last.chars().all(is_in_abbreviation) {
        return last.to_owned();
    }
    let mut before = ' ';
    let mut begins = Vec::new();
    for letter in name
        .chars()
        .filter(|letter| letter.is_alphanumeric() || *letter == ' ')
    {
        let is_capital = letter.is_uppercase() && !before.is_uppercase();
        if letter != ' ' && (before == ' ' || is_capital) {
            begins.push(letter);
        }
        before = letter;
    }
    match begins.as_slice() {
        [first, second, ..] => [*first, *second]
            .iter()
            .flat_map(|letter| letter.to_uppercase())
            .collect(),
        _ => name
            .chars()
            .filter(|letter| letter.is_alphanumeric())
            .take(2)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn each_kind_has_a_mark_of_its_own() {
        let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for adapter in kinds::all() {
            let about = adapter.description();
            kinds.entry(kind_mark(about)).or_default().push(about.name);
        }
        let shared: Vec<_> = kinds.iter().filter(|(_, names)| names.len() > 1).collect();
        assert_eq!(shared, Vec::<(&String, &Vec<&str>)>::new());
        assert_eq!(
            ["Slack", "ServiceNow", "Google Chat"].map(mark_of),
            ["Sl", "SN", "GC"]
        );
    }
}
