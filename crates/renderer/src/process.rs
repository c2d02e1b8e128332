//! The worker's end: bounds itself, then renders one template after the other until nobody asks any more. When the server
//! is gone, its end of the pipe is closed; a template that never ends is ended by the system all the same.

use std::io::{self, Read, Write};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::frame::{Answer, frame, length};
use destination::template::room::with_room;
use destination::template::{Broken, Order};

/// The name of the command that runs a worker.
pub const COMMAND: &str = "render-worker";
/// How long one template may use the processor at least, in nanoseconds. The system counts whole seconds, so that it may be
/// up to one second more.
const PROCESSOR_NANOS: i64 = 500_000_000;
/// How much memory a worker may have, in bytes. Two thirds are the stack that deep templates need.
const MEMORY_BYTES: u64 = 192 * 1024 * 1024;

/// Runs until the server closes its end.
pub fn run() -> io::Result<()> {
    bound(Resource::Core, 0)?;
    bound(Resource::Data, MEMORY_BYTES)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut head = [0; 4];
    while input.read_exact(&mut head).is_ok() {
        let length = length(head).ok_or(io::ErrorKind::InvalidData)?;
        let mut text = vec![0; length];
        input.read_exact(&mut text)?;
        let order: Order = serde_json::from_slice(&text)?;
        bound(Resource::Cpu, end_of_turn())?;
        let failed = || Err(Broken::new(None, "it makes the renderer fail"));
        let made = with_room(|| order.fill())?.unwrap_or_else(failed);
        let answer = frame(&Answer::from(made)).ok_or(io::ErrorKind::InvalidData)?;
        output.write_all(&answer)?;
        output.flush()?;
    }
    Ok(())
}

/// The second of this process's own time at which it is ended.
fn end_of_turn() -> u64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let into_next = used.tv_nsec + PROCESSOR_NANOS > 1_000_000_000;
    u64::try_from(used.tv_sec).unwrap_or_default() + 1 + u64::from(into_next)
}

/// Lowers what this process may have; whoever started it may have set less.
fn bound(resource: Resource, most: u64) -> io::Result<()> {
    let maximum = getrlimit(resource).maximum;
    let current = maximum.map_or(most, |maximum| maximum.min(most));
    setrlimit(
        resource,
        Rlimit {
            current: Some(current),
            maximum,
        },
    )?;
    Ok(())
}
