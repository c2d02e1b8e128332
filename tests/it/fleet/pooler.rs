//! A pooler by transaction between nodes and database, that knows nothing of prepared statements: Debian's PgBouncer.

use std::process::{Child, Stdio};

use tempfile::TempDir;

use super::cluster::{command, own};
use super::nodes::{Fleet, until};
use super::postgres;
use super::receiver::Fault;

const PROGRAM: &str = "/usr/sbin/pgbouncer";

struct Pooler {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Pooler {
    fn start() -> Self {
        let server = postgres::server();
        let (folder, port) = (tempfile::tempdir().unwrap(), postgres::free_port());
        own(folder.path());
        let users = folder.path().join("users");
        std::fs::write(&users, "\"postgres\" \"\"\n").unwrap();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\npool_mode = transaction\nauth_type = trust\nauth_file = {}\nunix_socket_dir =\n\
             default_pool_size = 8\n",
            server.port(),
            users.display()
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let process = Self::run(&folder);
        Self {
            folder,
            port,
            process,
        }
    }

    fn run(folder: &TempDir) -> Child {
        let mut program = command(PROGRAM);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        program.arg("-q").arg(folder.path().join("pgbouncer.ini"));
        program.stderr(Stdio::from(log)).spawn().unwrap()
    }

    fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@127.0.0.1:{}/{database}?prepared_statements=off",
            self.port
        )
    }

    async fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Self::run(&self.folder);
        let port = self.port;
        until("the pooler listens", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_by_transaction_serves_a_fleet() {
    assert!(
        std::path::Path::new(PROGRAM).exists(),
        "this test needs PgBouncer: apt-get install pgbouncer"
    );
    let mut pooler = Pooler::start();
    let database = postgres::server().new_empty_database();
    let port = pooler.port;
    until("the pooler listens", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    })
    .await;
    let mut fleet = Fleet::start(&vec![pooler.url(&database); 2]).await;
    let load = fleet.load();
    load.accept(60).await;
    let from = std::time::Instant::now();
    pooler.restart().await;
    fleet.faults.push(Fault::since(from));
    load.accept(30).await;
    fleet.verify(load).await;
}
