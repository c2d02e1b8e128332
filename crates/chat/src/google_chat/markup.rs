//! Texts of people in the two markups of Google Chat, and back. Texts in cards are a small HTML: there is an escape for
//! everything. The text of a message knows `*bold*`, `_italic_`, `~struck~`, code, `<url|links>` and `<users/…>`, and no
//! escape at all: what would be read becomes a character that looks the same.

/// A line of a person's for a card.
pub(super) fn escape(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len() + 8);
    for character in line.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A line of a person's for the text of a message. Never at its start, where a hyphen would make a list.
pub(super) fn disarm(line: &str) -> String {
    let look_alike = |character| match character {
        '*' => '∗',
        '_' => 'ˍ',
        '~' => '∼',
        '`' => 'ˋ',
        '<' => '‹',
        '>' => '›',
        other => other,
    };
    line.chars().map(look_alike).collect()
}

/// The tags that cards know.
const TAGS: &[&str] = &[
    "b", "i", "u", "s", "strike", "font", "a", "br", "code", "pre", "ul", "ol", "li", "time",
];

/// A card's text as people see it: known tags go, unknown ones stay, entities become what they stand for.
pub(super) fn read_html(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (piece, length) = match character {
            '<' => read_tag(rest),
            '&' => read_entity(rest),
            _ => (Some(character), character.len_utf8()),
        };
        shown.extend(piece);
        rest = rest.get(length..).unwrap_or_default();
    }
    shown
}

/// What a tag shows, and how long it is.
fn read_tag(rest: &str) -> (Option<char>, usize) {
    let tag = rest
        .split_once('>')
        .map(|(tag, _)| tag.trim_start_matches(['<', '/']));
    let name = tag
        .and_then(|tag| tag.split([' ', '/']).next())
        .unwrap_or_default();
    match (name.to_ascii_lowercase().as_str(), rest.find('>')) {
        ("br", Some(end)) => (Some('\n'), end + 1),
        (name, Some(end)) if TAGS.contains(&name) => (None, end + 1),
        _ => (Some('<'), 1),
    }
}

/// What an entity shows, and how long it is.
fn read_entity(rest: &str) -> (Option<char>, usize) {
    const ENTITIES: &[(&str, char)] = &[
        ("&amp;", '&'),
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&quot;", '"'),
        ("&#39;", '\''),
        ("&nbsp;", '\u{a0}'),
    ];
    let known = ENTITIES.iter().find(|(name, _)| rest.starts_with(name));
    known.map_or((Some('&'), 1), |(name, character)| (Some(*character), name.len()))
}

/// A message's text as people see it, with the users whom it calls. It reads more eagerly than Google Chat does: every
/// mark goes, wherever it stands.
pub(super) fn read_text(text: &str) -> (String, Vec<String>) {
    let mut shown = String::with_capacity(text.len());
    let mut called = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let bracket = rest.strip_prefix('<').and_then(|inner| inner.split_once('>'));
        rest = match bracket {
            Some((inner, after)) => {
                match (inner.strip_prefix("users/"), inner.split_once('|')) {
                    (Some(user), _) => called.push(user.to_owned()),
                    (None, Some((_, label))) => shown.push_str(label),
                    (None, None) => shown.push_str(inner),
                }
                after
            }
            None => {
                shown.extend(Some(character).filter(|it| !matches!(it, '*' | '_' | '~' | '`')));
                rest.get(character.len_utf8()..).unwrap_or_default()
            }
        };
    }
    (shown, called)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_card_shows_tags_of_people_as_text() {
        let hostile = r#"<b>a</b> <a href="http://evil">x</a> &lt; <users/all> R&D"#;
        assert_eq!(
            escape(hostile),
            "&lt;b&gt;a&lt;/b&gt; &lt;a href=&quot;http://evil&quot;&gt;x&lt;/a&gt; &amp;lt; &lt;users/all&gt; R&amp;D"
        );
        assert_eq!(read_html(&escape(hostile)), hostile);
    }

    #[test]
    fn tags_of_a_card_are_not_shown_but_unknown_ones_are() {
        assert_eq!(
            read_html(r##"<font color="#dc2626"><b>a</b></font><br>b <h1>c"##),
            "a\nb <h1>c"
        );
        assert_eq!(read_html("a < b & c &copy;"), "a < b & c &copy;");
    }

    #[test]
    fn a_text_calls_nobody_and_links_nowhere() {
        let hostile = "<users/all> <http://evil|x> *b* _i_ ~s~ `c`";
        assert_eq!(disarm(hostile), "‹users/all› ‹http://evil|x› ∗b∗ ˍiˍ ∼s∼ ˋcˋ");
        assert_eq!(read_text(&disarm(hostile)), (disarm(hostile), Vec::new()));
    }

    #[test]
    fn the_reader_finds_what_is_alive() {
        let (shown, called) = read_text("<users/all> <users/12> *a* <http://evil|x> <http://b>");
        assert_eq!(shown, "  a x http://b");
        assert_eq!(called, ["all", "12"]);
    }

    proptest! {
        #[test]
        fn every_line_is_read_as_it_was_written(line in "\\PC{0,60}|[<>&;/a-z\"*_~`| ]{0,40}") {
            let (escaped, disarmed) = (escape(&line), disarm(&line));
            prop_assert_eq!(read_text(&disarmed), (disarmed, Vec::new()));
            prop_assert_eq!(disarm(&line).chars().count(), line.chars().count());
            prop_assert_eq!(read_html(&escaped), line);
        }
    }
}
