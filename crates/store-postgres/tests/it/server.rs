//! A PostgreSQL of the machine, started once per test process, with a fresh database for each case.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use store::seal::{MasterKey, Sealer};
use store::{NoObserver, NoSink};
use store_postgres::{Database, Settings};
use tokio_postgres::{Client, NoTls};

/// Where Debian keeps the programs of each version.
const INSTALLED: &str = "/usr/lib/postgresql";
/// Users that may own a server when the tests run as root, which PostgreSQL refuses to.
const OWNERS: [&str; 2] = ["postgres", "nobody"];
/// The database that every other one is a copy of.
const TEMPLATE: &str = "migrated";

/// Each line of its standard input is a crash of the server, which then begins anew. The end of it is the server's, however
/// this process ends.
const RUN: &str = r#"
set -e
cd "$1"
"$2/initdb" -D data -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >initdb.log 2>&1 || { cat initdb.log; exit 1; }
{ echo 'host all guarded 127.0.0.1/32 scram-sha-256'; cat data/pg_hba.conf; } >hba && mv hba data/pg_hba.conf
begin() {
    "$2/postgres" -D data -k "$1" -p "$3" -c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file="$1/server.pem" \
        -c ssl_key_file="$1/server.key" -c max_connections=300 -c fsync=off -c full_page_writes=off \
        -c shared_buffers=64MB -c max_wal_size=256MB -c wal_writer_delay=10s -c autovacuum=off >>server.log 2>&1 </dev/null &
    server=$!
    for _ in $(seq 300); do
        "$2/pg_isready" -q -h "$1" -p "$3" && break
        kill -0 $server || { cat server.log; exit 1; }
        sleep 0.1
    done
    echo ready
}
begin "$@"
while read -r _; do
    kill -QUIT $server
    wait $server || true
    begin "$@"
done
kill -QUIT $server
wait $server || true
rm -rf "$1"
"#;

/// The server of this process.
pub struct Server {
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
    run: Mutex<Child>,
}

/// The server, started by whoever asks first.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    /// Another one, which nobody else uses.
    pub fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new()
            .prefix("opsknight-pg-")
            .tempdir()
            .unwrap()
            .keep();
        let mut run = Command::new("sh");
        let port = free_port();
        run.args(["-c", RUN, "sh"])
            .arg(&folder)
            .arg(&programs)
            .arg(port.to_string());
        run.stdin(Stdio::piped()).stdout(Stdio::piped()).current_dir("/");
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
        let key = write_certificate(&folder);
        if rustix::process::getuid().is_root() {
            let (user, group) = owner();
            for path in [&folder, &key] {
                std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
            }
            run.uid(user).gid(group);
        }
        let mut run = run.spawn().unwrap();
        await_ready(&mut run);
        let server = Self {
            folder,
            port,
            databases: AtomicU32::new(0),
            run: Mutex::new(run),
        };
        server.make_template();
        server
    }

    /// Ends at once, as if its machine had died, and begins anew.
    pub fn crash(&self) {
        let mut run = self.run.lock().unwrap();
        run.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        await_ready(&mut run);
    }

    /// A new database with the schema in it, and nothing else.
    pub fn new_database(&self) -> String {
        let name = format!("case_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run_in("postgres", &format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"));
        name
    }

    /// A new database with nothing in it.
    pub fn new_empty_database(&self) -> String {
        let name = format!("empty_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run_in("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// Where a database is.
    pub fn url(&self, database: &str) -> String {
        let (folder, port) = (self.folder.display(), self.port);
        format!("host={folder} port={port} user=postgres dbname={database}")
    }

    /// Where it listens on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Who vouches for it, as `localhost`.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// A connection beside the store's own.
    pub async fn connect(&self, database: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn make_template(&self) {
        self.run_in("postgres", &format!("CREATE DATABASE {TEMPLATE}"));
        let settings = settings(&self.url(TEMPLATE));
        on_a_runtime(async move { drop(Database::open(settings).await.unwrap()) });
    }

    fn run_in(&self, database: &str, sql: &str) {
        on_a_runtime(async { self.connect(database).await.batch_execute(sql).await.unwrap() });
    }
}

/// Waits for its word. There is nothing behind it before the next crash.
fn await_ready(run: &mut Child) {
    let mut said = String::new();
    let mut output = BufReader::new(run.stdout.as_mut().unwrap());
    output.read_line(&mut said).unwrap();
    if said != "ready\n" {
        output.read_to_string(&mut said).unwrap();
        panic!("PostgreSQL does not start: {said}");
    }
}

/// How a store is opened that nobody listens to.
pub fn settings(url: &str) -> Settings {
    Settings {
        url: url.to_owned(),
        pool_size: 4,
        statement_timeout: Duration::from_secs(20),
        node: 1,
        mark_directory: None,
        sealer: Sealer::new(&MasterKey::new([1; 32]), None),
        delivery_sink: Arc::new(NoSink),
        observer: Arc::new(NoObserver),
    }
}

/// Ports that the system gives to nobody who does not ask for one of them.
const PORTS: std::ops::Range<u32> = 10_000..30_000;

/// A port on which nobody listens, and which no connection is given before its server does.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Test programs that run side by side begin at different ones.
    let first = std::process::id().wrapping_mul(131);
    loop {
        let next = first.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + next % (PORTS.end - PORTS.start);
        let port = u16::try_from(port).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A certificate for `localhost`, and who vouches for it; says where the key is, which its owner alone may read.
fn write_certificate(folder: &Path) -> PathBuf {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("authority.pem"), authority_pem).unwrap();
    std::fs::write(folder.join("server.pem"), server.pem()).unwrap();
    let path = folder.join("server.key");
    std::fs::write(&path, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path
}

/// In a thread of its own, because the caller may be inside of a runtime.
fn on_a_runtime(work: impl Future<Output = ()> + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(work);
        });
        thread.join().unwrap();
    });
}

/// The programs of the newest version that is installed.
pub fn programs() -> PathBuf {
    let versions = std::fs::read_dir(INSTALLED).into_iter().flatten();
    let versions = versions.filter_map(|version| version.unwrap().file_name().into_string().ok());
    let newest = versions.filter_map(|version| version.parse::<u32>().ok()).max();
    let newest = newest.unwrap_or_else(|| {
        panic!("these tests need a PostgreSQL under {INSTALLED}: apt-get install postgresql")
    });
    Path::new(INSTALLED).join(newest.to_string()).join("bin")
}

/// User and group of whoever may own the server.
pub fn owner() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let fields: Vec<_> = line.split(':').collect();
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    let found = OWNERS.into_iter().find_map(find);
    found.unwrap_or_else(|| panic!("there is no user {OWNERS:?} who may own a PostgreSQL"))
}
