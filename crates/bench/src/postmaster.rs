//! The processor time of a PostgreSQL whose processes run on this machine: the postmaster, the processes that it has, and
//! those that it had.

use std::time::Duration;

use crate::usage::{self, ProcessTime};

/// The name of its processes' program.
const PROGRAM: &str = "postgres";

/// The process that all others of a PostgreSQL are children of.
#[derive(Debug, Clone, Copy)]
pub struct Postmaster(u32);

impl Postmaster {
    /// The parent of the process that serves a connection; nothing if there is no such process here.
    pub fn of_backend(backend: u32) -> Option<Self> {
        let parent = usage::process_time(backend)?.parent;
        let are_postgres = [backend, parent].iter().all(|id| is_postgres(*id));
        are_postgres.then_some(Self(parent))
    }

    /// What all of them have used so far.
    pub fn cpu(self) -> Option<Duration> {
        // Its children first: whatever of them ends meanwhile is counted by it afterwards, or left out, but never twice.
        let children = usage::processes().filter_map(usage::process_time);
        let children = children.filter(|process| process.parent == self.0);
        let running: Duration = children.map(|process| process.own).sum();
        let ProcessTime {
            own, ended_children, ..
        } = usage::process_time(self.0)?;
        Some(running + own + ended_children)
    }
}

fn is_postgres(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.trim_end() == PROGRAM)
}
