//! Real mail servers take our mails: an Exim from Debian, unpacked and run for this test alone, and `aiosmtpd` from PyPI. What lies
//! in the mailboxes then is read by Python's `email`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::with;
use crate::fleet::postgres::free_port;
use crate::support::certificates::Authority;
use crate::support::platform::Platform;
use crate::support::programs::{judges, program};
use crate::support::test_app::{PATIENCE, TestApp};
use crate::tickets::judges::{judge, python, script};

const TITLE: &str = "Überlauf: «Disk» is full & <b>hot</b> – for longer than any line of a header may be, so that it must be folded";

/// The users that Exim wants to know by name, whoever is on this machine.
const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nDebian-exim:x:65533:65533::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n";
const GROUP: &str = "root:x:0:\nmail:x:8:\nDebian-exim:x:65533:\nnogroup:x:65534:\n";

fn exim_settings(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        r#"
exim_user = root
exim_group = root
keep_environment =
notifier_socket =
primary_hostname = mail.example.com
spool_directory = {folder}/spool
log_file_path = {folder}/log_%s
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
acl_smtp_rcpt = recipients
tls_advertise_hosts = *
tls_certificate = {folder}/server.pem
smtputf8_advertise_hosts = *
begin acl
recipients:
  deny !authenticated = *
       message = 5.7.0 sign in first
  deny local_parts = nobody
       message = 5.1.1 no such mailbox
  accept
begin routers
all:
  driver = accept
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  directory = {folder}/mail
  maildir_format
  user = nobody
  group = nogroup
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{ada}}}}{{eq{{$auth3}}{{good-password}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_in_cipher}}
"#
    )
}

/// A running Exim; nothing if this machine cannot run one.
async fn exim(folder: &Path, authority: &Authority) -> Option<(Child, u16)> {
    let program = program("exim4")?;
    if !rustix::process::geteuid().is_root() {
        eprintln!("not judged: only root can run Exim");
        return None;
    }
    let port = free_port();
    for (name, text) in [
        ("passwd", PASSWD.to_owned()),
        ("group", GROUP.to_owned()),
        ("server.pem", authority.identity("127.0.0.1")),
        ("exim.conf", exim_settings(folder, port)),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    std::fs::create_dir(folder.join("mail")).unwrap();
    open_to_all(folder);
    let libraries = judges()
        .join("debian/usr/lib")
        .join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let child = Command::new(program)
        .arg("-C")
        .arg(folder.join("exim.conf"))
        .args(["-bdf", "-oP"])
        .arg(folder.join("pid"))
        .env("LD_LIBRARY_PATH", &libraries)
        .env("LD_PRELOAD", libraries.join("libnss_wrapper.so"))
        .env("NSS_WRAPPER_PASSWD", folder.join("passwd"))
        .env("NSS_WRAPPER_GROUP", folder.join("group"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let up = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, up).await.expect("Exim listens");
    Some((child, port))
}

/// The mailbox belongs to nobody.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for folder in [folder.to_owned(), folder.join("mail")] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
}

/// `aiosmtpd` with STARTTLS and an account; it ends once it got so many mails and found them as they should be.
async fn aiosmtpd(folder: &Path, authority: &Authority, count: usize) -> Option<(Child, u16)> {
    let python = python()?;
    let certificate = folder.join("server.pem");
    std::fs::write(&certificate, authority.identity("127.0.0.1")).unwrap();
    let mut child = Command::new(python)
        .arg(script("email_server.py"))
        .arg(certificate)
        .arg(count.to_string())
        .arg(folder.join("mail"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let port = line.strip_prefix("port ").unwrap().parse().unwrap();
    Some((child, port))
}

struct Sender {
    app: TestApp,
    _data: tempfile::TempDir,
}

impl Sender {
    /// A server whose webhook sends to a mail server with an account.
    async fn start(port: u16, authority: &Authority, to: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let app = TestApp::start(data.path()).await;
        app.create_service().await;
        let options = with(&json!({
            "to": to,
            "encryption": "required",
            "username": "ada",
            "password": "good-password",
        }));
        let changes = json!({"kind": "email", "options": options, "tls": {"caPem": authority.pem}});
        app.create_webhook(&format!("smtp://127.0.0.1:{port}"), changes)
            .await;
        Self { app, _data: data }
    }

    /// Lets an incident live; gives its deliveries.
    async fn live(&self) -> Vec<Value> {
        let incident = self.app.trigger(TITLE).await;
        let first = self.app.wait_for("", 1).await[0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let first = self.app.wait_for_attempts(&first, 1).await;
        assert_eq!(first["status"], "delivered", "{first:#}");
        self.app.wait_for("status=delivered", 1).await;
        self.app.act(&incident, "acknowledge").await;
        self.app.wait_for("status=delivered", 2).await;
        self.app.act(&incident, "resolve").await;
        self.app.wait_for("status=delivered", 3).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_client_uses_the_simulated_server_like_a_real_one() {
    let server = Platform::start("email").await;
    judge("email_simulator.py", &[&server.socket_address().to_string()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exim_takes_an_incidents_mails_and_a_foreign_reader_sees_one_thread() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let Some((_exim, port)) = exim(folder.path(), &authority).await else {
        return;
    };
    let sender = Sender::start(
        port,
        &authority,
        "oncall@example.com, ümit@bücher.example, nobody@example.com",
    )
    .await;
    let deliveries = sender.live().await;
    let path = format!("/api/v1/deliveries/{}", deliveries[0]["id"].as_str().unwrap());
    let attempt = sender.app.api.get(&path).await.expect(200).json()["attempts"][0].clone();
    let note = attempt["note"].as_str().unwrap();
    assert!(
        note.starts_with("refused: nobody@example.com 550 5.1.1"),
        "{note}"
    );
    let new = folder.path().join("mail/new");
    let all_there = async {
        while std::fs::read_dir(&new).map_or(0, Iterator::count) < 6 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // A mailbox for each of two recipients is one folder here.
    if tokio::time::timeout(PATIENCE, all_there).await.is_err() {
        let log = std::fs::read_to_string(folder.path().join("log_main")).unwrap_or_default();
        panic!("six mails are expected: {log}");
    }
    judge("email_thread.py", &[new.to_str().unwrap(), "3", TITLE]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aiosmtpd_takes_them_too() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let Some((mut server, port)) = aiosmtpd(folder.path(), &authority, 3).await else {
        return;
    };
    let sender = Sender::start(port, &authority, "oncall@example.com").await;
    sender.live().await;
    let status = tokio::time::timeout(PATIENCE, server.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(status.success());
    judge(
        "email_thread.py",
        &[folder.path().join("mail").to_str().unwrap(), "3", TITLE],
    )
    .await;
}
