//! S3's words: an `ETag`, or an error in XML, `<Error><Code>NoSuchBucket</Code><Message>…`, which all that speak like S3 send.

use http::header::ETAG;

use destination::joint::refused;
use destination::task::Classification;
use destination::text::quote;
use destination::{status, waits};
use model::attempt::{Disposition, Failure, Outcome};
use model::exchange::{Exchange, FailureCode, Response};
use model::time::Timestamp;

/// The longest code of an error, in bytes.
const MAX_CODE_BYTES: usize = 64;
/// The header that names a bucket's region, whatever else was asked.
const BUCKET_REGION: &str = "x-amz-bucket-region";

/// Errors of too many requests.
const SLOW_DOWN: [&str; 7] = [
    "SlowDown",
    "SlowDownWrite",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TooManyRequests",
    "BandwidthLimitExceeded",
];

/// Errors of too large an object.
const TOO_LARGE: [&str; 2] = ["EntityTooLarge", "MaxMessageLengthExceeded"];

const CHECK_BUCKET: &str = "make the bucket, or check its name in the URL";
const CHECK_PERMISSION: &str = "give the key's user s3:PutObject on the bucket's objects";
const CHECK_KEY: &str = "check the access key's ID";
const CHECK_TOKEN: &str = "put a token that still holds into x-amz-security-token";
const CHECK_SECRET: &str = "check the secret access key and the region";
const CHECK_SIGNING: &str = "check the access key and the region";
const CHECK_REGION: &str = "check URL and region: the bucket is in another one";
const CHECK_CLOCK: &str = "set this server's clock right: S3 takes a quarter of an hour of difference";
const CHECK_KMS: &str = "check the bucket's KMS key, and that the key's user may use it";
const CHECK_HEADERS: &str = "check the webhook's own headers and what the bucket asks for";
const CHECK_ACCOUNT: &str = "look after the account that the bucket belongs to";

/// Errors that no other object could avoid, and what to do about them.
const SETTINGS: [(&str, &str); 33] = [
    ("NoSuchBucket", CHECK_BUCKET),
    ("InvalidBucketName", CHECK_BUCKET),
    ("MethodNotAllowed", CHECK_BUCKET),
    ("AccessDenied", CHECK_PERMISSION),
    ("AllAccessDisabled", CHECK_ACCOUNT),
    ("AccountProblem", CHECK_ACCOUNT),
    ("NotSignedUp", CHECK_ACCOUNT),
    ("InvalidPayer", CHECK_ACCOUNT),
    ("InvalidAccessKeyId", CHECK_KEY),
    ("InvalidSecurity", CHECK_KEY),
    // Cloudflare's.
    ("Unauthorized", CHECK_KEY),
    ("NotEntitled", CHECK_ACCOUNT),
    ("InvalidToken", CHECK_TOKEN),
    ("ExpiredToken", CHECK_TOKEN),
    ("SignatureDoesNotMatch", CHECK_SECRET),
    ("AuthorizationHeaderMalformed", CHECK_SIGNING),
    ("CredentialsNotSupported", CHECK_SIGNING),
    ("PermanentRedirect", CHECK_REGION),
    ("IllegalLocationConstraintException", CHECK_REGION),
    ("RequestTimeTooSkewed", CHECK_CLOCK),
    ("RequestExpired", CHECK_CLOCK),
    ("KMS.DisabledException", CHECK_KMS),
    ("KMS.NotFoundException", CHECK_KMS),
    ("KMS.InvalidKeyUsageException", CHECK_KMS),
    ("KMS.KMSInvalidStateException", CHECK_KMS),
    ("InvalidStorageClass", CHECK_HEADERS),
    ("InvalidEncryptionAlgorithmError", CHECK_HEADERS),
    ("InvalidArgument", CHECK_HEADERS),
    ("InvalidRequest", CHECK_HEADERS),
    ("InvalidTag", CHECK_HEADERS),
    ("NotImplemented", CHECK_HEADERS),
    ("KeyTooLongError", "choose a shorter folder"),
    ("InvalidURI", "choose another folder"),
];

/// What an answer means for each of so many events.
pub(super) fn classify(count: usize, exchange: &Exchange, now: Timestamp) -> Classification {
    let Ok(response) = &exchange.result else {
        return status::classify(exchange, now).into();
    };
    if (200..=299).contains(&response.status) {
        return taken(response);
    }
    let body = String::from_utf8_lossy(&response.body);
    match element(&body, "Code").filter(|code| is_code(code)) {
        Some(code) => Refusal {
            code,
            body: &body,
            response,
        }
        .classify(count, exchange, now),
        None if response.status == 413 => refused(count, too_large("status 413")),
        None => status::foreign(exchange, "S3", now).into(),
    }
}

/// Every object has an `ETag`, and a web page in its place seldom.
fn taken(response: &Response) -> Classification {
    let is_page = response.body.trim_ascii_start().starts_with(b"<");
    if response.headers.contains_key(ETAG) && !is_page {
        return Outcome::Delivered.into();
    }
    let detail = format!("the address answered {}, and not as S3 does", response.status);
    Failure::new(FailureCode::ResponseInvalid, detail).into()
}

/// The text of the first element of this name; nothing else of XML is needed here.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim())
}

fn is_code(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    (1..=MAX_CODE_BYTES).contains(&text.len()) && text.bytes().all(is_part)
}

/// An error of S3's own.
struct Refusal<'a> {
    code: &'a str,
    body: &'a str,
    response: &'a Response,
}

impl Refusal<'_> {
    fn classify(&self, count: usize, exchange: &Exchange, now: Timestamp) -> Classification {
        let (quoted, status) = (self.quoted(), self.response.status);
        if SLOW_DOWN.contains(&self.code) {
            let detail = format!("S3 asks for fewer requests ({quoted})");
            let failure = Failure {
                retry_after: waits::told(&self.response.headers, now),
                ..Failure::new(FailureCode::RateLimited, detail)
            };
            return failure.with(Disposition::RateLimited).into();
        }
        if TOO_LARGE.contains(&self.code) {
            return refused(count, too_large(&quoted));
        }
        let place = self.place();
        if let Some((_, remedy)) = SETTINGS.iter().find(|(known, _)| *known == self.code) {
            let detail =
                format!("S3 refuses this webhook's settings (status {status}): {remedy}{place} ({quoted})");
            let failure = Failure::new(FailureCode::SettingsRefused, detail);
            return failure.with(Disposition::NeedsOperator).into();
        }
        // Trouble of theirs or on the way; a bucket that was just made is redirected for a while.
        match status::classify(exchange, now) {
            Outcome::Failed(failure) | Outcome::Gone(failure) => {
                let detail = format!("S3 did not take the object{place} (status {status}, {quoted})");
                Failure { detail, ..failure }.into()
            }
            outcome @ (Outcome::Delivered | Outcome::Accepted | Outcome::Step) => outcome.into(),
        }
    }

    /// Where the bucket is, if the answer says.
    fn place(&self) -> String {
        let header = self.response.headers.get(BUCKET_REGION);
        let region = header.and_then(|value| value.to_str().ok());
        let region = region.or_else(|| element(self.body, "Region"));
        let endpoint = element(self.body, "Endpoint");
        match (region, endpoint) {
            (Some(region), _) => format!("; its region is {}", quote(region)),
            (None, Some(endpoint)) => format!("; its address is {}", quote(endpoint)),
            (None, None) => String::new(),
        }
    }

    fn quoted(&self) -> String {
        match quote(element(self.body, "Message").unwrap_or_default()) {
            words if words.is_empty() => self.code.to_owned(),
            words => format!("{}: {words}", self.code),
        }
    }
}

fn too_large(quoted: &str) -> Failure {
    let detail = format!("S3 refuses an object of this size ({quoted})");
    Failure::new(FailureCode::MessageRefused, detail)
}
