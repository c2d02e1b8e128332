//! Cursors: opaque to clients, versioned for us.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::problem::{Code, Problem};
use actions::incident_lists::{IncidentOrder, Place};
use model::id::{AttemptId, DeliveryId};
use model::incident::Severity;

/// First byte of a cursor into a list: 16 bytes of an id follow.
const LIST_1: u8 = 1;
/// First byte of a cursor into the event feed: 8 bytes of a sequence follow.
const FEED_1: u8 = 2;
/// First byte of a cursor into attempts: 16 bytes of the delivery's id and 16 of its own follow.
const ATTEMPT_1: u8 = 3;
/// First byte of a cursor into a list in another order than the newest first: the order, the severity and 16 bytes of an id follow.
const PLACE_1: u8 = 4;
/// Stands for no severity.
const NO_SEVERITY: u8 = 0xff;

/// The cursor after the row with this id.
pub fn list_cursor(id: &[u8; 16]) -> String {
    let mut bytes = [LIST_1; 17];
    bytes[1..].copy_from_slice(id);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The id that a cursor of a list stands for.
pub fn parse_list_cursor(text: &str) -> Result<[u8; 16], Problem> {
    let bytes: Option<[u8; 17]> = decode(text);
    match bytes {
        Some([LIST_1, id @ ..]) => Ok(id),
        Some(_) | None => Err(Problem::plain(Code::InvalidCursor)),
    }
}

/// The cursor behind a place in a list of this order.
pub fn place_cursor(order: IncidentOrder, place: Place) -> String {
    let order = match order {
        IncidentOrder::Newest => return list_cursor(&place.id),
        IncidentOrder::Oldest => 1,
        IncidentOrder::Severity => 2,
    };
    let at = |severity| Severity::ALL.iter().position(|known| *known == severity);
    let severity = place
        .severity
        .and_then(at)
        .and_then(|index| u8::try_from(index).ok());
    let mut bytes = [PLACE_1; 19];
    bytes[1] = order;
    bytes[2] = severity.unwrap_or(NO_SEVERITY);
    bytes[3..].copy_from_slice(&place.id);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that a cursor of a list of this order stands for.
pub fn parse_place_cursor(order: IncidentOrder, text: &str) -> Result<Place, Problem> {
    let wanted = match order {
        IncidentOrder::Newest => {
            return parse_list_cursor(text).map(|id| Place { severity: None, id });
        }
        IncidentOrder::Oldest => 1,
        IncidentOrder::Severity => 2,
    };
    let bytes: Option<[u8; 19]> = decode(text);
    let place = match bytes {
        Some([PLACE_1, order, severity, id @ ..]) if order == wanted => {
            let known = Severity::ALL.get(usize::from(severity)).copied();
            let is_whole = known.is_some() == (wanted == 2);
            is_whole.then_some(Place { severity: known, id })
        }
        Some(_) | None => None,
    };
    place.ok_or_else(|| Problem::plain(Code::InvalidCursor))
}

/// The cursor after the event at this place of the feed.
pub fn feed_cursor(sequence: i64) -> String {
    let mut bytes = [FEED_1; 9];
    bytes[1..].copy_from_slice(&sequence.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place of the feed that a cursor stands for.
pub fn parse_feed_cursor(text: &str) -> Result<i64, Problem> {
    let bytes: Option<[u8; 9]> = decode(text);
    match bytes {
        Some([FEED_1, sequence @ ..]) => Ok(i64::from_be_bytes(sequence)),
        Some(_) | None => Err(Problem::plain(Code::InvalidCursor)),
    }
}

/// The cursor after an attempt of a delivery.
pub fn attempt_cursor(delivery: &[u8; 16], attempt: &[u8; 16]) -> String {
    let mut bytes = [ATTEMPT_1; 33];
    bytes[1..17].copy_from_slice(delivery);
    bytes[17..].copy_from_slice(attempt);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The attempt that a cursor stands for, behind its delivery.
pub fn parse_attempt_cursor(text: &str) -> Result<(DeliveryId, AttemptId), Problem> {
    let bytes: Option<[u8; 33]> = decode(text);
    let Some([ATTEMPT_1, ids @ ..]) = bytes else {
        return Err(Problem::plain(Code::InvalidCursor));
    };
    let (mut delivery, mut attempt) = ([0; 16], [0; 16]);
    delivery.copy_from_slice(&ids[..16]);
    attempt.copy_from_slice(&ids[16..]);
    Ok((DeliveryId::from_bytes(delivery), AttemptId::from_bytes(attempt)))
}

fn decode<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cursor_of_a_list_is_none_of_the_feed() {
        assert!(parse_feed_cursor(&list_cursor(&[7; 16])).is_err());
        assert!(parse_list_cursor(&feed_cursor(7)).is_err());
        assert!(parse_attempt_cursor(&list_cursor(&[7; 16])).is_err());
    }

    #[test]
    fn a_cursor_of_one_order_is_none_of_another() {
        let id = [7; 16];
        let places = [
            (IncidentOrder::Newest, Place { severity: None, id }),
            (IncidentOrder::Oldest, Place { severity: None, id }),
            (
                IncidentOrder::Severity,
                Place {
                    severity: Some(Severity::Error),
                    id,
                },
            ),
        ];
        for (order, place) in places {
            let cursor = place_cursor(order, place);
            for (other, _) in places {
                let read = parse_place_cursor(other, &cursor).ok();
                assert_eq!(read, (other == order).then_some(place));
            }
        }
    }

    proptest! {
        #[test]
        fn cursors_read_back(id: [u8; 16], other: [u8; 16], sequence: i64) {
            let attempt = parse_attempt_cursor(&attempt_cursor(&id, &other)).ok();
            prop_assert_eq!(attempt, Some((DeliveryId::from_bytes(id), AttemptId::from_bytes(other))));
            prop_assert_eq!(parse_list_cursor(&list_cursor(&id)).ok(), Some(id));
            prop_assert_eq!(parse_feed_cursor(&feed_cursor(sequence)).ok(), Some(sequence));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".*") {
            let _ = (parse_list_cursor(&text), parse_feed_cursor(&text), parse_attempt_cursor(&text));
        }
    }
}
