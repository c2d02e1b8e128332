//! Whom a ticket is assigned to.

use super::*;

fn mapped(user: &str) -> Sample {
    let sample = linked(EventName::Acknowledged, TicketPhase::InProgress);
    somebody(sample, "Ada").with_option("assignees", &format!("ada = {user}"))
}

fn assigned(sample: &Sample, id: &str, name: &str) -> Value {
    let mut record = record(sample, "2");
    record["assigned_to"] = json!({ "display_value": "Ada Lovelace", "value": id });
    record["assigned_to.user_name"] = json!({ "display_value": name, "value": name });
    record
}

#[test]
fn a_user_name_is_looked_up_and_the_ticket_assigned() {
    let mut sample = mapped("ada.l^x");
    let seen = record(&sample, "2");
    exchange(&mut sample, &ok(&seen));
    let user = json!([{ "sys_id": USER, "user_name": "ada.l^x" }]);
    let (line, _) = exchange(&mut sample, &ok(&user));
    assert_eq!(
        line,
        "GET /api/now/table/sys_user?sysparm_query=user_name=ada.l^^x&sysparm_limit=2"
    );
    let after = assigned(&sample, USER, "ada.l^x");
    let (line, judgement) = exchange(&mut sample, &ok(&after));
    assert_eq!(
        line,
        format!(r#"PATCH /api/now/table/incident/{ID} {{"assigned_to":"{USER}"}}"#)
    );
    assert!(is_delivered(&judgement));
    assert_eq!(
        judgement.note.as_deref(),
        Some("assigned INC0010001 to Ada Lovelace")
    );
}

#[test]
fn an_id_needs_no_look_up() {
    let mut sample = mapped(USER);
    let seen = record(&sample, "2");
    exchange(&mut sample, &ok(&seen));
    assert_eq!(body(&request(&sample)), json!({ "assigned_to": USER }));
}

#[test]
fn a_ticket_that_is_theirs_already_is_left_alone() {
    let sample = mapped("Ada.L");
    assert!(is_delivered(&judge(
        &sample,
        &ok(&assigned(&sample, USER, "ada.l"))
    )));
    let by_id = mapped(USER);
    assert!(is_delivered(&judge(&by_id, &ok(&assigned(&by_id, USER, "")))));
}

#[test]
fn a_user_that_cannot_be_looked_up_is_assigned_nothing() {
    let mut sample = mapped("ada.l");
    let seen = record(&sample, "2");
    exchange(&mut sample, &ok(&seen));
    let refused = judge(&sample, &refusal(403, "Operation Failed", "ACL"));
    assert!(is_delivered(&refused) && refused.note.unwrap().contains("does not tell who ada.l is"));
    let other = json!([{ "sys_id": USER, "user_name": "admin" }]);
    assert!(is_delivered(&judge(&sample, &ok(&other))));
}

#[test]
fn an_assignment_that_is_refused_is_left_out_and_the_delivery_goes_on() {
    let mut sample = mapped(USER);
    let seen = record(&sample, "2");
    exchange(&mut sample, &ok(&seen));
    let (_, judgement) = exchange(
        &mut sample,
        &refusal(403, "Operation Failed", "ACL Exception Update Failed"),
    );
    assert!(is_delivered(&judgement));
    assert!(
        judgement
            .note
            .unwrap()
            .starts_with("left the assignee as it is: ")
    );
}

#[test]
fn whom_the_settings_do_not_name_assigns_nothing() {
    let sample = somebody(linked(EventName::Acknowledged, TicketPhase::InProgress), "Bob");
    let sample = sample.with_option("assignees", "ada = ada.l");
    assert!(is_delivered(&judge(&sample, &ok(&record(&sample, "2")))));
}
