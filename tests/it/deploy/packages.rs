//! The Debian package: built of the program that is tested, installed into a folder of its own, started, upgraded and purged there.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::judge;
use crate::support::programs::{program, root};
use crate::support::server_process::ServerProcess;

/// Builds the package; nothing if this machine has no dpkg.
async fn build(folder: &Path) -> Option<PathBuf> {
    program("dpkg-deb")?;
    let mut command = Command::new(root().join("deploy/debian/build"));
    command
        .args(["--binary", env!("CARGO_BIN_EXE_opsknight"), "--to"])
        .arg(folder);
    // Nobody sends it anywhere.
    command.env("DEBIAN_COMPRESSION", "none");
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    Some(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()))
}

/// Runs dpkg on a root in a folder; it must be content. What it said.
async fn dpkg(root: &Path, arguments: &[&str]) -> String {
    let root = format!("--root={}", root.display());
    // What the program needs of a Debian is this machine's; scripts run here, and are told of the folder by DPKG_ROOT.
    let forced = [
        "--force-depends",
        "--force-script-chrootless",
        "--force-not-root",
        "--force-bad-path",
    ];
    let words = [&[root.as_str()], &forced as &[&str], arguments].concat();
    judge(Path::new("dpkg"), &words).await
}

/// A root that knows of no package yet.
fn new_root(folder: &Path) -> PathBuf {
    let root = folder.join("root");
    for place in [
        "var/lib/dpkg/info",
        "var/lib/dpkg/updates",
        "var/lib/dpkg/triggers",
        "etc",
    ] {
        std::fs::create_dir_all(root.join(place)).unwrap();
    }
    std::fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    root
}

#[tokio::test]
async fn what_the_package_installs_runs_and_goes_again_but_for_what_is_the_users() {
    let folder = tempfile::tempdir().unwrap();
    let Some(package) = build(folder.path()).await else {
        return;
    };
    let package = package.to_str().unwrap();
    let contents = judge(Path::new("dpkg-deb"), &["--contents", package]).await;
    assert!(
        contents.lines().all(|line| line.contains(" root/root ")),
        "{contents}"
    );
    let root = new_root(folder.path());
    dpkg(&root, &["--install", package]).await;
    for installed in [
        "usr/bin/opsknight",
        "usr/lib/systemd/system/opsknight.service",
        "usr/share/man/man1/opsknight.1.gz",
        "usr/share/man/man1/opsknight-webhooks-add.1.gz",
        "usr/share/bash-completion/completions/opsknight",
        "usr/share/doc/opsknight/copyright",
    ] {
        assert!(root.join(installed).is_file(), "{installed}: {contents}");
    }
    let unit = std::fs::read_to_string(root.join("usr/lib/systemd/system/opsknight.service")).unwrap();
    let start = "ExecStart=/usr/bin/opsknight serve --config /etc/opsknight/opsknight.toml\n";
    assert!(unit.contains(start), "{unit}");
    start_what_is_in(&root).await;

    let settings = root.join("etc/opsknight/opsknight.toml");
    std::fs::write(&settings, "log = \"debug\"\n").unwrap();
    dpkg(&root, &["--force-confold", "--install", package]).await;
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), "log = \"debug\"\n");
    dpkg(&root, &["--remove", "opsknight"]).await;
    assert!(settings.is_file() && !root.join("usr/bin/opsknight").exists());
    dpkg(&root, &["--purge", "opsknight"]).await;
    assert!(!root.join("etc/opsknight").exists());
}

/// The installed program on the installed settings: only its address and data are other ones.
async fn start_what_is_in(root: &Path) {
    let data = tempfile::tempdir().unwrap();
    let server = ServerProcess::start_binary(&root.join("usr/bin/opsknight"), data.path(), |command| {
        command.env("OPSKNIGHT_CONFIG", root.join("etc/opsknight/opsknight.toml"));
    })
    .await;
    let mut ready = Command::new(root.join("usr/bin/opsknight"));
    let ready = ready
        .args(["ready", "--url", &server.url])
        .status()
        .await
        .unwrap();
    assert!(ready.success());
    assert!(server.terminate().await);
}
