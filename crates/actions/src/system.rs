//! Keeping the installation in shape: backups and new master keys.

use std::path::Path;

use crate::checks::Checks;
use crate::{ActionError, Actions};
use model::audit::Actor;
use store::upkeep::Loss;

/// The longest name of a backup, in bytes.
pub const MAX_BACKUP_NAME_BYTES: usize = 100;

impl Actions {
    /// Writes a copy of the whole store to a new file in the folder of backups.
    pub async fn back_up(&self, actor: Actor, directory: &Path, name: &str) -> Result<(), ActionError> {
        check_backup_name(name)?;
        tokio::fs::create_dir_all(directory).await.map_err(|error| {
            ActionError::Unavailable(format!("the folder of backups cannot be made: {error}"))
        })?;
        let file = directory.join(name);
        let is_there = tokio::fs::try_exists(&file).await.unwrap_or(true);
        if is_there {
            return Err(ActionError::Taken {
                what: "backup",
                field: "name",
            });
        }
        Ok(self.store.upkeep.backup(file, self.source.change(actor)).await?)
    }

    /// Takes what the database lacks of its high-water mark for known; says what it was.
    pub async fn accept_loss(&self, actor: Actor) -> Result<Loss, ActionError> {
        Ok(self.store.upkeep.accept_loss(self.source.change(actor)).await?)
    }

    /// Seals every secret anew under the current master key; says how many.
    pub async fn rekey(&self, actor: Actor) -> Result<u64, ActionError> {
        Ok(self.store.upkeep.rekey(self.source.change(actor)).await?)
    }
}

/// A name and never a path: letters, digits, `-`, `_` and `.`, and it does not begin with a dot.
fn check_backup_name(name: &str) -> Result<(), ActionError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_acceptable = (1..=MAX_BACKUP_NAME_BYTES).contains(&name.len())
        && name.bytes().all(is_plain)
        && !name.starts_with('.');
    let mut checks = Checks::new();
    if !is_acceptable {
        checks.fail(
            "name",
            "invalid_name",
            "a backup's name has letters, digits, '-', '_' and '.', and no folder",
        );
    }
    checks.finish(|| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_cannot_leave_its_folder() {
        let refused = ["", "../x", "/etc/x", "a/b", ".hidden", "a\\b", "a\0"];
        assert!(refused.iter().all(|name| check_backup_name(name).is_err()));
        assert_eq!(check_backup_name("2024-01-15.db"), Ok(()));
    }
}
