//! Whoever reads the log, or does not, has no say in whether the server works.

use std::fs::File;
use std::process::Stdio;

use serde_json::json;

use super::api_of;
use crate::support::page_client::PageClient;
use crate::support::server_process::ServerProcess;

/// Wrong sign-ins, each of which is a line of the log: enough to fill a pipe.
const WRONG_SIGN_INS: usize = 700;
const INCIDENTS: usize = 10;

/// Makes a server whose log is not read say a great deal and take incidents, and stops it.
async fn expect_to_work(server: ServerProcess) {
    let api = api_of(&server);
    let stranger = PageClient::new(&server.url);
    stranger.get("/sign-in").await.expect(200);
    for _ in 0..WRONG_SIGN_INS {
        let fields = [("email", "ada@example.com"), ("password", "a wrong guess")];
        assert!([401, 429].contains(&stranger.submit("/sign-in", &fields).await.status));
    }
    api.post("/api/v1/services", json!({"name": "API"}))
        .await
        .expect(201);
    for number in 0..INCIDENTS {
        let incident = json!({"title": format!("incident {number}"), "service": {"name": "API"}});
        api.post("/api/v1/incidents", incident).await.expect(201);
    }
    api.get("/readyz").await.expect(200);
    let metrics = api.get("/metrics").await.expect(200).text;
    let dropped = metrics
        .lines()
        .find_map(|line| line.strip_prefix("opsknight_log_lines_dropped_total "))
        .unwrap();
    assert!(
        dropped.parse::<u64>().unwrap() > 0,
        "lines that could not be written are counted"
    );
    assert!(server.terminate().await);
}

#[tokio::test]
async fn a_server_whose_log_nobody_reads_any_more_works_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start_under(&[], directory.path(), |command| {
        command.env("OPSKNIGHT_LOG", "trace").stderr(Stdio::piped());
    })
    .await;
    drop(server.take_log());
    expect_to_work(server).await;
}

#[tokio::test]
async fn a_server_whose_log_is_read_by_somebody_who_sleeps_works_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start_under(&[], directory.path(), |command| {
        command.env("OPSKNIGHT_LOG", "trace").stderr(Stdio::piped());
    })
    .await;
    let _sleeping = server.take_log();
    expect_to_work(server).await;
}

#[tokio::test]
async fn a_server_whose_log_lies_on_a_full_disk_works_on() {
    let directory = tempfile::tempdir().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let server = ServerProcess::start_under(&[], directory.path(), |command| {
        command.env("OPSKNIGHT_LOG", "trace").stderr(full);
    })
    .await;
    expect_to_work(server).await;
}
