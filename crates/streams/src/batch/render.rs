//! Events made into one request: address, headers, and the body, packed if the webhook says so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::batch::format::Format;
use crate::lines::{gzip, no_event};
use destination::joint::batch_id;
use destination::task::{Rendered, Target, Task};
use model::attempt::{Disposition, Failure};
use model::exchange::{FailureCode, MAX_BODY_CAP_BYTES};

/// Some receivers know a repeat by it (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The request for these tasks of one webhook.
pub(super) fn render(tasks: &[Task<'_>]) -> Result<Rendered, Failure> {
    let target = tasks.first().map(|task| task.target).ok_or_else(no_event)?;
    let format = Format::new(target);
    let body = Bytes::from(format.body(target, tasks)?);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.extend(credentials(format, target)?);
    let key = HeaderValue::try_from(batch_id(tasks)).ok();
    headers.extend(key.map(|key| (IDEMPOTENCY_KEY, key)));
    let packed = match target.option("compression") {
        "gzip" => {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Some(gzip(&body)?)
        }
        _ => None,
    };
    let shown_body = packed.is_some().then(|| body.clone());
    let url = format.url(target, tasks);
    Ok(Rendered {
        shown_body,
        // An answer may tell of each event.
        body_cap: MAX_BODY_CAP_BYTES,
        ..Rendered::new(Method::POST, url, headers, packed.unwrap_or(body))
    })
}

fn credentials(format: Format, target: &Target) -> Result<Option<(HeaderName, HeaderValue)>, Failure> {
    let (name, text) = match (target.secret("token"), target.option("username")) {
        ("", "") => return Ok(None),
        ("", name) => {
            let pair = format!("{name}:{}", target.secret("password"));
            (AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)))
        }
        (token, _) => {
            let (name, scheme) = format.token_header();
            (HeaderName::from_static(name), format!("{scheme}{token}"))
        }
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        let detail = "the credentials hold characters that no header can carry";
        Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::NeedsOperator)
    })?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}
