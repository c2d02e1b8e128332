//! The disk below SQLite: writes that fail, and a power that goes out between any two of them. What was not synced by then is
//! lost, torn, or there, each write by itself. Files cut short and new names are taken to be there.
//!
//! SQLite lets its writes be replaced; its syncs are calls of the C library, which a program may answer itself. Files that
//! are not below a folder of the simulation are treated as ever.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once};

use rusqlite::ffi;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::chance::{Random, lock};

/// What is written whole, or not at all.
const SECTOR_BYTES: usize = 512;

/// What the disk answers instead of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    Full,
    Broken,
}

static DISKS: Mutex<BTreeMap<PathBuf, Disk>> = Mutex::new(BTreeMap::new());

struct Disk {
    random: Random,
    unsynced: BTreeMap<PathBuf, Vec<Write>>,
    /// After how many calls what fails, and how often.
    fault: Option<(u32, u32, Fault)>,
    /// After how many calls the power goes out, and where what is left then is put.
    fuse: Option<(u32, PathBuf)>,
    is_dark: bool,
}

struct Write {
    at: u64,
    before: Vec<u8>,
    bytes_before: u64,
    written: Vec<u8>,
}

/// Watches a folder from here on.
pub fn watch(folder: &Path, seed: u64) {
    static REPLACED: Once = Once::new();
    REPLACED.call_once(replace_writes);
    let disk = Disk {
        random: Random::new(seed),
        unsynced: BTreeMap::new(),
        fault: None,
        fuse: None,
        is_dark: false,
    };
    lock(&DISKS).insert(folder.to_owned(), disk);
}

/// Forgets a folder.
pub fn forget(folder: &Path) {
    lock(&DISKS).remove(folder);
}

/// After so many calls, so many of them fail.
pub fn fail(folder: &Path, after: u32, calls: u32, fault: Fault) {
    lock(&DISKS).get_mut(folder).unwrap().fault = Some((after, calls, fault));
}

/// After so many calls the power goes out; what is left is found in another folder.
pub fn light_fuse(folder: &Path, after: u32, image: &Path) {
    lock(&DISKS).get_mut(folder).unwrap().fuse = Some((after, image.to_owned()));
}

/// The power stays.
pub fn put_out_fuse(folder: &Path) {
    lock(&DISKS).get_mut(folder).unwrap().fuse = None;
}

/// Nothing fails any more.
pub fn mend(folder: &Path) {
    lock(&DISKS).get_mut(folder).unwrap().fault = None;
}

/// Whether the power is out.
pub fn is_dark(folder: &Path) -> bool {
    lock(&DISKS).get(folder).is_some_and(|disk| disk.is_dark)
}

impl Disk {
    /// Counts a call; says how it fails, if it does.
    fn call(&mut self, folder: &Path) -> Result<(), Errno> {
        match &mut self.fuse {
            Some((0, image)) => {
                let image = image.clone();
                self.fuse = None;
                self.is_dark = true;
                self.leave(folder, &image);
            }
            Some((after, _)) => *after -= 1,
            None => {}
        }
        if self.is_dark {
            return Err(Errno::IO);
        }
        match &mut self.fault {
            Some((0, 0, _)) => self.fault = None,
            Some((0, calls, fault)) => {
                *calls -= 1;
                return Err(match fault {
                    Fault::Full => Errno::NOSPC,
                    Fault::Broken => Errno::IO,
                });
            }
            Some((after, ..)) => *after -= 1,
            None => {}
        }
        Ok(())
    }

    /// Leaves in another folder what is on the disk when the power goes out.
    fn leave(&mut self, folder: &Path, image: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let left = image.join(path.file_name().unwrap());
            std::fs::copy(&path, &left).unwrap();
            let writes = self.unsynced.remove(&path).unwrap_or_default();
            let file = File::options().write(true).open(&left).unwrap();
            for write in writes.iter().rev() {
                file.write_all_at(&write.before, write.at).unwrap();
                file.set_len(write.bytes_before).unwrap();
            }
            for write in &writes {
                let whole = write.written.len();
                let there = match self.random.below(4) {
                    0 => 0,
                    1 => self.random.below(whole / SECTOR_BYTES + 1) * SECTOR_BYTES,
                    _ => whole,
                };
                file.write_all_at(&write.written[..there], write.at).unwrap();
            }
        }
    }
}

/// The file of a descriptor, with its folder's disk, if it is watched.
fn on_disk<T>(descriptor: c_int, act: impl FnOnce(&Path, &Path, &mut Disk) -> T) -> Option<T> {
    let path = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?;
    let folder = path.parent()?;
    let mut disks = lock(&DISKS);
    let disk = disks.get_mut(folder)?;
    Some(act(folder, &path, disk))
}

fn write(descriptor: c_int, bytes: &[u8], at: u64) -> Result<usize, Errno> {
    let file = borrow(descriptor);
    let noted = on_disk(descriptor, |folder, path, disk| {
        disk.call(folder)?;
        let bytes_before = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
        let mut before = vec![0; bytes.len()];
        let known = rustix::io::pread(file, &mut before, at)?;
        before.truncate(known);
        disk.unsynced.entry(path.to_owned()).or_default().push(Write {
            at,
            before,
            bytes_before,
            written: bytes.to_vec(),
        });
        Ok(())
    });
    noted.transpose()?;
    rustix::io::pwrite(file, bytes, at)
}

fn sync(descriptor: c_int) -> Result<(), Errno> {
    let synced = on_disk(descriptor, |folder, path, disk| {
        disk.call(folder)?;
        disk.unsynced.remove(path);
        Ok(())
    });
    match synced {
        // In memory, there is nothing else to wait for.
        Some(result) => result,
        None => rustix::fs::fsync(borrow(descriptor)),
    }
}

#[expect(unsafe_code, reason = "SQLite and the C library hand over bare descriptors")]
fn borrow(descriptor: c_int) -> BorrowedFd<'static> {
    // Whoever calls has it open for as long as the call lasts.
    unsafe { BorrowedFd::borrow_raw(descriptor) }
}

#[expect(unsafe_code, reason = "SQLite's way to replace what it calls")]
fn replace_writes() {
    unsafe {
        ffi::sqlite3_initialize();
        let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
        let replace = (*vfs).xSetSystemCall.unwrap();
        let write: unsafe extern "C" fn(c_int, *const c_void, usize, i64) -> isize = replaced_write;
        let write = std::mem::transmute::<*const (), unsafe extern "C" fn()>(write as *const ());
        // It has another name for a system without pwrite(2), which this test does not know.
        let result = replace(vfs, c"pwrite".as_ptr(), Some(write));
        assert_eq!(result, ffi::SQLITE_OK, "SQLite's writes can be replaced");
    }
}

#[expect(unsafe_code, reason = "called by SQLite in place of pwrite(2)")]
unsafe extern "C" fn replaced_write(
    descriptor: c_int,
    bytes: *const c_void,
    length: usize,
    at: i64,
) -> isize {
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
    match u64::try_from(at)
        .map_err(|_| Errno::INVAL)
        .and_then(|at| write(descriptor, bytes, at))
    {
        Ok(written) => isize::try_from(written).unwrap_or(-1),
        Err(error) => refuse(error),
    }
}

#[expect(unsafe_code, reason = "answers in place of the C library's")]
#[unsafe(no_mangle)]
extern "C" fn fsync(descriptor: c_int) -> c_int {
    sync(descriptor).map_or_else(|error| c_int::try_from(refuse(error)).unwrap_or(-1), |()| 0)
}

#[expect(unsafe_code, reason = "answers in place of the C library's")]
#[unsafe(no_mangle)]
extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    fsync(descriptor)
}

#[expect(unsafe_code, reason = "errors of C calls are told in one place")]
fn refuse(error: Errno) -> isize {
    unsafe extern "C" {
        fn __errno_location() -> *mut c_int;
    }
    unsafe { *__errno_location() = error.raw_os_error() };
    -1
}

mod tests {
    use rusqlite::Connection;

    use super::{forget, light_fuse, watch};

    const ROWS: i64 = 20;

    /// How many of some rows, each committed by itself, are left when the power goes out at the next write.
    fn left_of_rows(synchronous: &str, seed: u64) -> i64 {
        let (folder, image) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        watch(folder.path(), seed);
        let open = |folder: &std::path::Path| Connection::open(folder.join("rows.db")).unwrap();
        let rows = open(folder.path());
        rows.pragma_update(None, "journal_mode", "WAL").unwrap();
        rows.pragma_update(None, "synchronous", synchronous).unwrap();
        rows.execute_batch("CREATE TABLE rows (row INTEGER); PRAGMA wal_checkpoint(TRUNCATE)")
            .unwrap();
        for row in 0..ROWS {
            rows.execute("INSERT INTO rows VALUES (?1)", [row]).unwrap();
        }
        light_fuse(folder.path(), 0, image.path());
        rows.execute("INSERT INTO rows VALUES (-1)", []).unwrap_err();
        forget(folder.path());
        open(image.path())
            .query_row("SELECT count(*) FROM rows", [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn what_was_synced_is_left_and_what_was_not_is_not() {
        for seed in 0..20 {
            assert_eq!(left_of_rows("FULL", seed), ROWS);
            assert!(left_of_rows("NORMAL", seed) < ROWS);
        }
    }
}
