//! The data directory: one process at a time, and nobody else's eyes.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::store::{StoreError, StoreResult};

/// The lock file inside the data directory.
const LOCK_NAME: &str = "opsknight.lock";

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
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable(format!(
            "another OpsKnight uses the data directory {}; stop it first, or give this one another --data",
            directory.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Only the owner may read the file: it holds incidents and sealed secrets.
pub fn restrict_access(path: &Path) -> StoreResult<()> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, permissions).map_err(|error| StoreError::Unavailable(error.to_string()))
}
