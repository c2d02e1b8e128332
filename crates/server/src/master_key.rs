//! Finding the master key: from the environment, from a file that the environment names, or from one in the data directory
//! that is made at first start.
//!
//! Must never write a key where another user could read it, and never replace one that exists.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clock::Env;
use config::secret_file::{self, SecretFileError};
use store::seal::MasterKey;

/// Holds the key as 64 hexadecimal digits; with `_FILE` behind it, names a file that does.
pub const MASTER_KEY_NAME: &str = "OPSKNIGHT_MASTER_KEY";
/// Holds the key before it, until everything is sealed anew.
pub const PREVIOUS_MASTER_KEY_NAME: &str = "OPSKNIGHT_PREVIOUS_MASTER_KEY";
/// The key's file in the data directory.
pub const FILE_NAME: &str = "master.key";

/// Only the owner may read and write.
const FILE_MODE: u32 = 0o600;
/// Only the owner may look into the data directory.
const DIRECTORY_MODE: u32 = 0o700;
/// If there is one without a key, then its key was lost.
const DATABASE_NAME: &str = "opsknight.db";

/// The keys of an installation.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    /// What seals.
    pub current: MasterKey,
    /// What opens too.
    pub previous: Option<MasterKey>,
    /// Where the current one came from.
    pub origin: KeyOrigin,
}

/// Where the master key came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOrigin {
    Environment,
    /// A file that was there.
    File(PathBuf),
    /// A file made just now: worth a line, since it must be backed up.
    NewFile(PathBuf),
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// Not 64 hexadecimal digits.
    #[error(
        "{origin} is not a master key: it must be 64 hexadecimal digits, as `openssl rand -hex 32` prints them"
    )]
    NotAKey {
        /// A name in the environment, or a file.
        origin: String,
    },
    /// Its file cannot be read, or others may read it.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// There is a database, but the key to its secrets is gone.
    #[error(
        "{} has a database but no master key: restore {FILE_NAME} from your backup, or set {MASTER_KEY_NAME}",
        .0.display()
    )]
    Lost(PathBuf),
    /// Servers that share a database must have one key, and this one has none.
    #[error(
        "servers that share a PostgreSQL need the same master key: set {MASTER_KEY_NAME} to it, or write it into {}; for the \
         first of them, `openssl rand -hex 32` makes one",
        .0.join(FILE_NAME).display()
    )]
    NotShared(PathBuf),
    /// The disk says no.
    #[error("cannot use {}: {error}; check that this user may write there", .path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Finds the master keys; makes the data directory and the key file if neither they nor the environment have one.
pub fn load(
    data: &Path,
    environment: impl Fn(&str) -> Option<String>,
    source: &Env,
) -> Result<MasterKeys, MasterKeyError> {
    find(data, environment, || from_file(data, source))
}

/// The same for a server that shares its database with others: it never makes a key of its own.
pub fn load_shared(
    data: &Path,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<MasterKeys, MasterKeyError> {
    find(data, environment, || {
        let path = data.join(FILE_NAME);
        let key = read(&path)?.ok_or_else(|| MasterKeyError::NotShared(data.to_owned()))?;
        Ok((key, KeyOrigin::File(path)))
    })
}

fn find(
    data: &Path,
    environment: impl Fn(&str) -> Option<String>,
    from_file: impl FnOnce() -> Result<(MasterKey, KeyOrigin), MasterKeyError>,
) -> Result<MasterKeys, MasterKeyError> {
    let disk = |error| MasterKeyError::Disk {
        path: data.to_owned(),
        error,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(data)
        .map_err(disk)?;
    let given = |name: &str| {
        let text = secret_file::find(name, &environment)?;
        text.map(|text| parse(&text, name)).transpose()
    };
    let previous = given(PREVIOUS_MASTER_KEY_NAME)?;
    let (current, origin) = match given(MASTER_KEY_NAME)? {
        Some(key) => (key, KeyOrigin::Environment),
        None => from_file()?,
    };
    Ok(MasterKeys {
        current,
        previous,
        origin,
    })
}

fn parse(text: &str, origin: &str) -> Result<MasterKey, MasterKeyError> {
    MasterKey::parse(text).ok_or_else(|| MasterKeyError::NotAKey {
        origin: origin.to_owned(),
    })
}

fn from_file(data: &Path, source: &Env) -> Result<(MasterKey, KeyOrigin), MasterKeyError> {
    let path = data.join(FILE_NAME);
    if let Some(key) = read(&path)? {
        return Ok((key, KeyOrigin::File(path)));
    }
    if data.join(DATABASE_NAME).exists() {
        return Err(MasterKeyError::Lost(data.to_owned()));
    }
    let key = MasterKey::new(source.random());
    match write_new(data, &path, &key) {
        Ok(()) => Ok((key, KeyOrigin::NewFile(path))),
        // Another start was quicker: its key counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match read(&path)? {
            Some(key) => Ok((key, KeyOrigin::File(path))),
            None => Err(MasterKeyError::Disk { path, error }),
        },
        Err(error) => Err(MasterKeyError::Disk { path, error }),
    }
}

fn read(path: &Path) -> Result<Option<MasterKey>, MasterKeyError> {
    match secret_file::read(path) {
        Ok(text) => parse(&text, &path.display().to_string()).map(Some),
        Err(SecretFileError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes the key beside its place and links it there: a crash leaves the whole key or none, and a link never
/// replaces a key that is there.
fn write_new(data: &Path, path: &Path, key: &MasterKey) -> io::Result<()> {
    let draft = data.join(format!("{FILE_NAME}.{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(&draft)?;
    file.write_all(key.to_text().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked?;
    File::open(data)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_first_start_makes_a_key_that_the_next_one_finds() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("new/data");
        let first = load(&data, nothing, &Env::system()).unwrap();
        let second = load(&data, nothing, &Env::system()).unwrap();
        let path = data.join(FILE_NAME);
        assert_eq!(first.origin, KeyOrigin::NewFile(path.clone()));
        assert_eq!(second.origin, KeyOrigin::File(path.clone()));
        assert_eq!(first.current.to_text(), second.current.to_text());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            FILE_MODE
        );
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    }

    #[test]
    fn the_environment_wins_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let environment = |name: &str| match name {
            MASTER_KEY_NAME => Some("ab".repeat(32)),
            PREVIOUS_MASTER_KEY_NAME => Some("cd".repeat(32)),
            _ => None,
        };
        let keys = load(folder.path(), environment, &Env::system()).unwrap();
        assert_eq!(keys.current.to_text().as_str(), "ab".repeat(32));
        assert_eq!(keys.previous.unwrap().to_text().as_str(), "cd".repeat(32));
        assert_eq!(keys.origin, KeyOrigin::Environment);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_the_environment_names_wins_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mounted");
        fs::write(&path, "ab".repeat(32) + "\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        let file = path.display().to_string();
        let environment = |name: &str| (name == "OPSKNIGHT_MASTER_KEY_FILE").then(|| file.clone());
        let keys = load(&folder.path().join("data"), environment, &Env::system()).unwrap();
        assert_eq!(keys.current.to_text().as_str(), "ab".repeat(32));
        assert_eq!(keys.origin, KeyOrigin::Environment);
    }

    #[test]
    fn who_shares_a_database_makes_no_key_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let error = load_shared(folder.path(), nothing).unwrap_err();
        assert!(matches!(error, MasterKeyError::NotShared(_)), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let made = load(folder.path(), nothing, &Env::system()).unwrap();
        let found = load_shared(folder.path(), nothing).unwrap();
        assert_eq!(found.current.to_text(), made.current.to_text());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        load(folder.path(), nothing, &Env::system()).unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = load(folder.path(), nothing, &Env::system()).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_damaged_key_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        load(folder.path(), nothing, &Env::system()).unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, "short").unwrap();
        let error = load(folder.path(), nothing, &Env::system()).unwrap_err();
        assert!(error.to_string().contains("64 hexadecimal digits"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
    }

    #[test]
    fn a_database_without_its_key_gets_no_new_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(DATABASE_NAME), "").unwrap();
        let error = load(folder.path(), nothing, &Env::system()).unwrap_err();
        assert!(matches!(error, MasterKeyError::Lost(_)), "{error}");
    }
}
