//! What went wrong in TLS, in our own words: the library's are for those who wrote it.

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use model::exchange::{FailureCode, SendFailure};

/// How far TLS had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The handshake was under way.
    Handshake,
    /// It was over.
    Established,
}

/// What became of the receiver's wish to see a client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ClientCertificate {
    /// It had none.
    #[default]
    NotAsked,
    /// The webhook has none to show.
    Missing,
    /// It was shown the webhook's.
    Shown,
}

/// The failure that an error of TLS is.
pub(super) fn explain(error: &Error, stage: Stage, certificate: ClientCertificate) -> SendFailure {
    let failure = |code, detail: String| SendFailure { code, detail };
    match error {
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) | Error::NoApplicationProtocol => {
            let detail = "the receiver speaks no HTTP/1.1 over TLS, only another protocol such as HTTP/2";
            failure(FailureCode::Http2Only, detail.to_owned())
        }
        Error::AlertReceived(alert) if is_about_client(*alert, certificate) => failure(
            FailureCode::ClientCertificateRefused,
            refused(certificate, Some(*alert)),
        ),
        Error::AlertReceived(alert) => match stage {
            Stage::Handshake => {
                let detail = format!("the receiver ended the TLS handshake: {}", alert_words(*alert));
                failure(FailureCode::TlsFailed, detail)
            }
            Stage::Established => {
                let detail = format!(
                    "the receiver ended TLS after the handshake: {}",
                    alert_words(*alert)
                );
                failure(FailureCode::TlsBroken, detail)
            }
        },
        Error::InvalidMessage(_) if stage == Stage::Handshake => failure(
            FailureCode::TlsFailed,
            "the receiver does not speak TLS on this port".to_owned(),
        ),
        Error::InvalidCertificate(error) => {
            failure(FailureCode::TlsFailed, certificate_words(error).to_owned())
        }
        other => match stage {
            Stage::Handshake => failure(
                FailureCode::TlsFailed,
                format!("the TLS handshake failed: {}", words(other)),
            ),
            Stage::Established => failure(
                FailureCode::TlsBroken,
                format!("TLS broke after the handshake: {}", words(other)),
            ),
        },
    }
}

/// One sentence about a failed handshake, for whoever made it with the same library.
pub fn tls_sentence(error: &Error) -> String {
    explain(error, Stage::Handshake, ClientCertificate::NotAsked).detail
}

/// Why a connection on which a client certificate was asked for came to nothing.
pub(super) fn refused(certificate: ClientCertificate, alert: Option<AlertDescription>) -> String {
    match (certificate, alert) {
        (ClientCertificate::Shown, Some(alert)) => format!(
            "the receiver refused the webhook's client certificate: {}",
            alert_words(alert)
        ),
        (ClientCertificate::Shown, None) => {
            "the receiver closed the connection when it had seen the webhook's client certificate".to_owned()
        }
        (ClientCertificate::Missing | ClientCertificate::NotAsked, _) => {
            "the receiver wants a client certificate, and the webhook has none".to_owned()
        }
    }
}

fn is_about_client(alert: AlertDescription, certificate: ClientCertificate) -> bool {
    let may_be = matches!(
        alert,
        AlertDescription::HandshakeFailure
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    );
    alert == AlertDescription::CertificateRequired || (may_be && certificate != ClientCertificate::NotAsked)
}

/// An alert of the receiver (RFC 8446, 6.2).
fn alert_words(alert: AlertDescription) -> String {
    let words = match alert {
        AlertDescription::CloseNotify => "it closed the connection",
        AlertDescription::UnexpectedMessage => "it did not expect what it was sent",
        AlertDescription::BadRecordMac
        | AlertDescription::DecryptError
        | AlertDescription::DecryptionFailed => "it could not decrypt or verify what it was sent",
        AlertDescription::RecordOverflow => "it found a record too long",
        AlertDescription::HandshakeFailure => "it accepts none of the offered ciphers and settings",
        AlertDescription::BadCertificate => "it finds the certificate damaged",
        AlertDescription::UnsupportedCertificate => "it does not take certificates of this sort",
        AlertDescription::CertificateRevoked => "the certificate was revoked",
        AlertDescription::CertificateExpired => "the certificate has expired",
        AlertDescription::CertificateUnknown => "it does not accept the certificate",
        AlertDescription::UnknownCA => "it does not know the certificate's authority",
        AlertDescription::AccessDenied => "it denies access",
        AlertDescription::IllegalParameter | AlertDescription::DecodeError => {
            "it could not read what it was sent"
        }
        AlertDescription::ProtocolVersion => "it speaks neither TLS 1.2 nor TLS 1.3",
        AlertDescription::InsufficientSecurity => "it wants stronger ciphers",
        AlertDescription::InternalError => "it had an internal error",
        AlertDescription::UserCanceled => "it gave the handshake up",
        AlertDescription::UnrecognisedName => "it knows no host of this name",
        AlertDescription::CertificateRequired => "it wants a client certificate",
        other => return format!("it sent the TLS alert {}", u8::from(other)),
    };
    words.to_owned()
}

fn certificate_words(error: &CertificateError) -> &'static str {
    use CertificateError as E;
    match error {
        E::UnknownIssuer => "the certificate comes from an authority that is not trusted here",
        E::Expired | E::ExpiredContext { .. } => "the certificate has expired",
        E::NotValidYet | E::NotValidYetContext { .. } => "the certificate is not valid yet",
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "the certificate belongs to another host name"
        }
        E::BadEncoding => "the certificate is damaged, or of version 1 and not among the webhook's own",
        E::Revoked => "the certificate was revoked",
        E::BadSignature => "the certificate's signature is wrong",
        E::UnhandledCriticalExtension => "the certificate has a critical extension that is not known here",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "the certificate was not issued for servers",
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the certificate is signed in a way that is not supported, or no longer safe"
        }
        // An authority at the end of its own chain, and what else the library gives no name to.
        _ => {
            "the certificate cannot be verified, as one that is an authority itself: give the webhook this very \
             certificate as its authority"
        }
    }
}

fn words(error: &Error) -> &'static str {
    match error {
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "the receiver speaks neither TLS 1.2 nor TLS 1.3",
        Error::PeerIncompatible(_) => "the receiver and this server have no ciphers or settings in common",
        Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => "the receiver does not keep to the protocol",
        Error::InvalidMessage(_) => "what the receiver sent is damaged, or no TLS",
        Error::DecryptError => "what the receiver sent cannot be decrypted",
        Error::NoCertificatesPresented => "the receiver has no certificate",
        Error::PeerSentOversizedRecord => "the receiver sent a record that is too long",
        _ => "the TLS library of this server could not go on",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{InvalidMessage, PeerMisbehaved};

    fn judged(error: &Error, stage: Stage, certificate: ClientCertificate) -> FailureCode {
        explain(error, stage, certificate).code
    }

    #[test]
    fn what_breaks_after_the_handshake_is_told_from_a_failure_of_it() {
        let error = Error::PeerMisbehaved(PeerMisbehaved::TooManyWarningAlertsReceived);
        let codes = [Stage::Handshake, Stage::Established]
            .map(|stage| judged(&error, stage, ClientCertificate::NotAsked));
        assert_eq!(codes, [FailureCode::TlsFailed, FailureCode::TlsBroken]);
    }

    #[test]
    fn an_alert_about_certificates_is_about_ours_only_if_one_was_asked_for() {
        let alert = Error::AlertReceived(AlertDescription::HandshakeFailure);
        let asked = explain(&alert, Stage::Handshake, ClientCertificate::Missing);
        assert_eq!(asked.code, FailureCode::ClientCertificateRefused);
        assert_eq!(
            judged(&alert, Stage::Handshake, ClientCertificate::NotAsked),
            FailureCode::TlsFailed
        );
    }

    #[test]
    fn no_sentence_shows_how_the_library_calls_things() {
        let errors = [
            Error::InvalidMessage(InvalidMessage::InvalidContentType),
            Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon),
            Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure),
            Error::AlertReceived(AlertDescription::MissingExtension),
            Error::General("ThingFailed".into()),
        ];
        for error in errors {
            for stage in [Stage::Handshake, Stage::Established] {
                let detail = explain(&error, stage, ClientCertificate::NotAsked).detail;
                let library_words = detail.split(' ').filter(|word| {
                    word.chars().skip(1).any(char::is_uppercase) && !["TLS", "HTTP/1.1"].contains(word)
                });
                assert_eq!(library_words.count(), 0, "{detail}");
            }
        }
    }
}
