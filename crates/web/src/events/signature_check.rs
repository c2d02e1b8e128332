//! Whether the signatures of a request that came to an inbox fit its secret, in words. Pure.

use std::time::Duration;

use http::HeaderName;

use model::secret::SecretText;
use model::time::Timestamp;
use outbound::signature::{
    ID_HEADER, PREVIOUS_SIGNATURE_HEADER, SIGNATURE_HEADER, STANDARD_SIGNATURE_HEADER, TIMESTAMP_HEADER,
    verify_opsknight, verify_standard,
};

/// How far the signed time may be from the arrival before a careful receiver refuses it (Standard Webhooks).
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// What one signature came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It fits.
    Valid,
    /// The sender has a newer secret, but signs with this one too for a while.
    ValidBeforeRotation,
    /// It fits, but was made long before or after the arrival.
    ValidButOld,
    /// It does not fit.
    Wrong,
    /// A header that belongs to it is missing.
    Incomplete,
    /// The body was cut, so that nobody can tell.
    Cut,
    /// There is no secret.
    NoSecret,
    /// There is no signature.
    Absent,
}

impl Check {
    /// What people read.
    pub fn words(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::ValidBeforeRotation => "valid, by the secret before the rotation: change it here too",
            Self::ValidButOld => {
                "valid, but its time is more than 5 minutes away: a careful receiver refuses it"
            }
            Self::Wrong => "wrong: another secret, or the body was changed",
            Self::Incomplete => "wrong: webhook-id or webhook-timestamp is missing",
            Self::Cut => "cannot be checked: only the beginning of the body was kept",
            Self::NoSecret => "no secret to check against",
            Self::Absent => "no signature",
        }
    }

    /// The tone of its badge.
    pub fn tone(self) -> &'static str {
        match self {
            Self::Valid => "success",
            Self::ValidBeforeRotation | Self::ValidButOld => "warning",
            Self::Wrong | Self::Incomplete => "error",
            Self::Cut | Self::NoSecret | Self::Absent => "neutral",
        }
    }

    /// A word for lists.
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid | Self::ValidBeforeRotation | Self::ValidButOld => "valid",
            Self::Wrong | Self::Incomplete => "wrong",
            Self::Cut | Self::NoSecret => "not checked",
            Self::Absent => "unsigned",
        }
    }

    /// Of two checks of one request, the one to show alone: trouble first, then what is known.
    fn rank(self) -> u8 {
        match self {
            Self::Wrong => 0,
            Self::Incomplete => 1,
            Self::ValidBeforeRotation => 2,
            Self::ValidButOld => 3,
            Self::Valid => 4,
            Self::Cut => 5,
            Self::NoSecret => 6,
            Self::Absent => 7,
        }
    }
}

/// Both signatures of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// `X-OpsKnight-Signature`.
    pub opsknight: Check,
    /// Standard Webhooks: `webhook-signature`.
    pub standard: Check,
}

impl Checks {
    /// Both in one.
    pub fn overall(self) -> Check {
        if self.opsknight.rank() <= self.standard.rank() {
            self.opsknight
        } else {
            self.standard
        }
    }
}

/// A request, as far as signatures are about it.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Lines of `name: value`.
    pub head: &'a str,
    pub body: &'a [u8],
    /// Whether the body was longer.
    pub body_is_truncated: bool,
    /// When it came.
    pub at: Timestamp,
}

/// The value of a header among lines of `name: value`.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .next()
}

/// Checks both signatures.
pub fn check(signed: Signed<'_>, secret: Option<&SecretText>) -> Checks {
    let judge = |name: HeaderName, verify: fn(Signed<'_>, &SecretText, &str) -> Check| {
        let Some(signature) = header(signed.head, name.as_str()) else {
            return Check::Absent;
        };
        match secret {
            None => Check::NoSecret,
            Some(_) if signed.body_is_truncated => Check::Cut,
            Some(secret) => verify(signed, secret, signature),
        }
    };
    Checks {
        opsknight: judge(SIGNATURE_HEADER, check_opsknight),
        standard: judge(STANDARD_SIGNATURE_HEADER, check_standard),
    }
}

fn check_opsknight(signed: Signed<'_>, secret: &SecretText, signature: &str) -> Check {
    let previous = header(signed.head, PREVIOUS_SIGNATURE_HEADER.as_str());
    if verify_opsknight(secret, signed.body, signature) {
        Check::Valid
    } else if previous.is_some_and(|previous| verify_opsknight(secret, signed.body, previous)) {
        Check::ValidBeforeRotation
    } else {
        Check::Wrong
    }
}

fn check_standard(signed: Signed<'_>, secret: &SecretText, signatures: &str) -> Check {
    let id = header(signed.head, ID_HEADER.as_str());
    let timestamp = header(signed.head, TIMESTAMP_HEADER.as_str());
    let (Some(id), Some(timestamp)) = (id, timestamp) else {
        return Check::Incomplete;
    };
    if !verify_standard(secret, id, timestamp, signed.body, signatures) {
        return Check::Wrong;
    }
    if is_recent(timestamp, signed.at) {
        Check::Valid
    } else {
        Check::ValidButOld
    }
}

fn is_recent(timestamp: &str, at: Timestamp) -> bool {
    let signed_ms = timestamp.parse::<i64>().unwrap_or(0).saturating_mul(1000);
    let distance_ms = signed_ms.abs_diff(at.as_millis());
    u128::from(distance_ms) <= TOLERANCE.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;
    use outbound::signature::{SigningSecrets, sign};

    const BODY: &[u8] = b"{\"event\":\"incident.triggered\"}";
    const SECONDS: i64 = 1_767_614_400;

    fn head(current: &str, previous: Option<&str>) -> String {
        let secrets = SigningSecrets {
            current: SecretText::new(current),
            previous: previous.map(SecretText::new),
        };
        let headers = sign(&secrets, "dlv_1", SECONDS, BODY);
        let line = |(name, value): &(HeaderName, http::HeaderValue)| {
            format!("{name}: {}\n", value.to_str().unwrap())
        };
        headers.iter().map(line).collect()
    }

    fn judge(head: &str, body: &[u8], secret: Option<&str>) -> (Check, Check) {
        let signed = Signed {
            head,
            body,
            body_is_truncated: false,
            at: Timestamp::from_millis(SECONDS * 1000),
        };
        let checks = check(signed, secret.map(SecretText::new).as_ref());
        (checks.opsknight, checks.standard)
    }

    #[test]
    fn what_the_secret_signed_is_valid_and_nothing_else_is() {
        let signed = head("secret", None);
        assert_eq!(judge(&signed, BODY, Some("secret")), (Check::Valid, Check::Valid));
        assert_eq!(
            judge(&signed, b"{}", Some("secret")),
            (Check::Wrong, Check::Wrong)
        );
        assert_eq!(judge(&signed, BODY, Some("other")), (Check::Wrong, Check::Wrong));
        assert_eq!(judge(&signed, BODY, None), (Check::NoSecret, Check::NoSecret));
        let unsigned = judge("content-type: application/json\n", BODY, Some("secret"));
        assert_eq!(unsigned, (Check::Absent, Check::Absent));
    }

    #[test]
    fn during_a_rotation_the_old_secret_still_fits() {
        let signed = head("new", Some("old"));
        let (opsknight, standard) = judge(&signed, BODY, Some("old"));
        assert_eq!((opsknight, standard), (Check::ValidBeforeRotation, Check::Valid));
        let both = Checks { opsknight, standard };
        assert_eq!(both.overall(), Check::ValidBeforeRotation);
    }

    #[test]
    fn an_old_time_a_missing_header_and_a_cut_body_are_told() {
        let secret = SecretText::new("secret");
        let signed = head("secret", None);
        let standard = |head: &str, body_is_truncated, seconds: i64| {
            let signed = Signed {
                head,
                body: BODY,
                body_is_truncated,
                at: Timestamp::from_millis(seconds * 1000),
            };
            check(signed, Some(&secret)).standard
        };
        assert_eq!(standard(&signed, false, SECONDS + 300), Check::Valid);
        assert_eq!(standard(&signed, false, SECONDS + 301), Check::ValidButOld);
        assert_eq!(standard(&signed, false, SECONDS - 301), Check::ValidButOld);
        assert_eq!(standard(&signed, true, SECONDS), Check::Cut);
        let without_id = signed.replace("webhook-id", "other");
        assert_eq!(standard(&without_id, false, SECONDS), Check::Incomplete);
    }
}
