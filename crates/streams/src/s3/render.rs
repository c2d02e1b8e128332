//! Events made into the request that puts them into a bucket as one object.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use md5::{Digest, Md5};

use super::key::{key, object_url};
use crate::aws::{self, Service};
use crate::cloud_event::envelope;
use crate::lines::{gzip, lines, no_event, record};
use destination::task::{Rendered, Task};
use model::attempt::Failure;

/// Buckets whose objects are locked take none without it, and every server that speaks like S3 knows it.
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// The request for these tasks of one webhook, signed.
pub(super) fn render(tasks: &[Task<'_>]) -> Result<Rendered, Failure> {
    let first = tasks.first().ok_or_else(no_event)?;
    let target = first.target;
    let write = |task| match target.option("format") {
        "cloudevents" => envelope(task),
        _ => record(task, ""),
    };
    let written: Vec<_> = tasks.iter().map(write).collect::<Result<_, _>>()?;
    let plain = Bytes::from(lines(&written));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    let (ending, body, shown_body) = match target.option("compression") {
        "none" => ("ndjson", plain, None),
        _ => {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            ("ndjson.gz", gzip(&plain)?, Some(plain))
        }
    };
    let digest = HeaderValue::try_from(STANDARD.encode(Md5::digest(&body))).ok();
    headers.extend(digest.map(|digest| (CONTENT_MD5, digest)));
    let url = object_url(&target.url, &key(target, tasks, ending));
    let rendered = Rendered {
        shown_body,
        ..Rendered::new(Method::PUT, url, headers, body)
    };
    aws::signed(rendered, target, Service::S3, first.now)
}
