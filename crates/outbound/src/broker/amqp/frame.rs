//! Frames of AMQP 0-9-1 and the values in them, written and read.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::super::wire::{Wire, invalid};
use model::exchange::SendFailure;

/// What a frame holds.
pub(super) const METHOD: u8 = 1;
pub(super) const HEADER: u8 = 2;
pub(super) const BODY: u8 = 3;
/// Ends each frame.
const END: u8 = 0xce;
/// The bytes of a frame beside what it holds.
pub(super) const FRAME_OVERHEAD: usize = 8;

/// One frame.
pub(super) struct Frame {
    pub(super) sort: u8,
    pub(super) payload: Bytes,
}

/// Reads the next frame.
pub(super) async fn read(wire: &mut Wire) -> Result<Frame, SendFailure> {
    let mut head = wire.take(7).await?;
    let sort = head.get_u8();
    // A server that does not know the version says its own: `AMQP`, and hangs up.
    if sort == b'A' {
        return Err(invalid("what answers does not speak AMQP 0-9-1"));
    }
    let _channel = head.get_u16();
    let size = usize::try_from(head.get_u32()).unwrap_or(usize::MAX);
    let payload = wire.take(size).await?.freeze();
    match wire.take(1).await?.first() {
        Some(&END) => Ok(Frame { sort, payload }),
        _ => Err(invalid("what answers does not speak AMQP 0-9-1")),
    }
}

/// Adds a frame.
pub(super) fn write(said: &mut BytesMut, sort: u8, channel: u16, payload: &[u8]) {
    said.put_u8(sort);
    said.put_u16(channel);
    said.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    said.put_slice(payload);
    said.put_u8(END);
}

/// A text of at most 255 bytes.
pub(super) fn put_short(into: &mut BytesMut, text: &str) {
    let text = text.get(..text.floor_char_boundary(255)).unwrap_or_default();
    into.put_u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
    into.put_slice(text.as_bytes());
}

/// A text of any length.
pub(super) fn put_long(into: &mut BytesMut, text: &[u8]) {
    into.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    into.put_slice(text);
}

/// A value in a table.
pub(super) enum Value<'a> {
    Text(&'a str),
    Yes,
    Table(&'a [(&'a str, Value<'a>)]),
}

/// A table of names and values.
pub(super) fn put_table(into: &mut BytesMut, entries: &[(&str, Value<'_>)]) {
    let mut table = BytesMut::new();
    for (name, value) in entries {
        put_short(&mut table, name);
        match value {
            Value::Text(text) => {
                table.put_u8(b'S');
                put_long(&mut table, text.as_bytes());
            }
            Value::Yes => table.put_slice(&[b't', 1]),
            Value::Table(entries) => {
                table.put_u8(b'F');
                put_table(&mut table, entries);
            }
        }
    }
    put_long(into, &table);
}

/// Reads the values of a method.
pub(super) struct Reader(pub(super) Bytes);

impl Reader {
    pub(super) fn u16(&mut self) -> Result<u16, SendFailure> {
        self.0.try_get_u16().map_err(|_| short())
    }

    pub(super) fn u32(&mut self) -> Result<u32, SendFailure> {
        self.0.try_get_u32().map_err(|_| short())
    }

    pub(super) fn u64(&mut self) -> Result<u64, SendFailure> {
        self.0.try_get_u64().map_err(|_| short())
    }

    pub(super) fn u8(&mut self) -> Result<u8, SendFailure> {
        self.0.try_get_u8().map_err(|_| short())
    }

    pub(super) fn short(&mut self) -> Result<String, SendFailure> {
        let length = usize::from(self.u8()?);
        self.text(length)
    }

    pub(super) fn long(&mut self) -> Result<String, SendFailure> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        self.text(length)
    }

    fn text(&mut self, length: usize) -> Result<String, SendFailure> {
        if length > self.0.len() {
            return Err(short());
        }
        let text = self.0.split_to(length);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn short() -> SendFailure {
    invalid("the AMQP server's frame ends too early")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::time::Instant;

    use super::*;
    use crate::tls_words::ClientCertificate;

    async fn heard(bytes: &[u8]) -> Result<Frame, SendFailure> {
        let (near, mut far) = tokio::io::duplex(256);
        far.write_all(bytes).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        read(&mut Wire::new(near, ClientCertificate::NotAsked, deadline)).await
    }

    #[tokio::test]
    async fn what_is_written_is_read_again_and_nothing_else() {
        let mut payload = BytesMut::new();
        put_short(&mut payload, "incidents");
        put_table(
            &mut payload,
            &[("a", Value::Text("b")), ("c", Value::Table(&[("d", Value::Yes)]))],
        );
        let mut said = BytesMut::new();
        write(&mut said, METHOD, 1, &payload);
        let frame = heard(&said).await.unwrap();
        let mut reader = Reader(frame.payload);
        assert_eq!(
            (frame.sort, reader.short().unwrap().as_str()),
            (METHOD, "incidents")
        );
        assert!(reader.long().is_ok() && reader.u8().is_err());
        assert!(heard(b"AMQP\x00\x00\x09\x01").await.is_err());
        said[0] = HEADER;
        let last = said.len() - 1;
        said[last] = 0;
        assert!(heard(&said).await.is_err());
    }
}
