//! Objects of a bucket: against the simulated service, and read back by Amazon's own client from moto, which checks signatures.

use std::time::Duration;

use clock::Env;
use serde_json::{Value, json};

use super::needed;
use crate::chat::Chat;
use crate::support::judge_server::JudgeServer;
use crate::support::test_app::{TestApp, text};

/// How long an event waits for others by default.
const WAIT: Duration = Duration::from_secs(60);
/// Beyond the first retry of the default schedule.
const RETRY: Duration = Duration::from_secs(70);

/// Lets time pass once what came before has arrived.
async fn pass(app: &TestApp, time: Duration) {
    app.quiesce().await;
    app.advance(time);
    app.quiesce().await;
}

/// The events in an object of the simulated bucket, behind its key.
fn lines(message: &str) -> Vec<Value> {
    let events = message.lines().skip(1);
    events.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn what_comes_in_time_is_one_object_in_the_order_of_its_events() {
    let chat = Chat::start("s3", needed("s3")).await;
    for number in 0..20 {
        chat.app.trigger(&format!("number {number} \u{2028}")).await;
    }
    chat.app.quiesce().await;
    assert_eq!(chat.platform.seen().len(), 0);
    pass(&chat.app, WAIT).await;
    let objects = chat.platform.texts();
    assert_eq!(objects.len(), 1);
    let titles: Vec<_> = lines(&objects[0])
        .iter()
        .map(|event| text(&event["incident"]["title"]))
        .collect();
    let expected: Vec<_> = (0..20)
        .map(|number| format!("number {number} \u{2028}"))
        .collect();
    assert_eq!(titles, expected);
    assert_eq!(chat.app.deliveries("status=delivered").await.len(), 20);
    let delivery = chat.app.deliveries("").await[0].clone();
    let path = format!("/api/v1/deliveries/{}", text(&delivery["id"]));
    let attempt = chat.app.api.get(&path).await.expect(200).json()["attempts"][0].clone();
    assert_eq!(attempt["isJoint"], true);
    let batch = text(&attempt["note"]).rsplit(' ').next().unwrap().to_owned();
    assert!(objects[0].lines().next().unwrap().contains(&batch), "{attempt:#}");
    assert!(
        text(&attempt["request"]["body"]).contains("incident.triggered"),
        "{attempt:#}"
    );
}

#[tokio::test]
async fn an_object_whose_answer_was_lost_is_one_object() {
    let chat = Chat::start("s3", needed("s3")).await;
    for number in 0..3 {
        chat.app.trigger(&format!("number {number}")).await;
    }
    chat.platform.fail_next("lost");
    pass(&chat.app, WAIT).await;
    chat.app.trigger("a newer one").await;
    pass(&chat.app, RETRY).await;
    pass(&chat.app, RETRY).await;
    let seen = chat.platform.seen();
    let sizes: Vec<_> = chat
        .platform
        .texts()
        .iter()
        .map(|text| lines(text).len())
        .collect();
    assert_eq!((seen.len(), sizes), (3, vec![3, 1]));
    assert_eq!(seen.iter().filter(|put| put.target == seen[0].target).count(), 2);
    assert_eq!(chat.app.deliveries("status=delivered").await.len(), 4);
}

#[tokio::test]
async fn a_wrong_key_holds_the_events_and_is_named() {
    let mut options = needed("s3");
    options["secretAccessKey"] = "another".into();
    options["maxSeconds"] = "0".into();
    let chat = Chat::start("s3", options).await;
    chat.app.trigger("Disk full").await;
    let delivery = chat.delivery(1).await;
    let failure = &delivery["attempts"][0]["failure"];
    assert_eq!(failure["code"], "settings_refused");
    let detail = text(&failure["detail"]);
    assert!(detail.contains("check the secret access key"), "{detail}");
    let shown = chat.platform.seen().pop().unwrap();
    assert!(!format!("{:?} {}", shown.headers, shown.body).contains("another"));
    assert!(!delivery.to_string().contains("Credential="), "{delivery:#}");
}

#[tokio::test]
async fn an_address_of_no_bucket_and_a_wrong_folder_are_refused() {
    let chat = Chat::start("s3", needed("s3")).await;
    let options = |name: &str, value: &str| {
        let mut options = needed("s3");
        options[name] = value.into();
        options
    };
    for (url, options, field) in [
        ("https://s3.eu-central-1.amazonaws.com", needed("s3"), "url"),
        (
            "https://minio.example/incidents",
            options("region", ""),
            "options.region",
        ),
        (
            "https://minio.example/incidents",
            options("prefix", "a b"),
            "options.prefix",
        ),
        (
            "https://minio.example/incidents",
            options("maxEvents", "0"),
            "options.maxEvents",
        ),
    ] {
        let webhook = json!({
            "name": "lake", "kind": "s3", "url": url, "events": ["incident.triggered"], "options": options,
        });
        let problem = chat
            .app
            .api
            .post("/api/v1/webhooks", webhook)
            .await
            .expect(422)
            .json();
        assert_eq!(problem["errors"][0]["field"], field, "{problem:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amazons_own_client_reads_what_a_server_took_that_checks_signatures() {
    let Some(mut moto) = JudgeServer::start("s3_server.py").await else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let app = TestApp::start(data.path()).await;
    app.advance(Env::system().now().since(app.source().now()));
    app.create_service().await;
    let options = json!({
        "accessKeyId": moto.set_up["key"], "secretAccessKey": moto.set_up["secret"], "region": "us-east-1",
        "prefix": "lake/dt={year}-{month}-{day}",
    });
    let url = text(&moto.set_up["url"]);
    let webhook = |options: &Value| {
        json!({"kind": "s3", "secret": null, "options": options,
            "headers": {"x-amz-storage-class": "STANDARD_IA"}})
    };
    app.create_webhook(&url, webhook(&options)).await;
    let title = "Überlauf {{ 7*7 }} \"q\" \\ <b> \u{0007} \u{ffff} 👩‍🚒";
    app.trigger(title).await;
    app.trigger("Disk full").await;
    pass(&app, WAIT).await;
    assert_eq!(app.deliveries("status=delivered").await.len(), 2);
    let received = moto.received().await;
    let objects = received.as_array().unwrap();
    assert_eq!(objects.len(), 1, "{received:#}");
    let first = &objects[0]["lines"][0];
    assert_eq!(first["incident"]["title"], title);
    let day = text(&first["timestamp"])[..10].to_owned();
    assert!(
        text(&objects[0]["key"]).starts_with(&format!("lake/dt={day}/")),
        "{received:#}"
    );
    assert_eq!(
        (&objects[0]["type"], &objects[0]["storage"]),
        (&json!("application/x-ndjson"), &json!("STANDARD_IA"))
    );
    let mut table = options.clone();
    table["format"] = "parquet".into();
    table["prefix"] = "tables".into();
    let mut table = webhook(&table);
    table["name"] = "tables".into();
    app.create_webhook(&url, table).await;
    app.trigger(title).await;
    pass(&app, WAIT).await;
    let received = moto.received().await;
    let object = received.as_array().unwrap().last().unwrap();
    let row = &object["lines"][0];
    assert_eq!(object["type"], "application/vnd.apache.parquet");
    assert!(text(&object["key"]).ends_with(".parquet"), "{received:#}");
    assert_eq!(
        (&row["event"], &row["title"], &row["assigneeId"]),
        (&json!("incident.triggered"), &json!(title), &Value::Null)
    );
    assert!(text(&row["timestamp"]).starts_with(&day), "{row:#}");
    let mut wrong = options.clone();
    wrong["secretAccessKey"] = "another".into();
    wrong["maxSeconds"] = "0".into();
    let mut wrong = webhook(&wrong);
    wrong["name"] = "wrong".into();
    app.create_webhook(&url, wrong).await;
    app.trigger("refused").await;
    pass(&app, WAIT).await;
    assert_eq!(app.deliveries("status=delivered").await.len(), 6);
    let received = moto.received().await;
    assert_eq!(
        received.as_array().unwrap().len(),
        5,
        "only the good key puts: {received:#}"
    );
}
