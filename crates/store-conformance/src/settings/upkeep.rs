//! Pruning, the balance, the deep check, backups, new master keys.

use model::access::KeyHash;
use model::audit::Change;
use model::id::WebhookId;
use model::session::Session;
use model::time::Timestamp;
use store::StoreError;
use store::receipts::{Answer, ReceiptState};
use store::upkeep::{Balance, Retention};

use super::backend::{Backend, Opening, open_database};
use super::samples;

fn change(backend: &Backend) -> Change {
    backend.source.change(samples::actor(&backend.source))
}

async fn webhook(backend: &Backend) -> WebhookId {
    let id = backend.source.new_webhook_id();
    let (settings, secrets) = (samples::settings("pruned", vec![]), samples::secrets("pruned"));
    backend
        .webhooks()
        .create(id, settings, secrets, samples::enabled(), change(backend))
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
        expired_by: samples::now(),
    }
}

async fn balance_of(backend: &Backend, id: WebhookId) -> Balance {
    let balances = backend.upkeep().balance().await.unwrap();
    balances
        .into_iter()
        .find(|balance| balance.webhook_id == id)
        .unwrap()
}

async fn codes(backend: &Backend) -> Vec<&'static str> {
    let findings = backend.upkeep().examine(samples::now()).await.unwrap();
    findings.iter().map(|finding| finding.code).collect()
}

#[tokio::test]
async fn pruning_takes_what_is_finished_and_old_and_nothing_else() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let id = webhook(&backend).await;
    let (ancient, old, young) = (
        samples::hours_ago(200),
        samples::hours_ago(50),
        samples::hours_ago(1),
    );
    backend.plant(id, "dead", ancient);
    backend.plant(id, "delivered", ancient);
    backend.plant(id, "scheduled", ancient);
    backend.plant(id, "queued", ancient);
    backend.plant(id, "claimed", ancient);
    backend.plant(id, "delivered", old);
    backend.plant(id, "dead", old);
    backend.plant(id, "delivered", young);
    assert_eq!(backend.upkeep().prune(retention()).await, Ok(3));
    let mut left = backend.states_of(id);
    left[..3].sort();
    assert_eq!(left, ["claimed", "queued", "scheduled", "dead", "delivered"]);
    let balance = balance_of(&backend, id).await;
    assert_eq!((balance.accepted, balance.pruned, balance.missing()), (8, 3, 0));
    let orphans = "SELECT count(*) FROM attempts WHERE delivery_id NOT IN (SELECT id FROM deliveries)";
    assert_eq!(backend.count(orphans), 0);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_dead_test_goes_as_early_as_a_delivered_one_and_is_not_counted() {
    let backend = Backend::open();
    let id = webhook(&backend).await;
    backend.plant_test(id, "dead", samples::hours_ago(50));
    backend.plant_test(id, "claimed", samples::hours_ago(50));
    assert_eq!(backend.upkeep().prune(retention()).await, Ok(1));
    assert_eq!(backend.states_of(id), ["claimed"]);
    let balance = balance_of(&backend, id).await;
    assert_eq!((balance.accepted, balance.pruned, balance.open), (0, 0, 0));
}

#[tokio::test]
async fn events_go_after_their_deliveries_once_both_times_have_passed() {
    let backend = Backend::open();
    let id = webhook(&backend).await;
    let incident_id = backend.source.new_incident_id();
    backend.plant(id, "delivered", samples::hours_ago(200));
    backend.plant(id, "scheduled", samples::hours_ago(199));
    backend.plant_event(incident_id, samples::hours_ago(150));
    backend.plant_event(incident_id, samples::hours_ago(50));
    let upkeep = backend.upkeep();
    assert_eq!(upkeep.prune(retention()).await, Ok(1));
    assert_eq!(upkeep.prune(retention()).await, Ok(2));
    assert_eq!(upkeep.prune(retention()).await, Ok(0));
    assert_eq!(backend.count("SELECT count(*) FROM events"), 2);
    assert_eq!(backend.count("SELECT min(sequence) FROM events"), 2);
    assert_eq!(backend.states_of(id), ["scheduled"]);
}

#[tokio::test]
async fn expired_receipts_go_last() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let receipts = backend.receipts();
    let old = receipts.begin("owner".into(), "old".into(), [1; 32], samples::hours_ago(25));
    assert_eq!(old.await, Ok(ReceiptState::New));
    assert_eq!(backend.upkeep().prune(retention()).await, Ok(1));
    assert_eq!(backend.upkeep().prune(retention()).await, Ok(0));
    assert_eq!(backend.count("SELECT count(*) FROM receipts"), 1);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn old_activity_goes() {
    let backend = Backend::open();
    let id = webhook(&backend).await;
    let plant = |at: Timestamp| {
        let sql = "INSERT INTO activity VALUES (?1, ?2, 1, 2, 3, x'01000000', x'')";
        backend
            .beside()
            .execute(sql, (at.as_millis(), id.as_bytes()))
            .unwrap();
    };
    plant(samples::hours_ago(49));
    plant(samples::hours_ago(48));
    assert_eq!(backend.upkeep().prune(retention()).await, Ok(1));
    assert_eq!(backend.upkeep().prune(retention()).await, Ok(0));
    let left = "SELECT period_at FROM activity";
    assert_eq!(backend.count(left), samples::hours_ago(48).as_millis());
}

#[tokio::test]
async fn what_has_expired_goes_even_if_nobody_signs_in_and_nothing_comes() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let source = &backend.source;
    let user = samples::user(source, "Ada");
    let user = backend.users().create(user, change(&backend)).await.unwrap();
    let long_ago = Change {
        at: samples::hours_ago(1000),
        ..change(&backend)
    };
    let old = Session {
        created_at: samples::hours_ago(1000),
        last_seen_at: samples::hours_ago(200),
        ..samples::session(source, user.id, "old")
    };
    backend.sessions().begin(old, long_ago).await.unwrap();
    let link = backend.sign_in().create_link(
        KeyHash::of("link"),
        user.id,
        samples::hours_ago(0),
        change(&backend),
    );
    link.await.unwrap();
    let inbox = samples::inbox(source, "Tests");
    let inbox = backend.inboxes().create(inbox, change(&backend)).await.unwrap();
    let request = samples::inbox_request(source, inbox.id, samples::hours_ago(73));
    backend.inboxes().keep(request).await.unwrap();
    assert_eq!(backend.count("SELECT count(*) FROM sessions"), 2);
    assert_eq!(backend.upkeep().prune(retention()).await, Ok(3));
    assert_eq!(backend.upkeep().prune(retention()).await, Ok(0));
    assert_eq!(backend.inboxes().requests(inbox.id).await, Ok(vec![]));
    assert_eq!(backend.count("SELECT count(*) FROM sign_in_links"), 0);
    assert_eq!(backend.count("SELECT count(*) FROM sessions"), 1);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn pruning_goes_in_batches_until_nothing_is_left() {
    let backend = Backend::open();
    let id = webhook(&backend).await;
    backend
        .beside()
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
             INSERT INTO deliveries (id, webhook_id, incident_id, event_sequence, state, due_at, created_at, finished_at)
             SELECT unhex(printf('%032x', i)), w.id, randomblob(16), 1, 'delivered', 1, 1, 1 FROM n, webhooks w;
             UPDATE ledger SET accepted = 1200;",
        )
        .unwrap();
    let upkeep = backend.upkeep();
    assert_eq!(upkeep.prune(retention()).await, Ok(500));
    assert_eq!(upkeep.prune(retention()).await, Ok(500));
    assert_eq!(upkeep.prune(retention()).await, Ok(200));
    assert_eq!(upkeep.prune(retention()).await, Ok(0));
    let balance = balance_of(&backend, id).await;
    assert_eq!((balance.pruned, balance.missing()), (1200, 0));
}

#[tokio::test]
async fn a_delivery_replayed_behind_the_pruner_goes_in_the_next_round() {
    let backend = Backend::open();
    let id = webhook(&backend).await;
    let replayed = backend.plant(id, "dead", samples::hours_ago(60));
    backend.plant(id, "delivered", samples::hours_ago(50));
    assert_eq!(backend.upkeep().prune(retention()).await, Ok(1));
    backend
        .beside()
        .execute(
            "UPDATE deliveries SET state = 'delivered' WHERE id = ?1",
            [replayed.as_bytes()],
        )
        .unwrap();
    assert_eq!(backend.upkeep().prune(retention()).await, Ok(0));
    assert_eq!(backend.upkeep().prune(retention()).await, Ok(1));
    assert_eq!(balance_of(&backend, id).await.missing(), 0);
}

#[tokio::test]
async fn the_open_deliveries_of_a_deleted_webhook_die_but_for_those_in_hand() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let id = webhook(&backend).await;
    backend.plant(id, "scheduled", samples::hours_ago(4));
    backend.plant(id, "queued", samples::hours_ago(3));
    backend.plant(id, "claimed", samples::hours_ago(2));
    backend.plant(id, "delivered", samples::hours_ago(1));
    assert_eq!(backend.upkeep().bury_deleted(samples::now()).await, Ok(0));
    backend.webhooks().delete(id, change(&backend)).await.unwrap();
    assert_eq!(backend.upkeep().bury_deleted(samples::now()).await, Ok(2));
    assert_eq!(backend.upkeep().bury_deleted(samples::now()).await, Ok(0));
    assert_eq!(backend.states_of(id), ["dead", "dead", "claimed", "delivered"]);
    let reasons = "SELECT count(*) FROM deliveries WHERE last_failure = 'webhook_deleted' AND finished_at = 1705314600000";
    assert_eq!(backend.count(reasons), 2);
    assert_eq!(balance_of(&backend, id).await.missing(), 0);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_healthy_store_has_no_findings() {
    let backend = Backend::open();
    backend.plant_bystanders().await;
    assert_eq!(codes(&backend).await, [""; 0]);
}

#[tokio::test]
async fn the_deep_check_finds_a_lane_without_a_head() {
    let backend = Backend::open();
    let id = webhook(&backend).await;
    backend.plant(id, "queued", samples::hours_ago(1));
    assert_eq!(codes(&backend).await, ["lane_blocked"]);
}

#[tokio::test]
async fn the_deep_check_finds_claims_of_nodes_without_a_lease() {
    let backend = Backend::open();
    let id = webhook(&backend).await;
    backend.plant(id, "claimed", samples::hours_ago(1));
    assert_eq!(codes(&backend).await, ["claim_of_nobody"]);
    let lease = samples::now().as_millis() + 1;
    backend
        .beside()
        .execute("INSERT INTO nodes (id, lease_until) VALUES (1, ?1)", [lease])
        .unwrap();
    assert_eq!(codes(&backend).await, [""; 0]);
}

#[tokio::test]
async fn the_deep_check_finds_lost_events_and_lost_deliveries() {
    let backend = Backend::open();
    let id = webhook(&backend).await;
    backend.plant(id, "scheduled", samples::hours_ago(1));
    backend.beside().execute_batch("DELETE FROM events").unwrap();
    assert_eq!(codes(&backend).await, ["event_missing"]);
    backend.beside().execute_batch("DELETE FROM deliveries").unwrap();
    assert_eq!(codes(&backend).await, ["balance"]);
    assert_eq!(balance_of(&backend, id).await.missing(), 1);
}

#[tokio::test]
async fn the_balance_of_a_deleted_webhook_is_still_kept() {
    let backend = Backend::open();
    let id = webhook(&backend).await;
    backend.plant(id, "delivered", samples::hours_ago(2));
    backend.plant(id, "dead", samples::hours_ago(1));
    backend.webhooks().delete(id, change(&backend)).await.unwrap();
    let expected = Balance {
        webhook_id: id,
        accepted: 2,
        pruned: 0,
        delivered: 1,
        open: 0,
        dead: 1,
    };
    assert_eq!(backend.upkeep().balance().await, Ok(vec![expected]));
}

#[tokio::test]
async fn a_backup_opens_as_a_store_with_everything_in_it() {
    use std::os::unix::fs::PermissionsExt;
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("opsknight.db");
    assert_eq!(
        backend.upkeep().backup(to.clone(), change(&backend)).await,
        Ok(())
    );
    let mode = std::fs::metadata(&to).unwrap().permissions().mode() & 0o777;
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!((mode, files), (0o600, 1));
    let copy = open_database(folder.path(), &Opening::default(), &std::sync::Arc::default()).unwrap();
    let webhook = store::webhooks::Endpoints::load(&copy, bystanders.webhook.id).await;
    assert_eq!(webhook.unwrap().unwrap().secrets, bystanders.secrets);
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn a_backup_never_overwrites_a_file() {
    let backend = Backend::open();
    let to = backend.directory().join("precious");
    std::fs::write(&to, "precious").unwrap();
    let refused = backend.upkeep().backup(to.clone(), change(&backend)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(to).unwrap(), "precious");
    let nowhere = backend
        .upkeep()
        .backup("/no/such/folder/copy".into(), change(&backend))
        .await;
    assert!(matches!(nowhere, Err(StoreError::Unavailable(_))), "{nowhere:?}");
}

#[tokio::test]
async fn after_a_rekey_the_new_master_key_alone_opens_everything() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let deleted = webhook(&backend).await;
    backend
        .webhooks()
        .delete(deleted, change(&backend))
        .await
        .unwrap();
    let both = Opening {
        key: 2,
        previous_key: Some(1),
        ..Opening::default()
    };
    let new = Opening {
        key: 2,
        ..Opening::default()
    };
    let backend = backend.reopen(&both);
    // Secret, headers and identity of one webhook, the empty secret of the other, an inbox, one answer.
    assert_eq!(backend.upkeep().rekey(change(&backend)).await, Ok(7));
    let backend = backend.reopen(&new);
    assert_eq!(backend.see(&bystanders).await, bystanders);
    assert_eq!(backend.upkeep().rekey(change(&backend)).await, Ok(7));
}

#[tokio::test]
async fn another_master_key_opens_nothing_and_says_what_to_do() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let other = Opening {
        key: 2,
        ..Opening::default()
    };
    let backend = backend.reopen(&other);
    let refused = backend.endpoints().load(bystanders.webhook.id).await.unwrap_err();
    assert!(
        refused.to_string().contains("OPSKNIGHT_PREVIOUS_MASTER_KEY"),
        "{refused}"
    );
    assert!(backend.upkeep().rekey(change(&backend)).await.is_err());
    let backend = backend.reopen(&Opening::default());
    assert_eq!(backend.see(&bystanders).await, bystanders);
}

#[tokio::test]
async fn the_store_answers_and_describes_itself() {
    let backend = Backend::open();
    assert_eq!(backend.upkeep().ping().await, Ok(()));
    let info = backend.upkeep().info().await.unwrap();
    assert!(info.backend.starts_with("SQLite 3."), "{}", info.backend);
    assert!(info.schema_version >= 1);
    assert!(info.size_bytes > info.free_bytes);
}

#[tokio::test]
async fn no_plain_secret_is_in_the_files() {
    let backend = Backend::open();
    let bystanders = backend.plant_bystanders().await;
    let receipts = backend.receipts();
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
    let files = std::fs::read_dir(backend.directory()).unwrap();
    let bytes: Vec<u8> = files
        .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
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
