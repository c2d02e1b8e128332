//! Foreign programs that judge what we ship and send: nginx, Caddy, promtool, helm, brokers, packages from npm. `./check` fetches them and says which it cannot; in CI a
//! missing one that it did not name fails.

use std::path::{Path, PathBuf};

/// Where Debian has what only root runs, which is not in everybody's path.
const ALSO: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Alertmanagers: Debian's, and the newest one.
pub const ALERTMANAGERS: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

/// The top of the repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Where `./check` keeps what judges us.
pub fn judges() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("judges")
}

/// Where this program is; nothing if this machine lacks it and somebody was told.
pub fn program(name: &str) -> Option<PathBuf> {
    let fetched = ["debian/usr/bin", "debian/usr/sbin", "go/bin"].map(|folder| judges().join(folder));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path)
        .chain(ALSO.map(PathBuf::from))
        .chain(fetched);
    let found = folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        let said = std::env::var("CHECK_MISSING_PROGRAMS").unwrap_or_default();
        let is_said = said.split_whitespace().any(|missing| missing == name);
        assert!(
            is_said || std::env::var_os("CI").is_none(),
            "{name} is missing: run ./check, which fetches it"
        );
        eprintln!("not judged: {name} is missing");
    }
    found
}

/// Where `./check` has installed the packages that `tests/judges/NAME` lists; nothing if it could not. In CI they must be there.
pub fn node_packages(name: &str) -> Option<PathBuf> {
    let folder = judges().join(name);
    if folder.join("installed").exists() {
        return Some(folder);
    }
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(
        !is_ci,
        "{} is missing: ./check installs it where node and npm are there",
        folder.display()
    );
    eprintln!("not judged: {} is missing", folder.display());
    None
}
