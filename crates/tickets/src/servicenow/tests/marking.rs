//! Marking a ticket that was linked by hand.

use super::*;

/// A record that somebody made by hand.
fn by_hand(sample: &Sample) -> Value {
    let mut record = record(sample, "1");
    record["correlation_id"] = json!({ "display_value": "", "value": "" });
    record
}

#[test]
fn a_ticket_that_was_linked_by_hand_is_marked_as_the_incidents() {
    let mut sample = linked(EventName::Triggered, TicketPhase::New);
    let record = by_hand(&sample);
    let (_, judgement) = exchange(&mut sample, &ok(&record));
    assert_eq!(judgement.outcome, Outcome::Step);
    let incident = mark(&sample);
    let (line, judgement) = exchange(&mut sample, &ok(&record));
    assert_eq!(
        line,
        format!(
            r#"PATCH /api/now/table/incident/{ID} {{"correlation_id":"{incident}","correlation_display":"OpsKnight"}}"#
        )
    );
    assert!(is_delivered(&judgement));
}

#[test]
fn a_ticket_of_ours_or_with_another_mark_is_not() {
    let mut ours = linked(EventName::Triggered, TicketPhase::New);
    let record = by_hand(&ours);
    if let Some(link) = &mut ours.ticket {
        link.creates = 1;
    }
    assert!(is_delivered(&judge(&ours, &ok(&record))));
    let others = linked(EventName::Triggered, TicketPhase::New);
    let mut record = by_hand(&others);
    record["correlation_id"] = json!({ "display_value": "x", "value": "x" });
    assert!(is_delivered(&judge(&others, &ok(&record))));
}
