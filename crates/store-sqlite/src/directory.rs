//! The data directory: one process at a time, and nobody else's eyes.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use store::StoreError;
use store::StoreResult;

/// The lock file inside the data directory.
pub const LOCK_NAME: &str = "opsknight.lock";

/// How often the lock is asked for. A process that has just ended, or a child that is about to become another program,
/// may hold it for a moment longer.
const LOCK_TRIES: u32 = 20;
/// The pause before it is asked for again.
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// Takes the data directory for this process alone, for as long as the file is open.
pub fn lock_directory(directory: &Path) -> StoreResult<File> {
    let failed = |error: std::io::Error| {
        StoreError::Unavailable(format!(
            "the data directory {} cannot be used: {error}",
            directory.display()
        ))
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let path = directory.join(LOCK_NAME);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(failed)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => pause(),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Err(StoreError::Unavailable(format!(
        "another OpsKnight uses the data directory {}; stop it first, or give this one another --data",
        directory.display()
    )))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program has not started yet: there is nothing else to wait on"
)]
fn pause() {
    std::thread::sleep(LOCK_PAUSE);
}

/// Only the owner may read the file: it holds incidents and sealed secrets. The files that SQLite puts beside it get
/// the same rights, so this comes before it is opened.
pub fn restrict_access(path: &Path) -> StoreResult<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mut options = OpenOptions::new();
    let created = options
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path);
    let permissions = std::fs::Permissions::from_mode(0o600);
    created
        .and_then(|file| file.set_permissions(permissions))
        .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))
}
