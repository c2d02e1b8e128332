//! Passkeys.

use model::audit::Change;
use model::id::UserId;
use model::passkey::{Credential, Passkey};
use store::StoreError;
use store::passkeys::MAX_PASSKEYS_PER_USER;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

fn change(fixture: &Fixture) -> Change {
    fixture.source.change(samples::actor(&fixture.source))
}

async fn user(fixture: &Fixture, name: &str) -> UserId {
    let user = samples::user(&fixture.source, name);
    fixture.users().create(user, change(fixture)).await.unwrap().id
}

/// A passkey of a user that was never used, with this name for itself and its credential.
fn passkey(fixture: &Fixture, user_id: UserId, name: &str) -> Passkey {
    Passkey {
        id: fixture.source.new_passkey_id(),
        user_id,
        name: name.into(),
        credential: Credential {
            id: name.into(),
            public_key: vec![0, 1, 255],
            sign_count: 0,
        },
        created_at: fixture.source.now(),
        last_used_at: None,
    }
}

async fn create(fixture: &Fixture, passkey: &Passkey) -> Result<(), StoreError> {
    fixture.passkeys().create(passkey.clone(), change(fixture)).await
}

cases! {
    settings::passkeys;

    async fn a_passkey_is_found_by_its_credential_and_among_those_of_its_person(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let (ada, bob) = (user(&fixture, "ada").await, user(&fixture, "bob").await);
        let audit_length = fixture.audit_length().await;
        let keys = [(ada, "a"), (ada, "b"), (bob, "c")].map(|(user, name)| passkey(&fixture, user, name));
        for key in &keys {
            assert_eq!(create(&fixture, key).await, Ok(()));
        }
        let passkeys = fixture.passkeys();
        assert_eq!(passkeys.find(b"b".into()).await, Ok(Some(keys[1].clone())));
        assert_eq!(passkeys.find(b"B".into()).await, Ok(None));
        assert_eq!(passkeys.list(ada).await, Ok(keys[..2].to_vec()));
        assert_eq!(passkeys.list(bystanders.user.id).await, Ok(Vec::new()));
        assert_eq!(fixture.actions_after(audit_length).await, ["user.passkey"; 3]);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_credential_is_one_persons_and_a_person_has_so_many(fixture: Fixture) {
        let (ada, bob) = (user(&fixture, "ada").await, user(&fixture, "bob").await);
        create(&fixture, &passkey(&fixture, ada, "a")).await.unwrap();
        let audit_length = fixture.audit_length().await;
        let taken = StoreError::Taken { what: "passkey", field: "credential" };
        for user in [ada, bob] {
            assert_eq!(create(&fixture, &passkey(&fixture, user, "a")).await, Err(taken.clone()));
        }
        let nobody = passkey(&fixture, fixture.source.new_user_id(), "b");
        assert_eq!(create(&fixture, &nobody).await, Err(StoreError::NotFound { what: "user" }));
        assert_eq!(fixture.actions_after(audit_length).await, [""; 0]);
        for number in 1..MAX_PASSKEYS_PER_USER {
            create(&fixture, &passkey(&fixture, ada, &number.to_string())).await.unwrap();
        }
        let beyond = create(&fixture, &passkey(&fixture, ada, "one more")).await;
        assert!(matches!(beyond, Err(StoreError::Conflict(_))), "{beyond:?}");
        create(&fixture, &passkey(&fixture, bob, "one more")).await.unwrap();
    }

    async fn a_use_is_counted_if_the_counter_goes_on(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let ada = user(&fixture, "ada").await;
        let (counts, does_not) = (passkey(&fixture, ada, "counts"), passkey(&fixture, ada, "does not"));
        for key in [&counts, &does_not] {
            create(&fixture, key).await.unwrap();
        }
        let (passkeys, now) = (fixture.passkeys(), fixture.source.now());
        let steps = [(0, true), (7, true), (7, false), (6, false), (0, false), (u32::MAX, true), (0, false)];
        for (count, goes_on) in steps {
            assert_eq!(passkeys.count_use(counts.id, count, now).await, Ok(goes_on), "{count}");
        }
        for _ in 0..2 {
            assert_eq!(passkeys.count_use(does_not.id, 0, now).await, Ok(true));
        }
        let used = passkeys.list(ada).await.unwrap();
        let seen: Vec<_> = used.iter().map(|key| (key.credential.sign_count, key.last_used_at)).collect();
        assert_eq!(seen, [(u32::MAX, Some(now)), (0, Some(now))]);
        assert_eq!(passkeys.count_use(fixture.source.new_passkey_id(), 1, now).await, Ok(false));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn passkeys_go_one_by_one_all_at_once_or_with_their_person(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let (ada, bob) = (user(&fixture, "ada").await, user(&fixture, "bob").await);
        let keys = [(ada, "a"), (ada, "b"), (ada, "c"), (bob, "d")];
        let keys = keys.map(|(user, name)| passkey(&fixture, user, name));
        for key in &keys {
            create(&fixture, key).await.unwrap();
        }
        let audit_length = fixture.audit_length().await;
        let passkeys = fixture.passkeys();
        let missing = Err(StoreError::NotFound { what: "passkey" });
        assert_eq!(passkeys.delete(bob, keys[0].id, change(&fixture)).await, missing);
        assert_eq!(passkeys.delete(ada, keys[0].id, change(&fixture)).await, Ok(()));
        assert_eq!(passkeys.delete(ada, keys[0].id, change(&fixture)).await, missing);
        assert_eq!(passkeys.list(ada).await, Ok(keys[1..3].to_vec()));
        assert_eq!(passkeys.delete_all(ada, change(&fixture)).await, Ok(2));
        assert_eq!(passkeys.delete_all(ada, change(&fixture)).await, Ok(0));
        assert_eq!(fixture.actions_after(audit_length).await, ["user.passkey.delete"; 2]);
        assert_eq!(fixture.count("SELECT count(*) FROM passkeys").await, 1);
        fixture.users().delete(bob, change(&fixture)).await.unwrap();
        assert_eq!(fixture.count("SELECT count(*) FROM passkeys").await, 0);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }
}
