//! The program's log on standard error. Writing it must never end, stop or slow down what writes: a reader that went away,
//! a full disk and a pipe that nobody empties cost lines, which are counted, and nothing else.

pub mod filter;

use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How much is written at once: a pipe that says it is writable takes so much without waiting (POSIX: `PIPE_BUF`).
const CHUNK_BYTES: usize = 4096;
/// How long a line may wait for a reader that is behind. While one is known to be, later lines do not wait at all.
const READER_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// No wait.
const NO_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Lines that were lost. The log is the process's own, as standard error is.
static DROPPED_LINES: AtomicU64 = AtomicU64::new(0);
/// Standard error, one line at a time.
static OUTPUT: Mutex<Output> = Mutex::new(Output::new());

/// Starts the log. `filter` is in the form of `RUST_LOG`. Panics are logged like everything else.
pub fn start_log(filter: &str) {
    let filter =
        tracing_subscriber::EnvFilter::try_new(filter::of_crates(filter)).unwrap_or_else(|_| "info".into());
    let is_terminal = io::IsTerminal::is_terminal(&io::stderr());
    // A second start in one process keeps the first log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_terminal)
        .with_writer(|| LogWriter)
        .try_init();
    // The default hook waits for whoever reads standard error.
    std::panic::set_hook(Box::new(log_panic));
}

/// How many lines of the log were lost.
pub fn dropped_lines() -> u64 {
    DROPPED_LINES.load(Ordering::Relaxed)
}

/// Writes one line past the log's filter and form, as carefully as the log does.
pub fn write_line(text: &str) {
    let line = format!("{text}\n");
    let mut output = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner);
    output.put(line.as_bytes(), &mut StandardError);
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let text = panic.payload_as_str().unwrap_or("unknown");
    let place = panic.location().map(ToString::to_string);
    let place = place.unwrap_or_default();
    tracing::error!(panic = text, %place, "a part of the program panicked: a bug");
}

/// What the log writes to. It is always successful, or what it means to fail would be written to standard error, too.
struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut output = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner);
        output.put(line, &mut StandardError);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where lines go.
trait Sink {
    /// Whether something can be written now, or within the wait.
    fn is_writable(&self, wait: &Timespec) -> bool;
    /// Writes all of a chunk.
    fn write(&mut self, chunk: &[u8]) -> io::Result<()>;
}

struct StandardError;

impl Sink for StandardError {
    fn is_writable(&self, wait: &Timespec) -> bool {
        let stderr = io::stderr();
        let mut descriptors = [PollFd::new(&stderr, PollFlags::OUT)];
        match poll(&mut descriptors, Some(wait)) {
            Ok(ready) => ready > 0,
            Err(Errno::INTR) => false,
            // What cannot be asked is tried.
            Err(_) => true,
        }
    }

    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        io::stderr().write_all(chunk)
    }
}

struct Output {
    /// Lines that were lost since the last one that was written.
    unsaid: u64,
    /// Whether the reader was behind when it was last waited for.
    reader_is_behind: bool,
}

impl Output {
    const fn new() -> Self {
        Self {
            unsaid: 0,
            reader_is_behind: false,
        }
    }

    fn put(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let is_written = self.say_what_was_lost(sink) && self.write_whole(line, sink);
        if !is_written {
            self.unsaid += 1;
            DROPPED_LINES.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Begins with a line break: the last line may have been cut.
    fn say_what_was_lost(&mut self, sink: &mut dyn Sink) -> bool {
        if self.unsaid == 0 {
            return true;
        }
        let notice = format!("\n{} lines of the log could not be written\n", self.unsaid);
        let is_said = self.write_whole(notice.as_bytes(), sink);
        if is_said {
            self.unsaid = 0;
        }
        is_said
    }

    fn write_whole(&mut self, text: &[u8], sink: &mut dyn Sink) -> bool {
        text.chunks(CHUNK_BYTES).all(|chunk| {
            let wait = if self.reader_is_behind {
                NO_WAIT
            } else {
                READER_WAIT
            };
            self.reader_is_behind = !sink.is_writable(&wait);
            !self.reader_is_behind && sink.write(chunk).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that takes what it takes.
    #[derive(Default)]
    struct Reader {
        is_behind: bool,
        is_gone: bool,
        read: Vec<u8>,
        last_wait_nanos: i64,
    }

    impl Sink for std::cell::RefCell<Reader> {
        fn is_writable(&self, wait: &Timespec) -> bool {
            let mut reader = self.borrow_mut();
            reader.last_wait_nanos = wait.tv_nsec;
            !reader.is_behind
        }

        fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
            let mut reader = self.borrow_mut();
            if reader.is_gone {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            reader.read.extend_from_slice(chunk);
            Ok(())
        }
    }

    #[test]
    fn lines_that_nobody_takes_are_counted_and_told_to_the_next_reader() {
        let (mut output, mut reader) = (Output::new(), std::cell::RefCell::new(Reader::default()));
        let before = dropped_lines();
        reader.borrow_mut().is_gone = true;
        output.put(b"one\n", &mut reader);
        output.put(b"two\n", &mut reader);
        reader.borrow_mut().is_gone = false;
        output.put(b"three\n", &mut reader);
        let read = String::from_utf8(reader.into_inner().read).unwrap();
        assert_eq!(read, "\n2 lines of the log could not be written\nthree\n");
        assert!(dropped_lines() >= before + 2);
    }

    #[test]
    fn a_reader_that_is_behind_is_waited_for_once() {
        let (mut output, mut reader) = (Output::new(), std::cell::RefCell::new(Reader::default()));
        reader.borrow_mut().is_behind = true;
        output.put(b"one\n", &mut reader);
        assert!(reader.borrow().last_wait_nanos > 0);
        output.put(b"two\n", &mut reader);
        assert_eq!(reader.borrow().last_wait_nanos, 0);
        assert_eq!(output.unsaid, 2);
    }
}
