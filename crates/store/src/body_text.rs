//! Bodies of events as a row keeps them: what stands in nearly every one, or in the row beside it, is a single byte. A body of the
//! default format says its incident, its times and the names of its members, and little else.
//!
//! What is packed begins with a byte, with which no JSON begins; any other body is kept as it is, as those of earlier versions
//! are.

use model::id::IncidentId;
use model::time::Timestamp;

/// How a packed body begins.
const PACKED: u8 = 0x01;
/// Stands for the incident's id in words.
const INCIDENT: u8 = 0x02;
/// Stands for when the event happened, in whole seconds.
const AT: u8 = 0x03;
/// Stands for when the incident was made, in whole seconds.
const MADE_AT: u8 = 0x04;
/// Stands for `_` and the hexadecimal digits of the 16 bytes that follow.
const ID: u8 = 0x05;
const ID_BYTES: usize = 16;
/// What else is one byte. A byte that was given away once keeps its meaning for ever: rows have it.
const PHRASES: [(u8, &str); 17] = [
    (0x06, r#"{"event":"incident.triggered","timestamp":""#),
    (0x07, r#"{"event":"incident.acknowledged","timestamp":""#),
    (0x08, r#"{"event":"incident.resolved","timestamp":""#),
    (0x09, r#"{"event":"incident.escalated","timestamp":""#),
    (0x0a, r#"{"event":"incident.reopened","timestamp":""#),
    (0x0b, r#"","incident":{"id":""#),
    (0x0c, r#"","title":""#),
    (0x0d, r#"","status":"triggered","severity":""#),
    (0x0e, r#"","status":"acknowledged","severity":""#),
    (0x0f, r#"","status":"resolved","severity":""#),
    (0x10, r#"","service":{"id":"svc"#),
    (0x11, r#"","name":""#),
    (0x12, r#""},"assignee":null,"createdAt":""#),
    (0x13, r#""},"assignee":{"id":"usr"#),
    (0x14, r#""},"createdAt":""#),
    (0x15, r#""}}"#),
    (0x16, r#"{"event":""#),
];

/// What a row says beside its event's body.
struct Beside {
    incident: String,
    at: String,
    made_at: String,
}

impl Beside {
    fn new(incident_id: IncidentId, at: Timestamp) -> Self {
        Self {
            incident: incident_id.to_string(),
            at: at.to_rfc3339_seconds(),
            made_at: incident_id.made_at().to_rfc3339_seconds(),
        }
    }

    fn texts(&self) -> [(u8, &str); 3] {
        [
            (INCIDENT, &self.incident),
            (AT, &self.at),
            (MADE_AT, &self.made_at),
        ]
    }
}

/// A body as its row keeps it.
pub fn pack(body: &[u8], incident_id: IncidentId, at: Timestamp) -> Vec<u8> {
    // Our JSON has no control characters: one of another writer could be taken for a phrase.
    if !body.starts_with(b"{") || body.iter().any(|byte| *byte < 0x20) {
        return body.to_vec();
    }
    let beside = Beside::new(incident_id, at);
    let mut packed = Vec::with_capacity(body.len() / 2);
    packed.push(PACKED);
    let mut rest = body;
    while let Some(first) = rest.first() {
        let known = match first {
            b'"' | b'{' => find(&PHRASES, rest),
            b'i' | b'0'..=b'9' => find(&beside.texts(), rest),
            b'_' => {
                if let Some(id) = id_at(rest) {
                    packed.push(ID);
                    packed.extend(id);
                    rest = &rest[1 + 2 * ID_BYTES..];
                    continue;
                }
                None
            }
            _ => None,
        };
        let (byte, length) = known.unwrap_or((*first, 1));
        packed.push(byte);
        rest = &rest[length..];
    }
    packed
}

/// The byte for what a text begins with, and how long that is.
fn find(known: &[(u8, &str)], rest: &[u8]) -> Option<(u8, usize)> {
    let mut begins = known.iter().filter(|(_, text)| rest.starts_with(text.as_bytes()));
    begins.next().map(|(byte, text)| (*byte, text.len()))
}

/// The id behind an underscore.
fn id_at(rest: &[u8]) -> Option<[u8; ID_BYTES]> {
    let digits = rest.get(1..=2 * ID_BYTES)?;
    let mut id = [0; ID_BYTES];
    hex::decode_to_slice(digits, &mut id).ok()?;
    // As ids are written: others would not read back.
    (!digits.iter().any(u8::is_ascii_uppercase)).then_some(id)
}

/// The body that a row keeps. Of one that was damaged it is whatever is left: its digest tells.
pub fn unpack(kept: &[u8], incident_id: IncidentId, at: Timestamp) -> Vec<u8> {
    let Some(mut rest) = kept.strip_prefix(&[PACKED]) else {
        return kept.to_vec();
    };
    let beside = Beside::new(incident_id, at);
    let mut body = Vec::with_capacity(4 * kept.len());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == ID {
            let id;
            (id, rest) = rest.split_at(rest.len().min(ID_BYTES));
            body.push(b'_');
            body.extend(hex::encode(id).bytes());
            continue;
        }
        let known = beside.texts();
        let mut known = known.iter().chain(&PHRASES);
        match known.find(|(byte, _)| byte == first) {
            Some((_, text)) => body.extend(text.bytes()),
            None => body.push(*first),
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_millis(1_796_021_041_526)
    }

    fn incident_id() -> IncidentId {
        IncidentId::new(at(), [7; 10])
    }

    fn body(status: &str, assignee: &str, at: &str) -> String {
        format!(
            r#"{{"event":"incident.{status}","timestamp":"{at}","incident":{{"id":"{}","title":"disk \"full\" on é_7","status":"{status}","#,
            incident_id()
        ) + &format!(
            r#""severity":"error","service":{{"id":"svc_{}","name":"Checkout"}},"assignee":{assignee},"createdAt":"{at}"}}}}"#,
            "0f".repeat(16)
        )
    }

    #[test]
    fn an_ordinary_body_is_a_quarter_as_long_and_reads_back() {
        let assignee = format!(r#"{{"id":"usr_{}","name":"Ada"}}"#, "ab".repeat(16));
        for status in ["triggered", "acknowledged", "resolved"] {
            for assignee in ["null", &assignee] {
                let body = body(status, assignee, &at().to_rfc3339_seconds());
                let packed = pack(body.as_bytes(), incident_id(), at());
                assert!(
                    packed.len() * 3 < body.len(),
                    "{} of {}",
                    packed.len(),
                    body.len()
                );
                assert_eq!(unpack(&packed, incident_id(), at()), body.as_bytes());
            }
        }
        let body = body("triggered", "null", &at().to_rfc3339_seconds());
        let packed = pack(body.as_bytes(), incident_id(), at());
        assert!(
            packed.len() * 4 < body.len(),
            "{} of {}",
            packed.len(),
            body.len()
        );
    }

    #[test]
    fn any_body_reads_back() {
        let other = body("resolved", "null", "2001-01-01T00:00:00Z");
        let bodies: [&[u8]; 8] = [
            b"",
            b"{\"a\":\n1}",
            b"{}",
            b"{_0123456789abcdef0123456789ABCDEF",
            b"{_0123456789abcdef0123456789abcde",
            "{\"é\":\"_é0123456789abcdef0123456789abcdef".as_bytes(),
            b"{\"event\":\"webhook.degraded\",\"name\":\"\xff_0123456789abcdef0123456789abcdef",
            other.as_bytes(),
        ];
        for body in bodies {
            let packed = pack(body, incident_id(), at());
            assert_eq!(unpack(&packed, incident_id(), at()), body);
        }
    }

    #[test]
    fn a_damaged_body_reads_as_something() {
        for kept in [&b"\x01\x05\x01"[..], b"\x01\x1f\x06", b"\x01"] {
            unpack(kept, incident_id(), at());
        }
    }

    #[test]
    fn no_two_phrases_share_a_byte_and_none_hides_a_longer_one() {
        for (index, (byte, text)) in PHRASES.iter().enumerate() {
            assert!(*byte > ID && *byte < 0x20 && matches!(text.as_bytes()[0], b'"' | b'{'));
            let later = &PHRASES[index + 1..];
            assert!(
                later
                    .iter()
                    .all(|(other, longer)| other != byte && !longer.starts_with(text))
            );
        }
    }
}
