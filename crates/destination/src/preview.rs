//! A message roughly as its platform shows it, read back from the bytes that are sent: for previews on pages and in the
//! terminal. Plain texts throughout; whoever shows it escapes them.

/// A message as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    /// The colour of its bar, as 0xRRGGBB, if it has one.
    pub accent: Option<u32>,
    /// Its parts from top to bottom.
    pub parts: Vec<Part>,
}

/// One part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A large line.
    Heading(String),
    Text(String),
    /// Small grey text.
    Quiet(String),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// Buttons or links in a row.
    Buttons(Vec<String>),
    /// Somebody is called by name: a mention that makes a sound.
    Mention(String),
}

impl Preview {
    /// All of its text, for tests and terminals.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for part in &self.parts {
            match part {
                Part::Heading(text) | Part::Text(text) | Part::Quiet(text) | Part::Mention(text) => {
                    lines.push(text.clone());
                }
                Part::Facts(facts) => {
                    lines.extend(facts.iter().map(|(name, value)| format!("{name}: {value}")));
                }
                Part::Buttons(labels) => lines.push(
                    labels
                        .iter()
                        .map(|label| format!("[{label}]"))
                        .collect::<Vec<_>>()
                        .join(" "),
                ),
            }
        }
        lines.join("\n")
    }
}
