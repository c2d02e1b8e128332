//! Who may come in.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Caller, detail};

const FORM: &str = "application/x-www-form-urlencoded";

fn token(caller: &mut Caller, form: &str) -> (u16, Value) {
    caller.headers.clear();
    let answer = caller.send("POST", "/oauth_token.do", FORM, form);
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[test]
fn nobody_and_a_bad_password_are_not_known() {
    let mut caller = Caller::new();
    caller.be("admin", "bad");
    let (status, body) = caller.ask("GET", "/api/now/table/incident", &json!({}));
    assert_eq!(
        (status, detail(&body)),
        (401, "Required to provide Auth information")
    );
    caller.headers.clear();
    assert_eq!(caller.ask("GET", "/api/now/table/incident", &json!({})).0, 401);
}

#[test]
fn a_key_stands_for_the_integration() {
    let mut caller = Caller::new();
    caller.headers = vec![("x-sn-apikey", "key".to_owned())];
    let path = caller.make(&json!({}));
    assert_eq!(caller.get(&path)["sys_created_by"], "opsknight.integration");
    caller.headers = vec![("x-sn-apikey", "bad".to_owned())];
    assert_eq!(caller.ask("GET", &path, &json!({})).0, 401);
}

#[test]
fn a_token_is_good_for_half_an_hour_and_can_be_refreshed() {
    let mut caller = Caller::new();
    let form = "grant_type=password&client_id=a&client_secret=b&username=ada.lovelace&password=x";
    let (status, body) = token(&mut caller, form);
    assert_eq!((status, &body["expires_in"]), (200, &json!(1799)));
    caller.headers = vec![(
        "authorization",
        format!("Bearer {}", body["access_token"].as_str().unwrap()),
    )];
    let path = caller.make(&json!({}));
    assert_eq!(caller.get(&path)["sys_created_by"], "ada.lovelace");
    caller.now = caller.now.plus(Duration::from_secs(1801));
    assert_eq!(caller.ask("GET", &path, &json!({})).0, 401);
    let refresh = body["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&client_id=a&client_secret=b&refresh_token={refresh}");
    assert_eq!(token(&mut caller, &form).0, 200);
}

#[test]
fn client_credentials_stand_for_the_integration_and_bad_ones_are_refused() {
    let mut caller = Caller::new();
    let (status, body) = token(
        &mut caller,
        "grant_type=client_credentials&client_id=a&client_secret=b",
    );
    assert_eq!((status, body.get("refresh_token")), (200, None));
    let (status, body) = token(
        &mut caller,
        "grant_type=client_credentials&client_id=a&client_secret=bad",
    );
    assert_eq!((status, &body["error"]), (401, &json!("invalid_client")));
    let (status, body) = token(
        &mut caller,
        "grant_type=refresh_token&client_id=a&client_secret=b&refresh_token=x",
    );
    assert_eq!(
        (status, &body["error_description"]),
        (401, &json!("access_denied"))
    );
}

#[test]
fn who_may_only_read_is_refused_a_write() {
    let mut caller = Caller::new();
    let path = caller.make(&json!({}));
    caller.be("read.only", "x");
    assert_eq!(caller.get(&path)["state"], "1");
    let (status, body) = caller.ask("POST", "/api/now/table/incident", &json!({}));
    assert_eq!(
        (status, detail(&body)),
        (403, "ACL Exception Insert Failed due to security constraints")
    );
    assert_eq!(caller.patch(&path, &json!({ "state": "2" })).0, 403);
    assert_eq!(caller.ask("DELETE", &path, &json!({})).0, 403);
}

#[test]
fn what_is_not_there_is_refused_in_the_words_of_the_platform() {
    let mut caller = Caller::new();
    let (status, body) = caller.ask("GET", "/api/now/table/nothing", &json!({}));
    assert_eq!(
        (status, &body["error"]["message"]),
        (400, &json!("Invalid table nothing"))
    );
    let (status, body) = caller.ask("GET", "/api/now/table/incident/none", &json!({}));
    let words = "Record doesn't exist or ACL restricts the record retrieval";
    assert_eq!((status, detail(&body)), (404, words));
    assert_eq!(caller.ask("GET", "/api/now/nothing", &json!({})).0, 400);
    assert_eq!(caller.ask("PUT", "/api/now/table/incident", &json!({})).0, 405);
    assert_eq!(caller.ask("POST", "/api/now/table/incident", &json!([])).0, 400);
    assert_eq!(
        caller
            .send("POST", "/api/now/table/incident", "text/xml", "<a/>")
            .status,
        415
    );
    assert_eq!(
        caller
            .ask("POST", "/api/now/table/sys_journal_field", &json!({}))
            .0,
        403
    );
}
