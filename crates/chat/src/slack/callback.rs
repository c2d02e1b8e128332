//! Calls of Slack to us: somebody pressed a button. Believed if Slack's signature holds and is fresh ("Verifying
//! requests from Slack"); the button's value is one of our own tokens.

use std::time::Duration;

use model::digest::hmac_sha256;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use destination::callback::{Call, Received, Refused};
use destination::task::Target;
use destination::text::{Unit, cut, one_line};
use model::time::Timestamp;

/// How far a call's time may be from ours.
const MAX_AGE: Duration = Duration::from_secs(300);
/// The longest token.
const MAX_TOKEN_BYTES: usize = 64;
/// The longest name of a person, in characters.
const MAX_PERSON: usize = 100;

/// What a call says.
#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    user: User,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    id: String,
    name: String,
    username: String,
}

#[derive(Debug, Deserialize)]
struct Action {
    #[serde(default)]
    value: String,
}

/// What a call wants.
pub fn receive(call: &Call<'_>) -> Result<Received, Refused> {
    let secret = call.target.secret("signingSecret");
    if secret.is_empty() {
        return Err(Refused::NoCallback);
    }
    if !is_signed(call, secret) {
        return Err(Refused::NotBelieved);
    }
    let mut form = url::form_urlencoded::parse(call.body);
    let Some((_, payload)) = form.find(|(name, _)| name == "payload") else {
        // Slack looks now and then whether the address speaks TLS.
        let is_check = url::form_urlencoded::parse(call.body).any(|(name, _)| name == "ssl_check");
        return if is_check {
            Ok(Received::Nothing)
        } else {
            Err(Refused::Unreadable)
        };
    };
    let payload: Payload = serde_json::from_str(&payload).map_err(|_| Refused::Unreadable)?;
    let value = payload.actions.iter().map(|action| action.value.as_str());
    let token = value.into_iter().find(|value| is_token(value));
    match (payload.kind.as_str(), token) {
        ("block_actions", Some(token)) => Ok(Received::Act {
            token: token.to_owned(),
            person: person(&payload.user),
        }),
        // Buttons that are links are told of too; other things never came from us.
        _ => Ok(Received::Nothing),
    }
}

/// What an administrator does to have Slack call us; nothing if there are no buttons.
pub fn help(target: &Target, callback: &str) -> Option<String> {
    let has_buttons = target.option("actions") == "buttons" && !target.secret("signingSecret").is_empty();
    has_buttons.then(|| {
        format!(
            "At api.slack.com/apps, open your app, choose Interactivity & Shortcuts, switch it on and put in this \
             Request URL: {callback}"
        )
    })
}

/// Whether a call was signed with the secret, and not long ago.
fn is_signed(call: &Call<'_>, secret: &str) -> bool {
    let header = |name| call.headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(time), Some(signature)) = (header("x-slack-request-timestamp"), header("x-slack-signature"))
    else {
        return false;
    };
    let Ok(seconds) = time.parse::<i64>() else {
        return false;
    };
    let at = Timestamp::from_millis(seconds.saturating_mul(1000));
    if call.now.since(at).max(at.since(call.now)) > MAX_AGE {
        return false;
    }
    let expected = signature_of(time, call.body, secret);
    expected.as_bytes().ct_eq(signature.as_bytes()).into()
}

/// Slack's signature, version 0.
fn signature_of(time: &str, body: &[u8], secret: &str) -> String {
    let signed: [&[u8]; 4] = [b"v0:", time.as_bytes(), b":", body];
    format!("v0={}", hex::encode(hmac_sha256(secret.as_bytes(), signed)))
}

fn is_token(value: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !value.is_empty() && value.len() <= MAX_TOKEN_BYTES && value.bytes().all(is_plain)
}

fn person(user: &User) -> String {
    let names = [&user.name, &user.username, &user.id];
    let name = names
        .into_iter()
        .map(|name| one_line(name))
        .find(|name| !name.is_empty());
    cut(
        &name.unwrap_or_else(|| "somebody in Slack".to_owned()),
        MAX_PERSON,
        Unit::Characters,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use destination::sample::Sample;
    use http::{HeaderMap, HeaderValue};
    use model::event::EventName;
    use model::secret::SecretText;
    use model::webhook::WebhookKind;
    use serde_json::{Value, json};

    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const TIME: &str = "1531420618";

    fn target(secret: &str) -> Target {
        let url = url::Url::parse(crate::slack::API_ROOT).unwrap();
        let sample = Sample::new(
            WebhookKind::new("slack"),
            url,
            EventName::Triggered,
            Timestamp::EPOCH,
        );
        let sample = sample.with_option("actions", "buttons");
        sample.with_secret("signingSecret", secret).target
    }

    /// What comes of a call that is signed at one time and arrives at another.
    fn received(body: &str, signature: &str, now_seconds: i64) -> Result<Received, Refused> {
        let mut headers = HeaderMap::new();
        headers.insert("x-slack-request-timestamp", HeaderValue::from_static(TIME));
        headers.insert("x-slack-signature", HeaderValue::from_str(signature).unwrap());
        receive(&Call {
            headers: &headers,
            body: body.as_bytes(),
            target: &target(SECRET),
            signing: &SecretText::new("whsec_other"),
            now: Timestamp::from_millis(now_seconds * 1000),
        })
    }

    fn form(payload: &Value) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &payload.to_string()).finish()
    }

    fn press(value: &str) -> String {
        form(&json!({
            "type": "block_actions",
            "user": { "id": "U1", "username": "ada", "name": "ada.l" },
            "actions": [{ "type": "button", "action_id": "act_resolve", "value": value }],
        }))
    }

    fn signed(body: &str) -> Result<Received, Refused> {
        received(body, &signature_of(TIME, body.as_bytes(), SECRET), 1_531_420_618)
    }

    #[test]
    fn slacks_own_example_verifies() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
                    channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
                    response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F\
                    96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let expected = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        assert_eq!(signature_of(TIME, body.as_bytes(), SECRET), expected);
    }

    #[test]
    fn a_pressed_button_gives_its_token_and_who_pressed_it() {
        let expected = Received::Act {
            token: "abc-_9".into(),
            person: "ada.l".into(),
        };
        assert_eq!(signed(&press("abc-_9")), Ok(expected));
    }

    #[test]
    fn only_a_right_and_fresh_signature_is_believed() {
        let body = press("abc");
        let signature = signature_of(TIME, body.as_bytes(), SECRET);
        assert!(received(&body, &signature, 1_531_420_618 + 300).is_ok());
        assert!(received(&body, &signature, 1_531_420_618 - 300).is_ok());
        assert_eq!(
            received(&body, &signature, 1_531_420_618 + 301),
            Err(Refused::NotBelieved)
        );
        assert_eq!(
            received(&body, &signature, 1_531_420_618 - 301),
            Err(Refused::NotBelieved)
        );
        let other = signature_of(TIME, body.as_bytes(), "another");
        assert_eq!(received(&body, &other, 1_531_420_618), Err(Refused::NotBelieved));
        assert_eq!(
            received(&press("abd"), &signature, 1_531_420_618),
            Err(Refused::NotBelieved)
        );
        assert_eq!(received(&body, "v0=", 1_531_420_618), Err(Refused::NotBelieved));
    }

    #[test]
    fn without_headers_or_secret_nothing_is_believed() {
        let call = |target: &Target| {
            receive(&Call {
                headers: &HeaderMap::new(),
                body: b"",
                target,
                signing: &SecretText::new(""),
                now: Timestamp::EPOCH,
            })
        };
        assert_eq!(call(&target(SECRET)), Err(Refused::NotBelieved));
        assert_eq!(call(&target("")), Err(Refused::NoCallback));
    }

    #[test]
    fn what_is_not_one_of_our_buttons_is_nothing_or_unreadable() {
        let link = json!({ "type": "block_actions", "actions": [{ "action_id": "page_incident" }] });
        assert_eq!(signed(&form(&link)), Ok(Received::Nothing));
        assert_eq!(
            signed(&form(&json!({ "type": "view_submission" }))),
            Ok(Received::Nothing)
        );
        assert_eq!(signed(&press(&"a".repeat(65))), Ok(Received::Nothing));
        assert_eq!(signed(&press("a b")), Ok(Received::Nothing));
        assert_eq!(signed("ssl_check=1"), Ok(Received::Nothing));
        assert_eq!(signed("payload={"), Err(Refused::Unreadable));
        assert_eq!(signed("{}"), Err(Refused::Unreadable));
    }

    #[test]
    fn the_help_names_the_address_if_there_are_buttons() {
        let help = help(&target(SECRET), "https://ops.example/callback");
        assert!(help.is_some_and(|help| help.ends_with("Request URL: https://ops.example/callback")));
        assert_eq!(super::help(&target(""), "https://ops.example/callback"), None);
    }
}
