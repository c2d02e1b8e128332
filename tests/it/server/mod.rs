//! The server as its clients and whoever runs it meet it: connections, its log, its start, the address it is under.

mod base_path;
mod connections;
mod log;
mod start;
mod stop;
mod writer;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::api_client::ApiClient;
use crate::support::server_process::ServerProcess;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a server process listens.
fn address_of(server: &ServerProcess) -> SocketAddr {
    server.url.trim_start_matches("http://").parse().unwrap()
}

fn api_of(server: &ServerProcess) -> ApiClient {
    ApiClient::new(&server.url, &server.key)
}

/// A connection from this address of the machine.
async fn connect_from(client: &str, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{client}:0").parse().unwrap()).unwrap();
    socket.connect(server).await.unwrap()
}

/// Sends these bytes, and reads until the server closes the connection.
async fn ask(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("the server closes the connection")
        .unwrap_or_default();
    String::from_utf8_lossy(&answer).into_owned()
}
