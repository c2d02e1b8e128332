//! Second factors.

use model::access::KeyHash;
use model::audit::Change;
use model::id::UserId;
use model::second_factor::{SECRET_BYTES, TotpSecret};
use store::StoreError;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

fn change(fixture: &Fixture) -> Change {
    fixture.source.change(samples::actor(&fixture.source))
}

fn secret() -> TotpSecret {
    TotpSecret::new([7; SECRET_BYTES])
}

/// A user with a second factor, whose code of step 100 is used, and with two recovery codes.
async fn user_with(fixture: &Fixture, name: &str) -> UserId {
    let user = samples::user(&fixture.source, name);
    let id = fixture.users().create(user, change(fixture)).await.unwrap().id;
    let codes = ["a", "b"]
        .map(|code| KeyHash::new(&format!("{name} {code}")))
        .into();
    let factors = fixture.second_factors();
    factors
        .create(id, secret(), 100, codes, change(fixture))
        .await
        .unwrap();
    id
}

cases! {
    settings::second_factors;

    async fn a_code_is_used_once_and_none_of_before(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let factors = fixture.second_factors();
        let (ada, bob) = (user_with(&fixture, "ada").await, user_with(&fixture, "bob").await);
        let found = factors.get(ada).await.unwrap().unwrap();
        assert_eq!((found.secret, found.last_step, found.recovery_codes), (secret(), 100, 2));
        for (step, is_new) in [(100, false), (101, true), (101, false), (99, false), (103, true)] {
            assert_eq!(factors.use_step(ada, step).await, Ok(is_new), "{step}");
        }
        assert_eq!(factors.get(bob).await.unwrap().unwrap().last_step, 100);
        assert_eq!(factors.use_step(bystanders.user.id, 101).await, Ok(false));
        assert_eq!(factors.get(bystanders.user.id).await, Ok(None));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_recovery_code_is_used_once_and_by_its_person(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let factors = fixture.second_factors();
        let (ada, bob) = (user_with(&fixture, "ada").await, user_with(&fixture, "bob").await);
        let audit_length = fixture.audit_length().await;
        let hash = KeyHash::new("ada a");
        assert_eq!(factors.use_recovery_code(bob, hash, change(&fixture)).await, Ok(false));
        assert_eq!(factors.use_recovery_code(ada, hash, change(&fixture)).await, Ok(true));
        assert_eq!(factors.use_recovery_code(ada, hash, change(&fixture)).await, Ok(false));
        assert_eq!(factors.get(ada).await.unwrap().unwrap().recovery_codes, 1);
        assert_eq!(factors.get(bob).await.unwrap().unwrap().recovery_codes, 2);
        assert_eq!(fixture.actions_after(audit_length).await, ["user.recovery_code"]);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_second_factor_is_made_once_and_goes_with_its_codes_or_its_person(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let factors = fixture.second_factors();
        let audit_length = fixture.audit_length().await;
        let (ada, bob) = (user_with(&fixture, "ada").await, user_with(&fixture, "bob").await);
        let again = factors.create(ada, secret(), 1, Vec::new(), change(&fixture)).await;
        assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
        assert_eq!(factors.delete(ada, change(&fixture)).await, Ok(true));
        assert_eq!(factors.delete(ada, change(&fixture)).await, Ok(false));
        assert_eq!(factors.get(ada).await, Ok(None));
        assert_eq!(fixture.count("SELECT count(*) FROM recovery_codes").await, 2);
        let created = ["user.create", "user.second_factor"];
        let expected = [&created[..], &created[..], &["user.second_factor.delete"]].concat();
        assert_eq!(fixture.actions_after(audit_length).await, expected);
        fixture.users().delete(bob, change(&fixture)).await.unwrap();
        assert_eq!(fixture.count("SELECT count(*) FROM recovery_codes").await, 0);
        let nobody = factors.create(bob, secret(), 1, Vec::new(), change(&fixture)).await;
        assert_eq!(nobody, Err(StoreError::NotFound { what: "user" }));
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }
}
