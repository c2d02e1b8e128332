//! Quick actions: lines of a description or a note that begin with `/` and a known word are carried out and do not stand in
//! the text. Those in fenced code, in an HTML block or in a quote block are not, and neither is a slash behind a blank.

use crate::code_host::call::Call;
use crate::code_host::people;
use crate::code_host::store::Issue;
use crate::gitlab::Site;

/// The words that are known for issues; what the others than the first few do is only noted.
const KNOWN: [&str; 42] = [
    "close",
    "reopen",
    "done",
    "title",
    "label",
    "labels",
    "unlabel",
    "relabel",
    "assign",
    "unassign",
    "reassign",
    "confidential",
    "duplicate",
    "copy_metadata",
    "cc",
    "shrug",
    "tableflip",
    "todo",
    "subscribe",
    "unsubscribe",
    "due",
    "remove_due_date",
    "milestone",
    "remove_milestone",
    "estimate",
    "spend",
    "remove_estimate",
    "remove_time_spent",
    "lock",
    "unlock",
    "move",
    "clone",
    "relate",
    "unlink",
    "blocks",
    "blocked_by",
    "react",
    "award",
    "severity",
    "page",
    "promote_to_incident",
    "timeline",
];

/// A text without its quick actions, and these: each a word with what follows it.
pub fn extract(text: &str) -> (String, Vec<(String, String)>) {
    let mut kept = Vec::new();
    let mut found = Vec::new();
    let mut block: Option<String> = None;
    let text = text.replace('\r', "");
    for line in text.split('\n') {
        if let Some(end) = &block {
            let is_end = line == end;
            kept.push(line);
            block = block.take_if(|_| !is_end);
            continue;
        }
        block = block_end(line, &text);
        match command(line) {
            Some(command) if block.is_none() => found.push(command),
            _ => kept.push(line),
        }
    }
    if found.is_empty() {
        return (text, found);
    }
    (kept.join("\n").trim_end().to_owned(), found)
}

/// The line that ends a block which begins with this one and is ended somewhere.
fn block_end(line: &str, text: &str) -> Option<String> {
    let end = if line.starts_with("```") {
        "```".to_owned()
    } else if line.starts_with(">>>") {
        ">>>".to_owned()
    } else {
        let tag = line.strip_prefix('<')?.strip_suffix('>')?;
        let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
        format!("</{name}>")
    };
    text.lines()
        .filter(|other| **other == *end)
        .nth(usize::from(line == end))
        .map(|_| end)
}

fn command(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix('/')?;
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let word = word.trim_end().to_lowercase();
    KNOWN
        .contains(&word.as_str())
        .then(|| (word, rest.trim().to_owned()))
}

impl Site {
    /// Carries quick actions out.
    pub fn carry_out(&mut self, call: &Call<'_>, issue: &mut Issue, commands: &[(String, String)]) {
        for (word, rest) in commands {
            issue
                .commands
                .push(format!("/{word} {rest}").trim_end().to_owned());
            let named = rest
                .split_whitespace()
                .filter_map(|name| people::named(name.trim_start_matches('@')));
            match word.as_str() {
                "close" | "done" | "duplicate" => {
                    issue.set_closed(true, call.now, call.caller);
                }
                "reopen" => {
                    issue.set_closed(false, call.now, call.caller);
                }
                "title" if !rest.is_empty() => issue.title.clone_from(rest),
                "label" | "labels" => issue.labels.extend(labels(rest)),
                "unlabel" => issue
                    .labels
                    .retain(|label| !rest.is_empty() && !labels(rest).any(|gone| gone == *label)),
                "relabel" => issue.labels = labels(rest).collect(),
                "assign" | "reassign" => issue.assignees = named.take(1).collect(),
                "unassign" => issue.assignees.clear(),
                "confidential" => issue.is_confidential = true,
                _ => {}
            }
        }
    }
}

/// Labels as quick actions name them: `~word`, or `~"two words"`.
fn labels(text: &str) -> impl Iterator<Item = String> {
    let labels = text
        .split('~')
        .map(|label| label.trim().trim_matches('"').to_owned());
    labels.filter(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_begin_with_a_known_word_are_actions() {
        let (kept, found) = extract("look\n/close\n /close\n/nothing known\n/LABEL ~a ~\"b c\"\nend");
        assert_eq!(kept, "look\n /close\n/nothing known\nend");
        assert_eq!(
            found,
            [
                ("close".to_owned(), String::new()),
                ("label".to_owned(), "~a ~\"b c\"".to_owned())
            ]
        );
        assert_eq!(labels("~a ~\"b c\"").collect::<Vec<_>>(), ["a", "b c"]);
    }

    #[test]
    fn those_in_blocks_are_text() {
        let text = "```\n/close\n```\n>>>\n/close\n>>>\n<pre>\n/close\n</pre>\nend";
        assert_eq!(extract(text), (text.to_owned(), Vec::new()));
        assert_eq!(
            extract("```\n/close").1.len(),
            1,
            "a block that nothing ends is none"
        );
    }
}
