//! Passwords and one-time links.

use model::access::{KeyHash, Role};
use model::audit::Change;
use model::user::User;
use store::StoreError;
use store::access::AuditFilter;
use store::sign_in::SignInRecord;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

fn change(fixture: &Fixture) -> Change {
    fixture.source.change(samples::actor(&fixture.source))
}

async fn user(fixture: &Fixture, name: &str) -> User {
    let user = samples::user(&fixture.source, name);
    fixture.users().create(user, change(fixture)).await.unwrap()
}

/// Makes a link for a person that works for an hour.
async fn make_link(fixture: &Fixture, user: &User, token: &str) -> KeyHash {
    let hash = KeyHash::new(token);
    let expires_at = samples::now().plus(std::time::Duration::from_secs(3600));
    let made = fixture
        .sign_in()
        .create_link(hash, user.id, expires_at, change(fixture));
    made.await.unwrap();
    hash
}

async fn password_of(fixture: &Fixture, user: &User) -> Option<String> {
    let record = fixture.sign_in().find_by_id(user.id).await.unwrap();
    record.password.map(|password| password.as_str().to_owned())
}

cases! {
    settings::sign_in;

    async fn only_one_person_can_be_the_first_who_can_sign_in(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let audit_length = fixture.audit_length().await;
        let sign_in = fixture.sign_in();
        let (first, second) = (
            samples::user(&fixture.source, "First"),
            samples::user(&fixture.source, "Second"),
        );
        assert_eq!(sign_in.has_passwords().await, Ok(false));
        let created = sign_in.create_first_admin(first.clone(), samples::password("first"), change(&fixture));
        assert_eq!(created.await, Ok(first.clone()));
        assert_eq!(sign_in.has_passwords().await, Ok(true));
        let refused = sign_in
            .create_first_admin(second, samples::password("second"), change(&fixture))
            .await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
        let users = fixture.users().list(samples::everything()).await;
        assert_eq!(users, Ok(vec![first.clone(), bystanders.user.clone()]));
        assert_eq!(
            sign_in.find_by_id(first.id).await,
            Ok(SignInRecord {
                user: first,
                password: Some(samples::password("first")),
            })
        );
        assert_eq!(fixture.actions_after(audit_length).await, ["user.first_admin"]);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_user_with_the_address_of_the_first_admin_becomes_that_person(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let known = user(&fixture, "ada").await;
        make_link(&fixture, &known, "link").await;
        let given = User {
            name: "Ada Lovelace".into(),
            email: Some("Ada@Example.org".into()),
            role: Role::Admin,
            created_at: samples::hours_ago(1),
            ..samples::user(&fixture.source, "Ada")
        };
        let created =
            fixture
                .sign_in()
                .create_first_admin(given.clone(), samples::password("ada"), change(&fixture));
        let expected = User {
            id: known.id,
            created_at: known.created_at,
            ..given
        };
        assert_eq!(created.await, Ok(expected.clone()));
        assert_eq!(fixture.users().get(known.id).await, Ok(expected));
        assert_eq!(
            password_of(&fixture, &known).await,
            Some("$argon2id$hash of ada".into())
        );
        assert_eq!(fixture.count("SELECT count(*) FROM sign_in_links").await, 0);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_person_is_found_by_address_without_regard_to_case(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let found = fixture
            .sign_in()
            .find_by_email("bystander@EXAMPLE.ORG".into())
            .await;
        let expected = SignInRecord {
            user: bystanders.user.clone(),
            password: None,
        };
        assert_eq!(found, Ok(Some(expected)));
        for nobody in ["bystander@example.net", "bystander@example.org\0", "\0"] {
            assert_eq!(fixture.sign_in().find_by_email(nobody.into()).await, Ok(None));
        }
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn of_addresses_from_before_that_differ_in_case_the_same_to_the_letter_wins(fixture: Fixture) {
        let (first, second) = (user(&fixture, "ada").await, user(&fixture, "bob").await);
        let sql = "UPDATE users SET email = 'ADA@example.org' WHERE id = ?1";
        fixture.execute(sql, &[second.id.as_bytes().into()]).await;
        let found = async |email: &str| {
            let found = fixture.sign_in().find_by_email(email.into()).await;
            found.unwrap().map(|record| record.user.id)
        };
        assert_eq!(found("ADA@example.org").await, Some(second.id));
        assert_eq!(found("ada@example.org").await, Some(first.id));
        assert_eq!(found("Ada@example.org").await, Some(first.id));
    }

    async fn a_new_password_ends_the_sessions_and_links_of_its_person(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let user = user(&fixture, "Ada").await;
        make_link(&fixture, &user, "link").await;
        let session = samples::session(&fixture.source, user.id, "token");
        let begun = fixture.sessions().begin(session.clone(), change(&fixture));
        begun.await.unwrap();
        let audit_length = fixture.audit_length().await;
        let set = fixture
            .sign_in()
            .set_password(user.id, samples::password("ada"), change(&fixture));
        assert_eq!(set.await, Ok(()));
        assert_eq!(
            password_of(&fixture, &user).await,
            Some("$argon2id$hash of ada".into())
        );
        assert_eq!(
            fixture.sessions().find(session.hash, samples::now()).await,
            Ok(None)
        );
        let link = fixture.sign_in().find_link(KeyHash::new("link"), samples::now());
        assert_eq!(link.await, Ok(None));
        assert_eq!(fixture.actions_after(audit_length).await, ["user.password"]);
        let log = fixture.access().list_audit(AuditFilter::default(), samples::everything()).await.unwrap().rows;
        assert_eq!(log[0].detail, "set the password of \"Ada\" and ended 1 sessions");
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn nobody_gets_a_password_or_a_link_who_is_not_there(fixture: Fixture) {
        let nobody = samples::user(&fixture.source, "Nobody");
        let not_found = StoreError::NotFound { what: "user" };
        let set = fixture
            .sign_in()
            .set_password(nobody.id, samples::password("nobody"), change(&fixture));
        assert_eq!(set.await, Err(not_found.clone()));
        let made =
            fixture
                .sign_in()
                .create_link(KeyHash::new("link"), nobody.id, samples::now(), change(&fixture));
        assert_eq!(made.await, Err(not_found.clone()));
        assert_eq!(fixture.sign_in().find_by_id(nobody.id).await, Err(not_found));
        assert_eq!(fixture.audit_length().await, 0);
    }

    async fn a_link_works_once(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let user = user(&fixture, "Ada").await;
        let session = samples::session(&fixture.source, user.id, "token");
        let begun = fixture.sessions().begin(session.clone(), change(&fixture));
        begun.await.unwrap();
        let audit_length = fixture.audit_length().await;
        let link = make_link(&fixture, &user, "link").await;
        let sign_in = fixture.sign_in();
        assert_eq!(
            sign_in.find_link(link, samples::now()).await,
            Ok(Some(user.clone()))
        );
        let used = sign_in.use_link(link, samples::password("ada"), change(&fixture));
        assert_eq!(used.await, Ok(user.clone()));
        let again = sign_in.use_link(link, samples::password("again"), change(&fixture));
        assert_eq!(again.await, Err(StoreError::NotFound { what: "sign-in link" }));
        assert_eq!(sign_in.find_link(link, samples::now()).await, Ok(None));
        assert_eq!(
            password_of(&fixture, &user).await,
            Some("$argon2id$hash of ada".into())
        );
        assert_eq!(
            fixture.sessions().find(session.hash, samples::now()).await,
            Ok(None)
        );
        assert_eq!(
            fixture.actions_after(audit_length).await,
            ["user.sign_in_link", "user.use_link"]
        );
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn an_expired_link_does_not_work(fixture: Fixture) {
        let user = user(&fixture, "Ada").await;
        let (hash, expires_at) = (KeyHash::new("link"), samples::now());
        let sign_in = fixture.sign_in();
        let made = sign_in.create_link(hash, user.id, expires_at, change(&fixture));
        made.await.unwrap();
        let before = sign_in.find_link(hash, samples::hours_ago(1));
        assert_eq!(before.await, Ok(Some(user.clone())));
        assert_eq!(sign_in.find_link(hash, expires_at).await, Ok(None));
        let used = sign_in.use_link(hash, samples::password("late"), change(&fixture));
        assert_eq!(used.await, Err(StoreError::NotFound { what: "sign-in link" }));
        assert_eq!(password_of(&fixture, &user).await, None);
    }

    async fn a_link_ends_with_the_address_that_it_was_sent_to(fixture: Fixture) {
        let before = user(&fixture, "Ada").await;
        let link = make_link(&fixture, &before, "link").await;
        let sign_in = fixture.sign_in();
        let renamed = User {
            name: "Ada L.".into(),
            ..before
        };
        let renamed = fixture.users().update(renamed, change(&fixture)).await.unwrap();
        assert_eq!(sign_in.find_link(link, samples::now()).await, Ok(Some(renamed.clone())));
        let moved = User {
            email: Some("ada@example.net".into()),
            ..renamed
        };
        fixture.users().update(moved, change(&fixture)).await.unwrap();
        assert_eq!(sign_in.find_link(link, samples::now()).await, Ok(None));
    }

    async fn a_new_link_replaces_the_one_before_of_the_same_person(fixture: Fixture) {
        let (ada, bob) = (user(&fixture, "Ada").await, user(&fixture, "Bob").await);
        let first = make_link(&fixture, &ada, "first").await;
        let other = make_link(&fixture, &bob, "other").await;
        let second = make_link(&fixture, &ada, "second").await;
        let sign_in = fixture.sign_in();
        assert_eq!(sign_in.find_link(first, samples::now()).await, Ok(None));
        assert_eq!(sign_in.find_link(second, samples::now()).await, Ok(Some(ada)));
        assert_eq!(sign_in.find_link(other, samples::now()).await, Ok(Some(bob)));
    }
}
