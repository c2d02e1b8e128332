//! Whose refusal it is, and a mark that is not kept.

use super::*;
use model::attempt::Disposition;

fn code(judgement: &Classification) -> (FailureCode, Disposition) {
    (failure(judgement).code, failure(judgement).disposition)
}

fn held() -> (FailureCode, Disposition) {
    (FailureCode::SettingsRefused, Disposition::NeedsOperator)
}

/// A record of ours whose mark the instance dropped.
fn dropped(sample: &Sample) -> Value {
    let mut record = record(sample, "1");
    record["correlation_id"] = json!({ "display_value": "", "value": "" });
    record
}

fn late() -> Sample {
    let mut sample = sample(EventName::Triggered);
    intended(&mut sample, None);
    sample.now = at().plus(seconds(200));
    sample
}

#[test]
fn a_mark_that_was_dropped_is_written_once_more_and_then_told() {
    let mut sample = sample(EventName::Triggered);
    let made = dropped(&sample);
    let (_, judgement) = exchange(&mut sample, &ok(&made));
    assert_eq!(judgement.outcome, Outcome::Step);
    let (line, judgement) = exchange(&mut sample, &ok(&made));
    assert!(
        line.starts_with("PATCH") && line.contains("correlation_id"),
        "{line}"
    );
    assert!(is_delivered(&judgement));
    let note = judgement.note.unwrap();
    assert!(note.contains("does not keep the mark"), "{note}");
}

#[test]
fn a_test_says_that_its_mark_was_dropped() {
    let sample = {
        let mut sample = sample(EventName::Triggered);
        sample.event.is_test = true;
        sample
    };
    let judgement = judge(&sample, &ok(&dropped(&sample)));
    assert!(judgement.note.unwrap().contains("does not keep the mark"));
}

#[test]
fn nothing_is_made_again_while_an_unmarked_record_may_be_the_ticket() {
    let mut sample = late();
    exchange(&mut sample, &listed(&[], 0));
    let mut unmarked = dropped(&sample);
    // The instance's clock is ten minutes slow.
    unmarked["sys_created_on"] = json!("2024-01-15 10:20:00");
    let judgement = judge(&sample, &listed(std::slice::from_ref(&unmarked), 1));
    assert_eq!(
        code(&judgement),
        (FailureCode::TicketUnknown, Disposition::Permanent)
    );
    assert!(failure(&judgement).detail.contains("INC0010001"), "{judgement:?}");
    assert_eq!(judgement.ticket, None);
    let mut older = unmarked.clone();
    older["sys_created_on"] = json!("2024-01-15 09:00:00");
    let none_of_it = listed(&[record(&sample, "1"), older], 2);
    exchange(&mut sample, &none_of_it);
    let judgement = judge(&sample, &listed(&[], 0));
    assert_eq!(judgement.ticket, Some(TicketNews::NotMade));
}

#[test]
fn an_account_that_has_lost_its_role_makes_and_loses_no_ticket() {
    assert_eq!(code(&judge(&late(), &listed(&[], 1))), held());
    let mut sample = late();
    exchange(&mut sample, &listed(&[], 0));
    let judgement = judge(&sample, &listed(&[], 9));
    assert_eq!((code(&judgement), judgement.ticket), (held(), None));
    let mut linked = linked(EventName::Acknowledged, TicketPhase::New);
    exchange(&mut linked, &missing());
    assert_eq!(code(&judge(&linked, &listed(&[], 9))), held());
}

#[test]
fn where_none_are_a_404_it_means_none() {
    let judgement = judge(&late(), &missing());
    assert_eq!((judgement.outcome, judgement.ticket), (Outcome::Step, None));
    let mut early = late();
    early.now = at();
    assert_eq!(
        failure(&judge(&early, &missing())).code,
        FailureCode::TicketUnknown
    );
}

/// A data policy's refusal in German.
fn german(fields: &str) -> Exchange {
    let detail = format!("Datenrichtlinienausnahme: Die folgenden Felder sind Pflichtfelder: {fields}");
    refusal(403, "Vorgang fehlgeschlagen", &detail)
}

#[test]
fn a_refusal_in_another_language_is_that_of_its_ticket_if_the_account_works() {
    let mut sample = sample(EventName::Triggered);
    let (_, judgement) = exchange(&mut sample, &german("Anrufer"));
    assert_eq!(judgement.outcome, Outcome::Step);
    assert_eq!(judgement.ticket, Some(TicketNews::NotMade));
    assert_eq!(code(&judge(&sample, &listed(&[], 3))), held());
    exchange(&mut sample, &ok(&json!([{ "sys_id": "x" }])));
    let told = judge(&sample, &german("Anrufer"));
    assert_eq!(code(&told), (FailureCode::MessageRefused, Disposition::Permanent));
    assert!(failure(&told).detail.contains("Anrufer"), "{told:?}");
}

#[test]
fn closing_fields_in_another_language_are_told_with_what_to_set() {
    let mut sample = linked(EventName::Resolved, TicketPhase::InProgress);
    let seen = record(&sample, "2");
    exchange(&mut sample, &ok(&seen));
    let (_, judgement) = exchange(&mut sample, &german("Lösungscode, Lösungsnotizen"));
    assert_eq!(judgement.outcome, Outcome::Step);
    exchange(&mut sample, &ok(&json!([{ "sys_id": "x" }])));
    exchange(&mut sample, &ok(&seen));
    let told = judge(&sample, &german("Lösungscode, Lösungsnotizen"));
    assert_eq!(code(&told), (FailureCode::MessageRefused, Disposition::Permanent));
    let detail = &failure(&told).detail;
    assert!(
        detail.contains("set Close code") && detail.contains("Lösungscode"),
        "{detail}"
    );
}

#[test]
fn a_test_in_another_language_ends_too_and_a_name_is_no_access_rule() {
    let mut sample = sample(EventName::Triggered);
    sample.event.is_test = true;
    exchange(&mut sample, &german("Oracle"));
    exchange(&mut sample, &ok(&json!([{ "sys_id": "x" }])));
    let told = judge(&sample, &german("Oracle"));
    assert_eq!(code(&told), (FailureCode::MessageRefused, Disposition::Permanent));
}
