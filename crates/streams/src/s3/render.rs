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
use crate::lines::{gzip, lines, no_event, record, unreadable};
use destination::task::{Rendered, Target, Task};
use model::attempt::Failure;
use tables::{ParquetWriter, columns};

/// Buckets whose objects are locked take none without it, and every server that speaks like S3 knows it.
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// How the names of lines end, packed or not.
const PACKED_LINES: &str = "ndjson.gz";
const PLAIN_LINES: &str = "ndjson";

/// The request for these tasks of one webhook, signed.
pub(super) fn render(tasks: &[Task<'_>]) -> Result<Rendered, Failure> {
    let first = tasks.first().ok_or_else(no_event)?;
    let target = first.target;
    let Object {
        ending,
        content_type,
        body,
        shown_body,
    } = match target.option("format") {
        "parquet" => table(tasks)?,
        "cloudevents" => in_lines(target, &envelopes(tasks)?)?,
        _ => in_lines(target, &records(tasks)?)?,
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if ending == PACKED_LINES {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let digest = HeaderValue::try_from(STANDARD.encode(Md5::digest(&body))).ok();
    headers.extend(digest.map(|digest| (CONTENT_MD5, digest)));
    let url = object_url(&target.url, &key(target, tasks, ending));
    let rendered = Rendered {
        shown_body,
        ..Rendered::new(Method::PUT, url, headers, body)
    };
    aws::signed(rendered, target, Service::S3, first.now)
}

/// What is put.
struct Object {
    ending: &'static str,
    content_type: &'static str,
    body: Bytes,
    /// The body as people can read it, if it is packed.
    shown_body: Option<Bytes>,
}

fn envelopes(tasks: &[Task<'_>]) -> Result<Vec<String>, Failure> {
    tasks.iter().map(envelope).collect()
}

fn records(tasks: &[Task<'_>]) -> Result<Vec<String>, Failure> {
    tasks.iter().map(|task| record(task, "")).collect()
}

fn in_lines(target: &Target, written: &[String]) -> Result<Object, Failure> {
    let plain = Bytes::from(lines(written));
    let (ending, body, shown_body) = match target.option("compression") {
        "none" => (PLAIN_LINES, plain, None),
        _ => (PACKED_LINES, gzip(&plain)?, Some(plain)),
    };
    Ok(Object {
        ending,
        content_type: "application/x-ndjson",
        body,
        shown_body,
    })
}

/// The columns of an export of events, but for the cursor, which is none of an event's.
fn table(tasks: &[Task<'_>]) -> Result<Object, Failure> {
    let columns = columns::EVENTS
        .split_last()
        .map_or(columns::EVENTS, |(_, own)| own);
    let written = records(tasks)?;
    let mut writer = ParquetWriter::new(columns);
    for record in &written {
        let row = serde_json::from_str(record).map_err(|_| unreadable())?;
        writer.add(&row).map_err(|_| unreadable())?;
    }
    let mut body = writer.take();
    body.extend(writer.finish().map_err(|_| unreadable())?);
    Ok(Object {
        ending: "parquet",
        content_type: "application/vnd.apache.parquet",
        body: body.into(),
        shown_body: Some(lines(&written).into()),
    })
}
