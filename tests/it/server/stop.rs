//! How a server stops: load balancers get to know before anybody is refused.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{PATIENCE, address_of, api_of, ask, connect_from};
use crate::support::server_process::ServerProcess;

/// How long the servers here go on after they were told to stop: longer than everything that is asked of them meanwhile.
const STOP_DELAY: &str = "3s";
const STOP_DELAY_LENGTH: Duration = Duration::from_secs(3);
/// How often it is tried whether the server still listens: so seldom that those who try push nobody out.
const TRY_INTERVAL: Duration = Duration::from_millis(10);
const READY: &str = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
const CLOSING: &str = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

async fn start(data: &std::path::Path, stop_delay: &str) -> ServerProcess {
    ServerProcess::start_under(&[], data, |command| {
        command.env("OPSKNIGHT_STOP_DELAY", stop_delay);
    })
    .await
}

/// Asks until the server says that it is not ready.
async fn until_not_ready(server: &ServerProcess) -> String {
    let asking = async {
        loop {
            let stream = connect_from("127.0.0.1", address_of(server)).await;
            let answer = ask(stream, CLOSING).await;
            if answer.starts_with("HTTP/1.1 503") {
                return answer;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap()
}

/// Tries until no connection is taken any more.
async fn until_nobody_listens(server: &ServerProcess) {
    let trying = async {
        while TcpStream::connect(address_of(server)).await.is_ok() {
            tokio::time::sleep(TRY_INTERVAL).await;
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_says_so_and_goes_on_for_the_delay() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), STOP_DELAY).await;
    let api = api_of(&server);
    let service = json!({"name": "API"});
    api.post("/api/v1/services", service).await.expect(201);
    let told_at = Instant::now();
    server.signal();
    let answer = until_not_ready(&server).await;
    assert!(answer.ends_with("{\"status\":\"stopping\"}"), "{answer}");

    let incident = json!({"title": "late", "service": {"name": "API"}});
    let made = api.post("/api/v1/incidents", incident).await.expect(201);
    assert_eq!(
        made.header("connection"),
        "close",
        "the next one shall go elsewhere"
    );
    // Nobody asked for the connection to be closed: the server does it by itself.
    let kept = ask(connect_from("127.0.0.1", address_of(&server)).await, READY).await;
    assert!(kept.starts_with("HTTP/1.1 503"), "{kept}");
    let ended = tokio::time::timeout(PATIENCE, server.ended()).await;
    assert!(ended.unwrap(), "it ends cleanly");
    assert!(told_at.elapsed() >= STOP_DELAY_LENGTH, "{:?}", told_at.elapsed());
}

#[tokio::test]
async fn a_second_signal_stops_a_server_that_waits_for_its_load_balancer() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), "10m").await;
    server.signal();
    until_not_ready(&server).await;
    server.signal();
    assert!(tokio::time::timeout(PATIENCE, server.ended()).await.unwrap());
}

#[tokio::test]
async fn a_health_check_without_key_or_shell_tells_by_its_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), STOP_DELAY).await;
    let ready = || async {
        let mut command = Command::new(env!("CARGO_BIN_EXE_opsknight"));
        command.args(["ready", "--url", &server.url]);
        command.output().await.unwrap().status.code()
    };
    assert_eq!(ready().await, Some(0));
    server.signal();
    until_not_ready(&server).await;
    assert_eq!(ready().await, Some(1));
    let url = server.url.clone();
    assert!(server.ended().await);
    let gone = Command::new(env!("CARGO_BIN_EXE_opsknight"))
        .args(["ready", "--url", &url])
        .output();
    assert_eq!(gone.await.unwrap().status.code(), Some(3));
}

#[tokio::test]
async fn who_has_connected_when_a_server_stops_may_still_ask() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), "0s").await;
    // The one below has been taken when the one after it is answered.
    let fresh = connect_from("127.0.0.1", address_of(&server)).await;
    ask(connect_from("127.0.0.1", address_of(&server)).await, CLOSING).await;
    server.signal();
    until_nobody_listens(&server).await;
    let answer = ask(fresh, READY).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer:?}");
    assert!(server.ended().await);
}
