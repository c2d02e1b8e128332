//! Pruning, the balance, the deep check, backups, new master keys.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use model::access::KeyHash;
use model::audit::Change;
use model::id::WebhookId;
use model::session::Session;
use store::StoreError;
use store::receipts::{Answer, ReceiptState};
use store::upkeep::{Balance, CheckListener, CheckProgress, Retention};

use crate::{Opening, Value, cases};

use super::fixture::Fixture;
use super::samples;

fn change(fixture: &Fixture) -> Change {
    fixture.source.change(samples::actor(&fixture.source))
}

async fn webhook(fixture: &Fixture) -> WebhookId {
    let id = fixture.source.new_webhook_id();
    let (settings, secrets) = (samples::settings("pruned", vec![]), samples::secrets("pruned"));
    fixture
        .webhooks()
        .create(id, settings, secrets, samples::enabled(), change(fixture))
        .await
        .unwrap();
    id
}

/// Delivered after 10 hours, dead after 100.
fn retention() -> Retention {
    Retention {
        delivered_before: samples::hours_ago(10),
        dead_before: samples::hours_ago(100),
        receipts_before: samples::hours_ago(24),
        activity_before: samples::hours_ago(48),
        message_refs_before: samples::hours_ago(60),
        inbox_requests_before: samples::hours_ago(72),
        alerts_before: samples::hours_ago(72),
        expired_by: samples::now(),
    }
}

async fn balance_of(fixture: &Fixture, id: WebhookId) -> Balance {
    let balances = fixture.upkeep().balance().await.unwrap();
    balances
        .into_iter()
        .find(|balance| balance.webhook_id == id)
        .unwrap()
}

async fn codes(fixture: &Fixture) -> Vec<&'static str> {
    let findings = fixture.upkeep().examine(samples::now()).await.unwrap();
    findings.iter().map(|finding| finding.code).collect()
}

cases! {
    settings::upkeep;

    async fn a_deep_check_tells_what_it_looks_at_and_is_broken_off_by_who_hears_it(fixture: Fixture) {
        fixture.plant_bystanders().await;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = |wanted: usize| -> CheckListener {
            let heard = Arc::clone(&heard);
            Arc::new(move |progress: CheckProgress| {
                let mut heard = heard.lock().unwrap();
                heard.push(progress.step);
                if heard.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
        };
        assert!(fixture.upkeep().examine_heard(samples::now(), listener(usize::MAX)).await.is_ok());
        let steps = std::mem::take(&mut *heard.lock().unwrap());
        for step in ["lanes", "deliveries", "events", "balance"] {
            assert!(steps.contains(&step), "{step} is not in {steps:?}");
        }
        let broken_off = fixture.upkeep().examine_heard(samples::now(), listener(2)).await;
        assert!(matches!(broken_off, Err(StoreError::Unavailable(_))), "{broken_off:?}");
        assert_eq!(heard.lock().unwrap().len(), 2);
    }

    async fn pruning_takes_what_is_finished_and_old_and_nothing_else(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let id = webhook(&fixture).await;
        let (ancient, old, young) = (
            samples::hours_ago(200),
            samples::hours_ago(50),
            samples::hours_ago(1),
        );
        fixture.plant(id, "dead", ancient).await;
        fixture.plant(id, "delivered", ancient).await;
        fixture.plant(id, "scheduled", ancient).await;
        fixture.plant(id, "queued", ancient).await;
        fixture.plant(id, "claimed", ancient).await;
        fixture.plant(id, "delivered", old).await;
        fixture.plant(id, "dead", old).await;
        fixture.plant(id, "delivered", young).await;
        assert_eq!(fixture.upkeep().prune(retention()).await, Ok(3));
        let mut left = fixture.states_of(id).await;
        left[..3].sort();
        assert_eq!(left, ["claimed", "queued", "scheduled", "dead", "delivered"]);
        let balance = balance_of(&fixture, id).await;
        assert_eq!((balance.accepted, balance.pruned, balance.missing()), (8, 3, 0));
        let orphans = "SELECT count(*) FROM attempts WHERE delivery_id NOT IN (SELECT id FROM deliveries)";
        assert_eq!(fixture.count(orphans).await, 0);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_dead_test_goes_as_early_as_a_delivered_one_and_is_not_counted(fixture: Fixture) {
        let id = webhook(&fixture).await;
        fixture.plant_test(id, "dead", samples::hours_ago(50)).await;
        fixture.plant_test(id, "claimed", samples::hours_ago(50)).await;
        assert_eq!(fixture.upkeep().prune(retention()).await, Ok(1));
        assert_eq!(fixture.states_of(id).await, ["claimed"]);
        let balance = balance_of(&fixture, id).await;
        assert_eq!((balance.accepted, balance.pruned, balance.open), (0, 0, 0));
    }

    async fn events_go_after_their_deliveries_once_both_times_have_passed(fixture: Fixture) {
        let id = webhook(&fixture).await;
        let incident_id = fixture.source.new_incident_id();
        fixture.plant(id, "delivered", samples::hours_ago(200)).await;
        fixture.plant(id, "scheduled", samples::hours_ago(199)).await;
        fixture.plant_event(incident_id, samples::hours_ago(150)).await;
        fixture.plant_event(incident_id, samples::hours_ago(50)).await;
        let upkeep = fixture.upkeep();
        assert_eq!(upkeep.prune(retention()).await, Ok(1));
        assert_eq!(upkeep.prune(retention()).await, Ok(2));
        assert_eq!(upkeep.prune(retention()).await, Ok(0));
        assert_eq!(fixture.count("SELECT count(*) FROM events").await, 2);
        assert_eq!(fixture.count("SELECT min(sequence) FROM events").await, 2);
        assert_eq!(fixture.states_of(id).await, ["scheduled"]);
    }

    async fn expired_receipts_go_last(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let receipts = fixture.receipts();
        let old = receipts.begin("owner".into(), "old".into(), [1; 32], samples::hours_ago(25));
        assert_eq!(old.await, Ok(ReceiptState::New));
        assert_eq!(fixture.upkeep().prune(retention()).await, Ok(1));
        assert_eq!(fixture.upkeep().prune(retention()).await, Ok(0));
        assert_eq!(fixture.count("SELECT count(*) FROM receipts").await, 1);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn old_activity_goes(fixture: Fixture) {
        let id = webhook(&fixture).await;
        for hours in [49, 48] {
            let sql = "INSERT INTO activity VALUES (?1, ?2, 1, 2, 3, ?3, ?3)";
            let at = samples::hours_ago(hours).as_millis();
            let no_times = Value::Bytes(vec![]);
            fixture.execute(sql, &[at.into(), id.as_bytes().into(), no_times]).await;
        }
        assert_eq!(fixture.upkeep().prune(retention()).await, Ok(1));
        assert_eq!(fixture.upkeep().prune(retention()).await, Ok(0));
        let left = "SELECT period_at FROM activity";
        assert_eq!(fixture.count(left).await, samples::hours_ago(48).as_millis());
    }

    async fn what_has_expired_goes_even_if_nobody_signs_in_and_nothing_comes(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let source = &fixture.source;
        let user = samples::user(source, "Ada");
        let user = fixture.users().create(user, change(&fixture)).await.unwrap();
        let long_ago = Change {
            at: samples::hours_ago(1000),
            ..change(&fixture)
        };
        let old = Session {
            created_at: samples::hours_ago(1000),
            last_seen_at: samples::hours_ago(200),
            ..samples::session(source, user.id, "old")
        };
        fixture.sessions().begin(old, long_ago).await.unwrap();
        let link = fixture.sign_in().create_link(
            KeyHash::new("link"),
            user.id,
            samples::hours_ago(0),
            change(&fixture),
        );
        link.await.unwrap();
        let inbox = samples::inbox(source, "Tests");
        let inbox = fixture.inboxes().create(inbox, change(&fixture)).await.unwrap();
        let request = samples::inbox_request(source, inbox.id, samples::hours_ago(73));
        fixture.inboxes().keep(request).await.unwrap();
        assert_eq!(fixture.count("SELECT count(*) FROM sessions").await, 2);
        assert_eq!(fixture.upkeep().prune(retention()).await, Ok(3));
        assert_eq!(fixture.upkeep().prune(retention()).await, Ok(0));
        assert_eq!(fixture.inboxes().requests(inbox.id).await, Ok(vec![]));
        assert_eq!(fixture.count("SELECT count(*) FROM sign_in_links").await, 0);
        assert_eq!(fixture.count("SELECT count(*) FROM sessions").await, 1);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn pruning_goes_in_batches_until_nothing_is_left(fixture: Fixture) {
        let id = webhook(&fixture).await;
        let rows: Vec<_> = (2..=1201).map(|n| format!("(?{n}, ?1, ?{n}, 1, 'delivered', 1, 1, 1)")).collect();
        let columns = "id, webhook_id, incident_id, event_sequence, state, due_at, created_at, finished_at";
        let sql = format!("INSERT INTO deliveries ({columns}) VALUES {}", rows.join(", "));
        let ids = (2..=1201_u128).map(|n| Value::from(&n.to_be_bytes()));
        let values: Vec<_> = [id.as_bytes().into()].into_iter().chain(ids).collect();
        fixture.execute(&sql, &values).await;
        fixture.execute("UPDATE ledger SET accepted = 1200", &[]).await;
        let upkeep = fixture.upkeep();
        assert_eq!(upkeep.prune(retention()).await, Ok(500));
        assert_eq!(upkeep.prune(retention()).await, Ok(500));
        assert_eq!(upkeep.prune(retention()).await, Ok(200));
        assert_eq!(upkeep.prune(retention()).await, Ok(0));
        let balance = balance_of(&fixture, id).await;
        assert_eq!((balance.pruned, balance.missing()), (1200, 0));
    }

    async fn a_delivery_replayed_behind_the_pruner_goes_in_the_next_round(fixture: Fixture) {
        let id = webhook(&fixture).await;
        let replayed = fixture.plant(id, "dead", samples::hours_ago(60)).await;
        fixture.plant(id, "delivered", samples::hours_ago(50)).await;
        assert_eq!(fixture.upkeep().prune(retention()).await, Ok(1));
        let sql = "UPDATE deliveries SET state = 'delivered' WHERE id = ?1";
        fixture.execute(sql, &[replayed.as_bytes().into()]).await;
        assert_eq!(fixture.upkeep().prune(retention()).await, Ok(0));
        assert_eq!(fixture.upkeep().prune(retention()).await, Ok(1));
        assert_eq!(balance_of(&fixture, id).await.missing(), 0);
    }

    async fn the_open_deliveries_of_a_deleted_webhook_die_but_for_those_in_hand(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let id = webhook(&fixture).await;
        fixture.plant(id, "scheduled", samples::hours_ago(4)).await;
        fixture.plant(id, "queued", samples::hours_ago(3)).await;
        fixture.plant(id, "claimed", samples::hours_ago(2)).await;
        fixture.plant(id, "delivered", samples::hours_ago(1)).await;
        assert_eq!(fixture.upkeep().bury_deleted(samples::now()).await, Ok(0));
        fixture.webhooks().delete(id, change(&fixture)).await.unwrap();
        assert_eq!(fixture.upkeep().bury_deleted(samples::now()).await, Ok(2));
        assert_eq!(fixture.upkeep().bury_deleted(samples::now()).await, Ok(0));
        assert_eq!(fixture.states_of(id).await, ["dead", "dead", "claimed", "delivered"]);
        let reasons = "SELECT count(*) FROM deliveries WHERE last_failure = 'webhook_deleted' AND finished_at = 1705314600000";
        assert_eq!(fixture.count(reasons).await, 2);
        assert_eq!(balance_of(&fixture, id).await.missing(), 0);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_healthy_store_has_no_findings(fixture: Fixture) {
        fixture.plant_bystanders().await;
        assert_eq!(codes(&fixture).await, [""; 0]);
    }

    async fn the_deep_check_finds_a_lane_without_a_head(fixture: Fixture) {
        let id = webhook(&fixture).await;
        fixture.plant(id, "queued", samples::hours_ago(1)).await;
        assert_eq!(codes(&fixture).await, ["lane_blocked"]);
    }

    async fn the_deep_check_finds_claims_of_nodes_without_a_lease(fixture: Fixture) {
        let id = webhook(&fixture).await;
        fixture.plant(id, "claimed", samples::hours_ago(1)).await;
        assert_eq!(codes(&fixture).await, ["claim_of_nobody"]);
        fixture.queue().heartbeat(samples::now()).await.unwrap();
        assert_eq!(codes(&fixture).await, [""; 0]);
    }

    async fn the_deep_check_finds_lost_events_and_lost_deliveries(fixture: Fixture) {
        let id = webhook(&fixture).await;
        fixture.plant(id, "scheduled", samples::hours_ago(1)).await;
        fixture.execute("DELETE FROM events", &[]).await;
        assert_eq!(codes(&fixture).await, ["event_missing"]);
        fixture.execute("DELETE FROM deliveries", &[]).await;
        assert_eq!(codes(&fixture).await, ["balance"]);
        assert_eq!(balance_of(&fixture, id).await.missing(), 1);
    }

    async fn the_balance_of_a_deleted_webhook_is_still_kept(fixture: Fixture) {
        let id = webhook(&fixture).await;
        fixture.plant(id, "delivered", samples::hours_ago(2)).await;
        fixture.plant(id, "dead", samples::hours_ago(1)).await;
        fixture.webhooks().delete(id, change(&fixture)).await.unwrap();
        let expected = Balance {
            superseded: 0,
            expired: 0,
            webhook_id: id,
            accepted: 2,
            pruned: 0,
            delivered: 1,
            open: 0,
            dead: 1,
        };
        assert_eq!(fixture.upkeep().balance().await, Ok(vec![expected]));
    }

    async fn after_a_rekey_the_new_master_key_alone_opens_everything(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let deleted = webhook(&fixture).await;
        fixture
            .webhooks()
            .delete(deleted, change(&fixture))
            .await
            .unwrap();
        let sealed = samples::alert_source(&fixture.source, &bystanders.service);
        fixture.sources().create(sealed.clone(), change(&fixture)).await.unwrap();
        let both = Opening {
            key: 2,
            previous_key: Some(1),
            ..Opening::default()
        };
        let new = Opening {
            key: 2,
            ..Opening::default()
        };
        let fixture = fixture.reopen(both).await;
        // Secret, headers and identity of one webhook, the empty secret of the other, an inbox, one answer, key and secret of a
        // source.
        assert_eq!(fixture.upkeep().rekey(change(&fixture)).await, Ok(9));
        let fixture = fixture.reopen(new).await;
        assert_eq!(fixture.see(&bystanders).await, bystanders);
        assert_eq!(fixture.sources().get(sealed.id).await, Ok(sealed));
        assert_eq!(fixture.upkeep().rekey(change(&fixture)).await, Ok(9));
    }

    async fn another_master_key_opens_nothing_and_says_what_to_do(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let other = Opening {
            key: 2,
            ..Opening::default()
        };
        let fixture = fixture.reopen(other).await;
        let refused = fixture.endpoints().load(bystanders.webhook.id).await.unwrap_err();
        assert!(
            refused.to_string().contains("OPSKNIGHT_PREVIOUS_MASTER_KEY"),
            "{refused}"
        );
        assert!(fixture.upkeep().rekey(change(&fixture)).await.is_err());
        let fixture = fixture.reopen(Opening::default()).await;
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn the_store_answers_and_describes_itself(fixture: Fixture) {
        assert_eq!(fixture.upkeep().ping().await, Ok(()));
        let info = fixture.upkeep().info().await.unwrap();
        assert!(info.backend.starts_with(fixture.backend().name()), "{}", info.backend);
        assert!(info.schema_version >= 1);
        assert!(info.size_bytes > info.free_bytes);
    }

    async fn a_store_whose_schema_nobody_has_changed_meanwhile_is_gone_on_with(fixture: Fixture) {
        assert_eq!(fixture.upkeep().outdated().await, Ok(None));
        assert!(fixture.upkeep().examine_server(samples::now()).await.is_ok());
    }

    async fn no_plain_secret_is_in_the_files(fixture: Fixture) {
        let bystanders = fixture.plant_bystanders().await;
        let receipts = fixture.receipts();
        receipts
            .begin("owner".into(), "key".into(), [1; 32], samples::now())
            .await
            .unwrap();
        let answer = Answer {
            status: 201,
            body: b"plain answer".to_vec(),
        };
        receipts
            .finish("owner".into(), "key".into(), answer)
            .await
            .unwrap();
        let bytes = fixture.backend().stored_bytes().await;
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(holds("X-Token"));
        let secrets = [
            "bystander secret",
            "bystander answer",
            "plain answer",
            "bystander token",
            "inbox secret of Bystander",
        ];
        assert_eq!(secrets.map(holds), [false; 5]);
        assert_eq!(bystanders.secrets.signing.reveal(), "bystander secret");
        let inbox_secret = bystanders.inbox.secret.unwrap();
        assert_eq!(inbox_secret.reveal(), "inbox secret of Bystander");
    }
}
