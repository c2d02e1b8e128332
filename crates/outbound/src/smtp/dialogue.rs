//! Lines to a mail server and its replies, with a record of both. A line of ours never holds a line break.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::super::connector::failure;
use model::exchange::{FailureCode, SendFailure};

/// The longest reply, all of its lines together, in bytes.
const MAX_REPLY_BYTES: usize = 16 * 1024;
/// How much is read at once, in bytes.
const CHUNK_BYTES: usize = 1024;

/// What a server replied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Its lines without the code.
    lines: Vec<String>,
}

impl Reply {
    /// In one line.
    pub(super) fn text(&self) -> String {
        let words: Vec<_> = self.lines.iter().map(|line| line.trim()).collect();
        format!("{} {}", self.code, words.join(" ")).trim_end().to_owned()
    }

    pub(super) fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

/// What a server can do beyond the least, as its reply to EHLO says.
pub(super) struct Offers(Vec<String>);

impl Offers {
    pub(super) fn new(reply: &Reply) -> Self {
        let lines = reply.lines.iter().skip(1);
        Self(lines.map(|line| line.to_ascii_uppercase()).collect())
    }

    pub(super) fn has(&self, keyword: &str) -> bool {
        self.0.iter().any(|line| line.split(' ').next() == Some(keyword))
    }

    pub(super) fn signs_in_by(&self, mechanism: &str) -> bool {
        let is_auth = |line: &&String| line.starts_with("AUTH ") || line.starts_with("AUTH=");
        let mut lines = self.0.iter().filter(is_auth);
        lines.any(|line| line.split([' ', '=']).skip(1).any(|word| word == mechanism))
    }
}

/// What was said, for people: our lines after `>`, the server's after `<`.
pub(super) struct Transcript {
    text: String,
    cap: usize,
    is_cut: bool,
}

impl Transcript {
    /// An empty one that keeps so many bytes.
    pub(super) fn new(cap: usize) -> Self {
        Self {
            text: String::new(),
            cap,
            is_cut: false,
        }
    }

    /// What is neither's line.
    pub(super) fn note(&mut self, line: &str) {
        self.is_cut |= self.text.len() + line.len() >= self.cap;
        if !self.is_cut {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// One connection to a server.
pub(super) struct Dialogue<'a, S> {
    stream: S,
    unread: Vec<u8>,
    transcript: &'a mut Transcript,
    deadline: Instant,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Dialogue<'a, S> {
    pub(super) fn new(stream: S, transcript: &'a mut Transcript, deadline: Instant) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            transcript,
            deadline,
        }
    }

    /// The bare connection. What came unasked is a stranger's, who would have it taken for what comes encrypted.
    pub(super) fn into_stream(self) -> Result<S, SendFailure> {
        match self.unread.is_empty() {
            true => Ok(self.stream),
            false => Err(failure(
                FailureCode::TlsFailed,
                "the mail server said more than it should before the encryption began",
            )),
        }
    }

    /// Says a line and hears the reply.
    pub(super) async fn ask(&mut self, command: &str) -> Result<Reply, SendFailure> {
        self.transcript.note(&format!("> {command}"));
        self.say(command).await?;
        self.hear(name_of(command)).await
    }

    /// The same with a line that is a secret, of which only this is seen.
    pub(super) async fn ask_secretly(&mut self, seen: &str, line: &str) -> Result<Reply, SendFailure> {
        self.transcript
            .note(format!("> {seen} ***").replace(">  ", "> ").as_str());
        self.say(line).await?;
        self.hear("the account").await
    }

    /// Hands a message over after `DATA`, and hears what becomes of it.
    pub(super) async fn send_message(&mut self, message: &[u8]) -> Result<Reply, SendFailure> {
        self.transcript
            .note(&format!("> ({} bytes of message)", message.len()));
        let written = self.write(&stuffed(message)).await;
        let heard = match written {
            Ok(()) => self.hear("the message").await,
            Err(failure) => Err(failure),
        };
        heard.map_err(|trouble| SendFailure {
            detail: format!(
                "{}: whether it took the mail is not known, and a repeat has the same Message-ID",
                trouble.detail
            ),
            ..trouble
        })
    }

    /// Says goodbye, and waits for nothing.
    pub(super) async fn take_leave(&mut self) {
        let _ = self.write(b"QUIT\r\n").await;
    }

    async fn say(&mut self, line: &str) -> Result<(), SendFailure> {
        if line.chars().any(char::is_control) {
            let detail = "an address or the account holds a control character";
            return Err(failure(FailureCode::RequestInvalid, detail));
        }
        self.write(format!("{line}\r\n").as_bytes()).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SendFailure> {
        let writing = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout_at(self.deadline, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(closed("while it was spoken to")),
            Err(_) => Err(late("what it was told")),
        }
    }

    /// From now on the server has at least this long.
    pub(super) fn wait_longer(&mut self, time: Duration) {
        self.deadline = self.deadline.max(Instant::now() + time);
    }

    /// Hears the reply to something.
    pub(super) async fn hear(&mut self, to: &str) -> Result<Reply, SendFailure> {
        let reply = match timeout_at(self.deadline, self.read_reply(to)).await {
            Ok(result) => result?,
            Err(_) => return Err(late(to)),
        };
        for (index, line) in reply.lines.iter().enumerate() {
            let sign = if index + 1 == reply.lines.len() { ' ' } else { '-' };
            self.transcript.note(&format!("< {}{sign}{line}", reply.code));
        }
        Ok(reply)
    }

    async fn read_reply(&mut self, to: &str) -> Result<Reply, SendFailure> {
        let (mut reply, mut bytes) = (None, 0);
        loop {
            let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') else {
                if bytes + self.unread.len() > MAX_REPLY_BYTES {
                    return Err(invalid("the mail server's reply is too long"));
                }
                let mut chunk = [0; CHUNK_BYTES];
                let count = self.stream.read(&mut chunk).await.unwrap_or(0);
                if count == 0 {
                    return Err(closed(&format!("before it replied to {to}")));
                }
                self.unread.extend(chunk.iter().take(count));
                continue;
            };
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            bytes += line.len();
            if bytes > MAX_REPLY_BYTES {
                return Err(invalid("the mail server's reply is too long"));
            }
            if add_line(&mut reply, &line).ok_or_else(|| invalid("what answers is no mail server"))? {
                return reply.ok_or_else(|| invalid("what answers is no mail server"));
            }
        }
    }
}

/// Adds a line to a reply; says whether it was the last. Nothing if it is none, or of another reply.
fn add_line(reply: &mut Option<Reply>, line: &[u8]) -> Option<bool> {
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end_matches(['\r', '\n']);
    let digits = line
        .get(..3)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let code: u16 = digits.parse().ok().filter(|code| (200..=599).contains(code))?;
    let (is_last, text) = match line.get(3..).unwrap_or_default() {
        "" => (true, ""),
        rest => (!rest.starts_with('-'), rest.strip_prefix(['-', ' '])?),
    };
    let text = text.chars().filter(|character| !character.is_control()).collect();
    match reply {
        Some(known) if known.code != code => return None,
        Some(known) => known.lines.push(text),
        None => {
            *reply = Some(Reply {
                code,
                lines: vec![text],
            });
        }
    }
    Some(is_last)
}

/// A message as it goes over the line: a dot at the beginning of a line doubled, and the end marked (RFC 5321, 4.5.2).
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            sent.push(b'.');
        }
        sent.extend_from_slice(line);
    }
    if !sent.ends_with(b"\r\n") {
        sent.extend_from_slice(b"\r\n");
    }
    sent.extend_from_slice(b".\r\n");
    sent
}

fn name_of(command: &str) -> &str {
    let end = command.find([':', ' ']).filter(|_| !command.starts_with("AUTH"));
    command.get(..end.unwrap_or(command.len())).unwrap_or_default()
}

fn closed(when: &str) -> SendFailure {
    failure(
        FailureCode::ConnectionClosed,
        format!("the mail server closed the connection {when}"),
    )
}

fn late(to: &str) -> SendFailure {
    failure(
        FailureCode::ResponseTimeout,
        format!("the mail server did not reply to {to} in time"),
    )
}

fn invalid(detail: &str) -> SendFailure {
    failure(FailureCode::ResponseInvalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<Reply> {
        let mut reply = None;
        for line in lines {
            add_line(&mut reply, line.as_bytes())?;
        }
        reply
    }

    #[test]
    fn replies_have_one_code_and_any_number_of_lines() {
        let reply = read(&[
            "250-mx greets you\r\n",
            "250-SIZE 100\r\n",
            "250-auth=LOGIN PLAIN\n",
            "250 STARTTLS\r\n",
        ])
        .unwrap();
        assert_eq!(
            reply.text(),
            "250 mx greets you SIZE 100 auth=LOGIN PLAIN STARTTLS"
        );
        let offers = Offers::new(&reply);
        assert!(offers.has("STARTTLS") && offers.has("SIZE") && !offers.has("SMTPUTF8"));
        assert!(offers.signs_in_by("PLAIN") && offers.signs_in_by("LOGIN") && !offers.signs_in_by("AUTH"));
        assert_eq!(read(&["220"]).unwrap().text(), "220");
        for other in [
            &["250-a", "550 b"][..],
            &["HTTP/1.1 400 Bad"],
            &["25"],
            &["250_x"],
            &["999 x"],
            &["\u{e9}\u{e9}"],
        ] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }

    #[test]
    fn no_line_of_a_message_ends_it() {
        assert_eq!(stuffed(b"a\r\n.\r\n..b\r\nc"), b"a\r\n..\r\n...b\r\nc\r\n.\r\n");
        assert_eq!(stuffed(b".\r\n"), b"..\r\n.\r\n");
    }

    #[tokio::test]
    async fn a_line_never_becomes_two() {
        let (near, _far) = tokio::io::duplex(64);
        let mut transcript = Transcript::new(100);
        let deadline = Instant::now() + std::time::Duration::from_secs(5);
        let mut dialogue = Dialogue::new(near, &mut transcript, deadline);
        let refused = dialogue.ask("RCPT TO:<a@b>\r\nDATA").await.unwrap_err();
        assert_eq!(refused.code, FailureCode::RequestInvalid);
    }
}
