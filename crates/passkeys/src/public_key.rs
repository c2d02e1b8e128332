//! Public keys of passkeys, as authenticators write them (COSE, RFC 9052 and 9053), and the signatures that they verify: those that
//! every authenticator makes one of.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use minicbor::Decoder;

/// ECDSA on P-256 with SHA-256 (RFC 9053).
const ES256: i64 = -7;
/// EdDSA, which is Ed25519 here (WebAuthn, section 5.8.5).
const EDDSA: i64 = -8;
/// RSA PKCS #1 v1.5 with SHA-256 (RFC 8812): what Windows Hello makes where it has nothing else.
const RS256: i64 = -257;
/// What is asked for, the best first.
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];

// Labels of a key's parts (RFC 9052, section 7.1; RFC 9053, section 7; RFC 8230, section 4).
const KEY_TYPE: i64 = 1;
const ALGORITHM: i64 = 3;
const CURVE_OR_N: i64 = -1;
const X_OR_E: i64 = -2;
const Y: i64 = -3;

const OCTET_KEY_PAIR: i64 = 1;
const ELLIPTIC_CURVE: i64 = 2;
const RSA: i64 = 3;
const P256: i64 = 1;
const CURVE_ED25519: i64 = 6;
/// The most parts of a key that are looked at.
const MAX_PARTS: u64 = 16;

/// A key that verifies signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// An uncompressed point.
    Es256(Vec<u8>),
    Ed25519(Vec<u8>),
    Rs256 {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl PublicKey {
    /// The key that comes next; nothing if it is of a kind that was not asked for, or is none.
    pub fn read(decoder: &mut Decoder<'_>) -> Option<Self> {
        let (mut kind, mut algorithm, mut curve) = (None, None, None);
        let (mut first, mut second, mut third) = (None, None, None);
        let parts = decoder.map().ok()?.filter(|parts| *parts <= MAX_PARTS)?;
        for _ in 0..parts {
            match (decoder.i64().ok()?, kind) {
                (KEY_TYPE, None) => kind = Some(decoder.i64().ok()?),
                (ALGORITHM, _) if algorithm.is_none() => algorithm = Some(decoder.i64().ok()?),
                (CURVE_OR_N, Some(RSA)) if first.is_none() => first = Some(decoder.bytes().ok()?),
                (CURVE_OR_N, _) if curve.is_none() => curve = Some(decoder.i64().ok()?),
                (X_OR_E, _) if second.is_none() => second = Some(decoder.bytes().ok()?),
                (Y, _) if third.is_none() => third = Some(decoder.bytes().ok()?),
                _ => return None,
            }
        }
        let key = match (kind?, algorithm?, curve) {
            (ELLIPTIC_CURVE, ES256, Some(P256)) => Self::es256(second?, third?)?,
            (OCTET_KEY_PAIR, EDDSA, Some(CURVE_ED25519)) => Self::Ed25519(second?.into()),
            (RSA, RS256, None) => Self::Rs256 {
                n: first?.into(),
                e: second?.into(),
            },
            _ => return None,
        };
        key.is_valid().then_some(key)
    }

    /// A key alone.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut decoder = Decoder::new(bytes);
        let key = Self::read(&mut decoder)?;
        (decoder.position() == bytes.len()).then_some(key)
    }

    /// Whether a signature is this key's.
    pub fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Rs256 { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(signed, signature)
            }
            Self::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(signed, signature),
        };
        verified.is_ok()
    }

    fn es256(x: &[u8], y: &[u8]) -> Option<Self> {
        // An uncompressed point (SEC 1, section 2.3.3).
        (x.len() == 32 && y.len() == 32).then(|| Self::Es256([&[4][..], x, y].concat()))
    }

    /// Whether it can verify anything: a point on its curve. An RSA key shows that only when it is used.
    fn is_valid(&self) -> bool {
        let parses = |algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
            ParsedPublicKey::new(algorithm, bytes).is_ok()
        };
        match self {
            Self::Es256(point) => parses(&ECDSA_P256_SHA256_ASN1, point),
            Self::Ed25519(point) => parses(&ED25519, point),
            Self::Rs256 { .. } => true,
        }
    }
}
