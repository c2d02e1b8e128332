//! What the settings that both have in common mean.

use destination::mapping;
use destination::task::Target;
use model::digest::sha256;
use model::incident::Severity;

/// The label that every ticket of ours carries: by it they are listed.
pub(crate) const LABEL: &str = "opsknight";
/// The label of tickets that were made twice and closed for that.
pub(crate) const DUPLICATE_LABEL: &str = "opsknight-duplicate";
/// How much of a token's hash tells accounts apart, in bytes.
const HASH_BYTES: usize = 6;

/// The token.
pub(crate) fn token(target: &Target) -> &str {
    target.secret("token").trim()
}

/// What tells this token's account from others, in words that hold no secret.
pub(crate) fn identity(target: &Target) -> String {
    let hash = sha256([token(target).as_bytes()]);
    let short: Vec<u8> = hash.iter().take(HASH_BYTES).copied().collect();
    let port = target.url.port().map_or(String::new(), |port| format!(":{port}"));
    let host = target.url.host_str().unwrap_or_default();
    format!("{host}{port}:{}", hex::encode(short))
}

/// The label of tickets that somebody has taken, if the settings have one.
pub(crate) fn acknowledged_label(target: &Target) -> Option<&str> {
    Some(target.option("acknowledgedLabel").trim()).filter(|label| !label.is_empty())
}

/// The label of a severity, if the settings have one.
pub(crate) fn severity_label(target: &Target, severity: Severity) -> Option<&str> {
    mapping::value(target.option("severityLabels"), severity.as_str()).filter(|label| !label.is_empty())
}

/// Every severity's label, each once.
pub(crate) fn severity_labels(target: &Target) -> Vec<&str> {
    let mut labels: Vec<&str> = Vec::new();
    for label in Severity::ALL
        .iter()
        .filter_map(|severity| severity_label(target, *severity))
    {
        if !labels.iter().any(|known| is_same_label(known, label)) {
            labels.push(label);
        }
    }
    labels
}

/// Whether two labels are one.
pub(crate) fn is_same_label(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Whether a label is one of ours.
pub(crate) fn is_our_label(label: &str) -> bool {
    [LABEL, DUPLICATE_LABEL]
        .iter()
        .any(|ours| is_same_label(ours, label))
}
