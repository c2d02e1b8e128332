//! Secrets that the environment names: in a variable, or in the file that the variable with `_FILE` behind its name names,
//! as container platforms mount them.
//!
//! Must never print what it reads.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// What stands behind a variable's name when it names a file.
pub const FILE_SUFFIX: &str = "_FILE";
/// A secret's file is never longer.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// Which one counts?
    #[error("{0} and {0}_FILE are both set; unset one of them")]
    Both(String),
    /// Others may read it, and it is ours to mend.
    #[error("others may read {}: run `chmod 600 {}`", .0.display(), .0.display())]
    TooOpen(PathBuf),
    /// It cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is longer than any secret.
    #[error("{} is longer than 64 KiB: that is no secret", .0.display())]
    TooLong(PathBuf),
}

/// The secret of a name: from its variable, or from the file that `NAME_FILE` names, without the end of its last line.
/// Empty variables are as good as none.
pub fn find(
    name: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Option<Zeroizing<String>>, SecretFileError> {
    let given = |name: &str| environment(name).filter(|text| !text.is_empty());
    let value = given(name).map(Zeroizing::new);
    match (value, given(&format!("{name}{FILE_SUFFIX}"))) {
        (Some(_), Some(_)) => Err(SecretFileError::Both(name.to_owned())),
        (Some(value), None) => Ok(Some(value)),
        (None, Some(path)) => read(Path::new(&path)).map(Some),
        (None, None) => Ok(None),
    }
}

/// Reads a file that only its owner may read, or that is not ours to protect.
pub fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let unreadable = |error| SecretFileError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    let us = rustix::process::geteuid().as_raw();
    if is_too_open(found.uid(), found.permissions().mode(), us) && !is_mounted_read_only(&file) {
        return Err(SecretFileError::TooOpen(path.to_owned()));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(SecretFileError::TooLong(path.to_owned()));
    }
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(text)
}

/// Whoever owns a file says who may read it. If that is not us, its mode is another's decision: a platform that mounts
/// secrets gives them to others as 0444.
fn is_too_open(owner: u32, mode: u32, us: u32) -> bool {
    owner == us && mode & 0o077 != 0
}

/// Where nothing can be written, no mode can be mended: the mount is what protects it.
fn is_mounted_read_only(file: &File) -> bool {
    let mount = rustix::fs::fstatvfs(file);
    mount.is_ok_and(|mount| mount.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn secret(folder: &tempfile::TempDir, text: &str, mode: u32) -> String {
        let path = folder.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }

    #[test]
    fn a_secret_is_read_from_its_file_without_the_end_of_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = secret(&folder, "ok_1 \r\n", 0o400);
        let found = find("KEY", |name| (name == "KEY_FILE").then(|| path.clone()));
        assert_eq!(found.unwrap().unwrap().as_str(), "ok_1 ");
    }

    #[test]
    fn empty_variables_are_none_and_two_that_are_set_are_a_mistake() {
        assert!(find("KEY", |_| Some(String::new())).unwrap().is_none());
        let both = find("KEY", |_| Some("x".into())).unwrap_err();
        assert!(
            both.to_string().contains("KEY and KEY_FILE are both set"),
            "{both}"
        );
        let value = find("KEY", |name| (name == "KEY").then(|| "x".to_owned()));
        assert_eq!(value.unwrap().unwrap().as_str(), "x");
    }

    #[test]
    fn a_file_of_our_own_that_others_may_read_is_refused_and_one_of_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = secret(&folder, "x", 0o444);
        let refused = read(Path::new(&path)).unwrap_err();
        assert!(matches!(refused, SecretFileError::TooOpen(_)), "{refused}");
        let too_open =
            [(1000, 0o444), (0, 0o444), (1000, 0o400)].map(|(owner, mode)| is_too_open(owner, mode, 1000));
        assert_eq!(too_open, [true, false, false]);
    }
}
