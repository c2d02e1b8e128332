//! The PostgreSQL under test: one that is reached by its URL, or one of this machine that is started for the run, with
//! PostgreSQL's own default settings, and gone afterwards.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use url::Url;

use crate::scratch::Scratch;

/// Says to start one.
pub const INITDB: &str = "initdb";
/// Where Debian keeps the programs of each version.
const INSTALLED: &str = "/usr/lib/postgresql";
/// Users that may own it when the bench runs as root, which PostgreSQL refuses to.
const OWNERS: [&str; 2] = ["postgres", "nobody"];

/// Ends the server, however this process ends: its standard input closes then.
const RUN: &str = r#"
cd "$1" || exit 1
"$2initdb" -D data -U postgres -A trust -E UTF8 --locale=C.UTF-8 >server.log 2>&1 || { tail -n 5 server.log; exit 1; }
"$2postgres" -D data -k "$1" -c listen_addresses= -c max_connections=200 >server.log 2>&1 </dev/null &
server=$!
for _ in $(seq 300); do
    "$2pg_isready" -q -h "$1" && break
    kill -0 $server || { tail -n 5 server.log; exit 1; }
    sleep 0.1
done
echo ready
cat >/dev/null
kill -INT $server
wait $server
"#;

/// A PostgreSQL in which databases can be made.
pub struct Cluster {
    url: Url,
    _started: Option<Started>,
}

/// A server that ends with this value.
struct Started {
    run: Child,
    _folder: Scratch,
}

impl Cluster {
    /// The one that `--database` names; data of one that is started goes into a folder of its own on this disk.
    pub fn reach(database: &str, disk: &Path) -> anyhow::Result<Self> {
        if database != INITDB {
            let url = Url::parse(database).ok();
            let url = url.filter(|url| ["postgres", "postgresql"].contains(&url.scheme()));
            let url = url.context("--database is postgres://user:password@host/database, or initdb")?;
            return Ok(Self { url, _started: None });
        }
        let folder = Scratch::new(disk)?;
        let run = start(folder.path())?;
        let host: String =
            url::form_urlencoded::byte_serialize(folder.path().as_os_str().as_encoded_bytes()).collect();
        Ok(Self {
            url: Url::parse(&format!("postgres://postgres@{host}/postgres"))
                .context("the folder has no address")?,
            _started: Some(Started { run, _folder: folder }),
        })
    }

    /// Where a database of it is; the one that it was reached by if no other is named.
    pub fn url(&self, database: Option<&str>) -> String {
        let mut url = self.url.clone();
        if let Some(database) = database {
            url.set_path(&format!("/{database}"));
        }
        url.into()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.run.stdin.take());
        // It may have ended already, which is all that is wanted.
        let _ = self.run.wait();
    }
}

fn start(folder: &Path) -> anyhow::Result<Child> {
    let folder = folder.canonicalize()?;
    let mut run = Command::new("sh");
    run.args(["-c", RUN, "sh"]).arg(&folder).arg(programs());
    run.stdin(Stdio::piped()).stdout(Stdio::piped()).current_dir("/");
    if rustix::process::getuid().is_root() {
        let (user, group) = owner()?;
        std::os::unix::fs::chown(&folder, Some(user), Some(group))?;
        run.uid(user).gid(group);
    }
    let mut run = run.spawn().context("PostgreSQL cannot be started")?;
    let mut output = BufReader::new(run.stdout.take().context("PostgreSQL has no output")?);
    let mut said = String::new();
    output.read_line(&mut said)?;
    if said != "ready\n" {
        output.read_to_string(&mut said)?;
        anyhow::bail!("PostgreSQL does not start; is it installed? {}", said.trim());
    }
    Ok(run)
}

/// What stands before the names of the newest version's programs; nothing if they have to be found by their names.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir(INSTALLED).into_iter().flatten().flatten();
    let versions = versions.filter_map(|version| version.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions
        .max()
        .map(|newest| Path::new(INSTALLED).join(newest.to_string()));
    newest.map_or_else(PathBuf::new, |newest| newest.join("bin/"))
}

/// User and group of whoever may own the server.
fn owner() -> anyhow::Result<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let fields: Vec<_> = line.split(':').collect();
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    let found = OWNERS.into_iter().find_map(find);
    found.with_context(|| format!("root may not run PostgreSQL, and there is no user {OWNERS:?}"))
}
