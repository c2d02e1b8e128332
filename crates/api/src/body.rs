//! Reads request bodies: JSON of at most 256 KiB, and every way in which it is not.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use utoipa::ToSchema;

use crate::problem::{Code, Problem};
use actions::FieldError;

/// The largest body (docs/contract.md, 2).
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// How long a client may take to send its body.
const BODY_DEADLINE: Duration = Duration::from_secs(15);

/// A JSON body.
pub struct JsonBody<T>(pub T);

/// A JSON body that may be absent, which counts as `{}`.
pub struct OptionalBody<T>(pub T);

/// A body without members.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_content_type(request.headers())?;
        let bytes = read(request.into_body()).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned + Default, S: Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(body).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        check_content_type(&parts.headers)?;
        parse(&bytes).map(Self)
    }
}

/// Reads a whole body, within the limits of size and time.
pub async fn read(body: Body) -> Result<Bytes, Problem> {
    read_within(BODY_DEADLINE, body).await
}

async fn read_within(deadline: Duration, body: Body) -> Result<Bytes, Problem> {
    let collected = Limited::new(body, MAX_BODY_BYTES).collect();
    let Ok(collected) = tokio::time::timeout(deadline, collected).await else {
        return Err(Problem::plain(Code::BodyTooSlow));
    };
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::plain(Code::BodyTooLarge)),
        Err(_) => Err(Problem::plain(Code::UnreadableBody)),
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    if media_type.trim().eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Problem::plain(Code::UnsupportedMediaType))
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde would take an array as the members of an object in their order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let detail = "the body must be a JSON object, not an array";
        return Err(Problem::new(Code::InvalidBody, detail.to_owned()));
    }
    // Only what failed is parsed again with its path: the good case stays cheap.
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Io | Category::Syntax | Category::Eof => Problem::new(Code::InvalidJson, error.to_string()),
        Category::Data => explain::<T>(bytes),
    })
}

fn explain<T: DeserializeOwned>(bytes: &[u8]) -> Problem {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut deserializer) else {
        return Problem::plain(Code::InvalidBody);
    };
    let path = error.path().to_string();
    let message = error.inner().to_string();
    let sentence = message.split(" at line ").next().unwrap_or(&message).to_owned();
    let (code, field) = classify(&path, &sentence);
    let detail = format!("{field}: {sentence}");
    Problem::new(Code::InvalidBody, detail).with_errors(vec![FieldError {
        field,
        code,
        detail: sentence,
    }])
}

/// The code and the field, out of serde's sentence. For a missing or unknown field the sentence names it in backticks.
fn classify(path: &str, sentence: &str) -> (&'static str, String) {
    let named = sentence.split('`').nth(1).unwrap_or_default();
    let parent = if path == "." { "" } else { path };
    let child = |name: &str| {
        let is_there = parent.rsplit('.').next() == Some(name);
        match (parent, is_there) {
            ("", _) => name.to_owned(),
            (parent, true) => parent.to_owned(),
            (parent, false) => format!("{parent}.{name}"),
        }
    };
    if sentence.starts_with("missing field") {
        ("missing", child(named))
    } else if sentence.starts_with("unknown field") {
        ("unknown_field", child(named))
    } else if sentence.starts_with("invalid type") {
        (
            "invalid_type",
            if parent.is_empty() {
                "body".into()
            } else {
                parent.to_owned()
            },
        )
    } else {
        (
            "invalid_value",
            if parent.is_empty() {
                "body".into()
            } else {
                parent.to_owned()
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code)]
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code)]
        count: u8,
    }

    fn problem(json: &str) -> serde_json::Value {
        let problem = parse::<Outer>(json.as_bytes()).unwrap_err();
        serde_json::from_slice(&problem.to_body()).unwrap()
    }

    fn field(json: &str) -> String {
        let error = &problem(json)["errors"][0];
        format!(
            "{} {}",
            error["field"].as_str().unwrap(),
            error["code"].as_str().unwrap()
        )
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_in_time_is_given_up() {
        let stuck = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let problem = read_within(Duration::from_millis(1), stuck).await.unwrap_err();
        assert_eq!(problem.code(), Code::BodyTooSlow);
        let arrived = read_within(Duration::from_secs(10), Body::from("{}")).await;
        assert_eq!(arrived.unwrap(), "{}");
    }

    #[test]
    fn a_mistake_in_the_syntax_is_placed() {
        let problem = problem("{\"inner\":\n  oops}");
        assert_eq!(problem["code"], "invalid_json");
        assert!(problem["detail"].as_str().unwrap().contains("line 2 column 3"));
    }

    #[test]
    fn the_field_at_fault_is_named() {
        assert_eq!(field("{}"), "inner missing");
        assert_eq!(field(r#"{"inner":{}}"#), "inner.count missing");
        assert_eq!(field(r#"{"inner":{"count":"x"}}"#), "inner.count invalid_type");
        assert_eq!(field(r#"{"inner":{"count":1},"more":1}"#), "more unknown_field");
        assert_eq!(
            field(r#"{"inner":{"count":1,"more":1}}"#),
            "inner.more unknown_field"
        );
        assert_eq!(field("7"), "body invalid_type");
    }
}
