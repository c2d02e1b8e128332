//! Whether the files that the server has open are still those under their names. Whoever deletes or replaces them
//! meanwhile sees the server go on as before, while everything that it accepts goes into files that nobody finds again.
//!
//! Asks for names only. Opening and closing one of these files in this process would drop SQLite's locks on it.

use std::fs::{Metadata, metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use store::StoreError;
use store::StoreResult;

/// Files by name, and which they were when they were opened.
#[derive(Debug, Clone)]
pub struct WatchedFiles {
    files: Vec<(PathBuf, Identity)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn new(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
        }
    }
}

impl WatchedFiles {
    /// These files as they are now.
    pub fn open(paths: &[&Path]) -> StoreResult<Self> {
        let identify = |path: &&Path| {
            let file = metadata(path)
                .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
            Ok((path.to_path_buf(), Identity::new(&file)))
        };
        let files = paths.iter().map(identify).collect::<StoreResult<_>>()?;
        Ok(Self { files })
    }

    /// Fails if one of them is not what it was. A few system calls: cheap enough to be asked before each commit.
    pub fn check(&self) -> StoreResult<()> {
        for (path, identity) in &self.files {
            let what = match metadata(path) {
                Ok(file) if Identity::new(&file) == *identity => continue,
                Ok(_) => "was replaced by another file".to_owned(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => "was deleted".to_owned(),
                Err(error) => format!("cannot be looked at ({error})"),
            };
            return Err(StoreError::FilesReplaced(format!(
                "{} {what} while the server has it open",
                path.display()
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_gone_or_another_is_noticed_and_one_that_comes_back_too() {
        let folder = tempfile::tempdir().unwrap();
        let [file, aside] = ["file", "aside"].map(|name| folder.path().join(name));
        std::fs::write(&file, "x").unwrap();
        let watched = WatchedFiles::open(&[file.as_path()]).unwrap();
        assert_eq!(watched.check(), Ok(()));
        std::fs::rename(&file, &aside).unwrap();
        assert!(watched.check().unwrap_err().to_string().contains("was deleted"));
        std::fs::write(&file, "x").unwrap();
        assert!(watched.check().unwrap_err().to_string().contains("was replaced"));
        std::fs::rename(&aside, &file).unwrap();
        assert_eq!(watched.check(), Ok(()));
    }
}
