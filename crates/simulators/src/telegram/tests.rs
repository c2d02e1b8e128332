//! The simulated Bot API by itself.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use model::time::Timestamp;

use super::*;

#[test]
fn the_other_methods_are_there() {
    let mut telegram = Telegram::default();
    let mut call = |method: &str, body: Value| {
        let headers = HeaderMap::from_iter([(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )]);
        let target = format!("/bot1:{}/{method}", "a".repeat(35));
        let body = body.to_string();
        let request = Request {
            method: &http::Method::POST,
            target: &target,
            headers: &headers,
            body: body.as_bytes(),
            now: Timestamp::EPOCH,
        };
        telegram.answer(&request).status
    };
    assert_eq!(call("getMe", json!({})), 200);
    assert_eq!(
        call(
            "setWebhook",
            json!({ "url": "https://a.example/x", "secret_token": "a-b_c" })
        ),
        200
    );
    assert_eq!(call("setWebhook", json!({ "url": "http://a.example/x" })), 400);
    assert_eq!(
        call(
            "answerCallbackQuery",
            json!({ "callback_query_id": "1", "text": "x".repeat(201) })
        ),
        400
    );
    assert_eq!(call("deleteEverything", json!({})), 404);
}

#[test]
fn queries_forms_and_json_say_the_same() {
    let mut telegram = Telegram::default();
    let target = "/bot123456789:AAF-made_up_made_up_made_up_made_u/sendMessage";
    let mut send = |query: &str, content_type: &'static str, body: &str| {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let answer = telegram.answer(&Request {
            method: &Method::POST,
            target: &format!("{target}{query}"),
            headers: &headers,
            body: body.as_bytes(),
            now: Timestamp::EPOCH,
        });
        answer.message.map(|message| message.text()).ok_or(answer.body)
    };
    let expected = Ok("12".to_owned());
    let form = "chat_id=4711&text=12&disable_notification=true&entities=%5B%5D";
    assert_eq!(send("", "application/x-www-form-urlencoded", form), expected);
    let multipart = "--X\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n4711\r\n\
                     --X\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n12\r\n--X--\r\n";
    assert_eq!(send("", "multipart/form-data; boundary=X", multipart), expected);
    assert_eq!(send("?chat_id=4711&text=12", "text/plain", ""), expected);
    assert_eq!(
        send("?chat_id=4711", "application/json", r#"{"text":"12"}"#),
        expected
    );
    let odd = send(
        "",
        "application/x-www-form-urlencoded",
        "chat_id=4711&text=a&entities=bold",
    );
    assert!(odd.unwrap_err().contains("can't parse entities"));
}
