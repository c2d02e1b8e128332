//! The examples for nginx and Caddy, run: two servers on one PostgreSQL behind the real proxy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::{Child, Command};

use super::{judge, text};
use crate::fleet::postgres;
use crate::support::api_client::ApiClient;
use crate::support::programs::program;
use crate::support::server_process::ServerProcess;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How a stream shows that it lives while nothing happens.
const SIGN_OF_LIFE: &str = "\n:";
/// How often it is tried whether the proxy listens.
const TRY_INTERVAL: Duration = Duration::from_millis(50);
/// The largest body of a request to the API.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// Wrong keys that an address may try per minute and server.
const FAILURES: &str = "2";
/// Requests that are sent when a server is gone: more than it takes to meet its place among two, again and again.
const REQUESTS_AFTER: u32 = 20;

/// A proxy before servers, as the example has it but for addresses.
struct Proxy {
    address: SocketAddr,
    _folder: tempfile::TempDir,
    _process: Child,
}

impl Proxy {
    /// Runs it and waits until it answers.
    async fn start(address: SocketAddr, folder: tempfile::TempDir, mut command: Command) -> Self {
        command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let process = command.spawn().unwrap();
        let answering = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(TRY_INTERVAL).await;
            }
        };
        tokio::time::timeout(PATIENCE, answering)
            .await
            .expect("the proxy starts");
        Self {
            address,
            _folder: folder,
            _process: process,
        }
    }

    fn api(&self, key: &str) -> ApiClient {
        ApiClient::new(&format!("http://{}", self.address), key)
    }

    /// Sends this from an address of the machine, and reads until the text has come, or the end. Everything that came.
    async fn ask(&self, from: &str, request: &str, until: &str) -> String {
        let mut stream = self.connect(from).await;
        // A proxy may say no before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        read_until(&mut stream, until).await
    }

    async fn connect(&self, from: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    async fn wrong_key(&self, from: &str) -> String {
        let request = "GET /api/v1/services HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ok_wrong\r\n\
                       X-Forwarded-For: 192.0.2.9\r\nForwarded: for=192.0.2.9\r\nConnection: close\r\n\r\n";
        status(&self.ask(from, request, "\r\n").await)
    }
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut read, mut buffer) = (String::new(), [0; 4096]);
    while !read.contains(end) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => read.push_str(&String::from_utf8_lossy(&buffer[..count])),
        }
    }
    read
}

fn status(answer: &str) -> String {
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn free_address() -> SocketAddr {
    ([127, 0, 0, 1], postgres::free_port()).into()
}

/// nginx with the example, in which only addresses, the certificate and TLS are other ones.
async fn nginx(nodes: &[SocketAddr; 2]) -> Option<Proxy> {
    let program = program("nginx")?;
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let example = text("deploy/nginx.conf")
        .replace("listen 443 ssl http2;", &format!("listen {address};"))
        .replace("listen 80;", &format!("listen {};", free_address()))
        .replace("127.0.0.1:8081", &nodes[0].to_string())
        .replace("127.0.0.1:8082", &nodes[1].to_string());
    let is_for_tls = |line: &&str| line.trim_start().starts_with("ssl_");
    let example: Vec<_> = example.lines().filter(|line| !is_for_tls(line)).collect();
    let path = write_nginx(folder.path(), &example.join("\n"));
    let mut command = Command::new(program);
    command
        .args(["-g", "daemon off; master_process off;", "-e", "stderr", "-p"])
        .arg(folder.path());
    command.arg("-c").arg(path);
    Some(Proxy::start(address, folder, command).await)
}

/// The example within what a distribution's own file says around it.
fn write_nginx(folder: &Path, example: &str) -> PathBuf {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|name| format!("{name}_temp_path {}/{name};\n", folder.display()));
    let text = format!(
        "user root;\nworker_processes 1;\npid {0}/nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n{1}{example}\n}}\n",
        folder.display(),
        temporary.concat()
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, text).unwrap();
    path
}

/// Caddy with the example as it is: addresses are variables of it.
async fn caddy(nodes: &[SocketAddr; 2]) -> Option<Proxy> {
    let program = program("caddy")?;
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let path = folder.path().join("Caddyfile");
    let example = text("deploy/Caddyfile");
    std::fs::write(&path, format!("{{\n\tadmin off\n}}\n{example}")).unwrap();
    let mut command = Command::new(program);
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(path);
    command
        .env("OPSKNIGHT_SITE", format!("http://:{}", address.port()))
        .env("OPSKNIGHT_NODES", format!("{} {}", nodes[0], nodes[1]))
        .env("HOME", folder.path())
        .env("XDG_DATA_HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path())
        .stderr(Stdio::null());
    Some(Proxy::start(address, folder, command).await)
}

/// Two servers on one new database.
async fn start_nodes(folders: &[tempfile::TempDir; 2]) -> [ServerProcess; 2] {
    let server = postgres::server();
    let database = server.new_empty_database();
    let words = server.url(&database);
    let host = words
        .split_whitespace()
        .find_map(|word| word.strip_prefix("host="));
    let url = format!(
        "postgres:///{database}?host={}&port={}&user=postgres",
        host.unwrap(),
        server.port()
    );
    let start = |folder: &tempfile::TempDir| {
        let (folder, url) = (folder.path().to_owned(), url.clone());
        async move {
            ServerProcess::start_under(&[], &folder, |command| {
                command
                    .env("OPSKNIGHT_DATABASE", url)
                    .env("OPSKNIGHT_MASTER_KEY", "ab".repeat(32))
                    .env("OPSKNIGHT_TRUSTED_PROXIES", "127.0.0.1")
                    .env("OPSKNIGHT_API_FAILED_SIGN_INS_PER_MINUTE", FAILURES)
                    .env("OPSKNIGHT_STOP_DELAY", "2s");
            })
            .await
        }
    };
    [start(&folders[0]).await, start(&folders[1]).await]
}

fn addresses(nodes: &[ServerProcess; 2]) -> [SocketAddr; 2] {
    let address = |node: &ServerProcess| node.url.trim_start_matches("http://").parse().unwrap();
    [address(&nodes[0]), address(&nodes[1])]
}

/// All that a proxy is for.
async fn serve_through(proxy: &Proxy, nodes: [ServerProcess; 2]) {
    let api = proxy.api(&nodes[0].key);
    let [gone, _] = addresses(&nodes);
    let [first, second] = nodes;
    api.post("/api/v1/services", json!({"name": "API"}))
        .await
        .expect(201);
    events_pass_at_once(proxy, &api).await;
    bodies_have_the_bounds_of_the_server(proxy, &api).await;
    each_client_is_counted_by_its_own_address(proxy).await;
    nobody_is_refused_while_a_server_goes(&api, first).await;
    who_is_not_ready_is_asked_no_more(&api, gone).await;
    assert!(second.terminate().await);
    when_nobody_is_left_the_proxy_says_when_to_come_again(proxy).await;
}

/// An event reaches a stream that is open and stays so.
async fn events_pass_at_once(proxy: &Proxy, api: &ApiClient) {
    let mut stream = proxy.connect("127.0.0.1").await;
    let key = api.key();
    let request =
        format!("GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let incident = json!({"title": "streamed", "service": {"name": "API"}});
    api.post("/api/v1/incidents", incident).await.expect(201);
    let event = tokio::time::timeout(PATIENCE, read_until(&mut stream, "streamed")).await;
    let event = event.expect("the proxy keeps nothing back for ever");
    assert!(event.contains("event: incident.triggered"), "{event}");
    // Nor until the stream's next sign of life has pushed it out of a buffer.
    let (_, after) = event.split_once("streamed").unwrap();
    assert!(!after.contains(SIGN_OF_LIFE), "{event}");
}

async fn bodies_have_the_bounds_of_the_server(proxy: &Proxy, api: &ApiClient) {
    let post = |path: &str, bytes: usize| {
        let (key, body) = (api.key(), " ".repeat(bytes));
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {bytes}\r\nConnection: close\r\n\r\n{body}"
        )
    };
    let mut statuses = Vec::new();
    for (path, bytes) in [
        ("/api/v1/incidents", MAX_BODY_BYTES),
        ("/api/v1/incidents", MAX_BODY_BYTES + 1),
        ("/in/inb_nobody", 4 * MAX_BODY_BYTES),
    ] {
        statuses.push(status(&proxy.ask("127.0.0.1", &post(path, bytes), "\r\n").await));
    }
    // Nothing but spaces is no JSON, and that inbox is nobody's.
    assert_eq!(statuses, ["400", "413", "404"]);
}

/// Whatever a client writes into its headers.
async fn each_client_is_counted_by_its_own_address(proxy: &Proxy) {
    let trying = async { while proxy.wrong_key("127.0.0.2").await != "429" {} };
    let tried = tokio::time::timeout(PATIENCE, trying).await;
    tried.expect("this one has tried too often, whichever server it met");
    assert_eq!(proxy.wrong_key("127.0.0.3").await, "401", "that one has not");
}

async fn nobody_is_refused_while_a_server_goes(api: &ApiClient, node: ServerProcess) {
    node.signal();
    let ending = tokio::spawn(node.ended());
    let mut after_the_end = 0;
    while after_the_end < REQUESTS_AFTER {
        let incident = json!({"title": "meanwhile", "service": {"name": "API"}});
        api.post("/api/v1/incidents", incident).await.expect(201);
        after_the_end += u32::from(ending.is_finished());
    }
    assert!(ending.await.unwrap(), "a soft stop ends cleanly");
}

/// In the place of a server comes one that answers nothing but 503.
async fn who_is_not_ready_is_asked_no_more(api: &ApiClient, address: SocketAddr) {
    let listener = TcpListener::bind(address).await.unwrap();
    let unready = Router::new().fallback(|| async { StatusCode::SERVICE_UNAVAILABLE });
    let serving = tokio::spawn(async move { axum::serve(listener, unready).await });
    for _ in 0..REQUESTS_AFTER {
        api.get("/api/v1/services").await.expect(200);
    }
    serving.abort();
}

async fn when_nobody_is_left_the_proxy_says_when_to_come_again(proxy: &Proxy) {
    let request =
        "POST /api/v1/incidents HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    let answer = proxy
        .ask("127.0.0.1", request, "no server can be reached")
        .await
        .to_lowercase();
    assert_eq!(status(&answer), "503", "{answer}");
    for line in ["retry-after: 2\r\n", "content-type: application/problem+json\r\n"] {
        assert!(answer.contains(line), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_is_served_through_nginx_as_the_example_has_it() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let nodes = start_nodes(&folders).await;
    if let Some(proxy) = nginx(&addresses(&nodes)).await {
        serve_through(&proxy, nodes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_is_served_through_caddy_as_the_example_has_it() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let nodes = start_nodes(&folders).await;
    if let Some(proxy) = caddy(&addresses(&nodes)).await {
        serve_through(&proxy, nodes).await;
    }
}

#[tokio::test]
async fn the_whole_example_for_nginx_with_tls_is_understood() {
    let Some(program) = program("nginx") else { return };
    let folder = tempfile::tempdir().unwrap();
    test_nginx(&program, folder.path(), &text("deploy/nginx.conf")).await;
}

/// Has nginx read a whole file, with a certificate of its own.
pub async fn test_nginx(program: &Path, folder: &Path, file: &str) {
    let [certificate, key] = ["fullchain.pem", "privkey.pem"].map(|name| folder.join(name));
    let made = rcgen::generate_simple_self_signed(["opsknight.example".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let example = file.replace("/etc/ssl/opsknight", &folder.display().to_string());
    let path = write_nginx(folder, &example);
    let (folder, path) = (folder.display().to_string(), path.display().to_string());
    judge(program, &["-t", "-q", "-e", "stderr", "-p", &folder, "-c", &path]).await;
}
