//! Forms that must not act twice: each carries a token of its own, and a token that was used is refused. So loading a
//! page that showed a secret once, or pressing a button twice, makes nothing a second time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long a used token is remembered, in milliseconds.
const REMEMBERED_MS: i64 = 24 * 3600 * 1000;
/// How many are remembered at most.
const MAX_REMEMBERED: usize = 50_000;

/// The field that carries the token.
pub const ONCE_FIELD: &str = "once";

/// The tokens that were used.
#[derive(Default)]
pub struct UsedForms {
    used: Mutex<HashMap<String, i64>>,
}

impl UsedForms {
    /// Uses a token; says whether this is the first time.
    pub fn use_up(&self, token: &str, now_ms: i64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MAX_REMEMBERED {
            used.retain(|_, at_ms| now_ms - *at_ms < REMEMBERED_MS);
        }
        if used.len() >= MAX_REMEMBERED {
            used.clear();
        }
        used.insert(token.to_owned(), now_ms).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once() {
        let forms = UsedForms::default();
        assert_eq!(
            ["a", "b", "a"].map(|token| forms.use_up(token, 0)),
            [true, true, false]
        );
    }
}
