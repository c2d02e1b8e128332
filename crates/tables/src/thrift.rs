//! Thrift's compact protocol, as far as Parquet's own descriptions of a file need it: structs, lists, numbers and texts
//! (thrift/doc/specs/thrift-compact-protocol.md).

const TRUE: u8 = 1;
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;
/// Ends a struct.
const STOP: u8 = 0;
/// A list so short has its length beside its type.
const SHORT_LIST: usize = 15;

/// A struct that is being written: fields come in the order of their numbers.
pub(crate) struct Struct<'a> {
    out: &'a mut Vec<u8>,
    last: u8,
}

impl<'a> Struct<'a> {
    /// Writes a struct that stands alone, or in a list.
    pub(crate) fn write(out: &'a mut Vec<u8>, fields: impl FnOnce(&mut Struct<'_>)) {
        let mut written = Struct { out, last: 0 };
        fields(&mut written);
        written.out.push(STOP);
    }

    /// A boolean that is true.
    pub(crate) fn yes(&mut self, number: u8) {
        self.head(number, TRUE);
    }

    pub(crate) fn i32(&mut self, number: u8, value: i32) {
        self.head(number, I32);
        zigzag(self.out, i64::from(value));
    }

    pub(crate) fn i64(&mut self, number: u8, value: i64) {
        self.head(number, I64);
        zigzag(self.out, value);
    }

    pub(crate) fn text(&mut self, number: u8, value: &str) {
        self.head(number, BINARY);
        binary(self.out, value);
    }

    pub(crate) fn inner(&mut self, number: u8, fields: impl FnOnce(&mut Struct<'_>)) {
        self.head(number, STRUCT);
        Struct::write(self.out, fields);
    }

    pub(crate) fn i32s(&mut self, number: u8, values: &[i32]) {
        self.list(number, I32, values.len());
        values
            .iter()
            .for_each(|value| zigzag(self.out, i64::from(*value)));
    }

    pub(crate) fn texts(&mut self, number: u8, values: &[&str]) {
        self.list(number, BINARY, values.len());
        values.iter().for_each(|value| binary(self.out, value));
    }

    pub(crate) fn structs<T>(&mut self, number: u8, values: &[T], fields: impl Fn(&mut Struct<'_>, &T)) {
        self.list(number, STRUCT, values.len());
        for value in values {
            Struct::write(self.out, |each| fields(each, value));
        }
    }

    fn list(&mut self, number: u8, kind: u8, length: usize) {
        self.head(number, LIST);
        match u8::try_from(length) {
            Ok(length) if usize::from(length) < SHORT_LIST => self.out.push((length << 4) | kind),
            _ => {
                self.out.push(0xf0 | kind);
                varint(self.out, u64::try_from(length).unwrap_or(u64::MAX));
            }
        }
    }

    /// The numbers here are so close that one byte tells of each.
    fn head(&mut self, number: u8, kind: u8) {
        self.out.push((number.saturating_sub(self.last) << 4) | kind);
        self.last = number;
    }
}

fn binary(out: &mut Vec<u8>, text: &str) {
    varint(out, u64::try_from(text.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(text.as_bytes());
}

/// Small numbers of either sign are short.
fn zigzag(out: &mut Vec<u8>, value: i64) {
    varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Seven bits a byte, the lowest first.
pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_specification_has_them() {
        let mut out = Vec::new();
        Struct::write(&mut out, |all| {
            all.i32(1, 1);
            all.i64(3, -2);
            all.text(4, "ab");
            all.i32s(6, &[300]);
            all.inner(8, |inner| inner.yes(1));
        });
        let expected = [
            0x15, 0x02, 0x26, 0x03, 0x18, 0x02, b'a', b'b', 0x29, 0x15, 0xd8, 0x04, 0x2c, 0x11, 0x00, 0x00,
        ];
        assert_eq!(out, expected);
    }

    #[test]
    fn a_long_list_tells_its_length_apart() {
        let mut out = Vec::new();
        Struct::write(&mut out, |all| all.i32s(1, &[0; 200]));
        assert_eq!(out[..4], [0x19, 0xf5, 0xc8, 0x01]);
    }
}
