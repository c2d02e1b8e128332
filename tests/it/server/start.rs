//! How a server starts: in which order, and with what it was given.

use std::sync::Arc;
use std::time::Duration;

use clock::Env;
use config::Config;
use outbound::SystemResolver;
use renderer::Renderer;
use server::app::{App, Surroundings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PATIENCE, api_of};
use crate::support::server_process::ServerProcess;

#[tokio::test]
async fn nobody_is_told_that_the_server_is_ready_before_it_has_said_so_itself() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data: directory.path().to_owned(),
        dev: true,
        ..Config::default()
    };
    let surroundings = Surroundings {
        source: Env::system(),
        resolver: Arc::new(SystemResolver::new().unwrap()),
        renderer: Renderer::new(env!("CARGO_BIN_EXE_opsknight").into()),
    };
    let prepared = App::prepare(&config, surroundings).await.unwrap();
    let mut client = TcpStream::connect(prepared.app().address()).await.unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    let early = tokio::time::timeout(Duration::from_millis(200), client.read_exact(&mut answer)).await;
    assert!(early.is_err(), "answered before it was announced");
    let app = prepared.open();
    let read = tokio::time::timeout(PATIENCE, client.read_exact(&mut answer)).await;
    read.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    drop(client);
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_empty_variable_counts_as_none() {
    let directory = tempfile::tempdir().unwrap();
    let names = config::names();
    let names = names.iter().map(|name| config::environment_name(name));
    let server = ServerProcess::start_under(&[], directory.path(), |command| {
        command.envs(names.map(|name| (name, "")));
        for name in [
            "OPSKNIGHT_CONFIG",
            "OPSKNIGHT_MASTER_KEY",
            "OPSKNIGHT_PREVIOUS_MASTER_KEY",
        ] {
            command.env(name, "");
        }
    })
    .await;
    api_of(&server).get("/readyz").await.expect(200);
    assert!(server.terminate().await);
}
