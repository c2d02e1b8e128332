//! What a kind of source says about itself: the pages, the API and the documents are made from this.

use model::source_kind::SourceKind;

/// One kind of source, as people see it.
#[derive(Debug)]
pub struct SourceDescription {
    pub kind: SourceKind,
    /// What people call the sender.
    pub name: &'static str,
    /// One sentence for whoever chooses.
    pub summary: &'static str,
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// What its requests can be signed with, if the sender signs.
    pub secret: Option<SecretField>,
    /// Whether it groups its alerts, so that one can choose what an alert is.
    pub groups_alerts: bool,
    /// The fields that are read by expressions, with what is read if nothing else is set; nothing if code reads them.
    pub mapping: &'static [MappingField],
    /// Its page in `docs/sources/`. The section on how it is set up has `{base}` for this server's address, `{host}` for that
    /// without its scheme, and `{key}` for the source's key.
    pub page: &'static str,
}

/// How the secret of a sender's signatures is asked for.
#[derive(Debug, Clone, Copy)]
pub struct SecretField {
    pub label: &'static str,
    pub hint: &'static str,
}

/// A field that is read by an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappingField {
    /// Its stable name.
    pub name: &'static str,
    pub label: &'static str,
    pub hint: &'static str,
    pub input: MappingInput,
    /// What is read if nothing else is set.
    pub default: &'static str,
}

/// How a field of a mapping is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MappingInput {
    /// With an expression in CEL.
    Expression,
    /// With words, commas between them.
    Words,
}

/// A part of the set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetUpPart {
    /// To read.
    Text(Vec<Span>),
    /// To read: rows of cells, the first one their headings.
    Table(Vec<Vec<Vec<Span>>>),
    /// To copy.
    Block(String),
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    Plain(String),
    /// What stands on a button or a field.
    Strong(String),
    /// What is typed.
    Code(String),
}

impl SourceDescription {
    /// The set-up for one source, in Markdown. The base is this server's address without a slash at its end.
    pub fn set_up(&self, base: &str, key: &str) -> String {
        let host = base.split_once("://").map_or(base, |(_, host)| host);
        section(self.page, "## Set up")
            .replace("{base}", base)
            .replace("{host}", host)
            .replace("{key}", key)
    }

    /// The same in parts: what stands between fences is to copy.
    pub fn set_up_parts(&self, base: &str, key: &str) -> Vec<SetUpPart> {
        let text = self.set_up(base, key);
        let part = |(index, part): (usize, &str)| {
            // The first line of a block names its language.
            let block = part
                .split_once('\n')
                .map(|(_, block)| block.trim_end().to_owned());
            match block.filter(|_| index % 2 == 1) {
                Some(block) => vec![SetUpPart::Block(block)],
                None => paragraphs(part),
            }
        };
        text.split("```").enumerate().flat_map(part).collect()
    }
}

/// What stands below a heading, up to the next one.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let below = page.split_once(heading).map_or(page, |(_, below)| below);
    below
        .split_once("\n## ")
        .map_or(below, |(section, _)| section)
        .trim()
}

fn paragraphs(text: &str) -> Vec<SetUpPart> {
    let paragraphs = text
        .split("\n\n")
        .map(str::trim)
        .filter(|paragraph| !paragraph.is_empty());
    paragraphs
        .map(|paragraph| match paragraph.starts_with('|') {
            true => SetUpPart::Table(rows(paragraph)),
            false => SetUpPart::Text(spans(paragraph)),
        })
        .collect()
}

/// The rows of a table, without the line below its headings.
fn rows(table: &str) -> Vec<Vec<Vec<Span>>> {
    let lines = table.lines().filter(|line| !line.starts_with("|--"));
    lines
        .map(|line| line.trim().trim_matches('|').split('|').map(spans).collect())
        .collect()
}

fn spans(text: &str) -> Vec<Span> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut spans = Vec::new();
    for (index, piece) in text.split('`').enumerate() {
        if index % 2 == 1 {
            spans.push(Span::Code(piece.to_owned()));
            continue;
        }
        for (index, piece) in piece
            .split("**")
            .enumerate()
            .filter(|(_, piece)| !piece.is_empty())
        {
            spans.push(match index % 2 == 1 {
                true => Span::Strong(piece.to_owned()),
                false => Span::Plain(piece.to_owned()),
            });
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_up_is_told_apart_into_what_is_read_and_what_is_copied() {
        let about = SourceDescription {
            page: "# It\n\nIs.\n\n## Set up\n\nPut this\nthere:\n\n```yaml\nurl: {base}/sources/{key}\n  x: 1\n```\n\nThen **reload** {host}.\n\n| a | `b` |\n|---|---|\n\n## More\n\nNo.",
            ..crate::pagerduty::about_for_tests()
        };
        let plain = |text: &str| Span::Plain(text.to_owned());
        assert_eq!(
            about.set_up_parts("https://ops.example", "k1"),
            [
                SetUpPart::Text(vec![plain("Put this there:")]),
                SetUpPart::Block("url: https://ops.example/sources/k1\n  x: 1".into()),
                SetUpPart::Text(vec![
                    plain("Then "),
                    Span::Strong("reload".into()),
                    plain(" ops.example.")
                ]),
                SetUpPart::Table(vec![vec![vec![plain("a")], vec![Span::Code("b".into())]]]),
            ]
        );
    }
}
