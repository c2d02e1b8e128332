//! The kind of a webhook: a name by which its adapter is found. Which kinds there are is known to `adapters` alone, so
//! that a kind is added in one place; a kind that only a newer version knows is still a value here.

/// The longest name of a kind, in bytes.
pub const MAX_KIND_BYTES: usize = 24;

/// Which adapter speaks to a webhook: lower-case letters, digits and underscores.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WebhookKind {
    text: [u8; MAX_KIND_BYTES],
    length: usize,
}

impl WebhookKind {
    /// Signed JSON over HTTP: the default format.
    pub const GENERIC: Self = Self::new("generic");

    /// The kind of a name that stands in the program. Longer names are cut.
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        let mut text = [0; MAX_KIND_BYTES];
        let mut length = 0;
        while length < bytes.len() && length < MAX_KIND_BYTES {
            text[length] = bytes[length];
            length += 1;
        }
        Self { text, length }
    }

    /// A kind read from a text; nothing if it cannot be a name of one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if text.is_empty() || text.len() > MAX_KIND_BYTES || !text.bytes().all(is_plain) {
            return None;
        }
        let mut kind = Self {
            text: [0; MAX_KIND_BYTES],
            length: text.len(),
        };
        kind.text[..text.len()].copy_from_slice(text.as_bytes());
        Some(kind)
    }

    /// The kind as the API and the store write it.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }
}

impl std::fmt::Debug for WebhookKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_reads_back_and_what_is_no_name_is_refused() {
        assert_eq!(WebhookKind::parse("generic"), Some(WebhookKind::GENERIC));
        assert_eq!(WebhookKind::new("google_chat").as_str(), "google_chat");
        assert_eq!(["", "Teams", "a-b", "ü"].map(WebhookKind::parse), [None; 4]);
        assert_eq!(WebhookKind::parse(&"a".repeat(MAX_KIND_BYTES + 1)), None);
    }
}
