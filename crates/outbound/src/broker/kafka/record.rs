//! A record as Kafka keeps it: a batch of one, with the producer's place in it, by which a broker knows a repeat.

use bytes::{BufMut, BytesMut};

use model::broker::BrokerMessage;

/// The version of the batch's form.
const MAGIC: i8 = 2;
/// CRC-32C (Castagnoli), as it is computed from the lowest bit up.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Where a record stands among those of its producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) producer: i64,
    pub(super) epoch: i16,
    pub(super) partition: i32,
    pub(super) sequence: i32,
}

/// The batch of a message.
pub(super) fn batch(message: &BrokerMessage, key: &str, body: &[u8], placed: Placed) -> BytesMut {
    let record = record(message, key, body);
    let at = message.at.as_millis();
    let mut counted = BytesMut::with_capacity(record.len() + 64);
    counted.put_i16(0);
    counted.put_i32(0);
    counted.put_i64(at);
    counted.put_i64(at);
    counted.put_i64(placed.producer);
    counted.put_i16(placed.epoch);
    counted.put_i32(placed.sequence);
    counted.put_i32(1);
    put_varint(&mut counted, i64::try_from(record.len()).unwrap_or_default());
    counted.put_slice(&record);
    let mut batch = BytesMut::with_capacity(counted.len() + 32);
    batch.put_i64(0);
    // The leader's epoch, which is the broker's to know, the form and the checksum follow the length.
    batch.put_i32(i32::try_from(4 + 1 + 4 + counted.len()).unwrap_or(i32::MAX));
    batch.put_i32(-1);
    batch.put_i8(MAGIC);
    batch.put_u32(checksum(&counted));
    batch.put_slice(&counted);
    batch
}

fn record(message: &BrokerMessage, key: &str, body: &[u8]) -> BytesMut {
    let mut record = BytesMut::with_capacity(body.len() + 256);
    record.put_i8(0);
    put_varint(&mut record, 0);
    put_varint(&mut record, 0);
    put_counted(&mut record, key.as_bytes());
    put_counted(&mut record, body);
    let own = [("content-type", message.content_type)];
    let further = message
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let headers: Vec<_> = own.into_iter().chain(further).collect();
    put_varint(&mut record, i64::try_from(headers.len()).unwrap_or_default());
    for (name, value) in headers {
        put_counted(&mut record, name.as_bytes());
        put_counted(&mut record, value.as_bytes());
    }
    record
}

fn put_counted(into: &mut BytesMut, bytes: &[u8]) {
    put_varint(into, i64::try_from(bytes.len()).unwrap_or_default());
    into.put_slice(bytes);
}

/// Seven bits at a time, small numbers of either sign in few bytes.
fn put_varint(into: &mut BytesMut, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        if rest == 0 {
            into.put_u8(low);
            return;
        }
        into.put_u8(low | 0x80);
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg())
        })
    })
}

/// The partition of a key among so many: the one that Kafka's own clients choose.
pub(super) fn partition_of(key: &str, count: i32) -> i32 {
    let hash = (murmur2(key.as_bytes()) & 0x7fff_ffff).cast_signed();
    hash.checked_rem(count).unwrap_or_default()
}

fn murmur2(bytes: &[u8]) -> u32 {
    const MIX: u32 = 0x5bd1_e995;
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash = words.iter().fold(0x9747_b28c ^ length, |hash, word| {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MIX);
        word ^= word >> 24;
        hash.wrapping_mul(MIX) ^ word.wrapping_mul(MIX)
    });
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_few_bytes() {
        let written = |number| {
            let mut bytes = BytesMut::new();
            put_varint(&mut bytes, number);
            bytes.to_vec()
        };
        assert_eq!(written(0), [0]);
        assert_eq!(written(-1), [1]);
        assert_eq!(written(63), [0x7e]);
        assert_eq!(written(300), [0xd8, 0x04]);
    }

    /// The check value of CRC-32C's own definition.
    #[test]
    fn the_checksum_is_the_one_that_brokers_compute() {
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
    }

    /// From the tests of Kafka's own client.
    #[test]
    fn a_key_hashes_as_everywhere() {
        assert_eq!(murmur2(b"21").cast_signed(), -973_932_308);
        assert_eq!(murmur2(b"foobar").cast_signed(), -790_332_482);
        assert_eq!(murmur2(b"a-little-bit-long-string").cast_signed(), -985_981_536);
        assert_eq!(murmur2(b"abc").cast_signed(), 479_470_107);
        assert_eq!(partition_of("x", 0), 0);
    }
}
