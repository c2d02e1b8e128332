//! A mail server, simulated: SMTP by RFC 5321 without TLS, as on a trusted machine, with size and enhanced status codes. It takes
//! mails for `example.com` and everywhere else, from everybody, and refuses a message that RFC 5322 would not call one.

mod message;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::message::Message;
use crate::simulator::{Dialogue, Fault, MAX_MESSAGES, Request, Response, Simulator, Turn};

/// The largest message, as the server says in its greeting, in bytes.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// The longest line of a command, and of a message, in bytes with its end.
const MAX_COMMAND_BYTES: usize = 512;
const MAX_LINE_BYTES: usize = 1000;
const MAX_RECIPIENTS: usize = 100;

const FAULTS: [Fault; 8] = [
    fault("busy", "421 4.3.2 in place of the greeting"),
    fault("greylisting", "451 4.7.1 for every recipient: come again later"),
    fault("account_missing", "530 5.7.0 for the sender"),
    fault("account_refused", "535 5.7.8 for the sender"),
    fault("unknown_recipient", "550 5.1.1 for every recipient"),
    fault("too_large", "552 5.3.4 for the message"),
    fault("spam", "554 5.7.1 for the message"),
    fault(
        "cut_after_data",
        "the message is taken, and the connection breaks before the reply",
    ),
];

const fn fault(name: &'static str, meaning: &'static str) -> Fault {
    Fault { name, meaning }
}

/// The server, with its mailboxes in memory.
#[derive(Default)]
pub struct Email(Arc<Mutex<Mailboxes>>);

#[derive(Default)]
struct Mailboxes {
    mails: Vec<Message>,
    next_fault: Option<&'static str>,
}

impl Email {
    fn mailboxes(&self) -> MutexGuard<'_, Mailboxes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulator for Email {
    fn answer(&mut self, _request: &Request<'_>) -> Response {
        Response::page(400, "SMTP", "this is a mail server, and no web server".to_owned())
    }

    fn faults(&self) -> &'static [Fault] {
        &FAULTS
    }

    fn fail_next(&mut self, fault: &str) -> bool {
        let known = FAULTS.iter().find(|known| known.name == fault);
        self.mailboxes().next_fault = known.map(|known| known.name);
        known.is_some()
    }

    fn messages(&self) -> Vec<Message> {
        self.mailboxes().mails.clone()
    }

    fn url(&self, address: &str) -> String {
        address.replacen("http://", "smtp://", 1)
    }

    fn speaks_lines(&self) -> bool {
        true
    }

    fn dialogue(&self) -> Option<Box<dyn Dialogue>> {
        let mailboxes = Arc::clone(&self.0);
        let fault = self.mailboxes().next_fault.take();
        Some(Box::new(Session {
            mailboxes,
            fault,
            has_greeted: false,
            sender: None,
            recipients: Vec::new(),
            message: None,
        }))
    }
}

/// One connection.
struct Session {
    mailboxes: Arc<Mutex<Mailboxes>>,
    /// What goes wrong on it.
    fault: Option<&'static str>,
    has_greeted: bool,
    sender: Option<String>,
    recipients: Vec<String>,
    /// What came of the message so far, after `DATA`.
    message: Option<Vec<u8>>,
}

impl Dialogue for Session {
    fn greeting(&mut self) -> Turn {
        match self.fault_is("busy") {
            true => Turn::end("421 4.3.2 too many connections"),
            false => Turn::say("220 mail.example.com ESMTP simulated"),
        }
    }

    fn hear(&mut self, line: &[u8]) -> Turn {
        if self.message.is_some() {
            return self.hear_message(line);
        }
        let Some(line) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.strip_suffix("\r\n"))
        else {
            return Turn::say("500 5.5.2 a command is a line of text that ends with CR LF");
        };
        if line.len() + 2 > MAX_COMMAND_BYTES || line.chars().any(char::is_control) {
            return Turn::say("500 5.5.2 the line is too long, or holds a control character");
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" if rest.is_empty() => Turn::say("501 5.5.4 EHLO takes a name"),
            "EHLO" => {
                self.reset();
                self.has_greeted = true;
                Turn::say(
                    "250-mail.example.com\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 262144",
                )
            }
            "QUIT" => Turn::end("221 2.0.0 bye"),
            "NOOP" => Turn::say("250 2.0.0 ok"),
            "RSET" => {
                self.reset();
                Turn::say("250 2.0.0 ok")
            }
            _ if !self.has_greeted => Turn::say("503 5.5.1 say EHLO first"),
            "MAIL" => Turn::say(self.begin(rest)),
            "RCPT" => Turn::say(self.add(rest)),
            "DATA" if self.recipients.is_empty() => Turn::say("503 5.5.1 no recipient was taken"),
            "DATA" => {
                self.message = Some(Vec::new());
                Turn::say("354 end with a dot in a line of its own")
            }
            _ => Turn::say("502 5.5.1 that is not spoken here"),
        }
    }
}

impl Session {
    fn fault_is(&mut self, name: &str) -> bool {
        self.fault.take_if(|fault| *fault == name).is_some()
    }

    fn reset(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    fn begin(&mut self, rest: &str) -> String {
        if self.fault_is("account_missing") {
            return "530 5.7.0 sign in first".to_owned();
        }
        if self.fault_is("account_refused") {
            return "535 5.7.8 the account is not known".to_owned();
        }
        if self.sender.is_some() {
            return "503 5.5.1 there is a sender already".to_owned();
        }
        let Some((address, parameters)) = path(rest, "FROM:") else {
            return "501 5.1.7 no such sender can be".to_owned();
        };
        let parameters = parameters.to_ascii_uppercase();
        for parameter in parameters.split_whitespace() {
            match parameter.split_once('=') {
                Some(("SIZE", size)) if size.parse().is_ok_and(|size: usize| size <= MAX_MESSAGE_BYTES) => {}
                Some(("SIZE", _)) => return "552 5.3.4 that is too large".to_owned(),
                Some(("BODY", "7BIT" | "8BITMIME")) => {}
                None if parameter == "SMTPUTF8" => {}
                _ => return "555 5.5.4 that parameter is not known".to_owned(),
            }
        }
        if !address.is_ascii() && !parameters.contains("SMTPUTF8") {
            return "553 5.6.7 such an address needs SMTPUTF8".to_owned();
        }
        self.sender = Some(address.to_owned());
        "250 2.1.0 ok".to_owned()
    }

    fn add(&mut self, rest: &str) -> String {
        if self.sender.is_none() {
            return "503 5.5.1 name the sender first".to_owned();
        }
        match self.fault {
            Some("greylisting") => return "451 4.7.1 come again in a few minutes".to_owned(),
            Some("unknown_recipient") => return "550 5.1.1 no such mailbox".to_owned(),
            _ => {}
        }
        match path(rest, "TO:") {
            Some((address, "")) if self.recipients.len() < MAX_RECIPIENTS => {
                self.recipients.push(address.to_owned());
                "250 2.1.5 ok".to_owned()
            }
            Some((_, "")) => "452 4.5.3 too many recipients".to_owned(),
            Some(_) => "555 5.5.4 that parameter is not known".to_owned(),
            None => "501 5.1.3 no such recipient can be".to_owned(),
        }
    }

    fn hear_message(&mut self, line: &[u8]) -> Turn {
        let mut message = self.message.take().unwrap_or_default();
        if line != b".\r\n" {
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            // What is too long is refused at its end, and not kept until then.
            message.truncate(MAX_MESSAGE_BYTES + 1);
            self.message = Some(message);
            return Turn::silent();
        }
        let is_lost = self.fault_is("cut_after_data");
        let (status, reply) = self.take(&message);
        let mail = Mail {
            session: self,
            status,
            reply: &reply,
        };
        let request = mail.seen(&message);
        let response = mail.response(&message, is_lost);
        self.reset();
        Turn {
            said: if is_lost {
                String::new()
            } else {
                format!("{reply}\r\n")
            },
            is_end: is_lost,
            request: Some((request, response)),
        }
    }

    /// What becomes of a message: a status and the reply.
    fn take(&mut self, message: &[u8]) -> (u16, String) {
        if self.fault_is("too_large") || message.len() > MAX_MESSAGE_BYTES {
            return (552, "552 5.3.4 that is too large".to_owned());
        }
        if self.fault_is("spam") {
            return (554, "554 5.7.1 that looks like spam".to_owned());
        }
        let is_long = |line: &[u8]| line.len() > MAX_LINE_BYTES || !line.ends_with(b"\r\n");
        if message.split_inclusive(|byte| *byte == b'\n').any(is_long) {
            return (
                554,
                "554 5.6.0 a line is too long, or does not end with CR LF".to_owned(),
            );
        }
        let shown = match message::read(message) {
            Ok(shown) => shown,
            Err(mistake) => return (554, format!("554 5.6.0 {mistake}")),
        };
        let mut mailboxes = self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        mailboxes.mails.push(shown);
        let surplus = mailboxes.mails.len().saturating_sub(MAX_MESSAGES);
        mailboxes.mails.drain(..surplus);
        (250, format!("250 2.0.0 queued as {}", mailboxes.mails.len()))
    }
}

/// A mail that came to its end.
struct Mail<'a> {
    session: &'a Session,
    status: u16,
    reply: &'a str,
}

impl Mail<'_> {
    /// What came, in the words in which requests over HTTP are seen.
    fn seen(&self, message: &[u8]) -> http::Request<Vec<u8>> {
        let mut headers = HeaderMap::new();
        let addresses = self
            .session
            .sender
            .iter()
            .map(|address| (HeaderName::from_static("mail-from"), address));
        let recipients = self.session.recipients.iter();
        let addresses =
            addresses.chain(recipients.map(|address| (HeaderName::from_static("rcpt-to"), address)));
        for (name, address) in addresses {
            let value = HeaderValue::from_bytes(address.as_bytes()).ok();
            headers.extend(value.map(|value| (name, value)));
        }
        let mut request = http::Request::new(message.to_vec());
        *request.method_mut() = Method::from_bytes(b"MAIL").unwrap_or_default();
        *request.headers_mut() = headers;
        request
    }

    fn response(&self, message: &[u8], is_lost: bool) -> Response {
        Response {
            status: self.status,
            body: self.reply.to_owned(),
            sentence: match self.status {
                250 => format!("took a mail for {}", self.session.recipients.join(", ")),
                _ => format!("refused: {}", self.reply),
            },
            message: message::read(message).ok().filter(|_| self.status == 250),
            is_lost,
            ..Response::default()
        }
    }
}

/// The address of `FROM:<…>` or `TO:<…>`, and what stands behind it.
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (found, rest) = rest.split_at_checked(keyword.len())?;
    let (address, parameters) = rest.strip_prefix('<')?.split_once('>')?;
    let (local, domain) = address.rsplit_once('@')?;
    let is_domain = |domain: &str| domain.is_ascii() && domain.split('.').all(|label| !label.is_empty());
    let is_path = found.eq_ignore_ascii_case(keyword)
        && !local.is_empty()
        && is_domain(domain)
        && !address.contains(['<', ' ', ','])
        && (parameters.is_empty() || parameters.starts_with(' '));
    is_path.then_some((address, parameters.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(session: &mut Box<dyn Dialogue>, line: &str) -> String {
        session
            .hear(format!("{line}\r\n").as_bytes())
            .said
            .trim_end()
            .to_owned()
    }

    const HEAD: &str = "Date: Mon, 15 Jan 2024 10:30:00 +0000\r\nFrom: a@example.com\r\nTo: b@example.com\r\n\
                        Message-ID: <1@example.com>\r\nSubject: =?utf-8?b?w7xiZXI=?=\r\n ok\r\n";

    fn transfer(session: &mut Box<dyn Dialogue>, message: &str) -> String {
        assert!(say(session, "MAIL FROM:<a@example.com> SIZE=100").starts_with("250"));
        assert!(say(session, "RCPT TO:<b@example.com>").starts_with("250"));
        assert!(say(session, "DATA").starts_with("354"));
        for line in message.split("\r\n") {
            assert_eq!(say(session, line), "");
        }
        say(session, ".")
    }

    #[test]
    fn a_mail_is_taken_in_order_and_read_as_its_reader_sees_it() {
        let server = Email::default();
        let mut session = server.dialogue().unwrap();
        assert!(session.greeting().said.starts_with("220 "));
        assert!(say(&mut session, "MAIL FROM:<a@example.com>").starts_with("503"));
        assert!(say(&mut session, "EHLO [127.0.0.1]").contains("SIZE"));
        assert!(say(&mut session, "DATA").starts_with("503"));
        let reply = transfer(&mut session, &format!("{HEAD}\r\nHello\r\n..dot"));
        assert!(reply.starts_with("250"), "{reply}");
        assert_eq!(server.messages()[0].text(), "über ok\nHello\n.dot");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let server = Email::default();
        let mut session = server.dialogue().unwrap();
        say(&mut session, "EHLO x");
        let twice = format!("{HEAD}Subject: again\r\n\r\nHello");
        let long = format!("{HEAD}\r\n{}", "x".repeat(1200));
        for message in [
            "Hello",
            "Subject: x\r\n\r\nHello",
            &twice,
            &long,
            &format!("{HEAD}Bad header: x\r\n\r\n"),
        ] {
            let reply = transfer(&mut session, message);
            assert!(reply.starts_with("554 5.6.0"), "{reply}");
        }
        for command in [
            "MAIL FROM:a@example.com",
            "MAIL FROM:<a>",
            "MAIL FROM:<ü@example.com>",
            "MAIL FROM:<a@b..c>",
        ] {
            assert!(say(&mut session, command).starts_with('5'), "{command}");
        }
    }
}
