//! Access tokens of service accounts.

use super::*;
use crate::workflow::stored::text_of;
use destination::task::{Recording, Token};
use model::secret::SecretText;

fn service_account() -> Sample {
    let mut sample = stranger(EventName::Triggered)
        .with_option("auth", "oauth")
        .with_option("clientId", "abc")
        .with_option("site", "https://example.atlassian.net/")
        .with_secret("clientSecret", "s&cret");
    sample.target.url = Url::parse("https://api.atlassian.com/ex/jira/cloud-1").unwrap();
    sample
}

fn read(exchange: &Exchange) -> Result<Token, (FailureCode, Disposition)> {
    let sample = service_account();
    let token = JIRA.tokens(&sample.target).unwrap().read(exchange, at());
    token.map_err(|failure| (failure.code, failure.disposition))
}

#[test]
fn only_a_service_account_needs_a_token() {
    assert!(JIRA.tokens(&stranger(EventName::Triggered).target).is_none());
    let sample = service_account();
    let request = JIRA
        .tokens(&sample.target)
        .unwrap()
        .request(&sample.target)
        .unwrap();
    assert_eq!(request.url.as_str(), "https://auth.atlassian.com/oauth/token");
    assert_eq!(request.recording, Recording::HeadsOnly);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let expected = json!({
        "grant_type": "client_credentials",
        "client_id": "abc",
        "client_secret": "s&cret",
    });
    assert_eq!(body, expected);
    let own = sample
        .with_option("edition", "data_center")
        .with_option("tokenUrl", "https://jira.example.com/rest/oauth2/latest/token");
    let request = JIRA.tokens(&own.target).unwrap().request(&own.target).unwrap();
    assert_eq!(request.url.path(), "/rest/oauth2/latest/token");
    let form = b"grant_type=client_credentials&client_id=abc&client_secret=s%26cret";
    assert_eq!(&request.body[..], form);
}

#[test]
fn a_token_is_used_until_somewhat_before_its_end() {
    let token = read(&answer(
        200,
        &json!({ "access_token": "abc", "expires_in": 3600 }),
    ))
    .unwrap();
    assert_eq!(token.text.reveal(), "abc");
    assert_eq!(token.until.since(at()).as_secs(), 3240);
    let untold = read(&answer(200, &json!({ "access_token": "abc" }))).unwrap();
    assert_eq!(untold.until.since(at()).as_secs(), 270);
}

#[test]
fn no_token_has_its_own_code() {
    let person = Err((FailureCode::TokenFailed, Disposition::NeedsOperator));
    let again = Err((FailureCode::TokenFailed, Disposition::Backoff));
    assert_eq!(read(&answer(401, &json!({ "error": "access_denied" }))), person);
    assert_eq!(read(&raw(403, &[], "<html>Blocked by policy</html>")), again);
    assert_eq!(read(&raw(500, &[], "")), again);
    assert_eq!(read(&raw(200, &[], "<html>")), again);
    assert_eq!(read(&answer(200, &json!({ "access_token": "a\r\nb" }))), again);
    assert_eq!(read(&silence(FailureCode::ConnectRefused)), again);
    assert_eq!(
        read(&raw(429, &[], "")),
        Err((FailureCode::TokenFailed, Disposition::RateLimited))
    );
}

#[test]
fn requests_go_through_the_gateway_and_pages_are_the_sites() {
    let mut sample = service_account();
    sample.workflow = text_of("", r#"{"given_up":["account"]}"#);
    sample.token = Some(Token {
        text: SecretText::new("acc3ss"),
        fetched_at: at(),
        until: at(),
    });
    let request = sample.settle(|task| JIRA.step(task)).into_request().unwrap();
    assert_eq!(
        request.url.as_str(),
        "https://api.atlassian.com/ex/jira/cloud-1/rest/api/2/issue"
    );
    assert_eq!(request.headers["authorization"], "Bearer acc3ss");
    let played = play(sample, vec![created(), answer(200, &issue("To Do", &[]))]);
    let url = &played.after.ticket.as_ref().unwrap().ticket().unwrap().url;
    assert_eq!(url, "https://example.atlassian.net/browse/OPS-12");
}
