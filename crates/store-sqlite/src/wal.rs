//! What the write-ahead log holds, read as it lies on the disk before SQLite opens it: SQLite takes the frames that check
//! out, drops the rest without a word, and may overwrite them at once. The format is at sqlite.org/fileformat2.html.
//!
//! Only reads. Must never run while SQLite has the file open in this process: closing a file drops this process's locks
//! on it.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

/// The header of the file: magic, version, page size, generation, two salts, two checksums.
const HEADER_BYTES: usize = 32;
/// The header of a frame: page, size after a commit, two salts, two checksums.
const FRAME_HEADER_BYTES: usize = 24;
/// The first four bytes, but for the lowest bit, which says in which byte order checksums are built.
const MAGIC: u32 = 0x377f_0682;
/// The pages that SQLite can have, in bytes.
const PAGE_BYTES: std::ops::RangeInclusive<u32> = 512..=65_536;

/// What is in a write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogContents {
    /// Bytes of the file.
    pub bytes: u64,
    /// Whether the header checks out; if not, SQLite ignores the whole file.
    pub header_is_sound: bool,
    /// Frames that SQLite takes: sound, and followed by a commit.
    pub committed_frames: u64,
    /// Commits among them.
    pub commits: u64,
    /// Commits that SQLite drops: of the same generation, behind a frame that does not check out.
    pub dropped_commits: u64,
}

impl LogContents {
    /// Whether something in it may have been a commit and is dropped.
    pub fn is_unsound(&self) -> bool {
        self.dropped_commits > 0 || (self.bytes > HEADER_BYTES as u64 && !self.header_is_sound)
    }

    /// Whether what is dropped was answered. Each commit is on disk before the next begins, so a loss of power can tear
    /// the last one alone, which nobody was told of.
    pub fn is_damaged(&self) -> bool {
        self.dropped_commits > 1
    }
}

/// Reads the log in a file; one that is not there is empty.
pub fn read(path: &Path) -> io::Result<LogContents> {
    match File::open(path) {
        Ok(file) => {
            let bytes = file.metadata()?.len();
            contents(BufReader::with_capacity(1 << 17, file), bytes)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(LogContents::default()),
        Err(error) => Err(error),
    }
}

fn contents(mut log: impl Read, bytes: u64) -> io::Result<LogContents> {
    let mut found = LogContents {
        bytes,
        ..LogContents::default()
    };
    let mut header = [0; HEADER_BYTES];
    if !fill(&mut log, &mut header)? {
        return Ok(found);
    }
    let Some(mut chain) = Chain::new(&header) else {
        return Ok(found);
    };
    found.header_is_sound = true;
    let mut frame = vec![0; FRAME_HEADER_BYTES + chain.page_bytes];
    let (mut is_sound, mut frames) = (true, 0);
    while fill(&mut log, &mut frame)? {
        let is_of_this_generation = frame[8..16] == header[16..24];
        is_sound = is_sound && is_of_this_generation && chain.takes(&frame);
        let is_commit = word(&frame, 4) != 0;
        if is_sound {
            frames += 1;
            if is_commit {
                found.commits += 1;
                found.committed_frames = frames;
            }
        } else if is_of_this_generation && is_commit {
            found.dropped_commits += 1;
        }
    }
    Ok(found)
}

/// The checksum that runs through all frames: each builds on the one before it.
struct Chain {
    sums: (u32, u32),
    is_big_endian: bool,
    page_bytes: usize,
}

impl Chain {
    /// The chain that begins with this header, if the header is sound.
    fn new(header: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (magic, page_bytes) = (word(header, 0), word(header, 8));
        if magic & !1 != MAGIC || !page_bytes.is_power_of_two() || !PAGE_BYTES.contains(&page_bytes) {
            return None;
        }
        let mut chain = Self {
            sums: (0, 0),
            is_big_endian: magic & 1 == 1,
            page_bytes: page_bytes as usize,
        };
        chain.add(&header[..24]);
        (chain.sums == (word(header, 24), word(header, 28))).then_some(chain)
    }

    /// Whether a frame is the next one.
    fn takes(&mut self, frame: &[u8]) -> bool {
        self.add(&frame[..8]);
        self.add(&frame[FRAME_HEADER_BYTES..]);
        word(frame, 0) != 0 && self.sums == (word(frame, 16), word(frame, 20))
    }

    fn add(&mut self, bytes: &[u8]) {
        let (mut first, mut second) = self.sums;
        for pair in bytes.chunks_exact(8) {
            let (a, b) = if self.is_big_endian {
                (word(pair, 0), word(pair, 4))
            } else {
                (word(pair, 0).swap_bytes(), word(pair, 4).swap_bytes())
            };
            first = first.wrapping_add(a).wrapping_add(second);
            second = second.wrapping_add(b).wrapping_add(first);
        }
        self.sums = (first, second);
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Fills a buffer; false at the end of the file, or if too little is left.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// The log that SQLite itself leaves behind: so many commits of one row, not folded in.
    fn written_by_sqlite(commits: u32) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.db");
        let connection = Connection::open(&file).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        for number in 0..commits {
            let statement = format!("CREATE TABLE t{number} (x)");
            connection.execute_batch(&statement).unwrap();
        }
        std::fs::read(folder.path().join("file.db-wal")).unwrap()
    }

    fn contents_of(log: &[u8]) -> LogContents {
        contents(log, log.len() as u64).unwrap()
    }

    #[test]
    fn what_sqlite_writes_is_sound_to_the_last_commit() {
        let log = written_by_sqlite(5);
        let found = contents_of(&log);
        let frames = (log.len() - HEADER_BYTES) / (FRAME_HEADER_BYTES + 4096);
        assert_eq!((found.commits, found.dropped_commits), (5, 0));
        assert_eq!(found.committed_frames, frames as u64);
        assert!(!found.is_unsound());
    }

    #[test]
    fn a_flipped_bit_drops_its_commit_and_all_behind_it() {
        let mut log = written_by_sqlite(5);
        let middle = log.len() / 2;
        log[middle] ^= 1;
        let found = contents_of(&log);
        assert_eq!(found.commits + found.dropped_commits, 5);
        assert!(found.dropped_commits >= 2);
        assert!(found.is_damaged());
    }

    #[test]
    fn a_torn_last_commit_is_unsound_but_no_proof_of_damage() {
        let mut log = written_by_sqlite(5);
        let last = log.len() - 1;
        log[last] ^= 1;
        let found = contents_of(&log);
        assert_eq!((found.commits, found.dropped_commits), (4, 1));
        assert!(found.is_unsound() && !found.is_damaged());
    }

    #[test]
    fn frames_of_an_earlier_generation_are_no_commits() {
        let mut log = written_by_sqlite(3);
        let frame = FRAME_HEADER_BYTES + 4096;
        let mut earlier = log[log.len() - frame..].to_vec();
        earlier[8] ^= 1;
        log.extend(earlier);
        let found = contents_of(&log);
        assert_eq!((found.commits, found.dropped_commits), (3, 0));
    }

    #[test]
    fn a_header_that_does_not_check_out_hides_everything() {
        let mut log = written_by_sqlite(3);
        log[16] ^= 1;
        let found = contents_of(&log);
        assert_eq!((found.header_is_sound, found.commits), (false, 0));
        assert!(found.is_unsound());
    }

    #[test]
    fn no_log_an_empty_one_and_a_cut_one_are_fine() {
        let nowhere = read(Path::new("/no/such/log")).unwrap();
        assert!(!nowhere.is_unsound() && !contents_of(&[]).is_unsound());
        let log = written_by_sqlite(2);
        let found = contents_of(&log[..log.len() - 10]);
        assert_eq!((found.commits, found.dropped_commits), (1, 0));
    }
}
