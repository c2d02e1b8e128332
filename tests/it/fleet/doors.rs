//! Every entrance, on every server of a fleet: what one of them is told holds at the others, and what may happen once
//! happens once, wherever it is asked.

use std::path::Path;
use std::time::Duration;

use config::{Config, Database};
use model::access::Role;
use model::secret::SecretText;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::Client;
use url::Url;

use super::postgres;
use super::stream::Stream;
use crate::support::api_client::ApiClient;
use crate::support::authenticator::Authenticator;
use crate::support::page_client::{Page, PageClient};
use crate::support::test_app::{Names, TestApp};
use crate::web::passkeys::{self, FLOW_COOKIE};
use crate::web::people::{self, SESSION_COOKIE, set_up, sign_in};
use crate::web::sample::act_path;

/// How long what one server knows may take to reach another, before the test says that it never will.
const LIMIT: Duration = Duration::from_secs(20);
/// How often it is asked whether it has.
const PAUSE: Duration = Duration::from_millis(50);

/// Two servers on a new database.
struct Pair {
    first: TestApp,
    second: TestApp,
    database: String,
    _folders: [TempDir; 2],
}

impl Pair {
    async fn start() -> Self {
        Self::start_with(&|_| ()).await
    }

    /// Both start at the same moment, on a database with nothing in it.
    async fn start_with(change: &dyn Fn(&mut Config)) -> Self {
        let database = postgres::server().new_empty_database();
        let folders = [folder(), folder()];
        let start = |data: &Path| {
            let (database, data) = (database.clone(), data.to_owned());
            async move {
                let settings = |config: &mut Config| {
                    let url = postgres::server().url(&database);
                    config.database = Database::Postgres(SecretText::new(url));
                    change(config);
                };
                TestApp::start_with(&data, &settings, Names::default()).await
            }
        };
        let both = async { tokio::join!(start(folders[0].path()), start(folders[1].path())) };
        let (first, second) = Box::pin(both).await;
        Self {
            first,
            second,
            database,
            _folders: folders,
        }
    }

    /// A connection to the database, beside the servers'.
    async fn connection(&self) -> Client {
        postgres::server().connect(&self.database).await
    }

    /// The same person at both servers.
    async fn person(&self) -> [PageClient; 2] {
        let token = people::new_session(&self.first, Role::Admin).await;
        let visitors = [&self.first, &self.second].map(|app| {
            let visitor = PageClient::new(&app.base());
            visitor.keep_cookie(SESSION_COOKIE, &token);
            visitor
        });
        for visitor in &visitors {
            visitor.get("/").await.expect(200);
        }
        visitors
    }

    async fn create_service(&self) {
        let service = json!({"name": "Fleet"});
        self.first.api.post("/api/v1/services", service).await.expect(201);
    }
}

/// A data directory with the master key of all.
fn folder() -> TempDir {
    use std::os::unix::fs::OpenOptionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .mode(0o600)
        .open(folder.path().join("master.key"));
    std::io::Write::write_all(&mut file.unwrap(), "ab".repeat(32).as_bytes()).unwrap();
    folder
}

fn incident(title: &str) -> Value {
    json!({"title": title, "service": {"name": "Fleet"}})
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

fn hidden(page: &Page, name: &str) -> String {
    let marker = format!("name=\"{name}\" value=\"");
    let (_, after) = page.html.split_once(&marker).expect("the field is there");
    after.split('"').next().unwrap().to_owned()
}

/// Asks until the answer is as wanted; says how often.
async fn until(mut is_as_wanted: impl AsyncFnMut() -> bool) -> usize {
    let asked = async {
        let mut times = 1;
        while !is_as_wanted().await {
            times += 1;
            tokio::time::sleep(PAUSE).await;
        }
        times
    };
    tokio::time::timeout(LIMIT, asked)
        .await
        .expect("it comes in the end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_guesses_a_password_at_two_servers_has_one_budget() {
    let pair = Pair::start().await;
    let owner = set_up(&pair.first).await;
    let guessers = [&pair.first, &pair.second].map(|app| PageClient::new(&app.base()));
    let mut refused = Vec::new();
    for _ in 0..10 {
        for guesser in &guessers {
            refused.push(sign_in(guesser, "a wrong guess").await.status);
        }
    }
    let looked_at = refused.iter().filter(|status| **status == 401).count();
    assert_eq!(looked_at, 10, "{refused:?}");
    // Their clocks are not quite the same: the last one may be allowed by the one that is ahead.
    assert!(refused[12..].iter().all(|status| *status == 429), "{refused:?}");
    // A device that the owner has signed in with has a budget of its own.
    let at_second = PageClient::new(&pair.second.base());
    let device = owner
        .cookie("opsknight_device")
        .expect("set-up makes the device known");
    at_second.keep_cookie("opsknight_device", &device);
    sign_in(&at_second, people::PASSWORD).await.expect(303);
    at_second.get("/").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_in_rightly_spends_nothing() {
    let pair = Pair::start().await;
    set_up(&pair.first).await;
    for _ in 0..12 {
        let visitor = PageClient::new(&pair.second.base());
        sign_in(&visitor, people::PASSWORD).await.expect(303);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_one_rate_at_two_servers() {
    let pair = Pair::start_with(&|config| config.api.requests_per_second = 100).await;
    let key = pair.first.api.key();
    let clients = [&pair.first, &pair.second].map(|app| ApiClient::new(&app.base(), key));
    let list = async |client: &ApiClient| client.get("/api/v1/services").await.status;
    let mut spent = 0;
    while list(&clients[0]).await == 200 {
        spent += 1;
    }
    assert_eq!(spent, 100);
    let database = pair.connection().await;
    until(async || {
        let told = database
            .query_one("SELECT count(*) FROM budgets", &[])
            .await
            .unwrap();
        told.get::<_, i64>(0) > 0
    })
    .await;
    // The clocks stand still: nothing fills. The other server lets through what it does before it has asked.
    let asked = until(async || list(&clients[1]).await == 429).await;
    assert!(asked < 90, "{asked} requests passed at the second server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_of_one_server_acts_at_another_once() {
    let pair = Pair::start().await;
    let visitors = pair.person().await;
    let page = visitors[0].get("/settings/api-keys").await.expect(200);
    let once = hidden(&page, "once");
    let fields = [
        ("name", "reader"),
        ("scopes", "events:read"),
        ("lifetime", "never"),
        ("once", &once),
    ];
    let sent = tokio::join!(
        visitors[1].submit("/settings/api-keys", &fields),
        visitors[0].submit("/settings/api-keys", &fields),
    );
    let mut statuses = [sent.0.status, sent.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let again = visitors[1]
        .submit("/settings/api-keys", &fields)
        .await
        .expect(409);
    assert_eq!(again.error_code(), "used_form");
    let keys = pair.second.api.get("/api/v1/api-keys").await.expect(200).text;
    assert_eq!(keys.matches("\"reader\"").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_at_one_server_ends_at_all_within_a_second() {
    let pair = Pair::start().await;
    let draft = json!({"name": "short", "scopes": ["incidents:read"]});
    let made = pair
        .first
        .api
        .post("/api/v1/api-keys", draft)
        .await
        .expect(201)
        .json();
    let key = made["key"].as_str().unwrap();
    let clients = [&pair.first, &pair.second].map(|app| ApiClient::new(&app.base(), key));
    for client in &clients {
        client.get("/api/v1/incidents").await.expect(200);
    }
    let path = format!("/api/v1/api-keys/{}/revoke", id(&made));
    pair.first.api.post(&path, json!({})).await.expect(200);
    clients[0].get("/api/v1/incidents").await.expect(401);
    pair.second.advance(Duration::from_secs(1));
    clients[1].get("/api/v1/incidents").await.expect(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_out_at_one_server_is_out_at_all() {
    let pair = Pair::start().await;
    let visitors = pair.person().await;
    visitors[0].submit("/sign-out", &[]).await.expect(303);
    visitors[1].get("/").await.expect(303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_live_to_what_comes_in_at_another_server() {
    let pair = Pair::start().await;
    let visitors = pair.person().await;
    let named = [("name", "Fleet inbox")];
    let made = visitors[0].submit("/settings/inbox", &named).await.expect(303);
    let page = made.location().split('?').next().unwrap().to_owned();
    let inbox = page.rsplit('/').next().unwrap();
    let cookie = format!("{SESSION_COOKIE}={}", visitors[1].cookie(SESSION_COOKIE).unwrap());
    let mut live = Stream::open(&pair.second.base(), "/live", &[("cookie", &cookie)]).await;
    let arrival = visitors[0]
        .post(&format!("/in/{inbox}"), &[("said", "at the first")], &[])
        .await;
    assert_eq!(arrival.status, 200, "{}", arrival.html);
    live.read_until("data: look again", 1).await;
    let shown = visitors[1].get(&page).await.expect(200);
    assert!(shown.html.contains("at+the+first"), "{}", shown.html);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_events_goes_on_at_another_server_without_a_gap() {
    let pair = Pair::start().await;
    pair.create_service().await;
    let path = "/api/v1/events/stream";
    let bearers = [&pair.first, &pair.second].map(|app| format!("Bearer {}", app.api.key()));
    let mut at_first = Stream::open(&pair.first.base(), path, &[("authorization", &bearers[0])]).await;
    for (app, title) in [
        (&pair.second, "one"),
        (&pair.first, "two"),
        (&pair.second, "three"),
    ] {
        app.api
            .post("/api/v1/incidents", incident(title))
            .await
            .expect(201);
    }
    at_first.read_until("\nid: ", 3).await;
    at_first.read_until("three", 1).await;
    let seen = at_first.events();
    let titles =
        |events: &[(String, String)]| events.iter().map(|(_, title)| title.clone()).collect::<Vec<_>>();
    assert_eq!(titles(&seen), ["one", "two", "three"]);
    drop(at_first);
    pair.first
        .api
        .post("/api/v1/incidents", incident("four"))
        .await
        .expect(201);
    let resumed = [
        ("authorization", bearers[1].as_str()),
        ("last-event-id", seen[0].0.as_str()),
    ];
    let mut at_second = Stream::open(&pair.second.base(), path, &resumed).await;
    at_second.read_until("four", 1).await;
    pair.first
        .api
        .post("/api/v1/incidents", incident("five"))
        .await
        .expect(201);
    at_second.read_until("five", 1).await;
    at_second.read_until("\n\n", 5).await;
    assert_eq!(titles(&at_second.events()), ["two", "three", "four", "five"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_with_an_idempotency_key_acts_at_one_of_two_servers() {
    let pair = Pair::start().await;
    pair.create_service().await;
    let clients = [&pair.first, &pair.second].map(|app| ApiClient::new(&app.base(), pair.first.api.key()));
    for round in 0..5 {
        for (path, body) in [
            ("/api/v1/incidents", incident(&format!("incident {round}"))),
            ("/api/v1/services", json!({"name": format!("service {round}")})),
        ] {
            let key = format!("{path} {round}");
            let headers = [("idempotency-key", key.as_str())];
            let send = async |client: &ApiClient| {
                let mut answer = client
                    .send("POST", path, Some(body.clone()), &headers)
                    .await
                    .unwrap();
                // The other server is at work on it.
                while answer.status == 409 {
                    tokio::time::sleep(PAUSE).await;
                    answer = client
                        .send("POST", path, Some(body.clone()), &headers)
                        .await
                        .unwrap();
                }
                id(&answer.expect(201).json())
            };
            let (one, other) = tokio::join!(send(&clients[0]), send(&clients[1]));
            assert_eq!(one, other, "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_of_a_message_acts_once_whichever_server_opens_it() {
    let pair = Pair::start().await;
    pair.create_service().await;
    let made = pair
        .first
        .api
        .post("/api/v1/incidents", incident("linked"))
        .await
        .expect(201)
        .json();
    let path = format!("/act/{}", act_path(&pair.first, &id(&made)).await);
    let visitors = [&pair.first, &pair.second].map(|app| PageClient::new(&app.base()));
    for visitor in &visitors {
        visitor.get(&path).await.expect(200);
    }
    tokio::join!(visitors[0].submit(&path, &[]), visitors[1].submit(&path, &[]));
    visitors[0].submit(&path, &[]).await;
    let events = pair.second.api.get("/api/v1/events").await.expect(200).text;
    assert_eq!(events.matches("incident.resolved").count(), 1, "{events}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_are_new_at_once_have_one_set_up_link() {
    let pair = Pair::start().await;
    let tokens = [&pair.first, &pair.second].map(TestApp::set_up_token);
    assert_eq!(tokens[0], tokens[1], "a proxy may lead to either");
    let visitors = [&pair.first, &pair.second].map(|app| PageClient::new(&app.base()));
    let made = tokio::join!(
        people::use_set_up_link(&visitors[0], &tokens[0]),
        people::use_set_up_link(&visitors[1], &tokens[1]),
    );
    let mut statuses = [made.0.status, made.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 303, "{statuses:?}");
    assert!(statuses[1] >= 400, "one of them is refused: {statuses:?}");
    for visitor in &visitors {
        visitor.get("/setup").await.expect(303);
        assert_ne!(people::use_set_up_link(visitor, &tokens[0]).await.status, 303);
    }
    let users = pair.second.api.get("/api/v1/users").await.expect(200).json();
    assert_eq!(users["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_by_a_passkey_that_one_server_began_is_finished_once_at_another() {
    const ORIGIN: &str = "http://localhost:9999";
    let pair = Pair::start_with(&|config| config.public_url = Some(Url::parse(ORIGIN).unwrap())).await;
    let ada = set_up(&pair.first).await;
    let mut authenticator = Authenticator::new(ORIGIN);
    passkeys::add(&ada, "Key ring", &mut authenticator)
        .await
        .expect(303);
    let [begun, finished] = [&pair.first, &pair.second].map(|app| PageClient::new(&app.base()));
    let answered = authenticator.get(&passkeys::asked_to_sign_in(&begun).await);
    let browser = begun.cookie(FLOW_COOKIE).unwrap();
    finished.keep_cookie(FLOW_COOKIE, &browser);
    let both = tokio::join!(
        passkeys::answer(&begun, &answered),
        passkeys::answer(&finished, &answered)
    );
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 401]);
    finished.keep_cookie(FLOW_COOKIE, &browser);
    passkeys::answer(&finished, &answered).await.expect(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_every_entrance_says_so_and_when_to_come_back() {
    let pair = Pair::start().await;
    let [visitor, _] = pair.person().await;
    let document = pair
        .first
        .api
        .get("/api/v1/openapi.json")
        .await
        .expect(200)
        .json();
    let others = postgres::server().connect("postgres").await;
    let name = &pair.database;
    let close = format!(
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    others.batch_execute(&close).await.unwrap();
    until(async || pair.first.api.get("/readyz").await.status == 503).await;
    pair.first.api.get("/healthz").await.expect(200);
    // With a key that is still believed, and with one that must be looked up.
    for path in ["incidents", "webhooks", "events", "deliveries", "events/stream"] {
        refused(&pair.first.api, "GET", &format!("/api/v1/{path}")).await;
    }
    pair.first.advance(Duration::from_secs(2));
    let asked = ask_all(&pair.first.api, &document).await;
    assert!(asked > 40, "{asked} routes");
    for path in ["/", "/incidents", "/settings/integrations"] {
        let page = visitor.get(path).await.expect(503);
        assert_eq!(
            (page.error_code(), page.header("retry-after")),
            ("unavailable", "1"),
            "{path}"
        );
    }
    let page = sign_in(&PageClient::new(&pair.first.base()), people::PASSWORD)
        .await
        .expect(503);
    assert_eq!(page.error_code(), "unavailable");
    let open = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
    others.batch_execute(&open).await.unwrap();
    until(async || pair.first.api.get("/readyz").await.status == 200).await;
    pair.first.api.get("/api/v1/incidents").await.expect(200);
    visitor.get("/incidents").await.expect(200);
}

/// Asks every route of the API that needs a key; says how many there are.
async fn ask_all(api: &ApiClient, document: &Value) -> usize {
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let of_api =
            path.starts_with("/api/v1/") && !path.ends_with("/openapi.json") && path != "/api/v1/setup";
        let methods = operations.as_object().unwrap().keys().filter(|_| of_api);
        for method in methods {
            refused(api, &method.to_uppercase(), &path.replace(['{', '}'], "x")).await;
            asked += 1;
        }
    }
    asked
}

/// The answer says that the store is away, and when to come back.
async fn refused(api: &ApiClient, method: &str, path: &str) {
    let answer = api.send(method, path, Some(json!({})), &[]).await.unwrap();
    assert_eq!(answer.status, 503, "{method} {path}: {}", answer.text);
    assert_eq!(
        answer.header("content-type"),
        "application/problem+json",
        "{method} {path}"
    );
    assert_eq!(answer.header("retry-after"), "1", "{method} {path}");
    assert_eq!(answer.json()["code"], "store_unavailable", "{method} {path}");
}
