//! The little of CBOR (RFC 8949) that authenticators write: items of definite length, read one after the other. Nothing is copied,
//! and what is nested deeper than [`MAX_DEPTH`] is refused.

/// How deep arrays, maps and tags are followed into each other (CTAP 2.2, section 8, allows four).
const MAX_DEPTH: usize = 8;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// What is left to read. Each method takes one item, or answers nothing if the next one is of another kind or broken off.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// An integer.
    pub fn integer(&mut self) -> Option<i64> {
        let (kind, value) = self.head()?;
        let value = i64::try_from(value).ok()?;
        match kind {
            UNSIGNED => Some(value),
            NEGATIVE => Some(-1 - value),
            _ => None,
        }
    }

    /// A string of bytes.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let (kind, length) = self.head()?;
        (kind == BYTES).then(|| self.take(length))?
    }

    /// A text.
    pub fn text(&mut self) -> Option<&'a str> {
        let (kind, length) = self.head()?;
        (kind == TEXT)
            .then(|| self.take(length))?
            .and_then(|bytes| str::from_utf8(bytes).ok())
    }

    /// The beginning of a map: how many keys with their values follow.
    pub fn map(&mut self) -> Option<u64> {
        let (kind, length) = self.head()?;
        (kind == MAP).then_some(length)
    }

    /// An item of any kind, with all that is in it.
    pub fn skip(&mut self) -> Option<()> {
        self.skip_within(MAX_DEPTH)
    }

    /// So many bytes.
    pub fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip_within(&mut self, depth: usize) -> Option<()> {
        let (kind, value) = self.head()?;
        let items = match kind {
            BYTES | TEXT => return self.take(value).map(|_| ()),
            ARRAY => value,
            MAP => value.checked_mul(2)?,
            TAG => 1,
            // Numbers, and what is true, false, null or a float, are in the head.
            _ => 0,
        };
        let depth = match items {
            0 => depth,
            _ => depth.checked_sub(1)?,
        };
        // Each takes a byte at least: more than there are end with the bytes.
        (0..items).try_for_each(|_| self.skip_within(depth))
    }

    /// The kind of the next item, and its number or length.
    fn head(&mut self) -> Option<(u8, u64)> {
        let [first] = *self.take(1)?.first_chunk()?;
        let value = match first & 0x1f {
            short @ 0..=23 => u64::from(short),
            // The next 1, 2, 4 or 8 bytes.
            long @ 24..=27 => {
                let bytes = self.take(1 << (long - 24))?;
                bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
            }
            // Reserved, or of no definite length.
            _ => return None,
        };
        Some((first >> 5, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_as_the_rfc_writes_them() {
        // RFC 8949, appendix A.
        let integers = [
            ("00", 0),
            ("17", 23),
            ("1818", 24),
            ("1903e8", 1000),
            ("3903e7", -1000),
            ("20", -1),
        ];
        for (text, value) in integers {
            assert_eq!(
                Reader(&hex::decode(text).unwrap()).integer(),
                Some(value),
                "{text}"
            );
        }
        assert_eq!(Reader(&[0x44, 1, 2, 3, 4]).bytes(), Some(&[1, 2, 3, 4][..]));
        assert_eq!(Reader(&[0x62, 0xc3, 0xbc]).text(), Some("ü"));
        assert_eq!(Reader(&[0xa2]).map(), Some(2));
        assert_eq!(Reader(&[0x44, 1]).bytes(), None);
        assert_eq!(
            Reader(&[0x1b, 255, 255, 255, 255, 255, 255, 255, 255]).integer(),
            None
        );
    }

    #[test]
    fn anything_is_skipped_whole_but_for_what_is_endless_too_deep_or_broken_off() {
        // RFC 8949, appendix A: a nested map, a tag, a float, an array of 25.
        let whole = [
            "a26161016162820203",
            "c11a514b67b0",
            "fb3ff199999999999a",
            "f5",
            "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
        ];
        for text in whole {
            let bytes = hex::decode(text).unwrap();
            let mut reader = Reader(&bytes);
            assert_eq!((reader.skip(), reader.0.len()), (Some(()), 0), "{text}");
            assert_eq!(Reader(&bytes[..bytes.len() - 1]).skip(), None, "{text}");
        }
        let endless = [
            "9f01ff",
            "bf616101ff",
            "5f42010243030405ff",
            "bbffffffffffffffff",
            "9bffffffffffffffff01",
        ];
        for text in endless {
            assert_eq!(Reader(&hex::decode(text).unwrap()).skip(), None, "{text}");
        }
        assert_eq!(Reader(&[0x81; 100]).skip(), None);
    }
}
