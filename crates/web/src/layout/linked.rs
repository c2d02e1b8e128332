//! Texts of people, whose web addresses become links. Everything else stays a text: there is no other markup.

use askama::filters::Safe;

use crate::layout::show::Markup;

/// How a link begins.
const SCHEMES: [&str; 2] = ["https://", "http://"];
/// What ends a sentence rather than an address.
const PUNCTUATION: [char; 11] = ['.', ',', ';', ':', '!', '?', ')', ']', '}', '\'', '"'];

/// The text with links that tell the other side nothing of where they stood.
pub fn linked(text: &str) -> Markup {
    let mut html = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = next_link(rest) {
        let (before, from) = rest.split_at(start);
        let end = from.find(is_end).unwrap_or(from.len());
        let address = from[..end].trim_end_matches(PUNCTUATION);
        html.push_str(&escaped(before));
        match SCHEMES.contains(&address) || address.is_empty() {
            true => html.push_str(&escaped(address)),
            false => {
                let address = escaped(address);
                html.push_str(&format!(
                    "<a href=\"{address}\" rel=\"noopener noreferrer nofollow\" referrerpolicy=\"no-referrer\" \
                     target=\"_blank\">{address}</a>"
                ));
            }
        }
        rest = &from[address.len().max(1)..];
    }
    html.push_str(&escaped(rest));
    Safe(html)
}

/// Where the next address begins.
fn next_link(text: &str) -> Option<usize> {
    SCHEMES.iter().filter_map(|scheme| text.find(scheme)).min()
}

fn is_end(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || ['<', '>', '"', '`'].contains(&letter)
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            letter => html.push(letter),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text without its tags, and the addresses in them.
    fn parts(html: &str) -> (String, Vec<String>) {
        let (mut text, mut links) = (String::new(), Vec::new());
        for piece in html.split('<') {
            let (tag, rest) = piece.split_once('>').unwrap_or(("", piece));
            text.push_str(rest);
            links.extend(
                tag.strip_prefix("a href=\"")
                    .and_then(|tag| Some(tag.split_once('"')?.0.to_owned())),
            );
        }
        (text, links)
    }

    #[test]
    fn addresses_are_links_without_what_ends_the_sentence() {
        for (text, addresses) in [
            (
                "see https://a.example/x?b=1&c=2, then",
                vec!["https://a.example/x?b=1&amp;c=2"],
            ),
            ("(http://a.example).", vec!["http://a.example"]),
            ("http://a https://b", vec!["http://a", "https://b"]),
            ("http:// https://. javascript:alert(1) //x", vec![]),
        ] {
            assert_eq!(parts(&linked(text).0).1, addresses, "{text}");
        }
        assert!(
            linked("https://a.example")
                .0
                .contains("rel=\"noopener noreferrer nofollow\"")
        );
    }

    #[test]
    fn no_text_becomes_another_element_or_attribute() {
        let shown = linked("<b>https://a\"onclick=x '<script>").0;
        assert_eq!(shown.matches('<').count(), 2, "{shown}");
        assert!(
            !shown.contains("onclick=x\"") && shown.contains("&quot;onclick"),
            "{shown}"
        );
    }

    #[test]
    fn every_text_is_shown_whole() {
        for text in [
            "",
            "é https://",
            "https://é<x>.https://b &",
            "http://a\nhttp://b.)",
            "a'b\"c",
        ] {
            assert_eq!(parts(&linked(text).0).0, escaped(text), "{text}");
        }
    }
}
