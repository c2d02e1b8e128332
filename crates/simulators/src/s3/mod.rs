//! Amazon S3, simulated: PutObject in path style, into the bucket `incidents` and no other. An object that is put again takes the
//! place of the one before.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderName, Method};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use crate::aws::{Refusal, check_signature};
use crate::message::Message;
use crate::simulator::{Fault, MAX_MESSAGES, Request, Response, Simulator};

const BUCKET: &str = "incidents";
const MAX_KEY_BYTES: usize = 1024;
/// The largest object, packed and unpacked, in bytes; S3 takes 5 GiB.
const MAX_OBJECT_BYTES: usize = 16 * 1024 * 1024;
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

const FAULTS: [Fault; 13] = [
    fault("slow_down", "503 SlowDown"),
    fault("access_denied", "403 AccessDenied"),
    fault("unknown_key", "403 InvalidAccessKeyId"),
    fault("bad_signature", "403 SignatureDoesNotMatch"),
    fault("clock", "403 RequestTimeTooSkewed"),
    fault("no_bucket", "404 NoSuchBucket"),
    fault("other_region", "301 PermanentRedirect to eu-west-1"),
    fault("new_bucket", "307 TemporaryRedirect"),
    fault("timeout", "400 RequestTimeout"),
    fault("lost", "the object is put, and the answer never arrives"),
    fault("internal", "500 InternalError"),
    fault("html", "502 with a web page"),
    fault("sign_in", "200 with a web page"),
];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// The bucket in memory.
#[derive(Default)]
pub struct S3 {
    objects: BTreeMap<String, Message>,
    next_fault: Option<&'static str>,
}

impl Simulator for S3 {
    fn answer(&mut self, request: &Request<'_>) -> Response {
        match self.next_fault.take() {
            Some("lost") => Response {
                is_lost: true,
                ..self.put(request).unwrap_or_else(refuse)
            },
            Some(fault) => fail(fault),
            None => self.put(request).unwrap_or_else(refuse),
        }
    }

    fn faults(&self) -> &'static [Fault] {
        &FAULTS
    }

    fn fail_next(&mut self, fault: &str) -> bool {
        let known = FAULTS.iter().find(|known| known.name == fault);
        self.next_fault = known.map(|known| known.name);
        known.is_some()
    }

    /// In the order of their keys.
    fn messages(&self) -> Vec<Message> {
        self.objects.values().cloned().collect()
    }

    fn url(&self, address: &str) -> String {
        format!("{address}/{BUCKET}")
    }
}

impl S3 {
    fn put(&mut self, request: &Request<'_>) -> Result<Response, Refusal> {
        let key = key(request)?;
        check_headers(request)?;
        check_signature(request, "s3").map_err(in_words_of_s3)?;
        let mut message = Message::default();
        message.add_fact("Key", &key);
        message.add(text(request).trim_end());
        let sentence = match self.objects.insert(key.clone(), message.clone()) {
            None => format!("put {key}"),
            Some(_) => format!("put {key} in the place of what was there"),
        };
        if self.objects.len() > MAX_MESSAGES {
            self.objects.pop_first();
        }
        let etag = format!("\"{}\"", &hex::encode(Sha256::digest(request.body))[..32]);
        Ok(Response {
            status: 200,
            headers: vec![("etag", etag)],
            sentence,
            message: Some(message),
            ..Response::default()
        })
    }
}

/// The key that a request names in path style.
fn key(request: &Request<'_>) -> Result<String, Refusal> {
    let path = request.target.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let key = percent_decode_str(key).decode_utf8();
    let key = key.map_err(|_| (400, "InvalidURI", "Couldn't parse the specified URI."))?;
    match (request.method, bucket) {
        _ if bucket != BUCKET => Err((404, "NoSuchBucket", "The specified bucket does not exist")),
        (&Method::PUT, _) if key.len() > MAX_KEY_BYTES => {
            Err((400, "KeyTooLongError", "Your key is too long"))
        }
        (&Method::PUT, _) if !key.is_empty() && !key.contains('?') => Ok(key.into_owned()),
        _ => Err((501, "NotImplemented", "Objects are put here, and nothing else.")),
    }
}

fn check_headers(request: &Request<'_>) -> Result<(), Refusal> {
    let header = |name: HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok());
    if header(CONTENT_LENGTH).is_none() {
        return Err((
            411,
            "MissingContentLength",
            "You must provide the Content-Length HTTP header.",
        ));
    }
    if request.body.len() > MAX_OBJECT_BYTES {
        return Err((
            400,
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed object size.",
        ));
    }
    let digest = header(CONTENT_SHA256).ok_or((
        400,
        "InvalidRequest",
        "Missing required header for this request: x-amz-content-sha256",
    ))?;
    if digest != hex::encode(Sha256::digest(request.body)) {
        let words = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err((400, "XAmzContentSHA256Mismatch", words));
    }
    let authorization = header(http::header::AUTHORIZATION).unwrap_or_default();
    let signed = authorization.split("SignedHeaders=").nth(1).unwrap_or_default();
    let signed: Vec<_> = signed.split(',').next().unwrap_or_default().split(';').collect();
    let mut names = request.headers.keys().map(HeaderName::as_str);
    if names.any(|name| name.starts_with("x-amz-") && !signed.contains(&name)) {
        let words = "There were headers present in the request which were not signed";
        return Err((403, "AccessDenied", words));
    }
    Ok(())
}

/// What is in an object, unpacked.
fn text(request: &Request<'_>) -> String {
    let is_packed = request
        .headers
        .get(CONTENT_ENCODING)
        .is_some_and(|value| value == "gzip");
    let limit = u64::try_from(MAX_OBJECT_BYTES).unwrap_or(u64::MAX);
    let mut body = Vec::new();
    let read = match is_packed {
        true => GzDecoder::new(request.body).take(limit).read_to_end(&mut body),
        false => request.body.take(limit).read_to_end(&mut body),
    };
    match read {
        // S3 does not look into objects; whoever reads it would see this.
        Err(_) => "(not what its Content-Encoding says)".to_owned(),
        Ok(_) => String::from_utf8_lossy(&body).into_owned(),
    }
}

fn in_words_of_s3((status, error, words): Refusal) -> Refusal {
    match error {
        "InvalidClientTokenId" => (
            403,
            "InvalidAccessKeyId",
            "The key does not exist in our records.",
        ),
        "IncompleteSignature" => (400, "AuthorizationHeaderMalformed", words),
        "MissingAuthenticationToken" => (403, "AccessDenied", "Access Denied"),
        _ => (status, error, words),
    }
}

fn refuse((status, error, words): Refusal) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{error}</Code><Message>{words}</Message>\
         <RequestId>4442587FB7D0A2F9</RequestId></Error>"
    );
    Response {
        status,
        headers: vec![("content-type", "application/xml".to_owned())],
        body,
        sentence: format!("refused with {status} {error}"),
        ..Response::default()
    }
}

fn fail(fault: &str) -> Response {
    match fault {
        "slow_down" => refuse((503, "SlowDown", "Please reduce your request rate.")),
        "access_denied" => refuse((403, "AccessDenied", "Access Denied")),
        "unknown_key" => refuse((
            403,
            "InvalidAccessKeyId",
            "The key does not exist in our records.",
        )),
        "bad_signature" => refuse((403, "SignatureDoesNotMatch", "The signature does not match.")),
        "clock" => refuse((403, "RequestTimeTooSkewed", "The difference is too large.")),
        "no_bucket" => refuse((404, "NoSuchBucket", "The specified bucket does not exist")),
        "other_region" => {
            let mut response = refuse((301, "PermanentRedirect", "Address it by its own endpoint."));
            response
                .headers
                .push(("x-amz-bucket-region", "eu-west-1".to_owned()));
            response
        }
        "new_bucket" => refuse((307, "TemporaryRedirect", "Please re-send this request elsewhere.")),
        "timeout" => refuse((400, "RequestTimeout", "Your socket was not read from in time.")),
        "html" => Response::page(502, "Bad gateway", "answered with a web page".to_owned()),
        "sign_in" => Response::page(200, "Sign in", "answered with a page to sign in".to_owned()),
        _ => refuse((500, "InternalError", "We encountered an internal error.")),
    }
}
