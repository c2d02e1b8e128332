//! Sessions of people who signed in.

use std::time::Duration;

use model::access::{KeyHash, Role};
use model::audit::Change;
use model::session::{MAX_SESSIONS_PER_USER, SESSION_IDLE_LIFETIME, SESSION_LIFETIME, Session};
use model::user::User;
use store::StoreError;
use store::access::AuditFilter;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn change(fixture: &Fixture) -> Change {
    fixture.source.change(samples::actor(&fixture.source))
}

async fn user(fixture: &Fixture, name: &str) -> User {
    let user = samples::user(&fixture.source, name);
    fixture.users().create(user, change(fixture)).await.unwrap()
}

async fn begin(fixture: &Fixture, session: Session) -> Session {
    let begun = fixture.sessions().begin(session.clone(), change(fixture));
    begun.await.unwrap();
    session
}

/// Begins sessions of a person, each last used a second after the one before.
async fn begin_many(fixture: &Fixture, user: &User, count: u32) -> Vec<Session> {
    let mut sessions = Vec::new();
    for second in 0..count {
        let session = Session {
            last_seen_at: samples::now().plus(Duration::from_secs(u64::from(second))),
            ..samples::session(&fixture.source, user.id, &format!("token {second}"))
        };
        sessions.push(begin(fixture, session).await);
    }
    sessions
}

cases! {
    settings::sessions;

    async fn a_session_is_found_by_its_hash_with_its_person_as_they_are_now(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let mut user = user(&fixture, "Ada").await;
        let audit_length = fixture.audit_length().await;
        let session = begin(&fixture, samples::session(&fixture.source, user.id, "token")).await;
        assert_eq!(fixture.actions_after(audit_length).await, ["session.begin"]);
        let log = fixture.access().list_audit(AuditFilter::default(), samples::everything()).await.unwrap().rows;
        assert_eq!(log[0].detail, "signed in from 192.0.2.7");
        user.role = Role::Viewer;
        fixture
            .users()
            .update(user.clone(), change(&fixture))
            .await
            .unwrap();
        let found = fixture.sessions().find(session.hash, samples::now());
        assert_eq!(found.await, Ok(Some((session, user))));
        let other = fixture.sessions().find(KeyHash::new("other"), samples::now());
        assert_eq!(other.await, Ok(None));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_session_ends_when_it_is_not_used_for_long(fixture: Fixture) {
        let user = user(&fixture, "Ada").await;
        let session = begin(&fixture, samples::session(&fixture.source, user.id, "token")).await;
        let sessions = fixture.sessions();
        let end = samples::now().plus(SESSION_IDLE_LIFETIME);
        let just_before = sessions.find(session.hash, end.minus(MILLISECOND)).await.unwrap();
        assert!(just_before.is_some());
        assert_eq!(sessions.find(session.hash, end).await, Ok(None));
        let audit_length = fixture.audit_length().await;
        let used_at = end.minus(DAY);
        sessions.touch(session.id, used_at).await.unwrap();
        assert_eq!(fixture.audit_length().await, audit_length);
        let (found, _) = sessions.find(session.hash, end).await.unwrap().unwrap();
        assert_eq!(
            found,
            Session {
                last_seen_at: used_at,
                ..session
            }
        );
    }

    async fn a_session_ends_some_day_however_often_it_is_used(fixture: Fixture) {
        let user = user(&fixture, "Ada").await;
        let session = begin(&fixture, samples::session(&fixture.source, user.id, "token")).await;
        let end = samples::now().plus(SESSION_LIFETIME);
        let sessions = fixture.sessions();
        sessions.touch(session.id, end.minus(MILLISECOND)).await.unwrap();
        let just_before = sessions.find(session.hash, end.minus(MILLISECOND)).await.unwrap();
        assert!(just_before.is_some());
        assert_eq!(sessions.find(session.hash, end).await, Ok(None));
    }

    async fn a_sign_in_removes_the_sessions_of_anybody_that_have_expired(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let (ada, bob) = (user(&fixture, "Ada").await, user(&fixture, "Bob").await);
        let unused = Session {
            last_seen_at: samples::now().minus(SESSION_IDLE_LIFETIME),
            ..samples::session(&fixture.source, ada.id, "unused")
        };
        let old = Session {
            created_at: samples::now().minus(SESSION_LIFETIME),
            ..samples::session(&fixture.source, ada.id, "old")
        };
        let young = Session {
            created_at: samples::now().minus(SESSION_LIFETIME - DAY),
            last_seen_at: samples::now().minus(SESSION_IDLE_LIFETIME - DAY),
            ..samples::session(&fixture.source, ada.id, "young")
        };
        begin(&fixture, unused).await;
        begin(&fixture, old).await;
        begin(&fixture, young.clone()).await;
        begin(&fixture, samples::session(&fixture.source, bob.id, "new")).await;
        let kept = fixture.sessions().list(ada.id, samples::now()).await;
        assert_eq!(kept, Ok(vec![young]));
        // Ada's, Bob's and the bystander's.
        assert_eq!(fixture.count("SELECT count(*) FROM sessions").await, 3);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn beyond_the_most_sessions_of_a_person_the_longest_unused_one_ends(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let user = user(&fixture, "Ada").await;
        let begun = begin_many(&fixture, &user, MAX_SESSIONS_PER_USER).await;
        let later = samples::now().plus(DAY);
        fixture.sessions().touch(begun[0].id, later).await.unwrap();
        let newest = Session {
            last_seen_at: later.plus(DAY),
            ..samples::session(&fixture.source, user.id, "newest")
        };
        begin(&fixture, newest.clone()).await;
        let listed = fixture.sessions().list(user.id, later).await.unwrap();
        let ids: Vec<_> = listed.iter().map(|session| session.id).collect();
        let mut expected = vec![newest.id, begun[0].id];
        expected.extend(begun[2..].iter().rev().map(|session| session.id));
        assert_eq!(ids, expected);
        assert_eq!(fixture.sessions().find(begun[1].hash, later).await, Ok(None));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn the_sessions_of_a_person_are_listed_while_they_hold_the_last_used_first(fixture: Fixture) {
        let user = user(&fixture, "Ada").await;
        let begun = begin_many(&fixture, &user, 3).await;
        let listed = fixture.sessions().list(user.id, samples::now()).await.unwrap();
        assert_eq!(listed, [begun[2].clone(), begun[1].clone(), begun[0].clone()]);
        let later = samples::now().plus(SESSION_IDLE_LIFETIME + Duration::from_secs(1));
        let listed = fixture.sessions().list(user.id, later).await.unwrap();
        assert_eq!(listed, [begun[2].clone()]);
    }

    async fn a_person_ends_their_own_sessions_and_nobody_elses(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let (ada, bob) = (user(&fixture, "Ada").await, user(&fixture, "Bob").await);
        let session = begin(&fixture, samples::session(&fixture.source, ada.id, "token")).await;
        let audit_length = fixture.audit_length().await;
        let sessions = fixture.sessions();
        let not_found = Err(StoreError::NotFound { what: "session" });
        assert_eq!(
            sessions.end(bob.id, session.id, change(&fixture)).await,
            not_found
        );
        let found = sessions.find(session.hash, samples::now()).await.unwrap();
        assert!(found.is_some());
        assert_eq!(sessions.end(ada.id, session.id, change(&fixture)).await, Ok(()));
        assert_eq!(sessions.find(session.hash, samples::now()).await, Ok(None));
        assert_eq!(
            sessions.end(ada.id, session.id, change(&fixture)).await,
            not_found
        );
        assert_eq!(sessions.touch(session.id, samples::now()).await, Ok(()));
        assert_eq!(sessions.find(session.hash, samples::now()).await, Ok(None));
        assert_eq!(fixture.actions_after(audit_length).await, ["session.end"]);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn deleting_a_user_ends_their_sessions_and_links(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let user = user(&fixture, "Ada").await;
        let session = begin(&fixture, samples::session(&fixture.source, user.id, "token")).await;
        let later = samples::now().plus(DAY);
        let link = fixture
            .sign_in()
            .create_link(KeyHash::new("link"), user.id, later, change(&fixture));
        link.await.unwrap();
        let deleted = fixture.users().delete(user.id, change(&fixture));
        assert_eq!(deleted.await, Ok(()));
        assert_eq!(
            fixture.sessions().find(session.hash, samples::now()).await,
            Ok(None)
        );
        let link = fixture.sign_in().find_link(KeyHash::new("link"), samples::now());
        assert_eq!(link.await, Ok(None));
        assert_eq!(fixture.count("SELECT count(*) FROM sessions").await, 1);
        assert_eq!(fixture.count("SELECT count(*) FROM sign_in_links").await, 0);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn nobody_signs_in_who_is_not_there(fixture: Fixture) {
        let nobody = samples::user(&fixture.source, "Nobody");
        let session = samples::session(&fixture.source, nobody.id, "token");
        assert_eq!(
            fixture.sessions().begin(session, change(&fixture)).await,
            Err(StoreError::UnknownReference { what: "user" })
        );
        assert_eq!(fixture.audit_length().await, 0);
    }
}
