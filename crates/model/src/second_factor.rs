//! The second factor: one-time codes by the clock (TOTP, RFC 6238) and recovery codes for the day on which the device is lost;
//! and the token of somebody who has shown a password and not yet a code.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use crate::access::KeyHash;
use crate::digest::hmac_sha256;
use crate::id::UserId;
use crate::secret::SecretText;
use crate::session::PasswordHash;
use crate::time::Timestamp;

/// The length of a secret, in bytes: that of SHA-1, as RFC 4226 recommends. Authenticators know no other algorithm well.
pub const SECRET_BYTES: usize = 20;
/// For how long a code is shown, in seconds.
pub const STEP_SECONDS: i64 = 30;
/// The digits of a code.
pub const CODE_DIGITS: usize = 6;
/// How many recovery codes a person has.
pub const RECOVERY_CODES: usize = 10;
/// How long somebody who has shown a password may take for the code.
pub const SECOND_STEP_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The length of a block of SHA-1, in bytes (FIPS 180-4).
const SHA1_BLOCK_BYTES: usize = 64;
/// One more than the largest code.
const CODES: u32 = 1_000_000;
/// How many codes before and behind the present one are taken, for clocks that differ.
const MAX_STEPS_APART: i64 = 1;
/// The random bytes of a recovery code: no hash needs to be slow for so many.
const RECOVERY_BYTES: usize = 10;
/// The letters of base32 (RFC 4648).
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// What the token's signature begins with, so that it can be mistaken for no other.
const PURPOSE: &[u8] = b"opsknight second step 1";
const TOKEN_PREFIX: &str = "step_";
const TOKEN_BYTES: usize = 8 + 16 + 32;

/// The secret that a person's device and the server share.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret(***)")
    }
}

impl TotpSecret {
    /// A secret of these random bytes.
    pub fn new(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret read back from [`TotpSecret::to_text`]; white space and case do not matter.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = from_base32(text)?;
        bytes.try_into().ok().map(Self::new)
    }

    /// The secret in base32, as authenticators take it.
    pub fn to_text(&self) -> SecretText {
        SecretText::new(to_base32(self.0.as_slice()))
    }

    /// What a QR code holds for authenticators.
    pub fn to_uri(&self, account: &str) -> SecretText {
        let secret = self.to_text();
        let account: String = byte_serialize(account.as_bytes()).collect();
        SecretText::new(format!(
            "otpauth://totp/OpsKnight:{account}?secret={}&issuer=OpsKnight",
            secret.reveal()
        ))
    }

    /// The code of a step, as devices show it.
    pub fn code(&self, step: i64) -> String {
        format!("{:0CODE_DIGITS$}", self.number(step))
    }

    /// RFC 4226, section 5.3.
    fn number(&self, step: i64) -> u32 {
        let mut mac = keyed(&self.0);
        mac.update(&step.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let offset = usize::from(digest[digest.len() - 1] & 0x0f);
        let mut four = [0; 4];
        four.copy_from_slice(&digest[offset..offset + 4]);
        (u32::from_be_bytes(four) & 0x7fff_ffff) % CODES
    }

    /// The step whose code this is, if that is near now and behind the last one that was used. Takes the same time whichever
    /// of the codes fits, if any.
    pub fn step_of(&self, code: &str, now: Timestamp, last_step: i64) -> Option<i64> {
        let digits: String = code
            .chars()
            .filter(|character| !character.is_whitespace())
            .collect();
        let is_code = digits.len() == CODE_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        let given: u32 = digits.parse().ok().filter(|_| is_code)?;
        let present = step_at(now);
        let (mut found, mut fits) = (0, Choice::from(0));
        for step in present - MAX_STEPS_APART..=present + MAX_STEPS_APART {
            let is_new = Choice::from(u8::from(step > last_step));
            let is_it = self.number(step).ct_eq(&given) & is_new;
            found.conditional_assign(&step, is_it);
            fits |= is_it;
        }
        bool::from(fits).then_some(found)
    }
}

/// The step of a time.
pub fn step_at(now: Timestamp) -> i64 {
    now.as_seconds().div_euclid(STEP_SECONDS)
}

/// An HMAC under a secret, which is shorter than a block and so filled up with zeros (RFC 2104).
fn keyed(secret: &[u8; SECRET_BYTES]) -> Hmac<Sha1> {
    let mut block = Zeroizing::new([0; SHA1_BLOCK_BYTES]);
    block[..SECRET_BYTES].copy_from_slice(secret);
    Hmac::new((&*block).into())
}

/// New recovery codes of these random bytes, as they are shown once: four groups of four characters.
pub fn recovery_codes(random: [[u8; RECOVERY_BYTES]; RECOVERY_CODES]) -> Vec<SecretText> {
    let code = |bytes: [u8; RECOVERY_BYTES]| {
        let text = to_base32(&bytes).to_ascii_lowercase();
        let groups: Vec<_> = (0..text.len()).step_by(4).map(|at| &text[at..at + 4]).collect();
        SecretText::new(groups.join("-"))
    };
    random.map(code).into()
}

/// The hash of a recovery code, however it was typed; nothing if it cannot be one.
pub fn recovery_hash(code: &str) -> Option<KeyHash> {
    let is_letter = |character: &char| !character.is_whitespace() && *character != '-';
    let plain: String = code.chars().filter(is_letter).collect();
    let bytes = from_base32(&plain).filter(|bytes| bytes.len() == RECOVERY_BYTES)?;
    Some(KeyHash::new(&to_base32(&bytes)))
}

fn to_base32(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut count) = (String::new(), 0_u32, 0);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(ALPHABET[(bits >> count) as usize & 31]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        text.push(char::from(ALPHABET[(bits << (5 - count)) as usize & 31]));
    }
    text
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for character in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let letter = character.to_ascii_uppercase();
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = (bits << 5) | u32::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).ok()?);
        }
        bits &= (1 << count) - 1;
    }
    Some(bytes)
}

/// The token of somebody who has shown their password now. It is signed with the hashed password, so that nothing is kept, and
/// opens nothing by itself.
pub fn second_step_token(user_id: UserId, password: &PasswordHash, now: Timestamp) -> SecretText {
    let at = now.as_millis().to_be_bytes();
    let mac = mac(user_id, password, at);
    let bytes = [&at[..], user_id.as_bytes(), &mac].concat();
    SecretText::new(format!("{TOKEN_PREFIX}{}", hex::encode(bytes)))
}

/// Whose token it says to be, to look their password up.
pub fn second_step_user(token: &str) -> Option<UserId> {
    let (_, user_id, _) = token_parts(token)?;
    Some(user_id)
}

/// Whether it is the token of this person, and not too old.
pub fn is_second_step_of(user_id: UserId, password: &PasswordHash, token: &str, now: Timestamp) -> bool {
    let Some((at, own, signed)) = token_parts(token) else {
        return false;
    };
    let made_at = Timestamp::from_millis(i64::from_be_bytes(at));
    let is_fresh = made_at <= now && now.since(made_at) < SECOND_STEP_LIFETIME;
    own == user_id && is_fresh && bool::from(mac(user_id, password, at).as_slice().ct_eq(&signed))
}

fn token_parts(token: &str) -> Option<([u8; 8], UserId, [u8; 32])> {
    let mut bytes = [0; TOKEN_BYTES];
    hex::decode_to_slice(token.strip_prefix(TOKEN_PREFIX)?, &mut bytes).ok()?;
    let (at, rest) = bytes.split_first_chunk::<8>()?;
    let (user_id, signed) = rest.split_first_chunk::<16>()?;
    Some((*at, UserId::from_bytes(*user_id), signed.try_into().ok()?))
}

fn mac(user_id: UserId, password: &PasswordHash, at: [u8; 8]) -> [u8; 32] {
    hmac_sha256(password.as_str().as_bytes(), [PURPOSE, user_id.as_bytes(), &at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B: the last six of its eight digits.
        let secret = TotpSecret::new(*b"12345678901234567890");
        let codes = [59, 1_111_111_109, 1_234_567_890, 20_000_000_000]
            .map(|seconds| secret.code(step_at(at(seconds))));
        assert_eq!(codes, ["287082", "081804", "005924", "353130"]);
    }

    #[test]
    fn a_code_is_taken_near_its_time_and_once() {
        let secret = TotpSecret::new([7; SECRET_BYTES]);
        let now = at(3000);
        let step = step_at(now);
        let code = secret.code(step);
        let spaced = format!(" {} {} ", &code[..3], &code[3..]);
        assert_eq!(secret.step_of(&spaced, now, 0), Some(step));
        assert_eq!(secret.step_of(&code, at(3030), 0), Some(step));
        assert_eq!(secret.step_of(&code, at(2970), 0), Some(step));
        assert_eq!(secret.step_of(&code, at(3060), 0), None);
        assert_eq!(secret.step_of(&code, now, step), None);
        for wrong in ["", "000", "+12345", "1234567", "abcdef", "１２３４５６"] {
            assert_eq!(secret.step_of(wrong, now, 0), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_reads_back_as_people_type_it() {
        let secret = TotpSecret::new(*b"12345678901234567890");
        let text = secret.to_text();
        assert_eq!(text.reveal(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            TotpSecret::parse("gezd gnbv gy3t qojq gezd gnbv gy3t qojq"),
            Some(secret)
        );
        assert!(
            ["", "GEZD", "1", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQAA"]
                .iter()
                .all(|text| TotpSecret::parse(text).is_none())
        );
    }

    #[test]
    fn a_recovery_code_is_known_however_it_is_typed() {
        let codes = recovery_codes([[0xa5; RECOVERY_BYTES]; RECOVERY_CODES]);
        let code = codes[0].reveal();
        assert_eq!(code.len(), 19);
        let hash = recovery_hash(code);
        assert!(hash.is_some());
        assert_eq!(recovery_hash(&code.to_uppercase().replace('-', " ")), hash);
        assert!(recovery_hash("").is_none() && recovery_hash(&code[1..]).is_none());
    }

    #[test]
    fn the_token_of_a_shown_password_is_one_persons_and_ends() {
        let (user, other) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let (password, new) = (PasswordHash::new("a".into()), PasswordHash::new("b".into()));
        let token = second_step_token(user, &password, at(100));
        let text = token.reveal();
        assert_eq!(second_step_user(text), Some(user));
        assert!(is_second_step_of(user, &password, text, at(101)));
        assert!(!is_second_step_of(other, &password, text, at(101)));
        assert!(!is_second_step_of(user, &new, text, at(101)));
        assert!(!is_second_step_of(user, &password, text, at(400)));
        assert!(!is_second_step_of(user, &password, text, at(99)));
        let forged = second_step_token(user, &new, at(100));
        assert!(!is_second_step_of(user, &password, forged.reveal(), at(101)));
    }
}
