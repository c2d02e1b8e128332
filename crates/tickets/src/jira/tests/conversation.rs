//! Whole deliveries, request by request.

use super::*;
use crate::workflow::stored::text_of;
use destination::task::IncidentContext;
use model::id::UserId;
use model::user::UserRef;

fn read(name: &str, transitions: &[Value]) -> Exchange {
    answer(200, &issue(name, transitions))
}

fn linked_back() -> Exchange {
    answer(201, &json!({ "id": 1, "self": "x" }))
}

#[test]
fn a_triggered_incident_makes_a_ticket_reads_it_and_links_it_back() {
    let me = answer(200, &json!({ "accountId": "me-1", "displayName": "OpsKnight" }));
    let answers = vec![
        me,
        created(),
        read("To Do", &[to("11", "In Progress")]),
        linked_back(),
    ];
    let played = play(with_page(stranger(EventName::Triggered)), answers);
    let paths = [
        "GET /myself",
        "POST /issue",
        "GET /issue/10012",
        "POST /issue/10012/remotelink",
    ];
    assert_eq!(played.paths(), paths);
    assert_eq!(played.last.outcome, Outcome::Delivered);
    assert_eq!(phase(&played), (TicketPhase::New, "To Do".into()));
    let notes = [
        "this account is OpsKnight in Jira",
        "made OPS-12",
        "OPS-12 is To Do",
        "linked OPS-12 back to the incident",
    ];
    assert_eq!(played.notes, notes);
    let learned: Value =
        serde_json::from_str(played.after.target.discovered_settings.as_deref().unwrap()).unwrap();
    assert_eq!(learned["accountId"], "me-1");
    let link = played.body(3);
    assert_eq!(
        link["globalId"],
        format!("opsknight:{}", played.after.event.incident_id)
    );
    assert_eq!(link["object"]["url"], "https://ops.example/incidents/1");
    assert_eq!(link["object"]["status"]["resolved"], false);
    let event = played.after.event.id;
    let kept: Value = serde_json::from_str(played.after.workflow.as_deref().unwrap()).unwrap();
    let told = &kept["told"];
    assert_eq!(
        (&told["ticket"], &told["assignee"], &told["link_is_resolved"]),
        (&json!("10012"), &json!(""), &json!(false))
    );
    assert_eq!(
        (&told["event"], &kept["deliveries"]),
        (&json!(event.to_string()), &Value::Null)
    );
}

#[test]
fn an_acknowledged_incident_moves_assigns_and_notes_who_has_it() {
    let mut sample = linked(with_page(sample(EventName::Acknowledged)), TicketPhase::New)
        .with_option("assignees", "ada lovelace = acc-ada");
    sample.workflow = text_of(r#"{"ticket":"10012","assignee":"","link_is_resolved":false}"#, "");
    let answers = vec![
        read("To Do", &[to("31", "Done"), to("21", "In Progress")]),
        nothing(),
        read("In Progress", &[]),
        nothing(),
        answer(201, &json!({ "id": "1" })),
    ];
    let played = play(sample, answers);
    let paths = [
        "GET /issue/10012",
        "POST /issue/10012/transitions",
        "GET /issue/10012",
        "PUT /issue/10012/assignee",
        "POST /issue/10012/comment",
    ];
    assert_eq!(played.paths(), paths);
    assert!(played.requests[0].contains("expand=transitions%2Ctransitions.fields"));
    assert_eq!(played.body(1), json!({ "transition": { "id": "21" } }));
    assert_eq!(played.body(3), json!({ "accountId": "acc-ada" }));
    let event = &played.after.event;
    let who = event.incident().unwrap().assignee.unwrap().id;
    let text = format!("Ada Lovelace has it now.\n\n(OpsKnight {}/{who})", event.id);
    let internal = json!([{ "key": "sd.public.comment", "value": { "internal": true } }]);
    assert_eq!(played.body(4), json!({ "body": text, "properties": internal }));
    assert_eq!(phase(&played), (TicketPhase::InProgress, "In Progress".into()));
    assert_eq!(played.last.outcome, Outcome::Delivered);
}

#[test]
fn an_escalation_is_noted_with_whoever_has_it_now() {
    let mut sample = linked(sample(EventName::Escalated), TicketPhase::New);
    sample.workflow = text_of(r#"{"ticket":"10012","assignee":""}"#, "");
    sample.beyond = Some(IncidentContext {
        headline: None,
        notes: Vec::new(),
        description: None,
        assignee: Some(UserRef {
            id: UserId::new(at(), [8; 10]),
            name: "Bob [~admin]".into(),
        }),
    });
    let played = play(
        sample,
        vec![read("To Do", &[]), answer(201, &json!({ "id": "1" }))],
    );
    assert_eq!(played.paths(), ["GET /issue/10012", "POST /issue/10012/comment"]);
    let text = played.body(1)["body"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with(r"Escalated. Bob \[\~admin\] has it now."),
        "{text}"
    );
    assert!(text.ends_with(&format!("(OpsKnight {})", played.after.event.id)));
}

#[test]
fn a_resolved_incident_closes_its_ticket_and_tells_the_link() {
    let mut sample = linked(with_page(sample(EventName::Resolved)), TicketPhase::InProgress);
    let who = sample.event.incident().unwrap().assignee.unwrap().id;
    sample.workflow = text_of(
        &format!(r#"{{"ticket":"10012","assignee":"{who}","link_is_resolved":false}}"#),
        "",
    );
    let mut done = to("31", "Done");
    let allowed = json!([{ "name": "Done" }, { "name": "Won't Do" }]);
    let schema = json!({ "type": "resolution" });
    done["fields"] =
        json!({ "resolution": { "required": true, "schema": schema, "allowedValues": allowed } });
    let answers = vec![
        read("In Progress", &[done]),
        nothing(),
        read("Done", &[]),
        linked_back(),
    ];
    let played = play(sample, answers);
    let paths = [
        "GET /issue/10012",
        "POST /issue/10012/transitions",
        "GET /issue/10012",
        "POST /issue/10012/remotelink",
    ];
    assert_eq!(played.paths(), paths);
    let expected = json!({ "transition": { "id": "31" }, "fields": { "resolution": { "name": "Done" } } });
    assert_eq!(played.body(1), expected);
    assert_eq!(played.body(3)["object"]["status"]["resolved"], true);
    assert_eq!(phase(&played), (TicketPhase::Done, "Done".into()));
}

#[test]
fn a_ticket_made_for_a_late_event_is_brought_to_where_its_incident_stands() {
    let answers = vec![
        created(),
        read("To Do", &[to("21", "In Progress")]),
        nothing(),
        read("In Progress", &[]),
    ];
    let played = play(sample(EventName::Acknowledged), answers);
    let paths = [
        "POST /issue",
        "GET /issue/10012",
        "POST /issue/10012/transitions",
        "GET /issue/10012",
    ];
    assert_eq!(played.paths(), paths);
    assert_eq!(played.last.outcome, Outcome::Delivered);
}

#[test]
fn a_resolved_incident_without_a_ticket_needs_none_unless_somebody_asked_for_it() {
    let idle = play(sample(EventName::Resolved), vec![]);
    assert_eq!(
        (idle.requests.len(), &idle.last.outcome),
        (0, &Outcome::Delivered)
    );
    assert_eq!(idle.notes, ["there is no ticket to close"]);
    let mut wanted = sample(EventName::Resolved);
    wanted.ticket = Some(link(&wanted, LinkState::Wanted));
    let answers = vec![
        created(),
        read("To Do", &[to("31", "Done")]),
        nothing(),
        read("Done", &[]),
    ];
    assert_eq!(phase(&play(wanted, answers)).0, TicketPhase::Done);
}

#[test]
fn an_unlinked_ticket_is_left_alone() {
    let mut sample = sample(EventName::Escalated);
    sample.ticket = Some(link(&sample, LinkState::Unlinked));
    let played = play(sample, vec![]);
    assert_eq!(played.last.outcome, Outcome::Delivered);
    assert_eq!(played.notes, ["the ticket was unlinked by hand"]);
}

#[test]
fn a_test_makes_one_ticket_and_ends() {
    let mut sample = stranger(EventName::Triggered);
    sample.event.is_test = true;
    let played = play(sample, vec![created()]);
    assert_eq!(played.paths(), ["POST /issue"]);
    assert_eq!(played.last.outcome, Outcome::Delivered);
    let body = played.body(0);
    assert_eq!(body["fields"]["summary"], "[Test] Database connection timeout");
    assert_eq!(body["fields"]["labels"], json!(["opsknight-test"]));
}

#[test]
fn a_jira_that_takes_no_links_is_no_reason_to_fail() {
    let sample = linked(with_page(sample(EventName::Triggered)), TicketPhase::New);
    let refused = answer(403, &json!({ "errorMessages": ["No permission to link."] }));
    let played = play(sample, vec![read("To Do", &[]), refused]);
    assert_eq!(played.last.outcome, Outcome::Delivered);
    assert!(
        played.notes[1]
            .starts_with("left the link back out: this account may not link the ticket back (403)")
    );
}

#[test]
fn an_account_that_jira_will_not_have_is_left_out() {
    let sample = linked(sample(EventName::Acknowledged), TicketPhase::InProgress)
        .with_option("assignees", "Ada Lovelace = gone")
        .with_option("edition", "data_center");
    let refused = answer(
        400,
        &json!({ "errors": { "assignee": "User 'gone' does not exist." } }),
    );
    let played = play(sample, vec![read("In Progress", &[]), refused]);
    assert_eq!(played.body(1), json!({ "name": "gone" }));
    assert_eq!(played.last.outcome, Outcome::Delivered);
    assert!(
        played.notes[1].contains("assignee: User 'gone' does not exist"),
        "{:?}",
        played.notes
    );
}

#[test]
fn a_lost_ticket_says_what_to_do() {
    let sample = linked(sample(EventName::Acknowledged), TicketPhase::New);
    let played = play(sample, vec![missing(), may_all(), missing()]);
    assert_eq!(played.told(), (FailureCode::TicketLost, Disposition::Permanent));
    assert!(
        played
            .detail()
            .starts_with("OPS-12 was deleted, or this account may not see it any more")
    );
}

#[test]
fn a_ticket_that_was_closed_over_there_meanwhile_stays_closed() {
    let sample = linked(sample(EventName::Acknowledged), TicketPhase::New);
    let played = play(sample, vec![read("Done", &[to("21", "In Progress")])]);
    assert_eq!(played.requests.len(), 1);
    assert_eq!(phase(&played).0, TicketPhase::Done);
}
