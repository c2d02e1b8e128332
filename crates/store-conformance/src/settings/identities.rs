//! Who people are at an OpenID provider.

use model::access::{KeyHash, Role};
use model::audit::Change;
use model::identity::{Identity, ProvenPerson};
use model::user::User;
use store::StoreError;
use store::identities::MAX_IDENTITIES_PER_USER;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

fn change(fixture: &Fixture) -> Change {
    fixture.source.change(samples::actor(&fixture.source))
}

fn identity(subject: &str) -> Identity {
    Identity {
        issuer: "https://id.example".into(),
        subject: subject.into(),
    }
}

fn person(subject: &str, email: Option<&str>) -> ProvenPerson {
    ProvenPerson {
        identity: identity(subject),
        name: format!("Name of {subject}"),
        email: email.map(str::to_owned),
    }
}

async fn admit(fixture: &Fixture, person: ProvenPerson, role: Role) -> Result<User, StoreError> {
    let id = fixture.source.new_user_id();
    let identities = fixture.identities();
    identities.admit(person, role, id, change(fixture)).await
}

/// Begins a session of a user; its hash.
async fn begin_session(fixture: &Fixture, user: &User) -> KeyHash {
    let session = samples::session(&fixture.source, user.id, "ses_a");
    let hash = session.hash;
    fixture.sessions().begin(session, change(fixture)).await.unwrap();
    hash
}

cases! {
    settings::identities;

    async fn somebody_new_becomes_a_user_who_is_found_again_and_whose_role_follows(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let audit_length = fixture.audit_length().await;
        assert_eq!(fixture.identities().find(identity("a")).await, Ok(None));
        let made = admit(&fixture, person("a", Some("a@example.org")), Role::Viewer).await.unwrap();
        assert_eq!((made.role, made.email.as_deref()), (Role::Viewer, Some("a@example.org")));
        let again = person("a", Some("other@example.org"));
        assert_eq!(admit(&fixture, again.clone(), Role::Viewer).await, Ok(made.clone()));
        let promoted = User { role: Role::Admin, ..made.clone() };
        assert_eq!(admit(&fixture, again, Role::Admin).await, Ok(promoted.clone()));
        assert_eq!(fixture.identities().find(identity("a")).await, Ok(Some(promoted.clone())));
        assert_eq!(fixture.users().get(made.id).await, Ok(promoted));
        assert_eq!(fixture.actions_after(audit_length).await, ["user.create", "user.update"]);
        let other_issuer = Identity { issuer: "https://id.example/".into(), ..identity("a") };
        assert_eq!(fixture.identities().find(other_issuer).await, Ok(None));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn an_address_that_is_somebodys_lets_nobody_in(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let email = bystanders.user.email.clone().unwrap().to_uppercase();
        let refused = admit(&fixture, person("a", Some(&email)), Role::Admin).await;
        assert!(matches!(refused, Err(StoreError::Taken { .. })), "{refused:?}");
        assert_eq!(fixture.identities().find(identity("a")).await, Ok(None));
        assert_eq!(fixture.count("SELECT count(*) FROM identities").await, 0);
        assert!(admit(&fixture, person("a", None), Role::Viewer).await.is_ok());
        assert!(admit(&fixture, person("b", None), Role::Viewer).await.is_ok());
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn an_identity_is_tied_to_one_user_only(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let audit_length = fixture.audit_length().await;
        let (identities, user) = (fixture.identities(), bystanders.user.clone());
        for _ in 0..2 {
            assert_eq!(identities.link(identity("a"), user.id, change(&fixture)).await, Ok(()));
        }
        let admitted = admit(&fixture, person("a", None), user.role).await;
        assert_eq!(admitted, Ok(user.clone()));
        let other = admit(&fixture, person("b", None), Role::Viewer).await.unwrap();
        let refused = identities.link(identity("a"), other.id, change(&fixture)).await;
        assert!(matches!(refused, Err(StoreError::Taken { .. })), "{refused:?}");
        assert_eq!(fixture.actions_after(audit_length).await, ["user.link", "user.create"]);
        let listed = identities.list(user.id).await.unwrap();
        let listed: Vec<_> = listed.into_iter().map(|linked| (linked.identity, linked.last_used_at.is_some())).collect();
        assert_eq!(listed, [(identity("a"), true)]);
        for number in 1..MAX_IDENTITIES_PER_USER {
            let one_more = identities.link(identity(&format!("x{number}")), user.id, change(&fixture));
            assert_eq!(one_more.await, Ok(()));
        }
        let beyond = identities.link(identity("y"), user.id, change(&fixture)).await;
        assert!(matches!(beyond, Err(StoreError::Conflict(_))), "{beyond:?}");
        let nobody = identities.link(identity("z"), fixture.source.new_user_id(), change(&fixture)).await;
        assert_eq!(nobody, Err(StoreError::NotFound { what: "user" }));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn untying_ends_the_sessions_and_deleting_a_user_forgets_the_identity(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let audit_length = fixture.audit_length().await;
        let identities = fixture.identities();
        let user = admit(&fixture, person("a", None), Role::Viewer).await.unwrap();
        let hash = begin_session(&fixture, &user).await;
        assert_eq!(identities.unlink(user.id, change(&fixture)).await, Ok(1));
        assert_eq!(identities.unlink(user.id, change(&fixture)).await, Ok(0));
        assert_eq!(fixture.sessions().find(hash, samples::now()).await, Ok(None));
        assert_eq!(identities.find(identity("a")).await, Ok(None));
        let actions = ["user.create", "session.begin", "user.unlink"];
        assert_eq!(fixture.actions_after(audit_length).await, actions);
        identities.link(identity("a"), user.id, change(&fixture)).await.unwrap();
        fixture.users().delete(user.id, change(&fixture)).await.unwrap();
        assert_eq!(fixture.count("SELECT count(*) FROM identities").await, 0);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }
}
