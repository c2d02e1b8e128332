//! Notes, once each.

use super::*;
use model::attempt::Disposition;

/// An escalated incident whose ticket was read: its note is next.
fn escalated() -> Sample {
    let mut sample = somebody(
        linked(EventName::Escalated, TicketPhase::New),
        "Ada [code]<b>@all",
    );
    let seen = record(&sample, "1");
    let (_, judgement) = exchange(&mut sample, &ok(&seen));
    assert_eq!(judgement.outcome, Outcome::Step);
    sample
}

/// The same with the answer to the note lost.
fn unsure() -> Sample {
    let mut sample = escalated();
    let (_, judgement) = exchange(&mut sample, &no_answer(FailureCode::ResponseTimeout));
    assert_eq!(failure(&judgement).disposition, Disposition::VerifyFirst);
    let seen = record(&sample, "1");
    let (line, _) = exchange(&mut sample, &ok(&seen));
    assert_eq!(line, format!("GET /api/now/table/incident/{ID}"));
    let early = judge(&sample, &ok(&json!([])));
    assert_eq!(failure(&early).disposition, Disposition::RateLimited);
    sample.now = sample.now.plus(seconds(30));
    sample
}

fn key(sample: &Sample) -> String {
    format!("(OpsKnight {})", sample.event.id)
}

#[test]
fn an_escalation_is_noted_with_who_has_it_and_without_markup() {
    let mut sample = escalated();
    let rendered = request(&sample);
    let text = body(&rendered)["work_notes"].as_str().unwrap().to_owned();
    let expected = "Escalated. Ada [\u{2060}code]<b>@\u{2060}all has it now.\n";
    assert_eq!(text, format!("{expected}{}", key(&sample)));
    assert!(matches!(&rendered.intent, Some(Intention::Workflow(text)) if text.contains("sending")));
    let same = record(&sample, "1");
    let (_, judgement) = exchange(&mut sample, &ok(&same));
    assert!(is_delivered(&judgement));
    assert!(judgement.workflow != Patch::Keep);
}

#[test]
fn a_note_whose_answer_was_lost_is_looked_for_in_the_journal() {
    let mut sample = unsure();
    let query = format!(
        "sysparm_query=element_id={ID}^element=work_notes^valueLIKE{}^ORDERBYDESCsys_created_on&sysparm_limit=5",
        sample.event.id
    );
    assert_eq!(
        line(&request(&sample)),
        format!("GET /api/now/table/sys_journal_field?{query}")
    );
    let there = json!([{ "value": format!("Escalated.\n{}", key(&sample)) }]);
    let (_, judgement) = exchange(&mut sample, &ok(&there));
    assert!(is_delivered(&judgement));
}

#[test]
fn a_journal_that_may_not_be_read_is_replaced_by_the_records_own_history() {
    let mut sample = unsure();
    exchange(&mut sample, &refusal(403, "Operation Failed", "ACL"));
    assert_eq!(
        line(&request(&sample)),
        format!("GET /api/now/table/incident/{ID}")
    );
    let history = format!(
        "2024-01-15 - OpsKnight (Work notes)\nEscalated.\n{}\n\n",
        key(&sample)
    );
    let there = json!({ "sys_id": ID, "work_notes": { "display_value": history, "value": "" } });
    assert!(is_delivered(&judge(&sample, &ok(&there))));
    let other = json!({ "sys_id": ID, "work_notes": { "display_value": "something else", "value": "" } });
    let (_, judgement) = exchange(&mut sample, &ok(&other));
    assert_eq!(judgement.outcome, Outcome::Step);
    assert!(
        body(&request(&sample))["work_notes"]
            .as_str()
            .unwrap()
            .starts_with("Escalated.")
    );
}

#[test]
fn a_note_that_nobody_can_look_for_is_sent_again_and_says_so() {
    let mut sample = unsure();
    exchange(&mut sample, &ok(&json!([])));
    exchange(&mut sample, &ok(&json!({ "sys_id": ID, "work_notes": "" })));
    let note = body(&request(&sample))["work_notes"].as_str().unwrap().to_owned();
    assert!(note.starts_with("(This note may stand here twice"), "{note}");
    let same = record(&sample, "1");
    let (_, judgement) = exchange(&mut sample, &ok(&same));
    assert!(is_delivered(&judgement));
}

#[test]
fn a_history_that_was_cut_still_tells() {
    let mut sample = unsure();
    exchange(&mut sample, &ok(&json!([])));
    let mut cut = answer(
        200,
        &format!("{{\"result\":{{\"work_notes\":\"{} and so on", key(&sample)),
    );
    cut.result.as_mut().unwrap().body_is_truncated = true;
    assert!(is_delivered(&judge(&sample, &cut)));
}

#[test]
fn a_note_that_never_left_is_sent_again_without_a_look() {
    let mut sample = escalated();
    exchange(&mut sample, &unsent(FailureCode::ConnectRefused));
    let seen = record(&sample, "1");
    let (line, _) = exchange(&mut sample, &ok(&seen));
    assert_eq!(line, format!("GET /api/now/table/incident/{ID}"));
    assert!(body(&request(&sample)).get("work_notes").is_some());
}

#[test]
fn an_account_that_may_not_write_notes_is_for_a_person() {
    let sample = escalated();
    let judgement = judge(
        &sample,
        &refusal(403, "Operation Failed", "ACL Exception Update Failed"),
    );
    assert_eq!(failure(&judgement).disposition, Disposition::NeedsOperator);
    assert!(failure(&judgement).detail.contains("set Notes to off"));
}

#[test]
fn a_changed_assignee_is_noted_once_it_is_known_who_was_before() {
    let sample = somebody(linked(EventName::Acknowledged, TicketPhase::InProgress), "Ada");
    let first = judge(&sample, &ok(&record(&sample, "2")));
    assert!(is_delivered(&first));
    let Patch::Set(memory) = first.workflow else {
        panic!("nothing remembered")
    };
    let mut same = sample.clone();
    same.workflow = Some(memory.clone());
    assert!(is_delivered(&judge(&same, &ok(&record(&same, "2")))));
    let mut other = somebody(sample, "Grace");
    other.workflow = Some(memory);
    let seen = record(&other, "2");
    exchange(&mut other, &ok(&seen));
    let note = body(&request(&other))["work_notes"].as_str().unwrap().to_owned();
    let user = other.beyond.as_ref().unwrap().assignee.as_ref().unwrap().id;
    let expected = format!("Grace has it now.\n(OpsKnight {}/{user})", other.event.id);
    assert_eq!(note, expected);
}

#[test]
fn notes_of_every_event_or_none_are_a_matter_of_settings() {
    let all = linked(EventName::Resolved, TicketPhase::Done).with_option("notes", "all");
    assert_eq!(judge(&all, &ok(&record(&all, "6"))).outcome, Outcome::Step);
    let off = linked(EventName::Escalated, TicketPhase::New).with_option("notes", "off");
    assert!(is_delivered(&judge(&off, &ok(&record(&off, "1")))));
    let some = linked(EventName::Resolved, TicketPhase::Done);
    assert!(is_delivered(&judge(&some, &ok(&record(&some, "6")))));
}

#[test]
fn a_history_that_was_cut_before_the_note_is_said_to_be_unsure() {
    let mut sample = unsure();
    exchange(&mut sample, &ok(&json!([])));
    let mut cut = answer(200, r#"{"result":{"work_notes":"and so on"#);
    cut.result.as_mut().unwrap().body_is_truncated = true;
    let (_, judgement) = exchange(&mut sample, &cut);
    assert_eq!(judgement.outcome, Outcome::Step);
    assert!(
        body(&request(&sample))["work_notes"]
            .as_str()
            .unwrap()
            .starts_with("(This note may stand here twice")
    );
}

#[test]
fn a_ticket_that_is_over_may_refuse_its_last_note() {
    let mut sample = linked(EventName::Resolved, TicketPhase::Done).with_option("notes", "all");
    let closed = record(&sample, "7");
    exchange(&mut sample, &ok(&closed));
    let (_, judgement) = exchange(
        &mut sample,
        &refusal(403, "Operation Failed", "ACL Exception Update Failed"),
    );
    assert!(is_delivered(&judgement));
    assert!(judgement.note.unwrap().contains("takes no more notes"));
}
