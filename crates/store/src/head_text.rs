//! Heads of requests and answers as a row keeps them: what stands in nearly every one is a single character. An attempt's
//! largest part is otherwise the names of its headers, and its delivery's id twice.
//!
//! The characters are control characters that no head has. A head of an earlier version holds none, and reads back as it is.

use model::id::DeliveryId;

/// Stands for the id of the delivery that the attempt is one of.
const DELIVERY_ID: char = '\u{1}';
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

/// A head as its row keeps it.
pub fn pack(head: &str, delivery_id: DeliveryId) -> String {
    let id = delivery_id.to_string();
    let mut packed = String::with_capacity(head.len());
    for line in head.split_inclusive('\n') {
        let phrase = PHRASES.iter().find(|(_, text)| line.starts_with(text));
        let rest = match phrase {
            Some((character, text)) => {
                packed.push(*character);
                &line[text.len()..]
            }
            None => line,
        };
        match rest.strip_prefix(id.as_str()) {
            Some(rest) => {
                packed.push(DELIVERY_ID);
                push_plain(&mut packed, rest);
            }
            None => push_plain(&mut packed, rest),
        }
    }
    packed
}

/// The head that a row keeps.
pub fn unpack(packed: &str, delivery_id: DeliveryId) -> String {
    let mut head = String::with_capacity(2 * packed.len());
    for character in packed.chars() {
        if character == DELIVERY_ID {
            head.push_str(&delivery_id.to_string());
        } else if let Some((_, text)) = PHRASES.iter().find(|(known, _)| *known == character) {
            head.push_str(text);
        } else {
            head.push(character);
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
    use model::time::Timestamp;

    fn id() -> DeliveryId {
        DeliveryId::new(Timestamp::EPOCH, [7; 10])
    }

    #[test]
    fn an_ordinary_head_is_less_than_half_as_long_and_reads_back() {
        let head = format!(
            "POST https://receiver.example/hooks\nuser-agent: OpsKnight/0.1.0\ncontent-type: application/json\n\
             x-opsknight-event: incident.triggered\nx-opsknight-delivery: {id}\nx-opsknight-attempt: 1\n\
             x-opsknight-signature: sha256={hash}\nwebhook-id: {id}\nwebhook-timestamp: 1796003845\n\
             webhook-signature: v1,{base64}=\n",
            id = id(),
            hash = "ab".repeat(32),
            base64 = "x".repeat(43),
        );
        let packed = pack(&head, id());
        assert!(
            packed.len() * 2 < head.len(),
            "{} of {}",
            packed.len(),
            head.len()
        );
        assert_eq!(unpack(&packed, id()), head);
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
            assert_eq!(unpack(&pack(head, id()), id()), head);
        }
    }

    #[test]
    fn what_came_with_control_characters_says_nothing_else_than_it_said() {
        let packed = pack("x: \u{2}\u{1}\nserver: \u{1f}\n", id());
        assert_eq!(unpack(&packed, id()), "x: \u{fffd}\u{fffd}\nserver: \u{fffd}\n");
    }

    #[test]
    fn no_two_phrases_share_a_character_and_none_hides_a_longer_one() {
        for (index, (character, text)) in PHRASES.iter().enumerate() {
            assert!(*character != DELIVERY_ID && !matches!(character, '\n' | '\t' | '\r'));
            let later = &PHRASES[index + 1..];
            assert!(
                later
                    .iter()
                    .all(|(other, longer)| other != character && !longer.starts_with(text))
            );
        }
    }
}
