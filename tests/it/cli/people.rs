//! What the command line does for people: their second factors and passkeys, and the time zone of what it prints.

use super::fake_api::FakeApi;
use super::run;

const ID: &str = "usr_0190b6c88f3e7d2a8e4c5f6a7b8c9d04";
const LINK: &str =
    r#"{"link":"http://a.example/welcome?token=link_1","expiresAt":"2026-01-08T12:00:00.000Z"}"#;

#[test]
fn a_second_factor_is_taken_away() {
    let api = FakeApi::answering(&[(204, "")]);
    let removed = run(&api, &["users", "remove-second-factor", ID]);
    assert_eq!(removed.out, format!("{ID} has no second factor\n"));
    assert_eq!(api.lines(), [format!("DELETE /api/v1/users/{ID}/second-factor")]);
}

#[test]
fn passkeys_are_taken_away() {
    let api = FakeApi::answering(&[(204, "")]);
    let removed = run(&api, &["users", "remove-passkeys", ID]);
    assert_eq!(removed.out, format!("{ID} has no passkeys\n"));
    assert_eq!(api.lines(), [format!("DELETE /api/v1/users/{ID}/passkeys")]);
}

#[test]
fn times_are_printed_in_the_zone_that_is_asked_for_and_in_json_as_the_api_writes_them() {
    let api = FakeApi::answering(&[(201, LINK), (201, LINK), (201, LINK)]);
    let printed = |arguments: &[&str]| run(&api, &[&["users", "sign-in-link", ID], arguments].concat());
    let berlin = printed(&["--tz", "Europe/Berlin"]);
    assert!(
        berlin.out.ends_with("until 2026-01-08 13:00:00 CET\n"),
        "{}",
        berlin.out
    );
    let piped = printed(&[]);
    assert!(
        piped.out.ends_with("until 2026-01-08T12:00:00.000Z\n"),
        "{}",
        piped.out
    );
    let json = printed(&["--tz", "Europe/Berlin", "--json"]);
    assert!(json.out.contains("2026-01-08T12:00:00.000Z"), "{}", json.out);
    let wrong = run(&api, &["users", "list", "--tz", "Mars"]);
    assert!(
        wrong.err.contains("no such time zone") && wrong.code == Some(2),
        "{}",
        wrong.err
    );
}
