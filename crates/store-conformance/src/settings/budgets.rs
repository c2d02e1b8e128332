//! Budgets.

use std::time::Duration;

use limit::pace::Pace;
use model::time::Timestamp;
use store::budgets::{Budget, REMOVED_AT_ONCE, Taken};

use crate::cases;

use super::fixture::Fixture;
use super::samples;

/// Three at once, and one every ten seconds.
fn budget(of: &str) -> Budget {
    Budget::new("test", of, Pace::new(10_000_000, 30_000_000))
}

async fn spend(fixture: &Fixture, budgets: &[Budget], at: Timestamp) -> Option<u64> {
    let wait = fixture.budgets().spend(budgets.to_vec(), at).await.unwrap();
    wait.map(|wait| wait.as_secs())
}

async fn add(fixture: &Fixture, of: &str, count: u32, since: Timestamp, now: Timestamp) -> u64 {
    let budget = budget(of);
    let waits = fixture.budgets().add(vec![Taken { budget, count }], since, now);
    waits.await.unwrap()[0].as_secs()
}

fn after(seconds: u64) -> Timestamp {
    samples::now().plus(Duration::from_secs(seconds))
}

cases! {
    settings::budgets;

    async fn a_budget_holds_a_burst_and_fills_with_time(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let mine = [budget("mine")];
        let mut waits = Vec::new();
        for at in [0, 0, 0, 0, 9, 10, 10] {
            waits.push(spend(&fixture, &mine, after(at)).await);
        }
        assert_eq!(waits, [None, None, None, Some(10), Some(1), None, Some(10)]);
        assert_eq!(spend(&fixture, &[budget("yours")], after(0)).await, None);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn of_several_budgets_all_are_spent_or_none(fixture: Fixture) {
        let (mine, ours) = (budget("mine"), budget("ours"));
        for _ in 0..3 {
            assert_eq!(spend(&fixture, &[mine], after(0)).await, None);
        }
        for _ in 0..5 {
            assert_eq!(spend(&fixture, &[ours, mine], after(0)).await, Some(10));
        }
        for _ in 0..3 {
            assert_eq!(spend(&fixture, &[ours], after(0)).await, None);
        }
        assert_eq!(spend(&fixture, &[ours], after(0)).await, Some(10));
    }

    async fn what_is_given_back_can_be_spent_again(fixture: Fixture) {
        let both = [budget("mine"), budget("ours")];
        for _ in 0..10 {
            assert_eq!(spend(&fixture, &both, after(0)).await, None);
            fixture.budgets().give_back(both.to_vec(), after(0)).await.unwrap();
        }
        // Nothing was spent of it: there is no more than before.
        fixture.budgets().give_back(vec![budget("mine")], after(0)).await.unwrap();
        let mut allowed = 0;
        while spend(&fixture, &both, after(0)).await.is_none() {
            allowed += 1;
        }
        assert_eq!(allowed, 3);
    }

    async fn what_was_taken_without_asking_is_owed(fixture: Fixture) {
        assert_eq!(add(&fixture, "mine", 5, after(0), after(0)).await, 50);
        assert_eq!(spend(&fixture, &[budget("mine")], after(0)).await, Some(10), "believed up to a burst");
        assert_eq!(add(&fixture, "mine", 0, after(29), after(30)).await, 20);
        assert_eq!(spend(&fixture, &[budget("mine")], after(30)).await, None);
        // What was taken over ten seconds is one less than what was taken at their end.
        assert_eq!(add(&fixture, "yours", 2, after(0), after(10)).await, 10);
        assert_eq!(add(&fixture, "yours", 1_000_000, after(10), after(10)).await, 300, "ten bursts at most");
    }

    async fn a_row_of_a_clock_far_ahead_stops_nobody_for_long(fixture: Fixture) {
        let mine = [budget("mine")];
        for _ in 0..3 {
            assert_eq!(spend(&fixture, &mine, after(1_000_000)).await, None);
        }
        assert_eq!(spend(&fixture, &mine, after(0)).await, Some(10));
    }

    async fn rows_of_full_budgets_do_not_pile_up(fixture: Fixture) {
        for number in 0..100 {
            assert_eq!(spend(&fixture, &[budget(&number.to_string())], after(0)).await, None);
        }
        let rows = "SELECT count(*) FROM budgets";
        assert_eq!(fixture.count(rows).await, 100);
        for number in 0..10 {
            assert_eq!(spend(&fixture, &[budget(&format!("late {number}"))], after(7200)).await, None);
        }
        assert!(fixture.count(rows).await <= (110 - i64::from(REMOVED_AT_ONCE)).min(10));
    }
}
