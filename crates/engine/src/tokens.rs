//! The access token of one webhook, kept in memory for as long as it is good. After a restart it is fetched anew.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use destination::task::Token;
use model::time::Timestamp;

/// A token that is refused although it is younger than this was not just used up: the settings are wrong.
const YOUNG: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Default)]
pub struct TokenPlace {
    token: Mutex<Option<Token>>,
    fetching: tokio::sync::Mutex<()>,
}

impl TokenPlace {
    /// The token, if there is one that is still good.
    pub fn get(&self, now: Timestamp) -> Option<Token> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.as_ref().filter(|token| now < token.until).cloned()
    }

    /// One at a time fetches a token; whoever had to wait finds it there.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.fetching.lock().await
    }

    /// A new token.
    pub fn put(&self, token: Token) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    /// A token was refused. Says whether another one may help: this one is forgotten then.
    pub fn refused(&self, used: &Token, now: Timestamp) -> bool {
        let is_old = now.since(used.fetched_at) >= YOUNG;
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if is_old
            && token
                .as_ref()
                .is_some_and(|kept| kept.fetched_at <= used.fetched_at)
        {
            *token = None;
        }
        is_old
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::secret::SecretText;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn token(fetched_at: i64, until: i64) -> Token {
        Token {
            text: SecretText::new(format!("token of {fetched_at}")),
            fetched_at: at(fetched_at),
            until: at(until),
        }
    }

    #[test]
    fn a_token_is_used_until_it_ends() {
        let place = TokenPlace::default();
        place.put(token(0, 100));
        assert_eq!(place.get(at(99)), Some(token(0, 100)));
        assert_eq!(place.get(at(100)), None);
    }

    #[test]
    fn only_an_old_token_that_is_refused_is_forgotten() {
        let place = TokenPlace::default();
        place.put(token(0, 1000));
        assert!(!place.refused(&token(0, 1000), at(59)));
        assert!(place.get(at(59)).is_some());
        assert!(place.refused(&token(0, 1000), at(60)));
        assert_eq!(place.get(at(60)), None);
        place.put(token(60, 1000));
        assert!(place.refused(&token(0, 1000), at(61)));
        assert!(place.get(at(61)).is_some());
    }
}
