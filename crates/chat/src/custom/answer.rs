//! What an answer means: its status, and what the success condition says of a good one. Many a chat answers 200 with an error
//! in its body.

use crate::custom::presets::preset;
use destination::status;
use destination::task::{Classification, Target};
use destination::text::{Unit, cut, one_line};
use model::attempt::{Failure, Outcome};
use model::exchange::{BODY_CAP_BYTES, Exchange, FailureCode, Response};
use model::expression::{Bounds, Expression, InvalidExpression, Value, value};
use model::time::Timestamp;

/// What a condition may name and cost: eight milliseconds at most. A body of so many bytes has half as many values.
const BOUNDS: Bounds = Bounds {
    names: &["status", "body", "text"],
    value_size: BODY_CAP_BYTES as u64 * 3 / 2,
    work: 8_000_000,
};
/// The longest sentence of an answer that is repeated, in characters.
const MAX_SENTENCE: usize = 200;
/// Where answers say what went wrong, the likeliest first.
const SENTENCES: [&str; 9] = [
    "/errmsg",
    "/msg",
    "/message",
    "/error_description",
    "/error/message",
    "/error",
    "/StatusMessage",
    "/detail",
    "/description",
];

/// The success condition of a target: its own, or its preset's.
pub(super) fn condition(target: &Target) -> Result<Option<Expression>, InvalidExpression> {
    let own = target.option("success").trim();
    let source = match own.is_empty() {
        true => preset(target.option("preset")).success,
        false => own,
    };
    match source.is_empty() {
        true => Ok(None),
        false => Expression::parse(source, &BOUNDS).map(Some),
    }
}

/// Judges an exchange.
pub(super) fn classify(target: &Target, exchange: &Exchange, now: Timestamp) -> Classification {
    let outcome = status::classify(exchange, now);
    let (Outcome::Delivered, Ok(response)) = (&outcome, &exchange.result) else {
        return outcome.into();
    };
    // It was checked when it was saved.
    let Ok(Some(condition)) = condition(target) else {
        return outcome.into();
    };
    let json: Option<serde_json::Value> = serde_json::from_slice(&response.body).ok();
    let text = String::from_utf8_lossy(&response.body);
    let said = || said(json.as_ref(), &text);
    let values = [
        ("status", Value::Int(i64::from(response.status))),
        ("body", json.as_ref().map_or(Value::Null, value)),
        ("text", Value::from(text.as_ref())),
    ];
    let detail = match condition.evaluate(values) {
        Ok(true) => return outcome.into(),
        Ok(false) => format!("the receiver answered {}, but says {}", response.status, said()),
        Err(InvalidExpression::NotBoolean(why)) => unclear(response, &why, &said()),
        Err(error) => unclear(response, &error.to_string(), &said()),
    };
    Failure::new(FailureCode::MessageRefused, detail).into()
}

fn unclear(response: &Response, why: &str, said: &str) -> String {
    let why = cut(&one_line(why), MAX_SENTENCE, Unit::Characters);
    let status = response.status;
    format!("the receiver answered {status}, but the success condition {why}; the answer says {said}")
}

/// What an answer says, in its own words.
fn said(json: Option<&serde_json::Value>, text: &str) -> String {
    let at = |pointer: &&str| json?.pointer(pointer)?.as_str().map(one_line);
    let sentence = SENTENCES
        .iter()
        .filter_map(at)
        .find(|sentence| !sentence.is_empty());
    match sentence.unwrap_or_else(|| one_line(text)) {
        nothing if nothing.is_empty() => "nothing".to_owned(),
        sentence => format!("\"{}\"", cut(&sentence, MAX_SENTENCE, Unit::Characters)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use destination::sample::Sample;
    use model::event::EventName;
    use model::exchange::{PhaseTimings, Reach};
    use model::webhook::WebhookKind;
    use url::Url;

    fn target(option: &str, value: &str) -> Target {
        let url = Url::parse("https://example.com/hook").unwrap();
        let sample = Sample::new(
            WebhookKind::new("custom"),
            url,
            EventName::Triggered,
            Timestamp::EPOCH,
        );
        sample.with_option(option, value).target
    }

    fn judged(target: &Target, status: u16, body: &str) -> Outcome {
        let response = Response {
            status,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::from(body.to_owned()),
            body_is_truncated: false,
        };
        let exchange = Exchange {
            notice: None,
            timings: PhaseTimings::default(),
            remote_address: None,
            reach: Reach::MaybeSent,
            result: Ok(response),
        };
        classify(target, &exchange, Timestamp::EPOCH).outcome
    }

    fn detail(outcome: &Outcome) -> &str {
        let failure = outcome.failure().unwrap();
        assert_eq!(failure.code, FailureCode::MessageRefused);
        &failure.detail
    }

    #[test]
    fn without_a_condition_the_status_alone_counts() {
        let outcome = |status| judged(&target("preset", "opsknight"), status, "{\"errcode\": 1}");
        let code = |status| outcome(status).failure().map(|failure| failure.code);
        assert_eq!(outcome(204), Outcome::Delivered);
        assert!(matches!(outcome(410), Outcome::Gone(_)));
        assert_eq!(code(404), Some(FailureCode::ClientError));
        assert_eq!(code(429), Some(FailureCode::RateLimited));
        assert_eq!(code(503), Some(FailureCode::ServerError));
    }

    #[test]
    fn an_error_in_the_body_of_a_200_is_a_failed_attempt_with_its_words() {
        let refusals = [
            (
                "dingtalk",
                r#"{"errcode":310000,"errmsg":"keywords not in content"}"#,
                "keywords not in content",
            ),
            (
                "wecom",
                r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#,
                "invalid webhook url",
            ),
            (
                "feishu",
                r#"{"code":19024,"msg":"Key Words Not Found"}"#,
                "Key Words Not Found",
            ),
            (
                "rocketchat",
                r#"{"success":false,"error":"Invalid integration id"}"#,
                "Invalid integration id",
            ),
            (
                "zulip",
                r#"{"result":"error","msg":"Channel does not exist"}"#,
                "Channel does not exist",
            ),
        ];
        for (preset, body, words) in refusals {
            let outcome = judged(&target("preset", preset), 200, body);
            assert_eq!(
                detail(&outcome),
                format!("the receiver answered 200, but says \"{words}\"")
            );
        }
    }

    #[test]
    fn the_good_answers_of_the_presets_are_deliveries() {
        let answers = [
            ("dingtalk", r#"{"errcode":0,"errmsg":"ok"}"#),
            ("wecom", r#"{"errcode":0,"errmsg":"ok"}"#),
            ("feishu", r#"{"code":0,"data":{},"msg":"success"}"#),
            (
                "feishu",
                r#"{"Extra":null,"StatusCode":0,"StatusMessage":"success"}"#,
            ),
            ("rocketchat", r#"{"success":true}"#),
            ("zulip", r#"{"id":42,"msg":"","result":"success"}"#),
            ("webex", ""),
        ];
        for (preset, body) in answers {
            assert_eq!(
                judged(&target("preset", preset), 200, body),
                Outcome::Delivered,
                "{preset}"
            );
        }
    }

    #[test]
    fn a_condition_of_ones_own_reads_status_body_and_text() {
        let outcome = |condition, body| judged(&target("success", condition), 201, body);
        assert_eq!(outcome("status == 201 && text == 'ok'", "ok"), Outcome::Delivered);
        assert_eq!(
            outcome(
                "body.errors.all(e, e.level < 2.5)",
                r#"{"errors":[{"level":1},{"level":2}]}"#
            ),
            Outcome::Delivered
        );
        assert!(detail(&outcome("body == null", "{}")).ends_with("says \"{}\""));
        assert!(detail(&outcome("body.ok", "")).ends_with("the answer says nothing"));
        assert!(condition(&target("success", "body.matches('a+')")).is_err());
        assert!(condition(&target("success", "incident.id == ''")).is_err());
        assert!(condition(&target("success", "[1].all(a, [2].all(b, true))")).is_err());
    }
}
