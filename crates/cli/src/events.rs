//! `opsknight events`: reads the feed, or follows the stream and takes it up again after every interruption.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::failure::Failure;
use super::output::{self, text};
use super::session::Session;

/// The first wait after an interruption; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The longest line that is read: an event is far shorter.
const MAX_LINE_BYTES: u64 = 1024 * 1024;

/// Which events.
#[derive(Args)]
pub struct Arguments {
    /// Only events after this `cursor`, as `--json` shows it.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// How many at most (1 to 200); not with --follow.
    #[arg(long, conflicts_with = "follow")]
    limit: Option<u32>,
    /// Go on with what happens from now on.
    #[arg(long)]
    follow: bool,
}

/// Prints events, oldest first; with --json one a line.
pub fn run(session: &Session, arguments: Arguments) -> Result<(), Failure> {
    if arguments.follow {
        return follow(session, arguments.after);
    }
    let plain = [
        ("after", arguments.after),
        ("limit", arguments.limit.map(|limit| limit.to_string())),
    ];
    let query = plain.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let accept = [("accept", "application/x-ndjson")];
    let feed = session.api.open("/api/v1/events", &query.collect(), &accept)?;
    let mut lines = Lines::new(feed);
    while let Some(line) = lines.next()? {
        print_event(session, &line)?;
    }
    Ok(())
}

/// Only the reader of our output, a refusal or a first try in vain end this.
fn follow(session: &Session, after: Option<String>) -> Result<(), Failure> {
    let mut last_id = after;
    let mut wait = FIRST_WAIT;
    let mut was_open = false;
    loop {
        match open_stream(session, last_id.as_deref()) {
            Ok(stream) => {
                was_open = true;
                let id_before = last_id.clone();
                follow_stream(session, stream, &mut last_id)?;
                if last_id != id_before {
                    wait = FIRST_WAIT;
                }
            }
            Err(Failure::Unreachable { .. }) if was_open => {}
            // The server is starting, or asks to slow down.
            Err(Failure::Refused(problem))
                if was_open && (problem.status == 429 || problem.status >= 500) => {}
            Err(failure) => return Err(failure),
        }
        pause(wait);
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

fn open_stream(session: &Session, last_id: Option<&str>) -> Result<Box<dyn Read>, Failure> {
    let mut headers = vec![("accept", "text/event-stream")];
    headers.extend(last_id.map(|id| ("last-event-id", id)));
    session.api.open("/api/v1/events/stream", &Vec::new(), &headers)
}

/// Prints what the stream brings until it breaks, and notes how far it came.
fn follow_stream(
    session: &Session,
    stream: Box<dyn Read>,
    last_id: &mut Option<String>,
) -> Result<(), Failure> {
    let mut lines = Lines::new(stream);
    let mut parser = StreamParser::default();
    // A broken stream is taken up again by the caller.
    while let Ok(Some(line)) = lines.next() {
        let Some(event) = parser.take_line(&line) else {
            continue;
        };
        if !event.data.is_empty() {
            print_event(session, &event.data)?;
        }
        if event.id.is_some() {
            *last_id = event.id;
        }
    }
    Ok(())
}

fn pause(wait: Duration) {
    let (_keep_open, never) = mpsc::channel::<()>();
    // Always times out: nobody sends.
    let _ = never.recv_timeout(wait);
}

fn print_event(session: &Session, line: &str) -> Result<(), Failure> {
    if line.trim().is_empty() {
        return Ok(());
    }
    if session.is_json {
        return output::print(line);
    }
    let event: Value = serde_json::from_str(line)
        .map_err(|_| Failure::other("the server sent something else than an event; check --url"))?;
    output::print(&in_words(&event))
}

fn in_words(event: &Value) -> String {
    format!(
        "{}  {:<22}  {}  {} ({}, {})",
        text(event, "/timestamp"),
        text(event, "/event"),
        text(event, "/incident/id"),
        text(event, "/incident/title"),
        text(event, "/incident/severity"),
        text(event, "/incident/service"),
    )
}

/// Lines of bounded length.
struct Lines(BufReader<Box<dyn Read>>);

impl Lines {
    fn new(reader: Box<dyn Read>) -> Self {
        Self(BufReader::new(reader))
    }

    fn next(&mut self) -> Result<Option<String>, Failure> {
        let mut line = Vec::new();
        (&mut self.0).take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// Server-sent events (WHATWG HTML § 9.2), as far as our stream uses them.
#[derive(Default)]
struct StreamParser {
    id: Option<String>,
    data: String,
}

#[derive(Debug, PartialEq, Eq)]
struct StreamEvent {
    id: Option<String>,
    data: String,
}

impl StreamParser {
    /// An event, once the empty line after it has come.
    fn take_line(&mut self, line: &str) -> Option<StreamEvent> {
        if line.is_empty() {
            let event = StreamEvent {
                id: self.id.take(),
                data: std::mem::take(&mut self.data),
            };
            return (event.id.is_some() || !event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Comments keep the connection alive; other fields are not ours.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_event_by_event() {
        let mut parser = StreamParser::default();
        let lines = [
            ": alive",
            "",
            "id: 7",
            "event: incident",
            "data: {\"a\":",
            "data: 1}",
            "",
        ];
        let events: Vec<_> = lines.iter().filter_map(|line| parser.take_line(line)).collect();
        let expected = StreamEvent {
            id: Some("7".into()),
            data: "{\"a\":\n1}".into(),
        };
        assert_eq!(events, [expected]);
    }
}
