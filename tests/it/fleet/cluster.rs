//! A PostgreSQL of a test's own: it can be restarted, broken, copied to a replica and taken over by it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::sync::OnceCell;
use tokio_postgres::NoTls;

use super::postgres::{free_port, owner, programs};

/// Ends the server and removes its folder when the test ends, however it does: its standard input closes then.
const GUARD: &str =
    r#"cat >/dev/null; "$2/pg_ctl" -D "$1/data" -m immediate -w stop >/dev/null 2>&1; rm -rf "$1""#;
/// What is known to differ from the defaults.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
fsync = off
max_connections = 100
shared_buffers = 32MB
wal_keep_size = 64MB
max_wal_size = 128MB
autovacuum = off
wal_receiver_timeout = 5s
wal_retrieve_retry_interval = 200ms
";

/// One server with its data.
pub struct Cluster {
    folder: PathBuf,
    pub port: u16,
    guard: Child,
}

impl Cluster {
    /// A new one, running, with the database `fleet`.
    pub async fn start() -> Self {
        let cluster = Self::prepare(&std::env::temp_dir());
        cluster.fill().await;
        cluster
    }

    /// The same with its data below a folder that is there.
    pub async fn start_in(parent: &Path) -> Self {
        let cluster = Self::prepare(parent);
        cluster.fill().await;
        cluster
    }

    async fn fill(&self) {
        let template = template().await;
        let from = template.join("data");
        run("cp", &["-a", &text(&from), &text(&self.folder)]).await;
        self.configure(SETTINGS);
        self.up().await;
        self.execute_in("postgres", "CREATE DATABASE fleet").await;
    }

    /// A replica of this one, running.
    pub async fn replica(&self) -> Self {
        let replica = Self::prepare(&std::env::temp_dir());
        let (host, port) = (text(&self.folder), self.port.to_string());
        let data = text(&replica.data());
        let copy = [
            "-D", &data, "-R", "-X", "stream", "-c", "fast", "-h", &host, "-p", &port, "-U", "postgres",
        ];
        run(&text(&programs().join("pg_basebackup")), &copy).await;
        replica.configure("");
        replica.up().await;
        replica
    }

    fn prepare(parent: &Path) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("opsknight-fleet-")
            .tempdir_in(parent);
        let folder = folder.unwrap().keep();
        own(&folder);
        let mut guard = command("sh");
        guard.args(["-c", GUARD, "sh"]).arg(&folder).arg(programs());
        let guard = guard.stdin(Stdio::piped()).spawn().unwrap();
        Self {
            folder,
            port: free_port(),
            guard,
        }
    }

    /// Adds to its settings, from its next start or reload on.
    pub fn configure(&self, settings: &str) {
        use std::io::Write;
        let file = self.data().join("postgresql.conf");
        let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
        let (folder, port) = (self.folder.display(), self.port);
        write!(
            file,
            "{settings}\nport = {port}\nunix_socket_directories = '{folder}'\n"
        )
        .unwrap();
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts it.
    pub async fn up(&self) {
        let log = text(&self.folder.join("log"));
        self.control(&["-l", &log, "-w", "start"]).await;
    }

    /// Stops it: `fast` or `immediate`, which is as if the machine had died.
    pub async fn down(&self, mode: &str) {
        self.control(&["-m", mode, "-w", "stop"]).await;
    }

    /// Makes a replica the one that is written to.
    pub async fn promote(&self) {
        self.control(&["-w", "promote"]).await;
    }

    pub async fn reload(&self) {
        self.control(&["reload"]).await;
    }

    async fn control(&self, words: &[&str]) {
        let data = text(&self.data());
        let words = [&["-D", data.as_str()], words].concat();
        run(&text(&programs().join("pg_ctl")), &words).await;
    }

    /// Where nodes find the database, over the loopback address.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/fleet", self.port)
    }

    pub async fn execute(&self, sql: &str) {
        self.execute_in("fleet", sql).await;
    }

    async fn execute_in(&self, database: &str, sql: &str) {
        self.connect(database).await.batch_execute(sql).await.unwrap();
    }

    /// The number that a query finds.
    pub async fn number(&self, sql: &str) -> i64 {
        let client = self.connect("fleet").await;
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// A replica that hears nothing of the other any more.
    pub async fn cut_off(&self) {
        self.execute_in("postgres", "ALTER SYSTEM SET primary_conninfo = ''")
            .await;
        self.reload().await;
    }

    /// Whether it takes a connection.
    pub async fn answers(&self) -> bool {
        let (folder, port) = (text(&self.folder), self.port.to_string());
        let mut ask = command(&text(&programs().join("pg_isready")));
        ask.args(["-q", "-h", &folder, "-p", &port]);
        tokio::process::Command::from(ask)
            .status()
            .await
            .unwrap()
            .success()
    }

    async fn connect(&self, database: &str) -> tokio_postgres::Client {
        let (folder, port) = (self.folder.display(), self.port);
        let words = format!("host={folder} port={port} user=postgres dbname={database}");
        let (client, connection) = tokio_postgres::connect(&words, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// New data, made once, for others to copy.
async fn template() -> &'static Path {
    static TEMPLATE: OnceCell<Cluster> = OnceCell::const_new();
    let make = async || {
        let template = Cluster::prepare(&std::env::temp_dir());
        let data = text(&template.data());
        let words = [
            "-D",
            &data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ];
        run(&text(&programs().join("initdb")), &words).await;
        template
    };
    &TEMPLATE.get_or_init(make).await.folder
}

/// Gives something to whoever may own a server.
pub fn own(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).unwrap();
    if rustix::process::getuid().is_root() {
        let (user, group) = owner();
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

/// A program as whoever may own a server.
pub fn command(program: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program);
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if rustix::process::getuid().is_root() {
        let (user, group) = owner();
        command.uid(user).gid(group);
    }
    command
}

async fn run(program: &str, words: &[&str]) {
    let mut command = command(program);
    command.args(words).stderr(Stdio::null());
    let status = tokio::process::Command::from(command).status().await.unwrap();
    assert!(status.success(), "{program} {words:?}: {status}");
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
