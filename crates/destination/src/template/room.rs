//! Room for users' templates, in the process that renders them: a stack on which few of them fall.
//!
//! The parser and compiler of minijinja 3.1 follow long chains (`1+1+…`, `a.b.c…`, `- - -…`) by recursion without a bound
//! of their own, and so do values that a loop nests within each other; a stack that overflows would take the whole server
//! with it. A template of 16 KiB and its fuel nest far less than what fits here.

use std::{io, thread};

/// The stack: more than twice what the deepest known templates take in a debug build. Only what is used of it is ever
/// allocated.
const STACK_BYTES: usize = 128 * 1024 * 1024;

/// Does some work with room; nothing if it panics, an error if no thread can be had.
pub fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<Option<T>> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("template".into())
            .stack_size(STACK_BYTES);
        Ok(thread.spawn_scoped(scope, work)?.join().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_and_a_panic_stays_where_it_is() {
        assert_eq!(with_room(|| 1 + 1).unwrap(), Some(2));
        assert_eq!(with_room(|| panic!("on purpose")).unwrap(), None::<()>);
    }
}
