//! Requests to Amazon's services and to what speaks like them: signed by Signature Version 4, which a library makes.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
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

/// What is wrong with keys and region of a target of this service.
pub(crate) fn problems(target: &Target, service: &str) -> Vec<Problem> {
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
pub(crate) fn region(target: &Target, service: &str) -> Option<String> {
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
    let is_service = before == service || before.ends_with(&format!(".{service}"));
    is_service.then(|| region.to_owned())
}

fn is_plain(region: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_REGION_BYTES).contains(&region.len()) && region.bytes().all(is_part)
}

/// The same request with the headers that prove who sends it. All of its own headers are signed; those that are added later are
/// not, and need not be.
pub(crate) fn signed(
    mut rendered: Rendered,
    target: &Target,
    service: &'static str,
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
        .name(service)
        .time(UNIX_EPOCH + Duration::from_millis(now))
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| unsignable())?
        .into();
    let headers = rendered
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
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
    use destination::sample::Sample;
    use model::event::EventName;
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
    fn amazons_addresses_name_their_region_and_others_do_not() {
        let read = |url: &str| region(&target(url), "sqs");
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
