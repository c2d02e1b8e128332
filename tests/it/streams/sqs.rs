//! Messages of a queue: against the simulated service, and read back by Amazon's own client from moto, which checks signatures.

use clock::Env;
use serde_json::{Value, json};

use super::needed;
use crate::chat::Chat;
use crate::support::judge_server::JudgeServer;
use crate::support::test_app::TestApp;

#[tokio::test]
async fn a_fifo_queue_gets_an_incidents_events_as_a_group_in_their_order() {
    let chat = Chat::start("sqs", needed("sqs")).await;
    let incident = chat.app.trigger("Disk full \u{ffff}").await;
    chat.app.act(&incident, "acknowledge").await;
    chat.settle(2).await;
    let texts = chat.platform.texts();
    let events = texts.iter().map(|text| {
        let (body, group) = text.split_once('\n').unwrap();
        assert_eq!(group, format!("Group: {incident}"));
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["incident"]["title"], "Disk full \u{ffff}");
        body["event"].as_str().unwrap().to_owned()
    });
    assert_eq!(
        events.collect::<Vec<_>>(),
        ["incident.triggered", "incident.acknowledged"]
    );
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_one_message() {
    let chat = Chat::start("sqs", needed("sqs")).await;
    chat.platform.fail_next("lost");
    chat.app.trigger("Disk full").await;
    chat.settle(1).await;
    assert_eq!(chat.platform.seen().len(), 2);
    assert_eq!(chat.platform.texts().len(), 1);
}

#[tokio::test]
async fn a_wrong_key_holds_the_events_and_is_named() {
    let mut options = needed("sqs");
    options["secretAccessKey"] = "another".into();
    let chat = Chat::start("sqs", options).await;
    chat.app.trigger("Disk full").await;
    let delivery = chat.delivery(1).await;
    let failure = &delivery["attempts"][0]["failure"];
    assert_eq!(failure["code"], "settings_refused");
    let detail = failure["detail"].as_str().unwrap();
    assert!(detail.contains("check the secret access key"), "{detail}");
    let shown = chat.platform.seen().pop().unwrap();
    assert!(!format!("{:?} {}", shown.headers, shown.body).contains("another"));
    assert!(!delivery.to_string().contains("Credential="), "{delivery:#}");
}

#[tokio::test]
async fn a_url_of_no_queue_and_an_address_without_a_region_are_refused() {
    let chat = Chat::start("sqs", needed("sqs")).await;
    let mut options = needed("sqs");
    options["region"] = "".into();
    for (url, field) in [
        ("https://sqs.eu-central-1.amazonaws.com/", "url"),
        ("https://queue.example/1/incidents", "options.region"),
    ] {
        let webhook = json!({
            "name": "queue", "kind": "sqs", "url": url, "events": ["incident.triggered"], "options": options,
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
    let Some(mut moto) = JudgeServer::start("sqs_server.py").await else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let app = TestApp::start(data.path()).await;
    app.advance(Env::system().now().since(app.source().now()));
    app.create_service().await;
    let options = json!({
        "accessKeyId": moto.set_up["key"], "secretAccessKey": moto.set_up["secret"], "region": "us-east-1",
    });
    let queue = moto.set_up["queue"].as_str().unwrap().to_owned();
    app.create_webhook(&queue, json!({"kind": "sqs", "secret": null, "options": options}))
        .await;
    let title = "Überlauf {{ 7*7 }} \"q\" \\ <b> \u{0007} \u{ffff} 👩‍🚒";
    let incident = app.trigger(title).await;
    app.act(&incident, "resolve").await;
    let deliveries = app.wait_for("status=delivered", 2).await;
    let received = moto.received().await;
    let received = received.as_array().unwrap();
    assert_eq!(received.len(), 2, "{received:#?}");
    for (message, event) in received.iter().zip(["incident.triggered", "incident.resolved"]) {
        let body: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["event"], event);
        assert_eq!(body["incident"]["title"], title);
        assert_eq!(
            (&message["event"], &message["group"]),
            (&json!(event), &json!(incident))
        );
        let known = |delivery: &Value| delivery["id"] == message["deduplication"];
        assert!(deliveries.iter().any(known));
    }
    let mut wrong = options.clone();
    wrong["secretAccessKey"] = "another".into();
    app.create_webhook(
        &queue,
        json!({"kind": "sqs", "secret": null, "name": "wrong", "options": wrong}),
    )
    .await;
    app.trigger("refused").await;
    let refused = app.wait_for("status=delivered", 3).await;
    assert_eq!(refused.len(), 3);
    assert_eq!(
        moto.received().await.as_array().unwrap().len(),
        1,
        "only the good key sends"
    );
}
