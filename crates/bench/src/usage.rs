//! What a process has used, as Linux tells it under /proc.

use std::time::Duration;

use anyhow::Context;

/// Ticks per second in /proc/…/stat: the kernel gives programs 100 on every architecture of today.
const TICKS_PER_SECOND: u64 = 100;
/// Where these stand, counted from the field after the name.
const PARENT: usize = 1;
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const ENDED_CHILDREN_USER_TICKS: usize = 13;
const ENDED_CHILDREN_SYSTEM_TICKS: usize = 14;

/// Processor time and memory of a process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Processor time, user and system, of all threads, with those that ended.
    pub cpu: Duration,
    /// Memory in use.
    pub resident_kib: u64,
    /// The most that it ever was.
    pub peak_kib: u64,
}

impl Usage {
    /// Memory in use.
    pub fn resident_mib(&self) -> f64 {
        self.resident_kib as f64 / 1024.0
    }

    /// The most that it ever was.
    pub fn peak_mib(&self) -> f64 {
        self.peak_kib as f64 / 1024.0
    }
}

/// Of this process.
pub fn own() -> anyhow::Result<Usage> {
    of("self")
}

/// Of another process.
pub fn of_process(id: u32) -> anyhow::Result<Usage> {
    of(&id.to_string())
}

/// Processor time of a process and of those that it started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessTime {
    /// Who started it.
    pub parent: u32,
    /// Of itself.
    pub own: Duration,
    /// Of what it started and waited for until the end.
    pub ended_children: Duration,
}

/// Of a process, if there is one of this number.
pub fn process_time(id: u32) -> Option<ProcessTime> {
    parse_process_time(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// The numbers of all processes.
pub fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parse_process_time(stat: &str) -> Option<ProcessTime> {
    let fields = fields_of(stat)?;
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let sum = |one, other| Some(from_ticks(number(one)? + number(other)?));
    Some(ProcessTime {
        parent: u32::try_from(number(PARENT)?).ok()?,
        own: sum(USER_TICKS, SYSTEM_TICKS)?,
        ended_children: sum(ENDED_CHILDREN_USER_TICKS, ENDED_CHILDREN_SYSTEM_TICKS)?,
    })
}

/// What stands behind the name, which stands in parentheses and may contain spaces and parentheses.
fn fields_of(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace().collect())
}

fn from_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

fn of(process: &str) -> anyhow::Result<Usage> {
    let read = |file: &str| {
        let path = format!("/proc/{process}/{file}");
        std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {path}; bench needs Linux and a server that runs"))
    };
    parse(&read("stat")?, &read("status")?)
        .with_context(|| format!("/proc/{process} has another form than expected"))
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    let fields = fields_of(stat)?;
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let cpu_ticks = ticks(USER_TICKS)? + ticks(SYSTEM_TICKS)?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    Some(Usage {
        cpu: from_ticks(cpu_ticks),
        resident_kib: kib("VmRSS:")?,
        peak_kib: kib("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_past_a_name_with_spaces_and_parentheses() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 4 0 1000";
        let status = "Name:\ta) b\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n";
        let expected = Usage {
            cpu: Duration::from_secs(2),
            resident_kib: 10_240,
            peak_kib: 20_480,
        };
        assert_eq!(parse(stat, status), Some(expected));
    }

    #[test]
    fn the_time_of_children_that_ended_is_told_apart() {
        let stat = "42 (postgres) S 7 42 42 0 -1 4194560 100 0 0 0 150 50 300 25 20 0 4 0 1000";
        let expected = ProcessTime {
            parent: 7,
            own: Duration::from_secs(2),
            ended_children: Duration::from_millis(3250),
        };
        assert_eq!(parse_process_time(stat), Some(expected));
    }

    #[test]
    fn a_process_without_memory_lines_has_no_usage() {
        assert_eq!(
            parse("42 (a) Z 1 42 42 0 -1 4194560 100 0 0 0 150 50 0", "Name:\ta\n"),
            None
        );
    }
}
