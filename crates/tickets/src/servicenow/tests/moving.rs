//! Moving the ticket.

use super::*;
use model::attempt::Disposition;

/// Reads the ticket in a state, so that the next request moves it.
fn read(name: EventName, state: &str) -> Sample {
    let mut sample = linked(name, TicketPhase::New);
    let seen = record(&sample, state);
    let (line, judgement) = exchange(&mut sample, &ok(&seen));
    assert_eq!(line, format!("GET /api/now/table/incident/{ID}"));
    assert_eq!(judgement.outcome, Outcome::Step);
    sample
}

#[test]
fn an_acknowledged_incident_moves_its_ticket() {
    let mut sample = read(EventName::Acknowledged, "1");
    let moved = record(&sample, "2");
    let (line, judgement) = exchange(&mut sample, &ok(&moved));
    assert_eq!(
        line,
        format!(r#"PATCH /api/now/table/incident/{ID} {{"state":"2"}}"#)
    );
    assert!(is_delivered(&judgement) && phase(&judgement) == Some(TicketPhase::InProgress));
    assert_eq!(judgement.note.as_deref(), Some("moved INC0010001 to In Progress"));
}

#[test]
fn a_resolved_incident_closes_its_ticket_with_code_and_notes() {
    let mut sample = read(EventName::Resolved, "2");
    let moved = record(&sample, "6");
    let (line, judgement) = exchange(&mut sample, &ok(&moved));
    let body = r#"{"state":"6","close_code":"Solution provided","close_notes":"Resolved in OpsKnight by OpsKnight."}"#;
    assert_eq!(line, format!("PATCH /api/now/table/incident/{ID} {body}"));
    assert!(is_delivered(&judgement) && phase(&judgement) == Some(TicketPhase::Done));
}

#[test]
fn a_reopened_incident_opens_its_ticket_again() {
    let mut sample = linked(EventName::Reopened, TicketPhase::Done);
    let closed = record(&sample, "6");
    exchange(&mut sample, &ok(&closed));
    let open = record(&sample, "2");
    let (line, judgement) = exchange(&mut sample, &ok(&open));
    assert_eq!(
        line,
        format!(r#"PATCH /api/now/table/incident/{ID} {{"state":"2"}}"#)
    );
    assert!(is_delivered(&judgement) && phase(&judgement) == Some(TicketPhase::InProgress));
}

#[test]
fn a_ticket_that_is_there_already_is_left_alone() {
    let sample = linked(EventName::Acknowledged, TicketPhase::New);
    let judgement = judge(&sample, &ok(&record(&sample, "3")));
    assert!(is_delivered(&judgement));
    assert_eq!(judgement.note.as_deref(), Some("INC0010001 is 3"));
    let closed_there = judge(&sample, &ok(&record(&sample, "7")));
    assert!(is_delivered(&closed_there) && phase(&closed_there) == Some(TicketPhase::Done));
}

#[test]
fn a_business_rule_that_keeps_the_ticket_is_told() {
    let mut sample = read(EventName::Resolved, "2");
    let kept = record(&sample, "2");
    let (_, judgement) = exchange(&mut sample, &ok(&kept));
    let failure = failure(&judgement);
    assert_eq!(
        (failure.code, failure.disposition),
        (FailureCode::TransitionMissing, Disposition::Permanent)
    );
    assert!(
        failure
            .detail
            .starts_with("INC0010001 stays In Progress though it was told to take state 6")
    );
    assert_eq!(phase(&judgement), Some(TicketPhase::InProgress));
}

#[test]
fn a_move_whose_answer_hides_the_state_is_read_again() {
    let mut sample = read(EventName::Resolved, "1");
    let (_, judgement) = exchange(&mut sample, &ok(&json!({ "sys_id": ID })));
    assert_eq!((judgement.outcome, judgement.ticket), (Outcome::Step, None));
    let kept = judge(&sample, &ok(&record(&sample, "1")));
    assert_eq!(failure(&kept).code, FailureCode::TransitionMissing);
    let moved = record(&sample, "6");
    let (line, judgement) = exchange(&mut sample, &ok(&moved));
    assert_eq!(line, format!("GET /api/now/table/incident/{ID}"));
    assert!(is_delivered(&judgement));
}

#[test]
fn a_policy_that_wants_another_close_code_is_told_with_what_to_set() {
    let mut sample = read(EventName::Resolved, "2");
    let detail = "Data Policy Exception: The following fields are mandatory: Resolution code";
    let (_, judgement) = exchange(&mut sample, &refusal(403, "Operation Failed", detail));
    let failure = failure(&judgement);
    assert_eq!(
        (failure.code, failure.disposition),
        (FailureCode::MessageRefused, Disposition::Permanent)
    );
    assert!(
        failure.detail.contains("set Close code and Close notes")
            && failure.detail.contains("Resolution code")
    );
}

#[test]
fn other_refusals_name_what_the_instance_says() {
    let sample = read(EventName::Acknowledged, "1");
    let rule = refusal(
        403,
        "Operation Failed",
        "Operation against file 'incident' was aborted by Business Rule 'Keep^1'",
    );
    assert_eq!(failure(&judge(&sample, &rule)).code, FailureCode::MessageRefused);
    let acl = judge(
        &sample,
        &refusal(
            403,
            "Operation Failed",
            "ACL Exception Update Failed due to security constraints",
        ),
    );
    assert_eq!(
        (failure(&acl).code, failure(&acl).disposition),
        (FailureCode::SettingsRefused, Disposition::NeedsOperator)
    );
    assert_eq!(judge(&sample, &missing()).outcome, Outcome::Step);
}

#[test]
fn after_a_lost_answer_the_ticket_is_read_before_it_is_moved_again() {
    let mut sample = read(EventName::Acknowledged, "1");
    let (_, judgement) = exchange(&mut sample, &no_answer(FailureCode::ResponseTimeout));
    assert_eq!(failure(&judgement).disposition, Disposition::Backoff);
    let closed = record(&sample, "7");
    let (line, judgement) = exchange(&mut sample, &ok(&closed));
    assert_eq!(line, format!("GET /api/now/table/incident/{ID}"));
    assert!(
        is_delivered(&judgement),
        "what was seen before the delivery is remembered: {judgement:?}"
    );
}

#[test]
fn states_of_the_settings_are_used() {
    let mut sample = linked(EventName::Resolved, TicketPhase::New)
        .with_option("stateResolved", "3")
        .with_option("statesDone", "3, 4")
        .with_option("closeCode", "Done")
        .with_option("closeNotes", "By {{ actor }}: {{ incident.title }}");
    let seen = record(&sample, "2");
    exchange(&mut sample, &ok(&seen));
    let moved = record(&sample, "4");
    let (line, judgement) = exchange(&mut sample, &ok(&moved));
    assert!(line.ends_with(
        r#"{"state":"3","close_code":"Done","close_notes":"By OpsKnight: Database connection timeout"}"#
    ));
    assert!(is_delivered(&judgement));
}

#[test]
fn a_closed_ticket_that_may_not_be_opened_again_disables_nothing() {
    let mut sample = linked(EventName::Reopened, TicketPhase::Done);
    let closed = record(&sample, "7");
    exchange(&mut sample, &ok(&closed));
    let acl = refusal(
        403,
        "Operation Failed",
        "ACL Exception Update Failed due to security constraints",
    );
    let judgement = judge(&sample, &acl);
    let failure = failure(&judgement);
    assert_eq!(
        (failure.code, failure.disposition),
        (FailureCode::TransitionMissing, Disposition::Permanent)
    );
    assert!(
        failure
            .detail
            .starts_with("INC0010001 is Closed and this account may not open it again")
    );
}

#[test]
fn a_ticket_that_is_closed_is_assigned_to_nobody_new() {
    let sample = somebody(linked(EventName::Resolved, TicketPhase::InProgress), "Ada");
    let mut sample = sample.with_option("assignees", "ada = ada.l");
    let seen = record(&sample, "2");
    exchange(&mut sample, &ok(&seen));
    let closed = record(&sample, "6");
    let (line, judgement) = exchange(&mut sample, &ok(&closed));
    assert!(line.contains(r#""state":"6""#) && is_delivered(&judgement));
}

#[test]
fn each_table_of_the_base_system_is_closed_in_its_own_way() {
    let closed = |table: &str, before: &str, after: &str| {
        let mut sample = linked(EventName::Resolved, TicketPhase::New).with_option("table", table);
        let seen = record(&sample, before);
        exchange(&mut sample, &ok(&seen));
        let moved = record(&sample, after);
        let rendered = request(&sample);
        assert!(is_delivered(&judge(&sample, &ok(&moved))), "{table}");
        body(&rendered)
    };
    let notes = "Resolved in OpsKnight by OpsKnight.";
    assert_eq!(
        closed("problem", "101", "106"),
        json!({ "state": "106", "resolution_code": "fix_applied", "fix_notes": notes, "cause_notes": notes, "close_notes": notes })
    );
    assert_eq!(
        closed("change_request", "-5", "3"),
        json!({ "state": "3", "close_code": "successful", "close_notes": notes })
    );
    assert_eq!(
        closed("sc_task", "1", "3"),
        json!({ "state": "3", "close_notes": notes })
    );
    assert_eq!(
        closed("u_own", "1", "6"),
        json!({ "state": "6", "close_code": "Solution provided", "close_notes": notes })
    );
}

#[test]
fn a_ticket_of_another_table_is_new_taken_and_over_by_that_tables_states() {
    let acknowledged = |table: &str, before: &str| {
        let mut sample = linked(EventName::Acknowledged, TicketPhase::New).with_option("table", table);
        let seen = record(&sample, before);
        exchange(&mut sample, &ok(&seen));
        body(&request(&sample))
    };
    assert_eq!(acknowledged("problem", "101"), json!({ "state": "102" }));
    assert_eq!(acknowledged("change_request", "-5"), json!({ "state": "-4" }));
    let closed = linked(EventName::Resolved, TicketPhase::New).with_option("table", "problem");
    assert!(is_delivered(&judge(&closed, &ok(&record(&closed, "107")))));
}

#[test]
fn closing_fields_of_the_settings_are_set_too_and_a_code_may_be_left_out() {
    let mut sample = linked(EventName::Resolved, TicketPhase::New)
        .with_option("closeCode", "-")
        .with_option(
            "closeFields",
            "u_cause = {{ incident.severity }}\nclose_notes = gone\nstate = 9",
        );
    let seen = record(&sample, "2");
    exchange(&mut sample, &ok(&seen));
    let sent = body(&request(&sample));
    assert_eq!(
        sent,
        json!({ "state": "6", "close_notes": "gone", "u_cause": "critical" })
    );
}
