//! A folder for one server's data, gone when it is no longer needed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;

/// How many there have been in this process: part of the name.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The folder. Dropping this removes it with all that it holds.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty folder in this one.
    pub fn new(parent: &Path) -> anyhow::Result<Self> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("opsknight-bench-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans the temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
