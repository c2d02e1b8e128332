//! Clients that are many, silent, slow or odd.

use serde_json::json;
use tokio::net::TcpStream;

use super::{PATIENCE, address_of, api_of, ask, connect_from};
use crate::support::receiver::{OK, Receiver};
use crate::support::server_process::ServerProcess;
use crate::support::test_app::TestApp;

/// More than the server serves at once.
const SILENT_CLIENTS: usize = 4200;
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Where a server in this process listens.
fn address(app: &TestApp) -> String {
    app.base().trim_start_matches("http://").to_owned()
}

#[tokio::test]
async fn thousands_of_silent_connections_keep_nobody_out() {
    server::app::raise_file_limit();
    let directory = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(directory.path()).await;
    let mut silent = Vec::with_capacity(SILENT_CLIENTS);
    for _ in 0..SILENT_CLIENTS {
        silent.push(TcpStream::connect(address_of(&server)).await.unwrap());
    }
    let other = connect_from("127.0.0.2", address_of(&server)).await;
    let answer = ask(other, HEALTH);
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), answer).await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    drop(silent);
    assert!(server.terminate().await);
}

#[tokio::test]
async fn a_client_that_never_finishes_the_head_of_a_request_is_let_go() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let connect = || async { TcpStream::connect(address(&app)).await.unwrap() };
    let silent = ask(connect().await, "");
    let half_said = ask(connect().await, "GET / HTTP/1.1\r\nHost: x\r\nX-");
    let idle = ask(connect().await, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let (silent, half_said, idle) = tokio::join!(silent, half_said, idle);
    assert_eq!(silent, "");
    assert!(!half_said.contains(" 200 "), "{half_said}");
    assert!(idle.starts_with("HTTP/1.1 200"), "{idle}");
}

#[tokio::test]
async fn who_sends_more_than_is_read_gets_the_answer_and_not_a_reset() {
    const BODY_BYTES: usize = 4 * 1024 * 1024;
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let mut beginnings = Vec::new();
    for (path, key) in [
        ("/api/v1/incidents", app.api.key()),
        ("/api/v1/incidents", "ok_wrong"),
        ("/in/inb_nobody", ""),
        ("/nowhere", ""),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\nConnection: close\r\n\r\n"
        );
        let stream = TcpStream::connect(address(&app)).await.unwrap();
        let answer = ask(stream, &(head + &" ".repeat(BODY_BYTES))).await;
        beginnings.push(answer.get(..12).unwrap_or("reset").to_owned());
    }
    let expected = ["413", "401", "404", "404"].map(|status| format!("HTTP/1.1 {status}"));
    assert_eq!(beginnings, expected);
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let stream = TcpStream::connect(address(&app)).await.unwrap();
    let answer = ask(stream, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_request_names_one_host() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(directory.path()).await;
    let mut statuses = Vec::new();
    for head in [
        "GET /healthz HTTP/1.1\r\nHost: a\r\n",
        "GET /healthz HTTP/1.0\r\n",
        "GET /healthz HTTP/1.1\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n",
    ] {
        let stream = TcpStream::connect(address(&app)).await.unwrap();
        let answer = ask(stream, &format!("{head}Connection: close\r\n\r\n")).await;
        let is_told = answer.contains("\"code\":\"invalid_host\"");
        statuses.push((answer[9..12].to_owned(), is_told));
    }
    let expected = [
        ("200", false),
        ("200", false),
        ("400", true),
        ("400", true),
        ("400", true),
    ];
    let expected = expected.map(|(status, is_told)| (status.to_owned(), is_told));
    assert_eq!(statuses, expected);
}

#[tokio::test]
async fn a_server_with_few_files_serves_and_delivers_with_those_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let few = ["sh", "-c", "ulimit -n 256; exec \"$@\"", "sh"];
    let server = ServerProcess::start_under(&few, directory.path(), |_| ()).await;
    let (api, mut receiver) = (api_of(&server), Receiver::start(&[OK]).await);
    let capacity = api.get("/api/v1/system").await.expect(200).json()["capacity"].clone();
    assert_eq!(capacity["files"], 256, "{capacity}");
    let webhook = json!({"name": "Many", "url": format!("http://{}/", receiver.address), "events": ["incident.triggered"], "concurrency": 64});
    api.post("/api/v1/webhooks", webhook).await.expect(201);
    api.post("/api/v1/services", json!({"name": "API"}))
        .await
        .expect(201);
    let mut silent = Vec::new();
    for _ in 0..250 {
        silent.push(connect_from("127.0.0.2", address_of(&server)).await);
    }
    const INCIDENTS: usize = 100;
    for number in 0..INCIDENTS {
        let incident = json!({"title": format!("incident {number}"), "service": {"name": "API"}});
        api.post("/api/v1/incidents", incident).await.expect(201);
    }
    for _ in 0..INCIDENTS {
        let request = tokio::time::timeout(PATIENCE, receiver.next_request())
            .await
            .unwrap();
        assert!(request.contains("x-opsknight-attempt: 1\r\n"), "{request}");
    }
    let metrics = api.get("/metrics").await.expect(200).text;
    assert!(
        metrics.contains("opsknight_bounds{of=\"files\"} 256"),
        "{metrics}"
    );
    assert!(!metrics.contains("connect_failed"), "{metrics}");
    assert!(server.terminate().await);
}
