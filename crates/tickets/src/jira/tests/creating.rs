//! What a new ticket says, and what becomes of the request.

use super::*;
use destination::task::IncidentContext;

fn body_of(sample: &Sample) -> Value {
    let request = sample.settle(|task| JIRA.step(task)).into_request().unwrap();
    assert_eq!(request.intent, Some(Intention::MakeTicket));
    serde_json::from_slice(&request.body).unwrap()
}

fn judged(sample: &Sample, exchange: &Exchange) -> Classification {
    sample.settle(|task| JIRA.step(task).classify(task, exchange, sample.now))
}

fn told(judgement: &Classification) -> (FailureCode, Disposition, Option<TicketNews>) {
    let failure = judgement.outcome.failure().unwrap();
    (failure.code, failure.disposition, judgement.ticket.clone())
}

#[test]
fn a_plain_ticket_says_what_an_incident_is() {
    let mut sample = with_page(sample(EventName::Triggered));
    sample.beyond = Some(IncidentContext {
        headline: None,
        notes: Vec::new(),
        description: Some("*Pool* exhausted".into()),
        assignee: None,
    });
    let body = body_of(&sample);
    let id = sample.event.incident_id;
    let description = format!(
        "*Severity:* Critical\n*Service:* API Gateway\n*Assignee:* nobody\n*Since:* 2024-01-15 10:30 UTC\n\n\
         \\*Pool\\* exhausted\n\n[Open the incident in OpsKnight|https://ops.example/incidents/1]\n\nOpsKnight {id}"
    );
    let fields = json!({
        "description": description,
        "labels": [marker(&sample)],
        "project": { "key": "OPS" },
        "issuetype": { "name": "Task" },
        "summary": "Database connection timeout",
    });
    assert_eq!(body["fields"], fields);
    let property = json!([{ "key": "opsknight", "value": { "incident": id, "marker": marker(&sample).replace("opsknight-", "") } }]);
    assert_eq!(body["properties"], property);
}

#[test]
fn settings_fill_in_the_rest() {
    let sample = sample(EventName::Triggered)
        .with_option("summary", "{{ incident.service.name }}: {{ incident.title }}")
        .with_option("labels", "incident {{ incident.severity }} opsknight-inc_x incident")
        .with_option("components", "Network, , Data Base")
        .with_option("priority", "critical = Highest")
        .with_option("issueType", "10004")
        .with_option("fields", "customfield_1 = {\"value\": \"{{ incident.title }}\"}\ncustomfield_2 = 5\nenvironment = x {{ event }}\ncustomfield_3 = \"7\"")
        .about(|incident| incident.title = "a \"b\" c".into());
    let fields = body_of(&sample)["fields"].clone();
    assert_eq!(fields["summary"], "API Gateway: a \"b\" c");
    assert_eq!(fields["labels"], json!([marker(&sample), "incident", "critical"]));
    assert_eq!(
        fields["components"],
        json!([{ "name": "Network" }, { "name": "Data Base" }])
    );
    assert_eq!(fields["priority"], json!({ "name": "Highest" }));
    assert_eq!(fields["issuetype"], json!({ "id": "10004" }));
    assert_eq!(fields["customfield_1"], json!({ "value": "a \"b\" c" }));
    assert_eq!(fields["customfield_2"], json!(5));
    assert_eq!(fields["customfield_3"], json!("7"));
    assert_eq!(fields["environment"], "x incident.triggered");
}

#[test]
fn credentials_go_into_a_header_that_is_marked_and_nowhere_else() {
    let header = |sample: &Sample| {
        let request = sample.settle(|task| JIRA.step(task)).into_request().unwrap();
        assert!(request.headers["authorization"].is_sensitive());
        assert!(!format!("{request:?}").contains("t0ken"));
        request.headers["authorization"].to_str().unwrap().to_owned()
    };
    let basic = header(&stranger(EventName::Triggered));
    assert_eq!(basic, "Basic b3BzQGV4YW1wbGUuY29tOnQwa2Vu");
    let bearer = stranger(EventName::Triggered).with_option("auth", "bearer");
    assert_eq!(header(&bearer), "Bearer t0ken");
}

#[test]
fn an_answer_that_is_not_clear_is_looked_up_before_anything_is_repeated() {
    let sample = sample(EventName::Triggered);
    let unclear = [
        (
            silence(FailureCode::ResponseTimeout),
            FailureCode::ResponseTimeout,
        ),
        (
            silence(FailureCode::ConnectionClosed),
            FailureCode::ConnectionClosed,
        ),
        (raw(502, &[], "<html>"), FailureCode::ServerError),
        (raw(503, &[("retry-after", "7")], ""), FailureCode::ServerError),
        (raw(201, &[], "<html>welcome"), FailureCode::ResponseInvalid),
        (cut_short(201, "{\"id\":\"100"), FailureCode::ResponseInvalid),
        (
            answer(201, &json!({ "id": "../1", "key": "OPS-1" })),
            FailureCode::ResponseInvalid,
        ),
    ];
    unclear.into_iter().for_each(|(exchange, code)| {
        let judgement = judged(&sample, &exchange);
        assert_eq!(told(&judgement), (code, Disposition::VerifyFirst, None));
        let detail = &judgement.outcome.failure().unwrap().detail;
        assert!(
            detail.ends_with("whether the ticket was made is not known"),
            "{detail}"
        );
    });
}

#[test]
fn whether_a_create_left_us_is_not_guessed_from_why_it_failed() {
    let sample = sample(EventName::Triggered);
    for &code in FailureCode::ALL {
        let (maybe, never) = (judged(&sample, &silence(code)), judged(&sample, &unsent(code)));
        assert_eq!(told(&maybe), (code, Disposition::VerifyFirst, None));
        assert_eq!(
            told(&never),
            (code, Disposition::Backoff, Some(TicketNews::NotMade))
        );
    }
}

#[test]
fn what_never_left_or_was_refused_made_nothing() {
    let sample = sample(EventName::Triggered);
    let error = |status| answer(status, &json!({ "errorMessages": ["no"], "errors": {} }));
    let refused = [
        (
            unsent(FailureCode::ConnectRefused),
            FailureCode::ConnectRefused,
            Disposition::Backoff,
        ),
        (
            unsent(FailureCode::DnsFailed),
            FailureCode::DnsFailed,
            Disposition::Backoff,
        ),
        (error(400), FailureCode::MessageRefused, Disposition::Permanent),
        (
            error(401),
            FailureCode::SettingsRefused,
            Disposition::NeedsOperator,
        ),
        (
            error(403),
            FailureCode::SettingsRefused,
            Disposition::NeedsOperator,
        ),
        (
            error(404),
            FailureCode::SettingsRefused,
            Disposition::NeedsOperator,
        ),
        (error(429), FailureCode::RateLimited, Disposition::RateLimited),
        (error(302), FailureCode::Redirect, Disposition::NeedsOperator),
        (error(413), FailureCode::MessageRefused, Disposition::Permanent),
    ];
    refused.into_iter().for_each(|(exchange, code, remedy)| {
        let judgement = judged(&sample, &exchange);
        assert_eq!(told(&judgement), (code, remedy, Some(TicketNews::NotMade)));
    });
}

#[test]
fn optional_fields_that_jira_refuses_are_left_out_once() {
    let sample = sample(EventName::Triggered)
        .with_option("priority", "critical = Top")
        .with_option("fields", "customfield_1 = x\ncustomfield_2 = y");
    let errors = json!({ "priority": "is invalid", "customfield_1": "cannot be set" });
    let refused = answer(400, &json!({ "errorMessages": [], "errors": errors }));
    let read = answer(200, &issue("To Do", &[]));
    let played = play(sample.clone(), vec![refused.clone(), created(), read]);
    let fields = played.body(1)["fields"].clone();
    assert_eq!(
        (fields.get("priority"), fields.get("customfield_1")),
        (None, None)
    );
    assert_eq!(fields["customfield_2"], "y");
    let notes = [
        "the ticket is made without priority, customfield_1",
        "made OPS-12, without priority, customfield_1",
        "OPS-12 is To Do",
    ];
    assert_eq!(played.notes, notes);
    let again = answer(
        400,
        &json!({ "errorMessages": [], "errors": { "customfield_2": "cannot be set" } }),
    );
    let stubborn = play(sample, vec![refused, again]);
    assert_eq!(
        stubborn.told(),
        (FailureCode::MessageRefused, Disposition::Permanent)
    );
}

#[test]
fn required_fields_that_are_missing_are_told_in_jiras_words() {
    let errors = json!({ "errorMessages": [], "errors": { "customfield_9": "Team is\nrequired." } });
    let played = play(sample(EventName::Triggered), vec![answer(400, &errors)]);
    assert_eq!(
        played.told(),
        (FailureCode::MessageRefused, Disposition::Permanent)
    );
    assert_eq!(
        played.detail(),
        "Jira refused to create tickets in OPS (400): customfield_9: Team is required"
    );
}

#[test]
fn a_project_type_or_label_that_jira_refuses_is_for_a_person() {
    let refused = |field: &str| {
        let errors = json!({ "errorMessages": [], "errors": { field: "is no good" } });
        let played = play(sample(EventName::Triggered), vec![answer(400, &errors)]);
        (played.told(), played.detail().to_owned())
    };
    let person = (FailureCode::SettingsRefused, Disposition::NeedsOperator);
    assert_eq!(refused("project").0, person);
    assert_eq!(refused("issuetype").0, person);
    let (told, detail) = refused("labels");
    assert_eq!(told, person);
    assert!(detail.contains("put the field Labels on the project's create screen"));
}

#[test]
fn a_lost_test_is_not_repeated() {
    let mut sample = intended(stranger(EventName::Triggered), None);
    sample.event.is_test = true;
    let played = play(sample, vec![]);
    assert_eq!(
        played.told(),
        (FailureCode::TicketUnknown, Disposition::Permanent)
    );
}
