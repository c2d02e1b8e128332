//! Reads Rust source text well enough for the rules of `tidy`: blanks out comments and texts, drops test modules,
//! measures functions. A plain scanner, not a parser: it relies on rustfmt's layout.

/// The source with comments, texts and characters blanked out. Line breaks stay, so lines keep their numbers.
pub fn without_comments_and_texts(source: &str) -> String {
    let mut blanked = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = length_to_blank(rest, blanked.chars().next_back());
        if skipped == 0 {
            blanked.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            blanked.extend(
                rest[..skipped]
                    .chars()
                    .map(|c| if c == '\n' { '\n' } else { ' ' }),
            );
            rest = &rest[skipped..];
        }
    }
    blanked
}

/// How many bytes of a comment, text or character begin here; 0 if none does.
fn length_to_blank(rest: &str, before: Option<char>) -> usize {
    let follows_a_word = before.is_some_and(is_word);
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    if rest.starts_with('\'') {
        return character_length(rest);
    }
    if follows_a_word {
        return 0;
    }
    raw_text_length(rest)
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if !is_escaped && c == quote {
            return at + 1;
        }
        is_escaped = !is_escaped && c == '\\';
    }
    rest.len()
}

/// A character such as `'{'` or `'\n'`; 0 for a lifetime.
fn character_length(rest: &str) -> usize {
    let mut characters = rest.chars().skip(1);
    match (characters.next(), characters.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted_length(rest, '\''),
        _ => 0,
    }
}

/// A raw text such as `r#"…"#`, with or without a leading `b` or `c`.
fn raw_text_length(rest: &str) -> usize {
    let marker = rest.trim_start_matches(['b', 'c']);
    let Some(after_r) = marker
        .strip_prefix('r')
        .filter(|_| rest.len() - marker.len() <= 1)
    else {
        return 0;
    };
    let opening = after_r.trim_start_matches('#');
    if !opening.starts_with('"') {
        return 0;
    }
    let closing = format!("\"{}", "#".repeat(after_r.len() - opening.len()));
    let start = rest.len() - opening.len() + 1;
    rest[start..]
        .find(&closing)
        .map_or(rest.len(), |at| start + at + closing.len())
}

/// Blanked source without what stands under `#[cfg(test)]`. Line breaks stay.
pub fn without_tests(blanked: &str) -> String {
    const MARKER: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(blanked.len());
    let mut rest = blanked;
    while let Some(at) = rest.find(MARKER) {
        let end = at + item_length(&rest[at..]);
        kept.push_str(&rest[..at]);
        kept.extend(rest[at..end].chars().filter(|c| *c == '\n'));
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}

/// Up to the end of an item: a semicolon or a closing brace outside of all brackets.
fn item_length(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && matches!(c, '}' | ';') {
            return at + 1;
        }
    }
    text.len()
}

/// A function: where it starts and how many lines it has, from `fn` to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, counted from 1.
    pub line: usize,
    /// Its lines, first and last included.
    pub lines: usize,
}

/// Every function with or without a body in blanked source.
pub fn functions(blanked: &str) -> Vec<Function> {
    let starts = blanked.match_indices("fn ").map(|(at, _)| at);
    starts
        .filter(|at| !blanked[..*at].ends_with(is_word))
        .filter_map(|at| function_at(blanked, at))
        .collect()
}

fn function_at(blanked: &str, at: usize) -> Option<Function> {
    let text = &blanked[at..];
    let name: String = text[3..].chars().take_while(|c| is_word(*c)).collect();
    let lines = text[..item_length(text)].lines().count();
    let line = blanked[..at].matches('\n').count() + 1;
    (!name.is_empty()).then_some(Function { name, line, lines })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn comments_and_texts_are_blanked_and_lines_keep_their_numbers() {
    let source =
        "a // crate::x {\nb /* { /* } */\n */ c \"}\\\"{\" d r#\"\"{\"# e '{' f '\\'' g b\"{\" <'h> \"\n\" i";
    let blanked = without_comments_and_texts(source);
    let words: Vec<_> = blanked.split_whitespace().collect();
    assert_eq!(words, ["a", "b", "c", "d", "e", "f", "g", "b", "<'h>", "i"]);
    assert_eq!(blanked.matches('\n').count(), source.matches('\n').count());
}

#[test]
fn what_stands_under_cfg_test_is_dropped_and_the_rest_stays() {
    let source =
        "use a;\n#[cfg(test)]\nmod tests {\n fn x() { if y {} }\n}\n#[cfg(test)]\nuse b;\nfn z() {}\n";
    assert_eq!(without_tests(source), "use a;\n\n\n\n\n\n\nfn z() {}\n");
}

#[test]
fn functions_are_measured_from_fn_to_their_closing_brace() {
    let source = "fn one() {}\n\npub async fn three(a: [u8; 2]) -> [u8; 2] {\n    x\n}\ntrait T {\n    fn declared();\n}\ntype P = fn (u8);\n";
    let measured: Vec<_> = functions(source)
        .into_iter()
        .map(|f| (f.name, f.line, f.lines))
        .collect();
    let expected = [("one", 1, 1), ("three", 3, 3), ("declared", 7, 1)];
    assert_eq!(
        measured,
        expected.map(|(name, line, lines)| (name.to_owned(), line, lines))
    );
}
