//! How `listen` misbehaves on request.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One way to treat a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// None: 200.
    Ok,
    /// This status.
    Status(u16),
    /// 200 after five seconds.
    Slow,
    /// A redirect to this receiver itself.
    Redirect,
    /// No answer, while the connection stays open.
    Timeout,
    /// The connection ends without an answer.
    Close,
    /// The connection breaks without an answer.
    Reset,
    /// An answer of one byte a second.
    Drip,
    /// An answer that is not HTTP.
    Garbage,
    /// A fault of the simulated platform, by its name.
    Platform(&'static str),
}

const NAMED: [(&str, Fault); 8] = [
    ("ok", Fault::Ok),
    ("slow", Fault::Slow),
    ("redirect", Fault::Redirect),
    ("timeout", Fault::Timeout),
    ("close", Fault::Close),
    ("reset", Fault::Reset),
    ("drip", Fault::Drip),
    ("garbage", Fault::Garbage),
];

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = NAMED.into_iter().find(|(name, _)| *name == text);
        if let Some((_, fault)) = named {
            return Ok(fault);
        }
        if let Some(name) = platform_faults().find(|name| *name == text) {
            return Ok(Self::Platform(name));
        }
        let status = text.parse().ok().filter(|status| (200..=599).contains(status));
        status.map(Self::Status).ok_or_else(|| {
            let names = NAMED.map(|(name, _)| name).join(", ");
            format!("write a status from 200 to 599, one of {names}, or with --as a fault of that platform")
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Status(status) = self {
            return write!(f, "{status}");
        }
        if let Self::Platform(name) = self {
            return f.write_str(name);
        }
        let name = NAMED.into_iter().find(|(_, fault)| fault == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// The names of the faults of every platform that can be simulated.
fn platform_faults() -> impl Iterator<Item = &'static str> {
    let platforms = simulators::kinds()
        .iter()
        .filter_map(|kind| simulators::simulator(kind));
    platforms.flat_map(|platform| platform.faults().iter().map(|fault| fault.name))
}

/// Which fault comes next: a list, one for each request.
pub struct Faults {
    list: Vec<Fault>,
    repeat: bool,
    given: AtomicUsize,
}

impl Faults {
    /// The list from its beginning; then anew, or none any more.
    pub fn new(list: Vec<Fault>, repeat: bool) -> Self {
        Self {
            list,
            repeat,
            given: AtomicUsize::new(0),
        }
    }

    /// The next one.
    pub fn next(&self) -> Fault {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        let index = match self.list.len() {
            0 => return Fault::Ok,
            length if self.repeat => given % length,
            _ => given,
        };
        self.list.get(index).copied().unwrap_or(Fault::Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_reads_back_and_nonsense_is_refused() {
        let texts = NAMED.map(|(name, _)| name);
        let read = texts.map(|text| text.parse::<Fault>().unwrap().to_string());
        assert_eq!(read, texts);
        assert_eq!("503".parse(), Ok(Fault::Status(503)));
        assert!(
            ["", "99", "600", "tmieout"]
                .iter()
                .all(|text| text.parse::<Fault>().is_err())
        );
    }

    #[test]
    fn the_list_is_worked_off_once_or_begins_anew() {
        let list = vec![Fault::Status(500), Fault::Close];
        let once = Faults::new(list.clone(), false);
        assert_eq!(
            [once.next(), once.next(), once.next()],
            [list[0], list[1], Fault::Ok]
        );
        let anew = Faults::new(list.clone(), true);
        assert_eq!(
            [anew.next(), anew.next(), anew.next()],
            [list[0], list[1], list[0]]
        );
    }
}
