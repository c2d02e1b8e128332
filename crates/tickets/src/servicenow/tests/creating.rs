//! Making the ticket.

use super::*;
use model::attempt::Disposition;
use model::incident::Severity;

#[test]
fn a_new_incident_makes_one_ticket_by_one_request() {
    let mut sample = sample(EventName::Triggered);
    let rendered = request(&sample);
    let made = record(&sample, "1");
    let (line, judgement) = exchange(&mut sample, &answer(201, &json!({ "result": made }).to_string()));
    assert_eq!(line, "POST /api/now/table/incident");
    assert_eq!(rendered.intent, Some(Intention::MakeTicket));
    let query = rendered.url.query().unwrap();
    assert!(
        query.starts_with("sysparm_fields=sys_id%2Cnumber%2Cstate%2Ccorrelation_id%2Csys_updated_on"),
        "{query}"
    );
    assert!(
        is_delivered(&judgement)
            && !sample
                .workflow
                .as_ref()
                .is_some_and(|text| text.contains("deliveries"))
    );
    assert_eq!(judgement.ticket, Some(TicketNews::Seen(ticket(TicketPhase::New))));
    assert_eq!(judgement.note.as_deref(), Some("made INC0010001"));
}

#[test]
fn the_ticket_says_what_the_incident_says_and_carries_its_marker() {
    let mut sample = sample(EventName::Triggered).about(|incident| {
        incident.severity = Severity::Warning;
        incident.title = "Disk\nfull".into();
    });
    sample.links.incident = Some("https://ops.example/i/1".into());
    sample.beyond = Some(IncidentContext {
        headline: None,
        notes: Vec::new(),
        description: Some("All of it.".into()),
        assignee: None,
    });
    let body = body(&request(&sample));
    assert_eq!(body["short_description"], "Disk full");
    assert_eq!(
        (body["impact"].as_str(), body["urgency"].as_str()),
        (Some("2"), Some("3"))
    );
    assert_eq!(body["correlation_id"], mark(&sample));
    assert_eq!(body["correlation_display"], "OpsKnight");
    let description = body["description"].as_str().unwrap();
    assert!(
        description.starts_with("All of it.\n\nService: API Gateway\nSeverity: warning\n"),
        "{description}"
    );
    assert!(
        description.contains("\nIncident: https://ops.example/i/1\nOpsKnight inc_"),
        "{description}"
    );
}

#[test]
fn settings_say_what_goes_into_the_ticket() {
    let sample = sample(EventName::Triggered)
        .with_option("table", "u_alert")
        .with_option("summary", "{{ incident.service.name }}: {{ incident.title }}")
        .with_option("impact", "critical = 3")
        .with_option("assignmentGroup", USER)
        .with_option(
            "fields",
            "category = network\ncaller_id = {{ incident.id }}\ncorrelation_id = x",
        );
    let rendered = request(&sample);
    let body = body(&rendered);
    assert_eq!(rendered.url.path(), "/api/now/table/u_alert");
    assert_eq!(
        body["short_description"],
        "API Gateway: Database connection timeout"
    );
    assert_eq!(
        (body["impact"].as_str(), body["urgency"].as_str()),
        (Some("3"), Some("1"))
    );
    assert_eq!(
        (&body["assignment_group"], &body["category"]),
        (&json!(USER), &json!("network"))
    );
    let id = json!(sample.event.incident_id.to_string());
    assert_eq!(
        (&body["caller_id"], &body["correlation_id"]),
        (&id, &json!(mark(&sample)))
    );
}

#[test]
fn a_second_ticket_of_an_incident_has_another_marker() {
    let mut sample = sample(EventName::Reopened);
    let mut wanted = link(&sample, LinkState::Wanted);
    wanted.generation = 2;
    sample.ticket = Some(wanted);
    let marker = format!("{}-2", mark(&sample));
    assert_eq!(body(&request(&sample))["correlation_id"], marker);
}

#[test]
fn a_test_makes_one_marked_ticket_and_nothing_more() {
    let mut sample = sample(EventName::Acknowledged).with_option("summary", "{{ 'x' * 200 }}");
    sample.event.is_test = true;
    let summary = body(&request(&sample))["short_description"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(summary.starts_with("[Test] xxx") && summary.ends_with('…'));
    assert_eq!(summary.chars().count(), 160);
    let made = record(&sample, "1");
    let (_, judgement) = exchange(&mut sample, &answer(201, &json!({ "result": made }).to_string()));
    assert!(is_delivered(&judgement) && phase(&judgement) == Some(TicketPhase::New));
    let again = end(&sample);
    assert!(is_delivered(&again));
}

#[test]
fn a_resolved_incident_without_a_ticket_makes_none_unless_one_is_wanted() {
    let mut sample = sample(EventName::Resolved);
    let judgement = end(&sample);
    assert_eq!(judgement.note.as_deref(), Some("there is no ticket to close"));
    sample.ticket = Some(link(&sample, LinkState::Unlinked));
    assert!(end(&sample).note.unwrap().contains("unlinked by hand"));
    sample.ticket = Some(link(&sample, LinkState::Wanted));
    assert_eq!(line(&request(&sample)), "POST /api/now/table/incident");
}

#[test]
fn a_late_event_moves_the_ticket_that_it_made() {
    let mut sample = sample(EventName::Acknowledged);
    let made = record(&sample, "1");
    let (_, judgement) = exchange(&mut sample, &ok(&made));
    assert_eq!(
        (&judgement.outcome, judgement.note.as_deref()),
        (&Outcome::Step, Some("made INC0010001"))
    );
    let moved = record(&sample, "2");
    let (line, judgement) = exchange(&mut sample, &ok(&moved));
    assert_eq!(
        line,
        format!(r#"PATCH /api/now/table/incident/{ID} {{"state":"2"}}"#)
    );
    assert!(is_delivered(&judgement) && phase(&judgement) == Some(TicketPhase::InProgress));
}

#[test]
fn an_answer_without_the_state_has_the_ticket_read_by_its_id() {
    let mut sample = sample(EventName::Triggered);
    let (_, judgement) = exchange(
        &mut sample,
        &ok(&json!({ "sys_id": ID, "number": "INC0010001", "state": "" })),
    );
    assert_eq!((&judgement.outcome, &judgement.ticket), (&Outcome::Step, &None));
    let mut without_marker = record(&sample, "1");
    without_marker["correlation_id"] = json!("");
    let (line, judgement) = exchange(&mut sample, &ok(&without_marker));
    assert_eq!(line, format!("GET /api/now/table/incident/{ID}"));
    assert_eq!(judgement.outcome, Outcome::Step);
    let marked = ok(&record(&sample, "1"));
    let (line, judgement) = exchange(&mut sample, &marked);
    assert!(
        line.starts_with("PATCH") && line.contains("correlation_id"),
        "{line}"
    );
    assert!(is_delivered(&judgement) && phase(&judgement) == Some(TicketPhase::New));
}

#[test]
fn a_create_without_a_clear_answer_is_looked_up_before_another() {
    let sample = sample(EventName::Triggered);
    let unclear = [
        no_answer(FailureCode::ResponseTimeout),
        no_answer(FailureCode::ConnectionClosed),
        answer(502, "<html>bad gateway"),
        answer(200, "<html>asleep"),
        answer(201, "{\"result\":{}}"),
        answer(201, "{\"resu"),
    ];
    let judged = unclear.each_ref().map(|answer| judge(&sample, answer));
    let told = judged.each_ref().map(|judgement| {
        let failure = failure(judgement);
        let is_told = failure
            .detail
            .ends_with("whether the ticket was made is not known");
        (failure.disposition, is_told, judgement.ticket.clone())
    });
    assert_eq!(told, [const { (Disposition::VerifyFirst, true, None) }; 6]);
    assert_eq!(failure(&judged[0]).code, FailureCode::ResponseTimeout);
    assert!(failure(&judged[3]).detail.contains("it may be asleep"));
}

#[test]
fn whether_a_create_left_us_is_not_guessed_from_why_it_failed() {
    let sample = sample(EventName::Triggered);
    for &code in FailureCode::ALL {
        let told = [no_answer(code), unsent(code)].map(|exchange| {
            let judgement = judge(&sample, &exchange);
            (failure(&judgement).disposition, judgement.ticket)
        });
        let maybe = (Disposition::VerifyFirst, None);
        let never = (Disposition::Backoff, Some(TicketNews::NotMade));
        assert_eq!(told, [maybe, never], "{code:?}");
    }
}

#[test]
fn a_create_that_was_refused_or_never_left_made_nothing() {
    let sample = sample(EventName::Triggered);
    let judged = |answer: &Exchange| {
        let judgement = judge(&sample, answer);
        assert_eq!(judgement.ticket, Some(TicketNews::NotMade));
        (failure(&judgement).code, failure(&judgement).disposition)
    };
    assert_eq!(
        judged(&unsent(FailureCode::ConnectRefused)),
        (FailureCode::ConnectRefused, Disposition::Backoff)
    );
    assert_eq!(
        judged(&unsent(FailureCode::TlsFailed)),
        (FailureCode::TlsFailed, Disposition::Backoff)
    );
    let refused = refusal(
        401,
        "User Not Authenticated",
        "Required to provide Auth information",
    );
    assert_eq!(
        judged(&refused),
        (FailureCode::SettingsRefused, Disposition::NeedsOperator)
    );
    let acl = refusal(
        403,
        "Operation Failed",
        "ACL Exception Insert Failed due to security constraints",
    );
    assert_eq!(
        judged(&acl),
        (FailureCode::SettingsRefused, Disposition::NeedsOperator)
    );
    assert_eq!(
        judged(&refusal(400, "Invalid table u_x", "")),
        (FailureCode::SettingsRefused, Disposition::NeedsOperator)
    );
    let policy = refusal(
        403,
        "Operation Failed",
        "Data Policy Exception: Caller is mandatory",
    );
    assert_eq!(
        judged(&policy),
        (FailureCode::MessageRefused, Disposition::Permanent)
    );
    assert!(
        failure(&judge(&sample, &policy))
            .detail
            .contains("Caller is mandatory")
    );
}

#[test]
fn a_field_that_the_instance_will_not_have_is_left_out_once() {
    let mut sample = sample(EventName::Triggered)
        .with_option("assignmentGroup", USER)
        .with_option("fields", "u_site = x");
    let answer = refusal(400, "Invalid value", "Assignment group and u_site are no good");
    let (_, judgement) = exchange(&mut sample, &answer);
    assert_eq!(failure(&judgement).disposition, Disposition::Immediate);
    assert_eq!(
        judgement.note.as_deref(),
        Some("the ticket is made without assignment_group, u_site")
    );
    let body = body(&request(&sample));
    assert!(
        body.get("assignment_group").is_none()
            && body.get("u_site").is_none()
            && body.get("impact").is_some()
    );
    let (_, judgement) = exchange(&mut sample, &refusal(400, "Invalid value", "impact is no good"));
    assert_eq!(failure(&judgement).disposition, Disposition::Permanent);
}

#[test]
fn the_rate_limit_is_waited_for_by_every_header_that_tells_its_end() {
    let sample = sample(EventName::Triggered);
    let reset = (at().as_seconds() + 90).to_string();
    let limited = with_headers(
        429,
        &[
            ("x-ratelimit-limit", "500"),
            ("x-ratelimit-reset", &reset),
            ("x-ratelimit-rule", "Table API"),
        ],
        "",
    );
    let judgement = judge(&sample, &limited);
    let failure = failure(&judgement);
    assert_eq!(
        (failure.disposition, failure.retry_after),
        (Disposition::RateLimited, Some(seconds(90)))
    );
    assert!(
        failure
            .detail
            .contains("of 500 requests an hour is reached, by its rule \"Table API\"")
    );
    assert_eq!(judgement.ticket, Some(TicketNews::NotMade));
    let pause = judgement.pause.unwrap();
    assert_eq!(pause.bucket, SERVICENOW.buckets(&sample.target)[0].key);
    assert_eq!(
        (pause.bucket.as_str(), pause.wait),
        ("servicenow:dev1.service-now.example:opsknight", seconds(90))
    );
    let told = judge(
        &sample,
        &with_headers(429, &[("retry-after", "7"), ("x-ratelimit-reset", &reset)], ""),
    );
    assert_eq!(super::failure(&told).retry_after, Some(seconds(7)));
}

#[test]
fn a_journal_field_is_written_without_markup() {
    let sample = sample(EventName::Triggered)
        .about(|incident| incident.title = "[code]<b>@all".into())
        .with_option("fields", "work_notes = {{ incident.title }}");
    assert_eq!(
        body(&request(&sample))["work_notes"],
        "[\u{2060}code]<b>@\u{2060}all"
    );
}

#[test]
fn a_whole_conversation_goes_from_the_first_request_to_the_last() {
    let sample = somebody(sample(EventName::Acknowledged), "Ada");
    let mut sample = sample
        .with_option("assignees", "Ada = ada.l")
        .with_option("notes", "all");
    let (made, moved) = (record(&sample, "1"), record(&sample, "2"));
    let mut assigned = moved.clone();
    assigned["assigned_to"] = json!({ "display_value": "Ada Lovelace", "value": USER });
    let answers = [
        no_answer(FailureCode::ResponseTimeout),
        ok(&json!([])),
        ok(&json!([made])),
        ok(&moved),
        ok(&json!([{ "sys_id": USER, "user_name": "ada.l" }])),
        ok(&assigned),
        no_answer(FailureCode::ConnectionClosed),
        ok(&assigned),
        ok(&json!([{ "value": format!("Acknowledged.\n(OpsKnight {})", sample.event.id) }])),
    ];
    let said = answers.map(|answer| {
        let (line, judgement) = exchange(&mut sample, &answer);
        let short = line
            .split(['?', '{'])
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        (short, is_delivered(&judgement))
    });
    let record = format!("/api/now/table/incident/{ID}");
    let expected = [
        ("POST /api/now/table/incident".to_owned(), false),
        ("GET /api/now/table/incident".to_owned(), false),
        ("GET /api/now/table/incident".to_owned(), false),
        (format!("PATCH {record}"), false),
        ("GET /api/now/table/sys_user".to_owned(), false),
        (format!("PATCH {record}"), false),
        (format!("PATCH {record}"), false),
        (format!("GET {record}"), false),
        ("GET /api/now/table/sys_journal_field".to_owned(), true),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_group_that_is_named_is_looked_up_first() {
    let sample = sample(EventName::Triggered);
    let mut sample = sample.with_option("assignmentGroup", "{{ incident.service.name }} Desk");
    let mut hidden = sample.clone();
    let group = json!([{ "sys_id": USER, "name": "API Gateway Desk" }]);
    let (line, judgement) = exchange(&mut sample, &ok(&group));
    assert_eq!(
        line,
        "GET /api/now/table/sys_user_group?sysparm_query=name=API Gateway Desk&sysparm_limit=2"
    );
    assert_eq!(judgement.outcome, Outcome::Step);
    assert_eq!(body(&request(&sample))["assignment_group"], USER);
    exchange(&mut hidden, &ok(&json!([])));
    assert_eq!(body(&request(&hidden))["assignment_group"], "API Gateway Desk");
}
