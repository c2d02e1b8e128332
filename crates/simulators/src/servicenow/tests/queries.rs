//! Encoded queries and lists.

use serde_json::json;

use super::Caller;

const TABLE: &str = "/api/now/table/incident?sysparm_fields=short_description&sysparm_query=";

/// Four incidents: `a` to `d`.
fn four() -> Caller {
    let mut caller = Caller::new();
    caller.make(&json!({ "short_description": "a", "impact": "1", "correlation_id": "x1" }));
    caller.make(&json!({ "short_description": "b", "impact": "2", "correlation_id": "x2" }));
    caller.make(&json!({ "short_description": "c", "impact": "3", "description": "why ^ not" }));
    caller.make(&json!({ "short_description": "d", "impact": "1", "state": "2" }));
    caller
}

fn found(caller: &mut Caller, query: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let list = caller.get(&format!("{TABLE}{encoded}"));
    list.as_array()
        .unwrap()
        .iter()
        .map(|record| record["short_description"].as_str().unwrap())
        .collect()
}

#[test]
fn conditions_are_joined_as_the_platform_does() {
    let mut caller = four();
    assert_eq!(found(&mut caller, ""), "abcd");
    assert_eq!(found(&mut caller, "impact=1^state=2"), "d");
    assert_eq!(found(&mut caller, "impact=1^ORimpact=3^state=1"), "ac");
    assert_eq!(found(&mut caller, "impact=1^state=2^NQimpact=2"), "bd");
    assert_eq!(found(&mut caller, "impact=1^EQ"), "ad");
}

#[test]
fn every_operator_does_what_its_name_says() {
    let mut caller = four();
    assert_eq!(found(&mut caller, "impact!=1"), "bc");
    assert_eq!(found(&mut caller, "impactIN1,2"), "abd");
    assert_eq!(found(&mut caller, "impact>1"), "bc");
    assert_eq!(found(&mut caller, "impact>=2^impact<3"), "b");
    assert_eq!(found(&mut caller, "impact<=1"), "ad");
    assert_eq!(found(&mut caller, "correlation_idSTARTSWITHx"), "ab");
    assert_eq!(found(&mut caller, "descriptionLIKEwhy"), "c");
    assert_eq!(found(&mut caller, "description=why ^^ not"), "c");
    assert_eq!(found(&mut caller, "correlation_idISEMPTY"), "cd");
    assert_eq!(found(&mut caller, "correlation_idISNOTEMPTY"), "ab");
}

#[test]
fn orders_follow_each_other_and_a_page_is_cut_out_of_them() {
    let mut caller = four();
    assert_eq!(
        found(&mut caller, "ORDERBYimpact^ORDERBYDESCshort_description"),
        "dabc"
    );
    assert_eq!(found(&mut caller, "impact=1^ORDERBYDESCnumber"), "da");
    let page = caller.get(&format!(
        "{TABLE}ORDERBYDESCnumber&sysparm_limit=2&sysparm_offset=1"
    ));
    assert_eq!(
        page,
        json!([{ "short_description": "c" }, { "short_description": "b" }])
    );
}

#[test]
fn what_is_no_field_or_no_operator_is_passed_over() {
    let mut caller = four();
    assert_eq!(found(&mut caller, "no_such_field=1"), "abcd");
    assert_eq!(found(&mut caller, "no_such_field=1^impact=2"), "b");
    assert_eq!(found(&mut caller, "impact=2^ORno_such_field=1"), "b");
    assert_eq!(found(&mut caller, "impactWHATEVER1"), "abcd");
    assert_eq!(found(&mut caller, "^^^=^OR^NQ"), "abcd");
}

#[test]
fn references_are_walked_through() {
    let mut caller = four();
    assert_eq!(
        found(&mut caller, "opened_by.user_name=opsknight.integration^impact=2"),
        "b"
    );
    assert_eq!(found(&mut caller, "opened_by.user_name=admin"), "");
    assert_eq!(found(&mut caller, "opened_by.no_such_field=admin^impact=2"), "b");
    assert_eq!(found(&mut caller, "opened_byLIKEOpsKnight^impact=2"), "b");
    assert_eq!(
        found(&mut caller, "sys_created_on<2030-01-01 00:00:00^impact=2"),
        "b"
    );
}

#[test]
fn a_list_tells_how_many_there_are_and_where_the_others_are() {
    let mut caller = four();
    let target = "/api/now/table/incident?sysparm_query=impact%3D1&sysparm_limit=1";
    let answer = caller.send("GET", target, "application/json", "");
    assert!(answer.headers.contains(&("x-total-count", "2".to_owned())));
    let links = &answer.headers.iter().find(|(name, _)| *name == "link").unwrap().1;
    let next = "<http://sn.test/api/now/table/incident?sysparm_query=impact%3D1&sysparm_limit=1&sysparm_offset=1>;\
                rel=\"next\"";
    assert!(links.contains(next), "{links}");
    assert!(links.contains("rel=\"last\""));
}

#[test]
fn only_the_first_version_takes_an_empty_list_for_an_error() {
    let mut caller = four();
    assert_eq!(
        caller
            .ask(
                "GET",
                "/api/now/v1/table/incident?sysparm_query=impact=9",
                &json!({})
            )
            .0,
        404
    );
    assert_eq!(
        caller.get("/api/now/v2/table/incident?sysparm_query=impact=9"),
        json!([])
    );
}

#[test]
fn the_dictionary_tells_which_table_declares_a_field() {
    let mut caller = Caller::new();
    let of = |name: &str, element: &str| {
        format!(
            "/api/now/table/sys_dictionary?sysparm_fields=column_label&sysparm_query=name={name}^element={element}"
        )
    };
    assert_eq!(
        caller.get(&of("incident", "close_code")),
        json!([{ "column_label": "Resolution code" }])
    );
    assert_eq!(caller.get(&of("incident", "short_description")), json!([]));
    assert_eq!(
        caller.get(&of("task", "short_description")),
        json!([{ "column_label": "Short description" }])
    );
}

#[test]
fn the_table_of_tasks_shows_every_kind() {
    let mut caller = four();
    caller.ask(
        "POST",
        "/api/now/table/problem",
        &json!({ "short_description": "p" }),
    );
    let list = caller.get("/api/now/table/task?sysparm_fields=number&sysparm_query=ORDERBYDESCnumber");
    assert_eq!(list[0]["number"], "PRB0040001");
    assert_eq!(list.as_array().unwrap().len(), 5);
}
