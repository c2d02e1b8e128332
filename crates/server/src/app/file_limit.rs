//! How many file descriptors the process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one: many systems give programs 1,024 and allow them many more. Where that is
/// refused, the server makes do with what there is.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// The limit that counts; nothing if there is none.
pub fn present() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
