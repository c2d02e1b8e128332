//! Questions beside deliveries.

use super::*;
use destination::ticketing::{QueryContext, QueryResult, QueryStep, Reading, TicketQuery, Ticketing};

/// Asks with the answers so far.
fn ask(sample: &Sample, question: &TicketQuery, answers: &[Exchange]) -> QueryStep {
    SERVICENOW.query(&QueryContext {
        webhook: &sample.webhook,
        target: &sample.target,
        token: None,
        query: question,
        answers,
        now: sample.now,
    })
}

fn next(asked: QueryStep) -> String {
    match asked {
        QueryStep::Send(rendered) => said(&rendered),
        other => panic!("no request: {other:?}"),
    }
}

fn done(asked: QueryStep) -> QueryResult {
    match asked {
        QueryStep::Done(answer) => answer,
        other => panic!("no answer: {other:?}"),
    }
}

fn read(since: Option<Timestamp>) -> TicketQuery {
    TicketQuery::Read {
        ticket_id: ID.into(),
        comments_since: since,
    }
}

fn reading(answer: QueryResult) -> Reading {
    match answer {
        QueryResult::Ticket(Some(reading)) => reading,
        other => panic!("no ticket: {other:?}"),
    }
}

#[test]
fn a_ticket_is_read_with_who_changed_it() {
    let sample = sample(EventName::Triggered);
    assert_eq!(
        next(ask(&sample, &read(None), &[])),
        format!("GET /api/now/table/incident/{ID}")
    );
    let ours = reading(done(ask(&sample, &read(None), &[ok(&record(&sample, "2"))])));
    assert_eq!(
        (ours.ticket, ours.is_ours),
        (ticket(TicketPhase::InProgress), true)
    );
    let mut theirs = record(&sample, "2");
    theirs["sys_updated_by"] = json!("ada.l");
    let theirs = reading(done(ask(&sample, &read(None), &[ok(&theirs)])));
    assert_eq!((theirs.by.as_deref(), theirs.is_ours), (Some("ada.l"), false));
    assert_eq!(
        done(ask(
            &sample,
            &read(None),
            &[missing(), ok(&json!([{ "sys_id": "x" }])), missing()]
        )),
        QueryResult::Ticket(None)
    );
    let unseen = ask(&sample, &read(None), &[missing(), listed(&[], 7)]);
    assert!(matches!(unseen, QueryStep::Failed(_, None)), "{unseen:?}");
}

#[test]
fn what_people_wrote_since_comes_with_it() {
    let sample = sample(EventName::Triggered);
    let question = read(Some(at()));
    let seen = ok(&record(&sample, "2"));
    let line = next(ask(&sample, &question, std::slice::from_ref(&seen)));
    let query = format!("element_id={ID}^elementINcomments,work_notes^ORDERBYDESCsys_created_on");
    assert_eq!(
        line,
        format!("GET /api/now/table/sys_journal_field?sysparm_query={query}&sysparm_limit=100")
    );
    let entry = |at: &str, by: &str, value: &str| json!({ "sys_created_on": at, "sys_created_by": by, "value": value });
    let journal = json!([
        entry(
            "2024-01-15 10:32:00",
            "ada.l",
            "[code]<b>second</b>[/code]\r\nline"
        ),
        entry("2024-01-15 10:31:00", "bob", "first"),
        entry("2024-01-15 10:30:30", "opsknight", "ours"),
        entry("2024-01-15 10:30:20", "key", "ours too (OpsKnight evt_1)"),
        entry("2024-01-15 10:29:00", "bob", "too old"),
        entry("nonsense", "bob", "no time"),
    ]);
    let reading = reading(done(ask(&sample, &question, &[seen, ok(&journal)])));
    let texts: Vec<_> = reading
        .comments
        .iter()
        .map(|comment| (comment.author.as_str(), comment.text.as_str()))
        .collect();
    assert_eq!(texts, [("bob", "first"), ("ada.l", "<b>second</b>\nline")]);
    assert_eq!(reading.comments[0].at, at().plus(seconds(60)));
}

#[test]
fn a_journal_that_may_not_be_read_holds_nothing() {
    let sample = sample(EventName::Triggered);
    let answers = [ok(&record(&sample, "2")), refusal(403, "Operation Failed", "ACL")];
    assert_eq!(
        reading(done(ask(&sample, &read(Some(at())), &answers))).comments,
        []
    );
}

#[test]
fn a_ticket_is_named_by_number_id_or_page() {
    let sample = sample(EventName::Triggered);
    let named = |text: &str| SERVICENOW.reference(&sample.target, text);
    let root = "https://dev1.service-now.example";
    assert_eq!(named(" inc0010001 "), Ok("INC0010001".into()));
    assert_eq!(named(ID), Ok(ID.into()));
    assert_eq!(named(&ticket(TicketPhase::New).url), Ok(ID.into()));
    assert_eq!(
        named(&format!("{root}/incident.do?sys_id={ID}&sysparm_view=x")),
        Ok(ID.into())
    );
    let page = format!("{root}/now/nav/ui/classic/params/target/incident.do%3Fsys_id%3D{ID}");
    assert_eq!(named(&page), Ok(ID.into()));
    assert_eq!(
        named(&format!("{root}/now/workspace/agent/record/incident/{ID}")),
        Ok(ID.into())
    );
    assert!(
        named(&format!("https://other.example/incident.do?sys_id={ID}"))
            .unwrap_err()
            .contains("elsewhere")
    );
    assert!(
        named(&format!("{root}/problem.do?sys_id={ID}"))
            .unwrap_err()
            .contains("table incident")
    );
    assert!(named("INC 1^x").is_err() && named("").is_err());
}

#[test]
fn a_named_ticket_is_found_by_number_and_nothing_else_is_taken_for_it() {
    let sample = sample(EventName::Triggered);
    let question = TicketQuery::Find {
        reference: "INC0010001".into(),
    };
    let line = next(ask(&sample, &question, &[]));
    assert_eq!(
        line,
        "GET /api/now/table/incident?sysparm_query=number=INC0010001&sysparm_limit=2"
    );
    let mut other = record(&sample, "1");
    other["number"] = json!("INC0000002");
    let found = done(ask(
        &sample,
        &question,
        &[ok(&json!([other, record(&sample, "1")]))],
    ));
    assert_eq!(reading(found).ticket, ticket(TicketPhase::New));
    assert_eq!(
        done(ask(
            &sample,
            &question,
            &[ok(&json!([other])), ok(&json!([other])), ok(&json!([other]))]
        )),
        QueryResult::Ticket(None)
    );
}

#[test]
fn tickets_with_a_marker_have_to_carry_it() {
    let sample = sample(EventName::Triggered);
    let marker = mark(&sample);
    let question = TicketQuery::Marked {
        marker: marker.clone(),
    };
    assert!(
        next(ask(&sample, &question, &[]))
            .contains(&format!("correlation_id={marker}^ORDERBYsys_created_on"))
    );
    let mut other = record(&sample, "1");
    other["correlation_id"] = json!(format!("{marker}-duplicate"));
    let answer = done(ask(
        &sample,
        &question,
        &[ok(&json!([other, record(&sample, "1")]))],
    ));
    assert_eq!(answer, QueryResult::Tickets(vec![ticket(TicketPhase::New)]));
    let nothing = TicketQuery::Marked {
        marker: String::new(),
    };
    assert!(matches!(ask(&sample, &nothing, &[]), QueryStep::Failed(..)));
}

fn join() -> TicketQuery {
    let keep = Ticket {
        id: "keep1".into(),
        key: "INC0010000".into(),
        ..ticket(TicketPhase::New)
    };
    TicketQuery::Merge {
        keep,
        close: ticket(TicketPhase::New),
    }
}

#[test]
fn a_duplicate_is_noted_unmarked_and_canceled() {
    let sample = sample(EventName::Triggered);
    let mut answers = vec![ok(&record(&sample, "1"))];
    let line = next(ask(&sample, &join(), &answers));
    assert!(line.contains("sys_journal_field") && line.contains("valueLIKEduplicate of INC0010000"));
    answers.push(ok(&json!([])));
    let line = next(ask(&sample, &join(), &answers));
    let note = r#"{"work_notes":"This ticket was made twice; INC0010000 stays.\n(OpsKnight duplicate of INC0010000)"}"#;
    assert_eq!(line, format!("PATCH /api/now/table/incident/{ID} {note}"));
    answers.push(ok(&record(&sample, "1")));
    let line = next(ask(&sample, &join(), &answers));
    let marker = mark(&sample);
    assert!(
        line.ends_with(&format!(
            r#"{{"correlation_id":"{marker}-duplicate","state":"8"}}"#
        )),
        "{line}"
    );
    answers.push(ok(&record(&sample, "8")));
    assert_eq!(done(ask(&sample, &join(), &answers)), QueryResult::Merged);
}

#[test]
fn a_duplicate_that_may_not_be_canceled_is_resolved() {
    let sample = sample(EventName::Triggered);
    let note = json!([{ "value": "x\n(OpsKnight duplicate of INC0010000)" }]);
    let refused = refusal(403, "Operation Failed", "Data Policy Exception: no");
    let mut answers = vec![ok(&record(&sample, "1")), ok(&note), refused];
    let line = next(ask(&sample, &join(), &answers));
    assert!(line.contains(
        r#""state":"6","close_code":"Solution provided","close_notes":"Duplicate of INC0010000.""#
    ));
    answers.push(ok(&record(&sample, "1")));
    assert!(matches!(
        ask(&sample, &join(), &answers),
        QueryStep::Failed(failure, None) if failure.code == FailureCode::TransitionMissing
    ));
}

#[test]
fn a_duplicate_that_is_joined_or_gone_is_left_alone() {
    let sample = sample(EventName::Triggered);
    let mut joined = record(&sample, "8");
    joined["correlation_id"] = json!("inc_1-duplicate");
    assert_eq!(done(ask(&sample, &join(), &[ok(&joined)])), QueryResult::Merged);
    assert_eq!(done(ask(&sample, &join(), &[missing()])), QueryResult::Merged);
    let page = ask(&sample, &join(), &[answer(200, "<html>")]);
    assert!(matches!(page, QueryStep::Failed(failure, None) if failure.code == FailureCode::ResponseInvalid));
}

/// The same answer by a clock that says so.
fn dated(mut exchange: Exchange, date: &'static str) -> Exchange {
    let headers = &mut exchange.result.as_mut().unwrap().headers;
    headers.insert(http::header::DATE, HeaderValue::from_static(date));
    exchange
}

#[test]
fn comments_are_read_whichever_clock_is_behind() {
    let sample = sample(EventName::Triggered);
    let seen = |date| dated(ok(&record(&sample, "2")), date);
    let entry =
        |at: &str, value: &str| json!({ "sys_created_on": at, "sys_created_by": "bob", "value": value });
    let texts = |date: &'static str, journal: Value| {
        let answers = [seen(date), ok(&journal)];
        let found = reading(done(ask(&sample, &read(Some(at())), &answers))).comments;
        found.into_iter().map(|comment| comment.text).collect::<Vec<_>>()
    };
    let journal = json!([
        entry("2024-01-15 10:28:00", "two minutes before"),
        entry("2024-01-15 10:31:00", "a minute after"),
    ]);
    assert_eq!(
        texts("Mon, 15 Jan 2024 10:25:00 GMT", journal.clone()),
        ["two minutes before", "a minute after"]
    );
    assert_eq!(
        texts("Mon, 15 Jan 2024 10:30:00 GMT", journal.clone()),
        ["a minute after"]
    );
    assert_eq!(texts("Mon, 15 Jan 2024 10:36:00 GMT", journal), [""; 0]);
    let read_before = json!([
        entry("2024-01-15 10:28:00", "older"),
        entry("2024-01-15 10:30:00", "the latest that was read"),
        entry("2024-01-15 10:31:00", "new"),
    ]);
    for date in ["Mon, 15 Jan 2024 10:25:00 GMT", "Mon, 15 Jan 2024 10:36:00 GMT"] {
        assert_eq!(texts(date, read_before.clone()), ["new"], "{date}");
    }
}

#[test]
fn a_limits_end_is_read_by_the_clock_of_whoever_tells_it() {
    let sample = sample(EventName::Triggered);
    let headers = [
        ("date", "Mon, 15 Jan 2024 10:20:00 GMT"),
        ("retry-after", "Mon, 15 Jan 2024 10:21:00 GMT"),
    ];
    let judgement = judge(&sample, &with_headers(429, &headers, "{}"));
    assert_eq!(failure(&judgement).retry_after, Some(seconds(60)));
}
