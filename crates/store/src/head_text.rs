//! Heads of requests and answers as a row keeps them: what stands in nearly every one, or in the columns beside it, is a single
//! character. An attempt's largest part is otherwise the names of its headers, its delivery's id twice and its time three times.
//!
//! The characters are control characters that no head has. A head of an earlier version holds none, and reads back as it is.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use model::id::DeliveryId;
use model::time::Timestamp;

/// Stands for the id of the delivery that the attempt is one of.
const DELIVERY_ID: char = '\u{1}';
/// Stands for the hexadecimal digits of the 32 bytes that follow in Base64.
const DIGEST: char = '\u{1d}';
const DIGEST_BYTES: usize = 32;
const DIGEST_CHARACTERS: usize = 43;
/// Stands for the whole seconds of when the attempt began.
const SECONDS: char = '\u{1e}';
/// Stands for a date of HTTP. The character that follows says how many seconds it is after when the attempt began, from
/// [`EARLIEST_DATE`] on.
const DATE: char = '\u{1f}';
const EARLIEST_DATE: i64 = -16;
const FIRST_OFFSET: u8 = b' ';
const LAST_OFFSET: u8 = b'~';
/// The first second of the year 10,000, which no date of HTTP knows.
const END_OF_DATES: u64 = 253_402_300_800;
/// What else is one character: beginnings of lines, and whole lines. A character that was given away once keeps its meaning for
/// ever: rows have it.
const PHRASES: [(char, &str); 24] = [
    ('\u{2}', "user-agent: OpsKnight/"),
    ('\u{3}', "content-type: application/json\n"),
    ('\u{4}', "x-opsknight-event: incident."),
    ('\u{5}', "x-opsknight-delivery: "),
    ('\u{6}', "x-opsknight-attempt: "),
    ('\u{7}', "x-opsknight-signature: sha256="),
    ('\u{8}', "webhook-id: "),
    ('\u{b}', "webhook-timestamp: "),
    ('\u{c}', "webhook-signature: v1,"),
    ('\u{e}', "date: "),
    ('\u{f}', "server: "),
    ('\u{10}', "content-length: "),
    ('\u{11}', "content-type: application/json; charset=utf-8\n"),
    ('\u{12}', "content-type: text/plain; charset=utf-8\n"),
    ('\u{13}', "content-type: text/html; charset=utf-8\n"),
    ('\u{14}', "connection: keep-alive\n"),
    ('\u{15}', "transfer-encoding: chunked\n"),
    ('\u{16}', "cache-control: "),
    ('\u{17}', "x-request-id: "),
    ('\u{18}', "strict-transport-security: max-age="),
    ('\u{19}', "x-content-type-options: nosniff\n"),
    ('\u{1a}', "access-control-allow-origin: *\n"),
    ('\u{1b}', "vary: "),
    ('\u{1c}', "set-cookie: "),
];

/// What a row says beside its heads.
#[derive(Debug, Clone, Copy)]
pub struct Beside {
    pub delivery_id: DeliveryId,
    /// When the attempt began.
    pub started_at: Timestamp,
}

/// A head as its row keeps it.
pub fn pack(head: &str, beside: Beside) -> String {
    let known = [
        (DELIVERY_ID, beside.delivery_id.to_string()),
        (SECONDS, beside.started_at.as_seconds().to_string()),
    ];
    let mut packed = String::with_capacity(head.len());
    for line in head.split_inclusive('\n') {
        let phrase = PHRASES.iter().find(|(_, text)| line.starts_with(text));
        let mut rest = match phrase {
            Some((character, text)) => {
                packed.push(*character);
                &line[text.len()..]
            }
            None => line,
        };
        if let Some((character, text)) = known.iter().find(|(_, text)| rest.starts_with(text)) {
            packed.push(*character);
            rest = &rest[text.len()..];
        } else if let Some(value) = rest.strip_suffix('\n')
            && let Some(short) = digest(value).or_else(|| date(value, beside.started_at))
        {
            packed.push_str(&short);
            rest = "\n";
        }
        push_plain(&mut packed, rest);
    }
    packed
}

/// The digits of a digest in fewer characters.
fn digest(value: &str) -> Option<String> {
    let mut bytes = [0; DIGEST_BYTES];
    hex::decode_to_slice(value, &mut bytes).ok()?;
    // As we write them: others would not read back.
    let is_ours = !value.bytes().any(|digit| digit.is_ascii_uppercase());
    is_ours.then(|| format!("{DIGEST}{}", STANDARD_NO_PAD.encode(bytes)))
}

/// A date close to when the attempt began, in two characters.
fn date(value: &str, started_at: Timestamp) -> Option<String> {
    let at = httpdate::parse_http_date(value).ok()?;
    let at = i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?;
    let offset = u8::try_from(at - started_at.as_seconds() - EARLIEST_DATE).ok()?;
    let character = FIRST_OFFSET
        .checked_add(offset)
        .filter(|character| *character <= LAST_OFFSET)?;
    // There are older ways to write one.
    (date_at(at)? == value).then(|| format!("{DATE}{}", char::from(character)))
}

fn date_at(seconds: i64) -> Option<String> {
    let seconds = u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds < END_OF_DATES)?;
    Some(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)))
}

/// The head that a row keeps.
pub fn unpack(packed: &str, beside: Beside) -> String {
    let mut head = String::with_capacity(2 * packed.len());
    let mut characters = packed.chars();
    while let Some(character) = characters.next() {
        match character {
            DELIVERY_ID => head.push_str(&beside.delivery_id.to_string()),
            SECONDS => head.push_str(&beside.started_at.as_seconds().to_string()),
            DIGEST => {
                let kept: String = characters.by_ref().take(DIGEST_CHARACTERS).collect();
                head.push_str(&hex::encode(STANDARD_NO_PAD.decode(kept).unwrap_or_default()));
            }
            DATE => {
                let offset = characters.next().map_or(0, u32::from);
                let seconds = beside.started_at.as_seconds() + i64::from(offset) - i64::from(FIRST_OFFSET)
                    + EARLIEST_DATE;
                head.push_str(&date_at(seconds).unwrap_or_default());
            }
            _ => match PHRASES.iter().find(|(known, _)| *known == character) {
                Some((_, text)) => head.push_str(text),
                None => head.push(character),
            },
        }
    }
    head
}

/// Control characters do not belong into a head: one that came all the same must not be taken for a phrase.
fn push_plain(packed: &mut String, text: &str) {
    let is_foreign = |byte: u8| byte < 0x20 && !matches!(byte, b'\n' | b'\t' | b'\r' | 0);
    if text.bytes().any(is_foreign) {
        let replaced = text.chars().map(|character| match u8::try_from(character) {
            Ok(byte) if is_foreign(byte) => char::REPLACEMENT_CHARACTER,
            Ok(_) | Err(_) => character,
        });
        packed.extend(replaced);
    } else {
        packed.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn beside() -> Beside {
        Beside {
            delivery_id: DeliveryId::new(Timestamp::EPOCH, [7; 10]),
            started_at: Timestamp::from_millis(1_796_003_845_678),
        }
    }

    fn id() -> DeliveryId {
        beside().delivery_id
    }

    #[test]
    fn an_ordinary_head_is_two_fifths_as_long_and_reads_back() {
        let head = format!(
            "POST https://receiver.example/hooks\nuser-agent: OpsKnight/0.1.0\ncontent-type: application/json\n\
             x-opsknight-event: incident.triggered\nx-opsknight-delivery: {id}\nx-opsknight-attempt: 1\n\
             x-opsknight-signature: sha256={hash}\nwebhook-id: {id}\nwebhook-timestamp: 1796003845\n\
             webhook-signature: v1,{base64}=\n",
            id = id(),
            hash = "ab".repeat(32),
            base64 = "x".repeat(43),
        );
        let packed = pack(&head, beside());
        assert!(
            packed.len() * 5 < head.len() * 2,
            "{} of {}",
            packed.len(),
            head.len()
        );
        assert_eq!(unpack(&packed, beside()), head);
    }

    #[test]
    fn a_date_beside_the_attempt_is_two_characters_and_any_other_stays() {
        let seconds = beside().started_at.as_seconds();
        let date_after = |offset: i64| format!("date: {}\n", date_at(seconds + offset).unwrap());
        for offset in [EARLIEST_DATE, -1, 0, 1, 78] {
            let packed = pack(&date_after(offset), beside());
            assert_eq!(packed.len(), 4, "{offset}");
            assert_eq!(unpack(&packed, beside()), date_after(offset));
        }
        for offset in [EARLIEST_DATE - 1, 79, 1_000_000, -seconds] {
            let packed = pack(&date_after(offset), beside());
            assert!(packed.len() > 20, "{offset}");
            assert_eq!(unpack(&packed, beside()), date_after(offset));
        }
        let other = "date: Saturday, 29-Nov-26 04:37:25 GMT\n";
        assert_eq!(unpack(&pack(other, beside()), beside()), other);
    }

    proptest! {
        #[test]
        fn whatever_a_row_keeps_reads_as_something(packed in ".{0,99}", started_at: i64) {
            let started_at = Timestamp::from_millis(started_at);
            unpack(&packed, Beside { started_at, ..beside() });
            unpack(&format!("{DATE}{packed}{DIGEST}"), Beside { started_at, ..beside() });
        }

        #[test]
        fn a_head_of_any_lines_reads_back(lines in proptest::collection::vec("(date: |x: |webhook-timestamp: )?([a-zA-Z0-9=+/ ,:]{0,70}|[0-9a-f]{64}|[0-9A-F]{64}|179600384[0-9])", 0..9)) {
            let head = lines.join("\n");
            prop_assert_eq!(unpack(&pack(&head, beside()), beside()), head);
        }
    }

    #[test]
    fn any_head_reads_back() {
        let heads = [
            "",
            "\n\n",
            "POST /\nvary: \nvary: é\t\nserver",
            "server: a\r\nx: dlv_00000000000000000000000000000000\n",
            "content-type: application/jsonl\ncontent-type: application/json",
        ];
        for head in heads {
            assert_eq!(unpack(&pack(head, beside()), beside()), head);
        }
    }

    #[test]
    fn what_came_with_control_characters_says_nothing_else_than_it_said() {
        let packed = pack("x: \u{2}\u{1}\nserver: \u{1f}\n", beside());
        assert_eq!(
            unpack(&packed, beside()),
            "x: \u{fffd}\u{fffd}\nserver: \u{fffd}\n"
        );
    }

    #[test]
    fn no_two_phrases_share_a_character_and_none_hides_a_longer_one() {
        for (index, (character, text)) in PHRASES.iter().enumerate() {
            assert!(
                ![DELIVERY_ID, DIGEST, SECONDS, DATE].contains(character)
                    && !matches!(character, '\n' | '\t' | '\r')
            );
            let later = &PHRASES[index + 1..];
            assert!(
                later
                    .iter()
                    .all(|(other, longer)| other != character && !longer.starts_with(text))
            );
        }
    }
}
