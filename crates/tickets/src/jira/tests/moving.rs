//! Transitions.

use super::*;

fn read(name: &str, transitions: &[Value]) -> Exchange {
    answer(200, &issue(name, transitions))
}

fn resolved() -> Sample {
    linked(sample(EventName::Resolved), TicketPhase::New)
}

fn requiring(mut transition: Value, fields: Value) -> Value {
    transition["fields"] = fields;
    transition
}

fn taken(played: &Played) -> Vec<String> {
    let moves = (0..played.requests.len()).filter(|index| played.requests[*index].contains("/transitions {"));
    moves
        .map(|index| {
            played.body(index)["transition"]["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn the_lowest_id_that_leads_there_is_taken() {
    let transitions = vec![to("100", "Done"), to("31", "Done"), to("2", "In Progress")];
    let played = play(
        resolved(),
        vec![read("To Do", &transitions), nothing(), read("Done", &[])],
    );
    assert_eq!(taken(&played), ["31"]);
}

#[test]
fn one_that_asks_for_nothing_is_preferred() {
    let team =
        json!({ "customfield_7": { "required": true, "name": "Team", "schema": { "type": "string" } } });
    let transitions = vec![requiring(to("11", "Done"), team), to("31", "Done")];
    let played = play(
        resolved(),
        vec![read("To Do", &transitions), nothing(), read("Done", &[])],
    );
    assert_eq!(taken(&played), ["31"]);
}

#[test]
fn a_ticket_goes_step_by_step_and_never_back() {
    let answers = vec![
        read("To Do", &[to("1", "Triaged"), to("2", "In Progress")]),
        nothing(),
        read("In Progress", &[to("1", "To Do"), to("3", "In Review")]),
        nothing(),
        read("In Review", &[to("1", "In Progress"), to("4", "Done")]),
        nothing(),
        read("Done", &[]),
    ];
    let played = play(resolved(), answers);
    assert_eq!(taken(&played), ["2", "3", "4"]);
    assert_eq!(played.last.outcome, Outcome::Delivered);
}

#[test]
fn a_workflow_without_a_way_is_told_with_the_transitions_there_are() {
    let played = play(resolved(), vec![read("To Do", &[])]);
    assert_eq!(
        played.told(),
        (FailureCode::TransitionMissing, Disposition::Permanent)
    );
    let mut acknowledged = linked(sample(EventName::Acknowledged), TicketPhase::New);
    acknowledged = acknowledged.with_option("notes", "off");
    let played = play(acknowledged, vec![read("To Do", &[to("4", "Done")])]);
    assert_eq!(
        played.detail(),
        "no transition leads OPS-12 from To Do to a status of the category In Progress; there are Go Done (to Done)"
    );
}

#[test]
fn steps_come_to_an_end() {
    let step = |number: u32| {
        let mut next = to("1", "In Progress");
        next["to"]["id"] = json!(format!("s{}", number + 1));
        let mut here = issue("In Progress", &[next]);
        here["fields"]["status"]["id"] = json!(format!("s{number}"));
        [answer(200, &here), nothing()]
    };
    let mut answers: Vec<_> = (0..5).flat_map(step).collect();
    answers.push(read("In Progress", &[to("1", "In Review")]));
    let played = play(resolved(), answers);
    assert_eq!(
        played.told(),
        (FailureCode::TransitionMissing, Disposition::Permanent)
    );
    assert!(played.detail().contains("after 5 transitions"));
}

#[test]
fn a_reopened_incident_takes_what_is_nearest_to_new() {
    let sample = || linked(sample(EventName::Reopened), TicketPhase::Done).with_option("notes", "off");
    let both = vec![to("2", "In Progress"), to("9", "To Do")];
    let played = play(sample(), vec![read("Done", &both), nothing(), read("To Do", &[])]);
    assert_eq!(taken(&played), ["9"]);
    let only = vec![to("2", "In Progress")];
    let played = play(
        sample(),
        vec![read("Done", &only), nothing(), read("In Progress", &[])],
    );
    assert_eq!(taken(&played), ["2"]);
    assert_eq!(played.last.outcome, Outcome::Delivered);
}

#[test]
fn a_status_of_no_category_is_new() {
    let sample = linked(sample(EventName::Triggered), TicketPhase::New);
    let played = play(sample, vec![read("Something", &[])]);
    assert_eq!(phase(&played), (TicketPhase::New, "Something".into()));
}

#[test]
fn fields_of_the_screen_are_answered_from_the_settings() {
    let fields = json!({
        "customfield_7": { "required": true, "name": "Team", "schema": { "type": "option" } },
        "customfield_8": { "required": true, "name": "Minutes", "schema": { "type": "number" } },
        "fixVersions": { "required": true, "name": "Fix versions", "schema": { "type": "array", "items": "version" } },
        "comment": { "required": false, "name": "Comment" },
        "timetracking": { "required": true, "name": "Time", "hasDefaultValue": true },
    });
    let sample = resolved().with_option(
        "transitionFields",
        "team = Ops\ncustomfield_8 = 5\nFix versions = 1.0",
    );
    let answers = vec![
        read("To Do", &[requiring(to("31", "Done"), fields)]),
        nothing(),
        read("Done", &[]),
    ];
    let expected = json!({
        "customfield_7": { "value": "Ops" },
        "customfield_8": 5,
        "fixVersions": [{ "name": "1.0" }],
    });
    assert_eq!(play(sample, answers).body(1)["fields"], expected);
}

#[test]
fn a_screen_that_the_settings_do_not_answer_is_named_with_the_setting() {
    let team = json!({ "customfield_7": { "required": true, "name": "Team" } });
    let played = play(
        resolved(),
        vec![read("To Do", &[requiring(to("31", "Done"), team)])],
    );
    assert_eq!(
        played.told(),
        (FailureCode::TransitionMissing, Disposition::Permanent)
    );
    assert!(
        played
            .detail()
            .contains("asks for Team: fill it in under Fields of transitions (transitionFields)")
    );
}

#[test]
fn a_field_that_only_the_refusal_names_is_told_too_and_the_rest_is_done_before() {
    let sample = with_page(resolved());
    let refused = answer(
        400,
        &json!({ "errorMessages": [], "errors": { "customfield_7": "Team is required." } }),
    );
    let link = answer(201, &json!({}));
    let answers = vec![read("To Do", &[to("31", "Done")]), link, refused];
    let played = play(sample, answers);
    assert_eq!(
        played.told(),
        (FailureCode::MessageRefused, Disposition::Permanent)
    );
    assert!(
        played
            .detail()
            .contains("customfield_7: Team is required; fill that in under Fields of transitions")
    );
    assert!(!played.after.workflow.unwrap().contains("deliveries"));
}

#[test]
fn a_ticket_that_moves_meanwhile_is_read_again() {
    let transitions = || vec![to("31", "Done")];
    let conflict = || answer(409, &json!({ "errorMessages": ["conflict"] }));
    let conflicting = play(resolved(), vec![read("To Do", &transitions()), conflict()]);
    assert_eq!(
        conflicting.told(),
        (FailureCode::ClientError, Disposition::RateLimited)
    );
    let stale = || {
        answer(
            400,
            &json!({ "errorMessages": ["not valid for the current state"], "errors": {} }),
        )
    };
    let again = || read("To Do", &transitions());
    let stubborn = play(
        resolved(),
        vec![again(), stale(), again(), stale(), again(), stale()],
    );
    assert_eq!(
        stubborn.told(),
        (FailureCode::MessageRefused, Disposition::Permanent)
    );
    assert!(
        stubborn
            .detail()
            .contains("move it by hand: not valid for the current state")
    );
}

#[test]
fn screens_that_are_too_large_are_done_without() {
    let large = cut_short(200, "{\"id\":\"10012\",");
    let answers = vec![
        large,
        read("To Do", &[to("31", "Done")]),
        nothing(),
        read("Done", &[]),
    ];
    let played = play(resolved(), answers);
    assert!(played.requests[0].contains("transitions.fields"));
    assert!(played.requests[1].contains("expand=transitions "));
    assert_eq!(played.last.outcome, Outcome::Delivered);
}

#[test]
fn a_transition_that_is_not_for_us_is_not_taken() {
    let mut closed = to("1", "Done");
    closed["isAvailable"] = json!(false);
    let played = play(resolved(), vec![read("To Do", &[closed])]);
    assert!(
        played
            .detail()
            .ends_with("has no transition that this account may take")
    );
}

#[test]
fn an_end_without_a_result_is_not_taken_for_resolved() {
    let ends = vec![to("5", "Canceled"), to("31", "Done")];
    let played = play(
        resolved(),
        vec![read("To Do", &ends), nothing(), read("Done", &[])],
    );
    assert_eq!(taken(&played), ["31"]);
    let mut cancel = to("5", "Done");
    cancel["name"] = json!("Abbrechen: wird abgelehnt");
    cancel["to"]["id"] = json!("55");
    let played = play(
        resolved(),
        vec![
            read("To Do", &[cancel, to("31", "Done")]),
            nothing(),
            read("Done", &[]),
        ],
    );
    assert_eq!(taken(&played), ["31"]);
}

#[test]
fn a_way_round_is_better_than_an_end_without_a_result_and_that_is_better_than_none() {
    let played = play(
        resolved(),
        vec![
            read("To Do", &[to("5", "Canceled"), to("2", "In Progress")]),
            nothing(),
            read("In Progress", &[to("5", "Canceled"), to("31", "Done")]),
            nothing(),
            read("Done", &[]),
        ],
    );
    assert_eq!(taken(&played), ["2", "31"]);
    let only = vec![to("5", "Canceled")];
    let played = play(
        resolved(),
        vec![read("To Do", &only), nothing(), read("Canceled", &[])],
    );
    assert_eq!(taken(&played), ["5"]);
}

fn ended_in(names: &[&str]) -> Exchange {
    let issues: Vec<Value> = names
        .iter()
        .map(|name| json!({ "fields": { "status": status(name) } }))
        .collect();
    answer(200, &json!({ "issues": issues }))
}

#[test]
fn of_several_good_ends_the_one_is_taken_where_other_tickets_ended() {
    let ends = || read("To Do", &[to("31", "Done"), to("41", "Resolved")]);
    let habit = ended_in(&["Done", "Resolved", "Resolved"]);
    let played = play(
        resolved(),
        vec![ends(), habit, ends(), nothing(), read("Resolved", &[])],
    );
    assert_eq!(taken(&played), ["41"]);
    assert!(
        played.requests[1].starts_with("GET /search/jql?jql=project+%3D+%22OPS%22+AND+issuetype"),
        "{}",
        played.requests[1]
    );
    let none = play(
        resolved(),
        vec![ends(), ended_in(&[]), ends(), nothing(), read("Done", &[])],
    );
    assert_eq!(taken(&none), ["31"], "the lowest id if nobody knows");
    let closed = read("To Do", &[to("1", "Closed"), to("41", "Resolved")]);
    let played = play(resolved(), vec![closed, nothing(), read("Resolved", &[])]);
    assert_eq!(taken(&played), ["41"], "nobody has to be asked");
}

#[test]
fn what_the_settings_name_is_taken_and_nothing_else_ends_the_ticket() {
    let named = |name: &str| resolved().with_option("statusResolved", name);
    let ends = || {
        read(
            "To Do",
            &[to("31", "Done"), to("41", "Resolved"), to("5", "Canceled")],
        )
    };
    for (name, expected) in [
        ("resolved", "41"),
        ("7", "41"),
        ("Go Canceled", "5"),
        ("31", "31"),
    ] {
        let played = play(named(name), vec![ends(), nothing(), read("Done", &[])]);
        assert_eq!(taken(&played), [expected], "{name}");
    }
    let far = play(
        named("Closed"),
        vec![
            read("To Do", &[to("31", "Done"), to("2", "In Progress")]),
            nothing(),
            read("In Progress", &[to("31", "Done"), to("9", "Closed")]),
            nothing(),
            read("Closed", &[]),
        ],
    );
    assert_eq!(taken(&far), ["2", "9"]);
    let never = play(named("Closed"), vec![read("To Do", &[to("31", "Done")])]);
    assert_eq!(
        never.told(),
        (FailureCode::TransitionMissing, Disposition::Permanent)
    );
    assert!(
        never
            .detail()
            .contains("to Closed, a status of the category Done"),
        "{}",
        never.detail()
    );
    let rests = linked(sample(EventName::Acknowledged), TicketPhase::New)
        .with_option("statusAcknowledged", "In Review");
    let both = read("To Do", &[to("2", "In Progress"), to("3", "In Review")]);
    assert_eq!(
        taken(&play(rests, vec![both, nothing(), read("In Review", &[])])),
        ["3"]
    );
}
