//! Calls of the business rule, and the access token.

use super::*;
use crate::servicenow::callback::{SECRET_HEADER, secret};
use destination::callback::{Call, ChangeNotification, Received, Refused};
use destination::task::Recording;
use destination::ticketing::Tokens;
use destination::{Callbacks, Previews};
use model::attempt::Disposition;
use model::secret::SecretText;

fn with_call<T>(sample: &Sample, proof: &str, body: &str, test: impl FnOnce(&Call<'_>) -> T) -> T {
    let mut headers = HeaderMap::new();
    headers.insert(
        SECRET_HEADER.to_lowercase().parse::<HeaderName>().unwrap(),
        HeaderValue::from_str(proof).unwrap(),
    );
    test(&Call {
        headers: &headers,
        body: body.as_bytes(),
        target: &sample.target,
        signing: &SecretText::new("whsec_a"),
        now: sample.now,
    })
}

fn proof() -> String {
    secret(&SecretText::new("whsec_a"))
}

fn received(sample: &Sample, proof: &str, body: &str) -> Result<Received, Refused> {
    with_call(sample, proof, body, |call| SERVICENOW.receive(call))
}

fn told(by: &str) -> String {
    let marker = mark(&sample(EventName::Triggered));
    json!({ "sys_id": ID, "number": "INC0010001", "correlation_id": marker, "sys_mod_count": 3, "updated_by": by }).to_string()
}

#[test]
fn a_changed_ticket_is_to_be_read_again() {
    let sample = sample(EventName::Triggered);
    let hint = ChangeNotification {
        ticket_id: ID.into(),
        markers: vec![mark(&sample)],
        receipt: Some(format!("{ID}:3")),
    };
    assert_eq!(
        received(&sample, &proof(), &told("ada")),
        Ok(Received::Ticket(hint))
    );
}

#[test]
fn our_own_changes_want_nothing_and_those_of_others_are_read_even_if_not_followed() {
    let sample = sample(EventName::Triggered);
    assert_eq!(
        received(&sample, &proof(), &told("opsknight")),
        Ok(Received::Nothing)
    );
    let out = sample.with_option("sync", "out");
    let heard = received(&out, &proof(), &told("ada"));
    assert!(matches!(heard, Ok(Received::Ticket(_))), "{heard:?}");
}

#[test]
fn only_whoever_knows_the_secret_is_believed() {
    let sample = sample(EventName::Triggered);
    let other = secret(&SecretText::new("whsec_b"));
    assert_eq!(received(&sample, &other, &told("ada")), Err(Refused::NotBelieved));
    assert_eq!(received(&sample, "", "["), Err(Refused::NotBelieved));
    assert_eq!(received(&sample, &proof(), "["), Err(Refused::Unreadable));
    assert_eq!(
        received(&sample, &proof(), r#"{"sys_id":"../x"}"#),
        Err(Refused::Unreadable)
    );
}

#[test]
fn the_business_rule_is_ready_to_be_pasted() {
    let sample = sample(EventName::Triggered).with_option("table", "u_alert");
    let help = |sample: &Sample| {
        with_call(sample, "", "", |call| {
            SERVICENOW.callback_help(call, "https://ops.example/\"x")
        })
    };
    let script = help(&sample).unwrap();
    assert!(script.contains("choose the table u_alert"));
    assert!(script.contains(r#"message.setEndpoint("https://ops.example/\"x");"#));
    assert!(script.contains(&format!(
        "setRequestHeader('X-OpsKnight-Secret', \"{}\")",
        proof()
    )));
    assert!(script.contains("var ours = \"opsknight\";") && script.contains("!= \"OpsKnight\""));
    assert!(!script.contains('%'));
    assert_eq!(help(&sample.with_option("sync", "out")), Some(script));
}

fn oauth(auth: &str) -> Sample {
    sample(EventName::Triggered)
        .with_option("auth", auth)
        .with_option("clientId", "client&1")
        .with_secret("clientSecret", "s=cret")
}

#[test]
fn a_token_is_fetched_by_a_form_that_is_never_recorded() {
    let sample = oauth("oauth_password");
    let tokens = SERVICENOW.tokens(&sample.target).unwrap();
    let rendered = tokens.request(&sample.target).unwrap();
    assert_eq!(
        rendered.url.as_str(),
        "https://dev1.service-now.example/oauth_token.do"
    );
    assert_eq!(rendered.recording, Recording::HeadsOnly);
    let form = "grant_type=password&client_id=client%261&client_secret=s%3Dcret&username=opsknight&password=p%3Ass+w%C3%B6rd";
    assert_eq!(rendered.body, form);
    let client = Tokens::request(&ServiceNow, &oauth("oauth_client").target).unwrap();
    assert_eq!(
        client.body,
        "grant_type=client_credentials&client_id=client%261&client_secret=s%3Dcret"
    );
    assert!(
        SERVICENOW
            .tokens(&super::sample(EventName::Triggered).target)
            .is_none()
    );
}

#[test]
fn a_token_is_read_with_its_end() {
    let token = SERVICENOW.0.read(
        &answer(
            200,
            r#"{"access_token":"abc","expires_in":1799,"token_type":"Bearer"}"#,
        ),
        at(),
    );
    let token = token.unwrap();
    assert_eq!(
        (token.text.reveal(), token.until),
        ("abc", at().plus(seconds(1739)))
    );
    let mut sample = oauth("oauth_client");
    assert!(
        matches!(step(&sample), Step::Done(judgement) if failure(&judgement).code == FailureCode::TokenFailed)
    );
    sample.token = Some(token);
    assert_eq!(
        request(&sample).headers.get("authorization").unwrap(),
        "Bearer abc"
    );
}

#[test]
fn a_token_that_does_not_come_says_why() {
    let read = |exchange: &Exchange| {
        let failure = SERVICENOW.0.read(exchange, at()).unwrap_err();
        assert_eq!(failure.code, FailureCode::TokenFailed);
        (failure.disposition, failure.detail)
    };
    let refused = read(&answer(
        401,
        r#"{"error_description":"access_denied","error":"server_error"}"#,
    ));
    assert_eq!(refused.0, Disposition::NeedsOperator);
    assert!(refused.1.ends_with("(server_error: access_denied)"));
    assert_eq!(read(&answer(200, "<html>")).0, Disposition::Backoff);
    assert_eq!(
        read(&answer(200, r#"{"access_token":"a b"}"#)).0,
        Disposition::NeedsOperator
    );
    assert_eq!(
        read(&answer(403, "<html>Blocked by policy</html>")).0,
        Disposition::Backoff
    );
    assert_eq!(read(&answer(503, "")).0, Disposition::Backoff);
    assert_eq!(read(&answer(429, "")).0, Disposition::RateLimited);
    assert_eq!(read(&no_answer(FailureCode::DnsFailed)).0, Disposition::Backoff);
}

#[test]
fn an_api_key_goes_into_its_own_header() {
    let sample = sample(EventName::Triggered)
        .with_option("auth", "api_key")
        .with_secret("apiKey", "now_k");
    let rendered = request(&sample);
    let header = rendered.headers.get("x-sn-apikey").unwrap();
    assert!(header == "now_k" && header.is_sensitive() && rendered.headers.get("authorization").is_none());
}

#[test]
fn a_request_is_shown_as_the_ticket_that_it_makes() {
    let shown = SERVICENOW
        .preview(&request(&sample(EventName::Triggered)).body)
        .unwrap()
        .text();
    assert!(
        shown.starts_with("Database connection timeout\nImpact: 1\nUrgency: 1\nCorrelation ID: inc_"),
        "{shown}"
    );
    assert_eq!(
        SERVICENOW
            .preview(br#"{"work_notes":"Escalated."}"#)
            .unwrap()
            .text(),
        "Escalated."
    );
    assert_eq!(
        SERVICENOW.preview(br#"{"state":"2"}"#).unwrap().text(),
        "State: 2"
    );
    assert_eq!(SERVICENOW.preview(b"grant_type=password"), None);
}
