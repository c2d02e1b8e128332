//! How bad senders say that it is. Whole words, whatever their case: a word that is not known says nothing.

use model::incident::Severity;

const CRITICAL: &[&str] = &[
    "critical",
    "crit",
    "fatal",
    "emergency",
    "emerg",
    "alert",
    "disaster",
    "page",
    "p1",
    "sev1",
];
const ERROR: &[&str] = &["error", "err", "major", "high", "p2", "sev2"];
const WARNING: &[&str] = &[
    "warning", "warn", "average", "minor", "medium", "moderate", "p3", "sev3",
];
const INFO: &[&str] = &[
    "info",
    "information",
    "informational",
    "notice",
    "low",
    "debug",
    "not classified",
    "none",
    "success",
    "p4",
    "p5",
    "sev4",
    "sev5",
];

/// The severity that a word of a sender names.
pub(crate) fn severity(word: &str) -> Option<Severity> {
    let word = word.trim();
    let is_in = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    [
        (CRITICAL, Severity::Critical),
        (ERROR, Severity::Error),
        (WARNING, Severity::Warning),
        (INFO, Severity::Info),
    ]
    .into_iter()
    .find_map(|(words, severity)| is_in(words).then_some(severity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_say_how_bad_it_is() {
        assert_eq!(severity(" Critical "), Some(Severity::Critical));
        assert_eq!(severity("P2"), Some(Severity::Error));
        assert_eq!(severity("Average"), Some(Severity::Warning));
        assert_eq!(severity("uncritical"), None);
        assert_eq!(severity(""), None);
    }
}
