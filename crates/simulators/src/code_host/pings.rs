//! Whom a Markdown text calls: `@name`, and issues that are named and show it from then on (`#12`). What stands in code, in
//! an HTML comment, or (GitLab) behind a backslash calls nobody. It rather hears one call too many than one too few: links
//! and indented code are read like other text.

/// Whose Markdown it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// GitHub's: a backslash goes before names are looked for.
    GitHub,
    /// GitLab's: a backslash takes its meaning from what follows.
    GitLab,
}

/// Stands for what is text and never a call.
const PLAIN: char = '\u{fffd}';

/// Everybody and everything that a text calls, as it is written.
pub fn pings(text: &str, dialect: Dialect) -> Vec<String> {
    let visible = visible(&without_fences(text), dialect);
    let mut pings = Vec::new();
    let mut before = ' ';
    for (at, sign) in visible.char_indices() {
        let rest = visible.get(at..).unwrap_or_default();
        let is_inside = before.is_alphanumeric() || before == '_';
        let ping = match sign {
            '@' if !is_inside => name(rest, dialect),
            '#' => number(rest, 1),
            '!' | '&' if dialect == Dialect::GitLab => number(rest, 1),
            'G' if !is_inside && rest.starts_with("GH-") && dialect == Dialect::GitHub => number(rest, 3),
            'h' if !is_inside && rest.starts_with("http") => address(rest),
            _ => None,
        };
        pings.extend(ping);
        before = sign;
    }
    pings
}

/// A name behind an `@`.
fn name(rest: &str, dialect: Dialect) -> Option<String> {
    let is_part = |sign: &char| match dialect {
        Dialect::GitHub => sign.is_ascii_alphanumeric() || matches!(sign, '-' | '/'),
        Dialect::GitLab => sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.' | '/'),
    };
    let name: String = rest.chars().skip(1).take_while(is_part).collect();
    let name = name.trim_end_matches(['-', '.', '/']);
    let begins = name.starts_with(|sign: char| sign.is_ascii_alphanumeric() || sign == '_');
    begins.then(|| format!("@{name}"))
}

/// A number behind a sign of so many characters.
fn number(rest: &str, sign: usize) -> Option<String> {
    let digits = rest.get(sign..)?;
    let end = digits
        .find(|sign: char| !sign.is_ascii_digit())
        .unwrap_or(digits.len());
    let (digits, behind) = digits.split_at_checked(end)?;
    let goes_on = behind.starts_with(|sign: char| sign.is_alphanumeric() || sign == '_');
    (!digits.is_empty() && !goes_on).then(|| format!("{}{digits}", rest.get(..sign).unwrap_or_default()))
}

/// The address of an issue.
fn address(rest: &str) -> Option<String> {
    let end = rest
        .find(|sign: char| sign.is_whitespace() || matches!(sign, '>' | ')' | '"'))
        .unwrap_or(rest.len());
    let address = rest.get(..end)?;
    let is_issue = ["/issues/", "/work_items/", "/pull/", "/merge_requests/"]
        .iter()
        .any(|kind| {
            let number = address.split_once(kind).map(|(_, rest)| rest);
            number.is_some_and(|number| number.starts_with(|sign: char| sign.is_ascii_digit()))
        });
    is_issue.then(|| address.to_owned())
}

/// A text without its fenced blocks.
fn without_fences(text: &str) -> String {
    let mut kept = String::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let fence = fence(line);
        match (&open, fence) {
            (None, Some(fence)) => open = Some(fence.to_owned()),
            (None, None) => {
                kept.push_str(line);
                kept.push('\n');
            }
            (Some(begun), Some(fence)) if fence.starts_with(begun.as_str()) && line.trim() == fence => {
                open = None
            }
            (Some(_), _) => {}
        }
    }
    kept
}

/// The fence at the beginning of a line: three or more backticks or tildes.
fn fence(line: &str) -> Option<&str> {
    let indented = line.trim_start_matches(' ');
    let sign = indented.chars().next().filter(|sign| matches!(sign, '`' | '~'))?;
    let length = indented.len() - indented.trim_start_matches(sign).len();
    let (fence, info) = indented.split_at_checked(length)?;
    let is_fence = length >= 3 && line.len() - indented.len() <= 3 && !(sign == '`' && info.contains('`'));
    is_fence.then_some(fence)
}

/// A text without code spans and comments, its entities and backslashes resolved.
fn visible(text: &str, dialect: Dialect) -> String {
    let mut seen = String::new();
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let ticks = rest.len() - rest.trim_start_matches('`').len();
        let taken = if let Some(comment) = rest.strip_prefix("<!--") {
            4 + comment.find("-->").map_or(comment.len(), |end| end + 3)
        } else if ticks > 0 {
            seen.push(PLAIN);
            ticks + span(rest.get(ticks..).unwrap_or_default(), ticks).unwrap_or(0)
        } else if let Some((meaning, length)) = entity(rest) {
            seen.push(meaning);
            length
        } else if let Some(escaped) = rest
            .strip_prefix('\\')
            .and_then(|rest| rest.chars().next())
            .filter(char::is_ascii_punctuation)
        {
            seen.push(if dialect == Dialect::GitLab {
                PLAIN
            } else {
                escaped
            });
            1 + escaped.len_utf8()
        } else {
            seen.push(sign);
            sign.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    seen
}

/// How long a code span is behind its first backticks, these not counted; nothing if it is none.
fn span(rest: &str, ticks: usize) -> Option<usize> {
    let paragraph = rest.split("\n\n").next().unwrap_or_default();
    let mut at = 0;
    while let Some(found) = paragraph.get(at..)?.find('`') {
        let begin = at + found;
        let run = paragraph.get(begin..)?;
        let length = run.len() - run.trim_start_matches('`').len();
        at = begin + length;
        if length == ticks {
            return Some(at);
        }
    }
    None
}

/// An entity that means a sign of a call, and its length.
fn entity(rest: &str) -> Option<(char, usize)> {
    let (entity, _) = rest.strip_prefix('&')?.split_once(';')?;
    let meaning = match entity {
        "commat" => '@',
        "num" => '#',
        "excl" => '!',
        _ => {
            let code = entity.strip_prefix('#')?;
            let code = match code.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => code.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((meaning, entity.len() + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_call_and_addresses_of_people_do_not() {
        let text = "@ada-lovelace, (@grace) a@b.example #12 C#x acme/web#3 GH-4 https://x.example/a/b/issues/5 &#64;zoe";
        let expected = [
            "@ada-lovelace",
            "@grace",
            "#12",
            "#3",
            "GH-4",
            "https://x.example/a/b/issues/5",
            "@zoe",
        ];
        assert_eq!(pings(text, Dialect::GitHub), expected);
        assert_eq!(
            pings("!7 and &8, @ada_l.", Dialect::GitLab),
            ["!7", "&8", "@ada_l"]
        );
    }

    #[test]
    fn code_comments_and_joined_signs_call_nobody() {
        let text = "`@ada` ``a ` #1`` <!-- @ada #2 -->\n```\n@ada\n``\n```\n@\u{200b}ada #\u{200b}12\n~~~ x\n#3\n~~~";
        for dialect in [Dialect::GitHub, Dialect::GitLab] {
            assert_eq!(pings(text, dialect), [""; 0], "{dialect:?}");
        }
        assert_eq!(pings("`@ada", Dialect::GitHub), ["@ada"]);
        assert_eq!(pings("`a\n\n`@ada", Dialect::GitHub), ["@ada"]);
    }

    #[test]
    fn a_backslash_helps_in_one_dialect_only() {
        assert_eq!(pings("\\@ada \\#12", Dialect::GitHub), ["@ada", "#12"]);
        assert_eq!(pings("\\@ada \\#12", Dialect::GitLab), [""; 0]);
    }
}
