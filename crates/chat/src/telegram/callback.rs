//! Calls of Telegram: somebody pressed a button.
//!
//! Telegram repeats in a header the secret that `setWebhook` was given. Ours is made from the webhook's signing secret,
//! so that nothing more has to be kept; whoever rotates that secret runs the command of `help` again.

use model::digest::hmac_sha256;
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::telegram::settings;
use destination::callback::{Call, Received, Refused, Reply};
use destination::text::{Unit, cut, one_line};
use model::secret::SecretText;

/// Where Telegram repeats the secret.
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";
/// What the secret is made from beside the signing secret, so that it can be mistaken for nothing else.
const PURPOSE: &[u8] = b"opsknight telegram callback 1";
/// Stands for the bot's token in the command.
const TOKEN_PLACE: &str = "<TOKEN>";
/// The longest notice over a chat, in characters.
const MAX_NOTICE: usize = 200;
/// The longest name of a person that is kept, in characters.
const MAX_PERSON: usize = 100;

#[derive(Deserialize)]
struct Update {
    callback_query: Option<CallbackQuery>,
}

#[derive(Deserialize)]
struct CallbackQuery {
    id: String,
    from: User,
    data: Option<String>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    username: Option<String>,
}

/// What a call wants, if it may be believed.
pub(super) fn receive(call: &Call<'_>) -> Result<Received, Refused> {
    let proof = call.headers.get(SECRET_HEADER).map(http::HeaderValue::as_bytes);
    let expected = secret_token(call.signing);
    let is_believed: bool = proof.unwrap_or_default().ct_eq(expected.as_bytes()).into();
    if !is_believed {
        return Err(Refused::NotBelieved);
    }
    let update: Update = serde_json::from_slice(call.body).map_err(|_| Refused::Unreadable)?;
    let query = update.callback_query;
    Ok(match query.and_then(|query| Some((query.data?, query.from))) {
        Some((token, from)) => Received::Act {
            token,
            person: person(&from),
        },
        None => Received::Nothing,
    })
}

/// Shows a sentence over the chat to whoever pressed the button.
pub(super) fn reply(call: &Call<'_>, sentence: &str) -> Reply {
    let update: Option<Update> = serde_json::from_slice(call.body).ok();
    let Some(query) = update.and_then(|update| update.callback_query) else {
        return Reply::empty();
    };
    let text = cut(&one_line(sentence), MAX_NOTICE, Unit::Utf16);
    let body = json!({ "method": "answerCallbackQuery", "callback_query_id": query.id, "text": text });
    Reply {
        content_type: "application/json",
        body: body.to_string(),
    }
}

/// The command that has Telegram call us. It holds the secret that Telegram repeats, but not the token.
pub(super) fn help(call: &Call<'_>, callback: &str) -> Option<String> {
    if call.target.option("actions") != "buttons" || call.target.secret("token").is_empty() {
        return None;
    }
    let (url, _) = settings::method_url(call.target, "setWebhook")?;
    let body = json!({
        "url": callback,
        "secret_token": secret_token(call.signing),
        "allowed_updates": ["callback_query"],
    });
    // The token is a secret that is never shown: whoever runs the command puts it in.
    let url = url.as_str().replace(call.target.secret("token"), TOKEN_PLACE);
    let (url, body) = (shell_quoted(&url), shell_quoted(&body.to_string()));
    Some(format!(
        "curl -sS {url} -H 'Content-Type: application/json' -d {body}"
    ))
}

/// What Telegram repeats with every call.
fn secret_token(signing: &SecretText) -> String {
    hex::encode(hmac_sha256(signing.reveal().as_bytes(), [PURPOSE]))
}

fn person(user: &User) -> String {
    let name = one_line(&format!("{} {}", user.first_name, user.last_name));
    let name = match (name.is_empty(), &user.username) {
        (true, Some(username)) => format!("@{}", one_line(username)),
        (true, None) => "somebody".to_owned(),
        (false, _) => name,
    };
    cut(&name, MAX_PERSON, Unit::Characters)
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telegram::settings::sample;
    use destination::sample::Sample;
    use http::{HeaderMap, HeaderValue};
    use model::event::EventName;

    const PRESSED: &str = r#"{"update_id":1,"callback_query":{"id":"4382bfdwdsb323b2d9","from":{"id":5,"is_bot":false,
        "first_name":"Ada","last_name":"Lovelace","username":"ada_l"},"chat_instance":"1","data":"tok_en-1"}}"#;

    fn with_call<T>(proof: &str, body: &str, test: impl FnOnce(&Call<'_>) -> T) -> T {
        let sample = sample(EventName::Triggered).with_option("actions", "buttons");
        with_call_of(&sample, proof, body, test)
    }

    fn with_call_of<T>(sample: &Sample, proof: &str, body: &str, test: impl FnOnce(&Call<'_>) -> T) -> T {
        let mut headers = HeaderMap::new();
        headers.insert(SECRET_HEADER, HeaderValue::from_str(proof).unwrap());
        test(&Call {
            headers: &headers,
            body: body.as_bytes(),
            target: &sample.target,
            signing: &SecretText::new("whsec_a"),
            now: sample.now,
        })
    }

    fn proof() -> String {
        secret_token(&SecretText::new("whsec_a"))
    }

    #[test]
    fn a_pressed_button_is_read() {
        let received = with_call(&proof(), PRESSED, receive);
        let act = Received::Act {
            token: "tok_en-1".into(),
            person: "Ada Lovelace".into(),
        };
        assert_eq!(received, Ok(act));
    }

    #[test]
    fn only_whoever_knows_the_secret_is_believed() {
        let other = secret_token(&SecretText::new("whsec_b"));
        assert_eq!(with_call(&other, PRESSED, receive), Err(Refused::NotBelieved));
        assert_eq!(with_call("", PRESSED, receive), Err(Refused::NotBelieved));
        assert_eq!(
            with_call(&proof()[1..], PRESSED, receive),
            Err(Refused::NotBelieved)
        );
    }

    #[test]
    fn other_updates_want_nothing_and_nonsense_is_refused() {
        let message = r#"{"update_id":2,"message":{"message_id":3,"text":"hi"}}"#;
        assert_eq!(with_call(&proof(), message, receive), Ok(Received::Nothing));
        let game = r#"{"update_id":3,"callback_query":{"id":"1","from":{"id":5,"first_name":"A"},"game_short_name":"g"}}"#;
        assert_eq!(with_call(&proof(), game, receive), Ok(Received::Nothing));
        assert_eq!(with_call(&proof(), "[", receive), Err(Refused::Unreadable));
    }

    #[test]
    fn somebody_without_a_name_is_called_by_their_username() {
        let name = |from: &str| person(&serde_json::from_str(from).unwrap());
        assert_eq!(name(r#"{"first_name":"\u200b","username":"ada_l"}"#), "@ada_l");
        assert_eq!(name("{}"), "somebody");
        assert_eq!(
            name(&format!(r#"{{"first_name":"{}"}}"#, "x".repeat(200)))
                .chars()
                .count(),
            100
        );
    }

    #[test]
    fn the_answer_is_a_notice_of_at_most_200_characters() {
        let notice = |sentence: &str| {
            let reply = with_call(&proof(), PRESSED, |call| reply(call, sentence));
            assert_eq!(reply.content_type, "application/json");
            serde_json::from_str::<serde_json::Value>(&reply.body).unwrap()
        };
        let whole = notice(&"x".repeat(200));
        assert_eq!(whole["method"], "answerCallbackQuery");
        assert_eq!(whole["callback_query_id"], "4382bfdwdsb323b2d9");
        assert_eq!(whole["text"], "x".repeat(200));
        assert_eq!(notice(&"x".repeat(201))["text"], format!("{}…", "x".repeat(199)));
    }

    #[test]
    fn the_command_sets_the_webhook_up_and_is_only_shown_for_buttons() {
        let command = with_call(&proof(), "", |call| help(call, "https://ops.example.com/o'k/1")).unwrap();
        let expected = format!(
            "curl -sS 'https://api.telegram.org/bot<TOKEN>/setWebhook' \
             -H 'Content-Type: application/json' -d '{{\"url\":\"https://ops.example.com/o'\\''k/1\",\
             \"secret_token\":\"{}\",\"allowed_updates\":[\"callback_query\"]}}'",
            proof()
        );
        assert_eq!(command, expected);
        let links = sample(EventName::Triggered);
        assert_eq!(
            with_call_of(&links, "", "", |call| help(call, "https://ops.example.com/")),
            None
        );
    }
}
