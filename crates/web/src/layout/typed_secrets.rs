//! Secrets that were typed into a form that was not accepted: the page carries them to its next try, sealed, so that a mistake
//! elsewhere does not cost them, and no page ever shows one.
//!
//! They are sealed under a key made of the session's own token, which stands in no page, for the form's address, and for half an hour. The
//! server keeps nothing: whichever node the next try comes to can open them, and only for the session that typed them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::layout::form::Form;
use crate::session::UserSession;
use model::time::Timestamp;
use store::seal::Sealer;

/// The field that carries them.
pub const TYPED_FIELD: &str = "typed";
/// How long they can be sent again.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// The longest of them that is carried, in bytes.
const MAX_SECRET_BYTES: usize = 64 * 1024;
/// The most that are carried.
const MAX_SECRETS: usize = 50;

/// One secret of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A field of its own.
    Field(String),
    /// The field beside another one that has this value: a header's value beside its name.
    Beside(String),
}

impl Place {
    /// A field of its own.
    pub fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }

    fn key(&self) -> String {
        match self {
            Self::Field(name) => format!("field:{name}"),
            Self::Beside(name) => format!("beside:{name}"),
        }
    }
}

/// Secrets on their way to the next try.
#[derive(Default)]
pub struct TypedSecrets {
    /// The hidden field's value; empty if there are none.
    pub sealed: String,
    places: BTreeSet<String>,
}

impl TypedSecrets {
    /// Seals what was typed, for the same session and the form at the same address.
    pub fn keep(session: &UserSession, path: &str, typed: impl IntoIterator<Item = (Place, String)>) -> Self {
        let is_kept = |(_, secret): &(Place, String)| !secret.is_empty() && secret.len() <= MAX_SECRET_BYTES;
        let kept: Vec<_> = typed
            .into_iter()
            .filter(is_kept)
            .take(MAX_SECRETS)
            .map(|(place, secret)| (place.key(), secret))
            .collect();
        if kept.is_empty() {
            return Self::default();
        }
        let at_ms = session.context.now.as_millis();
        let plain = json!({ "at": at_ms, "secrets": kept }).to_string();
        let sealer = Sealer::new(&session.typed_key, None);
        Self {
            sealed: hex::encode(sealer.seal(path.as_bytes(), plain.as_bytes())),
            places: kept.into_iter().map(|(key, _)| key).collect(),
        }
    }

    /// Whether a field's secret is on its way.
    pub fn has(&self, field: &str) -> bool {
        self.places.contains(&Place::field(field).key())
    }

    /// Whether the secret beside a value is.
    pub fn has_beside(&self, value: &str) -> bool {
        self.places.contains(&Place::Beside(value.to_owned()).key())
    }

    /// Whether any is.
    pub fn any(&self) -> bool {
        !self.sealed.is_empty()
    }
}

/// A form with what was typed before, wherever its field was left empty. `rows` names the fields of secrets that stand beside others.
pub fn restore(session: &UserSession, path: &str, mut form: Form, rows: (&str, &str)) -> Form {
    let now = session.context.now;
    for (place, secret) in open(session, path, form.text(TYPED_FIELD), now).unwrap_or_default() {
        match place.split_once(':') {
            Some(("field", name)) => form.fill(name, &secret),
            Some(("beside", value)) => form.fill_beside(rows.0, value, rows.1, &secret),
            Some(_) | None => {}
        }
    }
    form
}

fn open(session: &UserSession, path: &str, text: &str, now: Timestamp) -> Option<Vec<(String, String)>> {
    let sealed = hex::decode(text).ok()?;
    let plain = Sealer::new(&session.typed_key, None)
        .open(path.as_bytes(), &sealed)
        .ok()?;
    let Value::Object(mut kept) = serde_json::from_slice(&plain).ok()? else {
        return None;
    };
    let at = Timestamp::from_millis(kept.get("at")?.as_i64()?);
    let secrets = serde_json::from_value(kept.get_mut("secrets")?.take()).ok()?;
    (now.since(at) < LIFETIME).then_some(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{RequestContext, Sidebar, Theme, csrf_token, typed_key};
    use model::access::{KeyHash, Role};
    use model::display::TimeDisplay;
    use model::id::{SessionId, UserId};
    use model::session::Session;
    use model::user::User;

    const ROWS: (&str, &str) = ("headerName", "headerValue");

    fn session(token: &str, minute: i64) -> UserSession {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let user_id = UserId::new(at, [1; 10]);
        UserSession {
            user: User {
                id: user_id,
                name: "Ada".into(),
                email: None,
                role: Role::Admin,
                display: TimeDisplay::default(),
                created_at: at,
            },
            session: Session {
                id: SessionId::new(at, [2; 10]),
                user_id,
                hash: KeyHash::new(token),
                created_at: at,
                last_seen_at: at,
                address: "127.0.0.1".into(),
                agent: "a test".into(),
            },
            csrf: csrf_token(token),
            typed_key: typed_key(token),
            context: RequestContext {
                theme: Theme::System,
                sidebar: Sidebar::Wide,
                flash: None,
                now: Timestamp::from_millis(at.as_millis() + minute * 60_000),
                is_dev: false,
                target: "/".into(),
                form_nonce: String::new(),
            },
        }
    }

    fn sent_again(sealed: &str, session: &UserSession, path: &str) -> Form {
        let form = Form::new(&[
            ("secret", ""),
            ("url", "https://typed.example/"),
            ("headerName", "X-A"),
            ("headerValue", ""),
            ("headerName", "X-B"),
            ("headerValue", ""),
            (TYPED_FIELD, sealed),
        ]);
        restore(session, path, form, ROWS)
    }

    fn kept() -> TypedSecrets {
        let typed = [
            (Place::field("secret"), " hush ".to_owned()),
            (Place::field("url"), "https://before.example/".to_owned()),
            (Place::field("caPem"), String::new()),
            (Place::Beside("X-B".into()), "Bearer b".to_owned()),
        ];
        TypedSecrets::keep(&session("ses_a", 0), "/new", typed)
    }

    #[test]
    fn what_was_typed_fills_the_fields_that_were_left_empty() {
        let kept = kept();
        assert!(kept.any() && kept.has("secret") && !kept.has("caPem"));
        assert!(kept.has_beside("X-B") && !kept.has_beside("X-A"));
        assert!(!kept.sealed.contains(&hex::encode("hush")));
        let form = sent_again(&kept.sealed, &session("ses_a", 29), "/new");
        assert_eq!(
            (form.raw("secret"), form.text("url")),
            (" hush ", "https://typed.example/")
        );
        assert_eq!(form.all("headerValue"), ["", "Bearer b"]);
    }

    #[test]
    fn it_opens_for_its_session_and_form_only_and_for_half_an_hour() {
        let sealed = kept().sealed;
        let empty =
            |session: UserSession, path: &str| sent_again(&sealed, &session, path).raw("secret").is_empty();
        assert!(!empty(session("ses_a", 0), "/new"));
        assert!(empty(session("ses_b", 0), "/new"));
        assert!(empty(session("ses_a", 0), "/other"));
        assert!(empty(session("ses_a", 30), "/new"));
        for nonsense in ["", "zz", &"00".repeat(80), &sealed[..sealed.len() - 2]] {
            assert!(
                sent_again(nonsense, &session("ses_a", 0), "/new")
                    .raw("secret")
                    .is_empty()
            );
        }
    }

    #[test]
    fn nothing_is_sealed_where_nothing_was_typed() {
        let none = TypedSecrets::keep(
            &session("ses_a", 0),
            "/new",
            [(Place::field("secret"), String::new())],
        );
        assert!(!none.any() && !none.has("secret"));
    }
}
