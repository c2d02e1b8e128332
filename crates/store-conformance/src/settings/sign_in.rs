//! Passwords and one-time links.

use model::access::{KeyHash, Role};
use model::audit::Change;
use model::user::User;
use store::StoreError;
use store::sign_in::SignInRecord;

use super::backend::Backend;
use super::samples;

fn change(backend: &Backend) -> Change {
    backend.source.change(samples::actor(&backend.source))
}

async fn user(backend: &Backend, name: &str) -> User {
    let user = samples::user(&backend.source, name);
    backend.users().create(user, change(backend)).await.unwrap()
}

/// Makes a link for a person that works for an hour.
async fn make_link(backend: &Backend, user: &User, token: &str) -> KeyHash {
    let hash = KeyHash::of(token);
    let expires_at = samples::now().plus(std::time::Duration::from_secs(3600));
    let made = backend
        .sign_in()
        .create_link(hash, user.id, expires_at, change(backend));
    made.await.unwrap();
    hash
}

async fn password_of(backend: &Backend, user: &User) -> Option<String> {
    let record = backend.sign_in().find_by_id(user.id).await.unwrap();
    record.password.map(|password| password.as_str().to_owned())
}

#[tokio::test]
async fn only_one_person_can_be_the_first_who_can_sign_in() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let audit_length = backend.audit_length().await;
    let sign_in = backend.sign_in();
    let (first, second) = (
        samples::user(&backend.source, "First"),
        samples::user(&backend.source, "Second"),
    );
    assert_eq!(sign_in.has_passwords().await, Ok(false));
    let created = sign_in.create_first_admin(first.clone(), samples::password("first"), change(&backend));
    assert_eq!(created.await, Ok(first.clone()));
    assert_eq!(sign_in.has_passwords().await, Ok(true));
    let refused = sign_in
        .create_first_admin(second, samples::password("second"), change(&backend))
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let users = backend.users().list(samples::everything()).await;
    assert_eq!(users, Ok(vec![first.clone(), bystanders.user.clone()]));
    assert_eq!(
        sign_in.find_by_id(first.id).await,
        Ok(SignInRecord {
            user: first,
            password: Some(samples::password("first")),
        })
    );
    assert_eq!(backend.actions_after(audit_length).await, ["user.first_admin"]);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_user_with_the_address_of_the_first_admin_becomes_that_person() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let known = user(&backend, "ada").await;
    make_link(&backend, &known, "link").await;
    let given = User {
        name: "Ada Lovelace".into(),
        email: Some("Ada@Example.org".into()),
        role: Role::Admin,
        created_at: samples::hours_ago(1),
        ..samples::user(&backend.source, "Ada")
    };
    let created =
        backend
            .sign_in()
            .create_first_admin(given.clone(), samples::password("ada"), change(&backend));
    let expected = User {
        id: known.id,
        created_at: known.created_at,
        ..given
    };
    assert_eq!(created.await, Ok(expected.clone()));
    assert_eq!(backend.users().get(known.id).await, Ok(expected));
    assert_eq!(
        password_of(&backend, &known).await,
        Some("$argon2id$hash of ada".into())
    );
    assert_eq!(backend.count("SELECT count(*) FROM sign_in_links"), 0);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_person_is_found_by_address_without_regard_to_case() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let found = backend
        .sign_in()
        .find_by_email("bystander@EXAMPLE.ORG".into())
        .await;
    let expected = SignInRecord {
        user: bystanders.user.clone(),
        password: None,
    };
    assert_eq!(found, Ok(Some(expected)));
    assert_eq!(
        backend
            .sign_in()
            .find_by_email("bystander@example.net".into())
            .await,
        Ok(None)
    );
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn of_addresses_from_before_that_differ_in_case_the_same_to_the_letter_wins() {
    let backend = Backend::open();
    let (first, second) = (user(&backend, "ada").await, user(&backend, "bob").await);
    let sql = "UPDATE users SET email = 'ADA@example.org' WHERE id = ?1";
    backend.beside().execute(sql, [second.id.as_bytes()]).unwrap();
    let found = async |email: &str| {
        let found = backend.sign_in().find_by_email(email.into()).await;
        found.unwrap().map(|record| record.user.id)
    };
    assert_eq!(found("ADA@example.org").await, Some(second.id));
    assert_eq!(found("ada@example.org").await, Some(first.id));
    assert_eq!(found("Ada@example.org").await, Some(first.id));
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_and_links_of_its_person() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let user = user(&backend, "Ada").await;
    make_link(&backend, &user, "link").await;
    let session = samples::session(&backend.source, user.id, "token");
    let begun = backend.sessions().begin(session.clone(), change(&backend));
    begun.await.unwrap();
    let audit_length = backend.audit_length().await;
    let set = backend
        .sign_in()
        .set_password(user.id, samples::password("ada"), change(&backend));
    assert_eq!(set.await, Ok(()));
    assert_eq!(
        password_of(&backend, &user).await,
        Some("$argon2id$hash of ada".into())
    );
    assert_eq!(
        backend.sessions().find(session.hash, samples::now()).await,
        Ok(None)
    );
    let link = backend.sign_in().find_link(KeyHash::of("link"), samples::now());
    assert_eq!(link.await, Ok(None));
    assert_eq!(backend.actions_after(audit_length).await, ["user.password"]);
    let log = backend.access().list_audit(samples::everything()).await.unwrap();
    assert_eq!(log[0].detail, "set the password of \"Ada\" and ended 1 sessions");
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn nobody_gets_a_password_or_a_link_who_is_not_there() {
    let backend = Backend::open();
    let nobody = samples::user(&backend.source, "Nobody");
    let not_found = StoreError::NotFound { what: "user" };
    let set = backend
        .sign_in()
        .set_password(nobody.id, samples::password("nobody"), change(&backend));
    assert_eq!(set.await, Err(not_found.clone()));
    let made =
        backend
            .sign_in()
            .create_link(KeyHash::of("link"), nobody.id, samples::now(), change(&backend));
    assert_eq!(made.await, Err(not_found.clone()));
    assert_eq!(backend.sign_in().find_by_id(nobody.id).await, Err(not_found));
    assert_eq!(backend.audit_length().await, 0);
}

#[tokio::test]
async fn a_link_works_once() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let user = user(&backend, "Ada").await;
    let session = samples::session(&backend.source, user.id, "token");
    let begun = backend.sessions().begin(session.clone(), change(&backend));
    begun.await.unwrap();
    let audit_length = backend.audit_length().await;
    let link = make_link(&backend, &user, "link").await;
    let sign_in = backend.sign_in();
    assert_eq!(
        sign_in.find_link(link, samples::now()).await,
        Ok(Some(user.clone()))
    );
    let used = sign_in.use_link(link, samples::password("ada"), change(&backend));
    assert_eq!(used.await, Ok(user.clone()));
    let again = sign_in.use_link(link, samples::password("again"), change(&backend));
    assert_eq!(again.await, Err(StoreError::NotFound { what: "sign-in link" }));
    assert_eq!(sign_in.find_link(link, samples::now()).await, Ok(None));
    assert_eq!(
        password_of(&backend, &user).await,
        Some("$argon2id$hash of ada".into())
    );
    assert_eq!(
        backend.sessions().find(session.hash, samples::now()).await,
        Ok(None)
    );
    assert_eq!(
        backend.actions_after(audit_length).await,
        ["user.sign_in_link", "user.use_link"]
    );
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn an_expired_link_does_not_work() {
    let backend = Backend::open();
    let user = user(&backend, "Ada").await;
    let (hash, expires_at) = (KeyHash::of("link"), samples::now());
    let sign_in = backend.sign_in();
    let made = sign_in.create_link(hash, user.id, expires_at, change(&backend));
    made.await.unwrap();
    let before = sign_in.find_link(hash, samples::hours_ago(1));
    assert_eq!(before.await, Ok(Some(user.clone())));
    assert_eq!(sign_in.find_link(hash, expires_at).await, Ok(None));
    let used = sign_in.use_link(hash, samples::password("late"), change(&backend));
    assert_eq!(used.await, Err(StoreError::NotFound { what: "sign-in link" }));
    assert_eq!(password_of(&backend, &user).await, None);
}

#[tokio::test]
async fn a_new_link_replaces_the_one_before_of_the_same_person() {
    let backend = Backend::open();
    let (ada, bob) = (user(&backend, "Ada").await, user(&backend, "Bob").await);
    let first = make_link(&backend, &ada, "first").await;
    let other = make_link(&backend, &bob, "other").await;
    let second = make_link(&backend, &ada, "second").await;
    let sign_in = backend.sign_in();
    assert_eq!(sign_in.find_link(first, samples::now()).await, Ok(None));
    assert_eq!(sign_in.find_link(second, samples::now()).await, Ok(Some(ada)));
    assert_eq!(sign_in.find_link(other, samples::now()).await, Ok(Some(bob)));
}
