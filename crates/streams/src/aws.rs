//! Requests to Amazon's services and to what speaks like them: signed by Signature Version 4, which a library makes.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use url::{Host, Url};

use destination::about::{Field, Input, Need, Problem};
use destination::task::{Rendered, Target};
use model::attempt::{Disposition, Failure};
use model::exchange::FailureCode;
use model::time::Timestamp;

/// The field of the access key's id.
pub(crate) const ACCESS_KEY: Field = Field {
    name: "accessKeyId",
    label: "Access key ID",
    hint: "Of a user who may do nothing else.",
    placeholder: "AKIAIOSFODNN7EXAMPLE",
    need: Need::Required,
    ..Field::LINE
};

/// The field of the access key itself.
pub(crate) const SECRET_KEY: Field = Field {
    name: "secretAccessKey",
    label: "Secret access key",
    hint: "It goes with the ID, and is only used to sign.",
    input: Input::Secret,
    need: Need::Required,
    ..Field::LINE
};

/// The field of the region.
pub(crate) const REGION: Field = Field {
    name: "region",
    label: "Region",
    hint: "Needed only if the address does not name it.",
    placeholder: "eu-central-1",
    ..Field::LINE
};

/// The longest name of a region, in bytes.
const MAX_REGION_BYTES: usize = 64;
/// Begins the headers that a service reads: all of them must be signed.
const SERVICES_HEADER: &str = "x-amz-";

/// Those of them that signing makes.
const MADE_BY_SIGNING: [&str; 2] = ["x-amz-content-sha256", "x-amz-date"];

/// A service that is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Sqs,
    S3,
}

impl Service {
    /// Its name in signatures and addresses.
    fn name(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::S3 => "s3",
        }
    }

    fn signing_settings(self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self == Self::S3 {
            // S3 alone takes a path as it is, and wants the body's digest in a header.
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        settings
    }
}

/// What is wrong with keys and region of a target of this service.
pub(crate) fn problems(target: &Target, service: Service) -> Vec<Problem> {
    let region = match region(target, service) {
        None => Some("the address does not name its region: fill it in, such as eu-central-1"),
        Some(region) if !is_plain(&region) => {
            Some("a region has lower-case letters, digits and hyphens, such as eu-central-1")
        }
        Some(_) => None,
    };
    let key = target.option("accessKeyId");
    let key = (!key.is_empty()
        && !key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    .then_some("an access key's ID has letters and digits only");
    let of = |field, detail: Option<&str>| {
        detail.map(|detail| Problem {
            field,
            code: "invalid_value",
            detail: detail.to_owned(),
        })
    };
    of("region", region)
        .into_iter()
        .chain(of("accessKeyId", key))
        .collect()
}

/// The region of a target: as it is set, or as Amazon's addresses name it (`sqs.eu-central-1.amazonaws.com`,
/// `bucket.s3.eu-central-1.amazonaws.com`).
pub(crate) fn region(target: &Target, service: Service) -> Option<String> {
    let set = target.option("region");
    if !set.is_empty() {
        return Some(set.to_owned());
    }
    let Some(Host::Domain(host)) = target.url.host() else {
        return None;
    };
    let name = host
        .strip_suffix(".amazonaws.com")
        .or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let (before, region) = name.rsplit_once('.')?;
    let service = service.name();
    let is_service = before == service || before.ends_with(&format!(".{service}"));
    is_service.then(|| region.to_owned())
}

fn is_plain(region: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_REGION_BYTES).contains(&region.len()) && region.bytes().all(is_part)
}

/// The same request with the headers that prove who sends it. All of its own headers are signed, and those of the user's that the
/// service reads; others that are added later are not, and need not be.
pub(crate) fn signed(
    mut rendered: Rendered,
    target: &Target,
    service: Service,
    now: Timestamp,
) -> Result<Rendered, Failure> {
    let unsignable = || {
        let detail = "the request cannot be signed with the access key and region that are set";
        Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::NeedsOperator)
    };
    let region = region(target, service).ok_or_else(unsignable)?;
    let credentials = Credentials::new(
        target.option("accessKeyId"),
        target.secret("secretAccessKey"),
        None,
        None,
        "settings",
    );
    let identity = credentials.into();
    let now = u64::try_from(now.as_millis()).map_err(|_| unsignable())?;
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&region)
        .name(service.name())
        .time(UNIX_EPOCH + Duration::from_millis(now))
        .settings(service.signing_settings())
        .build()
        .map_err(|_| unsignable())?
        .into();
    let own = rendered.headers.iter();
    let own = own.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let users: Vec<_> = users_headers(target, &rendered.headers).collect();
    let users = users.iter().map(|(name, value)| (name.as_str(), *value));
    let headers = own.chain(users);
    let body = SignableBody::Bytes(&rendered.body);
    let request = SignableRequest::new(rendered.method.as_str(), rendered.url.as_str(), headers, body)
        .map_err(|_| unsignable())?;
    let (instructions, _) = sign(request, &params).map_err(|_| unsignable())?.into_parts();
    let (headers, _) = instructions.into_parts();
    for header in headers {
        let name = HeaderName::from_bytes(header.name().as_bytes()).map_err(|_| unsignable())?;
        let mut value = HeaderValue::from_str(header.value()).map_err(|_| unsignable())?;
        // Who reads it within minutes could send the same request again.
        value.set_sensitive(name == AUTHORIZATION);
        rendered.headers.insert(name, value);
    }
    Ok(rendered)
}

/// Headers of the user's own that the service reads, but for those that signing makes.
fn users_headers<'a>(target: &'a Target, own: &HeaderMap) -> impl Iterator<Item = (String, &'a str)> {
    let is_made = |name: &str| own.contains_key(name) || MADE_BY_SIGNING.contains(&name);
    let headers = target.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.reveal()));
    headers.filter(move |(name, _)| name.starts_with(SERVICES_HEADER) && !is_made(name))
}

/// The origin of an address with another path and no query.
pub(crate) fn at_path(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use destination::sample::Sample;
    use http::Method;
    use model::event::EventName;
    use model::secret::SecretText;
    use model::webhook::WebhookKind;

    fn target(url: &str) -> Target {
        let url = Url::parse(url).unwrap();
        Sample::new(
            WebhookKind::new("sqs"),
            url,
            EventName::Triggered,
            Timestamp::EPOCH,
        )
        .target
    }

    #[test]
    fn a_header_of_the_users_that_the_service_reads_is_signed_too() {
        let mut target = target("https://incidents.s3.eu-central-1.amazonaws.com");
        target
            .options
            .insert("accessKeyId".to_owned(), "AKIDEXAMPLE".to_owned());
        let header = |name: &str| (name.to_owned(), SecretText::new("x".to_owned()));
        target.headers = ["X-Amz-Storage-Class", "X-Amz-Date", "Cache-Control"]
            .map(header)
            .to_vec();
        let rendered = Rendered::new(Method::PUT, target.url.clone(), HeaderMap::new(), Bytes::new());
        let signed = signed(rendered, &target, Service::S3, Timestamp::EPOCH).unwrap();
        let header = signed.headers[AUTHORIZATION].to_str().unwrap();
        let names = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,";
        assert!(header.contains(names), "{header}");
    }

    #[test]
    fn amazons_addresses_name_their_region_and_others_do_not() {
        let read = |url: &str| region(&target(url), Service::Sqs);
        let frankfurt = Some("eu-central-1".to_owned());
        assert_eq!(read("https://sqs.eu-central-1.amazonaws.com/1/q"), frankfurt);
        assert_eq!(
            read("https://sqs.cn-north-1.amazonaws.com.cn/1/q"),
            Some("cn-north-1".to_owned())
        );
        let private = "https://vpce-1.sqs.eu-central-1.amazonaws.com/1/q";
        assert_eq!(read(private), frankfurt);
        for other in [
            "https://sns.eu-central-1.amazonaws.com/1/q",
            "https://queue.example/1/q",
            "http://127.0.0.1:9324/1/q",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
