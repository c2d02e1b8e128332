//! What is seen of what was sent: a message of a chat, or a ticket's page.

/// A message or a ticket as its reader sees it, in plain text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// The colour of its bar, as 0xRRGGBB, if it has one.
    pub accent: Option<u32>,
    /// Its parts from top to bottom.
    pub parts: Vec<String>,
    /// Those whom it calls by name with a sound; they stand among the parts too.
    pub mentions: Vec<String>,
}

impl Message {
    /// All of its text.
    pub fn text(&self) -> String {
        self.parts.join("\n")
    }

    /// Adds a text, unless there is none.
    pub(crate) fn add(&mut self, text: &str) {
        if !text.is_empty() {
            self.parts.push(text.to_owned());
        }
    }

    /// Adds somebody who is called.
    pub(crate) fn call(&mut self, name: String) {
        self.parts.push(name.clone());
        self.mentions.push(name);
    }

    /// Adds a name with its value.
    pub(crate) fn add_fact(&mut self, name: &str, value: &str) {
        self.parts.push(format!("{name}: {value}"));
    }

    /// Adds a row of buttons.
    pub(crate) fn add_buttons<'a>(&mut self, labels: impl Iterator<Item = &'a str>) {
        let labels: Vec<_> = labels.map(|label| format!("[{label}]")).collect();
        self.add(&labels.join(" "));
    }
}
