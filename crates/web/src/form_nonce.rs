//! Forms that must not act twice: each carries a token of its own, and a token that was used is refused. So loading a
//! page that showed a secret once, or pressing a button twice, makes nothing a second time.
//!
//! A token is signed by this process for the session whose page carries it, so that nothing is remembered of what others
//! invent, and nothing at all before a form is sent. Of each session the last used ones are remembered; whatever was
//! issued before the oldest of them is refused too, so that a used form never works again. Nobody's forms are pushed out
//! by somebody else's.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use model::digest::hmac_sha256;
use subtle::ConstantTimeEq;

use limit::bounded_map::BoundedMap;
use model::id::SessionId;

/// How long a form can be sent after its page was made, in milliseconds.
const LIFETIME_MS: i64 = 24 * 3600 * 1000;
/// How many used forms of one session are remembered.
const MAX_USED_EACH: usize = 256;
/// Of how many sessions used forms are remembered.
const MAX_SESSIONS: usize = 2048;
/// What the signature begins with, so that it can be mistaken for no other.
const PURPOSE: &[u8] = b"opsknight form 1";
const NONCE_BYTES: usize = 8;
const MAC_BYTES: usize = 16;

/// The field that carries the token.
pub const FORM_NONCE_FIELD: &str = "once";

/// What a token is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormUse {
    /// It was issued to this session and is used now.
    First,
    /// It was used before.
    Again,
    /// It was not issued to this session by this run of the server, or too long ago.
    Unknown,
}

/// Issues tokens, and remembers those that were used.
pub struct FormNonces {
    key: [u8; 32],
    used: Mutex<Used>,
}

/// When a token was issued, and its random part.
type Issued = (i64, [u8; NONCE_BYTES]);

struct Used {
    by_session: BoundedMap<SessionId, UsedBySession>,
    /// Whatever was issued until then may have been used by a session that is forgotten.
    forgotten_until_ms: i64,
}

struct UsedBySession {
    forms: BTreeSet<Issued>,
    /// Whatever was issued until then may have been used.
    forgotten_until_ms: i64,
}

impl FormNonces {
    /// Signs under a key that only this run of the server knows: the used ones are known to it alone.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            used: Mutex::new(Used {
                by_session: BoundedMap::new(MAX_SESSIONS),
                forgotten_until_ms: i64::MIN,
            }),
        }
    }

    /// A token for the forms of a page.
    pub fn issue(&self, session: SessionId, now_ms: i64, nonce: [u8; NONCE_BYTES]) -> String {
        let mac = self.mac(session, (now_ms, nonce));
        hex::encode([&now_ms.to_be_bytes()[..], &nonce, &mac].concat())
    }

    /// Uses a token up.
    pub fn use_up(&self, session: SessionId, token: &str, now_ms: i64) -> FormUse {
        let Some(issued) = self.read(session, token) else {
            return FormUse::Unknown;
        };
        if now_ms - issued.0 >= LIFETIME_MS {
            return FormUse::Unknown;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.use_up(session, issued)
    }

    fn read(&self, session: SessionId, token: &str) -> Option<Issued> {
        let mut bytes = [0; 8 + NONCE_BYTES + MAC_BYTES];
        hex::decode_to_slice(token, &mut bytes).ok()?;
        let (at, rest) = bytes.split_first_chunk::<8>()?;
        let (nonce, mac) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let issued = (i64::from_be_bytes(*at), *nonce);
        bool::from(self.mac(session, issued).as_slice().ct_eq(mac)).then_some(issued)
    }

    fn mac(&self, session: SessionId, (at_ms, nonce): Issued) -> [u8; MAC_BYTES] {
        let mut half = [0; MAC_BYTES];
        let whole = hmac_sha256(
            &self.key,
            [PURPOSE, session.as_bytes(), &at_ms.to_be_bytes(), &nonce],
        );
        half.copy_from_slice(&whole[..MAC_BYTES]);
        half
    }
}

impl Used {
    fn use_up(&mut self, session: SessionId, issued: Issued) -> FormUse {
        if issued.0 <= self.forgotten_until_ms {
            return FormUse::Unknown;
        }
        if let Some(used) = self.by_session.get(&session) {
            return used.use_up(issued);
        }
        let mut used = UsedBySession {
            forms: BTreeSet::new(),
            forgotten_until_ms: i64::MIN,
        };
        let first = used.use_up(issued);
        if let Some((_, forgotten)) = self.by_session.insert(session, used) {
            let last = forgotten.forms.last().map_or(i64::MIN, |(at_ms, _)| *at_ms);
            self.forgotten_until_ms = self.forgotten_until_ms.max(last);
        }
        first
    }
}

impl UsedBySession {
    fn use_up(&mut self, issued: Issued) -> FormUse {
        if issued.0 <= self.forgotten_until_ms {
            return FormUse::Unknown;
        }
        if !self.forms.insert(issued) {
            return FormUse::Again;
        }
        if self.forms.len() > MAX_USED_EACH
            && let Some((at_ms, _)) = self.forms.pop_first()
        {
            self.forgotten_until_ms = at_ms;
        }
        FormUse::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::Timestamp;

    fn session(number: usize) -> SessionId {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&number.to_be_bytes());
        SessionId::new(Timestamp::EPOCH, random)
    }

    fn nonce(number: usize) -> [u8; NONCE_BYTES] {
        number.to_be_bytes()
    }

    #[test]
    fn a_token_is_good_once_for_its_own_session_and_for_a_day() {
        let forms = FormNonces::new([1; 32]);
        let [first, second, third] = [1, 2, 3].map(|number| forms.issue(session(1), 0, nonce(number)));
        assert_eq!(forms.use_up(session(2), &first, 0), FormUse::Unknown);
        let uses = [&first, &second, &first].map(|token| forms.use_up(session(1), token, 0));
        assert_eq!(uses, [FormUse::First, FormUse::First, FormUse::Again]);
        assert_eq!(forms.use_up(session(1), &third, LIFETIME_MS), FormUse::Unknown);
        let other = FormNonces::new([2; 32]).issue(session(1), 0, nonce(4));
        let invented = [other.as_str(), "", "x", &"0".repeat(64)];
        let uses = invented.map(|token| forms.use_up(session(1), token, 0));
        assert_eq!(uses, [FormUse::Unknown; 4]);
    }

    #[test]
    fn a_used_form_never_works_again_however_many_follow_and_others_are_left_alone() {
        let forms = FormNonces::new([1; 32]);
        let theirs = forms.issue(session(2), 0, nonce(0));
        let tokens: Vec<String> = (1..=1000_i32)
            .map(|at_ms| forms.issue(session(1), at_ms.into(), nonce(0)))
            .collect();
        assert!(
            tokens
                .iter()
                .all(|token| forms.use_up(session(1), token, 1000) == FormUse::First)
        );
        let works = |token: &String| forms.use_up(session(1), token, 1000) == FormUse::First;
        assert!(!tokens.iter().any(works));
        assert_eq!(forms.use_up(session(2), &theirs, 1000), FormUse::First);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_a_forgotten_session_uses_nothing_again() {
        let forms = FormNonces::new([1; 32]);
        let of = |number: usize| forms.issue(session(number), 5, nonce(number));
        let tokens: Vec<String> = (0..2 * MAX_SESSIONS).map(of).collect();
        let mut uses = tokens.iter().enumerate();
        assert!(uses.all(|(number, token)| forms.use_up(session(number), token, 5) != FormUse::Again));
        assert!(forms.used.lock().unwrap().by_session.len() <= MAX_SESSIONS);
        let mut again = tokens.iter().enumerate();
        assert!(again.all(|(number, token)| forms.use_up(session(number), token, 5) != FormUse::First));
    }
}
