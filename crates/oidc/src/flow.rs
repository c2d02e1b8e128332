//! One sign-in under way. All that must come back to the browser that began it is made from a secret which only that browser
//! holds, so that nothing is kept here and every node can finish what another has begun.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::digest::{hmac_sha256, sha256};
use subtle::ConstantTimeEq;

/// A sign-in under way.
pub struct SignInFlow {
    /// Comes back in the address: the answer belongs to this browser.
    pub state: String,
    /// Comes back in the token: the token was made for this sign-in.
    pub nonce: String,
    /// Shows to the provider that whoever brings the code has asked for it (PKCE).
    pub verifier: String,
}

impl SignInFlow {
    /// The sign-in that this secret stands for. The context is what the browser must not change about it meanwhile.
    pub fn new(secret: &[u8; 32], context: &[u8]) -> Self {
        let part = |purpose: &[u8]| URL_SAFE_NO_PAD.encode(hmac_sha256(secret, [purpose, b"\n", context]));
        Self {
            state: part(b"opsknight oidc state"),
            nonce: part(b"opsknight oidc nonce"),
            verifier: part(b"opsknight oidc verifier"),
        }
    }

    /// Whether an answer's state is this sign-in's, compared in constant time.
    pub fn is_state(&self, given: &str) -> bool {
        given.as_bytes().ct_eq(self.state.as_bytes()).into()
    }

    /// What the provider is told of the verifier beforehand.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256([self.verifier.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_the_same_for_its_secret_and_context_and_another_for_any_other() {
        let flow = SignInFlow::new(&[1; 32], b"1 /incidents");
        assert!(SignInFlow::new(&[1; 32], b"1 /incidents").is_state(&flow.state));
        assert!(!SignInFlow::new(&[2; 32], b"1 /incidents").is_state(&flow.state));
        assert!(!SignInFlow::new(&[1; 32], b"2 /incidents").is_state(&flow.state));
        assert!(!flow.is_state("") && !flow.is_state(&flow.nonce));
        assert!(flow.state != flow.nonce && flow.nonce != flow.verifier);
        // RFC 7636, section 4.1: 43 characters at least.
        assert_eq!(flow.verifier.len(), 43);
    }
}
