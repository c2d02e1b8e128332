//! Several nodes on one database: whatever two of them do at the same moment, it is as if one had done it first.

use std::collections::HashSet;

use model::access::{KeyHash, Role};
use model::audit::Change;
use model::inbox::MAX_INBOXES;
use model::session::MAX_SESSIONS_PER_USER;
use store::StoreError;
use store::access::Access;
use store::budgets::{Budget, Budgets};
use store::catalog::{Services, Users};
use store::fleet::Fleet;
use store::inboxes::Inboxes;
use store::queue::Queue;
use store::receipts::{ReceiptState, Receipts};
use store::sessions::Sessions;
use store::sign_in::SignIn;
use store::webhooks::Webhooks;
use store_conformance::Opening;
use store_conformance::settings::samples;
use store_postgres::Database;

use super::backend::open_database;
use super::server::server;

/// How often two things are done at once, so that they meet in many ways.
const ROUNDS: u32 = 20;

/// Two nodes on a new database.
pub struct Nodes {
    pub database: String,
    pub first: Database,
    pub second: Database,
}

impl Nodes {
    pub async fn new() -> Self {
        let database = server().new_database();
        let url = server().url(&database);
        let open = |node| {
            let url = url.clone();
            async move {
                let opening = Opening {
                    node,
                    ..Opening::default()
                };
                open_database(&url, &opening).await.unwrap()
            }
        };
        let (first, second) = tokio::join!(open(1), open(2));
        Self {
            database,
            first,
            second,
        }
    }

    async fn count(&self, sql: &str) -> i64 {
        let connection = server().connect(&self.database).await;
        connection.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn execute(&self, sql: &str) {
        server()
            .connect(&self.database)
            .await
            .batch_execute(sql)
            .await
            .unwrap();
    }
}

fn is_one<T>(results: &[Result<T, StoreError>]) -> bool {
    results.iter().filter(|result| result.is_ok()).count() == 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_first_keys_and_of_two_first_admins_one_is_refused() {
    let source = samples::source();
    let change = || source.change(samples::actor(&source));
    let nodes = Nodes::new().await;
    let keys = tokio::join!(
        nodes
            .first
            .create_first_key(samples::key(&source, "one"), change()),
        nodes
            .second
            .create_first_key(samples::key(&source, "other"), change()),
    );
    assert!(is_one(&[keys.0, keys.1]));
    let [one, other] = ["One", "Other"].map(|name| samples::user(&source, name));
    let admins = tokio::join!(
        nodes
            .first
            .create_first_admin(one, samples::password("one"), change()),
        nodes
            .second
            .create_first_admin(other, samples::password("other"), change()),
    );
    assert!(is_one(&[admins.0, admins.1]));
    assert_eq!(nodes.count("SELECT count(*) FROM api_keys").await, 1);
    assert_eq!(nodes.count("SELECT count(*) FROM users").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_one_persons_however_it_is_written() {
    let source = samples::source();
    let change = || source.change(samples::actor(&source));
    let nodes = Nodes::new().await;
    for round in 0..ROUNDS {
        let mut users = ["ada", "ADA"].map(|name| samples::user(&source, &format!("{name}{round}")));
        users[1].role = Role::Admin;
        let [one, other] = users;
        let created = tokio::join!(
            Users::create(&nodes.first, one, change()),
            Users::create(&nodes.second, other, change())
        );
        assert!(is_one(&[created.0, created.1]), "in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_repeated_request_is_reserved_once_and_while_its_node_lives() {
    let nodes = Nodes::new().await;
    for node in [&nodes.first, &nodes.second] {
        Queue::heartbeat(node, samples::now()).await.unwrap();
    }
    for round in 0..ROUNDS {
        let key = format!("key {round}");
        let (one, other) = tokio::join!(begin(&nodes.first, &key), begin(&nodes.second, &key));
        let states = [one, other];
        assert!(states.contains(&ReceiptState::New), "{states:?}");
        assert!(states.contains(&ReceiptState::InProgress), "{states:?}");
    }
    assert_eq!(begin(&nodes.first, "left").await, ReceiptState::New);
    assert_eq!(begin(&nodes.second, "left").await, ReceiptState::InProgress);
    nodes.execute("DELETE FROM nodes WHERE id = 1").await;
    assert_eq!(begin(&nodes.second, "left").await, ReceiptState::New);
    // The run that was given up finds its reservation gone.
    let answer = store::receipts::Answer {
        status: 200,
        body: b"{}".to_vec(),
    };
    let late = nodes.first.finish("owner".into(), "left".into(), answer).await;
    assert!(matches!(late, Err(StoreError::NotFound { .. })), "{late:?}");
}

async fn begin(node: &Database, key: &str) -> ReceiptState {
    let begun = Receipts::begin(node, "owner".into(), key.into(), [1; 32], samples::now());
    begun.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_for_all_nodes_together() {
    let source = samples::source();
    let change = || source.change(samples::actor(&source));
    let nodes = Nodes::new().await;
    for number in 1..MAX_INBOXES {
        let inbox = samples::inbox(&source, &number.to_string());
        Inboxes::create(&nodes.first, inbox, change()).await.unwrap();
    }
    let [one, other] = ["one", "other"].map(|name| samples::inbox(&source, name));
    let created = tokio::join!(
        Inboxes::create(&nodes.first, one, change()),
        Inboxes::create(&nodes.second, other, change())
    );
    assert!(is_one(&[created.0, created.1]));

    let user = samples::user(&source, "Ada");
    let user = Users::create(&nodes.first, user, change()).await.unwrap();
    for number in 0..MAX_SESSIONS_PER_USER {
        let session = |node: &str| samples::session(&source, user.id, &format!("{node} {number}"));
        let begun = tokio::join!(
            Sessions::begin(&nodes.first, session("first"), change()),
            Sessions::begin(&nodes.second, session("second"), change())
        );
        assert_eq!(begun, (Ok(()), Ok(())));
    }
    let sessions = nodes.count("SELECT count(*) FROM sessions").await;
    assert_eq!(sessions, i64::from(MAX_SESSIONS_PER_USER));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_used_once() {
    let source = samples::source();
    let change = || source.change(samples::actor(&source));
    let nodes = Nodes::new().await;
    let user = samples::user(&source, "Ada");
    let user = Users::create(&nodes.first, user, change()).await.unwrap();
    for round in 0..ROUNDS {
        let hash = KeyHash::new(&format!("link {round}"));
        let until = samples::now().plus(std::time::Duration::from_secs(3600));
        nodes
            .first
            .create_link(hash, user.id, until, change())
            .await
            .unwrap();
        let used = tokio::join!(
            nodes.first.use_link(hash, samples::password("one"), change()),
            nodes.second.use_link(hash, samples::password("other"), change())
        );
        assert!(is_one(&[used.0, used.1]), "in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_never_names_a_service_that_is_deleted_beside_it() {
    let source = samples::source();
    let change = || -> Change { source.change(samples::actor(&source)) };
    let nodes = Nodes::new().await;
    for round in 0..ROUNDS {
        let service = samples::service(&source, &round.to_string(), None);
        let service = Services::create(&nodes.first, service, change()).await.unwrap();
        let settings = samples::settings("names it", vec![service.id]);
        let (created, deleted) = tokio::join!(
            Webhooks::create(
                &nodes.first,
                source.new_webhook_id(),
                settings,
                samples::secrets("names it"),
                samples::enabled(),
                change(),
            ),
            Services::delete(&nodes.second, service.id, change())
        );
        assert_ne!(created.is_ok(), deleted.is_ok(), "in round {round}");
    }
    let webhooks = Webhooks::list(&nodes.first, samples::everything()).await.unwrap();
    let services = Services::list(&nodes.second, samples::everything())
        .await
        .unwrap();
    let there: HashSet<_> = services.iter().map(|service| service.id).collect();
    let named = webhooks.iter().flat_map(|webhook| &webhook.settings.services);
    assert!(named.into_iter().all(|id| there.contains(id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_spend_a_budget_at_once_it_holds() {
    let nodes = Nodes::new().await;
    let pace = limit::pace::Pace::new(1_000_000, 7_000_000);
    let of = |name: &str| Budget::new("test", name, pace);
    for round in 0..ROUNDS {
        let (mine, ours) = (of(&format!("mine {round}")), of(&format!("ours {round}")));
        let spend = |node| Budgets::spend(node, vec![ours, mine], samples::now());
        let mut allowed = 0;
        for _ in 0..4 {
            let (a, b, c, d) = tokio::join!(
                spend(&nodes.first),
                spend(&nodes.second),
                spend(&nodes.first),
                spend(&nodes.second)
            );
            allowed += [a, b, c, d].iter().filter(|wait| **wait == Ok(None)).count();
        }
        assert_eq!(allowed, 7, "in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_acts_on_one_of_two_nodes() {
    let nodes = Nodes::new().await;
    for round in 0..ROUNDS {
        let key = format!("form {round}");
        let used = tokio::join!(
            nodes.first.use_up("session".into(), key.clone(), samples::now()),
            nodes.second.use_up("session".into(), key.clone(), samples::now()),
        );
        assert_ne!(used.0.unwrap(), used.1.unwrap(), "in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_hears_what_others_have_committed_but_not_that_they_live() {
    let source = samples::source();
    let nodes = Nodes::new().await;
    let now = samples::now();
    let at_first = || async { nodes.first.news(now).await.unwrap() };
    assert_eq!(at_first().await.other_nodes, 0, "nobody has given a sign of life");
    for node in [&nodes.first, &nodes.second] {
        node.heartbeat(now).await.unwrap();
    }
    // The second knows of the first before it has anything to tell.
    assert_eq!(nodes.second.news(now).await.unwrap().other_nodes, 1);
    let before = at_first().await;
    nodes.second.heartbeat(now).await.unwrap();
    nodes.second.news(now).await.unwrap();
    assert_eq!(at_first().await, before, "a heartbeat is no news");
    let key = samples::key(&source, "new");
    let change = source.change(samples::actor(&source));
    nodes.second.create_key(key, change).await.unwrap();
    nodes.second.news(now).await.unwrap();
    let after = at_first().await;
    assert!(after.progress != before.progress && after.other_nodes == 1);
    assert_eq!(at_first().await, after);
}
